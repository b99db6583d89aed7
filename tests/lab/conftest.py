"""The embedded model, once for all tests of what notebooks look with."""

from __future__ import annotations

import pytest

from narcis.portrait import models
from narcis.settings import HOME

WEIGHTS = HOME / "narcis" / "mini" / "weights" / "model_index.json"


@pytest.fixture(scope="session")
def mini() -> models.Model:
    if not WEIGHTS.is_file():
        pytest.skip(f"the embedded model's weights are not in {WEIGHTS.parent}")
    return models.load("mini")
