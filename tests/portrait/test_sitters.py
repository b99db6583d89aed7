from pathlib import Path

import pytest

from narcis.errors import BadInput, NotFound
from narcis.portrait import images, sitters


def test_a_face_is_its_own_file():
    assert sitters.photo(face="me.jpg", seed=3) == Path("me.jpg")


def test_a_sitter_is_found_by_name():
    assert sitters.photo(sitter="hugo").name == "hugo.png"


def test_the_seed_chooses_where_nobody_is_named():
    chosen = {sitters.photo(seed=seed) for seed in range(8)}
    assert chosen == set(sitters.bundled().values()) and len(chosen) == 8
    assert sitters.photo(seed=11) == sitters.photo(seed=11)


def test_two_faces_or_an_unknown_sitter_are_refused():
    with pytest.raises(BadInput, match="name one of them"):
        sitters.photo(face="me.jpg", sitter="ada")
    with pytest.raises(NotFound, match="no sitter zoe; there are ada, bruno"):
        sitters.photo(sitter="zoe")


def test_every_sitter_is_a_photo():
    for path in sitters.bundled().values():
        assert min(images.open_photo(path).size) >= 256
