"""What is tried of a cell: each check is given the subject, and raises CellError."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.draw import LEVELS
from minigrad.errors import GradcheckError
from minigrad.nn import Module

from ..cells import Cell, State
from ..layers import Recurrent
from ..unroll import unroll
from .subject import CellError, Subject, T, is_close, loss_of, parts_of

# What takes numbers out of the graph, works across the batch, or changes the dtype, as it is written in `step`.
LEAVES_GRAPH = r"\.(numpy|detach|item|tolist|data)\b|\b(np|numpy)\.|no_grad|\b(float|int)\("
ACROSS_BATCH = r"axis=\(?0|reshape|ravel|flatten|transpose|\.T\b|softmax|(mean|sum|max|min|std|var)\("
OTHER_DTYPE = r"float64|float32|float16|astype|dtype|\b(np|numpy)\."
IN_JUMPS = r"sign\(|round|floor|ceil|argmax|argmin|astype|[<>]=?|\bint\("


def _parameters(subject: Subject) -> None:
    cell = subject.cell("float32")
    for path, module in cell.named_modules():
        for name, value in module.held():
            what = f"{path}.{name}" if path else name
            if isinstance(value, mg.Tensor) and value.node is not None:
                raise CellError(
                    f"self.{what} was computed in __init__ from other Tensors: gradients pass through it only once; "
                    "keep the Parameter, and compute with it in step"
                )
            plain = isinstance(value, np.ndarray) or type(value) is mg.Tensor
            if plain and value.ndim and value.dtype.kind == "f":
                raise CellError(
                    f"self.{what} is a plain {'array' if isinstance(value, np.ndarray) else 'Tensor'}, which is not "
                    "found among the parameters, so it is neither trained, nor saved, nor moved: make it with "
                    "mg.nn.init, or as mg.nn.Parameter, or as mg.nn.Buffer if it is a constant"
                )
    if not any(True for _ in cell.parameters()):
        raise CellError(
            "the cell has no parameters: in __init__ set attributes made with mg.nn.init, or mg.nn.Parameter(…)"
        )


def _one_step(subject: Subject) -> None:
    cell, x = subject.cell("float32"), subject.xs("float32")[0]
    start = cell.initial_state(subject.batch)
    names, before = cell.state_names, parts_of(start)
    if len(before) != len(names):
        raise CellError(
            f"initial_state returns {len(before)} part(s) and state_names names {len(names)}: name each part of the "
            "state once",
            "initial_state",
        )
    result = cell.step(x, start)
    if not isinstance(result, tuple) or len(result) != 2:
        got = f"{len(result)} values" if isinstance(result, tuple) else f"only one value, a {type(result).__name__}"
        wanted = "h" if len(names) == 1 else f"({', '.join(names)})"
        raise CellError(
            f"step returned {got}: return two, the output and the state: `return h, {wanted}`", r"^return\b"
        )
    output, state = result
    for what, value in (("output", output), *zip(names, parts_of(state), strict=False)):
        if not isinstance(value, mg.Tensor):
            raise CellError(
                f"step returned {what} as {type(value).__name__}, which is not part of the graph: compute with "
                "operations of minigrad, and return a Tensor",
                LEAVES_GRAPH if isinstance(value, np.ndarray) else r"^return\b",
            )
    after = parts_of(state)
    if len(after) != len(before) or isinstance(state, tuple) is not isinstance(start, tuple):
        kind = f"{len(after)} part(s)" if isinstance(state, (tuple, list)) else "one Tensor"
        raise CellError(
            f"the wrong number of parts: the state after step is {kind}, and state_names = {names} wants "
            f"{'a tuple of ' + str(len(names)) if len(names) > 1 else 'one Tensor'}",
            r"^return\b",
        )
    for name, new, old in zip(names, after, before, strict=True):
        if new.shape != old.shape:
            raise CellError(
                f"the wrong state shape: {name} is {old.shape} before step and {new.shape} after it: a state keeps the "
                "shape that initial_state gives it, (batch, hidden_size) unless you say otherwise",
                r"^return\b",
            )
    if output.ndim < 2 or output.shape[:2] != (subject.batch, cell.output_size):
        raise CellError(
            f"the output has shape {output.shape}, and ({subject.batch}, {cell.output_size}) was expected, (batch, "
            "output_size): set self.output_size in __init__ if it is not hidden_size",
            r"^return\b",
        )


def _nothing_on_self(subject: Subject) -> None:
    cell, x = subject.cell(), subject.xs()[0]
    start = cell.initial_state(subject.batch)
    cell.step(x, start)  # what is made once and kept is no state
    before = _values(cell)
    output, state = cell.step(x, start)
    cell.step(-x, state)  # something else in between
    again = cell.step(x, start)[0]
    for name, value in _values(cell).items():
        if name not in before or not _same(before[name], value):
            raise CellError(
                f"state is kept on self: step changes self.{name}, so that two equal calls are not alike: return it as "
                "a part of the state",
                rf"self\.{name.split('.')[0]}\b.*(=|append)",
            )
    for path, module in cell.named_modules():
        for name, value in module.held():
            if isinstance(value, mg.Tensor) and value.node is not None:
                raise CellError(
                    f"state is kept on self: self.{f'{path}.{name}' if path else name} holds what step computed, and "
                    "with it the graph of every step before: return it as a part of the state, or keep its detach()",
                    rf"self\.{name.split('.')[0]}\b.*(=|append)",
                )
    if not np.array_equal(output.numpy(), again.numpy()):
        raise CellError(
            "not deterministic: two equal calls of step give different outputs: keep nothing outside of the state, in "
            "a global say, and draw random numbers in training only (if self.training: …)",
            r"rand|normal|dropout|append",
        )


def _values(cell: Cell) -> dict[str, Any]:
    """All attributes by name, arrays copied."""
    found = {}
    for path, module in cell.named_modules():
        for name, value in module.held():
            copied = value.numpy().copy() if isinstance(value, mg.Tensor) else value
            found[f"{path}.{name}" if path else name] = copied.copy() if isinstance(copied, np.ndarray) else copied
    return found


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and np.array_equal(a, b)
    return a is b or (isinstance(a, (int, float, str)) and a == b)


def _dtype(subject: Subject) -> None:
    for dtype in ("float32", "float64"):
        cell = subject.cell(dtype)
        outputs, state = unroll(cell, subject.xs(dtype))
        for what, value in (("the output", outputs), *zip(cell.state_names, parts_of(state), strict=True)):
            if value.dtype != dtype:
                raise CellError(
                    f"the dtype is not kept: of {dtype} parameters and inputs step makes {what} {value.dtype}: "
                    "constants are Python numbers, or Tensors in the dtype of x (an array or number of NumPy is "
                    "float64)",
                    OTHER_DTYPE,
                )


def _gradients(subject: Subject) -> None:
    cell, xs = subject.cell(), subject.xs(steps=T - 1)
    with mg.no_grad():
        start = cell.step(xs[0], cell.initial_state(subject.batch))[1]  # at the initial zeros much would pass unnoticed
    named = [("x", xs), *zip(cell.state_names, parts_of(start), strict=True), *cell.named_parameters()]
    leaves = [mg.Tensor(value.numpy().copy(), True, name) for name, value in named]
    count = 1 + len(parts_of(start))
    parameters = list(cell.parameters())

    def run(*values: mg.Tensor) -> mg.Tensor:
        state: State = values[1] if count == 2 else values[1:count]
        outputs = []
        with _Exchanged(cell, dict(zip(map(id, parameters), values[count:], strict=True))):
            for x in mg.unstack(values[0]):
                output, state = cell.step(x, state)
                outputs.append(output)
        return loss_of(mg.stack(outputs), state)

    loss = run(*leaves)
    if not loss.requires_grad:
        raise CellError(_outside("the output"), LEAVES_GRAPH)
    for n, (leaf, g) in enumerate(zip(leaves, mg.grad(loss, leaves, allow_unused=True), strict=True)):
        if g is not None and g.numpy().any():
            continue
        moved = list(leaves)
        moved[n] = mg.tensor(leaf.numpy() + np.random.default_rng(2).normal(size=leaf.shape))
        if run(*moved).item() != loss.item():
            if g is None:
                raise CellError(_outside(f"what step makes of {leaf.name}"), LEAVES_GRAPH)
            raise CellError(
                f"not differentiable: the gradient with respect to {leaf.name} is 0 everywhere, though the output "
                "depends on it: it is rounded, compared or chosen, in jumps; use a smooth function (sigmoid, softmax)",
                IN_JUMPS,
            )
        if g is None and n >= count:
            raise CellError(f"the parameter {leaf.name} is never used by step: use it, or take it away")
    try:
        mg.gradcheck(run, leaves)
    except GradcheckError as error:
        line = subject.line(LEAVES_GRAPH)
        why = "something that it depends on is not part of the graph" if line else "a VJP rule is wrong, or it jumps"
        raise CellError(f"the gradient is wrong ({why}): {error.message}", LEAVES_GRAPH) from None


def _outside(what: str) -> str:
    return (
        f"the gradient is missing: {what} is not part of the graph: compute with operations of minigrad (mg.tanh, not "
        "np.tanh of an array), without .numpy(), .data or .detach()"
    )


class _Exchanged:
    """`with _Exchanged(module, {id(parameter): Tensor}):` other Tensors stand in the parameters' places."""

    def __init__(self, module: Module, others: dict[int, mg.Tensor]):
        self.others = others
        self.before = [(held, dict(vars(held))) for held in module.modules()]

    def __enter__(self) -> None:
        for module, attributes in self.before:
            vars(module).update({name: self._exchanged(value) for name, value in attributes.items()})

    def __exit__(self, *exc_info: object) -> None:
        for module, attributes in self.before:
            vars(module).update(attributes)

    def _exchanged(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._exchanged, value))
        if isinstance(value, dict):
            return {key: self._exchanged(held) for key, held in value.items()}
        return self.others.get(id(value), value)


