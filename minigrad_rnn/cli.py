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
from .training import Config, Group, Result, Task, config


class _Console(Console):
    """What is printed may hold the user's own brackets and colons."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Whoever read our output has gone: what is being done is done all the same, and nothing more is written."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


console = _Console()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 a check failed, 2 bad input, 130 or 143 interrupted."""
    args = _parser().parse_args(argv)
    _look_here(vars(args).get("cell"))
    try:
        with mg.use_backend(args.backend):
            mg.seed(getattr(args, "seed", 0))
            return args.run(args)
    except BrokenPipeError:  # whoever read our output has gone: not an error, and nothing more to write
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (MinigradError, OSError) as error:
        told = error.message if isinstance(error, MinigradError) else str(error)
        print(f"minigrad-rnn {args.command}: error: {' '.join(told.split())}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(
            f"minigrad-rnn {args.command}: error: there is not the memory for this ({error}): make it smaller",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def demo(args: argparse.Namespace) -> int:
    folder = Path(args.out)
    given = _given(args)
    cell = given.get("cell", "lstm")
    done = char_lm.run(folder, given, console)
    _report_end(done.stopped_by, done.steps)
    if done.bits is not None:
        better = "better than" if done.bits < done.bigram else "NOT better than"
        console.print(f"Validation: {done.bits:.3f} bits per character, {better} the bigram model's {done.bigram:.3f}.")
    pictures = {
        "unrolled.svg": f"a small {cell}, unrolled over four steps, with values and gradients",
        "unrolled.html": "the same, played step by step in a browser",
    }
    _report_files(folder, pictures)
    model = _shown(folder / "model.safetensors") + (f" --cell {cell}" if ":" in cell else "")
    console.print("\nTry next:", style="bold")
    for command in (
        f'minigrad-rnn sample --model {model} --prime "def " --temperature 0.8',
        f"minigrad-rnn serve {model}",
        "minigrad-rnn draw --cell gru --steps 3 -o gru.svg",
        "minigrad-rnn train --text FILE --cell gru --hidden 256 --out my-run",
    ):
        console.print(f"  {command}", soft_wrap=True)
    return _status(done.stopped_by)


def train(args: argparse.Namespace) -> int:
    from .training.launch import launch

    group = Group.world() if args.parallel else Group.alone()
    given = config.overridden(config.read(args.config) if args.config else {}, _given(args))
    _look_here(given.get("cell"))
    result, task = launch(args.out, given, console, group, args.resume)
    if not group.rank:
        _report_training(result, task, Path(args.out))
    return _status(result.stopped_by)


def _look_here(cell: Any) -> None:
    """A cell that its user named as module:Class may stand in the current folder; nothing else is imported from it."""
    if isinstance(cell, str) and ":" in cell and "" not in sys.path:
        sys.path.append("")


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The values of a configuration that the command line names."""
    values = {name: value for name, value in vars(args).items() if name in config.OPTIONS}
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = {key: item for pair in value for key, item in pair.items()}
    if values.get("text"):
        values["text"] = str(Path(values["text"]).absolute())
    return values


def _report_training(result: Result, task: Task, folder: Path) -> None:
    from .training.report import shown

    cell = Config(**config.read(folder / "config.toml")).cell
    again = f"minigrad-rnn train --resume --out {_shown(folder)}" + (f" --cell {cell}" if ":" in cell else "")
    _report_end(result.stopped_by, result.steps, f"; continue with: {again}")
    if result.best is not None:
        console.print(f"Best validation: {shown(task.metric, result.best)}, after step {result.best_step:,}.")
    _report_files(folder, {})


def _report_end(stopped_by: int, steps: int, more: str = ".") -> None:
    if stopped_by:
        told = f"Interrupted after {steps:,} steps: what there is has been saved{more}"
        console.print(told, style="bold yellow", soft_wrap=True)


def _status(stopped_by: int) -> int:
    return 128 + stopped_by if stopped_by else 0


def _report_files(folder: Path, more: dict[str, str]) -> None:
    files = {
        "model.safetensors": "the trained model, at its best validation",
        "last.safetensors": "the checkpoint to go on from",
        "metrics.jsonl": "all figures, a line each",
        "loss.png": "its loss over time",
        "gradients.png": "the gradients' norms",
        "sample.txt": "what it writes, at three temperatures",
    } | more
    console.print(f"In {_shown(folder)}:", soft_wrap=True)
    for name, what in files.items():
        if (folder / name).exists():
            console.print(f"  {name:<18} {what}", soft_wrap=True)


def runs(args: argparse.Namespace) -> int:
    from .training.compare import find_runs, ranked, summarise, table
    from .training.plots import plot_runs

    found, failed = summarise(find_runs(args.folders))
    found = ranked(found)
    console.print(table(found))
    for told in failed:
        console.print(told, soft_wrap=True)
    metrics = {run.metric for run in found if run.metric}
    if args.output:
        if len(metrics) != 1:
            raise config.ConfigError(f"a plot wants runs of one metric, not {', '.join(sorted(metrics)) or 'of none'}")
        plot_runs(Path(args.output), {run.name: run.lines for run in found}, metrics.pop())
        console.print(f"{_shown(Path(args.output))}: their validations", soft_wrap=True)
    return 0


def export(args: argparse.Namespace) -> int:
    model = CharModel.load(_model(args.model), args.cell)
    suffix = Path(args.output).suffix
    if suffix == ".onnx":
        from .interop.onnx_export import export_onnx

        export_onnx(model, args.output)
    elif suffix == ".safetensors":
        from .interop.torch_weights import torch_arrays

        mg.save(args.output, torch_arrays(model))
    else:
        raise config.ConfigError(f"{args.output} says no format: end it in .onnx, or .safetensors (PyTorch's weights)")
    console.print(f"{_shown(Path(args.output))}: written", soft_wrap=True)
    return 0


def serve(args: argparse.Namespace) -> int:
    from .serve.run import serve as run_server

    return run_server(
        _model(args.model),
        args.host,
        args.port,
        cell=args.cell,
        max_length=args.max_length,
        max_concurrent=args.max_concurrent,
        open_browser=args.open,
    )


def _model(path: str) -> Path:
    """A model's file; of a run's folder, the model in it."""
    return Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)


def _shown(path: Path) -> str:
    """`path` as the user would type it: relative if it is below the current folder."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def sample(args: argparse.Namespace) -> int:
    from .training.report import printable

    model = CharModel.load(_model(args.model), args.cell)
    characters = model.continue_text(args.prime, args.length, args.temperature, args.seed)
    safe = printable if sys.stdout.isatty() else str
    sys.stdout.write(args.prime)
    for character in characters:
        sys.stdout.write(safe(character))
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
    table = Table("kind of data", "what is learned: minigrad-rnn train --kind KIND")
    for kind, text in config.KINDS.items():
        table.add_row(kind, text)
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


def _parser() -> argparse.ArgumentParser:
    shared = _Parser(add_help=False)
    backend = os.environ.get("MINIGRAD_BACKEND") or "numpy"
    shared.add_argument("--backend", default=backend, metavar="NAME", help=f"numpy, cupy, cupy:1, auto (now {backend})")
    seeded = _Parser(add_help=False, parents=[shared])
    seeded.add_argument("--seed", type=_seed, default=0, help="for weights and samples (default: 0)")
    parser = _Parser(prog="minigrad-rnn", description="Recurrent networks whose graphs can be drawn.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run: object, text: str, parent: _Parser = seeded) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[parent], help=text, description=text)
        added.set_defaults(run=run)
        return added

    added = command("demo", demo, "Train a character model in about a minute and draw an unrolled graph.", shared)
    _add_options(added, ("text", "cell", "steps", "threads", "seed"), {"steps": char_lm.STEPS})
    added.add_argument("--out", default="minigrad-demo", metavar="DIR", help="folder (default: minigrad-demo)")

    added = command("train", train, "Train a model; a run that was interrupted goes on with --resume.", shared)
    added.add_argument("config", nargs="?", metavar="CONFIG.toml", help="what to train; flags have precedence")
    added.add_argument("--out", default="minigrad-run", metavar="DIR", help="the run's folder (default: minigrad-run)")
    added.add_argument("--resume", action="store_true", help="go on where the run in that folder was left")
    added.add_argument("--parallel", action="store_true", help="in all processes that mpiexec started, together")
    for section in config.SECTIONS:
        group = added.add_argument_group(f"[{section}]")
        _add_options(group, [n for n, o in config.OPTIONS.items() if o.metadata["section"] == section], {})

    added = command("runs", runs, "Compare runs: a table, and a plot.")
    added.add_argument("folders", nargs="*", default=["."], metavar="DIR", help="runs, or folders of runs (default: .)")
    added.add_argument("-o", "--output", metavar="FILE", help="plot their validations: .png, .svg, .pdf")

    added = command("sample", sample, "Continue a text with a trained model.")
    added.add_argument("--model", required=True, metavar="FILE", help="a run's folder, or its model.safetensors")
    added.add_argument("--prime", default="", help="the text to continue")
    added.add_argument("--length", type=_whole, default=500, help="characters to write (default: 500)")
    added.add_argument("--temperature", type=_temperature, default=0.8, help="0 is the likeliest (default: 0.8)")

    added.add_argument("--cell", help="module:Class, for a model of a cell of your own")

    added = command("serve", serve, "Show a trained model in the browser: type, and watch the text and its units grow.")
    added.add_argument("model", metavar="MODEL", help="a run's folder, or its model.safetensors")
    added.add_argument("--host", default="127.0.0.1", help="who may come: this machine alone (default: 127.0.0.1)")
    added.add_argument("--port", type=_number(int, 0, "a whole number from 0 up"), default=8765, help="0: a free one")
    added.add_argument("--max-length", type=_whole, default=2000, help="of a text (default: 2000 characters)")
    added.add_argument("--max-concurrent", type=_whole, default=2, help="texts at a time (default: 2)")
    added.add_argument("--cell", help="module:Class, for a model of a cell of your own")
    added.add_argument("--open", action="store_true", help="show it in the browser")

    added = command("export", export, "Write a trained model for other tools: ONNX, or PyTorch's names and layout.")
    added.add_argument("model", metavar="MODEL", help="a run's folder, or its model.safetensors")
    added.add_argument("-o", "--output", required=True, metavar="FILE", help="FILE.onnx, or FILE.safetensors (PyTorch)")
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
