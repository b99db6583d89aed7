import re
import shutil
from pathlib import Path

import pytest

from narcis.records import queries
from narcis.web import pages
from narcis.web.protection import HEADERS

pytest_plugins = ["databases"]


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    """What is looked at here is the same over any database."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'narcis.sqlite')}"


TEMPLATES = sorted((pages.STATIC.parent / "templates").rglob("*.html"))


def unsafe(app) -> list[str]:
    """An address for each route that changes something."""
    paths = app.openapi()["paths"]
    return [re.sub(r"\{\w+\}", "any", path) for path, methods in paths.items() if set(methods) - {"get", "head"}]


@pytest.mark.parametrize(
    "path", ["/", "/studio", "/me", "/nothing", "/static/wall.js", "/p/none", "/i/none.png", "/ops"]
)
def test_every_answer_says_what_a_browser_may_do_with_it(visitor, path):
    headers = visitor.get(path).headers
    for name in HEADERS:
        assert headers[name]
    policy = headers["content-security-policy"]
    assert "script-src 'self';" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    assert "strict-transport-security" not in headers


def test_what_nobody_foresaw_is_answered_with_the_same_headers_and_without_its_text(visitor, monkeypatch):
    monkeypatch.setattr(queries, "wall", lambda *_: 1 / 0)
    answer = visitor.get("/")
    assert answer.status_code == 500 and "division" not in answer.text
    assert all(answer.headers[name] == value for name, value in HEADERS.items())


def test_behind_tls_browsers_are_told_to_stay_there(app):
    from fastapi.testclient import TestClient

    with TestClient(app, "https://narcis.test") as client:
        assert "max-age=63072000" in client.get("/").headers["strict-transport-security"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_script_or_style_of_its_own(template):
    text = template.read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"\s(?:on\w+|style)=", text) == []
    assert "|safe" not in text.replace(" ", "") and "<style" not in text


FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://elsewhere.test"},
    {"origin": "null"},
    {"origin": "http://narcis.test:8080"},
    {"origin": "http://narcis.test", "sec-fetch-site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_nothing_can_be_changed_from_another_site(app, visitor, headers):
    paths = unsafe(app)
    assert "/studio" in paths and "/me/forget" in paths and len(paths) > 8
    for path in paths:
        assert visitor.post(path, headers=headers).status_code == 403, path


@pytest.mark.parametrize("headers", [{}, {"origin": "http://narcis.test"}, {"sec-fetch-site": "same-origin"}], ids=str)
def test_own_pages_and_programs_are_let_in(visitor, headers):
    assert visitor.post("/me/forget", headers=headers).status_code == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read(visitor):
    answer = visitor.post(
        "/studio", content=b"x" * (17 << 20), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 413
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


def test_health_and_readiness_are_told_apart(visitor, engine, monkeypatch):
    from narcis.errors import Unavailable
    from narcis.records import db

    assert visitor.get("/health").json() == {"state": "well"}
    assert visitor.get("/ready").json() == {"state": "ready", "amiss": []}

    def behind(_):
        raise Unavailable("the database is behind")

    monkeypatch.setattr(db, "check", behind)
    answer = visitor.get("/ready")
    assert answer.status_code == 503 and answer.json()["amiss"] == ["the database is behind"]
    assert visitor.get("/health").status_code == 200
