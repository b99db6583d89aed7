"""The small trainings' loop: it goes downhill, for as long as it is told."""

import time

import torch

from narcis.mini.training import loop


def test_it_walks_down_a_bowl_until_its_minutes_are_used_up():
    x, said, began = torch.tensor([3.0, -2.0], requires_grad=True), [], time.monotonic()
    loop.train("bowl", [x], lambda: x.square().sum(), minutes=0.02, top=0.1, decay=0.0, say=said.append, every=50)
    assert 1.0 < time.monotonic() - began < 10
    assert x.abs().max() < 0.1 and said[0].startswith("bowl: step 50, ")
