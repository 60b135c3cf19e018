"""Training: the loop, what it can be told, and that it can stop anywhere and go on as if it had not."""

import json
import math
import os
import signal

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.errors import CheckpointError
from minigrad.tensor import on_host
from minigrad_rnn.charmodel import CharModel
from minigrad_rnn.data import synthetic
from minigrad_rnn.training import Config, ConfigError, DivergedError, Run, Supervised, Task, fit, make_task
from minigrad_rnn.training.checkpoint import Checkpoint, join, split
from minigrad_rnn.training.tasks import evaluating
from minigrad_rnn.truncated import detached

TEXT = "the quick brown fox jumps over the lazy dog. " * 60
SMALL = {"hidden": 12, "embedding": 6, "batch": 6, "length": 10, "steps": 30, "sample": 20, "validate_every": 10}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "fox.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    path.write_text("".join(f"{n}\t{n + 1}\n" for n in range(100, 180)))
    return str(path)


def trained(config, folder=None, watcher=None):
    """The task and the result of a run, in `folder` if there is one."""
    task = make_task(config)
    if folder is None:
        return task, fit(task, config, watcher=watcher)
    with Run.open(folder, config) as run:
        return task, fit(task, run=run, watcher=watcher)


def weights(task):
    return {name: on_host(p.data).copy() for name, p in task.model.named_parameters()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


class Stop:
    """Sends this process a signal after so many updates."""

    def __init__(self, after, number=signal.SIGTERM):
        self.after, self.number = after, number

    def updated(self, trainer, update):
        if trainer.step == self.after:
            os.kill(os.getpid(), self.number)

    def validated(self, trainer, figures, sample):
        pass


def test_it_is_the_plain_loop(text):
    """Of truncated BPTT by hand, to the last bit."""
    config = Config(text=text, layers=2, dropout=0.3, output_dropout=0.2, weight_decay=0.01, clip=0.05, **SMALL)
    task, result = trained(config)
    assert result.steps == 30

    other = make_task(config)
    model = other.model.train()
    optimizer = mg.optim.Adam(model.parameters(), lr=config.lr, weight_decay=0.01)
    schedule = mg.optim.Schedule(optimizer, lambda step: mg.optim.cosine(step, 30, warmup=3, floor=0.1))
    state = None
    for step in range(30):
        inputs, targets = other.streams.piece(step % len(other.streams))
        logits, state = model(inputs, detached(state) if step % len(other.streams) else None)
        loss = mg.nn.cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        mg.optim.clip_grad_norm(optimizer.parameters, 0.05)
        optimizer.step()
        schedule.step()
    assert_same(weights(task), weights(other))


@pytest.mark.parametrize("kind", ["characters", "copy-task", "adding-problem", "pairs"])
def test_a_batch_in_parts_is_the_batch(text, pairs, kind):
    file = {"characters": text, "pairs": pairs}.get(kind, "")
    config = Config(kind=kind, text=file, dtype="float64", layers=2, **SMALL)
    whole, _ = trained(config)
    parts, _ = trained(config.but({"accumulate": 4}))
    for name, value in weights(whole).items():
        np.testing.assert_allclose(weights(parts)[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", ["characters", "words", "pairs", "copy-task", "parity"])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(text, pairs, kind, tmp_path):
    file = {"characters": text, "words": text, "pairs": pairs}.get(kind, "")
    more = {"dropout": 0.2, "layers": 2, "options": {"zoneout": 0.1}} if kind != "pairs" else {}
    config = Config(kind=kind, text=file, accumulate=2, **more, **SMALL)
    whole, first = trained(config, tmp_path / "whole")
    assert first.stopped_by == 0
    for after, number in ((7, signal.SIGTERM), (20, signal.SIGINT)):
        _, result = trained(config, tmp_path / "parts", Stop(after, number))
        assert (result.steps, result.stopped_by) == (after + 1, number)  # the update that was being made is made
    parts, last = trained(config, tmp_path / "parts")
    assert (last.steps, last.best, last.best_step) == (30, first.best, first.best_step)
    assert_same(weights(whole), weights(parts))
    for name in ("metrics.jsonl", "model.safetensors", "last.safetensors", "samples/step-00000020.txt"):
        if name.startswith("samples") and kind in ("copy-task", "parity"):
            continue
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name


def test_every_line_of_metrics_tells_the_truth(text, tmp_path):
    config = Config(text=text, **SMALL)
    task, result = trained(config, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [10, 20, 30]
    validated = [line for line in lines if "validation_loss" in line]
    assert [line["step"] for line in validated] == [10, 20, 30]
    last = lines[-1]
    assert last["validation_bits_per_character"] == result.figures["bits_per_character"]
    assert last["epoch"] == pytest.approx(30 / len(task.streams), abs=1e-6)
    logged = [line for line in lines if "loss" in line][-1]
    assert logged["gradient_norm"] == pytest.approx(math.sqrt(sum(n * n for n in logged["norms"].values())), rel=1e-5)
    assert logged["lr"] == pytest.approx(config.lr * mg.optim.cosine(29, 30, warmup=3, floor=0.1), rel=1e-12)
    assert logged["norms"].keys() == weights(task).keys()
    model = CharModel.load(tmp_path / "model.safetensors")
    bits = model.bits_per_character(task.validation, task.validation_streams.batch, 64)
    assert bits == pytest.approx(result.best, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "cell"), [*((kind, "lstm") for kind in mr.training.config.KINDS), ("characters", "mgu"), ("pairs", "gru")]
)
def test_every_kind_of_data_trains(text, pairs, kind, cell):
    file = {"characters": text, "words": text, "pairs": pairs}.get(kind, "")
    task = make_task(Config(kind=kind, text=file, cell=cell, **SMALL))
    before = task.figures(task.evaluate(slice(0, task.validation_rows)))
    result = fit(task, Config(kind=kind, text=file, cell=cell, **SMALL))
    assert result.figures["loss"] < before["loss"]
    assert task.metric in result.figures
    if kind in ("characters", "words", "pairs"):
        assert len(task.sample(20)) > 5


class Adding(Task):
    """A task of a user's own."""

    rows = 16
    validation_rows = 16
    epoch = 10

    def __init__(self):
        mg.seed(0)
        self.model = mg.nn.Module()
        self.model.layer, self.model.head = mr.GRU(2, 8), mg.nn.Linear(8, 1)

    def batch(self, step, rows):
        xs, ys = synthetic.adding_problem(6, self.rows, np.random.default_rng(step))
        return xs[:, rows], ys[rows]

    def loss(self, batch, state):
        outputs, _ = self.model.layer(batch[0])
        return mg.nn.mse_loss(self.model.head(outputs[-1]), batch[1]), len(batch[1]), None

    def evaluate(self, rows):
        with evaluating(self.model):
            loss, count, _ = self.loss(self.batch(10_000, rows), None)
        return np.array([loss.item() * count, count])

    def figures(self, sums):
        return {"loss": sums[0] / sums[1]}


def test_a_task_of_ones_own(tmp_path):
    task = Adding()
    with Run.open(tmp_path, Config(steps=300, lr=0.01)) as run:
        result = fit(task, run=run)
    assert result.best < 0.05  # always to answer 1 comes to 0.167
    assert mg.load(tmp_path / "model.safetensors").keys() == task.model.state_dict().keys()


class Worse(Adding):
    """Gets worse after the third validation."""

    validations = 0

    def figures(self, sums):
        self.validations += 1
        return {"loss": abs(self.validations - 3.0)}


def test_early_stopping_keeps_the_best(tmp_path):
    task = Worse()
    with Run.open(tmp_path, Config(steps=1000, validate_every=5, patience=4)) as run:
        result = fit(task, run=run)
    assert (result.steps, result.best, result.best_step) == (35, 0.0, 15)
    with Run.open(tmp_path, Config(steps=1000, validate_every=5, patience=4)) as run:
        assert fit(Worse(), run=run).steps == 35  # it had stopped, and stays so


class Diverging(Adding):
    """The loss is the logarithm of 0 in update 4."""

    def loss(self, batch, state):
        loss, count, state = super().loss(batch, state)
        self.calls = getattr(self, "calls", 0) + 1
        return loss + mg.log(mg.tensor(0.0 if self.calls > 3 else 1.0)), count, state


class Exploding(Adding):
    """The loss is finite, and its gradient is not, in update 4."""

    def loss(self, batch, state):
        loss, count, state = super().loss(batch, state)
        self.calls = getattr(self, "calls", 0) + 1
        return (loss + mg.sqrt(loss * 0.0) if self.calls > 3 else loss), count, state


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Diverging, r"update 4 the loss is -inf: 'log' made an infinity"),
        (Exploding, r"update 4 the gradient's norm is nan: the gradient of 'sqrt'"),
    ],
)
def test_a_loss_that_is_no_number_stops_and_says_where_it_came_from(kind, told, tmp_path):
    task = kind()
    with Run.open(tmp_path, Config(steps=10, validate_every=20, log_every=1)) as run, np.errstate(all="ignore"):
        with pytest.raises(DivergedError, match=told) as caught:
            fit(task, run=run)
        assert "test_training.py" in str(caught.value)  # the line
        assert all(np.isfinite(value).all() for value in weights(task).values())
        assert [line["step"] for line in run.metrics() if "loss" in line] == [1, 2, 3]


