"""Drawings: what is in them, where it is, and how it is written."""

import contextlib
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.draw import DrawingError, draw
from minigrad.draw.layout.places import lay_out

SVG = "{http://www.w3.org/2000/svg}"


def parameter(*shape, name=None):
    return mg.tensor(np.linspace(-0.5, 0.7, max(1, int(np.prod(shape)))).reshape(shape), requires_grad=True, name=name)


def given(*shape, name=None):
    return mg.tensor(np.full(shape, 0.3), name=name)


def rnn(T=4, H=2):
    U, W, b = parameter(2, H, name="U"), parameter(H, H, name="W"), parameter(H, name="b")
    h = given(1, H, name="h_0")
    for t in range(T):
        x = given(1, 2, name=f"x_{t + 1}")
        with mg.scope(f"t={t + 1}", "RNN"):
            h = mg.tanh(x @ U + h @ W + b).named(f"h_{t + 1}")
    return (h * h).sum().named("L")


def lstm(T=4, H=2):
    U, W, b = parameter(2, 4 * H, name="U"), parameter(H, 4 * H, name="W"), parameter(4 * H, name="b")
    V = parameter(H, 1, name="V")
    h, c = given(1, H, name="h_0"), given(1, H, name="c_0")
    losses = []
    for t in range(T):
        x, y = given(1, 2, name=f"x_{t + 1}"), given(1, 1, name=f"y_{t + 1}")
        with mg.scope(f"t={t + 1}", "LSTM"):
            i, f, g, o = mg.split(x @ U + h @ W + b, 4, axis=1)
            c = (mg.sigmoid(f) * c + mg.sigmoid(i) * mg.tanh(g)).named(f"c_{t + 1}")
            h = (mg.sigmoid(o) * mg.tanh(c)).named(f"h_{t + 1}")
            losses.append(mg.square(h @ V - y).sum())
    return sum(losses[1:], losses[0]).named("L")


def lstm_apart(T=4, H=2):
    """With four matrices of their own, applied to [h, x]."""
    W = {gate: parameter(H + 2, H, name=f"W_{gate}") for gate in "ifgo"}
    h, c = parameter(1, H, name="h_0"), given(1, H, name="c_0")
    for t in range(T):
        x = given(1, 2, name=f"x_{t + 1}")
        with mg.scope(f"t={t + 1}"):
            hx = mg.concatenate([h, x], axis=1)
            i, f, o = (mg.sigmoid(hx @ W[gate]) for gate in "ifo")
            c = f * c + i * mg.tanh(hx @ W["g"])
            h = o * mg.tanh(c)
    return h.sum()


def two_layers(T=4, H=2):
    xs = mg.tensor(np.ones((T, 1, H)), name="x")
    for layer in range(2):
        W, h, hs = parameter(H, H, name=f"W_{layer}"), given(1, H), []
        for t, x in enumerate(mg.unstack(xs)):
            with mg.scope(f"layer {layer}", f"t={t}"):
                h = mg.tanh(x + h @ W)
                hs.append(h)
        xs = mg.stack(hs)
    return xs.sum()


def both_directions(T=4, H=2):
    sides = []
    xs = [given(1, H, name=f"x_{t}") for t in range(T)]
    for direction in ("forward", "backward"):
        W, h, hs = parameter(H, H, name=f"W_{direction}"), given(1, H), {}
        for t in range(T) if direction == "forward" else reversed(range(T)):
            with mg.scope(direction, f"t={t}"):
                h = hs[t] = mg.tanh(xs[t] + h @ W)
        sides.append(mg.stack([hs[t] for t in range(T)]))
    return mg.concatenate(sides, axis=2).sum()


def through_time_and_back(T=3, H=2):
    """A second row of steps, which needs all of the first."""
    W, V, hs = parameter(H, H, name="W"), parameter(H, H, name="V"), []
    h = given(1, H)
    for t in range(T):
        with mg.scope(f"t={t}", "encoder"):
            h = mg.tanh(h @ W + 1)
            hs.append(h)
    memory = mg.stack(hs).mean(axis=0)
    s = given(1, H)
    for t in range(T):
        with mg.scope(f"t={t}", "decoder"):
            s = mg.tanh(s @ V + memory @ W)
    return s.sum()


