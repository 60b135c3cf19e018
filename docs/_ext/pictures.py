"""Pictures: each says in words what is to be seen. A drawing of the library has a title, which is taken for it."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)


class Pictures(SphinxPostTransform):
    """A picture without a text for those who do not see it is an error."""

    default_priority = 900
    formats = ("html",)

    def run(self, **options: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            text = image.get("alt", "").strip() or _title(self.env.srcdir / image["uri"], Path(image["uri"]))
            if not text:
                logger.warning("a picture without words: give it `alt`, or a drawing a title", location=image)
            image["alt"] = text


def _title(*paths: Path) -> str:
    """The title inside of an SVG file; "" if there is none."""
    for path in paths:
        if path.suffix == ".svg" and path.exists():
            found = re.search(r"<title[^>]*>(.*?)</title>", path.read_text(encoding="utf-8")[:2000], re.DOTALL)
            return unescape(found[1]) if found else ""
    return ""


def setup(app: Any) -> dict[str, bool]:
    app.add_post_transform(Pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
