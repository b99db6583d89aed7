import json
import re

import pytest
from visiting import image

from narcis.jobs import catalog, queue
from narcis.records import queries
from narcis.web import ops, orderform

pytest_plugins = ["databases"]

PATHS = ("/ops", "/ops/pictures", "/ops/cache", "/ops/jobs/portrait", "/ops/runs/{run}", "/ops/runs/{run}/notebook")


def executed(store, run: str) -> None:
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Found\n<script>top.location='/'</script>"}
    figure = f"figures/{'cd' * 32}.png"
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/html": f"<img src='{figure}' onerror='x()'>"},
    }
    code = {"cell_type": "code", "id": "b", "metadata": {}, "source": "1", "execution_count": 1, "outputs": [output]}
    store.put(f"notebooks/{figure}", image())
    notebook = {"cells": [cell, code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    store.put(f"notebooks/{run}.ipynb", json.dumps(notebook).encode())


def test_to_everybody_else_the_desk_is_not_there(visitor, operator, paint, store):
    run = paint().run
    executed(store, run)
    for path in PATHS:
        assert visitor.get(path.format(run=run)).status_code == 404, path
        assert operator.get(path.format(run=run)).status_code == 200, path
    for path in (f"/ops/runs/{run}/retry", "/ops/cache", "/ops/jobs/portrait"):
        assert visitor.post(path).status_code == 404
    assert visitor.post("/ops/pictures", data={"id": "x", "place": "wall"}).status_code == 404


def test_guessing_the_key_ends_soon(visitor):
    codes = [visitor.post("/ops/enter", data={"key": f"guess {i}"}).status_code for i in range(12)]
    assert codes == [403] * 10 + [429] * 2
    assert visitor.get("/ops").status_code == 404


def test_without_a_key_nobody_enters(app, visitor):
    object.__setattr__(app.state.house, "operator_key", None)
    answer = visitor.post("/ops/enter", data={"key": "None"})
    assert answer.status_code == 403 and "NARCIS_OPERATOR_KEY" in answer.text
    assert visitor.post("/ops/enter", data={"key": ""}).status_code in (403, 422)


def test_an_operator_leaves_for_good(operator):
    cookie = operator.cookies["narcis"]
    operator.post("/ops/leave")
    operator.cookies.set("narcis", cookie)
    assert operator.get("/ops").status_code == 404


def test_a_notebook_is_a_stranger_that_may_only_look_well(operator, paint, store):
    run = paint().run
    executed(store, run)
    answer = operator.get(f"/ops/runs/{run}/notebook")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'") and "script" not in policy
    assert "Found" in answer.text and "data:image/png;base64," in answer.text and "<script" not in answer.text
    assert f'sandbox="" src="/ops/runs/{run}/notebook"' in operator.get(f"/ops/runs/{run}").text


def test_runs_are_chosen_and_turned_over(operator, engine, monkeypatch):
    monkeypatch.setattr(ops, "PAGE", 2)
    made = [queue.submit(engine, "portrait", {"words": f"word {i}"}, by="cli:anna") for i in range(3)]
    queue.submit(engine, "mask", {}, by="cli:bo")
    page = operator.get("/ops", params={"job": "portrait", "by": "cli:anna"}).text
    assert re.findall(r'href="/ops/runs/([^"]+)"', page) == made[:0:-1]
    (older,) = re.findall(r'href="(/ops\?[^"]*before=[^"]+)"', page.replace("&amp;", "&"))
    assert re.findall(r'href="/ops/runs/([^"]+)"', operator.get(older).text) == [made[0]]
    assert "No run is like that" in operator.get("/ops?state=failed").text
    assert operator.get("/ops?state=lost").status_code == 422


def test_a_run_is_cancelled_and_run_again(operator, engine):
    id = queue.submit(engine, "portrait", {"words": "iron queen"}, by="cli:anna")
    operator.post(f"/ops/runs/{id}/cancel")
    assert queries.run(engine, id).state == "cancelled"
    again = operator.post(f"/ops/runs/{id}/retry").headers["location"].rpartition("/")[2]
    run = queries.run(engine, again)
    assert run.parent == id and run.by == "desk:operator"
    assert "cancelled by desk:operator" in operator.get(f"/ops/runs/{id}").text


def test_any_job_has_its_form(operator):
    for name, job in catalog.jobs().items():
        page = operator.get(f"/ops/jobs/{name}").text
        for field in orderform.fields(job):
            assert f'name="{field.name}"' in page, (name, field)


def test_a_form_gives_what_differs_from_the_defaults(operator, engine, store):
    job = catalog.find("portrait")
    sent = {field.name: field.default for field in orderform.fields(job) if field.kind != "file"}
    sent |= {"words": "iron queen", "steps": "12", "guidance": "3.5"}
    answer = operator.post("/ops/jobs/portrait", data=sent, files={"face": ("me.png", image(), "image/png")})
    run = queries.run(engine, answer.headers["location"].rpartition("/")[2])
    face = run.values.pop("face")
    assert run.values == {"words": "iron queen", "steps": 12, "guidance": 3.5}
    assert store.get(face.removeprefix("store:"))[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    "sent, said",
    [
        ({"steps": "0"}, "steps is 0"),
        ({"steps": "many"}, "steps is &#39;many&#39;"),
        ({"face": "/etc/passwd"}, "face is a file"),
        ({"face": "store:faces/x/y.png"}, "face is a file"),
        ({"sitter": "mona"}, "sitter is &#39;mona&#39;"),
    ],
)
def test_a_form_with_something_wrong_comes_back(operator, engine, sent, said):
    answer = operator.post("/ops/jobs/portrait", data={"words": "iron queen", **sent})
    assert answer.status_code == 422 and said in answer.text and 'value="iron queen"' in answer.text
    assert queries.page(engine) == []


def test_pictures_are_judged_together(operator, visitor, paint):
    first, second, third = (paint(place="production") for _ in range(3))
    operator.post("/ops/pictures", data={"id": [first.id, second.id, "gone"], "place": "wall"})
    assert {id for id in (first.id, second.id, third.id) if id in visitor.get("/").text} == {first.id, second.id}
    assert operator.post("/ops/pictures", data={"id": [first.id], "place": "attic"}).status_code == 422
    assert third.id in operator.get("/ops/pictures").text and first.id in operator.get("/ops/pictures?place=wall").text


def test_memory_is_told_and_emptied(app, operator, paint):
    operator.get(f"/i/{paint().id}.avif")
    assert re.search(r"<dt>entries</dt><dd>1</dd>", operator.get("/ops/cache").text)
    operator.post("/ops/cache")
    assert app.state.house.shelf.keys() == []
