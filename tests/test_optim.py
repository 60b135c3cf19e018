"""Optimisers, schedules, gradient clipping: PyTorch's, step by step."""

import math
import tracemalloc

import numpy as np
import pytest
from strict import StrictArray, asarray

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import AnomalyError, CheckpointError, NoGradientError
from minigrad.optim import base

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None

OPTIONS = {
    "SGD": [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.3},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"weight_decay": 0.1},
    ],
    "RMSprop": [
        {},
        {"alpha": 0.5, "eps": 1e-3},
        {"momentum": 0.9},
        {"centered": True},
        {"momentum": 0.5, "centered": True, "weight_decay": 0.1},
    ],
    "Adagrad": [{}, {"lr_decay": 0.1}, {"initial_accumulator_value": 0.5, "eps": 1e-3}, {"weight_decay": 0.1}],
    "Adam": [{}, {"betas": (0.5, 0.7), "eps": 1e-3}, {"weight_decay": 0.1}, {"amsgrad": True, "weight_decay": 0.1}],
    "AdamW": [{}, {"weight_decay": 0.3}, {"amsgrad": True}],
}
CASES = [(name, options) for name, several in OPTIONS.items() for options in several]
every_rule = pytest.mark.parametrize(("name", "options"), CASES, ids=lambda part: str(part).replace(" ", ""))


