"""`.. public:: minigrad.nn.losses minigrad.nn`: what a module says of itself, and all that users find of it there."""

from __future__ import annotations

import ast
import inspect
import sys
from importlib import import_module
from typing import Any, ClassVar

from docutils import nodes
from names import offered, part
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature

OPTIONS = {"class": ["members"], "exception": ["show-inheritance"], "function": []}


class Public(SphinxDirective):
    """The docstrings of a module (the first argument) and of its names that a place (the second, or it) offers."""

    required_arguments = 1
    optional_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        home, place = self.arguments[0], self.arguments[-1]
        names = part(home, place)
        if not names:
            raise self.error(f"{home} has no name that {place} offers")
        introduced = self.env.temp_data.setdefault("public", set())  # on this page
        says_more = len(names) > 1 or "\n" in (import_module(home).__doc__ or "").strip()
        lines = [f".. automodule:: {home}", "   :no-index:", ""] if says_more and home not in introduced else []
        introduced.add(home)
        for name in names:
            kind = _kind(offered(place)[name])
            lines += [f".. auto{kind}:: {place}.{name}", *[f"   :{option}:" for option in OPTIONS[kind]], ""]
        return self.parse_text_to_nodes("\n".join(lines))


def _kind(what: Any) -> str:
    if not inspect.isclass(what):
        return "function"
    return "exception" if issubclass(what, BaseException) else "class"


def _skip(app: Any, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """A field of a named tuple says of itself no more than its number: the class says what it is."""
    return True if type(member).__name__ == "_tuplegetter" else None


def _constructor(app: Any, what: str, name: str, kind: Any, *others: Any) -> tuple[str, None] | None:
    """The arguments of a class with a `__new__` above its own `__init__`; none of a protocol, which is not called."""
    if what == "class" and getattr(kind, "_is_protocol", False):
        return "", None
    if what == "class" and "__init__" in vars(kind) and inspect.isfunction(kind.__new__):
        return stringify_signature(inspect.signature(kind), show_annotation=False), None
    return None


def _rows(app: Any, module: str) -> tuple[str, dict[str, Any]] | None:
    """The source of a module, with the rows that define operations for viewcode to lead to."""
    found = vars(sys.modules.get(module, sys))
    if not any(hasattr(what, "op") for what in found.values()):
        return None
    analyzer = ModuleAnalyzer.for_module(module)
    tags = dict(analyzer.find_tags())
    for row in ast.parse(analyzer.code).body:
        targets = row.targets if isinstance(row, ast.Assign) else [row.target] if isinstance(row, ast.AnnAssign) else []
        for target in targets:
            if isinstance(target, ast.Name) and hasattr(found[target.id], "op"):
                tags[target.id] = ("def", row.lineno, row.end_lineno)
    return analyzer.code, tags


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("public", Public)
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-signature", _constructor)
    app.connect("viewcode-find-source", _rows)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
