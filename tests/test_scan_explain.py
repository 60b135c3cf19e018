"""`scan.explain`: what it says of cells whose plan is known, its text and its picture."""

import importlib
import math
import weakref
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.errors import DrawingError, MinigradError
from minigrad.loop import machine
from minigrad.loop.explain import Explanation
from minigrad_rnn.cells import registry

pytestmark = pytest.mark.on_numpy
T, B, I, H = 6, 4, 3, 5
compiles = pytest.mark.skipif(not machine.available(), reason="llvmlite is not installed")


@pytest.fixture(autouse=True)
def kernels_as_they_come(monkeypatch):
    monkeypatch.delenv("MINIGRAD_KERNELS", raising=False)


def given(name, dtype="float32"):
    cell = registry.get(name)(I, H, dtype=dtype)
    state = cell.initial_state(B)
    for part, letter in zip(state if isinstance(state, tuple) else (state,), cell.state_names, strict=True):
        part.name = f"{letter}_-1"
    return lambda state, x: cell.step(x, state)[::-1], state, mg.tensor(np.zeros((T, B, I), dtype))


def explained(name, **options) -> Explanation:
    return mg.scan.explain(*given(name, **options))


def sizes(products):
    return [(p.rows, p.depth, p.columns) for p in products]


def test_lstm_forward_is_one_product_of_all_steps_then_one_product_and_one_pass_a_step():
    forward = explained("lstm").forward
    (early,), (product,), (fused,) = forward.at("before"), forward.at("loop"), forward.passes
    assert sizes([early, product]) == [(T * B, I, 4 * H), (B, H, 4 * H)]
    assert (early.kind, product.kind) == ("X", "S")
    assert str(early.formula).startswith("x_t ")
    assert not forward.at("after")
    assert dict(fused.operations) == {"add": 9, "sigmoid": 3, "tanh": 2, "multiply": 3}
    told = {str(line) for line in fused.lines}
    assert {"c_t = f ∘ c_{t-1} + i ∘ g", "h_t = o ∘ tanh(c_t)", "i = σ(v_i + u_i + b_i)"} <= told


def test_gates_apart_come_to_the_same_products_as_gates_stacked():
    stacked, apart = explained("lstm"), explained("lstm-separate")
    for one, other in zip(stacked.directions, apart.directions, strict=True):
        assert sorted(sizes(one.products)) == sorted(sizes(other.products))
        assert [(p.where, p.merged) for p in one.at("loop")] == [(p.where, p.merged) for p in other.at("loop")]
    assert stacked.bytes_kept == apart.bytes_kept
    assert apart.forward.unrolled_operations > stacked.forward.unrolled_operations


def test_gradients_of_matrices_are_products_over_all_steps_after_the_loop():
    backward = explained("lstm").backward
    assert sizes(backward.at("after")) == [(I, T * B, 4 * H), (H, T * B, 4 * H)]
    assert [str(p.made) for p in backward.at("after")] == ["∇W_{ih}", "∇W_{hh}"]
    assert {p.kind for p in backward.at("after")} == {"O"}
    (product,) = backward.at("loop")
    assert sizes([product]) == [(B, 4 * H, H)]
    assert product.depths == (H,) * 4
    assert str(product.formula).endswith("W_{hh}ᵀ")
    assert any(str(line).startswith("∇b = ∇b + sum") and line.kind == "O" for line in backward.passes[0].lines)


def test_flops_are_those_of_the_formulas():
    e = explained("lstm")
    assert e.forward.flops_before == 2 * T * B * I * 4 * H
    assert e.forward.flops_loop == T * (2 * B * H * 4 * H + 17 * B * H)
    assert e.forward.flops_after == e.backward.flops_before == 0
    assert e.backward.flops_loop == T * (2 * B * 4 * H * H + 27 * B * H)  # 23 operations, and the bias: 4 H sums
    assert e.backward.flops_after == 2 * T * B * (I + H) * 4 * H
    assert e.forward.unrolled_flops == e.forward.flops


def test_bytes_kept_are_those_of_the_arrays_of_a_run(monkeypatch):
    module = importlib.import_module("minigrad.loop.scan")
    forward, runs = module.Run.forward, []

    def watched(run):
        result = forward(run)
        runs.append({name: array.nbytes for name, array in run.arrays.named.items() if array.base is None})
        return result

    monkeypatch.setattr(module.Run, "forward", watched)
    for name in ("lstm", "gru", "mgu", "lstm-peephole"):
        step, state, xs = given(name)
        mg.scan(step, state, xs)
        e = mg.scan.explain()
        assert e.bytes_kept == sum(n for array, n in runs[-1].items() if array != "x0")
        assert (
            e.bytes_kept - T * e.bytes_per_step == len(e.forward.carry) * B * H * 4
        )  # the state before the first step


