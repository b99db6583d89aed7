"""A training that begins where the shipped model ends has its parts, and refuses data that it has other latents for."""

import numpy as np
import pytest
import torch

from narcis.errors import BadInput
from narcis.mini import painter
from narcis.mini.analyser import Detector, MiniAnalyser
from narcis.mini.commands import INSTRUMENTS
from narcis.mini.training import begun, plan
from narcis.mini.training.data import Pictures
from narcis.portrait import catalogue

MINI = catalogue.PACKAGE / "mini" / "weights"


def test_the_parts_of_the_model_become_the_trainings_and_what_was_trained_stays(tmp_path):
    torch.save({"kept": torch.ones(1)}, tmp_path / "landmarker.pt")
    begun.unpack(MINI, INSTRUMENTS, tmp_path)
    parts = ("recogniser0", "recogniser1", "detector", "encoder", "decoder", "judge", "landmarker")
    assert {file.stem for file in tmp_path.glob("*.pt")} == set(parts)
    assert "kept" in torch.load(tmp_path / "landmarker.pt")
    net = Detector()
    plan.read_into(net, tmp_path / "detector.pt")
    shipped = MiniAnalyser.from_folder(MINI / "analyser").detector
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), shipped.parameters(), strict=True))
    assert (tmp_path / "tokenizer" / "vocab.json").read_bytes() == (MINI / "tokenizer" / "vocab.json").read_bytes()


def test_other_latents_than_the_models_are_refused(tmp_path):
    """From a dozen pictures comes another code than from the fourteen hundred that mini's was fitted to."""
    made = [painter.paint(painter.sitter(0), painter.scene(np.random.default_rng(0)), 320, 1.0)] * 12
    same = Pictures(
        np.stack([m.pixels for m in made]), np.stack([m.landmarks for m in made]).astype(np.float32), np.zeros(12), []
    )
    with pytest.raises(BadInput, match="other latents than this data"):
        begun.linear_of(MINI, same, tmp_path / "linear.pt")
    assert not (tmp_path / "linear.pt").exists()
