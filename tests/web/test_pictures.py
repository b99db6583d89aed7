import re

import pytest

from narcis.web.pages import slug

pytest_plugins = ["databases"]


@pytest.fixture
def mine(visitor, paint):
    """A picture that this visitor has ordered and nobody else may see."""
    run = visitor.post("/studio", data={"words": "quiet poet", "sitter": "ada"}).headers["location"].rpartition("/")[2]
    return paint(place="production", run=run)


def test_bytes_are_sent_once(visitor, paint):
    one = paint()
    first = visitor.get(f"/i/{one.id}.avif")
    assert first.headers["content-type"] == "image/avif" and "immutable" in first.headers["cache-control"]
    again = visitor.get(f"/i/{one.id}.avif", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"") and again.headers["etag"] == first.headers["etag"]
    assert visitor.get(f"/i/{one.id}.png", headers={"if-none-match": '"other"'}).content[:4] == b"\x89PNG"


def test_a_private_picture_is_nobody_elses_and_in_no_shared_cache(visitor, stranger, operator, mine):
    for path in (f"/i/{mine.id}.png", f"/i/{mine.id}.avif"):
        assert stranger.get(path).status_code == 404
        for client in (visitor, operator):
            assert client.get(path).headers["cache-control"] == "private, no-cache"
    assert stranger.get(f"/p/quiet-poet-{mine.id}").status_code == 404
    assert stranger.post(f"/p/{mine.id}/place", data={"place": "wall"}).status_code == 404
    page = visitor.get(f"/p/quiet-poet-{mine.id}")
    assert page.headers["cache-control"] == "no-store" and "noindex" in page.text and "og:image" not in page.text


def test_its_owner_hangs_it_and_takes_it_down_at_once(visitor, stranger, mine):
    answer = visitor.post(f"/p/{mine.id}/place", data={"place": "wall"})
    assert answer.headers["location"] == f"/p/quiet-poet-{mine.id}"
    assert stranger.get(f"/i/{mine.id}.avif").status_code == 200
    assert mine.id in stranger.get("/").text
    visitor.post(f"/p/{mine.id}/place", data={"place": "production"})
    assert stranger.get(f"/i/{mine.id}.avif").status_code == 404
    assert mine.id not in stranger.get("/").text


def test_only_operators_curate_and_what_they_put_aside_stays_there(visitor, operator, mine):
    assert visitor.post(f"/p/{mine.id}/place", data={"place": "curated"}).status_code == 422
    assert operator.post(f"/p/{mine.id}/place", data={"place": "discarded"}).status_code == 303
    refused = visitor.post(f"/p/{mine.id}/place", data={"place": "wall"})
    assert refused.status_code == 422 and "put this picture aside" in refused.text


def test_a_page_tells_what_others_show_of_it(visitor, paint):
    one = paint("byzantine emperor")
    page = visitor.get(f"/p/byzantine-emperor-{one.id}").text
    facts = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', page))
    assert facts["title"] == "byzantine emperor" and facts["description"] == "An idea of a byzantine emperor"
    assert facts["image"] == f"http://narcis.test/i/{one.id}.png"
    assert visitor.get(facts["image"]).headers["content-type"] == "image/png"


def test_any_address_of_a_picture_leads_to_its_one(visitor, paint):
    one = paint()
    answer = visitor.get(f"/p/something-else-{one.id}")
    assert (answer.status_code, answer.headers["location"]) == (301, f"/p/quiet-poet-{one.id}")


@pytest.mark.parametrize(
    "words, expected",
    [
        ("Byzantine Emperor", "byzantine-emperor"),
        ("Ströme, Öl!", "strome-ol"),
        ("静かな 詩人", "portrait"),
        ("../..", "portrait"),
        ("//evil.test", "evil-test"),
        ("a" * 200, "a" * 60),
    ],
)
def test_words_in_an_address_are_plain(words, expected):
    assert slug(words) == expected


@pytest.mark.parametrize(
    "path", ["/i/x.png", "/i/../x.png", "/p/x", "/i/x.exe", "/p/" + "0" * 400, "/static/../app.py"]
)
def test_what_is_not_there_is_said_kindly(visitor, path):
    assert visitor.get(path).status_code in (404, 422)
