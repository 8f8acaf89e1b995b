"""The README's first example runs as it stands, and so do all on the page about checkpoints."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def first_python_block(text):
    block = re.search(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block, "README.md has no ```python block"
    return block[1]


def test_first_block_runs(tmp_path, monkeypatch):
    code = first_python_block(README.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(README), "exec"), {"__name__": "__main__"})


def test_the_page_about_checkpoints_runs(tmp_path, monkeypatch):
    page = README.parent / "docs" / "checkpoints.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks), str(page), "exec"), {"__name__": "__main__"})
