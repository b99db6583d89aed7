"""Objects by key: a directory, or a bucket of S3 or of whatever speaks its protocol.

Keys are paths without a leading slash, `productions/<run>/1.png`.  A put is whole or not at all in both, so a reader
never finds half an object, and putting the same object twice is harmless.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Protocol

from narcis.errors import BadInput, NotFound, Unavailable

KEY = re.compile(r"(?!.*(^|/)\.)[\w.+=@-]+(/[\w.+=@-]+)*", re.ASCII)  # no empty part, none that starts with a dot
LONGEST = 512
PIECE = 1 << 20  # bytes that are read at a time from large objects


class Store(Protocol):
    """Where pictures and notebooks are kept."""

    @property
    def name(self) -> str:
        """For people: where it is."""
        ...

    def put(self, key: str, content: bytes) -> None: ...

    def get(self, key: str) -> bytes:
        """Raises NotFound."""
        ...

    def has(self, key: str) -> bool: ...

    def size(self, key: str) -> int:
        """Bytes.  Raises NotFound."""
        ...

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        """What stands from byte `start` on, in pieces: for objects that no memory holds.  Raises NotFound."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin with a prefix, in order."""
        ...

    def remove(self, key: str) -> None:
        """Gone afterwards, whether or not it was there."""
        ...

    def where(self, key: str) -> str:
        """For people: the path or address of an object."""
        ...


def open_store(place: str | Path, endpoint: str | None = None, setting: str = "NARCIS_STORE") -> Store:
    """The store of a setting: a folder, or s3://bucket/prefix; an endpoint is for servers that are not AWS's."""
    text = str(place)
    if not text.startswith("s3://"):
        return Directory(Path(place))
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not bucket:
        raise BadInput(f"{setting} is {text!r}: it names no bucket; write s3://bucket or s3://bucket/prefix")
    return Bucket(bucket, prefix.strip("/"), endpoint)


def checked(key: str) -> str:
    """The key itself, if it is one: nothing outside the store can be named."""
    if len(key) > LONGEST or not KEY.fullmatch(key):
        raise BadInput(f"{key[:80]!r} is no key of the store; keys are like productions/<run>/1.png", key=key)
    return key


class Directory:
    """A folder, whose files are the objects."""

    def __init__(self, root: Path):
        self.root = root

    @property
    def name(self) -> str:
        return str(self.root)

    def path(self, key: str) -> Path:
        return self.root / checked(key)

    def put(self, key: str, content: bytes) -> None:
        path = self.path(key)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise Unavailable(f"the store {self.name} takes no {key}: {error.strerror}", key=key) from None

    def get(self, key: str) -> bytes:
        try:
            return self.path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(f"the store {self.name} has no {key}", key=key) from None

    def has(self, key: str) -> bool:
        return self.path(key).is_file()

    def size(self, key: str) -> int:
        if not self.has(key):
            raise NotFound(f"the store {self.name} has no {key}", key=key)
        return self.path(key).stat().st_size

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        try:
            with self.path(key).open("rb") as file:
                file.seek(start)
                while piece := file.read(PIECE):
                    yield piece
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(f"the store {self.name} has no {key}", key=key) from None

    def keys(self, prefix: str = "") -> Iterator[str]:
        folder = prefix.rpartition("/")[0]
        below = self.root / folder if KEY.fullmatch(folder) else self.root  # one run's, without looking at all others
        found = (path for path in below.rglob("*") if path.is_file() and not path.name.startswith("."))
        names = sorted(path.relative_to(self.root).as_posix() for path in found)
        return (name for name in names if name.startswith(prefix))

    def remove(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)

    def where(self, key: str) -> str:
        return str(self.path(key))


class Bucket:
    """A bucket by boto3, whose own standard retries cover what passes within seconds."""

    def __init__(self, bucket: str, prefix: str = "", endpoint: str | None = None):
        self.bucket, self.prefix, self.endpoint = bucket, f"{prefix}/" if prefix else "", endpoint

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @cached_property
    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        settings = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=30)
        return boto3.client("s3", endpoint_url=self.endpoint, config=settings)

    def put(self, key: str, content: bytes) -> None:
        kind = guess_type(key)[0] or "application/octet-stream"
        self.ask("put_object", key, Body=content, ContentType=kind)

    def get(self, key: str) -> bytes:
        with self.meant(key):  # reading may fail half-way
            return self.ask("get_object", key)["Body"].read()

    def has(self, key: str) -> bool:
        try:
            self.ask("head_object", key)
        except NotFound:
            return False
        return True

    def size(self, key: str) -> int:
        return self.ask("head_object", key)["ContentLength"]

    def read(self, key: str, start: int = 0) -> Iterator[bytes]:
        with self.meant(key):
            yield from self.ask("get_object", key, Range=f"bytes={start}-")["Body"].iter_chunks(PIECE)

    def keys(self, prefix: str = "") -> Iterator[str]:
        with self.meant(prefix):
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self.prefix)

    def remove(self, key: str) -> None:
        self.ask("delete_object", key)

    def where(self, key: str) -> str:
        return f"{self.name}/{checked(key)}"

    def ask(self, what: str, key: str, **given: Any) -> Any:
        with self.meant(key):
            return getattr(self.client, what)(Bucket=self.bucket, Key=self.prefix + checked(key), **given)

    @contextmanager
    def meant(self, key: str) -> Iterator[None]:
        """Errors of boto3 are told as ours."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise self.meaning(error, key) from None

    def meaning(self, error: Exception, key: str) -> NotFound | Unavailable:
        """What is missing is missing; all else may pass, or is a setting that an operator must mend."""
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
        if code in ("NoSuchKey", "404"):
            return NotFound(f"the store {self.name} has no {key}", key=key)
        said = " ".join(str(error).split())
        return Unavailable(f"the store {self.name} cannot be used: {said[:300]}", key=key, code=code)
