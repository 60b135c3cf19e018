"""Drawings as TikZ: what is in them, and that LaTeX takes it."""

import re
import shutil
import subprocess

import pytest
from test_draw import ALL, expression, lstm, parameter, rnn
from test_levels import truncated

import minigrad as mg
from minigrad import draw

NODE = re.compile(r"\\node\[minigrad (\w+),.*?\] \((\w+)\) at")
HOSTILE = r"a}b\input{/etc/passwd}$x^2$ %#&_~ ∇σ−½⊙"


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_each_box_is_a_node_where_the_svg_has_it(make):
    drawing = draw(make(), level="gate")
    boxes = [box for box in drawing.picture.nodes if box.kind != "fold"]
    assert [name for _, name in NODE.findall(drawing.tikz())] == [box.id for box in boxes]
    shown = re.findall(r'<g data-node="(\w+)">\s*<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', drawing.svg())
    middles = {name: float(x) for name, x in re.findall(r"\] \((\w+)\) at \(([\d.]+),", drawing.tikz())}
    assert {name for name, *_ in shown} == set(middles)
    for name, x, _, width in shown:
        assert middles[name] == pytest.approx(float(x) + float(width) / 2, abs=0.11)


def test_lines_have_the_looks_of_the_legend():
    text = draw(truncated(T=3), level="gate").tikz()
    assert text.count(r"\draw[draw=minigrad state,") == 4  # of h and of the loss so far
    assert "dash pattern=on 4.90pt off 3.50pt" in text  # cut
    assert "-{Triangle[" in text
    back = draw(rnn(T=2), backward="only", level="gate").tikz()
    assert "draw=minigrad gradient" in back
    assert r"\draw[draw=minigrad state," not in back


def test_formulas_are_latex_and_their_brackets_the_size_of_letters():
    text = draw(lstm(T=2), level="gate").tikz()
    assert r"$c_{2} = s_{1,2} \circ c_{1} + s_{2,2} \circ s_{3,2}$" in text
    assert r"\left" not in text


def test_names_cannot_leave_their_place():
    x = parameter(2, name=HOSTILE)
    text = draw((x * 2).sum(), title="two\nlines", values=True).tikz()
    assert text.startswith("% two lines\n% \\usepackage{amsmath, amssymb, tikz}")
    assert r"\input" not in text
    assert r"\textbackslash{}input\{/etc/passwd\}" in text
    bare = re.sub(r"\\[{}%]", "", text)
    assert bare.count("{") == bare.count("}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX (pdflatex) is not on the PATH")
def test_latex_takes_it(tmp_path):
    output = lstm(T=3)
    output.backward()
    drawings = [
        draw(output, level="gate", backward=True, values=True, theme="print"),
        draw(output, level="cell", backward="only", flow=True, theme="dark"),
        draw(rnn(T=60), level="rolled"),
        draw(rnn(T=60), level="cell", max_steps=8),
        draw(truncated(), level="gate"),
        draw(expression(), locals=True),
        draw((parameter(2, name=HOSTILE.replace("½", "")) * 2).sum(), values=True),
    ]
    for i, drawing in enumerate(drawings):
        drawing.save(tmp_path / f"{i}.tikz")
    preamble = re.search(r"^% (\\usepackage.*)$", drawings[0].tikz(), re.MULTILINE)[1]
    pages = "\n".join(rf"\resizebox{{\linewidth}}{{!}}{{\input{{{i}.tikz}}}}\newpage" for i in range(len(drawings)))
    (tmp_path / "a.tex").write_text(
        rf"\documentclass{{article}}{preamble}\begin{{document}}{pages}\end{{document}}", encoding="utf-8"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert f"({len(drawings)} pages" in done.stdout


def test_a_scope_is_a_heading():
    with mg.scope("t=0"):
        y = parameter(2, name="a") * 2
    assert re.search(r"\\bfseries\] at \([\d.]+, [\d.]+\) \{t = 0\};", draw(y.sum()).tikz())
