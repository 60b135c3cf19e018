"""What can be chosen of a training run: one table, read from TOML and from flags, and written with the run."""

from __future__ import annotations

import difflib
import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from minigrad.errors import MinigradError
from minigrad.serialize import atomic_write

SECTIONS = ("data", "model", "training")
TYPES = {"int": int, "float": float, "str": str, "bool": bool, "dict": dict}
WHAT = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a table"}


class ConfigError(MinigradError, ValueError):
    """A configuration that has an unknown name, or a value that is none."""


def _option(
    section: str,
    default: Any,
    text: str,
    least: float | None = None,
    below: float = math.inf,
    choices: tuple[str, ...] = (),
    fixed: bool = True,
) -> Any:
    made = {"section": section, "help": text, "least": least, "below": below, "choices": choices, "fixed": fixed}
    if default is dict:
        return field(default_factory=dict, metadata=made)
    return field(default=default, metadata=made)


def _data(default: Any, text: str, **limits: Any) -> Any:
    return _option("data", default, text, **limits)


def _model(default: Any, text: str, **limits: Any) -> Any:
    return _option("model", default, text, **limits)


def _training(default: Any, text: str, **limits: Any) -> Any:
    return _option("training", default, text, **limits)


# The kinds of data, here so that --help need import no task.
KINDS = {
    "characters": "a text: the next character",
    "words": "a text: the next word",
    "pairs": "lines of two texts with a tab between: the second from the first",
    "adding-problem": "the sum of two marked numbers in a long sequence",
    "copy-task": "symbols, to be repeated after a long pause",
    "parity": "is the number of ones so far odd",
    "binary-addition": "the sum of two binary numbers, bit by bit",
    "running-sum": "the sum of all numbers so far",
    "which-is-larger": "which of two inputs has the larger total so far",
}
OPTIMIZERS = ("adam", "adamw", "rmsprop", "adagrad", "sgd")
SCHEDULES = ("cosine", "constant", "linear", "one-cycle", "inverse-sqrt", "exponential")


@dataclass(frozen=True)
class Config:
    """All that a run is made of. A name is a flag (`--hidden 256`), and stands in its section of a TOML file.

    Raises ConfigError for an unknown name, or a value out of its range. `fixed` ones cannot be changed when a run is
    resumed.
    """

    kind: str = _data("characters", "kind of data", choices=tuple(KINDS))
    text: str = _data(
        "", "UTF-8 text to learn, of kind pairs with a tab in each line (default: Python's own library)", fixed=False
    )
    validation: float = _data(0.1, "what is kept to validate on: a share, or from 1 up so many items", least=1e-9)
    vocabulary: int = _data(10_000, "how many of the commonest words are known", least=2)
    length: int = _data(64, "time steps of a piece of text, or of a made sequence", least=1)
    batch: int = _data(32, "sequences side by side, in all processes together", least=1)

    cell: str = _model("lstm", "a cell's name, or module:Class")
    hidden: int = _model(192, "hidden units", least=1)
    embedding: int = _model(64, "numbers that stand for a symbol", least=1)
    layers: int = _model(1, "layers", least=1)
    dropout: float = _model(0.0, "dropout between layers", least=0, below=1)
    output_dropout: float = _model(0.0, "dropout on what the output layer reads", least=0, below=1)
    options: dict[str, Any] = _model(dict, "further options of mr.Recurrent and the cell, NAME=VALUE")  # noqa: RUF009 (a field)
    attention: str = _model("additive", "of kind pairs", choices=("none", "additive", "dot", "bilinear"))
    dtype: str = _model("float32", "precision", choices=("float32", "float64"))

    steps: int = _training(1000, "updates", least=1, fixed=False)
    epochs: float = _training(0.0, "passes through the data, in place of steps", least=0, below=1e9, fixed=False)
    optimizer: str = _training("adam", "update rule", choices=OPTIMIZERS)
    optimizer_options: dict[str, Any] = _training(dict, "further options of the optimiser, NAME=VALUE")  # noqa: RUF009 (a field)
    lr: float = _training(5e-3, "the highest learning rate", least=1e-12, fixed=False)
    weight_decay: float = _training(0.0, "weight decay", least=0, fixed=False)
    schedule: str = _training("cosine", "how the learning rate goes", choices=SCHEDULES, fixed=False)
    warmup: int = _training(
        20, "updates in which the learning rate rises, at most a tenth of all", least=0, fixed=False
    )
    floor: float = _training(
        0.1,
        "share of the learning rate that is left at the end (cosine, linear, exponential)",
        least=0,
        below=1,
        fixed=False,
    )
    clip: float = _training(1.0, "the gradient's greatest norm; 0: no limit", least=0, fixed=False)
    accumulate: int = _training(1, "parts to compute a batch in, for less memory", least=1, fixed=False)
    carry: bool = _training(True, "begin a piece of text with the state that the one before ended in")
    validate_every: int = _training(
        0, "updates between validations; 0: an epoch's, at most a tenth of all", least=0, fixed=False
    )
    patience: int = _training(0, "stop after so many validations without a better one; 0: never", least=0, fixed=False)
    log_every: int = _training(10, "updates between lines of metrics.jsonl", least=1, fixed=False)
    save_seconds: float = _training(30.0, "at most so long between checkpoints", least=0, fixed=False)
    sample: int = _training(200, "symbols to write as a sample at each validation", least=0, fixed=False)
    tensorboard: bool = _training(False, "write files for TensorBoard too", fixed=False)
    seed: int = _training(0, "for weights, batches, dropout and samples", least=0)
    threads: int = _training(0, "threads to compute with; 0: all cores that there are", least=0, fixed=False)

    def but(self, changes: Mapping[str, Any]) -> Config:
        """This configuration with some values changed. Steps given without epochs take their place, and vice versa."""
        values = dict(changes)
        if "steps" in values:
            values.setdefault("epochs", 0.0)
        return Config(**{**vars(self), **values})

    def tables(self) -> dict[str, dict[str, Any]]:
        """The values by section and name, as they stand in a file."""
        tables: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        for option in fields(self):
            tables[option.metadata["section"]][option.name] = getattr(self, option.name)
        return tables

    def write(self, path: str | Path) -> None:
        """Write it as TOML, whole or not at all."""
        import tomli_w

        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            tomli_w.dump(self.tables(), file)

    def differences(self, other: Config) -> dict[str, tuple[Any, Any]]:
        """What two configurations have different: name -> (here, there)."""
        return {
            option.name: (getattr(self, option.name), getattr(other, option.name))
            for option in fields(self)
            if getattr(self, option.name) != getattr(other, option.name)
        }


