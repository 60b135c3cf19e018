"""Plots: what is added as they are written, and what a notebook shows of them."""

import warnings

import numpy as np
import pytest

from minigrad_rnn import plotting
from minigrad_rnn.attention import Alignment
from minigrad_rnn.plotting import PlotError, axes, panels, plot_alignments, plot_piano_roll, save_plot


def test_what_has_labels_gets_a_legend_panels_alike_one(tmp_path):
    made = panels(3)
    for one, names in zip(made, ["ab", "ab", "c"]):
        for name in names:
            one.plot([0, 1], label=name)
    save_plot(made[0], tmp_path / "plot.png")
    assert [one.get_legend() is not None for one in made] == [True, False, True]
    assert [text.get_text() for text in made[0].get_legend().get_texts()] == ["a", "b"]
    plain = axes()
    plain.plot([0, 1])
    save_plot(plain, f"{tmp_path}/plain.png")
    assert (tmp_path / "plain.png").exists()
    assert plain.get_legend() is None


def test_the_same_bytes_each_time_in_a_file_and_in_a_notebook(tmp_path):
    files = []
    for name in ("one.svg", "two.svg", "one.png"):
        plot = axes(title="100 $ of c_t")
        plot.plot([0, 1], label="a")
        save_plot(plot, tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    assert plot.figure._repr_png_() == files[2]
    with pytest.raises(PlotError, match="end it in one of"):
        save_plot(plot, f"{tmp_path}/plot.bmp")


def test_letters_that_no_font_has_are_no_warning(tmp_path):
    plot = axes(title="ᚠ")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_plot(plot, tmp_path / "runes.png")
    assert set(plot.title.get_family()) >= {"sans-serif"}


def test_alignments_with_nothing_written_are_left_out():
    weights = np.eye(2)
    shown = plot_alignments([Alignment("ab", "cd", weights), Alignment("ab", "", weights[:0])], ["one", "none"])
    assert [one.get_title() for one in shown.figure.axes] == ["one"]
    assert plotting.plot_attention(weights, "ab", "cd", axes()).images[0].get_array().tolist() == weights.tolist()


@pytest.mark.parametrize(("count", "rows"), [(0, 1), (2, 0), (3, 2), (-1, 1)])
def test_panels_that_fill_no_rows(count, rows):
    with pytest.raises(ValueError, match=f"{count} panels do not fill {rows} rows: give as many for each, at least"):
        panels(count, rows=rows)


def test_a_piano_roll_without_notes():
    plot = plot_piano_roll([], axes())
    assert [label.get_text() for label in plot.get_yticklabels()] == ["B3", "C4"]
    assert not plot.patches
