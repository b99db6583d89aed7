"""`narcis mini …`: look at the embedded model, measure it, train it."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from narcis.mini.checks import Line

app = typer.Typer(no_args_is_help=True, help="The embedded model: a contact sheet, its numbers, its training.")

INSTRUMENTS = Path(str(files("narcis"))) / "mini" / "instruments"


@app.command()
def sheet(
    out: Annotated[Path, typer.Option(help="where the picture goes")] = Path("mini-sheet.png"),
    seed: Annotated[int, typer.Option(help="draws the scenes")] = 1,
    model: Annotated[str, typer.Option(help="a model's name or folder")] = "mini",
) -> None:
    """Draw eight sitters × all media × (Stage 1, Stage 2), nothing picked."""
    from narcis.mini import sheet as sheets
    from narcis.portrait.models import load

    sheets.sheet(load(model), seed).save(out)
    typer.echo(out)


@app.command()
def check(
    model: Annotated[str, typer.Option(help="a model's name or folder")] = "mini",
    portraits: Annotated[int, typer.Option(help="how many to paint")] = 160,
    out: Annotated[Path | None, typer.Option(help="keep the first 40 portraits in this picture")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for a script")] = False,
) -> None:
    """Measure everything in the model card on unseen sitters; exit 1 when a bar is missed (about five minutes)."""
    from narcis.mini.checks import check as measure
    from narcis.mini.sheet import portraits_sheet
    from narcis.portrait.models import load

    lines, painted = measure(load(model), INSTRUMENTS, lambda text: typer.echo(text, err=True), portraits=portraits)
    if out:
        portraits_sheet(painted[:40]).save(out)
    if as_json:
        typer.echo(json.dumps([{**asdict(line), "holds": line.holds} for line in lines], indent=1))
    else:
        typer.echo("\n".join(map(said, lines)))
    raise typer.Exit(0 if all(line.holds for line in lines) else 1)


@app.command()
def train(
    folder: Annotated[
        Path, typer.Option(help="data, checkpoints and the finished model; a second call goes on from here")
    ] = Path("mini-training"),
    hours: Annotated[
        float, typer.Option(help="for the denoiser; the other parts take about 1 hour on two cores", min=0.01)
    ] = 10.0,
    device: Annotated[str, typer.Option(help="cpu or cuda, for the denoiser")] = "cpu",
    sitters: Annotated[int, typer.Option(help="how many people to draw", min=250)] = 5000,
    scale: Annotated[float, typer.Option(help="of the minutes that the other parts get", min=0.001)] = 1.0,
    start: Annotated[
        str | None, typer.Option(help="go on from this model: its name or folder; only the denoiser is trained")
    ] = None,
    again: Annotated[
        list[str] | None, typer.Option(help="train this finished part further, such as detector or landmarker")
    ] = None,
) -> None:
    """Draw the data and train every part; may be stopped and started again at any minute."""
    from narcis.mini.training.plan import Plan, run
    from narcis.portrait.models import find

    model = find(start) if start else None
    made = run(Plan(folder, hours, device, sitters, scale, model, INSTRUMENTS, tuple(again or ())), typer.echo)
    typer.echo(f"{made}: look with `narcis mini sheet --model {made}`, measure with `narcis mini check --model {made}`")


def said(line: Line) -> str:
    """One number beside its bar."""
    verdict, sign = ("ok  " if line.holds else "MISS"), ("≥" if line.least else "≤")
    return f"{verdict} {line.what:<58} {line.value:8.3f} {line.unit:<2} {sign} {line.bar:g}"
