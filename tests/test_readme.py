"""The README's Python runs as it stands, and prints what it says."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


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
