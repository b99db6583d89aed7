"""Claiming reads the partial indexes and no finished run, by the databases' own account."""

import re
import runpy
from pathlib import Path

import pytest
from sqlalchemy import event, text

from narcis.jobs import queue
from narcis.records.db import writing

pytest_plugins = ["databases"]

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "queueing.py"
PARTIAL = {"runs_waiting", "runs_companions", "runs_running"}
BY_ID = {"runs_pkey", "sqlite_autoindex_runs_1", "requesters_pkey"}
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}


@pytest.fixture
def aged(engine):
    """A database with 20,000 finished runs, and some that wait and run."""
    runpy.run_path(str(BENCHMARK))["finished_runs"](engine, 20_000)
    for i in range(30):
        queue.submit(engine, "portrait", {}, by=f"cli:{i % 3}", batch_key="k")
    queue.claim(engine, "w0")
    return engine


def explained(engine, act, verbs: str) -> list[str]:
    """The plans of all that `act` says to the database."""
    said = []

    def hear(connection, cursor, statement, parameters, context, many) -> None:
        if re.match(verbs, statement):
            said.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    with writing(engine) as db:
        rows = [
            row
            for statement, parameters in said
            for row in db.exec_driver_sql(EXPLAIN[engine.dialect.name] + statement, parameters).all()
        ]
    return [str(row[-1]) for row in rows]


def indexes(engine, act, verbs: str = "WITH|SELECT|UPDATE") -> set[str]:
    """Which indexes of runs are read; where the whole table is, the plan says so without one."""
    lines = [
        line for line in explained(engine, act, verbs) if re.search(r"\b(runs|later|first)\b|Bitmap Index Scan", line)
    ]
    named = [re.search(r"(?:using|USING INDEX|COVERING INDEX|Bitmap Index Scan on) (\w+)", line) for line in lines]
    return {found[1] if found else line for line, found in zip(lines, named) if reads(line)}


def reads(line: str) -> bool:
    """PostgreSQL tells of a bitmap twice."""
    return bool(re.search(r"\b(SCAN|SEARCH|Scan)\b", line)) and "Bitmap Heap Scan" not in line


def test_claiming_looks_at_no_finished_run(aged):
    analyse(aged)
    read = indexes(aged, lambda: queue.claim(aged, "w1", most=4))
    assert "runs_waiting" in read and read <= PARTIAL | BY_ID


def test_nor_does_it_where_the_statistics_are_old(aged):
    """What it then updates it has by id; PostgreSQL 18 may find an id by any index that has it, for want of numbers."""
    read = indexes(aged, lambda: queue.claim(aged, "w1", most=4), "WITH|SELECT")
    assert "runs_waiting" in read and read <= PARTIAL | BY_ID


def test_nor_does_the_rescue_or_a_look_at_what_waits(aged):
    analyse(aged)
    assert indexes(aged, lambda: queue.rescue(aged)) <= PARTIAL | BY_ID
    assert indexes(aged, lambda: queue.anything(aged, ["cpu"], None)) <= PARTIAL | BY_ID


def analyse(engine) -> None:
    with writing(engine) as db:
        db.execute(text("ANALYZE"))
