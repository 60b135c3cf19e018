"""Pages that are programs: each is also given as a notebook, whose exercises are left to the reader.

A cell with a `stub` is the answer to an exercise: the page folds it away (its tag is `hide-input`), and the notebook
has the stub in its place, which says "yours", and all answers at its end. The cell after it checks what is there: the
page leaves its output away (`remove-output`), for it says the answer too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig


def notebook(text: str) -> Any:
    """The notebook of a page's text: the same cells, solutions moved to its end."""
    made = read_myst_markdown_notebook(text, MdParserConfig())
    solutions = []
    for cell in made.cells:
        if "stub" in cell.metadata:
            solutions.append(nbformat.v4.new_code_cell(cell.source))
            cell.source = cell.metadata.pop("stub")
        cell.metadata.pop("tags", None)  # what the page hides, the notebook shows
    if solutions:
        made.cells += [nbformat.v4.new_markdown_cell("## Solutions"), *solutions]
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"  # the same file each time
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


def is_notebook(path: Path) -> bool:
    """Does the page run code."""
    return "file_format: mystnb" in path.read_text(encoding="utf-8")[:200]


def _write(app: Any, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    for docname in app.env.found_docs:
        page = Path(app.env.doc2path(docname))
        if is_notebook(page):
            file = Path(app.outdir) / f"{docname}.ipynb"
            nbformat.write(notebook(page.read_text(encoding="utf-8")), file)


def _link(app: Any, docname: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if doctree is not None and is_notebook(Path(app.env.doc2path(docname))):
        name = docname.rpartition("/")[2]
        context["body"] += f'<p class="notebook"><a href="{name}.ipynb" download>This page as a notebook</a></p>'


def setup(app: Any) -> dict[str, bool]:
    app.connect("html-page-context", _link)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
