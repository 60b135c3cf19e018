"""Equations from the graph: how they are written, and that they are true."""

import re
import time
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.draw import DrawingError
from minigrad.draw.maths import algebra as al
from minigrad.draw.maths.equations import equations
from minigrad.draw.maths.expression import latex, mathml, text
from minigrad.draw.maths.fold import Folded
from minigrad.draw.maths.formulas import formula, local_derivative
from minigrad.draw.maths.forward import Forward
from minigrad.tensor import on_host


class Vanilla(mr.Cell):
    def __init__(self, input_size, hidden_size, dtype="float64"):
        self.U = mg.nn.init.glorot(input_size, hidden_size, dtype=dtype)
        self.W = mg.nn.init.orthogonal(hidden_size, dtype=dtype)
        self.b = mg.nn.init.constant(hidden_size, dtype=dtype)

    def step(self, x, h):
        h = mg.tanh(x @ self.U + h @ self.W + self.b)
        return h, h


class MinimalGatedUnit(mr.Cell):
    """The README's."""

    def __init__(self, input_size, hidden_size, dtype="float64"):
        self.U = mg.nn.init.glorot(input_size, 2 * hidden_size, dtype=dtype)
        self.W = mg.nn.init.orthogonal(hidden_size, blocks=2, dtype=dtype)

    def step(self, x, h):
        xf, xn = mg.split(x @ self.U, 2, axis=1)
        Wf, Wn = mg.split(self.W, 2, axis=1)
        f = mg.sigmoid(xf + h @ Wf).named("f")
        h = (1 - f) * h + f * mg.tanh(xn + (f * h) @ Wn)
        return h, h


def parameter(*shape, name=None):
    data = np.linspace(-0.5, 0.7, max(1, int(np.prod(shape)))).reshape(shape)
    return mg.tensor(data, requires_grad=True, name=name)


def vanilla(T=4, H=2, B=1):
    """Written by hand, each step in the loss."""
    rng = np.random.default_rng(0)
    U, W, b, V = (
        parameter(*shape, name=name) for shape, name in [((3, H), "U"), ((H, H), "W"), ((H,), "b"), ((H, 2), "V")]
    )
    h = mg.tensor(np.full((B, H), 0.1), name="h_0")
    losses = []
    for t in range(1, T + 1):
        x = mg.tensor(rng.normal(size=(B, 3)), name=f"x_{t}")
        with mg.scope(f"t={t}", "RNN"):
            h = mg.tanh(x @ U + h @ W + b).named(f"h_{t}")
            losses.append((mg.square(h @ V)).sum())
    return sum(losses).named("L")


def unrolled(cell, T=4, B=1, ragged=False, **options):
    """The mean square of a layer's outputs."""
    mg.seed(1)
    layer = mr.Recurrent(cell, 3, 4, dtype="float64", **options)
    xs = mg.tensor(np.random.default_rng(0).normal(size=(T, B, 3)))
    lengths = [T, T - 1, 1] if ragged else None
    return mg.nn.mse_loss(layer(xs, lengths=lengths)[0], np.ones((T, B, 4 * layer.directions)))


def lines(equation_list):
    return [e.text() for e in equation_list]


def of(found, left):
    """The right sides of the equations for `left`."""
    return [text(e.right) for e in (*found.forward, *found.backward) if text(e.left) == left]


# How they are written


def test_vanilla_cell_in_the_textbooks_words():
    found = equations([vanilla()])
    assert lines(found.forward) == ["h_t = tanh(U x_t + W h_{t-1} + b)", "ℓ_t = sum((V h_t)²)", "L = Σ_t ℓ_t"]
    assert lines(found.backward) == [
        "∇_L L = 1",
        "∇_{ℓ_t} L = 1",
        "∇_{h_t} L = 2 Vᵀ V h_t + Wᵀ diag(1 - h_{t+1}²) (∇_{h_{t+1}} L)",
        "∇_U L = Σ_t diag(1 - h_t²) (∇_{h_t} L) x_tᵀ",
        "∇_W L = Σ_t diag(1 - h_t²) (∇_{h_t} L) h_{t-1}ᵀ",
        "∇_b L = Σ_t diag(1 - h_t²) (∇_{h_t} L)",
        "∇_V L = Σ_t 2 V h_t h_tᵀ",
    ]
    assert any("(U, W, V) is the transpose of the array as stored" in note for note in found.notes)
    (W,) = [e for e in found.backward if text(e.left) == "∇_W L"]
    assert W.latex() == (
        r"\nabla_{W} L = \sum_{t} \operatorname{diag}\left(1 - h_{t}^{2}\right) \left(\nabla_{h_{t}} L\right) "
        r"h_{t-1}^{\top}"
    )


