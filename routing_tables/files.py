"""Reads the files people keep tables in: CSV from a spreadsheet, TOML from an editor.

What is wrong with a file becomes a line in :class:`Problems`; nothing here raises for it.
"""

import csv
import io
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from routing_tables.errors import Problems

ROWS_MAX = 1_048_576
"""Rows of one CSV; no spreadsheet keeps more. The whole country has 665,276 divisions."""
FILE_BYTES_MAX = 268_435_456
"""Size of one table file."""

Model = TypeVar("Model", bound=BaseModel)


def read_csv(
    path: Path, columns: tuple[str, ...], problems: Problems, optional: tuple[str, ...] = ()
) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and values of each row, in the order of ``columns`` and ``optional``.

    The value of an optional column that is not there is empty.
    Takes what spreadsheets write: UTF-8 with or without BOM, any line ends, columns in any order,
    blanks around values, empty rows. A row of the wrong width is a problem and left out.
    """
    text = _read_text(path, problems)
    if text is None:
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        header = [name.strip() for name in next(reader, [])]
        if not check_header(path, header, columns, problems, optional):
            return
        order = [header.index(n) if n in header else -1 for n in columns + optional]
        as_is = order == list(range(len(header)))
        width, rows, line = len(header), 0, reader.line_num + 1
        for raw in reader:
            row = [value.strip() for value in raw]
            if not any(row):
                pass
            elif len(row) != width:
                problems.add(f"{path}:{line}", f"{len(row)} values, must be {width}; mend the row")
            elif rows == ROWS_MAX:
                problems.add(f"{path}:{line}", f"more than {ROWS_MAX} rows; split the table")
                return
            else:
                rows += 1
                yield line, row if as_is else [row[k] if k >= 0 else "" for k in order]
            line = reader.line_num + 1
    except csv.Error as error:
        problems.add(
            f"{path}:{line}", f"broken CSV: {error}; look for an unclosed or misplaced quote"
        )


def read_toml(path: Path, model: type[Model], problems: Problems) -> Model | None:
    """Read a TOML file into a model; every wrong, missing or unknown key is a problem."""
    text = _read_text(path, problems)
    if text is None:
        return None
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        problems.add(path, f"not valid TOML: {error}")
    except ValidationError as error:
        for detail in error.errors():
            key = ".".join(str(part) for part in detail["loc"])
            problems.add(path, f"{key}: {_explain(dict(detail))}")
    except RecursionError:
        problems.add(path, "nested too deeply; mend the file")
    return None


def _explain(error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    if error["type"] == "missing":
        return "missing; add it"
    return f"{error['msg']} (it is {error.get('input')!r:.80})"


def _read_text(path: Path, problems: Problems) -> str | None:
    """Return a file's text, or None and a problem."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            problems.add(path, f"larger than {FILE_BYTES_MAX} bytes; split the table")
            return None
        raw = path.read_bytes()
    except FileNotFoundError:
        problems.add(path, "no such file; create it or correct the path")
        return None
    except OSError as error:
        problems.add(path, f"can't be read: {error.strerror}; correct the path or its rights")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problems.add(f"{path}:{line}", "not UTF-8; save the file as UTF-8 (Excel: 'CSV UTF-8')")
        return None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        problems.add(f"{path}:{line}", "holds a NUL byte; remove it, or save as UTF-8")
        return None
    return text


def check_header(
    path: Path,
    header: list[str],
    columns: tuple[str, ...],
    problems: Problems,
    optional: tuple[str, ...] = (),
) -> bool:
    """Return whether a first line names these columns and no others, in any order."""
    before = problems.count
    for name in columns:
        if name not in header:
            problems.add(f"{path}:1", f"column {name!r} is missing; add it to the first line")
    for name in columns + optional:
        if header.count(name) > 1:
            problems.add(f"{path}:1", f"column {name!r} is there twice; remove one")
    for name in header:
        if name not in columns + optional:
            known = ",".join(columns + optional)
            problems.add(f"{path}:1", f"unknown column {name!r:.80}; the columns are {known}")
    return problems.count == before
