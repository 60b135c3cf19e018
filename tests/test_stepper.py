"""The page that plays a graph, in a browser: its numbers, its order, its keys, and what it must not do."""

import itertools

import numpy as np
import pytest
from browser import open_browser

import minigrad as mg
import minigrad_rnn as mr
from minigrad.draw.printers.html import page
from minigrad.replay import replay
from minigrad_rnn.gradflow import per_step_grads

pytestmark = pytest.mark.browser
T = 8


class Graph:
    """A loss whose walk has come by, and its parameters by name."""

    def __init__(self, loss, parameters, backward=True):
        self.loss, self.parameters = loss, parameters
        if backward:
            loss.backward()

    def scene(self, **options):
        return mg.draw(self.loss, **{"values": True, "backward": True, **options}).scene


def lstm(cut=None, backward=True):
    """An LSTM of two units over eight steps; its state detached every `cut` steps."""
    mg.seed(0)
    cell = mr.LSTMCell(2, 2)
    xs = np.random.default_rng(0).uniform(-1, 1, (T, 1, 2)).astype("float32")
    state, outputs = cell.initial_state(1), []
    for t in range(T):
        if cut and t and t % cut == 0:
            state = tuple(part.detach() for part in state)
        with mg.scope(f"t={t}", "LSTMCell"):
            h, c = cell.step(mg.tensor(xs[t], name=f"x_{t}"), state)[1]
            h.name, c.name = f"h_{t}", f"c_{t}"
        state = h, c
        outputs.append(h)
    parameters = dict(cell.named_parameters())
    for name, parameter in parameters.items():
        parameter.name = name
    return Graph(mg.square(mg.stack(outputs) - 0.5).mean().named("loss"), parameters, backward)


def rnn(cut=None):
    """A recurrence written by hand, of 64-bit numbers, with a running sum of losses."""
    numbers = np.random.default_rng(1)
    shapes = {"U": (2, 3), "W": (3, 3), "b": (3,), "V": (3, 1)}
    p = {name: mg.tensor(numbers.normal(size=shape), requires_grad=True, name=name) for name, shape in shapes.items()}
    h, loss = mg.tensor(np.zeros((1, 3)), name="h_0"), 0.0
    for t in range(1, 7):
        if cut and t > 1 and (t - 1) % cut == 0:
            h = h.detach()
        x = mg.tensor(numbers.normal(size=(1, 2)), name=f"x_{t}")
        with mg.scope(f"t={t}"):
            h = mg.tanh(x @ p["U"] + h @ p["W"] + p["b"]).named(f"h_{t}")
            loss = loss + mg.square(h @ p["V"] - 1.0).sum()
    return Graph(loss.named("loss"), p)


def mlp():
    numbers = np.random.default_rng(2)
    shapes = {"W_1": (2, 4), "b_1": (4,), "W_2": (4, 1)}
    p = {name: mg.tensor(numbers.normal(size=shape), requires_grad=True, name=name) for name, shape in shapes.items()}
    h = mg.tanh(mg.tensor(numbers.normal(size=(3, 2)), name="x") @ p["W_1"] + p["b_1"]).named("h")
    return Graph(mg.square(h @ p["W_2"] - 1.0).mean().named("loss"), p)


def expression():
    """The expression in micrograd's README."""
    a, b = (mg.tensor(value, requires_grad=True, name=name) for name, value in (("a", -4.0), ("b", 2.0)))
    c, d = a + b, a * b + b**3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + mg.relu(b + a))
    d = d + (3 * d + mg.relu(b - a))
    f = (c - d) ** 2
    return Graph((f / 2.0 + 10.0 / f).named("g"), {"a": a, "b": b})


@pytest.fixture(scope="module")
def chromium():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def play(chromium, tmp_path):
    """A function that opens the page of a scene. No page may ask for anything or complain."""
    contexts, asked, complaints = [], [], []

    def start(scene, width=1280, height=720, **options):
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text(page(scene), encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(8000)
        context.route(lambda url: not url.startswith("file:"), lambda route: route.abort())
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(path.as_uri())
        return tab

    yield start
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith("file:") or not url.endswith(".html")] == []
    assert len(asked) == len(contexts)


def end(tab):
    return tab.evaluate("stepper.go(Infinity), stepper.state()")


def shown(tab, where):
    """The numbers of the arrays at a place of the page, in full."""
    return [
        [float(cell) for cell in row]
        for row in tab.eval_on_selector_all(where, "all => all.map(g => [...g.children].map(c => c.title))")
    ]


def position(tab):
    return tab.evaluate("stepper.state().position")


