"""Drawings at several levels of detail, of the way back, and of what was cut."""

import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from test_draw import ALL, RECURRENT, SVG, assert_clear, both_directions, given, lstm, mlp, named, parameter, rnn

import minigrad as mg
import minigrad_rnn as mr
from minigrad.draw import LEVELS, THEMES, draw
from minigrad.draw.layout.places import lay_out
from minigrad.draw.printers.strokes import back
from minigrad.draw.printers.themes import THEMES as LOOKS

UNROLLED = ("cell", "gate", "op")


def network(cell="lstm", T=4, **options):
    mg.seed(0)
    layer = mr.Recurrent(cell, 2, 2, **options)
    outputs, _ = layer(mg.tensor(np.random.default_rng(0).uniform(-1, 1, (T, 1, 2)).astype("float32")))
    return layer, mg.square(outputs - 0.5).mean().named("loss")


def kinds(picture):
    return [box.kind for box in picture.nodes]


# Levels


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("level", LEVELS)
def test_no_two_boxes_overlap_and_no_edge_crosses_a_box_at_any_level(make, level):
    output = make()
    output.backward()
    drawing = draw(output, level=level, values=True, backward=True)
    assert_clear(drawing.picture)
    ET.fromstring(drawing.svg())


@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}, {"cell": "slstm"}])
@pytest.mark.parametrize("level", LEVELS)
def test_networks_at_every_level(level, options):
    _, loss = network(**options)
    loss.backward()
    assert_clear(draw(loss, level=level, values=True, backward=True, locals=True).picture)


def test_a_box_a_cell_and_step():
    picture = draw(network(T=3, num_layers=2)[1], level="cell").picture
    cells = [box for box in picture.nodes if box.kind == "cell"]
    assert [(box.symbol, box.step, box.band, box.count) for box in cells] == [
        ("LSTM", t, layer, 14) for layer in range(2) for t in range(3)
    ]
    assert picture.bands == ("layer 0", "layer 1")
    first, second = cells[0].id, cells[1].id
    assert sorted(edge.label for edge in picture.edges if (edge.source, edge.target) == (first, second)) == ["c", "h"]
    assert {edge.kind for edge in picture.edges if (edge.source, edge.target) == (first, second)} == {"state"}


def test_directions_are_bands_of_a_step():
    picture = draw(network(T=3, bidirectional=True)[1], level="cell").picture
    assert picture.bands == ("layer 0 →", "layer 0 ←")
    layout = lay_out(picture)
    forward, backward = ([box for box in picture.nodes if box.kind == "cell" and box.band == n] for n in range(2))
    assert len(forward) == len(backward) == 3
    assert max(layout.boxes[box.id].y for box in backward) < min(layout.boxes[box.id].y for box in forward)
    steps = {(picture.by_id[e.source].step, picture.by_id[e.target].step) for e in picture.edges if e.kind == "state"}
    assert steps >= {(0, 1), (1, 2), (2, 1), (1, 0)}
    assert len([box for box in picture.nodes if box.kind == "input" and box.step == 1]) == 1  # x_1, for both


def test_rolled_is_one_step_with_loops():
    picture = draw(network(T=7)[1], level="rolled").picture
    assert picture.rolled == 7
    assert [group.label for group in picture.groups] == ["t = 0 … 6"]
    (cell,) = (box for box in picture.nodes if box.kind == "cell")
    loops = [edge for edge in picture.edges if edge.kind == "loop"]
    assert sorted((edge.source, edge.target, edge.label) for edge in loops) == [
        (cell.id, cell.id, "c"),
        (cell.id, cell.id, "h"),
    ]
    assert named(picture, "x_t").kind == "input"
    text = draw(network(T=7)[1], level="rolled").svg()
    assert "h ×7" in text
    assert "one time step drawn for all 7" in text


def test_a_loop_runs_around_its_step():
    picture = draw(rnn(T=5), level="rolled").picture
    layout = lay_out(picture)
    panel = layout.panels["g0", 0]
    path = next(path for edge, path in layout.routes.items() if edge.kind == "loop")
    xs, ys = zip(*path.sample(), strict=True)
    assert min(xs) < panel.x
    assert max(xs) > panel.right
    assert min(ys) < panel.y


