"""The only reader of the environment: NARCIS_JOBS, NARCIS_NOTEBOOKS, NARCIS_RUNS, NARCIS_DATABASE, NARCIS_STORE,
NARCIS_STORE_ENDPOINT, NARCIS_TIER."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from narcis.errors import BadInput

HOME = Path(__file__).parents[1]  # a clone of the repository holds notebooks and jobs beside the package


class Settings(BaseSettings):
    """Where things are."""

    model_config = SettingsConfigDict(env_prefix="NARCIS_", frozen=True, env_ignore_empty=True)

    jobs: Path = HOME / "papermill_jobs"  # one YAML file a job
    notebooks: Path = HOME / "notebooks"
    runs: Path = Path("runs")  # where runs without a named folder go
    # sqlite:///FILE, by default beside the runs, or postgresql://USER:PASSWORD@HOST/NAME
    database: str = Field(default_factory=lambda known: f"sqlite:///{known['runs']}/narcis.sqlite")
    # a folder, by default beside the runs, or s3://BUCKET/PREFIX
    store: str = Field(default_factory=lambda known: f"{known['runs']}/store")
    store_endpoint: str | None = None  # of an S3 server that is not AWS's
    tier: str | None = None  # the kind of machine that this is, such as g6; for logs and metrics


def read() -> Settings:
    """The settings as the environment has them now."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "NARCIS_" + "_".join(str(part) for part in wrong["loc"]).upper()
        raise BadInput(f"{name} is {wrong['input']!r}: {wrong['msg'].lower()}") from None
