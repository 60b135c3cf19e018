"""Links to pages that play a graph open them; by itself Sphinx would have them downloaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import download_reference
from sphinx.transforms.post_transforms import SphinxPostTransform


class Players(SphinxPostTransform):
    """A page that is linked to stands in the site where it stands in the sources."""

    default_priority = 1
    formats = ("html",)

    def run(self, **options: Any) -> None:
        folder = Path(self.env.docname).parent
        for link in list(self.document.findall(download_reference)):
            if link["reftarget"].endswith(".html"):
                target = Path(self.app.outdir) / folder / link["reftarget"]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(self.app.srcdir) / folder / link["reftarget"], target)
                link.replace_self(nodes.reference("", "", *link.children, refuri=link["reftarget"], internal=True))


def setup(app: Any) -> dict[str, bool]:
    app.add_post_transform(Players)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
