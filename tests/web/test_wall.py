import re
import threading

import httpx2
import pytest

from narcis.records import pictures, queries
from narcis.web import wall

pytest_plugins = ["databases"]


def ids(html: str) -> list[str]:
    return re.findall(r'<article class="frame" data-id="([^"]+)"', html)


def next_page(html: str) -> str | None:
    found = re.search(r'href="(/\?before=[^"]+)"', html)
    return found and found[1]


def test_pages_follow_each_other_whatever_is_hung_meanwhile(visitor, paint, monkeypatch):
    monkeypatch.setattr(wall, "PAGE", 3)
    hung = [paint().id for _ in range(7)]
    first = visitor.get("/").text
    assert set(ids(first)) == set(hung[-3:])
    paint()
    second = visitor.get(next_page(first)).text
    third = visitor.get(next_page(second)).text
    assert ids(second) == hung[3:0:-1] and ids(third) == [hung[0]] and next_page(third) is None


def test_frames_alone_are_what_the_page_holds(visitor, paint, monkeypatch):
    monkeypatch.setattr(wall, "PAGE", 2)
    hung = [paint().id for _ in range(4)]
    page = visitor.get("/").text
    (before,) = re.findall(r'data-more="([^"]+)"', page)
    answer = visitor.get("/wall", params={"before": before}).text
    assert ids(answer) == hung[1::-1] and "<html" not in answer


def test_only_what_hangs_is_shown(visitor, paint):
    hung, curated = paint(), paint(place="curated")
    paint(place="production")
    paint(place="discarded")
    assert set(ids(visitor.get("/").text)) == {hung.id, curated.id}


def test_the_order_is_that_of_hanging_not_of_painting(visitor, engine, paint):
    late, early = paint(place="production"), paint()
    pictures.put(engine, late.id, "wall", "me")
    assert ids(visitor.get("/").text) == [late.id, early.id]
    pictures.put(engine, early.id, "wall", "me")  # it hangs already, and stays where it is
    assert ids(visitor.get("/").text) == [late.id, early.id]


def test_a_visit_begins_with_another_sitter_but_what_is_new_stays_in_front(paint, monkeypatch):
    hung = [paint() for _ in range(5)]
    assert wall.turned(hung, 2) == hung
    monkeypatch.setattr(wall, "NEW", wall.NEW * 0)
    assert wall.turned(hung, 2) == hung[2:] + hung[:2]


def test_once_warm_a_page_and_its_pictures_ask_nothing_of_the_store(visitor, store, paint):
    hung = [paint() for _ in range(4)]
    for _ in range(2):
        store.reads.clear()
        page = visitor.get("/").text
        for one in hung:
            assert visitor.get(f"/i/{one.id}.avif").status_code == 200
    assert store.reads == [] and page.count("data:image/webp;base64,") == 4


def test_a_page_of_48_is_light(visitor, paint, store):
    for _ in range(48):
        paint("ethereal beauty")
    answer = visitor.get("/")
    thumbs = sum(int(visitor.get(f"/i/{id}.avif").headers["content-length"]) for id in ids(answer.text))
    assert len(answer.content) < 100_000 and len(ids(answer.text)) == 48
    assert thumbs + len(answer.content) < 1_000_000


@pytest.mark.parametrize("place", ["", "x", "1", "9" * 18 + ".x", "-1.x", "１.x", "1.\n", "1." + "x" * 40])
def test_what_is_no_place_on_the_wall_is_refused(visitor, place):
    assert visitor.get("/wall", params={"before": place}).status_code == 422 or place == "1"


def test_words_are_words_whatever_they_hold(visitor, paint):
    paint("<script>alert(1)</script>")
    paint('"><img src=x onerror=alert(1)>')
    page = visitor.get("/").text
    assert "<script>alert" not in page and "<img src=x" not in page and "&lt;script&gt;" in page


def events(address: str, count: int, headers: dict[str, str] | None = None, after: str = "") -> list[tuple[str, str]]:
    """The first events of the wall, as (id, picture)."""
    found = []
    with httpx2.stream("GET", f"{address}/wall/events", params={"after": after}, headers=headers, timeout=20) as stream:
        at = ""
        for line in stream.iter_lines():
            if "data-id=" in line:
                (at,) = re.findall(r'data-id="([^"]+)"', line)
            if line.startswith("id: "):
                found.append((line[4:], at))
            if len(found) == count:
                return found
    return found


def test_who_looks_is_told_of_what_is_hung_and_who_comes_back_of_what_was_missed(address, paint):
    before = paint()
    told: list = []
    thread = threading.Thread(target=lambda: told.extend(events(address, 2, after=wall.named(before.at))))
    thread.start()
    new = [paint(), paint()]
    thread.join(20)
    assert [id for _, id in told] == [one.id for one in new]
    assert [id for id, _ in told] == [wall.named(one.at) for one in new]
    assert [id for _, id in events(address, 1, {"last-event-id": told[0][0]})] == [new[1].id]
    assert [id for _, id in events(address, 3, {"last-event-id": "0."})] == [before.id, *(one.id for one in new)]


def test_a_stream_from_nowhere_is_refused(visitor):
    assert visitor.get("/wall/events", params={"after": "nowhere"}).status_code == 422
    assert visitor.get("/wall/events", headers={"last-event-id": "nowhere"}).status_code == 422


def test_what_is_taken_down_and_hung_again_is_new(engine, paint):
    one = paint()
    pictures.put(engine, one.id, "production", "me")
    assert queries.wall(engine) == []
    pictures.put(engine, one.id, "wall", "me")
    (again,) = queries.wall_since(engine, one.at)
    assert again.id == one.id and again.at.placed_at > one.at.placed_at