def skipping(T=5, H=2):
    W, hs = parameter(H, H, name="W"), [given(1, H), given(1, H)]
    for t in range(T):
        with mg.scope(f"t={t}"):
            hs.append(mg.tanh(hs[-1] @ W + hs[-2]))
    return hs[-1].sum()


def mlp():
    x = given(1, 3, name="x")
    for n, (rows, columns) in enumerate([(3, 4), (4, 4), (4, 1)]):
        x = mg.tanh(x @ parameter(rows, columns, name=f"W_{n}") + parameter(columns, name=f"b_{n}"))
    return ((x - 1) ** 2).sum().named("loss")


def expression():
    a, b = mg.tensor(-4.0, requires_grad=True, name="a"), mg.tensor(2.0, requires_grad=True, name="b")
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    return ((c - d) ** 2 / 2).named("g")


RECURRENT = [rnn, lstm, lstm_apart, two_layers, both_directions, through_time_and_back, skipping]
ALL = [*RECURRENT, mlp, expression]


def named(picture, name):
    return next(box for box in picture.nodes if box.name == name)


def anything(seed):
    """A random graph, most of it tagged with time steps, each step different."""
    rng = random.Random(seed)
    nodes = [parameter(1, 2, name=f"p{i}") for i in range(3)] + [given(1, 2)]
    for t in range(rng.choice([1, 2, 4])):
        for _ in range(rng.randint(3, 8)):
            a, b = (rng.choice(nodes[-8:] + nodes[:4]) for _ in range(2))
            with mg.scope(f"t={t}") if rng.random() < 0.85 else contextlib.nullcontext():
                parts = mg.split(a, 2, axis=1)
                nodes.append(rng.choice([a + b, a * b, mg.tanh(a), mg.concatenate(parts[::-1], axis=1)]))
    return [node for node in nodes[-2:] if node.requires_grad] or nodes[0]


# What is in a picture


def test_shared_weight_is_one_node_with_an_edge_to_each_step():
    picture = draw(lstm(T=5)).picture
    assert [box.name for box in picture.nodes if box.kind == "parameter"] == ["U", "W", "b", "V"]
    for name in "UWbV":
        edges = [edge for edge in picture.edges if edge.source == named(picture, name).id]
        assert [edge.kind for edge in edges] == ["shared"] * 5
        assert [picture.by_id[edge.target].step for edge in edges] == [1, 2, 3, 4, 5]


def test_picture_of_an_rnn():
    picture = draw(rnn(T=3)).picture
    assert [group.label for group in picture.groups] == ["t = 1", "t = 2", "t = 3"]
    assert [len(group.members) for group in picture.groups] == [6, 6, 6]  # x, two products, two sums, tanh
    assert named(picture, "h_0").kind == "state"
    assert named(picture, "h_0").step is None
    assert [named(picture, f"x_{t}").step for t in (1, 2, 3)] == [1, 2, 3]
    assert named(picture, "L").kind == "output"
    assert sum(edge.kind == "state" for edge in picture.edges) == 3
    assert sum(edge.kind == "input" for edge in picture.edges) == 3
    slots = [tuple(picture.by_id[name].slot for name in group.members) for group in picture.groups]
    assert len(set(map(frozenset, slots))) == 1


def test_results_of_one_operation_are_labelled_edges():
    picture = draw(lstm(T=2)).picture
    assert "item" not in {box.op for box in picture.nodes}
    split = next(box for box in picture.nodes if box.op == "split")
    assert sorted(edge.label for edge in picture.edges if edge.source == split.id) == ["0", "1", "2", "3"]


def test_items_of_a_sequence_are_the_inputs_of_its_steps():
    xs = parameter(3, 1, 2, name="xs")
    h = given(1, 2)
    for t, x in enumerate(mg.unstack(xs)):
        with mg.scope(f"t={t}"):
            h = mg.tanh(x * h)
    picture = draw(h.sum()).picture
    items = [box for box in picture.nodes if box.op == "item"]
    assert [(box.kind, box.step, box.symbol) for box in items] == [("input", t, f"[{t}]") for t in range(3)]


