"""The README's Python runs as it stands, and prints what it says; its links lead somewhere; it is one page."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.split("\n")[-2][:20])
def test_block(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(README), "exec"), {})
    told = " ".join(capsys.readouterr().out.split())
    for promised in re.findall(r"print\(.*#\s*(.+)", code):
        pattern = re.escape(" ".join(promised.split())).replace(r"\.\.\.", r"\d+")
        assert re.search(pattern, told), told
    for name in re.findall(r'save\("(.+?)"\)', code):
        start = {".svg": "<svg", ".html": "<!doctype html>"}[Path(name).suffix]
        assert (tmp_path / name).read_text(encoding="utf-8").lower().startswith(start)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", TEXT))))
def test_link(link):
    assert (README.parent / link).exists()


def test_commands():
    from minigrad_rnn.cli import COMMANDS

    table = TEXT.partition("## The command line")[2].partition("##")[0]
    named = {word for row in re.findall(r"^\| `(.*?) \|", table, re.MULTILINE) for word in re.findall(r"[a-z]+", row)}
    assert set(COMMANDS) <= named


def test_it_is_one_page():
    assert TEXT.count("\n") <= 110