def test_an_infinity_in_the_data_is_named():
    ones, bad = np.ones((4, 1), "float32"), np.full((4, 1), np.inf, "float32")
    for arrays in ((bad, ones), (ones, bad)):
        task = Supervised(mg.nn.Linear(1, 1), arrays, arrays, mg.nn.mse_loss)
        with pytest.raises(DivergedError, match=r"the loss is inf: .* the data hold an infinity"):
            fit(task, Config(log_every=1))  # or a GPU reads the loss later


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [0.1, 1.0, 1.0, 1.0]),
        ("linear", [0.1, 1.0, 1 - 0.8 * 45 / 90, 0.2 + 0.8 / 90]),
        ("cosine", [0.1, 1.0, 0.6, 0.2 + 0.4 * (1 + math.cos(math.pi * 89 / 90))]),
        ("exponential", [0.1, 1.0, math.sqrt(0.2), 0.2 ** (89 / 90)]),
        ("inverse-sqrt", [0.1, math.sqrt(10 / 11), math.sqrt(10 / 56), math.sqrt(10 / 100)]),
    ],
)
def test_schedules(schedule, factors):
    task = Adding()
    trainer = mr.training.Trainer(task, Config(steps=100, schedule=schedule, warmup=10, floor=0.2, lr=2.0))
    rates = []
    for _ in range(100):
        rates.append(trainer.optimizer.lr / 2)
        trainer.schedule.step()
    np.testing.assert_allclose([rates[0], rates[10], rates[55], rates[99]], factors, rtol=1e-12)


