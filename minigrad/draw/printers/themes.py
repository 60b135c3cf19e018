"""Colours and strokes of drawings. Kinds of boxes and lines differ in shape, width or dashes, not only in colour."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..layout.sheet import Rect
from ..picture import Box
from ..text import ACTIVATIONS

FUNCTIONS = ACTIVATIONS | {"exp", "log", "sqrt", "abs", "logsumexp"}
Look = tuple[str, str, float]  # fill, border, width of the border


@dataclass(frozen=True)
class Theme:
    """`shared` are the colours of what several steps share; `flow` those of gradients from small to large."""

    paper: str = "#ffffff"
    ink: str = "#1e293b"
    quiet: str = "#64748b"
    line: str = "#475569"
    panel: str = "#f8fafc"
    border: str = "#94a3b8"
    state: str = "#0f766e"
    gradient: str = "#b91c1c"
    shared: tuple[str, ...] = (
        "#b45309", "#7c3aed", "#2563eb", "#be185d", "#4d7c0f", "#0e7490", "#9f1239", "#57534e",
    )  # fmt: skip
    flow: tuple[str, ...] = ("#fca5a5", "#f87171", "#dc2626", "#991b1b", "#450a0a")
    looks: dict[str, Look] = field(
        default_factory=lambda: {
            "op": ("#ffffff", "#475569", 1.3),
            "function": ("#fff4cc", "#475569", 1.3),
            "parameter": ("#f1f5f9", "#1e293b", 2.4),
            "input": ("#e0f2fe", "#0369a1", 1.3),
            "state": ("#ccfbf1", "#0f766e", 1.6),
            "output": ("#fee2e2", "#b91c1c", 2.6),
            "cell": ("#ede9fe", "#5b21b6", 2.0),
        }
    )


THEMES = {
    "light": Theme(),
    "dark": Theme(
        paper="#0f172a",
        ink="#f1f5f9",
        quiet="#94a3b8",
        line="#94a3b8",
        panel="#1e293b",
        border="#475569",
        state="#2dd4bf",
        gradient="#fca5a5",
        shared=("#fbbf24", "#c4b5fd", "#93c5fd", "#f9a8d4", "#bef264", "#67e8f9", "#fda4af", "#d6d3d1"),
        flow=("#7f1d1d", "#b91c1c", "#ef4444", "#fca5a5", "#fee2e2"),
        looks={
            "op": ("#0f172a", "#94a3b8", 1.3),
            "function": ("#3f3413", "#eab308", 1.3),
            "parameter": ("#334155", "#f1f5f9", 2.4),
            "input": ("#0c3350", "#38bdf8", 1.3),
            "state": ("#0b3b36", "#2dd4bf", 1.6),
            "output": ("#4c1414", "#f87171", 2.6),
            "cell": ("#2e2159", "#a78bfa", 2.0),
        },
    ),
    "print": Theme(
        ink="#000000",
        quiet="#444444",
        line="#333333",
        panel="#ffffff",
        border="#888888",
        state="#000000",
        gradient="#000000",
        shared=("#333333", "#777777", "#555555", "#999999"),
        flow=("#bbbbbb", "#888888", "#555555", "#222222", "#000000"),
        looks={
            "op": ("#ffffff", "#333333", 1.0),
            "function": ("#dddddd", "#333333", 1.0),
            "parameter": ("#ffffff", "#000000", 2.6),
            "input": ("#ffffff", "#333333", 1.0),
            "state": ("#eeeeee", "#000000", 1.8),
            "output": ("#cccccc", "#000000", 2.8),
            "cell": ("#eeeeee", "#000000", 2.0),
        },
    ),
}


def style_of(box: Box) -> str:
    """The look of a box, by its kind."""
    return "function" if box.kind == "op" and box.op in FUNCTIONS else box.kind


def corner(box: Box, rect: Rect) -> float:
    """The radius of a box's corners: inputs and states have round ends, parameters nearly square ones."""
    return min(rect.height / 2, 18.0) if box.kind in ("input", "state") else 3.0 if box.kind == "parameter" else 8.0
