"""A directory and a bucket keep the same promises; the bucket is a local S3 server's."""

import os
import threading
from types import SimpleNamespace

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from narcis import store
from narcis.errors import BadInput, NotFound, Unavailable


@pytest.fixture(params=["directory", "bucket"])
def kept(request, tmp_path, monkeypatch):
    if request.param == "directory":
        return store.open_store(tmp_path / "store")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = store.open_store(f"s3://pictures-{os.urandom(4).hex()}/live", request.getfixturevalue("s3_server"))
    assert isinstance(bucket, store.Bucket)
    bucket.client.create_bucket(Bucket=bucket.bucket)
    return bucket


def test_what_was_put_is_there_until_it_is_removed(kept):
    assert not kept.has("productions/r1/1.png")
    kept.put("productions/r1/1.png", b"a")
    kept.put("productions/r1/1.png", b"b")
    assert kept.get("productions/r1/1.png") == b"b" and kept.has("productions/r1/1.png")
    kept.remove("productions/r1/1.png")
    kept.remove("productions/r1/1.png")
    with pytest.raises(NotFound, match=r"has no productions/r1/1\.png"):
        kept.get("productions/r1/1.png")


def test_a_large_object_is_read_in_pieces_from_any_byte_on(kept):
    content = os.urandom(store.PIECE + 1000)
    kept.put("sdxl/unet.safetensors", content)
    assert kept.size("sdxl/unet.safetensors") == len(content)
    pieces = list(kept.read("sdxl/unet.safetensors"))
    assert b"".join(pieces) == content and max(map(len, pieces)) <= store.PIECE
    assert b"".join(kept.read("sdxl/unet.safetensors", 500)) == content[500:]
    for use in (kept.size, lambda key: list(kept.read(key))):
        with pytest.raises(NotFound, match="has no sdxl/vae"):
            use("sdxl/vae")


def test_keys_come_in_order_and_by_prefix(kept):
    for key in ("b/2.png", "a/1.png", "b/1.png", "bb.png"):
        kept.put(key, b"x")
    assert list(kept.keys()) == ["a/1.png", "b/1.png", "b/2.png", "bb.png"]
    assert list(kept.keys("b/")) == ["b/1.png", "b/2.png"]
    assert list(kept.keys("b")) == ["b/1.png", "b/2.png", "bb.png"]
    assert list(kept.keys("none/")) == list(kept.keys("../")) == []


def test_a_bucket_that_falls_silent_while_it_is_read_is_away():
    class Body:
        def read(self) -> bytes:
            raise ReadTimeoutError(endpoint_url="bucket")

    bucket = store.Bucket("pictures")
    vars(bucket)["client"] = SimpleNamespace(get_object=lambda **_: {"Body": Body()})
    with pytest.raises(Unavailable, match="s3://pictures cannot be used"):
        bucket.get("productions/r1/1.png")


BAD = ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/.hidden", "a b", "a\n", "é", "x" * 600]


@pytest.mark.parametrize("key", BAD)
def test_a_key_names_nothing_outside_the_store(kept, key):
    for use in (kept.get, kept.has, kept.remove, lambda k: kept.put(k, b"x")):
        with pytest.raises(BadInput, match="no key of the store"):
            use(key)


@given(st.text(max_size=40))
def test_a_checked_key_stays_below_the_root(tmp_path_factory, key):
    root = tmp_path_factory.getbasetemp()
    try:
        path = store.Directory(root).path(key)
    except BadInput:
        return
    assert path.resolve().is_relative_to(root.resolve()) and path.resolve() != root.resolve()


def test_a_reader_finds_whole_objects_only(tmp_path):
    kept, stop = store.Directory(tmp_path), threading.Event()
    kept.put("x", b"0" * 100_000)

    def write() -> None:
        for digit in b"123456789" * 10:
            kept.put("x", bytes([digit]) * 100_000)
        stop.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not stop.is_set():
        assert len(set(kept.get("x"))) == 1
    thread.join()
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_store_that_is_away_says_so(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("time.sleep", lambda _: None)  # boto3's own retries
    away = store.open_store("s3://pictures/live", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="s3://pictures/live cannot be used"):
        away.put("a.png", b"x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match=r"takes no a\.png"):
        store.Directory(tmp_path / "file").put("a.png", b"x")


def test_a_bucket_needs_a_name():
    with pytest.raises(BadInput, match="names no bucket"):
        store.open_store("s3:///prefix")
