"""Making a picture again: `narcis remake`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narcis.cli.common import Json, Out, door, for_scripts
from narcis.errors import BadInput, NotFound

if TYPE_CHECKING:
    from narcis.folder import RunFolder
    from narcis.jobs.outcome import Outcome


def remake(
    what: Annotated[str, typer.Argument(metavar="PICTURE|RUN", help="a run's picture, its folder, or a run's id")],
    picture: Annotated[int, typer.Option(help="which of the run's pictures", min=1)] = 1,
    face: Annotated[Path | None, typer.Option(help="the sitter's photo, where it is found nowhere")] = None,
    beside: Annotated[Path | None, typer.Option(help="the second sitter's photo")] = None,
    tolerance: Annotated[float, typer.Option(help="how far a tile may be off, of 1", min=0, max=1)] = 0.02,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Paint a picture again from its recipe, and say whether it is the same; exit 1 where it is not."""
    with for_scripts(as_json):
        from narcis.jobs import catalog
        from narcis.jobs.run import execute, prepare

        given = {"face": door(face), "beside": door(beside), "tolerance": tolerance}
        job = catalog.find("remake")
        original = here(what, picture, out)
        prefix = "" if original else away(what)
        folder = prepare(job, out)
        values = asked(original or fetched(prefix, picture, folder), folder)
        values |= {name: value for name, value in given.items() if value is not None}
        report(folder, execute(job, job.values(values), folder), as_json)


def here(what: str, n: int, out: Path | None) -> Path | None:
    """The picture on this machine; None where no file and no folder is meant.  Raises NotFound, BadInput."""
    from narcis.jobs import remake as jobs

    picture = jobs.picture_of(Path(what).expanduser(), n)
    if picture is None and ("/" in what or Path(what).suffix):
        raise NotFound(f"there is no picture and no run's folder {what}; check the name")
    if picture and out and picture.is_relative_to(out.expanduser().resolve()):
        raise BadInput(f"--out {out} is the folder of the picture itself, which would be lost; name another folder")
    return picture


def away(what: str) -> str:
    """Where the store keeps the pictures of a run that is in the records.  Raises NotFound."""
    from narcis.cli.queue import found, ready
    from narcis.jobs import remake as jobs
    from narcis.jobs.asking import the_store

    return jobs.kept(found(ready(), what).prefix, the_store())


def fetched(prefix: str, n: int, folder: RunFolder) -> Path:
    from narcis.jobs import remake as jobs
    from narcis.jobs.asking import the_store

    return jobs.from_store(prefix, n, folder.path / "inputs" / "original", the_store())


def asked(picture: Path, folder: RunFolder) -> dict[str, Any]:
    """The notebook's values: the picture, and those photos that can be found."""
    from narcis.jobs import remake as jobs
    from narcis.jobs.asking import the_store

    return {"picture": str(picture), **jobs.photos(picture, folder.path / "inputs", the_store())}


def report(folder: RunFolder, ended: Outcome, as_json: bool) -> None:
    """The verdict and the reasons on stdout; the exit code says whether it is the same picture."""
    from narcis.cli import paint

    if (told := folder.manifest().get("remade")) is None:
        paint.report(folder, ended, as_json)
        raise typer.Exit(ended.exit_code or 1)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder.path), **told}, ensure_ascii=False))
    else:
        typer.echo("\n".join([told["said"], *told["differences"], str(folder.pictures[-1])]))
    raise typer.Exit(1 if told["match"] == "different" else 0)
