"""What can be trained by a configuration: a model of the library on one kind of data."""

from __future__ import annotations

import minigrad as mg

from ...evaluating import evaluating
from ..config import Config, ConfigError
from .base import Task, perplexity
from .supervised import Supervised


def make_task(config: Config) -> Task:
    """The task of a configuration, its model drawn from the seed. ConfigError for options that do not go together."""
    from .language import Language
    from .sequences import TASKS, Sequences
    from .translation import Translation

    mg.seed(config.seed)
    kind = {"characters": Language, "words": Language, "pairs": Translation, **dict.fromkeys(TASKS, Sequences)}
    try:
        return kind[config.kind](config)
    except TypeError as error:  # of a constructor that has no such option
        raise ConfigError(f"the model cannot be made ({error}): change [model] or its options") from error
    except MemoryError as error:
        raise ConfigError(f"there is not the memory for this model ({error}): make it smaller") from error
    except ValueError as error:
        if isinstance(error, mg.errors.MinigradError):
            raise
        raise ConfigError(f"the run cannot be set up: {error}") from error
