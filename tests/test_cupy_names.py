"""Every name and keyword of the array library that the code uses is there in the CuPy that is installed.

CuPy can be imported without a driver, so this holds the code against it where there is no GPU.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import strict

import minigrad
import minigrad_rnn

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

FILES = [file for package in (minigrad, minigrad_rnn) for file in sorted(Path(package.__file__).parent.rglob("*.py"))]
UFUNC_KEYWORDS = {"out", "dtype"}


def uses(tree: ast.AST) -> Iterator[tuple[str, ast.Call | None]]:
    """Each `xp.NAME` or `….xp.NAME` in the code, and the call if it is called."""
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            names, base = [node.attr], node.value
            while isinstance(base, ast.Attribute) and base.attr != "xp":
                names, base = [base.attr, *names], base.value
            if (isinstance(base, ast.Name) and base.id == "xp") or (
                isinstance(base, ast.Attribute) and base.attr == "xp"
            ):
                yield ".".join(names), calls.get(id(node))


FOUND = {
    (
        name,
        tuple(sorted(keyword.arg or "**" for keyword in call.keywords)) if call else (),
        len(call.args) if call else 0,
    )
    for file in FILES
    for name, call in uses(ast.parse(file.read_text()))
}


def lookup(name: str):
    found = cupy
    for part in name.split("."):
        found = getattr(found, part)
    return found


def test_there_is_something_to_check():
    assert len(FOUND) > 120
    assert {"add.at", "linalg.svd", "lib.stride_tricks.sliding_window_view"} <= {name for name, _, _ in FOUND}
    assert any("keepdims" in keywords for _, keywords, _ in FOUND)


@pytest.mark.parametrize(("name", "keywords", "count"), sorted(FOUND), ids=str)
def test_cupy_has_it(name, keywords, count):
    function = lookup(name)
    if isinstance(function, cupy.ufunc):
        assert set(keywords) <= UFUNC_KEYWORDS
        assert count <= function.nargs
        return
    try:
        signature = inspect.signature(function)
    except ValueError:  # compiled: at least its keywords stand in what it says of itself
        assert all(re.search(rf"\b{keyword}\b", function.__doc__ or "") for keyword in keywords)
        return
    names = [keyword for keyword in keywords if keyword != "**"]
    signature.bind_partial(*[None] * count, **dict.fromkeys(names))


METHOD_KEYWORDS = {
    (node.func.attr, keyword.arg)
    for file in FILES
    for node in ast.walk(ast.parse(file.read_text()))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in strict.METHODS.split()
    for keyword in node.keywords
    if keyword.arg
}


@pytest.mark.parametrize(
    "name", [*strict.METHODS.split(), *strict.WAITING_METHODS.split(), *[f"__{o}__" for o in strict.OPERATORS.split()]]
)
def test_cupys_arrays_have_the_method(name):
    method = getattr(cupy.ndarray, name)
    for keyword in sorted(keyword for known, keyword in METHOD_KEYWORDS if known == name):
        assert re.search(rf"\b{keyword}\b", method.__doc__), keyword


@pytest.mark.parametrize("name", [*strict.FUNCTIONS.split(), *strict.WAITING_FUNCTIONS.split()])
def test_the_stand_in_has_nothing_that_cupy_lacks(name):
    assert callable(lookup(name))


@pytest.mark.parametrize("name", strict.LINALG.split())
def test_the_stand_in_has_no_linear_algebra_that_cupy_lacks(name):
    assert callable(lookup(f"linalg.{name}"))
