"""Loads a network from its folder: network.toml; divisions, centres, directions, labels as CSV."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from routing_tables.centres import load_centres
from routing_tables.codes import compile_codes
from routing_tables.companies import Company, LabelSection, load_companies
from routing_tables.divisions import load_directions, load_divisions
from routing_tables.errors import Problems, TableError
from routing_tables.files import read_toml
from routing_tables.labels import load_labels
from routing_tables.schema import (
    BRANDS_MAX,
    CLASSES_MAX,
    CODE,
    CODES_MAX,
    LABEL_FORMATS_MAX,
    Brand,
    Check,
    CodeClass,
    CodePattern,
    Format,
    Network,
)

PATTERNS_MAX = 16
"""Waybill patterns of one brand."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Brand(_Section):
    code: str = Field(pattern=f"^{CODE.pattern}$")
    name: str = Field(min_length=1, max_length=64)
    name_zh: str = Field(default="", max_length=64)
    synthetic: bool = False
    waybills: list[str] = Field(default=[], max_length=PATTERNS_MAX)
    formats: str = Field(default="", max_length=24)
    labels: list[LabelSection] = Field(default=[], max_length=LABEL_FORMATS_MAX)


class _Code(_Section):
    kind: Literal["bag", "packaging", "product"] = Field(alias="class")
    pattern: str
    check: Literal["none", "s10", "gs1"] = "none"


class _NetworkFile(_Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    title: str = Field(min_length=1, max_length=64)
    service_classes: list[Annotated[str, Field(pattern=r"^[a-z0-9_]{1,32}$")]] = Field(
        min_length=1, max_length=CLASSES_MAX
    )
    brands: list[_Brand] = Field(min_length=1, max_length=BRANDS_MAX)
    codes: list[_Code] = Field(default=[], max_length=CODES_MAX)


def load_network(folder: Path) -> Network:
    """Load and check a network.

    Args:
        folder: Holds network.toml, divisions.csv, centres.csv, directions.csv, and any number of
            label tables, labels*.csv.

    Raises:
        TableError: something is wrong; every error of every file, one line each.
    """
    problems = Problems()
    source = folder / "network.toml"
    file = read_toml(source, _NetworkFile, problems)
    brands, patterns = _patterns(source, file, problems) if file else ((), ())
    divisions, roots = load_divisions(folder / "divisions.csv", problems)
    codes = {division.code for division in divisions} | set(roots)
    centres = load_centres(folder / "centres.csv", codes, problems)
    directions = load_directions(folder / "directions.csv", roots, problems)
    # Their brands and places are in the files before: a fault there would be told again row by row.
    labels = () if problems.count else load_labels(folder, brands, codes, roots, problems)
    problems.raise_any()
    assert file is not None
    return Network(
        name=file.name,
        title=file.title,
        service_classes=tuple(file.service_classes),
        brands=brands,
        divisions=divisions,
        roots=roots,
        centres=centres,
        directions=directions,
        codes=patterns,
        labels=labels,
    )


def _patterns(
    source: Path, file: _NetworkFile, problems: Problems
) -> tuple[tuple[Brand, ...], tuple[CodePattern, ...]]:
    """Return the brands and the patterns of other codes; all of them compile, or it is told."""
    library = load_companies(problems) if any(brand.formats for brand in file.brands) else {}
    brands = tuple(_brand(source, brand, library, problems) for brand in file.brands)
    codes = tuple(
        CodePattern(CodeClass[code.kind.upper()], code.pattern, Check[code.check.upper()])
        for code in file.codes
    )
    for code, count in Counter(brand.code for brand in brands).items():
        if count > 1:
            problems.add(source, f"brands: code {code} is used {count} times; rename one")
    for name, count in Counter(file.service_classes).items():
        if count > 1:
            problems.add(source, f"service_classes: {name!r} is there {count} times; remove one")
    try:
        compile_codes(brands, str(source), codes)
    except TableError as error:
        problems.extend(error.problems)
    return brands, codes


def _brand(
    source: Path, brand: _Brand, library: Mapping[str, Company], problems: Problems
) -> Brand:
    formats: tuple[Format, ...] = ()
    labels = tuple(label.read() for label in brand.labels)
    if brand.formats in library:
        formats = library[brand.formats].formats
        labels += library[brand.formats].labels
    elif brand.formats:
        problems.add(
            source,
            f"brands.{brand.code}.formats: no company {brand.formats!r}; "
            f"name one of {', '.join(library)}, or give waybills",
        )
    elif not brand.waybills:
        problems.add(source, f"brands.{brand.code}: neither waybills nor formats; give one")
    return Brand(
        brand.code, brand.name, brand.name_zh, brand.synthetic, tuple(brand.waybills), formats,
        labels,
    )  # fmt: skip