def test_a_word_below_a_nabla_needs_no_braces():
    weight = parameter(2, name="weight_hh")
    found = equations([mg.square(weight).sum().named("loss")])
    assert lines(found.backward) == ["∇_loss loss = 1", "∇_{W_{hh}} loss = 2 W_{hh}"]


def test_rows_are_written_as_the_code_has_them():
    found = equations([vanilla()], convention="rows")
    assert found.forward[0].text() == "h_t = tanh(x_t U + h_{t-1} W + b)"
    assert of(found, "∇_W L") == ["Σ_t h_{t-1}ᵀ ((∇_{h_t} L) ∘ (1 - h_t²))"]
    assert of(found, "∇_b L") == ["Σ_t (∇_{h_t} L) ∘ (1 - h_t²)"]
    assert not any("transpose" in note for note in found.notes)


def test_a_loss_of_the_last_step_alone():
    _, h = mr.Recurrent(Vanilla(3, 4))(np.ones((5, 1, 3)))
    found = equations([h.sum()])
    gradients = [e.text() for e in found.backward if text(e.left).startswith("∇_{h")]
    assert gradients[0] == "∇_{h_t} L = Wᵀ diag(1 - h_{t+1}²) (∇_{h_{t+1}} L)    (t = 0 … 3)"
    assert gradients[1].startswith("∇_{h_4} L = ")


def test_the_librarys_vanilla_cell():
    found = equations([unrolled("rnn")])
    assert found.forward[0].text() == "h_t = tanh(W_{ih} x_t + W_{hh} h_{t-1} + b)"
    assert of(found, "∇_{W_{hh}} L") == ["Σ_t diag(1 - h_t²) (∇_{h_t} L) h_{t-1}ᵀ"]
    assert "\\nabla_{W_{hh}} L &= \\sum_{t}" in found.latex()


def test_lstm():
    found = equations([unrolled("lstm")])
    assert lines(found.forward[:7]) == [
        "a_t = W_{ih} x_t + W_{hh} h_{t-1} + b",
        "i_t = σ(a_t^{[0]})",
        "f_t = σ(a_t^{[1]})",
        "o_t = σ(a_t^{[3]})",
        "g_t = tanh(a_t^{[2]})",
        "c_t = f_t ∘ c_{t-1} + i_t ∘ g_t",
        "h_t = o_t ∘ tanh(c_t)",
    ]
    assert of(found, "∇_{c_t} L") == ["diag(o_t ∘ (1 - tanh(c_t)²)) (∇_{h_t} L) + diag(f_{t+1}) (∇_{c_{t+1}} L)"]
    assert of(found, "∇_{a_t} L") == [
        "[diag(i_t ∘ (1 - i_t)) (∇_{i_t} L); diag(f_t ∘ (1 - f_t)) (∇_{f_t} L); diag(1 - g_t²) (∇_{g_t} L); "
        "diag(o_t ∘ (1 - o_t)) (∇_{o_t} L)]"
    ]
    assert of(found, "∇_{W_{hh}} L") == ["Σ_t (∇_{a_t} L) h_{t-1}ᵀ"]


def test_gru_in_both_forms():
    after = equations([unrolled("gru")])
    assert of(after, "n_t") == ["tanh(a_{1,t}^{[2]} + r_t ∘ (a_{2,t}^{[2]} + b_{hn}))"]
    assert of(after, "h_t") == ["n_t + z_t ∘ (h_{t-1} - n_t)"]
    assert of(after, "∇_{n_t} L") == ["diag(1 - z_t) (∇_{h_t} L)"]
    before = equations([unrolled("gru", reset_after=False)])
    assert of(before, "r_t") == ["σ(a_{2,t}^{[0]})"]
    assert of(before, "n_t") == ["tanh(a_{1,t}^{[1]} + W_{hh}^{[1]} (r_t ∘ h_{t-1}))"]