@pytest.mark.parametrize("optimizer", mr.training.config.OPTIMIZERS)
def test_optimisers_go_on_too(optimizer, tmp_path):
    options = {"momentum": 0.9} if optimizer in ("sgd", "rmsprop") else {}
    config = Config(optimizer=optimizer, optimizer_options=options, steps=12, weight_decay=0.01, validate_every=100)

    def run(folder, watcher=None):
        task = Adding()
        with Run.open(folder, config) as run:
            fit(task, run=run, watcher=watcher)
        return weights(task)

    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", Stop(5))
    assert_same(run(tmp_path / "parts"), whole)


def test_what_may_change_on_the_way(text, tmp_path):
    config = Config(text=text, **SMALL)
    trained(config, tmp_path, Stop(10))
    from minigrad_rnn.training.run import RunError, configure

    with pytest.raises(RunError, match="--resume"):
        configure(tmp_path, {})
    with pytest.raises(ConfigError, match="hidden = 12, which cannot become 13"):
        configure(tmp_path, {"hidden": 13}, resume=True)
    changed = configure(tmp_path, {"steps": 40, "lr": 0.001}, resume=True)
    assert (changed.steps, changed.lr, changed.hidden) == (40, 0.001, 12)
    _, result = trained(changed, tmp_path)
    assert result.steps == 40
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert max(line["lr"] for line in lines if "lr" in line and line["step"] > 10) < 0.001


