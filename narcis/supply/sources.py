"""Places that weights are pulled from, all read in the same way: from any byte on, in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from narcis.errors import NotFound, Unavailable
from narcis.portrait.catalogue import Entry, File
from narcis.settings import Settings
from narcis.store import Store, open_store

CONNECT, SILENCE = 10.0, 30.0  # seconds to wait for a connection, and for the next bytes
SHA256 = 64  # hex digits: an etag of this length is the hash of a large file, a shorter one is git's


class Source(Protocol):
    @property
    def name(self) -> str:
        """For people: where it is."""
        ...

    def facts(self, one: Entry, file: File) -> File:
        """The file with its size and hash, as far as this place knows them.  Raises NotFound, Unavailable."""
        ...

    def read(self, one: Entry, file: File, start: int) -> Iterator[bytes]:
        """The file's bytes from `start` on; Unavailable, too, when they break off."""
        ...


@dataclass(frozen=True)
class Kept:
    """A folder or bucket that holds entries as narcis does: ENTRY/FILE."""

    store: Store

    @property
    def name(self) -> str:
        return self.store.name

    def facts(self, one: Entry, file: File) -> File:
        return File(file.name, self.store.size(f"{one.name}/{file.name}"))

    def read(self, one: Entry, file: File, start: int) -> Iterator[bytes]:
        return self.store.read(f"{one.name}/{file.name}", start)


@dataclass(frozen=True)
class Hub:
    """huggingface.co, or whatever HF_ENDPOINT names; the token is the one that `hf auth login` has left."""

    endpoint: str | None = None

    @property
    def name(self) -> str:
        from huggingface_hub import constants

        return urlsplit(self.endpoint or constants.ENDPOINT).netloc

    def url(self, one: Entry, file: File) -> str:
        from huggingface_hub import hf_hub_url

        if not one.hub:
            raise NotFound(f"{one.name} is on no hub", name=one.name)
        return hf_hub_url(one.hub, file.name, subfolder=one.below, revision=one.revision, endpoint=self.endpoint)

    def facts(self, one: Entry, file: File) -> File:
        from huggingface_hub import get_hf_file_metadata

        with self.meant(one, file):
            said = get_hf_file_metadata(self.url(one, file), timeout=CONNECT)
        return File(file.name, said.size, said.etag if said.etag and len(said.etag) == SHA256 else None)

    def read(self, one: Entry, file: File, start: int) -> Iterator[bytes]:
        import httpx2
        from huggingface_hub import get_session, hf_raise_for_status
        from huggingface_hub.utils import build_hf_headers

        headers = {**build_hf_headers(), "Accept-Encoding": "identity", "Range": f"bytes={start}-"}
        patience = httpx2.Timeout(SILENCE, connect=CONNECT)
        with (
            self.meant(one, file),
            get_session().stream("GET", self.url(one, file), headers=headers, timeout=patience) as answer,
        ):
            hf_raise_for_status(answer)
            skipped = 0 if answer.status_code == 206 else start  # a server that knows no ranges sends all of it
            for piece in answer.iter_raw():  # as it comes: what is collected to equal pieces is lost where it breaks
                yield piece[skipped:]
                skipped = max(0, skipped - len(piece))

    @contextmanager
    def meant(self, one: Entry, file: File) -> Iterator[None]:
        """Errors of the hub's client are told as ours."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError

        try:
            yield
        except HfHubHTTPError as error:
            raise self.refusal(error.response.status_code, one, file) from None
        except (httpx2.HTTPError, OSError) as error:
            begun = isinstance(error, (httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.ReadTimeout))
            said = " ".join(str(error).split()) or type(error).__name__
            what = "broke off" if begun else "cannot be reached"
            raise Unavailable(f"{self.name} {what}: {said[:200]}", host=self.name) from None

    def refusal(self, status: int, one: Entry, file: File) -> NotFound | Unavailable:
        where = f"{one.hub} at {one.revision[:7]}"
        if status == 404:
            return NotFound(f"{self.name} has no {file.name} in {where}", status=status)
        if status in (401, 403):
            way = "ask for access on its page, then `hf auth login`"
            return Unavailable(f"{self.name} does not give {where} to everybody: {way}", status=status)
        return Unavailable(f"{self.name} answers {status} for {file.name} in {where}", status=status)


def sources(decided: Settings) -> list[Source]:
    """In the order in which they are asked: NARCIS_MODELS_FROM, then the hub unless narcis is offline."""
    first: list[Source] = []
    if decided.models_from:
        first.append(Kept(open_store(decided.models_from, decided.store_endpoint, "NARCIS_MODELS_FROM")))
    return first if decided.offline else [*first, Hub()]