def test_a_box_a_layer():
    picture = draw(network(T=3, num_layers=2, bidirectional=True)[1], level="layer").picture
    cells = [box for box in picture.nodes if box.kind == "cell"]
    assert [box.symbol for box in cells] == ["layer 0 · LSTM", "layer 1 · LSTM"]
    weights = [2 * (2 + 2 + 1) * 8, 2 * (4 + 2 + 1) * 8]  # both directions
    assert [box.note.rpartition(", ")[2] for box in cells] == [f"{n} weights" for n in weights]
    assert "28 operations ×3" in cells[0].note
    assert picture.groups == ()
    assert not any(edge.kind == "loop" for edge in picture.edges)


def test_quantities_at_the_level_of_gates():
    picture = draw(network(T=3)[1], level="gate").picture
    step = [box for box in picture.nodes if box.step == 1]
    assert [box.name for box in step if box.name] == ["x_1", "i", "f", "o", "g", "c_1", "h_1"]
    assert len(step) == 8  # and the sum that the gates share
    assert sum(box.count for box in step) == 1 + 14
    last = [box for box in picture.nodes if box.step == 2]
    assert [box.name for box in last if box.name] == ["x_2", "i", "f", "o", "g", "c_2", "h_2"]


@pytest.mark.parametrize("make", RECURRENT)
@pytest.mark.parametrize("level", UNROLLED)
def test_every_operation_is_in_one_box(make, level):
    picture, whole = draw(make(), level=level).picture, draw(make()).picture
    assert sum(box.count for box in picture.nodes) == len(whole.nodes)


@pytest.mark.parametrize("level", UNROLLED)
@pytest.mark.parametrize("T", [2, 4, 50])
def test_steps_stand_in_order_at_every_level(level, T):
    panels = list(lay_out(draw(network(T=T)[1], level=level).picture).panels.values())
    assert len(panels) == T
    assert all(left.right < right.x for left, right in itertools.pairwise(panels))


def test_groups_are_opened_and_closed_one_by_one():
    _, loss = network(T=3)
    opened = draw(loss, level="cell", open="t=1").picture
    assert kinds(opened).count("cell") == 2
    assert sum(box.step == 1 for box in opened.nodes) == 15
    closed = draw(loss, close=["t=0", "t=2"]).picture
    assert [box.step for box in closed.nodes if box.kind == "cell"] == [0, 2]
    assert_clear(opened)
    assert_clear(closed)
    _, loss = network(T=2, num_layers=2)
    mixed = draw(loss, level="op", close="layer 1/t=1").picture
    assert [(box.step, box.band) for box in mixed.nodes if box.kind == "cell"] == [(1, 1)]


def test_a_group_that_would_feed_itself_is_left_open():
    W, h = parameter(2, 2, name="W"), given(1, 2)
    for t in range(3):
        with mg.scope(f"t={t}", "cell"):
            a = h @ W
        b = mg.exp(a)  # outside of the cell, and back into it
        with mg.scope(f"t={t}", "cell"):
            h = mg.tanh(a + b)
    picture = draw(h.sum(), level="cell").picture
    assert "cell" not in kinds(picture)
    assert_clear(picture)


def test_scopes_without_steps():
    x, W = given(1, 2, name="x"), parameter(2, 2, name="W")
    with mg.scope("encoder"):
        h = mg.tanh(x @ W)
    picture = draw((h * h).sum(), close="encoder").picture
    assert [(box.kind, box.symbol) for box in picture.nodes if box.kind == "cell"] == [("cell", "encoder")]


def test_a_weight_taken_apart_in_every_step():
    W, h = parameter(2, 2, 2, name="W"), given(1, 2)
    for t in range(3):
        with mg.scope(f"t={t}"):
            first, second = mg.unstack(W)
            h = mg.tanh(h @ first @ second)
    for level in LEVELS:
        drawing = draw(h.sum(), level=level)
        assert_clear(drawing.picture)
    assert sum(box.op == "unstack" for box in draw(h.sum()).picture.nodes) == 3
    assert "tanh" in str(drawing.equations())


# Formulas


def test_formulas_are_outlines_of_glyphs():
    root = ET.fromstring(draw(rnn(T=2), level="gate").svg())
    boxes = [group for group in root.iter(f"{SVG}g") if group.get("data-node")]
    told = ["".join(title.itertext()) for box in boxes for title in box.iter(f"{SVG}title")]
    assert [words for words in told if "=" in words] == [
        "h_1 = tanh(U x_1 + W h_0 + b)",
        "h_2 = tanh(U x_2 + W h_1 + b)",
        "L = sum(h_2²)",
    ]
    glyphs = {path.get("id") for path in root.find(f"{SVG}defs")}
    used = {use.get("href")[1:] for use in root.iter(f"{SVG}use")}
    assert used == glyphs
    assert len(used) > 10