def until(tab, condition):
    """Wait for a condition; the page forbids what Playwright's own way of waiting needs."""
    for _ in range(100):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(30)
    raise AssertionError(condition)


@pytest.mark.parametrize("make", [lstm, rnn, mlp, expression])
def test_last_gradients_are_those_of_the_engine_to_the_bit(play, make):
    graph = make()
    found = end(play(graph.scene()))["gradients"]
    for name, parameter in graph.parameters.items():
        assert found[name] == parameter.grad.tolist(), name


@pytest.mark.parametrize("level", ["op", "gate", "cell"])
def test_events_come_in_the_order_of_the_engine(play, level):
    graph = lstm()
    scene = graph.scene(level=level)
    tab = play(scene)
    events = tab.evaluate("stepper.events()")
    assert [box for kind, box, *_ in events if kind == "forward"] == [box.id for box in scene.picture.nodes]
    moves = [event for event in events if event[0] == "backward" and event[2] is not None]
    assert [box for _, box, *_ in moves] == [scene.box_of[event.node] for event in replay([graph.loss])]
    assert [move[1:] for move in moves] == [[move.box, move.parent, move.edge] for move in scene.moves()]
    found = end(tab)["gradients"]
    assert all(found[name] == parameter.grad.tolist() for name, parameter in graph.parameters.items())
    if level != "cell":
        boxes = [box for box in scene.picture.nodes if box.grad is not None and box.id in found]
        assert len(boxes) > T
        assert all(found[box.id] == box.grad.tolist() for box in boxes)


