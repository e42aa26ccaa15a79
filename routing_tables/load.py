"""Loads a network from its folder: network.toml, divisions, centres and directions as CSV."""

from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from routing_tables.centres import load_centres
from routing_tables.codes import compile_codes
from routing_tables.divisions import load_directions, load_divisions
from routing_tables.errors import Problems, TableError
from routing_tables.files import read_toml
from routing_tables.schema import BRANDS_MAX, CLASSES_MAX, CODE, Brand, Network

PATTERNS_MAX = 16
"""Waybill patterns of one brand."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Brand(_Section):
    code: str = Field(pattern=f"^{CODE.pattern}$")
    name: str = Field(min_length=1, max_length=64)
    name_zh: str = Field(default="", max_length=64)
    synthetic: bool = False
    waybills: list[str] = Field(min_length=1, max_length=PATTERNS_MAX)


class _NetworkFile(_Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    title: str = Field(min_length=1, max_length=64)
    service_classes: list[Annotated[str, Field(pattern=r"^[a-z0-9_]{1,32}$")]] = Field(
        min_length=1, max_length=CLASSES_MAX
    )
    brands: list[_Brand] = Field(min_length=1, max_length=BRANDS_MAX)


def load_network(folder: Path) -> Network:
    """Load and check a network.

    Args:
        folder: Holds network.toml, divisions.csv, centres.csv, directions.csv.

    Raises:
        TableError: something is wrong; every error of every file, one line each.
    """
    problems = Problems()
    source = folder / "network.toml"
    file = read_toml(source, _NetworkFile, problems)
    brands = _brands(source, file, problems) if file else ()
    divisions, roots = load_divisions(folder / "divisions.csv", problems)
    codes = {division.code for division in divisions} | set(roots)
    centres = load_centres(folder / "centres.csv", codes, problems)
    directions = load_directions(folder / "directions.csv", roots, problems)
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
    )


def _brands(source: Path, file: _NetworkFile, problems: Problems) -> tuple[Brand, ...]:
    brands = tuple(
        Brand(brand.code, brand.name, brand.name_zh, brand.synthetic, tuple(brand.waybills))
        for brand in file.brands
    )
    for code, count in Counter(brand.code for brand in brands).items():
        if count > 1:
            problems.add(source, f"brands: code {code} is used {count} times; rename one")
    for name, count in Counter(file.service_classes).items():
        if count > 1:
            problems.add(source, f"service_classes: {name!r} is there {count} times; remove one")
    try:
        compile_codes(brands, str(source))
    except TableError as error:
        problems.extend(error.problems)
    return brands
