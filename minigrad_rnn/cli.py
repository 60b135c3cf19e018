"""The command line: `minigrad-rnn COMMAND`. What it takes, what it prints; the work is done elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

import minigrad as mg
from minigrad.draw import LEVELS, THEMES
from minigrad.errors import MinigradError

from . import cells
from .charmodel import CharModel
from .check import check_cell
from .pictures import unrolled
from .recipes import char_lm

console = Console(markup=False)  # what is printed may hold the user's own brackets


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 a cell failed its check, 2 bad input, 130 interrupted."""
    args = _parser().parse_args(argv)
    sys.path.insert(0, "")  # module:Class may stand in the current folder
    try:
        with mg.use_backend(args.backend):
            mg.seed(args.seed)
            return args.run(args)
    except BrokenPipeError:  # whoever read our output has gone: not an error, and nothing more to write
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (MinigradError, OSError) as error:
        told = error.message if isinstance(error, MinigradError) else str(error)
        print(f"minigrad-rnn {args.command}: error: {' '.join(told.split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def demo(args: argparse.Namespace) -> int:
    result = _train(args)
    picture = result.folder / "unrolled.svg"
    mg.seed(args.seed)
    unrolled(args.cell, steps=4, level="gate", values=True).save(picture)
    unrolled(args.cell, steps=4).save(picture.with_suffix(".html"))
    model = _shown(result.folder / "model.safetensors")
    pictures = {
        "unrolled.svg": f"a small {args.cell}, unrolled over four steps, with values and gradients",
        "unrolled.html": "the same, played step by step in a browser",
    }
    _report(result, pictures)
    console.print("\nTry next:", style="bold")
    for command in (
        f'minigrad-rnn sample --model {model} --prime "def " --temperature 0.8',
        "minigrad-rnn draw --cell gru --steps 3 -o gru.svg",
        "minigrad-rnn train --text FILE --cell gru --hidden 256 --out my-run",
    ):
        console.print(f"  {command}", soft_wrap=True)
    return 130 if result.interrupted else 0


def train(args: argparse.Namespace) -> int:
    result = _train(args)
    _report(result, {})
    return 130 if result.interrupted else 0


def _train(args: argparse.Namespace) -> char_lm.Result:
    chosen = {name: value for name, value in vars(args).items() if name in char_lm.Options.__dataclass_fields__}
    return char_lm.run(char_lm.Options(**chosen), console)


def _report(result: char_lm.Result, more: dict[str, str]) -> None:
    if result.interrupted:
        console.print(f"Interrupted after {result.steps:,} steps: what there is has been saved.", style="bold yellow")
    better = "better than" if result.bits < result.bigram else "NOT better than"
    console.print(
        f"Validation: {result.bits:.3f} bits per character, {better} the bigram model's {result.bigram:.3f}.",
    )
    files = {
        "model.safetensors": "the trained model",
        "loss.png": "its loss over time",
        "sample.txt": "what it writes, at three temperatures",
    } | more
    console.print(f"In {_shown(result.folder)}:", soft_wrap=True)
    for name, what in files.items():
        if (result.folder / name).exists():
            console.print(f"  {name:<18} {what}", soft_wrap=True)


def _shown(path: Path) -> str:
    """`path` as the user would type it: relative if it is below the current folder."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def sample(args: argparse.Namespace) -> int:
    model = CharModel.load(args.model, args.cell)
    characters = model.continue_text(args.prime, args.length, args.temperature, args.seed)
    sys.stdout.write(args.prime)
    for character in characters:
        sys.stdout.write(character)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return 0


def draw(args: argparse.Namespace) -> int:
    names = ("level", "backward", "values", "shapes", "locals", "flow", "theme")
    options = {name: getattr(args, name) for name in names}
    picture = unrolled(
        args.cell, args.steps, args.hidden, num_layers=args.layers, bidirectional=args.bidirectional, **options
    )
    picture.save(args.output)
    console.print(f"{_shown(Path(args.output))}: {picture.picture.title}", soft_wrap=True)
    if args.open:
        webbrowser.open(Path(args.output).absolute().as_uri())
    return 0


def check(args: argparse.Namespace) -> int:
    return 0 if check_cell(args.cell, args.inputs, args.hidden) else 1


def list_systems(args: argparse.Namespace) -> int:
    table = Table("cell", "class", "what it is")
    for name in cells.names():
        cell = cells.get(name)
        table.add_row(name, cell.__name__, (cell.__doc__ or "").strip().partition("\n")[0])
    console.print(table)
    table = Table("system", "what it is", "how to run it")
    table.add_row("char-lm", "a character language model and generator", "minigrad-rnn demo, minigrad-rnn train")
    console.print(table)
    return 0


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
_rate = _number(float, 1e-12, "a number above 0")
_temperature = _number(float, 0, "a number from 0 up")


def _parser() -> argparse.ArgumentParser:
    shared = _Parser(add_help=False)
    backend = os.environ.get("MINIGRAD_BACKEND") or "numpy"
    shared.add_argument("--backend", default=backend, metavar="NAME", help=f"numpy, cupy, cupy:1, auto (now {backend})")
    shared.add_argument("--seed", type=_seed, default=0, help="for weights and samples (default: 0)")
    parser = _Parser(prog="minigrad-rnn", description="Recurrent networks whose graphs can be drawn.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[shared], help=text, description=text)
        added.set_defaults(run=run)
        return added

    defaults = char_lm.Options()
    for name, run, text, out in (
        ("demo", demo, "Train a character model in about a minute and draw an unrolled graph.", defaults.out),
        ("train", train, "Train a character model with sizes of your own.", "minigrad-run"),
    ):
        added = command(name, run, text)
        added.add_argument("--text", metavar="FILE", help="UTF-8 text to learn (default: Python's standard library)")
        added.add_argument("--cell", default=defaults.cell, help="rnn, lstm, gru, or module:Class (default: lstm)")
        added.add_argument("--steps", type=_whole, default=defaults.steps, help=f"updates (default: {defaults.steps})")
        added.add_argument("--threads", type=_whole, default=defaults.threads, help="BLAS threads (default: 1)")
        added.add_argument("--out", default=out, metavar="DIR", help=f"folder for what is made (default: {out})")
        if name == "train":
            for size in ("hidden", "embedding", "layers", "batch", "length"):
                value = getattr(defaults, size)
                added.add_argument(f"--{size}", type=_whole, default=value, help=f"default: {value}")
            added.add_argument("--lr", type=_rate, default=defaults.lr, help=f"default: {defaults.lr}")

    added = command("sample", sample, "Continue a text with a trained model.")
    added.add_argument("--model", required=True, metavar="FILE", help="a model.safetensors of demo or train")
    added.add_argument("--prime", default="", help="the text to continue")
    added.add_argument("--length", type=_whole, default=500, help="characters to write (default: 500)")
    added.add_argument("--temperature", type=_temperature, default=0.8, help="0 is the likeliest (default: 0.8)")

    added.add_argument("--cell", help="module:Class, for a model of a cell of your own")

    added = command("draw", draw, "Draw the unrolled graph of a small network.")
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
        help=".svg, .png, .pdf; .html plays it step by step; .dot, .mmd; .tex and .txt hold the equations",
    )
    added.add_argument("--open", action="store_true", help="show it in the browser")

    added = command("check", check, "Try a cell wherever cells are used, and say what it does wrong.")
    added.add_argument("--cell", required=True, help="a cell's name, or module:Class")
    added.add_argument("--inputs", type=_whole, default=3, help="features (default: 3)")
    added.add_argument("--hidden", type=_whole, default=4, help="hidden units (default: 4)")

    command("list", list_systems, "List the cells and systems that there are.")
    return parser