def test_layers_are_joined_step_by_step():
    picture = draw(two_layers(T=3)).picture
    assert [box.op for box in picture.nodes].count("stack") == 1  # that of the last layer
    assert "unstack" not in {box.op for box in picture.nodes}
    assert len(picture.groups) == 3


def test_second_row_of_steps():
    picture = draw(through_time_and_back()).picture
    assert {(box.step is not None, box.stage) for box in picture.nodes if box.op == "tanh"} == {(True, 0), (True, 1)}
    assert next(box for box in picture.nodes if box.op == "stack").stage == 1


def test_a_leaf_alone_and_several_outputs():
    assert [box.kind for box in draw(given(2, name="x")).picture.nodes] == ["input"]
    a = parameter(2, name="a")
    assert [box.kind for box in draw([a * 2, a + 1]).picture.nodes] == ["parameter", "output", "output"]
    ET.fromstring(draw(given(2)).svg())


def test_long_running_sum_becomes_part_of_the_steps():
    picture = draw(lstm(T=20)).picture
    assert sum(box.step is None for box in picture.nodes) == 4 + 2  # the weights and the initial states


def test_middle_steps_are_folded():
    drawing = draw(rnn(T=60), max_steps=10)
    picture = drawing.picture
    assert picture.folded == 50
    assert len(picture.groups) == 11
    fold = next(box for box in picture.nodes if box.kind == "fold")
    assert fold.symbol == "⋯ 50 steps"
    weight = named(picture, "W").id
    assert [edge.label for edge in picture.edges if (edge.source, edge.target) == (weight, fold.id)] == ["×50"]
    assert "⋯ 50 steps" in drawing.svg()
    assert "50 steps are folded" in picture.description
    assert "⋯ 50 steps" in drawing.dot()


# Numbers


def test_values_and_gradients():
    a, b = mg.tensor(-4.0, requires_grad=True, name="a"), mg.tensor(2.0, requires_grad=True, name="b")
    c = (a * b).named("c")
    before = draw(c, backward=True)
    assert [box.gradient for box in before.picture.nodes] == [("not computed",)] * 3
    assert "∇ not computed" in before.svg()
    assert all(box.value == box.gradient == () for box in draw(c).picture.nodes)
    c.backward()
    assert all(box.value == () for box in draw(c, backward=True).picture.nodes)
    picture = draw(c, values=True, backward=True).picture
    assert [(box.value, box.gradient) for box in picture.nodes] == [
        (("−4",), ("2",)),
        (("2",), ("−4",)),
        (("−8",), ("1",)),
    ]
    assert named(draw(c, backward=True, grads={a: np.array(7.0)}).picture, "a").gradient == ("7",)


def test_how_numbers_are_written():
    def lines(data, **options):
        return draw(mg.tensor(data, **options), values=True).picture.nodes[0].value

    assert lines([0.12345, -1234.5]) == ("[0.123 −1.23e3]",)
    assert lines([[1.0, 20.0], [3.0, 4.0]]) == ("[1 20]", "[3  4]")
    assert lines(np.arange(24.0).reshape(3, 8)) == ("[0 … 23] 3×8",)
    assert lines([np.nan, np.inf]) == ("[nan ∞]",)
    assert lines([1, 2, 3]) == ("[1 2 3]",)
    assert lines(0.00012345) == ("1.23e−4",)


def test_shapes():
    picture = draw(parameter(2, 3, name="a") @ parameter(3, 4, name="b"), shapes=True).picture
    assert [box.note for box in picture.nodes] == ["2×3", "3×4", "2×4"]


# Where it is


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("values", [False, True])
def test_no_two_boxes_overlap_and_no_edge_crosses_a_box(make, values):
    output = make()
    output.backward()
    assert_clear(draw(output, values=values, backward=values).picture)


@pytest.mark.parametrize("seed", range(60))
def test_any_graph_is_laid_out_clearly(seed):
    assert_clear(draw(anything(seed), values=True, max_steps=3 + seed % 2).picture)


