"""Plots in one style, without a window: made with `axes`, written with `save_plot`.

`xlabel` and `ylabel` say what the axes are, `title` or `titles` what is shown; `size` is that of the figure, (width,
height) in inches.
"""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.errors import MinigradError
from minigrad.serialize import atomic_write

if TYPE_CHECKING:
    from .attention import Alignment

# A picture's suffix -> what is left out of the file, so that the same run gives the same bytes.
FORMATS: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
COLORS = ("#08519c", "#d94801", "#238b45", "#6a51a3", "#a50f15", "#525252", "#008080", "#b8860b", "#c51b8a", "#000000")

# Where a machine has them, for the scripts that matplotlib's own font has not.
FALLBACKS = ("Noto Sans CJK JP", "Noto Sans JP", "Noto Sans SC", "Hiragino Sans", "Yu Gothic", "Microsoft YaHei",
             "Noto Sans", "Noto Sans Devanagari", "Noto Sans Thai", "Arial Unicode MS")  # fmt: skip


class PlotError(MinigradError, ValueError):
    """A plot that cannot be written."""


def axes(xlabel: str = "", ylabel: str = "", title: str = "", size: tuple[float, float] = (8, 4.5)) -> Any:
    """Matplotlib axes on a figure of their own, `size` in inches; `.figure` has it."""
    return panels(1, xlabel, ylabel, [title], size)[0]


def panels(
    count: int,
    xlabel: str = "",
    ylabel: str = "",
    titles: Sequence[str] = (),
    size: tuple[float, float] | None = None,
    share: bool = False,
    rows: int = 1,
) -> list[Any]:
    """`count` axes side by side on one figure, in so many `rows`; with `share` their scales are the same.

    Raises ValueError unless the rows are equally long, with at least one in each.
    """
    if rows < 1 or count < 1 or count % rows:
        raise ValueError(f"{count} panels do not fill {rows} rows: give as many for each, at least one")
    columns = count // rows
    figure = _figure()(figsize=size or (max(6, 4.5 * columns), 4.5 * rows), dpi=120, layout="constrained")
    made = list(figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share).flat)
    for number, one in enumerate(made):
        lowest, first = number >= columns * (rows - 1), number % columns == 0
        one.set(xlabel=xlabel if lowest or not share else "", ylabel=ylabel if first or not share else "")
        one.set_title(titles[number] if number < len(titles) else "")
        one.set_prop_cycle(color=COLORS)
        one.grid(alpha=0.3)
        one.spines[["top", "right"]].set_visible(False)
    return made


@functools.cache
def _figure() -> Any:
    """The class of figures: matplotlib's, finished as it is written, and shown by a notebook."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    class Finished(Figure):
        def savefig(self, *args: Any, **options: Any) -> None:
            _finish(self)
            with rc_context({"svg.hashsalt": "minigrad"}), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for it
                super().savefig(*args, **({"bbox_inches": "tight"} | options))  # what stands out is not cut off

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", metadata=FORMATS[".png"])
            return file.getvalue()

    return Finished


def _finish(figure: Any) -> None:
    """Give what has labels a legend, panels alike one; set text as it stands, in fonts that have its letters."""
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text

    shown: list[list[str]] = [[]]
    for one in figure.axes:
        _, labels = one.get_legend_handles_labels()
        if one.get_legend() is None and labels not in shown:
            one.legend(frameon=False)
        shown.append(labels)
    known = set(fontManager.get_font_names())
    scales = {axis for one in figure.axes for axis in (one.xaxis, one.yaxis) if axis.get_scale() == "log"}
    powers = {label for axis in scales for label in axis.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        text.set_parse_math(text in powers)  # elsewhere a dollar sign is one
        text.set_family([*text.get_family(), *(name for name in FALLBACKS if name in known)])


def surface(x: np.ndarray, y: np.ndarray, z: np.ndarray, labels: Sequence[str], title: str = "") -> Any:
    """Axes with a landscape: heights `z` over a grid (`numpy.meshgrid`) of `x` and `y`; `labels` of the three."""
    figure = _figure()(figsize=(9, 7), dpi=120, layout="constrained")
    made: Any = figure.add_subplot(projection="3d", computed_zorder=False)  # so that lines drawn on it are seen
    made.plot_surface(x, y, z, cmap="Blues", rcount=len(z), ccount=len(z[0]), linewidth=0, antialiased=False)
    made.set(xlabel=labels[0], ylabel=labels[1], zlabel=labels[2], title=title)
    return made


def plot_confusion(counts: np.ndarray, classes: Sequence[str], axes: Any) -> Any:
    """Draw a confusion matrix (`metrics.confusion`) of `classes` on `axes`, dark by the row's share. Returns them."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    _image(axes, shares, classes, classes, vmin=0, vmax=1)
    axes.set(xlabel="taken for", ylabel="is")
    if len(classes) <= 20:
        _write_numbers(axes, counts, shares > 0.5)
    return axes


