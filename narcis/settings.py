"""The only reader of the environment: NARCIS_JOBS, NARCIS_NOTEBOOKS, NARCIS_RUNS."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from narcis.errors import BadInput

HOME = Path(__file__).parents[1]  # a clone of the repository holds notebooks and jobs beside the package


class Settings(BaseSettings):
    """Where things are."""

    model_config = SettingsConfigDict(env_prefix="NARCIS_", frozen=True, env_ignore_empty=True)

    jobs: Path = HOME / "papermill_jobs"  # one YAML file a job
    notebooks: Path = HOME / "notebooks"
    runs: Path = Path("runs")  # where runs without a named folder go


def read() -> Settings:
    """The settings as the environment has them now."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "NARCIS_" + "_".join(str(part) for part in wrong["loc"]).upper()
        raise BadInput(f"{name} is {wrong['input']!r}: {wrong['msg'].lower()}") from None
