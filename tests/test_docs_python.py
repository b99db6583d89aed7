"""The Python of the documents runs, block after block, on the embedded model."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if "```python" in page.read_text()]
WEIGHTS = ROOT / "narcis" / "mini" / "weights" / "model_index.json"
painted = pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"the embedded model's weights are not in {WEIGHTS.parent}")


@painted
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_runs_after_those_before_it(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        exec(block, names)