def plot_attention(weights: np.ndarray, read: Sequence[str], written: Sequence[str], axes: Any) -> Any:
    """Draw attention weights (written, read) on `axes`, what was read along the bottom. Returns the axes."""
    if len(written):  # an image without rows has no scale
        _image(axes, weights, written, read, vmin=0, vmax=1)
    axes.set(xlabel="read", ylabel="written")
    return axes


def plot_alignments(
    found: Sequence[Alignment], titles: Sequence[str] = (), size: tuple[float, float] | None = None
) -> Any:
    """Draw attention weights (`Translation.alignment`) side by side, "read → written" over each if there is no title.

    What wrote nothing has no panel. Returns the first one's axes.
    """
    titles = titles or [f"{one.read} → {one.written}" for one in found]
    shown = [(one, title) for one, title in zip(found, titles, strict=True) if one.written]
    made = panels(max(1, len(shown)), titles=["" if shown else "nothing was written"], size=size)
    for (one, title), own in zip(shown, made):
        plot_attention(one.weights, list(one.read), list(one.written), own).set_title(title)
    return made[0]


def _image(axes: Any, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], **options: Any) -> None:
    axes.imshow(values, cmap="Blues", aspect="equal", **options)
    axes.set_xticks(range(len(columns)), columns, rotation=90 if max(map(len, columns), default=0) > 2 else 0)
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)


def _write_numbers(axes: Any, numbers: np.ndarray, light: np.ndarray) -> None:
    for (row, column), number in np.ndenumerate(numbers):
        if number:
            color = "white" if light[row, column] else "#333333"
            axes.text(column, row, f"{number:,}", ha="center", va="center", color=color, fontsize="small")


def plot_words(places: np.ndarray, words: Sequence[str], axes: Any) -> Any:
    """Write each of `words` at its place (words, 2) on `axes`: a map. Returns the axes."""
    axes.scatter(*places.T, s=8, color=COLORS[0])
    for word, place in zip(words, places, strict=True):
        axes.annotate(word, place, xytext=(3, 2), textcoords="offset points", fontsize="small")
    axes.set(xlabel="", ylabel="")
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def plot_bars(values: Mapping[str, float], axes: Any, reference: tuple[str, float] | None = None) -> Any:
    """Draw a number each as bars on `axes`, and a dashed line at a `reference` (name, number). Returns the axes."""
    bars = axes.bar(list(values), list(values.values()), color=COLORS[: len(values)])
    axes.bar_label(bars, fmt="%.3g", padding=2)
    if reference:
        name, value = reference
        axes.axhline(value, color="#555555", linestyle="--", linewidth=1.2, label=f"{name}: {value:.3g}")
        axes.margins(y=0.2)  # room for the legend above the bars
    axes.grid(axis="x", visible=False)
    return axes


def plot_forecasts(actual: np.ndarray, said: Mapping[str, np.ndarray], axes: Any, label: str = "actual") -> Any:
    """Draw a series (time,) on `axes`, broad and grey, called `label`, and a line for each of what models `said` of it.

    Returns the axes.
    """
    axes.plot(actual, color="#999999", linewidth=4, alpha=0.7, label=label)
    for name, line in said.items():
        axes.plot(line, linewidth=1.2, label=name)
    return axes


def plot_films(films: np.ndarray, texts: Sequence[str], axes: Any) -> Any:
    """Draw films (time, films, 3, height, width), from 0 to 1, on `axes`: a row of frames each, `texts` beside them."""
    T, N, _, height, width = films.shape
    gap = 1 + min(height, width) // 12
    image = np.ones((N * (height + gap) - gap, T * (width + gap) - gap, 3))
    for (t, n), _ in np.ndenumerate(films[:, :, 0, 0, 0]):
        row, column = n * (height + gap), t * (width + gap)
        image[row : row + height, column : column + width] = films[t, n].transpose(1, 2, 0)
    axes.imshow(image, interpolation="nearest")
    axes.set_xticks(np.arange(T) * (width + gap) + width / 2, [f"t = {t}" for t in range(T)])
    axes.set_yticks(np.arange(N) * (height + gap) + height / 2, texts)
    axes.yaxis.tick_right()
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return axes


