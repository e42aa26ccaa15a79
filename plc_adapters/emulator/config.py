"""The emulator's file: the metal, the PLC, and what goes wrong. TOML, all of it checked at once."""

import csv
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plc_adapters.contract import CHUTE_NUMBER_MAX, LAPS_MAX, STATION_NUMBER_MAX
from plc_adapters.mailbox.table import (
    EVENT_SLOTS_MAX,
    EVENT_SLOTS_MIN,
    LAYOUT_VERSION,
    image_size,
)

REGISTERS_MAX = 65_536
"""Holding registers of a Modbus device (Modbus Application Protocol V1.1b3, section 4.3)."""
CELLS_MAX = 65_535
"""A cell's number takes one register; cells count from 1."""
CHUTE_COLUMNS = ("chute", "position_mm", "capacity_pieces")
PATH_KEYS = ("chutes", "labels")
TLS_PATH_KEYS = ("ca", "certificate", "key")

Chance = Annotated[float, Field(ge=0.0, le=1.0)]
Milliseconds = Annotated[int, Field(ge=0, le=86_400_000)]


class EmulatorConfigError(Exception):
    """A file is wrong. Each problem names file, line or key, and what to do."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Section(BaseModel):
    """A table of the file; an unknown key in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListenTls(Section):
    """Modbus/TCP Security: PEM files. A host without a certificate of that ``ca`` is refused."""

    ca: Path
    certificate: Path
    key: Path


class Listen(Section):
    """Where the Modbus TCP server listens; it answers every unit id, as Siemens' MB_SERVER does."""

    host: str = "127.0.0.1"
    port: int = Field(default=15_020, ge=0, le=65_535)
    """0 for any free one; the status names it."""
    base_address: int = Field(default=0, ge=0, le=65_535)
    """Holding register at which the mailbox begins."""
    tls: ListenTls | None = None


class Plc(Section):
    """The PLC and its program."""

    default_chute: int = Field(ge=1, le=CHUTE_NUMBER_MAX)
    """Where pieces go that nobody gave a chute to in time."""
    lap_limit: int = Field(default=8, ge=0, le=LAPS_MAX - 1)
    """Lap from which a piece goes to the default chute when no chute named took it."""
    cycle_ms: int = Field(default=5, ge=1, le=1000)
    word_order: Literal["big", "little"] = "big"
    string_byte_order: Literal["big", "little"] = "big"
    event_slots: int = Field(default=256, ge=EVENT_SLOTS_MIN, le=EVENT_SLOTS_MAX)
    backlog_events_max: int = Field(default=4096, ge=16, le=1_000_000)
    """Events that wait for a free slot of the ring; what comes beyond is lost and counted."""
    host_watchdog_ms: int = Field(default=1000, ge=20, le=60_000)
    wait_for_host: bool = False
    """Whether the machine stays suspended until a first host has been granted an epoch."""
    boot_id: int = Field(default=0, ge=0, le=0xFFFF_FFFF)
    """0 for a new one at every start, as a PLC does."""
    layout_version: int = Field(default=LAYOUT_VERSION, ge=0, le=0xFFFF)
    """What the header says; another one than the table's makes a PLC that no host may use."""
    first_piece_id: int = Field(default=1, ge=1, le=0xFFFF_FFFF)
    first_sequence: int = Field(default=1, ge=1, le=0xFFFF_FFFF)
    first_time_ms: int = Field(default=0, ge=0, le=0xFFFF_FFFF)

    @model_validator(mode="after")
    def _slots_fit_the_wrap(self) -> Self:
        if self.event_slots & (self.event_slots - 1):
            raise ValueError(f"event_slots must be a power of two, not {self.event_slots}")
        return self


class Loop(Section):
    """The belt. Positions run downstream from the scanner, in mm."""

    length_mm: int = Field(ge=1000, le=10_000_000)
    speed_mm_s: int = Field(ge=100, le=1_000_000)
    """Cross-belts run up to 2,500; more is for loads that no single sorter gives."""
    cell_pitch_mm: int = Field(ge=50, le=10_000)
    scanner: int = Field(default=STATION_NUMBER_MAX, ge=1, le=STATION_NUMBER_MAX)
    """The scanner's station number; it stands at position 0."""

    @property
    def cells(self) -> int:
        """Cells of the loop."""
        return self.length_mm // self.cell_pitch_mm

    @model_validator(mode="after")
    def _cells_close_the_loop(self) -> Self:
        if self.length_mm % self.cell_pitch_mm:
            raise ValueError("length_mm must be a whole number of cell_pitch_mm")
        if self.cells > CELLS_MAX:
            raise ValueError(f"{self.cells} cells; at most {CELLS_MAX} can be numbered")
        return self


