"""docs/notebooks.md shows a whole job; here it is written as shown, and run."""

import re

from narcis.jobs import asking, catalog
from narcis.jobs.worker import Worker
from narcis.records import db, queries
from narcis.settings import HOME

PAGE = (HOME / "docs" / "notebooks.md").read_text(encoding="utf-8")


def block(language: str, n: int = 0) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[n]


def test_the_example_of_the_documentation_is_a_job_in_fifteen_lines(job_file, tmp_path):
    entry = block("yaml").split("\n", 2)[2]  # job_file writes notebook and title itself
    job_file("swatch", entry, block("python"), block("python", 1))
    assert catalog.problems() == []
    lines = [
        line for text in (block("yaml"), block("python"), block("python", 1)) for line in text.splitlines() if line
    ]
    assert len(lines) <= 15
    engine = db.connect()
    db.upgrade(engine)
    id = asking.submit(engine, catalog.find("swatch"), {"colour": "green", "side": 16}, by="cli:anna")
    Worker(engine, asking.the_store()).work(once=True)
    assert queries.run(engine, id).state == "succeeded"
    assert [(p.words, p.width) for p in queries.pictures(engine, id)] == [("green", 16)]


def test_every_term_of_a_job_is_in_the_documentation():
    missing = [name for name in catalog.Terms.model_fields if f"`{name}`" not in PAGE]
    assert missing == []