def test_formulas_are_left_out_where_they_are_not_wanted():
    assert "<defs>" not in draw(rnn(), level="gate", formulas=False).svg()
    assert "<defs>" not in draw(rnn()).svg()
    assert "<defs>" in draw(mlp(), formulas=True).svg()


# The way back


@pytest.mark.parametrize("make", [*ALL, lambda: network()[1]])
@pytest.mark.parametrize("level", LEVELS)
def test_backward_edges_are_the_forward_edges_between_what_needs_a_gradient(make, level):
    picture = draw(make(), level=level, backward=True).picture
    for edge in picture.edges:
        both = picture.by_id[edge.source].needs_gradient and picture.by_id[edge.target].needs_gradient
        assert edge.backward == both
    root = ET.fromstring(draw(make(), level=level, backward=True).svg())
    drawn = {int(group.get("data-back")) for group in root.iter(f"{SVG}g") if group.get("data-back")}
    assert drawn == {i for i, edge in enumerate(picture.edges) if edge.backward}


def test_what_stands_in_a_step_beside_its_cell_is_no_part_of_a_box():
    cell, h, ys = mr.RNNCell(2, 2), mg.zeros((1, 2)), []
    V = parameter(2, 2, name="V")
    for t in range(3):
        with mg.scope(f"t={t}"):
            with mg.scope("RNNCell"):
                h, _ = cell.step(given(1, 2, name=f"x_{t}").astype("float32"), h)
            ys.append((h @ V).named(f"y_{t}"))
    picture = draw(ys, level="cell").picture
    assert [(box.label, box.step) for box in picture.nodes if box.kind in ("cell", "output")] == [
        (label, t) for t in range(3) for label in ("RNN", f"y_{t} = @")
    ]
    with mg.scope("t=0"):
        alone = draw(parameter(2) * 2, level="cell").picture
    assert [(box.label, box.note) for box in alone.nodes if box.kind == "cell"] == [("t=0", "1 operation")]


def test_the_way_back_runs_beside_the_way_there():
    output = rnn()
    output.backward()
    both = draw(output, backward=True)
    alone = draw(output, backward="only")
    assert "data-from" in both.svg()
    assert "data-from" not in alone.svg()
    assert "data-back" not in draw(output).svg()
    assert "from top to bottom" in both.picture.description


@pytest.mark.parametrize("make", RECURRENT)
def test_the_way_back_does_not_turn_back(make):
    output = make()
    output.backward()
    picture = draw(output, level="gate", backward=True).picture
    layout = lay_out(picture)
    for stroke in back(picture, layout, LOOKS["light"]):
        before, (_, y0), (_, y) = stroke.ends[0].sample(6)[-3:]
        assert (y - y0) * (y0 - before[1]) >= 0, stroke.edges
        assert y0 != y or before[1] == y


def test_a_weights_name_has_room_beside_the_way_back():
    output = rnn()
    taps = [
        sorted({x for x, _, _ in lay_out(draw(output, level="gate", backward=way).picture).taps})
        for way in (False, True)
    ]
    gaps = [min(b - a for a, b in itertools.pairwise(xs)) for xs in taps]
    assert gaps == pytest.approx([14, 21], abs=0.5)


def test_a_state_shows_where_its_gradient_comes_from():
    U, W, V, h = parameter(1, 2, name="U"), parameter(2, 2, name="W"), parameter(2, 1, name="V"), given(1, 2)
    losses = []
    for t in range(3):
        with mg.scope(f"t={t}"):
            h = mg.tanh(given(1, 1) @ U + h @ W).named(f"h_{t}")
            y = (h @ V).named(f"y_{t}")
            losses.append(mg.square(y - 1).sum())
    loss = (losses[0] + losses[1] + losses[2]).named("loss")
    assert all(box.incoming == () for box in draw(loss, backward=True).picture.nodes)
    loss.backward()
    for level in ("op", "gate"):
        picture = draw(loss, level=level, backward=True, values=True).picture
        for t in range(2):
            box = named(picture, f"h_{t}")
            assert sorted(label for label, _ in box.incoming) == ["from t+1", f"from y_{t}"]
        assert named(picture, "h_2").incoming == ()
    middle = named(draw(loss, backward=True).picture, "h_1")
    parts = [np.array([float(x.replace("−", "-")) for x in lines[0][1:-1].split()]) for _, lines in middle.incoming]
    np.testing.assert_allclose(sum(parts), middle.grad[0], rtol=2e-2)