class Arrivals(Section):
    """How pieces come to the induction stations: at their own pace, whatever the sorter does."""

    pieces_per_hour: float = Field(gt=0, le=100_000_000)
    """Over all stations together, by their shares."""
    spacing: Literal["exponential", "fixed"] = "exponential"
    queue_max: int = Field(default=50, ge=1, le=100_000)
    """Pieces that wait at a station; while it is full the feed stands still."""
    pieces_max: int = Field(default=0, ge=0)
    """Pieces in all; 0 for no end."""


class Station(Section):
    """An induction station."""

    number: int = Field(ge=1, le=STATION_NUMBER_MAX)
    position_mm: int = Field(ge=1)
    share: float = Field(default=1.0, gt=0, le=1000)


class Emptying(Section):
    """How people look after the chutes."""

    empty_after_ms: Milliseconds = 20_000
    """From full until the bag is changed."""
    empty_every_ms: Milliseconds = 0
    """Bags that are not empty are also changed at this pace; 0 for only when full."""
    clear_jam_ms: Milliseconds = 30_000
    """From a jam until the chute is open again."""


class Lock(Section):
    """A chute that somebody locks at its own panel for a while."""

    chute: int = Field(ge=1, le=CHUTE_NUMBER_MAX)
    after_ms: Milliseconds
    """From the start of the emulator."""
    for_ms: Milliseconds


class Cut(Section):
    """A while in which the cable is cut: all connections are dropped, new ones refused."""

    after_ms: Milliseconds
    """From the start of the emulator."""
    for_ms: Milliseconds


class Chances(Section):
    """What goes wrong, each a probability."""

    no_read: Chance = 0.0
    """Per scan: no code is read."""
    several_codes: Chance = 0.0
    """Per piece: a product code on its packaging is read as well."""
    unknown_weight: Chance = 0.0
    """Per scan: the scale gives 0."""
    discharge_failure: Chance = 0.0
    """Per discharge: the piece stays on its cell."""
    missorted: Chance = 0.0
    """Per discharge: the cell's belt turns late, and the piece lands in the next open chute."""
    jam: Chance = 0.0
    """Per discharge: the chute is blocked afterwards."""
    removed: Chance = 0.0
    """Per piece: taken off by hand within a lap of its induction, if it is still there."""
    lost: Chance = 0.0
    """Per piece: falls off within a lap of its induction; the PLC notices at the next eye."""
    repeated_event: Chance = 0.0
    """Per event: the PLC reports it once more, under the sequence after it."""


class ChuteRow(Section):
    """A row of the chute table."""

    chute: int = Field(ge=1, le=CHUTE_NUMBER_MAX)
    position_mm: int = Field(ge=1)
    capacity_pieces: int = Field(ge=1, le=1_000_000)


class EmulatorFile(Section):
    """The whole file; relative paths in it are relative to it."""

    chutes: Path
    labels: Path | None = None
    """What is printed on the pieces; made up if left out."""
    repeat_labels: bool = True
    """Whether labels start over when they are used up; else induction ends there."""
    seed: int = Field(default=1, ge=0)
    listen: Listen = Listen()
    plc: Plc
    loop: Loop
    arrivals: Arrivals
    stations: list[Station] = Field(min_length=1, max_length=STATION_NUMBER_MAX)
    emptying: Emptying = Emptying()
    locks: list[Lock] = Field(default=[], max_length=10_000)
    cuts: list[Cut] = Field(default=[], max_length=10_000)
    chances: Chances = Chances()


def load_config(path: Path, settings: tuple[str, ...] = ()) -> tuple[EmulatorFile, list[ChuteRow]]:
    """Read and check the file and its chute table.

    ``settings`` are lines like ``arrivals.pieces_per_hour=9000`` that replace keys of the file.

    Raises:
        EmulatorConfigError: with every problem found, one line each.
    """
    raw = _read(path)
    for setting in settings:
        _apply(raw, setting)
    for key in PATH_KEYS:
        if isinstance(raw.get(key), str):
            raw[key] = str(path.resolve().parent / raw[key])
    tls = raw["listen"].get("tls") if isinstance(raw.get("listen"), dict) else None
    for key in TLS_PATH_KEYS:
        if isinstance(tls, dict) and isinstance(tls.get(key), str):
            tls[key] = str(path.resolve().parent / tls[key])
    try:
        file = EmulatorFile.model_validate(raw)
    except ValidationError as error:
        raise EmulatorConfigError(*(_explain(path, dict(e)) for e in error.errors())) from None
    chutes = read_chutes(file.chutes)
    problems = [f"{path}: {problem}" for problem in _contradictions(file, chutes)]
    if problems:
        raise EmulatorConfigError(*problems)
    return file, chutes