def test_a_text_that_has_changed_is_noticed(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    config = Config(text=str(path), **SMALL)
    trained(config, tmp_path / "run", Stop(10))
    path.write_text(TEXT.replace("lazy", "lady"))
    with pytest.raises(CheckpointError, match="not those that the run was trained on"):
        trained(config, tmp_path / "run")
    path.write_text(TEXT)
    assert trained(config, tmp_path / "run")[1].steps == 30


def test_only_one_at_a_time(tmp_path):
    from minigrad_rnn.training import RunError

    config = Config()
    with Run.open(tmp_path, config), pytest.raises(RunError, match="another process"), Run.open(tmp_path, config):
        pass
    with Run.open(tmp_path, config):  # and then it is free
        pass


@pytest.mark.parametrize("name", [".lock", "last.safetensors", "metrics.jsonl", "config.toml", "samples"])
def test_no_link_leads_out_of_the_folder(name, text, tmp_path):
    from minigrad_rnn.training import RunError

    folder, outside = tmp_path / "run", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    target = outside if name == "samples" else outside / "file"
    if name != "samples":
        target.write_text("")
    (folder / name).symlink_to(target)
    with pytest.raises((RunError, CheckpointError), match="leads out"):
        trained(Config(text=text, **SMALL), folder)
    assert os.listdir(outside) == ([] if name == "samples" else ["file"])
    assert name == "samples" or target.read_text() == ""


def test_states_as_json():
    a, b = mg.zeros(2), mg.ones(3)
    for state in (None, a, (a, b), [(a, b), b], [a]):
        parts, form = split(state)
        again = join(json.loads(json.dumps(form)), parts)
        assert type(again) is type(state)
        assert split(again) == (parts, form)


def damaged(path, tensors=None, **description):
    """Write the checkpoint at `path` again with some of it changed."""
    from minigrad.serialize import load_with_metadata

    state, metadata = load_with_metadata(path)
    state = {name: on_host(t.data) for name, t in state.items()}
    for name, change in (tensors or {}).items():
        if change is None:
            del state[name]
        else:
            state[name] = change(state.get(name))
    told = json.loads(metadata["training"])
    for name, value in description.items():
        if name in told:
            told[name] = value
        else:
            told["progress"][name] = value
    mg.save(path, state, metadata | {"training": json.dumps(told)})


def with_nan(array):
    array = array.copy()
    array.flat[0] = np.nan
    return array


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "99"}, "upgrade minigrad"),
        ({"progress": {}}, "damaged"),
        ({"progress": []}, "damaged"),
        ({"step": -1}, "damaged"),
        ({"step": "many"}, "damaged"),
        ({"losses": ["x"]}, "damaged"),
        ({"random": []}, "damaged"),
        ({"random": [{"numpy": 3}]}, "damaged"),
        ({"form": {"tuple": [0, 7]}}, "damaged"),
        ({"form": [[[[]]]], "best_step": 10**9}, "damaged"),
        ({"config": {}}, "another"),
        ({"tensors": {"head.weight": None}}, r"missing \['head.weight'\]"),
        ({"tensors": {"extra": lambda _: np.zeros(3)}}, r"not expected \['extra'\]"),
        ({"tensors": {"head.weight": lambda a: a[:-1]}}, "'head.weight' has shape"),
        ({"tensors": {"head.weight": with_nan}}, "'head.weight'"),
        ({"tensors": {"head.weight": lambda a: a.astype("int32")}}, "'head.weight'"),
        ({"tensors": {"training.state.0": lambda a: a[:, :-1]}}, "damaged"),
        ({"tensors": {"training.state.0": None}}, "damaged"),
        ({"tensors": {"training.optimizer.state.0.mean": with_nan}}, "training.optimizer.state.0.mean"),
        ({"tensors": {"training.optimizer.state.0.mean": None}}, "does not fit this Adam"),
        ({"tensors": {"training.optimizer.state.0.step": lambda a: -a}}, "does not fit this Adam"),
    ],
)
def test_a_damaged_checkpoint_is_refused(text, tmp_path, changes, told):
    config = Config(text=text, **SMALL)
    trained(config, tmp_path, Stop(12))
    damaged(tmp_path / "last.safetensors", **changes)
    with pytest.raises(CheckpointError, match=told) as caught:
        trained(config, tmp_path)
    remedies = ("a copy", "load", "upgrade", "put the file back", "start the run")
    assert any(remedy in caught.value.message for remedy in remedies)


def test_weights_alone_are_no_checkpoint(text, tmp_path):
    trained(Config(text=text, **SMALL), tmp_path)
    with pytest.raises(CheckpointError, match="weights alone"):
        Checkpoint.load(tmp_path / "model.safetensors")
    CharModel.load(tmp_path / "last.safetensors")  # but a checkpoint is a model too


def test_files_for_tensorboard(text, tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    trained(Config(text=text, tensorboard=True, **SMALL), tmp_path)
    (events,) = (tmp_path / "tensorboard").iterdir()
    data = events.read_bytes()
    assert all(name in data for name in (b"loss", b"validation_bits_per_character", b"norms/head.weight"))


@pytest.mark.on_numpy
@pytest.mark.parametrize("kind", ["characters", "copy-task", "pairs"])
def test_on_another_backend_it_is_the_same_training(there, text, pairs, kind):
    """With a stop in the middle, of which the rest goes on from a checkpoint."""
    file = {"characters": text, "pairs": pairs}.get(kind, "")
    config = Config(kind=kind, text=file, **SMALL)
    losses = []
    for backend in ("numpy", there.name):
        with mg.use_backend(backend):
            trainer = mr.training.Trainer(make_task(config), config)
            for _ in range(6):
                trainer.update()
            other = mr.training.Trainer(make_task(config), config)
            other.restore(trainer.checkpoint())
            for _ in range(6):
                other.update()
            other.read()
            losses.append(other.losses + list(other.validate().values()))
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-4)


def test_a_model_that_does_not_fit_in_memory(text):
    with pytest.raises(ConfigError, match="make it smaller"):
        make_task(Config(text=text, hidden=10**8))