def _batch(subject: Subject) -> None:
    cell, xs = subject.cell(), subject.xs()
    outputs, state = unroll(cell, xs)
    for row in range(subject.batch):
        alone, end = unroll(cell, xs[:, row : row + 1])
        pairs = [(outputs[:, row], alone[:, 0]), *((a[row], b[0]) for a, b in zip(parts_of(state), parts_of(end)))]
        if not all(is_close(a, b) for a, b in pairs):
            raise CellError(
                "the batch is mixed up: a sequence gives something else alone than in a batch: work along the last "
                "axis (softmax(…, axis=-1)), and keep axis 0 the batch in every reshape",
                ACROSS_BATCH,
            )


def _lengths(subject: Subject) -> None:
    cell, xs = subject.cell(), subject.xs()
    lengths = [T, *range(1, subject.batch)]
    for reverse in (False, True):
        cell.zero_grad()
        outputs, state = unroll(cell, xs, lengths=lengths, reverse=reverse)
        loss_of(outputs, state).backward()
        together = [p.grad for p in cell.parameters()]
        cell.zero_grad()
        for row, length in enumerate(lengths):
            alone, end = unroll(cell, xs[:length, row : row + 1], reverse=reverse)
            loss_of(alone, end).backward()
            pairs = [(outputs[:length, row], alone[:, 0])]
            pairs += [(a[row], b[0]) for a, b in zip(parts_of(state), parts_of(end))]
            if not all(is_close(a, b) for a, b in pairs):
                raise CellError(
                    f"a sequence of {length} steps, padded to {T}, gives something else than alone: step must depend "
                    "on x and state alone, and treat each sequence of the batch by itself",
                    ACROSS_BATCH,
                )
        for (name, p), g in zip(cell.named_parameters(), together, strict=True):
            if (g is None) != (p.grad is None) or (g is not None and not is_close(g, p.grad)):
                raise CellError(f"sequences of different lengths: the gradient of {name} is not the sum of each one's")


