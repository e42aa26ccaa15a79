"""The emulator's file: the metal, the PLC, and what goes wrong. TOML, all of it checked at once."""

import csv
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from plc_adapters.emulator.sections import ChuteRow, Diverter, EmulatorFile, Loop
from plc_adapters.mailbox.table import image_size

REGISTERS_MAX = 65_536
"""Holding registers of a Modbus device (Modbus Application Protocol V1.1b3, section 4.3)."""
CHUTE_COLUMNS = ("chute", "position_mm", "capacity_pieces")
PATH_KEYS = ("chutes", "labels")
CERTIFICATE_KEYS = ("ca", "certificate", "key", "trusted")


class EmulatorConfigError(Exception):
    """A file is wrong. Each problem names file, line or key, and what to do."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


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
    listen = raw["listen"] if isinstance(raw.get("listen"), dict) else {}
    scanner = raw["scanner"] if isinstance(raw.get("scanner"), dict) else {}
    for section in (listen.get("tls"), listen.get("opcua"), scanner.get("opcua")):
        for key in CERTIFICATE_KEYS:
            if isinstance(section, dict) and isinstance(section.get(key), str):
                section[key] = str(path.resolve().parent / section[key])
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
    if error["type"] == "value_error":
        return f"{path}: {key + ': ' if key else ''}{error['ctx']['error']}"
    if error["type"] == "extra_forbidden":
        return f"{path}: {key}: unknown key; remove it or correct its spelling"
    if error["type"] == "missing":
        return f"{path}: {key}: missing; add it"
    return f"{path}: {key}: {error['msg']} (it is {error.get('input')!r})"


def _contradictions(file: EmulatorFile, chutes: list[ChuteRow]) -> list[str]:
    """Return what can't be true of one machine at once."""
    problems: list[str] = []
    numbers = {chute.chute for chute in chutes}
    if file.plc.default_chute not in numbers:
        problems.append(
            f"plc.default_chute: {file.plc.default_chute} is not in {file.chutes}; name one that is"
        )
    for key, faults in (("locks", file.locks), ("jams", file.jams)):
        problems.extend(
            f"{key}: chute {fault.chute} is not in {file.chutes}; remove the entry"
            for fault in faults
            if fault.chute not in numbers
        )
    if file.loop:
        problems += _loop_contradictions(file, file.loop, chutes)
    if file.diverter:
        problems += _diverter_contradictions(file, file.diverter, chutes)
    taken = {file.belt.scanner}
    for station in file.stations:
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
    places = [sensor.address for sensor in file.sensors]
    problems.extend(
        f"sensors: {sensor.name} at register {sensor.address} stands in the mailbox or on another "
        f"sensor; move it to one of its own below {file.listen.base_address} or from {end} on"
        for sensor in file.sensors
        if file.listen.base_address <= sensor.address < end or places.count(sensor.address) > 1
    )
    return problems


def _loop_contradictions(file: EmulatorFile, loop: Loop, chutes: list[ChuteRow]) -> list[str]:
    """Return what can't be true of a loop."""
    problems: list[str] = []
    if chutes[-1].position_mm >= loop.length_mm:
        problems.append(
            f"loop.length_mm: chute {chutes[-1].chute} stands at {chutes[-1].position_mm} mm, "
            f"beyond the loop's {loop.length_mm} mm; correct one of them"
        )
    problems.extend(
        f"stations: {station.number} stands at {station.position_mm} mm, beyond the "
        f"loop's {loop.length_mm} mm; correct one of them"
        for station in file.stations
        if station.position_mm >= loop.length_mm
    )
    problems.extend(
        f"chances.{name}: pieces lie in cells on a loop; it is for a [diverter]"
        for name in ("slipping", "stuck_together")
        if getattr(file.chances, name)
    )
    return problems


def _diverter_contradictions(
    file: EmulatorFile, diverter: Diverter, chutes: list[ChuteRow]
) -> list[str]:
    """Return what can't be true of a diverter line."""
    problems: list[str] = []
    end = chutes[-1].chute
    if file.plc.default_chute != end:
        problems.append(
            f"plc.default_chute: it is {file.plc.default_chute}, but what no diverter turns out "
            f"comes to the conveyor's end, the last chute of {file.chutes}; make it {end}"
        )
    if file.plc.lap_limit:
        problems.append(
            f"plc.lap_limit: it is {file.plc.lap_limit}, but nothing comes round on a diverter "
            "line; make it 0"
        )
    for key, faults in (("locks", file.locks), ("jams", file.jams)):
        if any(fault.chute == end for fault in faults):
            problems.append(
                f"{key}: chute {end} is the conveyor's end, which takes whatever comes; name one "
                "with a diverter"
            )
    if len(file.stations) > 1:
        problems.append(
            f"stations: {len(file.stations)} of them; a diverter line has one, ahead of the scanner"
        )
    before_mm = 0
    for chute in chutes:
        if chute.position_mm - before_mm <= diverter.eye_before_mm:
            problems.append(
                f"{file.chutes}: chute {chute.chute} stands {chute.position_mm - before_mm} mm "
                f"behind what is before it; its photo-eye needs more than diverter.eye_before_mm, "
                f"{diverter.eye_before_mm}"
            )
        before_mm = chute.position_mm
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
