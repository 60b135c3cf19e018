"""Training: the loop, and what is shown of it."""

from .loop import fit
from .report import Progress, plot_losses