def test_not_computed_before_the_walk():
    _, loss = network()
    for level in UNROLLED:
        picture = draw(loss, level=level, backward=True).picture
        told = {line for box in picture.nodes for line in box.gradient}
        assert {line.split(" ", 1)[-1] if line[0] in "hc" else line for line in told} <= {"not computed", "computed"}
        assert told
        assert all(edge.norm is None for edge in picture.edges)


def test_sizes_of_gradients_are_those_of_the_messages():
    """∂L/∂h_t of a linear chain shrinks by its factor at each step, and the width with it."""
    w, h = mg.tensor(0.5, requires_grad=True, name="w"), mg.tensor(1.0)
    for t in range(4):
        with mg.scope(f"t={t}"):
            h = (h * w).named(f"h_{t}")
    h.backward()
    picture = draw(h, backward=True, flow=True).picture
    states = [edge for edge in picture.edges if edge.kind == "state" and edge.backward]
    assert [edge.norm for edge in states] == [0.125, 0.25, 0.5]
    shares = [picture.flow(edge) for edge in states]
    assert shares == sorted(shares)
    assert shares[-1] > 0.99
    root = ET.fromstring(draw(h, backward=True, flow=True).svg())
    paths = {g.get("data-back"): g.find(f"{SVG}path") for g in root.iter(f"{SVG}g") if g.get("data-back")}
    widths = [float(paths[str(picture.edges.index(edge))].get("stroke-width")) for edge in states]
    assert widths == sorted(widths)
    assert widths[-1] > 2 * widths[0]


def test_local_derivatives_stand_at_the_edges():
    from minigrad.draw.maths.expression import text

    x, y = mg.tensor(2.0, requires_grad=True, name="x"), mg.tensor(3.0, requires_grad=True, name="y")
    z = mg.tanh(x * y).named("z")
    picture = draw(z, locals=True).picture
    assert [text(edge.local) for edge in picture.edges] == ["y", "x", "1 - z²"]
    assert all(edge.local is None for edge in draw(z).picture.edges)
    g = mg.tanh(x).named("g")  # the name that upstream gradients have
    assert [text(edge.local) for edge in draw(g * y, locals=True).picture.edges] == ["1 - g²", "y", "g"]


# Cut edges


def truncated(k=2, T=5):
    W, h, loss = parameter(2, 2, name="W"), given(1, 2), 0
    for t in range(T):
        if t and t % k == 0:
            h = h.detach()
        with mg.scope(f"t={t}"):
            h = mg.tanh(h @ W + 1).named(f"h_{t}")
            loss = loss + mg.square(h).sum()
    return loss.named("L")


def test_detached_edges_are_marked_as_cut():
    output = truncated()
    output.backward()
    picture = draw(output, backward=True).picture
    cut = [edge for edge in picture.edges if edge.kind == "cut"]
    assert [(picture.by_id[e.source].name, picture.by_id[e.target].step) for e in cut] == [("h_1", 2), ("h_3", 4)]
    assert not any(edge.backward for edge in cut)
    assert_clear(picture)
    whole = lay_out(draw(truncated(k=9)).picture)
    assert [panel.width for panel in lay_out(draw(output).picture).panels.values()] == [
        panel.width for panel in whole.panels.values()
    ]
    assert draw(output).svg().count(">cut<") == 2
    assert draw(output).dot().count("label=cut") == 2


def test_what_was_detached_and_is_gone_is_an_input():
    W = parameter(2, 2, name="W")
    h = mg.tanh(given(1, 2) @ W).detach()
    picture = draw((h @ W).sum()).picture
    assert sorted(kinds(picture)) == ["input", "op", "output", "parameter"]


# Looks


@pytest.mark.parametrize("theme", THEMES)
def test_themes(theme):
    output = lstm(T=3)
    output.backward()
    text = draw(output, theme=theme, backward=True, values=True, flow=True).svg()
    ET.fromstring(text)
    colours = {word for word in text.replace('"', " ").split() if word.startswith("#") and len(word) == 7}
    if theme == "print":
        assert all(word[1:3] == word[3:5] == word[5:7] for word in colours)  # greys
    assert ("#0f172a" in colours) == (theme == "dark")


