"""A program for test_killed_runs.py: makes runs in child processes, which are killed, or find the disk full.

    python killed_runs.py TEXT FOLDER random|saving|full

Children are forks of this process, which has imported all and started no thread: so each costs a moment, not a second.
Prints what happened as JSON.
"""

import json
import os
import random
import resource
import signal
import sys
import time

import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401 (that no child need import it)
from rich.console import Console

from minigrad_rnn.training import RunError
from minigrad_rnn.training.launch import launch

GIVEN = {
    "steps": 60,
    "hidden": 12,
    "embedding": 6,
    "batch": 6,
    "length": 12,
    "layers": 2,
    "dropout": 0.2,
    "accumulate": 2,
    "save_seconds": 0.0,
    "validate_every": 15,
    "sample": 20,
    "threads": 1,
}


def run(folder, text, prepare=lambda: None):
    """Train in a child; returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        prepare()
        with open(os.devnull, "w") as nowhere:
            launch(folder, {**GIVEN, "text": text}, Console(file=nowhere), resume=True)
        status = 0
    except RunError as error:
        print(error, file=sys.stderr)
        status = 28
    finally:
        os._exit(status)


def ended(child):
    """How a child ended: its exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def at_random(folder, text, whole):
    """Kill at 20 random moments of what a run takes from its start; then let one end."""
    chance, told = random.Random(0), []
    while len(told) < 20:
        child = run(folder, text)
        time.sleep(chance.uniform(0.01, 0.2) * whole)
        os.kill(child, signal.SIGKILL)
        told.append(ended(child))
    return [*told, ended(run(folder, text))]


def while_saving(folder, text, whole):
    """Kill each run while it writes a file for the n-th time: half of it, before it is renamed, after; let one end."""

    def deadly(name, n, when):
        fsync, replace = os.fsync, os.replace

        def half(descriptor):
            nonlocal n
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if when == "half" and os.path.basename(path).startswith(f".{name}."):
                n -= 1
                if n == 0:
                    os.ftruncate(descriptor, os.path.getsize(path) // 2)
                    os.kill(os.getpid(), signal.SIGKILL)
            fsync(descriptor)

        def renamed(source, target):
            nonlocal n
            n -= os.path.basename(target) == name and when in ("before", "after")
            if n == 0 and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)
            if n == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def prepare():
            os.fsync, os.replace = half, renamed

        return prepare

    last, told = "last.safetensors", []
    for name, n, when in [
        ("config.toml", 1, "half"),
        (last, 1, "half"),
        (last, 1, "before"),
        (last, 1, "after"),
        ("metrics.jsonl", 1, "before"),
        ("times.jsonl", 1, "before"),
        ("model.safetensors", 1, "half"),
        ("model.safetensors", 1, "before"),
        ("model.safetensors", 1, "after"),
        (last, 2, "half"),
        (last, 2, "before"),
        (last, 2, "after"),
    ]:
        told.append(ended(run(folder, text, deadly(name, n, when))))
    return [*told, ended(run(folder, text))]


def on_a_full_disk(folder, text, whole):
    """No file may grow beyond a limit: the checkpoint does not fit, then the plots do not; then there is room."""

    def limit(size):
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    told = [ended(run(folder, text, limit(size))) for size in (0, 3_000, 20_000, 30_000)]
    return [*told, ended(run(folder, text))]


if __name__ == "__main__":
    text, folder, how = sys.argv[1:]
    started = time.monotonic()
    assert ended(run(os.path.join(folder, "whole"), text)) == 0
    whole = time.monotonic() - started
    make = {"random": at_random, "saving": while_saving, "full": on_a_full_disk}[how]
    told = make(os.path.join(folder, "parts"), text, whole)
    print(json.dumps({"ended": told}))