def test_a_cell_of_ones_own():
    found = equations([unrolled(MinimalGatedUnit)])
    assert of(found, "f_t") == ["σ(a_t^{[0]} + W^{[0]} h_{t-1})"]
    assert of(found, "∇_{f_t} L") == [
        "diag(s_t - h_{t-1}) (∇_{h_t} L) + diag(h_{t-1}) (W^{[1]})ᵀ diag(1 - s_t²) (∇_{s_t} L)"
    ]


def test_layers_and_directions_are_told_apart():
    layers = equations([unrolled("rnn", num_layers=2)])
    assert of(layers, "h_t^{(1)}") == ["tanh(W_{ih}^{(1)} h_t^{(0)} + W_{hh}^{(1)} h_{t-1}^{(1)} + b^{(1)})"]
    assert "W_{hh}^{(1)}" in layers.latex()
    both = equations([unrolled("rnn", bidirectional=True)])
    assert of(both, "h_t^→") == ["tanh(W_{ih}^→ x_t + W_{hh}^→ h_{t-1}^→ + b^→)"]
    assert of(both, "h_t^←") == ["tanh(W_{ih}^← x_t + W_{hh}^← h_{t+1}^← + b^←)"]
    assert "(∇_{h_{t-1}^←} L)" in of(both, "∇_{h_t^←} L")[0]
    deep = equations([unrolled(MinimalGatedUnit, num_layers=2, bidirectional=True)])
    assert "h_t^{(1),←}" in [text(e.left) for e in deep.forward]


def test_an_mlp_has_no_t():
    x = mg.tensor(np.ones((1, 3)), name="x")
    W, b = parameter(3, 2, name="W"), parameter(2, name="b")
    found = equations([((x @ W + b) ** 2).sum()])
    assert lines(found.forward) == ["L = sum((W x + b)²)"]
    assert of(found, "∇_W L") == ["2 (W x + b) xᵀ"]
    assert of(found, "∇_b L") == ["2 (W x + b)"]


def test_code_that_has_columns_already():
    W, x = parameter(2, 3, name="W"), parameter(3, name="x")
    found = equations([mg.tanh(W @ x).named("h").sum()])
    assert lines(found.forward) == ["h = tanh(W x)", "L = sum(h)"]
    assert of(found, "∇_W L") == ["diag(1 - h²) (∇_h L) xᵀ"]
    assert of(found, "∇_x L") == ["Wᵀ diag(1 - h²) (∇_h L)"]
    assert not any("transpose" in note for note in found.notes)


def test_numbers():
    a, b = mg.tensor(-4.0, requires_grad=True, name="a"), mg.tensor(2.0, requires_grad=True, name="b")
    c = (a + b).named("c")
    found = equations([(a * b + b**3 + c * c / 2).named("d")])
    assert lines(found.forward) == ["c = a + b", "d = a b + b³ + (1/2) c²"]
    assert of(found, "∇_a d") == ["∇_c d + b"]
    assert of(found, "∇_b d") == ["∇_c d + a + 3 b²"]


def test_an_operation_of_ones_own():
    cube = mg.primitive("cu_be", lambda xp, x: x * x * x, vjp=[lambda g, x: g * (3 * x * x)])
    swap = mg.primitive("swap", lambda xp, x, y: (y, x), vjp=[lambda g: g[1], lambda g: g[0]])
    x, y = parameter(3, name="x"), parameter(3, name="y")
    found = equations([cube(x).sum()])
    assert lines(found.forward) == ["L = sum(cu_be(x))"]
    assert of(found, "∇_x L") == ["3 x²"]
    assert r"\operatorname{cu\_be}\left(x\right)" in found.latex()
    first, second = swap(x, y)
    found = equations([(first * 2 + mg.tanh(second)).sum()])
    assert lines(found.forward)[0] == "u = swap(x, y)"
    assert of(found, "h") == ["tanh(u^{[1]})"]
    assert of(found, "∇_x L") == ["diag(1 - h²) (∇_h L)"]
    assert of(found, "∇_y L") == ["2 𝟏"]