def test_graph_of_a_gradient_is_laid_out_clearly():
    W, h = parameter(2, 2, name="W"), given(1, 2)
    for t in range(3):
        with mg.scope(f"t={t}"):
            h = mg.tanh(h @ W + 1)
    assert_clear(draw(mg.grad(h.sum(), W, create_graph=True).sum()).picture)


def assert_clear(picture):
    layout = lay_out(picture)
    assert set(layout.boxes) == set(picture.by_id)
    assert set(layout.routes) == set(picture.edges)
    for a, b in itertools.combinations(layout.boxes.values(), 2):
        assert a.right <= b.x or b.right <= a.x or a.bottom <= b.y or b.bottom <= a.y
    for edge, path in layout.routes.items():
        others = [rect for name, rect in layout.boxes.items() if name not in (edge.source, edge.target)]
        corner = path.start
        for piece in path.pieces:
            assert len(piece) == 3 or min(abs(piece[0][0] - corner[0]), abs(piece[0][1] - corner[1])) < 0.7  # no slant
            corner = piece[-1]
        for x, y in path.sample():
            assert -1 <= x <= layout.width + 1
            assert -1 <= y <= layout.height + 1
            for r in others:
                assert not (r.x < x < r.right and r.y < y < r.bottom), (edge, x, y)
        start, end = layout.boxes[edge.source], layout.boxes[edge.target]
        assert start.x - 0.1 <= path.start[0] <= start.right + 0.1
        assert end.y - 0.1 <= path.end[1] <= end.bottom + 0.1


@pytest.mark.parametrize("make", RECURRENT)
def test_steps_stand_side_by_side_and_look_the_same(make):
    picture = draw(make(), values=True).picture
    layout = lay_out(picture)
    places = {}
    for stage in range(1 + max(stage for _, stage in layout.panels)):
        panels = [layout.panels[group.id, stage] for group in picture.groups if (group.id, stage) in layout.panels]
        for left, right in itertools.pairwise(panels):
            assert left.right < right.x
            assert (left.y, left.height, left.width) == (right.y, right.height, right.width)
    for group in picture.groups:
        for name in group.members:
            box, rect = picture.by_id[name], layout.boxes[name]
            panel = layout.panels[group.id, box.stage]
            place = round(rect.x + rect.width / 2 - panel.x, 6), round(rect.y + rect.height / 2 - panel.y, 6)
            assert places.setdefault((box.stage, box.slot), place) == place


@pytest.mark.parametrize("T", [2, 4, 10, 50])
def test_step_t_is_left_of_step_t_plus_1(T):
    picture = draw(lstm(T)).picture
    panels = list(lay_out(picture).panels.values())
    assert len(panels) == T
    assert all(left.right < right.x for left, right in itertools.pairwise(panels))


@pytest.mark.parametrize("make", [rnn, lstm, lstm_apart, two_layers, both_directions])
def test_state_runs_straight_from_step_to_step(make):
    picture = draw(make()).picture
    layout = lay_out(picture)
    panels = {group.step: layout.panels[group.id, 0] for group in picture.groups}
    heights = {}
    count = 0
    for edge, path in layout.routes.items():
        source, target = picture.by_id[edge.source], picture.by_id[edge.target]
        if edge.kind == "state" and source.step is not None:
            first, second = sorted((panels[source.step], panels[target.step]), key=lambda panel: panel.x)
            between = [y for x, y in path.sample(80) if first.right <= x <= second.x]
            assert len(between) > 1
            assert max(between) - min(between) < 1e-6
            key = source.slot, target.slot, edge.argument
            assert heights.setdefault(key, round(between[0], 6)) == round(between[0], 6)
            count += 1
    assert count >= 3


def test_initial_state_stands_at_the_height_of_its_rail():
    picture = draw(rnn()).picture
    layout = lay_out(picture)
    rect = layout.boxes[named(picture, "h_0").id]
    assert rect.right < layout.panels["g0", 0].x
    rail = next(path for edge, path in layout.routes.items() if edge.kind == "state")
    assert rail.start == pytest.approx((rect.right, rect.y + rect.height / 2))


