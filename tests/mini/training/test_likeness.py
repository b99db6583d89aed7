"""The critic sees in latents the face that the recogniser would see in the picture."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from narcis.mini.recogniser import SIZE, TEMPLATE, Recogniser, align
from narcis.mini.training import latents, likeness


@pytest.fixture(scope="module")
def linear():
    rng = np.random.default_rng(0)
    return latents.fit(rng.integers(0, 256, (6, 256, 256, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def critic(linear):
    torch.manual_seed(0)
    return likeness.Critic(Recogniser(widths=(4, 8, 8, 8)), linear)


def turned(scale: float, angle: float, move: tuple[float, float]) -> np.ndarray:
    """Five points [5, 2] of a face that lies turned in a frame of 256 px."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return (TEMPLATE - 0.5) * SIZE @ np.array([[c, s], [-s, c]]) + 128 + np.array(move)


def test_the_aligned_face_is_the_recognisers():
    smooth = cv2.resize(
        np.random.default_rng(1).integers(0, 256, (12, 12, 3)).astype(np.uint8),
        (256, 256),
        interpolation=cv2.INTER_CUBIC,
    )
    five = turned(1.4, 0.2, (9, -6))
    way = torch.from_numpy(likeness.alignment(five))[None]
    picture = torch.from_numpy(smooth).permute(2, 0, 1)[None].float()
    ours = F.grid_sample(picture, F.affine_grid(way, [1, 3, SIZE, SIZE], align_corners=False), align_corners=False)
    theirs = align(smooth, five).astype(float)
    assert np.abs(ours[0].permute(1, 2, 0).numpy() - theirs).mean() < 0.5  # grey levels; OpenCV rounds to 1/32 px


def test_faces_are_seen_in_the_linear_picture_at_half_its_size(critic, linear):
    z = torch.randn(2, latents.CHANNELS, 16, 16, generator=torch.Generator().manual_seed(2))
    half = F.avg_pool2d(linear.decode(z), 2)
    ways = torch.from_numpy(np.stack([likeness.alignment(turned(s, 0.1, (3, 4))) for s in (1.8, 3.0)]))
    grid = F.affine_grid(ways, [2, 3, SIZE, SIZE], align_corners=False)
    expected = F.grid_sample(half, grid, align_corners=False, padding_mode="border")
    assert torch.allclose(critic.faces(z, ways), expected, atol=1e-4)


def test_nobody_misses_himself_and_the_loss_pulls_at_the_guess_alone(critic):
    gen = torch.Generator().manual_seed(3)
    truth, other = torch.randn(2, 3, latents.CHANNELS, 16, 16, generator=gen)
    ways = torch.from_numpy(likeness.alignment(turned(2.0, 0.0, (0, 0)))).repeat(3, 1, 1)
    assert critic.miss(truth, truth, ways).abs().max() < 1e-4
    guess = other.clone().requires_grad_()
    critic.miss(guess, truth, ways).sum().backward()
    assert guess.grad is not None and guess.grad.abs().sum() > 0
    assert all(p.grad is None for p in critic.parameters())