def test_a_rule_that_refuses_stand_ins_is_named():
    def rule(g, x):
        raise ValueError("no stand-ins")

    odd = mg.primitive("odd", lambda xp, x: -x, vjp=[rule])
    assert of(equations([odd(parameter(3, name="x")).named("y").sum()]), "∇_x L") == ["vjp odd(∇_y L, x)"]


def test_kinks_are_conditions():
    x = parameter(3, name="x")
    assert of(equations([mg.relu(x).named("y").sum()]), "∇_x L") == ["diag([y > 0]) (∇_y L)"]
    assert of(equations([mg.maximum(x, 0.5).named("y").sum()]), "∇_x L")[0].count("[") > 0


def test_one_step_is_written_with_its_own_names():
    found = equations([vanilla(T=1)])
    assert found.forward[0].text() == "h_1 = tanh(U x_1 + W h_0 + b)"
    assert of(found, "∇_W L") == ["diag(1 - h_1²) (∇_{h_1} L) h_0ᵀ"]


def test_a_first_step_of_another_structure():
    U, W, h, losses = parameter(2, 2, name="U"), parameter(2, 2, name="W"), None, []
    for t in range(4):
        with mg.scope(f"t={t}"):
            a = mg.tensor(np.ones((1, 2)), name=f"x_{t}") @ U
            h = mg.tanh(a if h is None else a + h @ W).named(f"h_{t}")
            losses.append((h * h).sum())
    found = equations([sum(losses)])
    assert "h_t = tanh(U x_t + W h_{t-1})    (t = 1 … 3)" in lines(found.forward)
    assert "h_0 = tanh(U x_0)" in lines(found.forward)
    assert of(found, "∇_W L") == ["Σ_{t=1}^3 diag(1 - h_t²) (∇_{h_t} L) h_{t-1}ᵀ"]
    assert of(found, "∇_U L") == ["Σ_t diag(1 - h_t²) (∇_{h_t} L) x_tᵀ"]


def test_a_freed_graph_has_equations_too():
    loss = unrolled("gru")
    before = str(equations([loss]))
    loss.backward()
    assert str(equations([loss])) == before


def test_several_outputs_are_summed():
    x = parameter(3, name="x")
    found = equations([mg.sin(x).named("y"), mg.exp(x).named("z")])
    assert found.forward[-1].text() == "L = sum(y) + sum(z)"
    assert of(found, "∇_x L") == ["diag(cos(x)) (∇_y L) + diag(z) (∇_z L)"] or of(found, "∇_x L") == ["cos(x) + z"]


# Names


INJECTED = [
    "a}\\input{x}",
    "$x$",
    "a^2~b#&%",
    "<script>x</script>",
    'x" onload="y',
    "\x00\x1b[31mred\u202e\n",
    "]]>",
    "a{b",
]


@pytest.mark.parametrize("name", INJECTED)
def test_names_cannot_inject(name):
    x = parameter(3, name=name)
    odd = mg.primitive(name.replace("_", "") or "x", lambda xp, x: -x, vjp=[lambda g: -g])
    found = equations([odd(mg.tanh(x).named(name + "2")).sum()])
    tree = ET.fromstring(found.mathml())
    known = [
        "math",
        "mtable",
        "mtr",
        "mtd",
        "mrow",
        "mi",
        "mn",
        "mo",
        "mtext",
        "msub",
        "msup",
        "msubsup",
        "mfrac",
        "munder",
        "munderover",
    ]
    assert {element.tag.split("}")[1] for element in tree.iter()} <= set(known)
    written = found.latex()
    plain = re.sub(r"\\(text[a-z]+\{\}|[&%$#_{}])", "", written)
    assert plain.count("{") == plain.count("}")
    assert not set("$#%~<>") & set(plain)
    commands = set(re.findall(r"\\([a-z]+)", written))
    allowed = "begin end left right nabla tanh operatorname text mathrm textbackslash textasciitilde textasciicircum"
    assert commands <= {*allowed.split(), "textless", "textgreater", "mathbf", "frac", "sum", "top", "quad"}
    assert not any(ord(c) < 32 and c != "\n" for c in str(found))
    assert "\u202e" not in str(found)


# Properties of the whole