def test_text_fits_its_box():
    output = lstm()
    output.backward()
    root = ET.fromstring(draw(output, values=True, backward=True).svg())
    checked = 0
    for group in root.iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        if group.get("data-node"):
            for text in group.iter(f"{SVG}text"):
                wide = len("".join(text.itertext())) * 0.62 * float(text.get("font-size"))
                assert wide <= float(rect.get("width"))
                checked += 1
    assert checked > 100


# How it is written


@pytest.mark.parametrize("make", ALL)
def test_svg_is_accessible_xml_and_the_same_each_time(make):
    first, second = (draw(make(), values=True, backward=True) for _ in range(2))
    assert first.svg() == second.svg() == first._repr_svg_()
    assert first.dot() == second.dot()
    root = ET.fromstring(first.svg())
    assert root.get("role") == "img"
    ids = {element.get("id") for element in root.iter()}
    assert set(root.get("aria-labelledby").split()) <= ids
    assert "edges" in root.find(f"{SVG}desc").text


def test_names_cannot_inject_markup():
    name = """\\N "]]>\x00\n</text><script>alert("1")</script>&amp;"""
    output = (mg.tensor(1.0, requires_grad=True, name=name) * 2).named("<b>bold</b>\\")
    drawing = draw(output, title=name)
    root = ET.fromstring(drawing.svg())
    assert not list(root.iter(f"{SVG}script"))
    assert "<script" not in drawing.svg()
    dot = drawing.dot()
    label = re.search(r'n0 \[label="((?:[^"\\]|\\.)*)"', dot)[1]
    assert '\\"' in label
    assert "\\\\N" in label
    assert "\n" not in label
    assert 'label="<b>' in dot  # quoted: not Graphviz's markup


def test_save(tmp_path, monkeypatch):
    drawing = draw(expression())
    drawing.save(tmp_path / "graph.svg")
    drawing.save(str(tmp_path / "graph.dot"))
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == drawing.svg()
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8") == drawing.dot()
    with pytest.raises(DrawingError, match=r"\.svg, .* or \.pdf at its end, not .*\.gif"):
        drawing.save(tmp_path / "graph.gif")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        draw(mlp()).save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == drawing.svg()
    assert sorted(os.listdir(tmp_path)) == ["graph.dot", "graph.svg"]


def test_what_cannot_be_drawn():
    with pytest.raises(DrawingError, match=r"no level 'neuron'.* 'gate'"):
        draw(expression(), level="neuron")
    with pytest.raises(DrawingError, match="no theme"):
        draw(expression(), theme="pink")
    with pytest.raises(DrawingError, match="no backward"):
        draw(expression(), backward="sideways")
    with pytest.raises(ValueError, match="Tensor"):
        draw([])
    with pytest.raises(mg.errors.MinigradError, match="Tensor"):
        draw([1.0])
    with pytest.raises(DrawingError, match="takes a Tensor"):
        draw(3.0)


def test_needs_no_program_and_no_graphviz_package():
    code = (
        "import sys; sys.modules['graphviz'] = None\n"
        "import minigrad as mg\n"
        "from minigrad.draw import draw\n"
        "output = mg.sigmoid(mg.tensor(1.0, requires_grad=True) * 2)\n"
        "for options in {}, {'level': 'gate', 'backward': True}:\n"
        "    drawing = draw(output, **options)\n"
        "    assert drawing.svg() == drawing._repr_svg_() and drawing.svg().startswith('<svg')\n"
        "    assert drawing.html().lower().startswith('<!doctype html>')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PATH": ""}, timeout=60)


# Large graphs


@pytest.mark.slow
def test_deep_graph_is_told_apart_from_a_drawable_one():
    x = mg.tensor(1.0, requires_grad=True)
    for _ in range(100_000):
        x = x + 1
    with pytest.raises(DrawingError, match="100001 boxes"):
        draw(x)


def test_many_steps_are_folded():
    text = draw(rnn(T=2000)).svg()
    assert "⋯ 1950 steps" in text


