import pytest
import torch
from PIL import Image

from narcis.folder import RunFolder
from narcis.lab import progress
from narcis.portrait import sdxl
from narcis.portrait.models import Model
from narcis.portrait.sampling import Moment, Step


class Painter(Model):
    """As much of a model as a preview needs: latents are their own colours."""

    preview = sdxl.Preview(torch.eye(3), torch.zeros(3))  # type: ignore[assignment]

    def __init__(self) -> None:
        pass


@pytest.fixture
def painter() -> Painter:
    return Painter()


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "run")


def moments(n: int, width: int = 4):
    for i in range(n):
        yield Moment(
            Step(i, n, n - i, n - i - 1, 0.0), torch.zeros(1, 3, 2, width), torch.full((1, 3, 2, width), i / n)
        )


@pytest.mark.parametrize("n", [1, 2, 5, 20, 150])
def test_every_step_is_told_and_some_are_shown(n: int, painter, run: RunFolder):
    film = progress.follow(moments(n), painter, run, "compose")
    events = run.events()
    assert [(event.stage, event.step, event.of) for event in events] == [("compose", i + 1, n) for i in range(n)]
    shown = [event.preview for event in events if event.preview]
    assert len(shown) == len(film.frames) == min(n, progress.FRAMES)
    assert film.frames[-1].step == n and film.frames[0].step == 1
    assert all((run.path / name).is_file() for name in shown)


def test_the_last_clean_latents_are_what_a_film_ends_with(painter, run: RunFolder):
    assert (progress.follow(moments(4), painter, run, "compose").clean == 0.75).all()


def test_previews_are_small_and_keep_their_shape(painter, run: RunFolder):
    film = progress.follow(moments(1, width=4), painter, run, "compose")
    assert film.frames[0].picture.size == (progress.SIDE, progress.SIDE // 2)
    (preview,) = (run.path / "previews").iterdir()
    with Image.open(preview) as kept:
        assert kept.size == film.frames[0].picture.size


def test_one_of_several_pictures_counts_on_from_the_ones_before(painter, run: RunFolder):
    for part in range(3):
        progress.follow(moments(4), painter, run, "refine", part=part, parts=3)
    events = run.events()
    assert [event.step for event in events] == list(range(1, 13)) and {event.of for event in events} == {12}
    assert len(list((run.path / "previews").iterdir())) == 12


def test_a_loop_without_steps_is_a_mistake(painter, run: RunFolder):
    with pytest.raises(ValueError, match="no moments"):
        progress.follow([], painter, run, "compose")


def test_the_bar_says_how_far_it_is_and_shows_the_preview():
    html = progress.Bar("a <b>").html(3, 8, Image.new("RGB", (2, 2)))
    assert 'value="3" max="8"' in html and "a &lt;b&gt;" in html and 'src="data:image/png;base64,' in html
