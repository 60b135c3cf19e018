"""Pages whose text stands elsewhere in the repository: it is taken from there, and its links lead on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGES = {"benchmarks": "../benchmarks/README.md"}


def _read(app: Any, docname: str, content: list[str]) -> None:
    if docname in PAGES:
        source = Path(app.srcdir) / PAGES[docname]
        folder = PAGES[docname].rpartition("/")[0]
        app.env.note_dependency(str(source))
        content[0] = re.sub(r"\]\((?!https?:|#)([^)]+)\)", rf"]({folder}/\1)", source.read_text(encoding="utf-8"))


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
