"""notebooks/idea.ipynb, cell by cell: what it shows and what it leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from narcis.errors import BadInput
from narcis.mecene import imagine
from narcis.settings import HOME

WEIGHTS = HOME / "narcis" / "mini" / "weights" / "model_index.json"
pytestmark = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason=f"the embedded model's weights are not in {WEIGHTS.parent}"
)


def run(out: Path, **given: Any) -> dict[str, Any]:
    """The notebook's names after its last cell."""
    cells = json.loads((HOME / "notebooks" / "idea.ipynb").read_text())["cells"]
    parameters, *rest = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    space: dict[str, Any] = {}
    exec(parameters, space)
    space.update(given, out=str(out))
    for source in rest:
        exec(source, space)
    return space


def test_the_folder_holds_every_idea_with_the_seed_that_paints_it(tmp_path: Path):
    manifest = run(tmp_path / "run", words="winter queen", seed=4, alternatives=2, class_word="woman")["run"].manifest()
    assert manifest["state"] == "succeeded" and manifest["words"] == "winter queen" and manifest["images"] == []
    assert [one["seed"] for one in manifest["thoughts"]] == [4, 5, 6]
    for thought in manifest["thoughts"]:
        assert thought["prompt"] == imagine("winter queen", thought["seed"], "woman").prompt
    assert [one["writer"] for one in manifest["ideas"]] == ["lexicon"] * 3


def test_more_photos_leave_less_room_for_words(tmp_path: Path):
    one, two = (run(tmp_path / str(n), photos=n, alternatives=0) for n in (1, 2))
    rooms = [space["wording"].room(space["painter"], space["photos"]) for space in (one, two)]
    assert rooms[0] - rooms[1] == one["painter"].id_encoder.config.tokens


def test_what_is_not_painted_is_declined_here_too(tmp_path: Path):
    with pytest.raises(BadInput, match="nobody who lives"):
        run(tmp_path / "run", words="taylor swift")
