"""What a network is made of: divisions, centres, directions, brands.

A division code is GB/T 2260 with the statistical codes below it: 2 digits a province, 4 a city,
6 an area (county or district), 9 a street or township, 12 a village or community. A child's code
begins with its parent's, so that a route for a prefix holds for everything below.
"""

import re
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import NamedTuple

LEVELS = {"province": 2, "city": 4, "area": 6, "street": 9, "village": 12}
"""Levels of a division and the digits of their codes."""
PARENT_DIGITS = {2: 0, 4: 2, 6: 4, 9: 6, 12: 9}
"""Digits of the parent's code, by the digits of a code."""
DIVISIONS_MAX = 1_000_000
"""Divisions of one network; the whole country has 665,276 (30 June 2023)."""
CENTRES_MAX = 2_000
"""Centres of one network."""
BRANDS_MAX = 32
"""Brands of one network."""
CLASSES_MAX = 8
"""Service classes of one network."""
CODES_MAX = 32
"""Patterns of codes that are no waybills, of one network."""
LABELS_MAX = 262_144
"""Rows of all label tables of one network."""
LABEL_FORMATS_MAX = 8
"""Label patterns of one brand."""
WAYBILL_BYTES_MAX = 40
"""Longest code a scan can carry."""
ANY = "*"
"""In a route: any brand, or any service class."""
NO_ROUTE = "none"
"""In a route, in place of a group: places below the prefix have no route here, although a shorter
prefix has one. So is a piece whose address is known only to the city kept from leaving it."""
CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,23}")
"""Codes of brands, centres and directions."""
NAME = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")
"""Names of groups: room for a centre's code with a word before it."""


class Division(NamedTuple):
    """A place with a code; a tuple because a country has hundreds of thousands."""

    level: str
    code: str
    name: str
    parent: str


@dataclass(frozen=True, slots=True)
class Centre:
    """A sorting centre. ``serves`` are the areas or streets it delivers to by itself."""

    code: str
    name: str
    level: str
    """hub or node."""
    parent: str
    """The centre above it; empty for the one at the top."""
    division: str
    """Where it stands."""
    serves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Direction:
    """Where pieces for places outside the network leave to."""

    prefix: str
    name: str
    direction: str


class Check(IntEnum):
    """Check digit that a code must carry to count as what its pattern says."""

    NONE = 0
    S10 = 1
    """UPU S10: the ninth of nine digits between two letters and two letters."""
    GS1 = 2
    """GS1 General Specifications: the last of 8 (EAN-8), 12 (UPC-A), 13 (EAN-13) or 14 digits."""


class CodeClass(IntFlag):
    """What a code is if it is no waybill."""

    BAG = 1
    """A bag, cage or container of pieces."""
    PACKAGING = 2
    PRODUCT = 4
    LABEL = 8
    """A route label of some brand; which brand's is told by its :class:`LabelFormat`."""


class LabelForm(IntEnum):
    """How a brand's route label (its three-segment code) is to be read."""

    OPAQUE = 0
    """Not to be split: it names a place as a whole, or none."""
    SEGMENTS = 1
    """One to four segments, parted by ``-``, general to particular: 721-A010-J9 47."""
    KEYED = 2
    """A QR payload ``MMM={'k1':'710','k2':'710BF','k3':'001',...``; k1 to k3 are its segments. A
    scan carries its head alone; a segment counts if the comma behind it is still there."""


@dataclass(frozen=True, slots=True)
class Format:
    """A waybill pattern: a regular expression over whole codes, and what it proves."""

    pattern: str
    certain: bool
    """Its prefix or letters prove the company; bare digits never do."""
    check: Check = Check.NONE


@dataclass(frozen=True, slots=True)
class CodePattern:
    """A pattern of codes that are no waybills."""

    kind: CodeClass
    pattern: str
    check: Check = Check.NONE


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """A pattern of a brand's route labels: a regular expression over the whole label."""

    pattern: str
    form: LabelForm


class LabelRow(NamedTuple):
    """What a label stands for: a row of a network's label tables."""

    where: str
    """File and line, to name in errors."""
    brand: str
    segments: str
    """The leading segments joined by ``-``, or all of an opaque label."""
    destination: str
    """Division code."""


@dataclass(frozen=True, slots=True)
class Brand:
    """An express company.

    Its waybill patterns are regular expressions over whole codes. One that matches no code without
    a letter proves the brand; another only makes it possible.
    """

    code: str
    name: str
    name_zh: str
    synthetic: bool
    """Invented for demonstration; no such company exists."""
    waybills: tuple[str, ...]
    formats: tuple[Format, ...] = ()
    """Patterns beside ``waybills``, taken from the library of companies."""
    labels: tuple[LabelFormat, ...] = ()
    """What its route labels look like."""


@dataclass(frozen=True, slots=True)
class Network:
    """A whole network, checked."""

    name: str
    title: str
    service_classes: tuple[str, ...]
    """Most urgent first; class number 1 is the first."""
    brands: tuple[Brand, ...]
    """Brand number 1 is the first."""
    divisions: tuple[Division, ...]
    roots: tuple[str, ...]
    """Codes above the highest divisions listed: the city, for the network of a city."""
    centres: tuple[Centre, ...]
    directions: tuple[Direction, ...]
    codes: tuple[CodePattern, ...] = ()
    """What codes beside waybills look like."""
    labels: tuple[LabelRow, ...] = ()
    """What the brands' route labels stand for."""

    def brand_numbers(self) -> dict[str, int]:
        """Return the number of each brand's code, from 1."""
        return {brand.code: number for number, brand in enumerate(self.brands, 1)}

    def class_numbers(self) -> dict[str, int]:
        """Return the number of each service class, from 1."""
        return {name: number for number, name in enumerate(self.service_classes, 1)}


def code_problem(code: str) -> str:
    """Return what is wrong with a division code, and what to do; empty if nothing is."""
    if code.isascii() and code.isdigit() and len(code) in PARENT_DIGITS and code[0] != "0":
        return ""
    if "E+" in code.upper():
        return f"{code!r:.40} was turned into a number by the spreadsheet; format it as text"
    return f"{code!r:.40} is no division code; give 2, 4, 6, 9 or 12 digits, the first not 0"


def lianyungang() -> Path:
    """Return the folder of the Lianyungang network that ships with this package."""
    return Path(__file__).parent / "data" / "lianyungang"


def companies() -> Path:
    """Return the file of real companies' waybill formats that ships with this package."""
    return Path(__file__).parent / "data" / "companies.toml"