def test_names_shapes_and_dtypes():
    picture = draw(parameter(2, 3, name="a") @ parameter(3, 4, name="b"), shapes=True, dtypes=True, names=False).picture
    assert [(box.name, box.note) for box in picture.nodes] == [
        (None, "2×3, float64"),
        (None, "3×4, float64"),
        (None, "2×4, float64"),
    ]


def test_formulas_beside_numbers_are_of_the_arrays_as_stored():
    output = rnn(T=2)
    formula = lambda **options: str(named(draw(output, level="gate", **options).picture, "h_2").formula)
    assert formula() == "tanh(U x_2 + W h_1 + b)"
    assert formula(values=True) == "tanh(x_2 U + h_1 W + b)"
    output.backward()
    assert formula(backward=True) == "tanh(x_2 U + h_1 W + b)"


@pytest.mark.parametrize("suffix", ["svg", "dot", "mmd", "tikz", "png", "pdf", "tex", "txt", "html"])
def test_every_format_is_written_and_the_same_each_time(suffix, tmp_path):
    output = both_directions()
    output.backward()
    drawing = draw(output, level="gate", backward=True, values=True)
    for name in ("a", "b"):
        drawing.save(tmp_path / f"{name}.{suffix}")
    first, second = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
    assert first == second
    assert len(first) > 300
    assert first.startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<svg"}.get(suffix, b""))


def test_thin_marks_are_not_moved_onto_pixels(tmp_path):
    from matplotlib import image

    from minigrad.draw.printers.canvas import paint

    bars = "".join(f'<path d="M{x} 4L{x + 0.3} 4L{x + 0.3} 16L{x} 16Z"/>' for x in (3.0, 6.2, 9.4, 12.6, 15.8))
    paint(f'<svg width="20" height="20">{bars}</svg>', tmp_path / "a.png", "png")
    ink = (1 - image.imread(tmp_path / "a.png")[..., 0]).sum(axis=0)
    each = [ink[left : left + 6].sum() for left in (4, 10, 17, 23, 30)]
    np.testing.assert_allclose(each, np.mean(each), rtol=0.1)
    assert min(each) > 8


def test_png_shows_what_the_svg_holds(tmp_path):
    from matplotlib import image

    draw(rnn(), values=True).save(tmp_path / "a.png")
    pixels = image.imread(tmp_path / "a.png")
    root = ET.fromstring(draw(rnn(), values=True).svg())
    np.testing.assert_allclose(pixels.shape[:2], [2 * float(root.get(side)) for side in ("height", "width")], atol=1)
    dark = (pixels[..., :3].max(axis=2) < 0.4).mean()
    assert 0.005 < dark < 0.1


def test_mermaid():
    text = draw(truncated(T=3), level="gate", backward=True).mermaid()
    lines = text.splitlines()
    assert lines[0] == "flowchart BT"
    assert sum(line.strip().startswith("subgraph") for line in lines) == 3
    assert any("-.->|cut|" in line for line in lines)
    odd = mg.tensor(1.0, requires_grad=True, name='"]<script>|`') * 2
    assert "<script" not in draw(odd).mermaid()
    assert '"]<' not in draw(odd).mermaid()


# What is read of a sequence of states


def readers(picture):
    """The steps that the result reads of."""
    (result,) = (box.id for box in picture.nodes if box.kind == "output")
    sources = [picture.by_id[edge.source] for edge in picture.edges if edge.target == result]
    return [box.step for box in sources if box.step is not None]


@pytest.mark.parametrize(
    ("index", "steps"),
    [(-1, [4]), (np.int64(1), [1]), (slice(3, None), [3, 4]), ((slice(None, None, 2), 0), [0, 2, 4]), (..., range(5))],
)
@pytest.mark.parametrize("level", ["cell", "gate"])
def test_only_the_steps_that_are_read_have_an_arrow_to_the_result(index, steps, level):
    mg.seed(0)
    hidden, _ = mr.Recurrent("rnn", 2, 3)(mg.tensor(np.ones((5, 1, 2), "float32")))
    result = mg.square(hidden[index]).sum()
    result.backward()
    drawing = draw(result, level=level, backward=True)
    assert readers(drawing.picture) == list(steps)
    assert "<svg" in drawing.html()
    messages = [edge for edge in drawing.picture.edges if edge.kind == "data" and edge.norm]
    assert len(messages) == len(steps)