OPTIONS = {option.name: option for option in fields(Config)}

# In place of a __post_init__, between which and the user's line there would be code that dataclass has made.
_set = Config.__init__


@functools.wraps(_set)
def _set_checked(self: Config, *args: Any, **values: Any) -> None:
    for name in values:
        if name not in OPTIONS:
            raise ConfigError(f"there is no option {name!r}{_hint(name, OPTIONS)}")
    _set(self, *args, **values)
    for name, option in OPTIONS.items():
        object.__setattr__(self, name, _checked(option, getattr(self, name)))


Config.__init__ = _set_checked  # type: ignore[method-assign]


def kind_of(option: Any) -> type:
    """The type of an option's value."""
    return TYPES[option.type.partition("[")[0]]


def read(path: str | Path) -> dict[str, Any]:
    """The values of a TOML file, by name. A text's path in it is meant from the file's folder.

    Raises ConfigError for a file that cannot be read, and for a section or a name that there is not.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # also a number too long to read
        raise ConfigError(f"{path} is no TOML: {error}") from None
    try:
        values = from_tables(tables)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}") from None
    if isinstance(text := values.get("text"), str) and text:
        values["text"] = str(path.parent.absolute() / text)
    return values


def overridden(values: Mapping[str, Any], by: Mapping[str, Any]) -> dict[str, Any]:
    """Values with others in their place: a table's name by name, and steps in the place of epochs."""
    made = {**values, **by}
    for name in by.keys() & values.keys():
        if isinstance(by[name], dict) and isinstance(values[name], dict):
            made[name] = {**values[name], **by[name]}
    if "steps" in by and "epochs" not in by:
        made.pop("epochs", None)
    return made


def from_tables(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Values by section and name -> by name. Raises ConfigError for one that there is not."""
    values: dict[str, Any] = {}
    for section, table in tables.items():
        if section not in SECTIONS or not isinstance(table, dict):
            raise ConfigError(f"there is no section [{section}]: write [data], [model] and [training]{_hint(section)}")
        for name, value in table.items():
            if name not in OPTIONS or OPTIONS[name].metadata["section"] != section:
                raise ConfigError(f"[{section}] has no option {name!r}{_hint(name)}")
            values[name] = value
    return values


def parse(name: str, text: str) -> Any:
    """The value of a flag's text. Raises ConfigError where it is none."""
    kind = kind_of(OPTIONS[name])
    if kind is bool:
        if text not in ("true", "false"):
            raise ConfigError(f"{name} must be true or false, not {text!r}")
        return text == "true"
    if kind is dict:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"{name} takes NAME=VALUE, not {text!r}")
        try:
            return {key: tomllib.loads(f"value = {value}")["value"]}
        except tomllib.TOMLDecodeError:
            return {key: value}
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"{name} must be {_wanted(OPTIONS[name])}, not {text!r}") from None


def _checked(option: Any, value: Any) -> Any:
    kind, limits = kind_of(option), option.metadata
    if kind is float and type(value) is int:
        value = float(value)
    right = type(value) is kind
    if right and limits["least"] is not None:
        right = limits["least"] <= value < limits["below"]
    if right and limits["choices"]:
        right = value in limits["choices"]
    if not right:
        raise ConfigError(f"{option.name} must be {_wanted(option)}, not {value!r}{_hint(value, limits['choices'])}")
    return dict(value) if kind is dict else value


def _wanted(option: Any) -> str:
    limits = option.metadata
    if limits["choices"]:
        return f"one of {', '.join(limits['choices'])}"
    wanted = WHAT[kind_of(option)]
    if limits["least"] is not None:
        wanted += " above 0" if 0 < limits["least"] < 1 else f" from {limits['least']} up"
    return wanted if limits["below"] == math.inf else f"{wanted}, below {limits['below']}"


def _hint(given: Any, known: Any = None) -> str:
    """ "; did you mean …?", for a name that is nearly one of those known (sections and options if None)."""
    names = difflib.get_close_matches(str(given), known or [*OPTIONS, *SECTIONS], 1)
    if not names:
        return ""
    where = f" in [{OPTIONS[names[0]].metadata['section']}]" if not known and names[0] in OPTIONS else ""
    return f"; did you mean {names[0]!r}{where}?"


if Config.__doc__:  # python -OO takes it away
    Config.__doc__ += "\n    With their defaults, the names are\n\n" + "".join(
        f"        {name} = {value!r}: {OPTIONS[name].metadata['help']}\n" for name, value in vars(Config()).items()
    )