def test_work_grows_as_the_graph_does():
    """Twice as many nodes are twice as many calls of functions, and no more."""

    def calls(output, **options):
        count = 0

        def counted(frame, event, argument):
            nonlocal count
            count += event == "call"

        sys.setprofile(counted)
        try:
            drawing = draw(output, values=True, **options).svg()
        finally:
            sys.setprofile(None)
        assert len(drawing) > 10_000
        return count

    def chain(length):
        x = mg.tensor(1.0, requires_grad=True)
        for _ in range(length):
            x = mg.tanh(x)
        return x

    for make, options in [
        (lambda T: lstm(T=T), {}),
        (lambda T: rnn(T=4 * T), {"max_steps": 400}),
        (lambda T: chain(40 * T), {}),
    ]:
        few, many = (calls(make(T), **options) for T in (5, 10))
        assert many < 2.4 * few


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="only Linux tells how much memory was used")
def test_two_thousand_nodes_in_little_memory():
    code = (
        "import numpy as np, minigrad as mg\n"
        "W, h = mg.tensor(np.eye(2), requires_grad=True), mg.tensor(np.ones((1, 2)))\n"
        "for t in range(400):\n"
        "    with mg.scope(f't={t}'):\n"
        "        h = mg.tanh(mg.tanh(mg.tanh(h @ W) + 1) * 2)\n"
        "h.sum().backward()\n"
        "drawing = mg.draw(h, values=True, backward=True, max_steps=400)\n"
        "assert len(drawing.picture.nodes) > 2000 and len(drawing.svg()) > 1e6\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
    assert int(done.stdout) / 1024 < 300  # of MB


# Graphviz


def clusters(svg):
    found = {}
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        if group.get("class") == "cluster":
            outline = group.find(f"{SVG}path").get("d")
            xs = [float(point.split(",")[0]) for point in re.findall(r"-?[\d.]+,-?[\d.]+", outline)]
            found[int(group.find(f"{SVG}text").text.split("= ")[1])] = min(xs), max(xs)
    return [found[step] for step in sorted(found)]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot is not on the PATH")
@pytest.mark.parametrize("make", [rnn, lstm, lstm_apart, two_layers, both_directions])
@pytest.mark.parametrize("T", [2, 4, 10, 50])
@pytest.mark.parametrize("options", [{}, {"level": "gate", "backward": True}, {"level": "cell"}])
def test_dot_keeps_the_steps_in_order(make, T, options):
    text = draw(make(T), **options).dot()
    done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True, timeout=60)
    assert not done.stderr
    found = clusters(done.stdout)
    assert len(found) == T
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(found))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot is not on the PATH")
def test_dot_draws_two_thousand_nodes():
    drawing = draw(lstm(T=96), max_steps=96, values=True)
    assert len(drawing.picture.nodes) > 2000
    subprocess.run(["dot", "-Tsvg"], input=drawing.dot().encode(), capture_output=True, check=True, timeout=30)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot is not on the PATH")
def test_dot_reads_odd_names():
    output = mg.tensor(1.0, requires_grad=True, name='a"] ; evil [label="<i>\\') * 2
    done = subprocess.run(["dot", "-Tsvg"], input=draw(output).dot().encode(), capture_output=True, check=True)
    assert 'a"] ; evil [label="<i>\\' in "".join(ET.fromstring(done.stdout).itertext())


def test_dot_marks_what_does_not_constrain():
    text = draw(rnn(T=3)).dot()
    assert "newrank=true" in text
    assert "rankdir=BT" in text
    edges = [line for line in text.splitlines() if re.match(r"\s*n\d+ -> n\d+", line)]
    back = draw(rnn(T=3), backward=True).dot()
    pairs = set(re.findall(r"(n\d+) -> (n\d+) \[[^]]*style=dashed", back))
    picture = draw(rnn(T=3), backward=True).picture
    assert pairs == {(edge.target, edge.source) for edge in picture.edges if edge.backward}
    assert sum("constraint=false" in line for line in edges) == 3 * 3 + 3  # three weights in three steps, and h