def starts(seed=0):
    """Parameters of several shapes, one that lies column by column, one of no axis, one of no elements."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(3, 2)), rng.normal(size=(4, 3)).T, np.array(0.7), np.zeros((0, 2)), rng.normal(size=40)]


def gradients(step, arrays):
    """What a step brings to each parameter: nothing to one of them, at times."""
    rng = np.random.default_rng(100 + step)
    return [None if (step + i) % 5 == 3 else rng.normal(size=a.shape) * 3 for i, a in enumerate(arrays)]


def run(optimizer, steps, start=0, to=np.asarray):
    for step in range(start, steps):
        for p, g in zip(optimizer.parameters, gradients(step, [p.data for p in optimizer.parameters])):
            p.grad = None if g is None else mg.Tensor(to(g.astype(str(p.dtype))))
        optimizer.step()
    return [p.numpy().copy() for p in optimizer.parameters]


def make(name, options, **more):
    return getattr(optim, name)([nn.Parameter(a.copy(order="K")) for a in starts()], **{"lr": 0.1, **options, **more})


@pytest.mark.torch
@pytest.mark.parametrize("block", [base.BLOCK, 7])
@every_rule
def test_every_rule_is_torchs(name, options, block, monkeypatch):
    monkeypatch.setattr(base, "BLOCK", block)
    ours = make(name, options)
    peers = [torch.tensor(a.copy(), requires_grad=True) for a in starts()]
    theirs = getattr(torch.optim, name)(peers, **{"lr": 0.1, **options})
    for step in range(20):
        found = run(ours, step + 1, step)
        for q, g in zip(peers, gradients(step, starts())):
            q.grad = None if g is None else torch.tensor(g)
        theirs.step()
        for p, q in zip(found, peers):
            np.testing.assert_allclose(p, q.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_are_torchs(name):
    ours = make(name, {})
    defaults = getattr(torch.optim, name)([torch.zeros(1)]).defaults
    assert getattr(optim, name)(ours.parameters).lr == defaults["lr"]
    assert {key: value for key, value in ours.groups[0].items() if key not in ("lr", "params")} == {
        key: defaults[key] for key in ours.groups[0] if key not in ("lr", "params")
    }


@every_rule
def test_float32_stays_and_gradients_are_left_alone(name, options):
    wide, narrow = make(name, options), make(name, options)
    for p in narrow.parameters:
        p.data = p.data.astype("float32")
    for a, b in zip(run(wide, 10), run(narrow, 10)):
        assert b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
    assert {str(value.dtype) for own in narrow.state for key, value in own.items() if key != "step"} <= {"float32"}
    given = gradients(9, starts())
    for p, g in zip(wide.parameters, given):
        if g is not None:
            np.testing.assert_array_equal(p.grad.numpy(), g)


@every_rule
def test_every_rule_stays_on_the_backend(name, options, strict):
    here, there = make(name, options), make(name, options)
    for p in there.parameters:
        p.data = asarray(p.data)
    expected, found = run(here, 5), run(there, 5, to=asarray)
    assert all(type(p.data) is StrictArray for p in there.parameters)
    for a, b in zip(expected, found):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@every_rule
def test_a_run_that_is_saved_and_loaded_goes_on_bit_for_bit(name, options, tmp_path):
    whole = run(make(name, options), 12)
    first = make(name, options)
    run(first, 7)
    mg.save(tmp_path / "state", first.state_dict())
    second = make(name, {}, lr=5.0)
    for p, q in zip(second.parameters, first.parameters):
        p.data[...] = q.data
    second.load_state_dict(mg.load(tmp_path / "state"))
    for a, b in zip(run(second, 12, 7), whole):
        np.testing.assert_array_equal(a, b)


def test_the_state_is_a_copy_and_is_told_by_name():
    optimizer = make("Adam", {})
    run(optimizer, 1)
    state = optimizer.state_dict()
    assert state["groups.0.lr"] == 0.1
    assert state["state.0.step"] == 1
    before = state["state.0.mean"].numpy().copy()
    run(optimizer, 2, 1)
    np.testing.assert_array_equal(state["state.0.mean"].numpy(), before)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.pop("state.0.mean"), "missing state.0.mean"),
        (lambda s: s.pop("groups.0.eps"), "missing groups.0.eps"),
        (lambda s: s.update({"state.9.step": 1}), "unexpected state.9.step"),
        (lambda s: s.update({"state.0.largest": 1}), "unexpected state.0.largest"),
        (lambda s: s.update({"state.0.mean": np.zeros(2)}), r"mean has shape \(2,\) for a parameter of shape \(3, 2\)"),
        (lambda s: s.update({"state.0.mean": np.zeros((3, 2), int)}), "state.0.mean has dtype int64 for a"),
        (lambda s: s.update({"state.0.mean": np.zeros((3, 2), bool)}), "state.0.mean has dtype bool for a"),
        (lambda s: s.update({"state.0.step": np.array(0)}), "state.0.step is 0, and counts updates from 1"),
        (lambda s: s.update({"state.0.step": np.array(-3)}), "state.0.step is -3, and counts"),
        (lambda s: s.update({"state.0.step": np.array(1.5)}), r"state.0.step is 1\.5, and counts"),
        (lambda s: s.update({"state.0.step": np.array(math.nan)}), "state.0.step is nan, and counts"),
        (lambda s: s.update({"state.0.step": np.array(True)}), "state.0.step is True, and counts"),
        (lambda s: s.update({"state.0.step": np.ones(2, int)}), r"state.0.step is \(1, 1\), and counts"),
        (lambda s: s.update({"groups.0.lr": np.array(math.nan)}), r"lr must be in \[0, inf\), not nan"),
        (lambda s: s.update({"groups.0.betas": np.array([0.9, 1.5])}), r"betas must be in \[0, 1\), not \(0.9, 1.5\)"),
        (lambda s: s.update({"groups.0.betas": np.array([0.9])}), r"0.betas is \(0.9,\), and \(0.9, 0.999\) here"),
        (lambda s: s.update({"groups.0.amsgrad": np.array(2)}), "groups.0.amsgrad is 2, and False here"),
        (lambda s: s.update({"groups.0.lr": np.ones(3)}), r"groups.0.lr is \(1.0, 1.0, 1.0\), and 0.1 here"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, told):
    optimizer = make("Adam", {})
    run(optimizer, 1)
    state, before = {**optimizer.state_dict(), "groups.0.lr": 7.0}, optimizer.state_dict()
    change(state)
    with pytest.raises(CheckpointError, match=told):
        optimizer.load_state_dict(state)
    assert optimizer.lr == 0.1
    for name, value in optimizer.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(before[name]))


@pytest.mark.torch
def test_groups_have_options_of_their_own():
    a, b = (nn.Parameter(np.ones(3)) for _ in range(2))
    p, q = (torch.ones(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours = optim.AdamW([{"params": [a], "lr": 0.5}, {"params": [b], "weight_decay": 0.0}], lr=0.1, weight_decay=0.2)
    theirs = torch.optim.AdamW(
        [{"params": [p], "lr": 0.5}, {"params": [q], "weight_decay": 0.0}], lr=0.1, weight_decay=0.2
    )
    for optimizer, several in ((ours, (a, b)), (theirs, (p, q))):
        for _ in range(5):
            optimizer.zero_grad()
            sum((x**3).sum() for x in several).backward()
            optimizer.step()
    np.testing.assert_allclose(a.numpy(), p.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(b.numpy(), q.detach().numpy(), rtol=1e-12)
    assert ours.lr == 0.5
    ours.lr = 0.25
    assert [group["lr"] for group in ours.groups] == [0.25, 0.25]


def test_bad_arguments():
    p = nn.Parameter(np.ones(2))
    for name, options in [
        ("SGD", {"lr": -0.1}),
        ("SGD", {"lr": math.nan}),
        ("SGD", {"momentum": -0.1}),
        ("Adam", {"betas": (0.9, 1.0)}),
        ("Adam", {"betas": (-0.1, 0.9)}),
        ("AdamW", {"weight_decay": -1}),
        ("RMSprop", {"alpha": 1.5}),
        ("Adagrad", {"lr_decay": -1}),
    ]:
        (option,) = options
        with pytest.raises(ValueError, match=f"{name}: {option} must be in"):
            getattr(optim, name)([p], **options)
        with pytest.raises(ValueError, match=f"{name}: {option} must be in"):
            getattr(optim, name)([{"params": [p], **options}])
    with pytest.raises(ValueError, match="no option rate: choose from lr, betas"):
        optim.Adam([{"params": [p], "rate": 1}])
    with pytest.raises(ValueError, match="Nesterov"):
        optim.SGD([p], lr=0.1, nesterov=True)
    with pytest.raises(ValueError, match="no parameters"):
        optim.SGD([], lr=0.1)
    with pytest.raises(ValueError, match="twice"):
        optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)
    with pytest.raises(ValueError, match="result of 'multiply'"):
        optim.SGD([p * 2], lr=0.1)
    for wrong in (nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 2).named_parameters()):
        with pytest.raises(TypeError, match=r"pass model\.parameters\(\)"):
            optim.SGD(wrong, lr=0.1)


def test_a_rule_of_ones_own():
    class SignSGD(optim.Optimizer):
        def __init__(self, parameters, lr=1e-3):
            super().__init__(parameters, lr=lr)

        def update(self, xp, p, g, spare, step, *, lr):
            xp.sign(g, out=spare)
            spare *= lr
            p -= spare

    p = nn.Parameter(np.array([1.0, 2.0, 3.0]))
    p.grad = mg.tensor(np.array([5.0, 0.0, -0.1]))
    SignSGD(p, lr=0.5).step()
    assert p.tolist() == [0.5, 2.0, 3.5]
    bare = optim.Optimizer(p, lr=0.5)
    with pytest.raises(TypeError, match=r"no update\(\)"):
        bare.step()


@pytest.mark.parametrize("name", OPTIONS)
def test_a_step_allocates_nothing_large_after_the_first(name, monkeypatch):
    options = OPTIONS[name][-1]
    p = nn.Parameter(np.ones((500, 400), "float32"))
    p.grad = mg.ones((500, 400))
    optimizer = getattr(optim, name)([p], lr=0.1, **options)
    optimizer.step()
    tracemalloc.start()
    optimizer.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < p.data.nbytes / 10


def test_a_step_after_forward_is_noticed_by_backward():
    p = nn.Parameter(mg.tensor([2.0]), name="W")
    y = (p * p).sum()
    p.grad = mg.tensor([1.0])
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(mg.errors.InplaceError, match="W of shape"):
        y.backward()


# Clipping


def test_clipping():
    a, b = nn.Parameter(mg.zeros(2)), nn.Parameter(mg.zeros(1))
    with pytest.raises(NoGradientError, match="backward"):
        optim.clip_grad_norm([a, b], 1.0)
    a.grad, b.grad = mg.tensor([3.0, 0.0]), mg.tensor([4.0])
    assert optim.clip_grad_norm([a, b], 10.0).item() == 5.0
    np.testing.assert_array_equal(a.grad.numpy(), [3.0, 0.0])
    assert optim.clip_grad_norm([a, b], 1.0).item() == 5.0
    np.testing.assert_allclose([*a.grad.numpy(), *b.grad.numpy()], [0.6, 0, 0.8], rtol=1e-6)
    a.grad = mg.tensor([3.0, -2.0])
    optim.clip_grad_value([a, b], 0.5)
    np.testing.assert_allclose([*a.grad.numpy(), *b.grad.numpy()], [0.5, -0.5, 0.5], rtol=1e-6)
    assert optim.clip_grad_norm(b, 1.0).item() == 0.5
    for wrong in ({"max_norm": -1.0}, {"max_norm": 1.0, "norm_type": 0}, {"max_norm": math.nan}):
        with pytest.raises(ValueError, match="clip_grad_norm: max_norm"):
            optim.clip_grad_norm(a, **wrong)
    with pytest.raises(ValueError, match="at least 0"):
        optim.clip_grad_value(a, -1.0)


@pytest.mark.torch
@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.5, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_is_torchs(norm_type, max_norm, strict):
    grads = [g for g in gradients(0, starts()) if g is not None]
    ours = [nn.Parameter(np.zeros(g.shape)) for g in grads]
    there = [nn.Parameter(asarray(np.zeros(g.shape))) for g in grads]
    theirs = [torch.zeros(g.shape, dtype=torch.float64) for g in grads]
    for p, r, q, g in zip(ours, there, theirs, grads):
        p.grad, r.grad, q.grad = mg.tensor(g), mg.Tensor(asarray(g)), torch.tensor(g)
    norm = optim.clip_grad_norm(ours, max_norm, norm_type)
    there_norm = optim.clip_grad_norm(there, max_norm, norm_type)
    assert type(there_norm.data) is StrictArray
    expected = torch.nn.utils.clip_grad_norm_([q for q in theirs if q.numel()], max_norm, norm_type)
    np.testing.assert_allclose([norm.item(), there_norm.item()], expected.item(), rtol=1e-12)
    for p, r, q in zip(ours, there, theirs):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)
        np.testing.assert_allclose(r.grad.numpy(), q.grad.numpy(), rtol=1e-12)


def test_clipping_a_gradient_that_two_tensors_share_scales_it_once():
    a, b = nn.Parameter(mg.tensor([1.0])), nn.Parameter(mg.tensor([1.0]))
    ((a + b) * 3).sum().backward()
    optim.clip_grad_norm([a, b], 1.0)
    np.testing.assert_allclose([a.grad.item(), b.grad.item()], [0.5**0.5] * 2, rtol=1e-5)
    a.grad = b.grad = mg.tensor([3.0])
    assert optim.clip_grad_norm([a, b], 1.0).item() == pytest.approx(18**0.5)
    assert a.grad.item() == pytest.approx(0.5**0.5, rel=1e-5)


def test_clipping_what_is_not_finite():
    p = nn.Parameter(mg.zeros(2))
    for bad in (math.inf, math.nan):
        p.grad = mg.tensor([1.0, bad])
        with pytest.raises(AnomalyError, match="detect_anomaly"):
            optim.clip_grad_norm(p, 1.0, error_if_nonfinite=True)
        np.testing.assert_array_equal(p.grad.numpy(), np.array([1.0, bad], "float32"))
        assert not math.isfinite(optim.clip_grad_norm(p, 1.0).item())
        assert math.isnan(p.grad.numpy()[1])


# Schedules


def test_cosine_schedule():
    factors = [optim.cosine(step, 110, warmup=10, floor=0.1) for step in range(111)]
    np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 10)
    np.testing.assert_allclose([factors[10], factors[60], factors[110]], [1.0, 0.55, 0.1])


@pytest.mark.parametrize(
    ("function", "steps", "factors"),
    [
        (lambda t: optim.constant(t, 0.5), [0, 9], [0.5, 0.5]),
        (lambda t: optim.linear(t, 4), [0, 1, 2, 4, 9], [1, 0.75, 0.5, 0, 0]),
        (lambda t: optim.linear(t, 4, 0.2, 1.0), [0, 2, 4, 9], [0.2, 0.6, 1, 1]),
        (lambda t: optim.linear(t, 0, 0.2, 0.9) * optim.warmup(t, 0), [0, 9], [0.9, 0.9]),
        (lambda t: optim.warmup(t, 4), [0, 1, 3, 4], [0.25, 0.5, 1, 1]),
        (lambda t: optim.step_decay(t, 3, 0.5), [0, 2, 3, 6], [1, 1, 0.5, 0.25]),
        (lambda t: optim.exponential(t, 0.5), [0, 1, 3], [1, 0.5, 0.125]),
        (lambda t: optim.inverse_sqrt(t, 4), [0, 3, 15], [0.25, 1, 0.5]),
        (lambda t: optim.piecewise(t, [2, 4], [1, 0.5, 0.1]), [0, 1, 2, 3, 4, 9], [1, 1, 0.5, 0.5, 0.1, 0.1]),
        (
            lambda t: optim.piecewise(t, [2], [lambda t: optim.warmup(t, 2), lambda t: optim.exponential(t, 0.5)]),
            [0, 1, 2, 3],
            [0.5, 1, 1, 0.5],
        ),
    ],
)
def test_schedules(function, steps, factors):
    np.testing.assert_allclose([function(step) for step in steps], factors, rtol=1e-12)


def test_piecewise_refuses_parts_that_do_not_fit():
    for bounds, parts in (([1], [1.0]), ([3, 1], [1, 2, 3])):
        with pytest.raises(ValueError, match="piecewise"):
            optim.piecewise(0, bounds, parts)


def rates(optimizer, schedule, steps, *arguments):
    groups = getattr(optimizer, "groups", None) or optimizer.param_groups
    found = []
    for step in range(steps):
        found.append([group["lr"] for group in groups])
        optimizer.step()
        schedule.step(*[argument[step] for argument in arguments])
    return found


@pytest.mark.torch
def test_schedules_are_torchs():
    from torch.optim import lr_scheduler

    twins = [
        (lambda t: optim.one_cycle(t, 20), lambda o: lr_scheduler.OneCycleLR(o, [0.1, 0.5], total_steps=20)),
        (lambda t: optim.exponential(t, 0.9), lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
        (lambda t: optim.step_decay(t, 5), lambda o: lr_scheduler.StepLR(o, 5)),
        (lambda t: optim.linear(t, 10, 0.3, 0.8), lambda o: lr_scheduler.LinearLR(o, 0.3, 0.8, 10)),
        (lambda t: optim.cosine(t, 20, floor=0), lambda o: lr_scheduler.CosineAnnealingLR(o, 20)),
    ]
    for function, peer in twins:
        ours = optim.SGD([{"params": nn.Parameter(np.zeros(1)), "lr": lr} for lr in (0.1, 0.5)])
        theirs = torch.optim.SGD([{"params": torch.zeros(1, requires_grad=True), "lr": lr} for lr in (0.1, 0.5)])
        expected = rates(theirs, peer(theirs), 20)
        np.testing.assert_allclose(rates(ours, optim.Schedule(ours, function), 20), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize(
    "options",
    [{}, {"mode": "max", "factor": 0.5}, {"patience": 0, "cooldown": 2, "min_lr": 0.02}, {"threshold": 0.2}],
)
def test_reduce_on_plateau_is_torchs(options):
    figures = np.abs(np.random.default_rng(0).normal(size=60)).round(2) + np.linspace(2, 0.5, 60)
    options = {"patience": 3, **options}
    p, q = nn.Parameter(np.zeros(1)), torch.zeros(1, requires_grad=True)
    ours, theirs = optim.SGD([p], lr=0.1), torch.optim.SGD([q], lr=0.1)
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options, eps=0)
    expected = rates(theirs, peer, 60, figures)
    found = rates(ours, optim.ReduceOnPlateau(ours, **options), 60, [mg.tensor(figure) for figure in figures])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[-1] != found[0]


def test_reduce_on_plateau_refuses():
    for wrong in ({"mode": "lowest"}, {"factor": 1.0}):
        with pytest.raises(ValueError, match="ReduceOnPlateau"):
            optim.ReduceOnPlateau(optim.SGD(nn.Parameter(np.zeros(1))), **wrong)


def test_a_schedule_goes_on_where_it_was(tmp_path):
    def start(lr):
        optimizer = optim.Adam([nn.Parameter(np.ones(2))], lr=lr)
        return optimizer, optim.Schedule(optimizer, lambda step: optim.exponential(step, 0.9))

    optimizer, schedule = start(0.1)
    for _ in range(3):
        schedule.step()
    mg.save(tmp_path / "schedule", schedule.state_dict())
    other, second = start(9.0)
    second.load_state_dict(mg.load(tmp_path / "schedule"))
    assert other.lr == optimizer.lr == 0.1 * 0.9**3
    second.step()
    assert other.lr == 0.1 * 0.9**4
