"""An example of every public name, kept out of the code so that it stays short: `docs/reference/examples/*.txt`.

A line that is not indented names what the session below it shows, one name or several, and in brackets what has to be
installed for it: `minigrad_rnn.data.spoken_phrases [matplotlib espeak-ng]`. Each session is run by the tests, by
itself, after `PRELUDE`; the reference prints it below the docstring.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent.parent / "reference" / "examples"
PRELUDE = "import numpy as np\nimport minigrad as mg\nimport minigrad_rnn as mr\nmg.seed(0)\n"
ENTRY = re.compile(r"^(?P<names>\w[\w., ]*?)(?: \[(?P<needs>.*)\])?\n(?P<session>(?:(?:    .*)?\n)+)", re.MULTILINE)


class Example(NamedTuple):
    """What it shows, what has to be installed, and a session of `>>>` lines and what they print."""

    names: list[str]
    needs: list[str]
    session: str


@cache
def examples() -> list[Example]:
    """All of them; a ValueError where a file holds anything else."""
    found: list[Example] = []
    for file in sorted(FOLDER.glob("*.txt")):
        text = file.read_text(encoding="utf-8")
        if ENTRY.sub("", text).strip():
            raise ValueError(f"{file.name}: neither a name nor indented: {ENTRY.sub('', text).strip()[:60]!r}")
        for entry in ENTRY.finditer(text):
            lines = [line[4:] for line in entry["session"].rstrip().split("\n")]
            found.append(Example(entry["names"].split(", "), (entry["needs"] or "").split(), "\n".join(lines) + "\n"))
    return found


def _add(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    for example in examples():
        if name in example.names:
            session = [f"   {line}".rstrip() for line in example.session.split("\n")]
            lines += ["", ".. code-block:: pycon", "", *session, ""]


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _add, priority=600)  # below what `docstrings` made
    return {"parallel_read_safe": True, "parallel_write_safe": True}
