"""What the web carries: `python benchmarks/wall.py [--pictures 100000] [--viewers 200] [--seconds 60]`.

A wall of so many pictures: the time of its first page, of a page half-way down and of a picture, at the server.  Then,
over real connections, so many viewers whose streams stay open while 50 requests a second come in, and a picture is hung
each second; every viewer must be told of each.  The aims: a page of 48 within 20 ms and 1 MB, no error, flat memory.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import Engine, insert

from narcis.records import db, pictures, queries
from narcis.records.queries import Spot
from narcis.records.tables import Picture, Run, new_id, table
from narcis.store import Directory
from narcis.web import wall
from narcis.web.app import AHEAD, create

BEGAN = datetime.now(UTC) - timedelta(days=30)
RATE = 50  # requests a second
RECIPE = {
    "words": "quiet poet",
    "idea": "x" * 200,
    "prompt": "y" * 200,
    "weights": {f"part{i}": "a" * 64 for i in range(6)},
}


def fill(engine: Engine, store: Directory, number: int) -> None:
    """So many runs with a picture each that hangs; those in front have bytes."""
    for start in range(0, number, 5000):
        many = range(start, min(start + 5000, number))
        ids = [new_id() for _ in many]
        with db.writing(engine) as connection:
            connection.execute(insert(table(Run)), [run(id) for id in ids])
            connection.execute(insert(table(Picture)), [picture(id, n) for id, n in zip(ids, many)])
    for one in queries.wall(engine, None, AHEAD):
        store.put(one.key.replace(".png", ".avif"), thumb())


def run(id: str) -> dict[str, Any]:
    times = dict.fromkeys(("created", "not_before", "finished"), BEGAN)
    facts = {"job": "portrait", "values": {}, "state": "succeeded", "by": "cli:anna", "needs": "gpu"}
    return {"id": id, "prefix": f"productions/{id}", **facts, **times}


def picture(run: str, n: int, place: str = "wall") -> dict[str, Any]:
    facts = {
        "words": "quiet poet",
        "width": 512,
        "height": 512,
        "recipe": RECIPE,
        "recipe_hash": "a" * 64,
        "measures": {},
    }
    hung = BEGAN + timedelta(seconds=n)
    return {
        "id": new_id(),
        "run": run,
        "n": 1,
        "key": f"productions/{run}/1.png",
        "place": place,
        "placed_at": hung,
        **facts,
    }


def thumb() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((512, 512), 60).resize((64, 64)).resize((512, 512)).convert("RGB").save(file, "AVIF", quality=70)
    return file.getvalue()


# ------------------------------------------------------------------------------------------ one at a time
def at_the_server(engine: Engine, store: Directory, number: int) -> None:
    half = wall.named(Spot(BEGAN + timedelta(seconds=number // 2), ""))
    front = queries.wall(engine, None, 48)
    with TestClient(create(engine, store), "http://narcis.test") as client:
        for one in front:
            client.get(f"/i/{one.id}.avif")
        for name, path in (("page", "/"), ("half-way", f"/wall?before={half}"), ("picture", f"/i/{front[0].id}.avif")):
            times = [timed(client, path) for _ in range(100)]
            print(f"{name:9} {statistics.median(times):6.1f} ms, 95 % within {sorted(times)[94]:.1f} ms")
        page = len(client.get("/").content) + sum(len(client.get(f"/i/{one.id}.avif").content) for one in front)
        print(f"a page with its 48 pictures: {page / 1e6:.2f} MB")


def timed(client: TestClient, path: str) -> float:
    began = time.perf_counter()
    assert client.get(path).status_code == 200
    return 1000 * (time.perf_counter() - began)


# ------------------------------------------------------------------------------------------ many at once
async def crowd(engine: Engine, address: str, server: psutil.Process, viewers: int, seconds: int) -> None:
    told: Counter[int] = Counter()
    errors: list[str] = []
    hidden = queries.productions(engine, "production", None, seconds)
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=address, timeout=30, limits=limits) as client, asyncio.TaskGroup() as group:
        looking = [group.create_task(look(client, i, told, errors)) for i in range(viewers)]
        await asyncio.sleep(3)
        before = server.memory_info().rss
        times = await visits(engine, client, seconds, hidden, errors)
        await asyncio.sleep(3)
        after = server.memory_info().rss
        for task in looking:
            task.cancel()
    complete = sum(count == len(hidden) for count in told.values())
    print(
        f"{viewers} viewers, {len(times) / seconds:.0f} requests a second for {seconds} s: {len(errors)} errors",
        *errors[:3],
    )
    print(f"median {statistics.median(times):.1f} ms, 95 % within {sorted(times)[int(0.95 * len(times))]:.1f} ms")
    print(f"{complete} of {viewers} viewers were told of all {len(hidden)} pictures that were hung meanwhile")
    print(f"memory of the server: {before >> 20} MiB before, {after >> 20} MiB after")


async def look(client: httpx2.AsyncClient, i: int, told: Counter[int], errors: list[str]) -> None:
    try:
        async with client.stream("GET", "/wall/events", timeout=None) as stream:
            async for line in stream.aiter_lines():
                told[i] += line.startswith("event: hung")
    except httpx2.HTTPError as error:
        errors.append(repr(error))


async def visits(
    engine: Engine, client: httpx2.AsyncClient, seconds: int, hidden: list[Any], errors: list[str]
) -> list[float]:
    """Pages and pictures in turn, at an even rate whether or not the last has been answered."""
    front = await asyncio.to_thread(queries.wall, engine, None, 48)
    paths = itertools.cycle(["/", *(f"/i/{one.id}.avif" for one in front[:9])])
    times: list[float] = []

    async def visit(path: str) -> None:
        began = time.perf_counter()
        try:
            if (code := (await client.get(path)).status_code) != 200:
                errors.append(f"{path} {code}")
        except httpx2.HTTPError as error:
            errors.append(repr(error))
        times.append(1000 * (time.perf_counter() - began))

    async with asyncio.TaskGroup() as group:
        began = time.monotonic()
        for n in range(RATE * seconds):
            if n % RATE == 0:
                await asyncio.to_thread(pictures.put, engine, hidden[n // RATE].id, "wall", "benchmark")
            group.create_task(visit(next(paths)))
            await asyncio.sleep(max(0, began + (n + 1) / RATE - time.monotonic()))
    return times


def hide(engine: Engine, store: Directory, number: int) -> None:
    ids = [new_id() for _ in range(number)]
    with db.writing(engine) as connection:
        connection.execute(insert(table(Run)), [run(id) for id in ids])
        connection.execute(insert(table(Picture)), [picture(id, n, "production") for n, id in enumerate(ids)])
    for id in ids:
        store.put(f"productions/{id}/1.avif", thumb())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in (("pictures", 100_000), ("viewers", 200), ("seconds", 60)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine, store = db.connect(f"sqlite:///{folder}/narcis.sqlite"), Directory(Path(folder) / "store")
        db.upgrade(engine)
        fill(engine, store, asked.pictures)
        at_the_server(engine, store, asked.pictures)
        hide(engine, store, asked.seconds)
        command = [sys.executable, "-m", "narcis", "web", "--port", "0"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NARCIS_RUNS": folder}
        ) as web:
            assert web.stdout
            address = web.stdout.readline().split()[-1]
            asyncio.run(crowd(engine, address, psutil.Process(web.pid), asked.viewers, asked.seconds))
            web.terminate()


if __name__ == "__main__":
    main()
