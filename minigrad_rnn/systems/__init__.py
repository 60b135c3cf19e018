"""Systems: what a recipe is made of, how it is run, and what is kept of its results."""

from .figure import Figure
from .lab import Lab
from .outcome import Outcome, SystemRunError, figures_table, run_system
from .system import System, SystemNameError, get, names, parts, system
