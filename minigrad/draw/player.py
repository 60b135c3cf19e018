"""Player: the page that plays a graph, inside of a notebook."""

from __future__ import annotations

from html import escape


class Player:
    """A page (HTML text) that a notebook shows in a frame of its own, `height` pixels high; it needs no network."""

    def __init__(self, page: str, title: str, height: int):
        self.page, self.title, self.height = page, title, height

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{escape(self.title)}" height="{self.height}" style="width: 100%; border: 0" '
            f'loading="lazy" srcdoc="{escape(self.page)}"></iframe>'
        )