def plot_spectrogram(frames: np.ndarray, hop: float, rows: Mapping[str, Sequence[str]], axes: Any) -> Any:
    """Draw the log energies (time, bands) of frames `hop` seconds apart on `axes`, and below them rows of labels.

    Each row has a label a frame; what stays the same is one segment, "" is none, and a label that has no room is left
    out. Returns the axes.
    """
    T, bands = frames.shape
    axes.imshow(frames.T, origin="lower", aspect="auto", cmap="magma", extent=(0, T * hop, 0, bands))
    height, points = bands / 6, axes.figure.get_size_inches()[0] * 60 / T  # of a frame
    for number, labels in enumerate(rows.values()):
        top = -(number + 0.2) * height
        starts = [t for t in range(T) if t == 0 or labels[t] != labels[t - 1]]
        for start, end in zip(starts, [*starts[1:], T]):
            if labels[start]:
                axes.vlines([start * hop, end * hop], top - 0.8 * height, top, color="#999999", linewidth=0.6)
                if (end - start) * points > 5 * len(labels[start]):
                    middle = (start + end) / 2 * hop
                    axes.text(middle, top - 0.4 * height, labels[start], ha="center", va="center", fontsize=9)
    named = [-(number + 0.6) * height for number in range(len(rows))]
    axes.set(xlim=(0, T * hop), ylim=(-(len(rows) + 0.2) * height, bands), xlabel="time in seconds")
    axes.set_yticks([*named, bands / 2], [*rows, "bands"])
    axes.tick_params(axis="y", length=0)
    axes.grid(False)
    return axes


def plot_piano_roll(notes: Sequence[tuple[float, float, int]], axes: Any) -> Any:
    """Draw notes (start and length in bars, MIDI's number of the pitch) as a piano roll on `axes`. Returns the axes."""
    for start, length, pitch in notes:
        axes.barh(pitch, 0.94 * length, left=start, height=0.8, color=COLORS[0])
    pitches = [pitch for _, _, pitch in notes] or [60]  # without notes the middle of the scale
    shown = [p for p in range(min(pitches) - 1, max(pitches) + 2) if p % 12 in (0, 2, 4, 5, 7, 9, 11)]
    axes.set_yticks(shown, [f"{'C D EF G A B'[p % 12]}{p // 12 - 1}" for p in shown])
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="bars", ylabel="pitch")
    return axes


def plot_tagged(texts: Sequence[str], tags: Sequence[str], names: Mapping[str, str], axes: Any) -> Any:
    """Write texts on `axes`, a line each, characters in the colours of their `tags`; `names` says what the tags are."""
    from matplotlib.patches import Patch

    colors = dict(zip(names, COLORS))
    for row, (text, own) in enumerate(zip(texts, tags, strict=True)):
        for column, (character, tag) in enumerate(zip(text, own, strict=True)):
            shown = {"\n": "↵", "\t": "→"}.get(character, character)
            axes.text(column, row, shown, color=colors[tag], ha="center", va="center", family="monospace", fontsize=9)
    width = max(map(len, texts), default=1)
    axes.set(xlim=(-1, width), ylim=(len(texts) - 0.5, -0.5), xticks=[], yticks=[], xlabel="", ylabel="")
    axes.spines[:].set_visible(False)
    handles = [Patch(color=colors[tag], label=name) for tag, name in names.items()]
    axes.legend(handles=handles, ncols=len(handles), frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0))
    return axes


def plot_images(rows: Mapping[str, np.ndarray], axes: Any, texts: Sequence[str] = ()) -> Any:
    """Draw rows of images (N, height, width), from 0 to 1, by name, and `texts` below the columns. Returns the axes."""
    tiles = np.stack([np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan) for images in rows.values()])
    _, count, height, width = tiles.shape
    sheet = tiles.transpose(0, 2, 1, 3).reshape(len(tiles) * height, count * width)
    axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=1)
    axes.set_yticks(np.arange(len(tiles)) * height + (height - 1) / 2, list(rows))
    axes.set_xticks(np.arange(len(texts)) * width + (width - 1) / 2, texts)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return axes


def legend_beside(axes: Any) -> None:
    """Put the legend of `axes` to their right."""
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize="small")


def save_plot(axes: Any, path: str | Path) -> None:
    """Write the figure of `axes` to `path`, in the format of its name; what has labels gets a legend, panels alike one.

    Raises PlotError if the name says no format that there is.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise PlotError(f"{path} says no format of a picture: end it in one of {', '.join(FORMATS)}")
    with atomic_write(path) as temporary:
        axes.figure.savefig(temporary, format=path.suffix[1:], metadata=FORMATS[path.suffix])
