"""The command line: `minigrad-rnn COMMAND`. What it takes, what it prints; the work is done elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import minigrad as mg
from minigrad.errors import MinigradError

from . import cells
from . import demo as demonstration
from .arguments import make_parser
from .charmodel import CharModel
from .check import check_cell
from .pictures import unrolled
from .training import Config, Group, Result, Task, config
from .training.run import CONFIG, MODEL, writable_folder


def _write_nowhere() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Console(Console):
    """What is printed may hold the user's own brackets and colons."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Whoever read our output has gone: what is being done is done all the same, and nothing more is written."""
        self.quiet = True
        _write_nowhere()


console = _Console()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 a check failed, 2 bad input, 130 or 143 interrupted."""
    args = make_parser().parse_args(argv)
    _look_here(vars(args).get("cell"))
    try:
        with mg.use_backend(args.backend):
            mg.seed(getattr(args, "seed", 0))
            return COMMANDS[args.command](args)
    except BrokenPipeError:  # whoever read our output has gone: not an error, and nothing more to write
        _write_nowhere()
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
    done = demonstration.run(folder, given, console)
    _report_end(done.stopped_by, done.steps)
    if done.bits is not None:
        better = "better than" if done.bits < done.bigram else "NOT better than"
        console.print(f"Validation: {done.bits:.3f} bits per character, {better} the bigram model's {done.bigram:.3f}.")
    pictures = {
        "unrolled.svg": f"a small {cell}, unrolled over four steps, with values and gradients",
        "unrolled.html": "the same, played step by step in a browser",
    }
    _report_files(folder, pictures)
    model = _shown(folder / MODEL) + _named_again(cell)
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


def _named_again(cell: str) -> str:
    """The flag that a command wants for a file made with this cell: a file does not choose what is imported."""
    return f" --cell {cell}" if ":" in cell else ""


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

    cell = Config(**config.read(folder / CONFIG)).cell
    again = f"minigrad-rnn train --resume --out {_shown(folder)}{_named_again(cell)}"
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
    return Path(path) / MODEL if Path(path).is_dir() else Path(path)


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


def run(args: argparse.Namespace) -> int:
    from . import systems

    names = systems.names() if args.names == ["all"] else args.names
    chosen = [systems.get(name) for name in names]
    if len(chosen) > 1 or args.results:
        return _run_each(names, args)
    folder = Path(args.out) / names[0]
    outcome = systems.run_system(chosen[0], folder, console, args.quick, args.seed, args.data, args.threads)
    console.print(systems.figures_table(outcome))
    console.print(f"In {_shown(folder)}, after {outcome.seconds:.0f} s:", soft_wrap=True)
    for name, what in outcome.pictures.items():
        console.print(f"  {name:<18} {what}", soft_wrap=True)
    for figure in outcome.failed:
        told = f"NOT MET: {figure.what} is {figure.value:.6g}, and must be {figure.asked}"
        console.print(told, style="bold red", soft_wrap=True)
    return 1 if outcome.failed else 0


def _run_each(names: Sequence[str], args: argparse.Namespace) -> int:
    from .systems.several import run_each, write_results

    if args.data:
        raise config.ConfigError("a file of data is for one system, without --results: name one, or leave --data out")
    out = Path(args.out)
    if args.results:
        writable_folder(Path(args.results).parent)
    flags = ["--backend", args.backend, "--threads", str(args.threads)]
    statuses = run_each(names, out, console, args.quick, args.seed, flags, args.resume)
    for told, status in (("figures not met", 1), ("failed", 2)):
        if missed := [name for name, own in statuses.items() if own == status]:
            console.print(f"{told}: {', '.join(missed)}", style="bold red", soft_wrap=True)
    if args.results:
        write_results(Path(args.results), [name for name in names if statuses[name] < 2], out)
        console.print(f"{_shown(Path(args.results))}: their figures", soft_wrap=True)
    return max(statuses.values())


def list_systems(args: argparse.Namespace) -> int:
    from . import systems

    if args.names:
        for name in args.names:
            _describe_system(name)
        return 0
    table = Table("cell", "class", "what it is")
    for name in cells.names():
        cell = cells.get(name)
        table.add_row(name, cell.__name__, (cell.__doc__ or "").strip().partition("\n")[0])
    console.print(table)
    table = Table("kind of data", "what is learned: minigrad-rnn train --kind KIND")
    for kind, text in config.KINDS.items():
        table.add_row(kind, text)
    console.print(table)
    for part, names in systems.parts().items():
        columns = ("system", "what it is", "data", "figure of merit", "time")
        table = Table(*columns, title=part, title_justify="left", title_style="bold")
        for system in map(systems.get, names):
            table.add_row(system.name, system.what, system.data, system.merit, f"{system.seconds} s")
        console.print(table)
    return 0


def _describe_system(name: str) -> None:
    from . import systems

    system = systems.get(name)
    console.print(system.text, soft_wrap=True)
    told = {
        "data": system.data,
        "figure of merit": system.merit,
        "time on two cores": f"{system.seconds} s",
        "--data FILE": system.takes or "none: it makes its own",
    }
    for what, text in told.items():
        console.print(f"{what + ':':<18} {text}", soft_wrap=True)


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "demo": demo,
    "train": train,
    "runs": runs,
    "sample": sample,
    "serve": serve,
    "export": export,
    "draw": draw,
    "check": check,
    "run": run,
    "list": list_systems,
}
