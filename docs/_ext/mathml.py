"""Formulas as MathML, which browsers set by themselves: no script, no fonts to fetch, and screen readers read it."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert


def _html(self: Any, node: nodes.Element, display: str) -> None:
    latex = node.astext().replace("{aligned}", "{align*}")  # which latex2mathml knows
    mathml = convert(latex, display=display)
    if display == "block":
        mathml = f'<div class="math" tabindex="0" role="group" aria-label="formula">{mathml}</div>'
    self.body.append(re.sub(r"\s*\n\s*", "", mathml))
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(lambda self, node: _html(self, node, "inline"), None),
        block_renderers=(lambda self, node: _html(self, node, "block"), None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