def test_the_model_that_answers_once_reads_the_last_step():
    model = mr.models.SequenceModel(mr.Recurrent("lstm", 2, 3, compiled=True), 2, last=True)
    answer = model(np.ones((4, 1, 2), "float32")).named("y")
    for level in UNROLLED:
        picture = draw(answer, level=level).picture
        steps = [box.step for box in picture.nodes if box.step is not None and box.kind != "input"]
        outside = {e.source for e in picture.edges if picture.by_id[e.target].step is None}
        assert {picture.by_id[name].step for name in outside} - {None} == {max(steps)} == {3}


def test_a_part_with_a_name_and_what_else_reads_the_stack_are_drawn():
    hidden, _ = mr.Recurrent("rnn", 2, 3)(mg.tensor(np.ones((3, 1, 2), "float32")))
    end = hidden[-1].named("end")
    picture = draw((end * hidden).sum(), level="op").picture
    assert {"end", "h_0", "h_1", "h_2"} <= {box.name for box in picture.nodes}
    assert [box.op for box in picture.nodes].count("stack") == 1
    assert readers(draw(hidden[1], level="op").picture) == []  # the stack lies between
    assert [box.op for box in draw(hidden[1], level="op").picture.nodes if box.step is None and box.op][-1] == "getitem"


def test_modules_between_layers_are_a_box_of_their_own():
    def between(width):
        return mg.nn.Sequential(mg.nn.Linear(width, 4), mg.relu, mg.nn.Linear(4, width))

    mg.seed(0)
    outputs, _ = mr.Recurrent("rnn", 2, 3, 3, between=between)(mg.tensor(np.ones((4, 1, 2), "float32")))
    picture = draw(mg.square(outputs).mean(), level="layer").picture
    cells = [box for box in picture.nodes if box.kind == "cell"]
    names = ["layer 0 · RNN", "between 0 and 1", "layer 1 · RNN", "between 1 and 2", "layer 2 · RNN"]
    assert [box.symbol for box in cells] == names
    assert [box.note.rpartition(", ")[2] for box in cells] == [f"{n} weights" for n in (18, 31, 21, 31, 21)]
    assert [("×4" in box.note) for box in cells] == [True, False, True, False, True]
    order = [box.id for box in cells]
    edges = {(edge.source, edge.target) for edge in picture.edges}
    assert set(itertools.pairwise(order)) <= edges
    assert len(edges) == len(order) + 1  # the input, and the result


def test_a_threshold_is_a_nonlinearity():
    outputs, _ = mr.Recurrent("rnn", 2, 3, nonlinearity="threshold")(mg.tensor(np.ones((3, 1, 2), "float32")))
    drawing = draw(outputs.sum(), level="gate")
    assert [box.op for box in drawing.picture.nodes if box.step is not None and box.kind == "op"] == ["heaviside"] * 3
    assert "nonlinearity" in drawing.svg()


def test_indices_in_a_title_are_set_lower():
    drawing = draw(mlp(), title="h sees h_{t-1} & s_t, not seq_len")
    text = ET.fromstring(drawing.svg()).find(f"{SVG}text")
    assert text is not None
    assert "".join(text.itertext()) == "h sees ht−1 & st, not seq_len"
    lower = [piece.text for piece in text if not (piece.get("dy") or "-").startswith("-")]
    assert lower == ["t−1", "t"]
    assert "<h1>h sees h<sub>t−1</sub> &amp; s<sub>t</sub>, not seq_len</h1>" in drawing.html()


@pytest.mark.parametrize("formulas", [True, False])
def test_a_learned_initial_state_changes_no_boxes(formulas):
    """It is a leaf with a gradient, but no weight: what is computed of it alone is no gate."""

    def boxes(learned):
        cell = mr.LSTMCell(2, 2)
        state = cell.initial_state(1)
        for part in state:
            part.requires_grad = learned
        outputs, _ = mr.unroll(cell, mg.randn(2, 1, 2), state)
        picture = draw(mg.square(outputs).mean(), level="gate", formulas=formulas).picture
        return sorted(str(box.label) for box in picture.nodes if box.step is not None)

    assert boxes(True) == boxes(False)
