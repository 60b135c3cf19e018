"""What the command line takes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from minigrad.draw import LEVELS, THEMES

from . import demo
from .training import config


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _number(kind: Callable[[str], Any], least: float, told: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not least <= number < float("inf"):
            raise argparse.ArgumentTypeError(f"must be {told}, not {text!r}")
        return number

    return parse


_whole = _number(int, 1, "a whole number from 1 up")
_seed = _number(int, 0, "a whole number from 0 up")
_temperature = _number(float, 0, "a number from 0 up")


def _add_options(added: Any, names: Sequence[str], defaults: dict[str, Any]) -> None:
    """Flags for options of a configuration; only those that are given are in the arguments afterwards."""
    for name in names:
        option = config.OPTIONS[name]
        flag, kind = f"--{name.replace('_', '-')}", config.kind_of(option)
        default = defaults.get(name, option.default)
        text = option.metadata["help"] + ("" if kind is dict or name == "text" else f" (default: {default})")
        more: dict[str, Any] = {"default": argparse.SUPPRESS, "dest": name, "help": text.replace("%", "%%")}
        if kind is bool:
            added.add_argument(flag, action=argparse.BooleanOptionalAction, **more)
            continue
        if choices := option.metadata["choices"]:
            more["help"] = f"{option.metadata['help']}: {', '.join(choices)} (default: {default})"
        if kind is dict:
            more["action"] = "append"
        metavar = "NAME=VALUE" if kind is dict else "FILE" if name == "text" else kind.__name__.upper()
        added.add_argument(flag, type=_option(name), metavar=metavar, **more)


def _option(name: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            value = config.parse(name, text)
            config.Config(**{name: value})
        except config.ConfigError as error:
            raise argparse.ArgumentTypeError(error.message) from None
        return value

    return parse


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; `command` in what it parses is the one that was named."""
    shared = _Parser(add_help=False)
    backend = os.environ.get("MINIGRAD_BACKEND") or "numpy"
    shared.add_argument("--backend", default=backend, metavar="NAME", help=f"numpy, cupy, cupy:1, auto (now {backend})")
    seeded = _Parser(add_help=False, parents=[shared])
    seeded.add_argument("--seed", type=_seed, default=0, help="for weights and samples (default: 0)")
    parser = _Parser(prog="minigrad-rnn", description="Recurrent networks whose graphs can be drawn.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, text: str, parent: _Parser = seeded) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[parent], help=text, description=text)

    added = command("demo", "Train a character model in about a minute and draw an unrolled graph.", shared)
    _add_options(added, ("text", "cell", "steps", "threads", "seed"), {"steps": demo.STEPS})
    added.add_argument("--out", default="minigrad-demo", metavar="DIR", help="folder (default: minigrad-demo)")

    added = command("train", "Train a model; a run that was interrupted goes on with --resume.", shared)
    added.add_argument("config", nargs="?", metavar="CONFIG.toml", help="what to train; flags have precedence")
    added.add_argument("--out", default="minigrad-run", metavar="DIR", help="the run's folder (default: minigrad-run)")
    added.add_argument("--resume", action="store_true", help="go on where the run in that folder was left")
    added.add_argument("--parallel", action="store_true", help="in all processes that mpiexec started, together")
    for section in config.SECTIONS:
        group = added.add_argument_group(f"[{section}]")
        _add_options(group, [n for n, o in config.OPTIONS.items() if o.metadata["section"] == section], {})

    added = command("runs", "Compare runs: a table, and a plot.")
    added.add_argument("folders", nargs="*", default=["."], metavar="DIR", help="runs, or folders of runs (default: .)")
    added.add_argument("-o", "--output", metavar="FILE", help="plot their validations: .png, .svg, .pdf")

    added = command("sample", "Continue a text with a trained model.")
    added.add_argument("--model", required=True, metavar="FILE", help="a run's folder, or its model.safetensors")
    added.add_argument("--prime", default="", help="the text to continue")
    added.add_argument("--length", type=_whole, default=500, help="characters to write (default: 500)")
    added.add_argument("--temperature", type=_temperature, default=0.8, help="0 is the likeliest (default: 0.8)")

    added.add_argument("--cell", help="module:Class, for a model of a cell of your own")

    added = command("serve", "Show a trained model in the browser: type, and watch the text and its units grow.")
    added.add_argument("model", metavar="MODEL", help="a run's folder, or its model.safetensors")
    added.add_argument("--host", default="127.0.0.1", help="who may come: this machine alone (default: 127.0.0.1)")
    added.add_argument("--port", type=_number(int, 0, "a whole number from 0 up"), default=8765, help="0: a free one")
    added.add_argument("--max-length", type=_whole, default=2000, help="of a text (default: 2000 characters)")
    added.add_argument("--max-concurrent", type=_whole, default=2, help="texts at a time (default: 2)")
    added.add_argument("--cell", help="module:Class, for a model of a cell of your own")
    added.add_argument("--open", action="store_true", help="show it in the browser")

    added = command("export", "Write a trained model for other tools: ONNX, or PyTorch's names and layout.")
    added.add_argument("model", metavar="MODEL", help="a run's folder, or its model.safetensors")
    added.add_argument("-o", "--output", required=True, metavar="FILE", help="FILE.onnx, or FILE.safetensors (PyTorch)")
    added.add_argument("--cell", help="module:Class, for a model of a cell of your own")

    added = command("draw", "Draw the unrolled graph of a small network.")
    added.add_argument("--cell", default="lstm", help="rnn, lstm, gru, or module:Class (default: lstm)")
    added.add_argument("--steps", type=_whole, default=4, help="time steps (default: 4)")
    added.add_argument("--hidden", type=_whole, default=2, help="hidden units (default: 2)")
    added.add_argument("--layers", type=_whole, default=1, help="layers (default: 1)")
    added.add_argument("--bidirectional", action="store_true", help="in both directions")
    levels = ", ".join(LEVELS)
    added.add_argument("--level", choices=LEVELS, default="gate", metavar="LEVEL", help=f"{levels} (default: gate)")
    for name, default, text in (
        ("values", True, "write the values"),
        ("backward", True, "draw the backward graph, with the gradients"),
        ("shapes", False, "write the shapes"),
        ("locals", False, "write the local derivatives on the edges"),
        ("flow", False, "show by width how large gradients are"),
    ):
        added.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=default, help=text)
    added.add_argument("--theme", choices=THEMES, default="light", help=", ".join(THEMES) + " (default: light)")
    added.add_argument(
        "-o",
        "--output",
        default="unrolled.svg",
        metavar="FILE",
        help=".svg, .png, .pdf, .tikz; .html plays it step by step; .dot, .mmd; .tex and .txt hold the equations",
    )
    added.add_argument("--open", action="store_true", help="show it in the browser")

    added = command("check", "Try a cell wherever cells are used, and say what it does wrong.")
    added.add_argument("--cell", required=True, help="a cell's name, or module:Class")
    added.add_argument("--inputs", type=_whole, default=3, help="features (default: 3)")
    added.add_argument("--hidden", type=_whole, default=4, help="hidden units (default: 4)")

    added = command("run", "Run a system of `minigrad-rnn list`: its figure beside a reference, and its pictures.")
    added.add_argument("names", nargs="+", metavar="SYSTEM", help="its name, or several, or all")
    added.add_argument("--quick", action="store_true", help="in seconds, too short for its figure")
    added.add_argument(
        "--data", metavar="FILE", help="your own data in place of the system's (what it may be: `list SYSTEM`)"
    )
    added.add_argument("--out", default="minigrad-systems", metavar="DIR", help="(default: minigrad-systems/SYSTEM)")
    added.add_argument("--results", metavar="FILE.md", help="write a table of their figures")
    added.add_argument("--resume", action="store_true", help="of several, leave out those that have a result already")
    added.add_argument("--threads", type=_number(int, 0, "a whole number from 0 up"), default=0, help="0: all cores")

    added = command("list", "List the cells, the kinds of data, and the systems that there are.")
    added.add_argument("names", nargs="*", metavar="SYSTEM", help="say all of these: idea, equations, source, data")
    return parser
