"""The gallery in docs/ is what its script makes."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

GALLERY = Path(__file__).parent.parent / "docs" / "gallery"
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("gallery", GALLERY / "make.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    folder = tmp_path_factory.mktemp("gallery")
    script.make(folder)
    return folder


def test_same_files(made):
    there = {path.name for path in GALLERY.iterdir() if path.suffix in (".svg", ".html", ".md")}
    assert {path.name for path in made.iterdir()} == there


@pytest.mark.parametrize("name", sorted(path.name for path in GALLERY.iterdir() if path.suffix in (".svg", ".md")))
def test_pictures_are_true(made, name):
    """Words are equal, and numbers but for the last digit, which may differ between machines."""
    now, then = (folder / name for folder in (made, GALLERY))
    told = "run: python docs/gallery/make.py"
    words, old_words = (NUMBER.split(file.read_text(encoding="utf-8")) for file in (now, then))
    assert words == old_words, told
    numbers, old = (np.array(NUMBER.findall(file.read_text(encoding="utf-8")), float) for file in (now, then))
    np.testing.assert_allclose(numbers, old, rtol=0.02, atol=0.2, err_msg=told)


def test_files_are_small():
    assert max(path.stat().st_size for path in GALLERY.iterdir()) < 500_000
