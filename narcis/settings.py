"""The only reader of the environment: NARCIS_JOBS, NARCIS_NOTEBOOKS, NARCIS_RUNS, NARCIS_DATABASE, NARCIS_STORE,
NARCIS_STORE_ENDPOINT, NARCIS_TIER, NARCIS_MODELS, NARCIS_MODELS_FROM, NARCIS_OFFLINE, NARCIS_PRODUCTION,
NARCIS_LICENSED, NARCIS_WRITER, NARCIS_WRITER_MODEL, NARCIS_WRITER_REGION,
NARCIS_OPERATOR_KEY, NARCIS_PROXIES; and HF_HUB_OFFLINE, which means the same as
NARCIS_OFFLINE."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

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
    # Folders of weights, with colons between (semicolons on Windows); pulled ones go into the first.
    models: Annotated[tuple[Path, ...], NoDecode] = (Path.home() / ".cache" / "narcis" / "models",)
    models_from: str | None = None  # a folder or s3://BUCKET/PREFIX that weights are pulled from before the hub
    offline: bool = Field(default=False, validation_alias=AliasChoices("NARCIS_OFFLINE", "HF_HUB_OFFLINE"))
    production: bool = False  # whether pictures are a business's: then licences are held to
    licensed: Annotated[tuple[str, ...], NoDecode] = ()  # weights that production may use nevertheless, with commas
    writer: str = "lexicon"  # who writes ideas: lexicon, transformers or bedrock
    writer_model: str = ""  # its model: a folder or a hub's name, or Bedrock's id
    writer_region: str = ""  # of Bedrock
    operator_key: SecretStr | None = Field(default=None, min_length=16)  # opens the web's operators' desk
    # Addresses of what stands before the web and may say where requests come from; with commas, or * for all.
    proxies: Annotated[tuple[str, ...], NoDecode] = ("127.0.0.1",)

    @field_validator("models", mode="before")
    @classmethod
    def folders(cls, value: Any) -> Any:
        parts = value.split(os.pathsep) if isinstance(value, str) else value
        return [Path(part).expanduser() for part in parts if part]

    @field_validator("licensed", "proxies", mode="before")
    @classmethod
    def names(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def read() -> Settings:
    """The settings as the environment has them now."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "_".join(str(part) for part in wrong["loc"]).upper()
        name = name if name.startswith(("NARCIS_", "HF_")) else f"NARCIS_{name}"
        raise BadInput(f"{name} is {wrong['input']!r}: {wrong['msg'].lower()}") from None