def _read(path: Path) -> dict[str, Any]:
    """Return the file's raw tree."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EmulatorConfigError(
            f"{path}: no such file; give --config the emulator's file"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise EmulatorConfigError(f"{path}: can't be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise EmulatorConfigError(f"{path}: not valid TOML: {error}") from None


def _apply(raw: dict[str, Any], setting: str) -> None:
    """Replace one key; what is no TOML value is taken as a text."""
    key, equals, text = setting.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise EmulatorConfigError(f"--set {setting}: must look like section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    node = raw
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise EmulatorConfigError(f"--set {setting}: {part} is no section")
    node[parts[-1]] = value


def _explain(path: Path, error: dict[str, Any]) -> str:
    """One line for one validation error: file, key, what is wrong, what to do."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{path}: {key}: unknown key; remove it or correct its spelling"
    if error["type"] == "missing":
        return f"{path}: {key}: missing; add it"
    if error["type"] == "value_error":
        return f"{path}: {key}: {error['ctx']['error']}"
    return f"{path}: {key}: {error['msg']} (it is {error.get('input')!r})"


def _contradictions(file: EmulatorFile, chutes: list[ChuteRow]) -> list[str]:
    """Return what can't be true of one machine at once."""
    problems: list[str] = []
    numbers = {chute.chute for chute in chutes}
    length = file.loop.length_mm
    if file.plc.default_chute not in numbers:
        problems.append(
            f"plc.default_chute: {file.plc.default_chute} is not in {file.chutes}; name one that is"
        )
    problems.extend(
        f"locks: chute {lock.chute} is not in {file.chutes}; remove the lock"
        for lock in file.locks
        if lock.chute not in numbers
    )
    if chutes[-1].position_mm >= length:
        problems.append(
            f"loop.length_mm: chute {chutes[-1].chute} stands at {chutes[-1].position_mm} mm, "
            f"beyond the loop's {length} mm; correct one of them"
        )
    taken = {file.loop.scanner}
    for station in file.stations:
        if station.position_mm >= length:
            problems.append(
                f"stations: {station.number} stands at {station.position_mm} mm, beyond the "
                f"loop's {length} mm; correct one of them"
            )
        if station.number in taken:
            problems.append(
                f"stations: number {station.number} is used twice (the scanner has one too); "
                "renumber one"
            )
        taken.add(station.number)
    end = file.listen.base_address + image_size(file.plc.event_slots)
    if end > REGISTERS_MAX:
        problems.append(
            f"listen.base_address: the mailbox would end at register {end}, past "
            f"{REGISTERS_MAX}; lower it or plc.event_slots"
        )
    return problems


def read_chutes(path: Path) -> list[ChuteRow]:
    """Read a chute table: chute,position_mm,capacity_pieces, positions strictly rising.

    Raises:
        EmulatorConfigError: the table can't be read, or rows are wrong; each with its line.
    """
    rows: list[ChuteRow] = []
    problems: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = tuple(name.strip() for name in next(reader, []))
            if header != CHUTE_COLUMNS:
                raise EmulatorConfigError(
                    f"{path}:1: columns are {','.join(header)!r}; "
                    f"they must be {','.join(CHUTE_COLUMNS)}"
                )
            for cells in reader:
                if any(cells):
                    where = f"{path}:{reader.line_num}"
                    problems += _add_chute(rows, cells, where)
    except OSError as error:
        raise EmulatorConfigError(f"{path}: can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise EmulatorConfigError(f"{path}: not a UTF-8 CSV file: {error}") from None
    if not rows and not problems:
        problems.append(f"{path}: holds no chute; add a row for each")
    if problems:
        raise EmulatorConfigError(*problems)
    return rows


def _add_chute(rows: list[ChuteRow], cells: list[str], where: str) -> list[str]:
    """Add a row's chute; return what is wrong with it."""
    if len(cells) != len(CHUTE_COLUMNS):
        return [f"{where}: has {len(cells)} columns, not {len(CHUTE_COLUMNS)}"]
    try:
        row = ChuteRow.model_validate(dict(zip(CHUTE_COLUMNS, cells, strict=True)))
    except ValidationError as error:
        return [
            f"{where}: {e['loc'][0]}: {e['msg']} (it is {e.get('input')!r})" for e in error.errors()
        ]
    if any(other.chute == row.chute for other in rows):
        return [f"{where}: chute: {row.chute} is listed twice; remove one"]
    if rows and row.position_mm <= rows[-1].position_mm:
        return [
            f"{where}: position_mm: {row.position_mm} is not past the chute before "
            f"({rows[-1].position_mm}); list chutes in the order of the belt"
        ]
    rows.append(row)
    return []