@pytest.mark.parametrize(
    ("make", "k", "options"),
    [
        (lstm, 1, {}),
        (lstm, 3, {"level": "gate"}),
        (rnn, 2, {}),
        (rnn, 3, {"level": "cell"}),
        (rnn, 2, {"max_steps": 4}),
    ],
)
def test_truncation_is_that_of_a_run_with_detached_states(play, make, k, options):
    tab = play(make().scene(**options))
    tab.focus("#cut")
    for _ in range(k):
        tab.keyboard.press("ArrowRight")
    state = end(tab)
    assert state["truncation"] == k
    truncated, full = make(cut=k), make()
    for name, parameter in truncated.parameters.items():
        np.testing.assert_allclose(state["gradients"][name], parameter.grad.numpy(), rtol=1e-6, atol=1e-7)
    differ = [
        not np.allclose(p.grad.numpy(), full.parameters[name].grad.numpy()) for name, p in truncated.parameters.items()
    ]
    assert any(differ)
    steps = T if make is lstm else 6
    states = 2 if make is lstm else 1
    if "max_steps" not in options:
        assert tab.locator("[data-cut]").count() == states * ((steps - 1) // k)
    assert tab.locator("#sums small").count() == len(truncated.parameters)  # the full gradient beside the truncated one
    tab.keyboard.press("Home")  # on the slider the key is the slider's
    assert tab.evaluate("stepper.state().truncation") == 0
    assert position(tab) > 0


def test_keys(play):
    tab = play(lstm().scene())
    count = tab.evaluate("stepper.state().count")
    for key, where in [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", count), ("ArrowRight", count)]:
        tab.keyboard.press(key)
        assert position(tab) == where
    assert "weight_" in tab.inner_text("#said")
    tab.keyboard.press("PageUp")
    assert " · t = 1" in tab.inner_text("#now h2")
    tab.keyboard.press("PageDown")
    assert " · t = 0" in tab.inner_text("#now h2")
    tab.keyboard.press("Home")
    assert position(tab) == 0
    tab.keyboard.press("t")
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#events tr").count() == count + 1
    assert tab.locator("#events tr[aria-current] button").inner_text() == "1"
    tab.keyboard.press("Escape")
    assert tab.locator("#events").is_hidden()
    tab.keyboard.press("?")
    assert tab.locator("#keys").is_visible()
    tab.keyboard.press("Escape")
    assert tab.locator("#keys").is_hidden()
    wide = "document.querySelector('#picture svg').clientWidth"
    before = tab.evaluate(wide)
    tab.keyboard.press("+")
    assert tab.evaluate(wide) > before
    tab.keyboard.press("0")
    assert tab.evaluate(wide) <= tab.evaluate("document.querySelector('#picture').clientWidth")
    tab.select_option("#speed", "150")
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press("Space")
    until(tab, "stepper.state().position > 2")
    tab.keyboard.press("Space")
    assert tab.inner_text("#play") == "Play"


def test_boxes_are_reached_by_tab_and_opened_by_enter_and_click(play):
    graph = lstm()
    scene = graph.scene()
    tab = play(scene)
    end(tab)
    tab.focus("#skip")
    focused = "document.activeElement.dataset.node"
    order = []
    while len(order) < 5:
        tab.keyboard.press("Tab")
        order += [name for name in [tab.evaluate(focused)] if name]
    assert order == [box.id for box in scene.picture.nodes[:5]]
    h = next(box for box in scene.picture.nodes if box.name == "h_3")
    tab.focus(f'[data-node="{h.id}"]')
    tab.keyboard.press("Enter")
    words = tab.inner_text("#details")
    assert "h3 = ×" in words.replace("\n", "")
    assert "1×2" in words
    assert "from t+1" in words
    assert "from loss" in words
    own, *parts = shown(tab, "#details [data-gradient] .grid, #details tbody .grid")
    assert own == h.grad.reshape(-1).tolist()
    np.testing.assert_allclose(np.sum(parts, axis=0), own, rtol=1e-6)
    tab.keyboard.press("Escape")
    assert tab.locator("#details").is_hidden()
    assert tab.evaluate(focused) == h.id
    tab.click(f'[data-node="{h.id}"] text')
    assert tab.locator("#details").is_visible()


def test_details_of_a_weight_show_what_each_step_contributes(play):
    graph = lstm()
    tab = play(graph.scene())
    weight = graph.parameters["weight_hh"]
    end(tab)
    tab.click('#sums [data-weight]:has-text("weight_hh")')
    found = np.array(shown(tab, "#details tbody .grid")).reshape(T, *weight.shape)
    expected = per_step_grads(graph.loss, weight)
    assert found.astype("float32").tolist()[1:] == expected.tolist()[1:]
    np.testing.assert_allclose(found.sum(axis=0), weight.grad.numpy(), atol=1e-7)
    assert tab.locator("#details .size").count() == T
    tab.click("#details [data-gradient] button >> nth=3")
    assert "[0,3]" in tab.inner_text("#sums")
    text = tab.locator("#sums tr", has_text="weight_hh").locator("td").last.inner_text()
    assert float(text.replace("= ", "").replace("−", "-")) == pytest.approx(weight.grad.numpy()[0, 3], rel=6e-3)


def test_rule_is_shown_with_its_numbers_and_where_it_is_added(play):
    graph = expression()
    tab = play(graph.scene())
    events = tab.evaluate("stepper.events()")
    scene = graph.scene()
    a = next(box.id for box in scene.picture.nodes if box.name == "a")
    (first, *_, last) = [i for i, event in enumerate(events) if event[2] == a]
    tab.evaluate(f"stepper.go({first + 1})")
    assert "still to come: from" in tab.inner_text("#now")
    tab.evaluate(f"stepper.go({last + 1})")
    assert "complete: all" in tab.inner_text("#now")
    up, local, message = (np.float32(shown(tab, f"#now .{kind} .grid")[0][0]) for kind in ("up", "local", "message"))
    assert up * local == message
    before, this, now = (np.float32(row[0]) for row in shown(tab, "#now .added .grid"))
    assert before + this == now == graph.parameters["a"].grad.item()
    assert tab.locator("#now math").count() == 1


def test_predict_then_reveal(play):
    tab = play(expression().scene())
    tab.keyboard.press("p")
    first = next(i for i, event in enumerate(tab.evaluate("stepper.events()")) if event[2] is not None) + 1
    before = tab.evaluate(f"stepper.go({first - 1}), stepper.state().gradients")
    tab.evaluate(f"stepper.go({first})")
    assert tab.evaluate("stepper.state().gradients") == before
    assert "?" in tab.inner_text("#now .message")
    assert "what is the message?" in tab.inner_text("#said")
    tab.fill("#guess", "7")
    tab.keyboard.press("Enter")
    assert "it is 1" in tab.inner_text("#now .verdict")
    assert tab.inner_text("#score") == "0 of 1 right"
    tab.evaluate(f"stepper.go({first + 1})")
    tab.fill("#guess", "1.009")
    tab.click("#check")
    assert "Right" in tab.inner_text("#now .verdict")
    assert tab.inner_text("#score") == "1 of 2 right"
    tab.evaluate(f"stepper.go({first + 2})")
    tab.click("#reveal")
    assert tab.locator("#guess").count() == 0
    assert "?" not in tab.inner_text("#now .message")
    assert tab.inner_text("#score") == "1 of 2 right"


def test_before_backward_gradients_are_not_computed(play):
    graph = lstm(backward=False)
    tab = play(graph.scene())
    state = end(tab)
    assert state["gradients"] == {}
    assert state["count"] == len(graph.scene().picture.nodes)
    assert "call backward()" in tab.inner_text("#now")
    assert tab.inner_text("#sums td.sum >> nth=0") == "not computed"
    assert tab.locator("#norms").is_hidden()
    tab.click("#sums [data-weight] >> nth=0")
    assert tab.inner_text("#details [data-gradient]") == "not computed"


def test_walk_that_cannot_be_shown_says_why(play):
    mg.seed(0)
    w = mg.tensor(np.ones((30, 30)), requires_grad=True, name="w")
    loss = mg.tanh(mg.tanh(w @ w)).sum().named("loss")
    loss.backward()
    tab = play(mg.draw(loss, backward=True).scene)
    assert "retain_graph=True" in tab.inner_text("#now")
    loss = mg.tanh(mg.tanh(w @ w)).sum().named("loss")
    loss.backward(retain_graph=True)
    tab = play(mg.draw(loss, backward=True).scene)
    end(tab)
    assert "30×30" in tab.inner_text("#now .message")


@pytest.mark.parametrize("level", ["rolled", "op"])
def test_folded_and_rolled_steps_and_several_outputs(play, level):
    mg.seed(0)
    layer = mr.GRU(2, 2, num_layers=2, bidirectional=True)
    outputs, state = layer(mg.randn(5, 1, 2))
    loss = (outputs * outputs).sum().named("loss")
    loss.backward()
    tab = play(mg.draw([loss, state], level=level, values=True, backward=True, max_steps=3).scene)
    found = end(tab)["gradients"]
    if level == "op":
        for parameter in layer.parameters():
            assert found[parameter.name] == parameter.grad.tolist()
    else:
        assert "unrolled" in tab.inner_text("#now")


def test_names_make_no_elements(play):
    bad = '</script><script>document.title="gone"</script><img src=x onerror=alert(1)>\ud800'
    x, y = (mg.tensor(value, requires_grad=True, name=f"{bad}{value}") for value in (1.0, 2.0))
    loss = (x * y).named(bad)
    loss.backward()
    tab = play(mg.draw(loss, title=bad, values=True, backward=True, formulas=True).scene)
    tab.keyboard.press("t")
    end(tab)
    tab.click("#sums [data-weight] >> nth=0")
    assert tab.locator("img").count() == 0
    assert tab.locator("script").count() == 2
    assert tab.title() != "gone"


def test_size_and_what_is_in_the_file():
    text = page(lstm().scene())
    assert len(text.encode()) < 1e6
    assert text == page(lstm().scene())


def test_fits_a_projector_and_a_phone(play):
    tab = play(lstm().scene())
    for n, where in itertools.product((0, 40, 250), ("#now", "#sums", "#norms", "nav", "#stage")):
        tab.evaluate(f"stepper.go({n})")
        rect = tab.locator(where).bounding_box()
        assert rect["y"] >= 0
        assert rect["y"] + rect["height"] <= 720
        assert rect["x"] + rect["width"] <= 1280
    assert tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [1280, 720]
    inside = """() => {
        const pane = document.querySelector('#picture').getBoundingClientRect();
        const box = document.querySelector('.here').getBoundingClientRect();
        return box.left > pane.left && box.right < pane.right && box.top > pane.top && box.bottom < pane.bottom;
    }"""
    until(tab, f"({inside})()")
    tab.set_viewport_size({"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_current_edge_is_drawn_from_box_to_box(play):
    """The page draws the way of the current edge over the picture: it must be where the picture has it."""
    tab = play(lstm().scene(locals=True, flow=True))
    distance = """n => {
        stepper.go(n);
        const way = document.querySelector('.way.back');
        const at = (g, p) => {
            const rect = g.querySelector('rect');
            const [x, y, w, h] = ['x', 'y', 'width', 'height'].map(k => +rect.getAttribute(k));
            return Math.max(x - p.x, p.x - x - w, y - p.y, p.y - y - h);
        };
        const ends = [way.getPointAtLength(0), way.getPointAtLength(1e9)];
        return Math.max(at(document.querySelector('.target'), ends[0]), at(document.querySelector('.here'), ends[1]));
    }"""
    events = tab.evaluate("stepper.events()")
    numbers = [i + 1 for i, event in enumerate(events) if event[3] is not None]
    assert max(tab.evaluate(distance, n) for n in numbers[::7]) < 2


def test_reduced_motion_and_dark(play):
    tab = play(lstm().scene(), reduced_motion="reduce", color_scheme="dark")
    moving = "[...document.querySelectorAll('*')].filter(e => getComputedStyle(e).transitionDuration !== '0s').length"
    assert tab.evaluate(moving) == 0
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(11, 18, 32)"
    tab.evaluate("stepper.go(200)")
    before = tab.evaluate("document.querySelector('#picture').scrollLeft")
    tab.wait_for_timeout(60)
    assert tab.evaluate("document.querySelector('#picture').scrollLeft") == before