def test_the_same_graph_has_the_same_text():
    assert len({str(equations([unrolled("lstm", num_layers=2)])) for _ in range(3)}) == 1
    loss = unrolled("lstm")
    assert equations([loss]).latex() == equations([loss]).latex()


def test_fifty_steps_are_as_few_equations_as_four():
    few, many = unrolled("lstm", T=4), unrolled("lstm", T=50)
    start = time.perf_counter()
    found = equations([many])
    assert time.perf_counter() - start < 1
    assert len(found.forward) == len(equations([few]).forward)
    assert len(found.backward) == len(equations([few]).backward)


def test_what_is_too_large_or_unknown_is_refused():
    x = parameter(2, name="x")
    for _ in range(100_000):
        x = x + 1
    with pytest.raises(DrawingError, match="100001 operations"):
        equations([x])
    with pytest.raises(DrawingError, match="convention"):
        equations([vanilla()], convention="tensors")


def test_a_deep_chain_is_cut_into_equations():
    x = parameter(2, name="x")
    for _ in range(300):
        x = mg.sin(x)
    found = equations([x.sum()])
    assert 30 < len(found.forward) < 60
    assert max(len(line) for line in lines(found.forward)) < 80


def test_an_item_that_another_step_does_not_take_is_written_with_its_own_index():
    W, losses = parameter(2, 3, name="W"), []
    for t, k in enumerate([1, 2, 0]):
        with mg.scope(f"t={t}"):
            y = (mg.tensor([[0.3, 0.3]], name=f"x_{t}") @ W).named(f"y_{t}")
            losses.append((-y[0, k]).named(f"L_{t}"))
    found = lines(equations([sum(losses)]).forward)
    assert [line for line in found if line[0] == "L"][:3] == [
        "L_0 = -y_0^{[0, 1]}", "L_1 = -y_1^{[0, 2]}", "L_2 = -y_2^{[0, 0]}",
    ]  # fmt: skip


def test_the_item_of_the_next_step_is_written_as_such():
    xs, W = parameter(4, 1, 2, name="x"), parameter(2, 2, name="W")
    losses = []
    for t in range(3):
        with mg.scope(f"t={t}"):
            y = (xs[t] @ W).named(f"y_{t}")
            losses.append(mg.square(y - xs[t + 1]).sum().named(f"L_{t}"))
    found = lines(equations([sum(losses)]).forward)
    assert found[:2] == ["y_t = W x_t", "L_t = sum((y_t - x_{t+1})²)"]


def test_written_whole():
    found = equations([unrolled("gru")])
    assert str(found) == found.text()
    assert found._repr_latex_().startswith("$\\displaystyle \\begin{aligned}")
    assert found.latex().count(r"\\") >= len(found.forward) + len(found.backward) - 1
    ET.fromstring(found.mathml())
    page = ET.fromstring(found._repr_html_())
    assert len(page.findall("div/{*}math/{*}mtable/{*}mtr")) == len(found.forward) + len(found.backward)
    assert ["".join(note.itertext()) for note in page.findall("p")][1:] == [
        "h−1 is the initial state",
        "vectors are columns: a matrix (Wih, Whh) is the transpose of the array as stored",
    ]


# Single operations, for a drawing


def test_formula_and_local_derivative():
    x, W = parameter(1, 3, name="x"), parameter(3, 2, name="W")
    a = x @ W
    h = mg.tanh(a).named("h")
    y = (h * a).sum()
    assert text(formula(h.node)) == "tanh(x)"
    assert text(formula(h.node, stop=())) == "tanh(W x)"
    assert text(formula(a.node)) == "W x"
    assert text(formula(a.node, convention="rows")) == "x W"
    assert text(local_derivative(h.node, 0)) == "1 - h²"
    assert text(local_derivative(a.node, 0)) == "Wᵀ"
    assert text(local_derivative(a.node, 1)) == "xᵀ"
    product = y.node.parents[0]
    assert text(local_derivative(product, 1)) == "h"
    assert text(local_derivative((x + 1).node, 0)) == "1"
    assert text(local_derivative(mg.softmax(x).named("s").node, 0)) == "s ∘ (g - sum(g ∘ s))"