def _directions(subject: Subject) -> None:
    cell, xs = subject.cell(), subject.xs()
    backward, forward = unroll(cell, xs, reverse=True)[0], unroll(cell, xs[::-1])[0]
    if not is_close(backward, forward[::-1]):
        raise CellError(
            "run backwards it gives something else than on the reversed sequence: step must not count steps"
        )


def _compiled(subject: Subject) -> None:
    cell, xs = subject.cell(), subject.xs()
    for reverse in (False, True):
        found = []
        for compiled in (True, False):
            cell.zero_grad()
            outputs, state = unroll(cell, xs, None, [T, *range(1, subject.batch)], reverse, compiled=compiled)
            loss_of(outputs, state).backward()
            found.append([("the output", outputs), *zip(cell.state_names, parts_of(state), strict=True)])
            found[-1] += [(f"the gradient of {name}", p.grad) for name, p in cell.named_parameters()]
        for (what, one), (_, other) in zip(*found, strict=True):
            if (one is None) != (other is None) or (one is not None and not is_close(one, other)):
                raise CellError(
                    f"run as a compiled loop, {what} is another than step by step: step must compute the same each "
                    "time, of x, state and attributes that do not change meanwhile",
                    LEAVES_GRAPH,
                )


def _stacking(subject: Subject) -> None:
    mg.seed(0)
    options = dict(subject.options)
    layer = Recurrent(subject.kind, subject.input_size, subject.hidden_size, 2, bidirectional=True, **options)
    parameters = [{id(p): name for name, p in cell.named_parameters()} for cell in layer.cells]
    if shared := parameters[0].keys() & parameters[1].keys():
        raise CellError(
            f"two cells share the parameter {parameters[0][min(shared)]}: make it in __init__, anew for each cell"
        )
    outputs, state = layer(subject.xs("float32"), lengths=[T, *range(1, subject.batch)])
    width = layer.cells[-1].output_size * 2
    if outputs.shape[:3] != (T, subject.batch, width):
        raise CellError(f"two layers in both directions put out {outputs.shape}, not ({T}, {subject.batch}, {width})")
    loss_of(outputs, state).backward()
    for name, p in layer.named_parameters():
        if p.grad is None:
            raise CellError(f"in a stack of two layers in both directions the parameter {name} has no gradient")


