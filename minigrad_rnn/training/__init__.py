"""Training: runs that can be interrupted and go on, in one process or several."""

from .checkpoint import Checkpoint
from .config import Config, ConfigError
from .fit import Result, Watcher, fit
from .parallel import Group
from .report import Progress
from .run import Run, RunError
from .tasks import Supervised, Task, make_task
from .trainer import DivergedError, Trainer, Update