def test_printers_on_small_expressions():
    h, c = al.symbol("h"), al.symbol("c")
    assert text(al.power(al.total(h, c), al.number(2))) == "(h + c)²"
    assert latex(al.quotient(h, al.total(al.ONE, c))) == r"\frac{h}{1 + c}"
    assert text(al.quotient(h, al.total(al.ONE, c))) == "h / (1 + c)"
    assert text(al.minus(h, al.total(c, al.ONE))) == "h - c - 1"
    assert text(al.transpose(al.matmul(h, c))) == "cᵀ hᵀ"
    assert text(al.times(al.number(-0.5), h)) == "-0.5 h"
    assert al.total(h, h) == al.times(al.number(2), h)
    assert al.minus(h, h) == al.ZERO
    assert "<msup><mi>h</mi>" in mathml(al.power(h, al.number(2)))


# That they are true


FUNCTIONS = {"tanh": np.tanh, "σ": lambda x: 1 / (1 + np.exp(-x)), "sum": np.sum, "mean": np.mean, "where": np.where}


class Evaluator:
    """The value of an expression from those of the graph: for all examples, side by side, or for one of them alone."""

    def __init__(self, loss):
        self.forward = Forward(Folded([loss]))
        self.steps = self.forward.folded.steps
        self.values, self.gradients, self.parameters = {}, {}, set()
        self.example = None
        for part in self.forward.folded.parts:
            source = part.source
            if isinstance(source.shape[:1], tuple) and source.shape and isinstance(source.shape[0], tuple):
                continue
            leaf = part.is_leaf
            named = self.forward.own(part)
            if named.kind == "symbol":
                at = (
                    named
                    if part.step is None
                    else named.with_times(lambda t, part=part: type(t)(False, t.n + part.step))
                )
                self.values[at] = self.turned(source.data if leaf else source.out)
                if (leaf and source.requires_grad) or part in self.forward.matrices:
                    self.parameters.add(at)
                grad = source.grad
                if grad is not None:
                    self.gradients[at] = self.turned(on_host(grad))
        for key, step, given in self.forward.folded.initial():
            self.values[self.forward.symbols.of(key, step)] = self.turned(given.source.data)

    @staticmethod
    def turned(array):
        array = np.asarray(array)
        return array[:, None] if array.ndim == 1 else np.swapaxes(array, -1, -2) if array.ndim > 1 else array

    def __call__(self, e, step=None):
        def at(part):
            return self(part, step)

        if e.kind in ("symbol", "gradient"):
            of = e.parts[0] if e.kind == "gradient" else e
            now = of.with_times(lambda t: type(t)(False, t.n + step) if t.relative else t)
            found = self.gradients[now] if e.kind == "gradient" else self.known(now)
            whole = self.example is None or now in self.parameters or found.ndim < 2
            return found if whole else found[..., self.example : self.example + 1]
        if e.kind == "sum":
            return sum(self.or_nothing(part, step) for part in e.parts)
        if e.kind == "matmul":
            *others, value = e.parts
            value = at(value)
            for other in reversed(others):
                value = at(other.parts[0]) * value if other.kind == "diag" else at(other) @ value
            return value
        if e.kind == "big sum":
            first, last = (int(e.sub[0][2:]), int(e.sub[1])) if e.sub else (self.steps[0], self.steps[-1])
            return sum(self.or_nothing(e.parts[0], t) for t in range(first, last + 1))
        if e.kind == "apply":
            if e.sub == ("t",):
                return np.stack([self(e.parts[0], t) for t in self.steps])
            return FUNCTIONS[e.name](*map(at, e.parts))
        if e.kind == "blocks":
            return np.concatenate([at(part) for part in e.parts], axis=-2 if e.name == "below" else -1)
        simple = {
            "number": lambda: float(e.value),
            "ones": lambda: 1.0,
            "times": lambda: np.prod([float(at(part)) for part in e.parts[:-1]]) * at(e.parts[-1]),
            "hadamard": lambda: np.prod(np.broadcast_arrays(*map(at, e.parts)), axis=0),
            "quotient": lambda: at(e.parts[0]) / at(e.parts[1]),
            "power": lambda: at(e.parts[0]) ** at(e.parts[1]),
            "transpose": lambda: np.swapaxes(at(e.parts[0]), -1, -2),
        }
        return simple[e.kind]()

    def known(self, symbol):
        """The value of a symbol; of a sequence's entry, or of one of its two halves, from the whole."""
        if symbol in self.values:
            return self.values[symbol]
        sup = tuple(s for s in symbol.sup if not s.startswith("["))
        whole = self.values[replace(symbol, time=None, sup=sup)]
        entry = whole if symbol.time is None else whole[symbol.time.n - self.steps[0]]
        return entry if sup == symbol.sup else np.split(entry, 2, axis=-2)[int(symbol.sup[-1][1:-1])]

    def of_each_example(self, e, step, batch):
        found = []
        for self.example in range(batch):
            found.append(self.or_nothing(e, step))
        self.example = None
        return found

    def or_nothing(self, e, step):
        """0 for a term that would come from beyond the ends."""
        if step is not None and e.kind != "sum":
            for n in {t.n for t in times_of(e)}:
                if not self.steps[0] <= step + n <= self.steps[-1] and e.holds(lambda part: part.kind == "gradient"):
                    beyond = [p for p in walk(e) if p.kind == "gradient" and p.parts[0].time and p.parts[0].time.n == n]
                    if beyond:
                        return 0.0
        return self(e, step)