def _truncation(subject: Subject) -> None:
    cell, xs = subject.cell(), subject.xs()
    xs.requires_grad = True
    first, state = unroll(cell, xs[: T // 2])
    cut = tuple(part.detach() for part in parts_of(state))
    second, _ = unroll(cell, xs[T // 2 :], cut if len(cut) > 1 else cut[0])
    if not is_close(mg.concatenate([first, second]), unroll(cell, xs)[0]):
        raise CellError("a sequence in two pieces, the state carried over, gives something else than in one piece")
    crossed = mg.grad(mg.square(second).sum(), xs, allow_unused=True)
    if crossed is not None and crossed.numpy()[: T // 2].any():
        raise CellError(
            "a gradient crosses the cut of a detached state: something is carried past the state, on self or in a "
            "global: return it as a part of the state"
        )


def _picture_of(subject: Subject) -> mg.Tensor:
    loss = mg.square(unroll(subject.cell("float32"), subject.xs("float32", 3, 1))[0]).mean().named("loss")
    loss.backward()
    return loss


def _drawing(subject: Subject) -> None:
    loss = _picture_of(subject)
    for level in LEVELS:
        if "<svg" not in mg.draw(loss, level=level, values=True, backward=True).svg():
            raise CellError(f"mg.draw(…, level={level!r}) draws nothing")


def _equations(subject: Subject) -> None:
    equations = mg.draw(_picture_of(subject)).equations()
    if "loss" not in str(equations) or not equations.latex():
        raise CellError("mg.draw(…).equations() writes nothing")


def _saving(subject: Subject) -> None:
    cell, other, xs = subject.cell("float32"), subject.cell("float32", seed=1), subject.xs("float32")
    with tempfile.TemporaryDirectory() as folder:
        mg.save(Path(folder) / "cell.safetensors", cell.state_dict())
        other.load_state_dict(mg.load(Path(folder) / "cell.safetensors"))
    if not np.array_equal(unroll(cell, xs)[0].numpy(), unroll(other, xs)[0].numpy()):
        raise CellError(
            "saved and loaded into another cell, it gives something else: what step uses is not all in state_dict(): "
            "make it a mg.nn.Parameter or mg.nn.Buffer"
        )


FIRST = ("parameters", "one step", "nothing on self", "dtype")  # where one fails, what comes after would mislead
CHECKS: dict[str, Callable[[Subject], None]] = {
    "parameters": _parameters,
    "one step": _one_step,
    "nothing on self": _nothing_on_self,
    "dtype": _dtype,
    "gradients": _gradients,
    "batch": _batch,
    "lengths": _lengths,
    "both directions": _directions,
    "compiled": _compiled,
    "stacking": _stacking,
    "truncation": _truncation,
    "drawing": _drawing,
    "equations": _equations,
    "saving and loading": _saving,
}
