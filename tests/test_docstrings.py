"""What the reference is made of: every public name has a docstring of its own, and stands in the reference once."""

import inspect
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from minigrad_rnn import cells

DOCS = Path(__file__).parent.parent / "docs"


def extension(name):
    """A module of `docs/_ext`."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(DOCS / "_ext"))


names = extension("names")
PUBLIC = {f"{place}.{name}": what for place, found in names.public().items() for name, what in found.items()}
SELF_EVIDENT = {"self", "cls", "dtype"}
DIRECTIVE = re.compile(r"^\.\. public:: (\S+)(?: (\S+))?$", re.MULTILINE)


def members(kind):
    """The methods and properties that a class has of its own, by name."""
    return {
        name: getattr(kind, name)
        for name, given in vars(kind).items()
        if not name.startswith("_") and (isinstance(given, property) or inspect.isroutine(inspect.unwrap(given)))
    }


CELLS = {cells.get(name) for name in cells.names()}
NAMED = [(name.rpartition(".")[2], what) for name, what in PUBLIC.items()]
NAMED += [(f"{kind.__name__}.{name}", what) for _, kind in NAMED if inspect.isclass(kind)
          for name, what in members(kind).items()]  # fmt: skip


def package(what):
    return getattr(what, "__module__", "").partition(".")[0]


def words(text):
    return {word.lower() for word in re.findall(r"[^\W\d]\w*", text, re.ASCII)}


def said_of(what, depth=3):
    """The words of a docstring, of those that it refers to in backticks, and of the modules that it is in."""
    text = inspect.getdoc(what) or ""
    found = words(text)
    for name in re.findall(r"`([\w.]+)[^`]*`", text) if depth else ():
        meant = [other for known, other in NAMED if known == name.removeprefix("mg.")]
        for other in [other for other in meant if package(other) == package(what)] or meant:
            found |= said_of(other, depth - 1)
    home = getattr(what, "__module__", "")
    while home and depth == 3:
        found |= words(sys.modules[home].__doc__ or "")
        home = home.rpartition(".")[0]
    return found


def unsaid(what, told):
    """Parameters that `told` lacks. The first of a function is what its docstring is about; `*args` say themselves."""
    try:
        parameters = [p for p in inspect.signature(what).parameters.values() if p.name not in SELF_EVIDENT]
    except ValueError:  # built-in
        return []
    asked = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not inspect.isclass(what):
        asked = [name for name in asked if name != parameters[0].name]
    return [name for name in asked if not (name.lower() in told or set(name.lower().split("_")) <= told)]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_is(name):
    what = PUBLIC[name]
    text = vars(what).get("__doc__") if inspect.isclass(what) else what.__doc__
    assert text, f"{name} has no docstring of its own"
    if not (inspect.isclass(what) and issubclass(what, Exception)):
        assert not unsaid(what, said_of(what)), f"{name} does not say what these are"
    for member, method in members(what).items() if inspect.isclass(what) else ():
        assert inspect.getdoc(method), f"{name}.{member} has no docstring"
        if inspect.isroutine(method) and method.__doc__ and not method.__module__.startswith("minigrad.ops"):
            missing = unsaid(method, said_of(method) | said_of(what))
            assert not missing, f"{name}.{member} does not say what these are: {missing}"


# What was published: its docstring, or that of its module, says where. A new cell joins by itself.
PUBLISHED = {
    "minigrad": """relu elu selu leaky_relu gelu silu softplus hard_sigmoid erf erfc conv1d conv2d scan checkpoint hvp
        jvp""",
    "minigrad.linalg": "cholesky det eigh inv matrix_power multi_dot pinv qr slogdet solve svd",
    "minigrad.nn": "BatchNorm Conv1d Dropout LayerNorm RMSNorm ctc_loss cross_entropy huber_loss kl_div smooth_l1_loss",
    "minigrad.nn.init": """gain glorot glorot_normal he he_normal lecun lecun_normal orthogonal identity sparse
        chrono""",
    "minigrad.optim": """SGD Adagrad Adam AdamW RMSprop clip_grad_norm cosine inverse_sqrt one_cycle warmup""",
    "minigrad_rnn": """AdditiveAttention BilinearAttention DotAttention Noise Recurrent Seq2Seq beam ctc_greedy
        ctc_prefix_beam exponential_decay gradflow inverse_sigmoid_decay jacobian_bound length_penalty linear_decay
        sampling_probabilities soft_dtw truncated_bptt""",
    "minigrad_rnn.cells": "ChildSumTreeLSTM",
    "minigrad_rnn.metrics": "chrf edit_distances error_rate",
    "minigrad_rnn.search": "Annealing Genetic",
    "minigrad_rnn.data": "NGram subsampled",
    "minigrad_rnn.data.plants": "narendra_plant schmitt_trigger two_sines",
    "minigrad_rnn.data.speech": "mel mel_filters",
    "minigrad_rnn.data.synthetic": "adding_problem copy_task cylinder_bell_funnel timed_spikes",
}
SOURCED = [f"{place}.{name}" for place, found in PUBLISHED.items() for name in found.split()]
SOURCED += [name for name, what in PUBLIC.items() if inspect.isclass(what) and what in CELLS]


@pytest.mark.parametrize("name", SOURCED)
def test_what_was_published_says_where(name):
    what = PUBLIC[name]
    told = f"{inspect.getdoc(what)} {sys.modules[what.__module__].__doc__}"
    assert re.search(r"\b(1[89]|20)\d\d\b", told), f"{name}: name the paper, its year, and the equation"


def test_no_docstring_is_found_at_two_names_by_accident():
    found = {}
    for name, what in PUBLIC.items():
        found.setdefault(inspect.getdoc(what), {})[id(what)] = name
    assert [list(alike.values()) for alike in found.values() if len(alike) > 1] == []


def test_an_operation_has_its_own_name_signature_and_module():
    import minigrad as mg

    operations = {name: what for name, what in PUBLIC.items() if hasattr(what, "op")}
    assert len(operations) > 70
    for name, what in operations.items():
        own = import_module(what.__module__)
        assert getattr(own, what.__name__) is what, name
        assert list(inspect.signature(what).parameters) == [*what.op.arrays, *what.op.options], name
    assert str(inspect.signature(mg.tanh)) == "(x)"
    assert str(inspect.signature(mg.add)) == "(x, y, /)"
    assert str(inspect.signature(mg.where)) == "(condition, x, y)"
    assert mg.isnan.__doc__.endswith("Has no gradient.")
    assert "ShapeError" in mg.add.__doc__


def test_an_operation_of_the_users_own_says_what_it_was_given():
    import minigrad as mg

    def cube(xp, x):
        """x³."""
        return x * x * x

    assert mg.primitive("cube", cube).__doc__ == "x³."
    assert mg.primitive("cube", lambda xp, x: x**3).__doc__ is None
    assert mg.primitive("cube", lambda xp, x: x**3, vjp=[lambda g, x: 3 * g * x * x], doc="x³.").__doc__ == "x³."
    assert mg.primitive("cube", cube).__module__ == __name__


def test_the_reference_has_every_public_name_once():
    shown = []
    for page in sorted((DOCS / "reference").glob("*.md")):
        for home, place in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            shown += [f"{place or home}.{name}" for name in names.part(home, place or home)]
    assert len(shown) == len(set(shown)), sorted(name for name in shown if shown.count(name) > 1)
    assert set(shown) == set(PUBLIC), sorted(set(PUBLIC) ^ set(shown))


def test_the_index_of_the_reference_names_every_page():
    index = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in (DOCS / "reference").glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\((\S+\.md)\)", index)) == pages


def test_modules_of_others_are_no_names_of_ours():
    for place in names.PLACES:
        if hasattr(import_module(place), "__path__") and not hasattr(import_module(place), "__all__"):
            found = vars(import_module(place)).items()
            strange = [name for name, what in found if inspect.ismodule(what) and not name.startswith("_")
                       and not what.__name__.startswith("minigrad")]  # fmt: skip
            assert strange == [], place


EXAMPLES = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in sorted((DOCS / "reference").glob("*.md"))
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]


@pytest.mark.on_numpy
@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_prints_what_it_says(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "reference", "exec"), {})
    promised = re.findall(r"print\(.*(?:  |\n *)# (.+)", code)
    assert len(promised) == code.count("print(") > 0
    assert capsys.readouterr().out.splitlines() == promised


def test_every_page_of_the_reference_has_an_example():
    pages = {page.stem for page in (DOCS / "reference").glob("*.md")} - {"index"}
    assert {example.id.rpartition("-")[0] for example in EXAMPLES} == pages
