"""The library of real companies' waybill formats, which a network's brands may refer to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from routing_tables.errors import Problems
from routing_tables.files import read_toml
from routing_tables.schema import (
    CODE,
    LABEL_FORMATS_MAX,
    Check,
    Format,
    LabelForm,
    LabelFormat,
    companies,
)

COMPANIES_MAX = 256
"""Companies of a library."""
FORMATS_MAX = 16
"""Formats of one company."""


@dataclass(frozen=True, slots=True)
class Company:
    """An express company and what its waybills and route labels look like."""

    code: str
    name: str
    name_zh: str
    formats: tuple[Format, ...]
    labels: tuple[LabelFormat, ...]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Format(_Section):
    pattern: str
    certain: bool
    check: Literal["none", "s10", "gs1"] = "none"


class LabelSection(_Section):
    """A label pattern as a file gives it."""

    pattern: str
    form: Literal["opaque", "segments", "keyed"]

    def read(self) -> LabelFormat:
        """Return it in the schema's words."""
        return LabelFormat(self.pattern, LabelForm[self.form.upper()])


class _Company(_Section):
    code: str = Field(pattern=f"^{CODE.pattern}$")
    name: str = Field(min_length=1, max_length=64)
    name_zh: str = Field(min_length=1, max_length=64)
    formats: list[_Format] = Field(min_length=1, max_length=FORMATS_MAX)
    labels: list[LabelSection] = Field(default=[], max_length=LABEL_FORMATS_MAX)


class _Library(_Section):
    companies: list[_Company] = Field(min_length=1, max_length=COMPANIES_MAX)


def load_companies(problems: Problems, path: Path | None = None) -> dict[str, Company]:
    """Load a library of companies, by code.

    Args:
        problems: Takes what is wrong with the file; nothing is raised for it.
        path: The library; the one that ships with this package if None.
    """
    source = path or companies()
    file = read_toml(source, _Library, problems)
    if file is None:
        return {}
    known: dict[str, Company] = {}
    for place, each in enumerate(file.companies, 1):
        if each.code in known:
            problems.add(source, f"companies[{place}]: code {each.code} is there twice; rename one")
        known[each.code] = Company(
            each.code,
            each.name,
            each.name_zh,
            tuple(Format(f.pattern, f.certain, Check[f.check.upper()]) for f in each.formats),
            tuple(label.read() for label in each.labels),
        )
    return known
