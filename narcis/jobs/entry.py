"""What papermill finds when it looks for engines: it imports them while it is itself being imported, and ours imports
papermill, so this stands between the two."""

from __future__ import annotations

from typing import Any


class NarcisEngine:
    """`papermill --engine narcis`: `engine.NarcisEngine`, which is imported when it is first used."""

    @staticmethod
    def real() -> Any:
        from narcis.jobs.engine import NarcisEngine as real

        return real

    @classmethod
    def execute_notebook(cls, *args: Any, **kwargs: Any) -> Any:
        return cls.real().execute_notebook(*args, **kwargs)

    @classmethod
    def nb_kernel_name(cls, *args: Any, **kwargs: Any) -> Any:
        return cls.real().nb_kernel_name(*args, **kwargs)

    @classmethod
    def nb_language(cls, *args: Any, **kwargs: Any) -> Any:
        return cls.real().nb_language(*args, **kwargs)