def test_lstm_keeps_gates_states_and_tanh_of_c():
    e = explained("lstm", dtype="float64")
    assert e.bytes_per_step == 7 * B * H * 8
    assert sorted(str(kept) for kept, _ in e.forward.kept) == ["c_t", "f", "g", "h_t", "i", "o", "tanh(c_t)"]


@compiles
def test_kernels_a_step():
    e = explained("lstm")
    assert [(d.kernels, d.why, d.kernels_per_step) for d in e.directions] == [("LLVM", "", 2)] * 2
    assert e.forward.unrolled_operations == 14


def test_array_code_says_why(monkeypatch):
    monkeypatch.setenv("MINIGRAD_KERNELS", "numpy")
    forward = explained("lstm").forward
    assert (forward.kernels, forward.why) == ("NumPy", "MINIGRAD_KERNELS is numpy")
    assert forward.kernels_per_step == 1 + 17


@compiles
def test_an_operation_that_machine_code_does_not_know_is_named():
    W = mg.tensor(np.eye(H, dtype="float32"), requires_grad=True, name="W")

    def step(h, x):
        h = mg.tanh(mg.einsum("bi,ij->bj", h, W) + x)
        return h, h

    forward = mg.scan.explain(
        step, mg.tensor(np.zeros((B, H), "float32")), mg.tensor(np.zeros((T, B, H), "float32"))
    ).forward
    assert forward.kernels == "NumPy"
    assert "einsum" in forward.why
    assert forward.calls == ("einsum",)


def custom():
    U, W, V = (mg.tensor(np.ones(shape, "float32"), requires_grad=True) for shape in ((I, H), (H, H), (H, 2)))
    U.name, W.name, V.name = "U", "W", "V"

    def step(h, x):
        k = mg.sigmoid(x @ U)
        h = k * h + (1 - k) * mg.tanh(h @ W)
        y = h @ V
        return h, y

    return step, mg.tensor(np.zeros((B, H), "float32")), mg.tensor(np.zeros((T, B, I), "float32"))


def test_output_products_leave_the_loop_in_both_directions():
    e = mg.scan.explain(*custom())
    (late,), (early,) = e.forward.at("after"), e.backward.at("before")
    assert (late.kind, str(late.made), str(late.formula)) == ("O", "y_t", "h_t V")
    assert (early.kind, str(early.formula)) == ("X", "∇y_t Vᵀ")
    assert sizes([late, early]) == [(T * B, H, 2), (T * B, 2, H)]
    assert {str(p.made) for p in e.backward.at("after")} == {"∇U", "∇W", "∇V"}


def test_every_operation_has_a_class():
    e = mg.scan.explain(*custom())
    kinds = {(op.name, str(op.formula)): (op.kind, op.where) for op in e.forward.operations}
    assert kinds["sigmoid", "k"] == ("X", "loop")
    assert kinds["add", "h_t"] == ("S", "loop")
    assert kinds["matmul", "y_t"] == ("O", "after")
    assert kinds["matmul", "u"] == ("X", "before")
    assert {op.kind for op in explained("lstm").forward.operations} == set("PXS")


def test_variables_give_their_names_where_tensors_have_none():
    passes = mg.scan.explain(*custom()).forward.passes
    assert "k = σ(u)" in {str(line) for one in passes for line in one.lines}


def test_names_of_dicts_and_from_the_last_step_to_the_first():
    step, h, xs = custom()
    e = mg.scan.explain(lambda s, x: ({"memory": step(s["memory"], x)[0]},) * 2, {"memory": h}, xs, reverse=True)
    assert [tuple(map(str, pair)) for pair in e.forward.carry] == [("memory_{t+1}", "memory_t")]
    assert "from the last to the first" in str(e)


def test_parameters_alone_are_done_once():
    U, W = (mg.tensor(np.ones(shape, "float32"), requires_grad=True) for shape in ((I, H), (H, H)))
    U.name, W.name = "U", "W"
    e = mg.scan.explain(lambda h, x: (mg.tanh(x @ mg.exp(U) + h @ W),) * 2, *custom()[1:])
    assert [(op.kind, op.where) for op in e.forward.operations if op.name == "exp"] == [("P", "before")]
    assert [str(found) for found in e.forward.prepared] == [f"exp(U) ({I}×{H})"]


def test_without_gradients_there_is_no_way_back():
    with mg.no_grad():
        e = explained("gru")
    assert e.backward is None
    assert e.bytes_kept == e.bytes_per_step == 0
    assert "backward" not in str(e)
    ET.fromstring(e.svg())


def test_the_last_scan_is_explained_as_it_ran(capsys):
    step, state, xs = given("mgu")
    mg.scan(step, state, xs)
    last = mg.scan.explain()
    assert capsys.readouterr().out == str(last)
    assert last == mg.scan.explain(step, state, xs)


def test_planning_does_not_run_the_scan():
    calls = []
    step, state, xs = given("rnn")
    mg.scan.explain(lambda s, x: calls.append(1) or step(s, x), state, xs)
    assert len(calls) == 2  # a step, and one to compare it with


