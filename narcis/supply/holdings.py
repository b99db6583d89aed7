"""What of the catalogue is on this machine, in what state, and what production says to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from narcis.portrait import catalogue, weights
from narcis.portrait.catalogue import Entry
from narcis.portrait.weights import Finding, House


@dataclass(frozen=True)
class Holding:
    """One entry; without a folder it is not here.  Findings are empty until its files were looked at."""

    one: Entry
    folder: Path | None
    accepted: bool  # production may use it: by its licence, or because somebody said so
    findings: tuple[Finding, ...] = ()

    @property
    def damaged(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.state not in ("ok", "unknown")]

    @property
    def bytes(self) -> int | None:
        """Of its files on the disk, else as published, None where that is not recorded."""
        if self.folder:
            return weights.bytes_here(self.one, self.folder)
        return self.one.size

    @property
    def verdict(self) -> str:
        """What production says, and which setting changes that."""
        licence = self.one.licence
        if licence.production:
            return "production may use it"
        if self.accepted:
            return "production may use it: NARCIS_LICENSED names it"
        return f"production refuses it unless NARCIS_LICENSED names {self.one.name}"

    @property
    def facts(self) -> dict[str, Any]:
        """For scripts."""
        one, licence = self.one, self.one.licence
        return {
            "name": one.name,
            "title": one.title,
            "parts": list(one.parts),
            "folder": str(self.folder) if self.folder else None,
            "bytes": self.bytes,
            "about": one.about,
            "hub": one.hub or None,
            "revision": one.revision or None,
            "licence": licence.name,
            "terms": licence.terms,
            "terms_at": licence.read,
            "dtypes": dict(one.dtypes),
            "float32": list(one.upcast),
            "production": self.accepted,
            "files": {finding.name: finding.state for finding in self.findings},
        }


def holdings(names: Sequence[str], house: House, look: bool = False) -> list[Holding]:
    """What models and entries of these names are made of, all of the catalogue without a name."""
    found = catalogue.entries(names or catalogue.ENTRIES)
    return [holding(one, house, look) for one in found]


def holding(one: Entry, house: House, look: bool = False) -> Holding:
    folder = weights.place(one, house.models)
    findings = tuple(weights.examine(one, folder)) if look and folder else ()
    return Holding(one, folder, not catalogue.refused([one.name], house.licensed), findings)
