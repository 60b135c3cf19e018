"""The reference's examples: every public name has one, which says its name, and prints what it says."""

import doctest
import importlib.util
import re
import shutil

import pytest
from test_docstrings import PUBLIC, extension

shown = extension("examples")
EXAMPLES = [pytest.param(example, id=", ".join(example.names)) for example in shown.examples()]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.on_numpy
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_prints_what_it_says(example, tmp_path, monkeypatch):
    for needed in example.needs:  # a module, or a program if that is no name of one
        if not (importlib.util.find_spec(needed) if needed.isidentifier() else shutil.which(needed)):
            pytest.skip(f"{needed} is not installed")
    monkeypatch.chdir(tmp_path)
    given = {}
    exec(shown.PRELUDE, given)
    test = doctest.DocTestParser().get_doctest(example.session, given, example.names[0], None, 0)
    told = []
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=told.append).failed == 0, "".join(told)
    assert test.examples


def test_every_public_name_has_one_example_that_says_its_name():
    known = [name for example in shown.examples() for name in example.names]
    assert sorted(known) == sorted(PUBLIC), sorted(set(known) ^ set(PUBLIC)) or "twice"
    for example in shown.examples():
        for name in example.names:
            assert re.search(rf"\b{name.rpartition('.')[2]}\b", example.session), name