def test_a_scan_that_ran_leaves_no_array_behind():
    step, state, xs = given("lstm")
    mg.scan(step, state, xs)
    held = vars(importlib.import_module("minigrad.loop.scan").Ran.last)
    assert isinstance(held.pop("compiled"), weakref.ref)
    assert held.pop("backend").xp is np
    assert held == {"steps": T, "reverse": False, "why": ("", None)}


def test_errors_say_what_to_do(monkeypatch):
    monkeypatch.setattr(importlib.import_module("minigrad.loop.scan").Ran, "last", None)
    with pytest.raises(MinigradError, match="no scan has run yet: run one"):
        mg.scan.explain()
    step, state, xs = given("rnn")
    with pytest.raises(MinigradError, match="not compiled: it is a single step"):
        mg.scan.explain(step, state, xs[:1])
    mg.scan(step, state, xs[:1])
    with pytest.raises(MinigradError, match="not compiled: it is a single step"):
        mg.scan.explain()


def test_a_step_that_cannot_be_compiled_is_named_by_line():
    def step(h, x):
        h = h / float(h.sum())
        return h, h

    given = mg.tensor(np.ones((B, H), "float32")), mg.tensor(np.ones((T, B, I), "float32"))
    with pytest.raises(MinigradError, match="not compiled") as of_step:
        mg.scan.explain(step, *given)
    with pytest.warns(UserWarning, match="cannot be compiled"):
        mg.scan(step, *given)
    with pytest.raises(MinigradError, match="not compiled") as of_last:
        mg.scan.explain()
    assert str(of_step.value) == str(of_last.value)
    assert "h = h / float(h.sum())" in str(of_last.value)


@pytest.mark.parametrize("name", [name for name in registry.names() if name != "convlstm"])
def test_every_cell_can_be_told_and_drawn(name):
    e = explained(name)
    assert e.forward.flops > 0
    for theme in ("light", "dark", "print"):
        root = ET.fromstring(e.svg(theme))
        width, height = float(root.get("width")), float(root.get("height"))
        for text in root.iter("{http://www.w3.org/2000/svg}text"):
            assert float(text.get("x")) <= width
            assert float(text.get("y")) <= height


def test_text_and_picture_are_the_same_each_time():
    one, other = explained("lstm-layernorm"), explained("lstm-layernorm")
    assert str(one) == str(other)
    assert one.svg() == other.svg() == one._repr_svg_()
    assert all(f"{kind}</text>" in one.svg() for kind in "PXSO")


def test_words_stay_in_their_boxes():
    from minigrad.loop.picture import Lane, Printer

    for name in ("lstm", "lstm-separate", "lstm-layernorm", "gru"):
        e = explained(name)
        for direction in e.directions:
            lane = Lane(Printer(e, "light"), direction)
            for column in lane.columns.values():
                for card in column.cards:
                    assert card.body.width <= card.width - 20
                    assert math.isfinite(card.height)


def test_saved_files(tmp_path):
    e = explained("gru")
    for suffix in ("svg", "png", "pdf", "txt"):
        e.save(tmp_path / f"scan.{suffix}")
    assert ET.parse(tmp_path / "scan.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "scan.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "scan.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "scan.txt").read_text(encoding="utf-8") == str(e)
    with pytest.raises(DrawingError, match=r"\.svg, \.png, \.pdf or \.txt"):
        e.save(tmp_path / "scan.gif")
    with pytest.raises(DrawingError, match="no theme 'pink'"):
        e.svg("pink")


def test_arrays_of_another_library(strict):
    W = strict(np.eye(H, dtype="float32"), requires_grad=True, name="W")
    step = lambda h, x: (mg.tanh(x + h @ W),) * 2
    forward = mg.scan.explain(step, strict(np.zeros((B, H), "float32")), strict(np.zeros((T, B, H), "float32"))).forward
    assert (forward.kernels, forward.why) == ("strict", "there is no compiler for these arrays")


@pytest.mark.parametrize("attention", [mr.AdditiveAttention(H, 2, 3), mr.BilinearAttention(H, 2), mr.DotAttention(H)])
def test_a_step_with_attention(attention, tmp_path):
    memory = mg.tensor(np.random.default_rng(0).normal(size=(7, B, attention.memory_size)), dtype="float32")
    keys = attention.keys(memory)
    cell = registry.get("rnn")(I + attention.memory_size, H)

    def step(state, x):
        context, _ = attention(state, memory, keys=keys)
        return cell.step(mg.concatenate([x, context], axis=1), state)[::-1]

    state, _ = mg.scan(step, cell.initial_state(B), mg.tensor(np.ones((T, B, I), "float32")))
    state.sum().backward()
    found = mg.scan.explain()
    assert found.steps == T
    assert found.backward is not None
    sums = sum(total.name == "sum" for total in found.backward.operations)
    assert (sums > 0) or not isinstance(attention, mr.AdditiveAttention)
    found.save(tmp_path / "attention.svg")
