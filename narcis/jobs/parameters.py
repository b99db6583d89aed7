"""What a notebook takes: the literals of its parameters cell, read with `ast`, never executed."""

from __future__ import annotations

import ast
import io
import json
import math
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from narcis.errors import BadInput, NotFound

TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
SECRET = re.compile(r"(^|_)(password|passwd|secret|token|credentials?|api_?key|private_?key)($|_)", re.IGNORECASE)
WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class Parameter:
    """One line of the cell: `name: type = default  # help`."""

    name: str
    type: type
    default: Any
    help: str

    def read(self, text: str) -> Any:
        """A value from a command line; text stays the text that it is, be it 007, nan or None."""
        kind = self.type.__name__
        if self.type is str:
            return text
        if self.type is bool and text.lower() in TRUTH:
            return TRUTH[text.lower()]
        if self.type is int and WHOLE.fullmatch(text):
            return int(text)
        if self.type is float and (number := decimal(text)) is not None:
            return number
        raise BadInput(f"{self.name} is {shortened(text)}; it must be {A[kind]}", name=self.name)


A = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


def decimal(text: str) -> float | None:
    """A finite number in digits; float() alone also takes nan, infinity and 1_000."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def parameters(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook's one cell that is tagged so, in their order."""
    if not notebook.is_file():
        raise NotFound(f"there is no notebook {notebook}")
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{notebook.name} is no notebook in format 4") from None
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", ())]
    if len(tagged) != 1:
        raise BadInput(f"{notebook.name} has {len(tagged)} cells tagged parameters; it needs exactly one")
    return parse("".join(tagged[0]["source"]), notebook.name)


def parse(source: str, where: str) -> dict[str, Parameter]:
    """The parameters of a cell's source; BadInput where it is more than literals, one a line, each with its help."""
    try:
        lines, said = ast.parse(source).body, comments(source)
    except (SyntaxError, tokenize.TokenError) as error:
        raise BadInput(f"{where}: the parameters cell is no Python: {error}") from None
    found = [parameter(line, said, where) for line in lines]
    if len({one.name for one in found}) < len(found):
        raise BadInput(f"{where}: a parameter is there twice; each name may have one line")
    return {one.name: one for one in found}


def parameter(line: ast.stmt, said: dict[int, str], where: str) -> Parameter:
    at = f"{where}, line {line.lineno} of the parameters cell"
    if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name) or line.value is None:
        raise BadInput(f"{at} is not `name: type = value  # help`")
    name, kind = line.target.id, TYPES.get(ast.unparse(line.annotation))
    if kind is None:
        raise BadInput(f"{at}: {name} is a {ast.unparse(line.annotation)}; it must be one of {', '.join(TYPES)}")
    if SECRET.search(name):
        raise BadInput(f"{at}: {name} looks like a secret, and parameters are kept in plain text; use a setting")
    if not (told := said.get(line.end_lineno or line.lineno)) or line.end_lineno != line.lineno:
        raise BadInput(f"{at}: {name} needs one line with its help after a #")
    try:
        default = ast.literal_eval(line.value)
    except ValueError:
        raise BadInput(f"{at}: {name} is computed; only literals can be replaced") from None
    if kind is float and type(default) is int:
        default = float(default)
    if type(default) is not kind:
        raise BadInput(f"{at}: {name} is said to be {kind.__name__} and is {default!r}")
    return Parameter(name, kind, default, told)


def comments(source: str) -> dict[int, str]:
    """Line number -> what its comment says."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}
