"""Docstrings for Sphinx: they are plain text with `code` in backticks and indented examples, not reStructuredText."""

from __future__ import annotations

import re
import textwrap
from typing import Any

SPECIAL = re.compile(r"([*|_\\<\"'])")  # what reStructuredText would take for markup


def as_rst(lines: list[str]) -> list[str]:
    """A docstring's lines as reStructuredText: indented blocks are code, backticks literals, the rest is text."""
    blocks: list[str] = []
    for block in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        if block.startswith(" ") and blocks and blocks[-1].startswith(" "):
            blocks[-1] += f"\n\n{block}"
        elif block.strip():
            blocks.append(block)
    made: list[str] = []
    for block in blocks:
        if block.startswith(" "):
            made += [f".. code-block:: {_language(block)}", "", textwrap.indent(textwrap.dedent(block), "   ")]
        else:
            made += [_prose(block)]
        made.append("")
    return "\n".join(made).split("\n")


def _language(block: str) -> str:
    try:
        compile(textwrap.dedent(block), "", "exec")
    except SyntaxError:
        return "text"
    return "python"


def _prose(block: str) -> str:
    """A paragraph; lines that are indented below others stay theirs, and `- ` begins an item of a list."""
    pieces = re.split(r"(`[^`]+`)", block)
    return "".join(f"`{piece}`" if piece[:1] == "`" else SPECIAL.sub(r"\\\1", piece) for piece in pieces)


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