def walk(e):
    yield e
    for part in e.parts:
        yield from walk(part)


def times_of(e):
    return [part.time for part in walk(e) if part.time is not None and part.time.relative]


def steps_of(equation, every):
    ranges = re.findall(r"(-?\d+)(?: … (-?\d+))?", equation.note)
    return [t for a, b in ranges for t in range(int(a), int(b or a) + 1)] or list(every)


def forced(B):
    """Each target is the input of the next step; the first steps have no state, the last no successor."""
    rng = np.random.default_rng(0)
    U, W, h, losses = parameter(2, 2, name="U"), parameter(2, 2, name="W"), None, []
    ys = [mg.tensor(rng.normal(size=(B, 2)), name=f"y_{t}") for t in range(5)]
    for t in range(1, 5):
        with mg.scope(f"t={t}"):
            a = ys[t - 1] @ U
            h = mg.tanh(a if h is None else a + h @ W).named(f"h_{t}")
            losses.append(mg.square(h - ys[t]).sum())
    return (sum(losses) + (W * W).sum() if B == 1 else sum(losses)).named("L")


CELLS = {
    "by hand": vanilla,
    "vanilla": lambda **o: unrolled("rnn", **o),
    "lstm": lambda **o: unrolled("lstm", **o),
    "gru": lambda **o: unrolled("gru", **o),
    "gru, reset before": lambda **o: unrolled("gru", reset_after=False, **o),
    "minimal gated unit": lambda **o: unrolled(MinimalGatedUnit, **o),
    "two layers": lambda **o: unrolled("rnn", num_layers=2, **o),
    "both directions": lambda **o: unrolled("lstm", bidirectional=True, **o),
    "two steps": lambda **o: unrolled("gru", T=2, **o),
    "teacher forcing": forced,
    "lengths": lambda B: unrolled("rnn", B=3, ragged=True, bidirectional=True),
}


@pytest.mark.on_numpy
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_every_equation_holds_for_the_numbers_of_the_graph(cell, batch):
    loss = CELLS[cell](B=batch)
    batch = 3 if cell == "lengths" else batch
    loss.backward()
    found = equations([loss])
    value = Evaluator(loss)
    checked = parameters = 0
    for kind, part in (("value", found.forward), ("gradient", found.backward)):
        for equation in part:
            of_steps = equation.left.holds(lambda e: e.time is not None and e.time.relative)
            for step in steps_of(equation, value.steps) if of_steps else [None]:
                wanted = value(equation.left, step)
                if kind == "value" or wanted.ndim < 2:
                    got = value.or_nothing(equation.right, step)
                else:
                    each = value.of_each_example(equation.right, step, batch)
                    got = sum(each) if equation.left.parts[0] in value.parameters else np.concatenate(each, axis=-1)
                np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-10, err_msg=str(equation))
                checked += 1
            parameters += kind == "gradient" and not of_steps
    assert checked >= 13
    assert parameters >= 2
