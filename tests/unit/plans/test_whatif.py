"""A plan tried over recorded pieces, from a file or a journal; its picture; the commands."""

import csv
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from plc_adapters.contract import EVENT, DischargeStatus, Disposition, EventKind, Records
from routing_tables.schema import Network
from sorter.assignment.replay import SCAN
from sorter.cli.main import app
from sorter.errors import ConfigError, Exit
from sorter.journal.format import encode_batch, segment_head, segment_path
from sorter.plans.plan import Plan, load_plan
from sorter.plans.scans import COLUMNS, load_scans
from sorter.plans.whatif import MINUTES_MAX, Model, Shift, WhatIf, whatif
from sorter.plans.whatif_picture import draw
from sorter.ports import DECISION, PIECE, Batch
from sorter.wiring.scans import gather

BEGIN_NS = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
GANYU, DONGHAI, SHANGHAI = 320707, 320722, 31


@pytest.fixture
def plan(demo: Path) -> Plan:
    return load_plan(demo / "plan.toml")


@pytest.fixture
def swapped(demo: Path, tmp_path: Path) -> Path:
    """A copy of the demo's plan in which two directions have swapped their chutes."""
    text = (demo / "plan.toml").read_text(encoding="utf-8").replace("hub-demo", "swapped")
    for found, put in (("[48]", "[0]"), ("[49]", "[48]"), ("[0]", "[49]")):
        assert text.count(found) == 1
        text = text.replace(found, put)
    (tmp_path / "swapped.toml").write_text(text, "utf-8")
    return tmp_path / "swapped.toml"


def recorded(*destinations: int, chute: int = 0, every_s: float = 1.0) -> Records:
    """Pieces of brand 1 and class 1, one after the other."""
    scans = np.zeros(len(destinations), SCAN)
    scans["scanned_ns"] = BEGIN_NS + (np.arange(len(scans)) * every_s * SECOND).astype(np.int64)
    scans["destination"], scans["brand"], scans["service_class"] = destinations, 1, 1
    scans["finding"] = scans["disposition"] = Disposition.ROUTED
    scans["chute"] = chute
    return scans


def loads(found: WhatIf) -> dict[int, tuple[int, int]]:
    return {c.chute: (c.before, c.after) for c in found.chutes if c.before or c.after}


def test_what_was_recorded_already_is_no_shift(
    plan: Plan, network: Network, chutes: Records
) -> None:
    found = whatif(plan, network, chutes, recorded(*[GANYU] * 12, chute=2))
    assert (found.plan, found.against, found.shifted) == ("hub-demo", "recorded", 0)
    assert found.before.pieces == found.after.pieces == found.decisions == 12
    # Balanced: two pieces for each of the six chutes.
    assert loads(found) == {1: (0, 2), 2: (12, 2), 3: (0, 2), 4: (0, 2), 5: (0, 2), 6: (0, 2)}
    assert found.after.recirculated_share == found.after.overflow_share == 0
    assert (found.after.peak_minute, found.after.peak_scans) == ("2027-01-15T08:00:00+00:00", 12)


def test_a_full_chute_overflows_then_recirculates(
    plan: Plan, network: Network, chutes: Records
) -> None:
    street = 320706001  # One chute for 40 pieces; the overflow has two for 80 each.
    scans = recorded(*[street] * 250, every_s=0.1)
    found = whatif(plan, network, chutes, scans, model=Model(lap_s=60, empty_s=3600))
    assert loads(found) == {23: (0, 40), 54: (0, 80), 55: (0, 80), 60: (0, 50)}
    assert found.after.overflow_share == 160 / 250
    assert found.after.recirculated_share == 50 / 250
    assert found.after.laps == 50 * plan.laps
    assert found.after.exception_share == 50 / 250
    assert {c.chute: c.emptied for c in found.chutes if c.emptied} == {}
    again = whatif(plan, network, chutes, scans, model=Model(lap_s=60, empty_s=1))
    assert again.after.exception_share == 0
    assert {c.chute for c in again.chutes if c.emptied} == {23, 54, 55}


def test_shifts_against_another_plan(
    plan: Plan, network: Network, chutes: Records, swapped: Path
) -> None:
    scans = recorded(SHANGHAI, GANYU, SHANGHAI, 310101, 0, chute=7)
    found = whatif(load_plan(swapped), network, chutes, scans, plan)
    assert (found.plan, found.against) == ("swapped", "hub-demo")
    assert found.shifts == (Shift("31", 49, 48, 3),)
    assert (found.shifted, found.shifts_hidden) == (3, 0)
    assert loads(found)[48] == (0, 3)
    assert loads(found)[49] == (3, 0)
    assert found.before.exception_share == found.after.exception_share == 1 / 5


def test_exceptions_stay_what_the_piece_showed(
    plan: Plan, network: Network, chutes: Records
) -> None:
    scans = recorded(*[GANYU] * 4, chute=1)
    scans["finding"] = [
        Disposition.NO_READ, Disposition.CONFLICT, Disposition.INTERCEPTED, Disposition.ROUTED,
    ]  # fmt: skip
    scans["disposition"] = scans["finding"]
    found = whatif(plan, network, chutes, scans)
    whats = {(shift.what, shift.after) for shift in found.shifts}
    assert {what for what, _ in whats} == {"no_read", "conflict", "intercepted"}
    assert {after for _, after in whats}.isdisjoint(range(1, 54))


def test_limits_of_a_recording(plan: Plan, network: Network, chutes: Records) -> None:
    with pytest.raises(ConfigError, match="no recorded pieces"):
        whatif(plan, network, chutes, np.zeros(0, SCAN))
    scans = recorded(GANYU, GANYU, every_s=MINUTES_MAX * 60 + 60)
    with pytest.raises(ConfigError, match="spans 14 days"):
        whatif(plan, network, chutes, scans)


def test_picture(plan: Plan, network: Network, chutes: Records) -> None:
    found = whatif(plan, network, chutes, recorded(*[GANYU] * 12, chute=2))
    root = ET.fromstring(draw(found))
    space = "{http://www.w3.org/2000/svg}"
    bars = root.findall(f"{space}g")
    assert len(bars) == 60
    second = bars[1]
    assert second.findtext(f"{space}title") == "chute 2 NODE-320707: 12 -> 2"
    heights = [float(bar.attrib["height"]) for bar in second.findall(f"{space}rect")]
    assert heights[0] == 200
    assert heights[1] == pytest.approx(200 / 6, abs=0.1)


def rows_of(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([",".join(COLUMNS), *rows]), "utf-8")
    return path


def test_a_table_and_its_ndjson_are_the_same(tmp_path: Path, network: Network) -> None:
    rows = [
        "2026-01-31T20:15:01.250+08:00,LANXI,same_day,320707,overflow,54,2",
        "2026-01-31T12:15:00Z,,,,no_read,56,",
    ]
    scans = load_scans(rows_of(tmp_path / "scans.csv", *rows), network)
    objects = [
        {name: value for name, value in zip(COLUMNS, row, strict=True) if value}
        for row in csv.reader(rows)
    ]
    (tmp_path / "scans.ndjson").write_bytes(b"\n".join(map(orjson.dumps, objects)))
    assert load_scans(tmp_path / "scans.ndjson", network).tolist() == scans.tolist()
    first, second = scans.tolist()
    at_ns = 1_769_861_700 * SECOND
    assert first == (at_ns, 0, 0, 0, Disposition.NO_READ, Disposition.NO_READ, 56, 0)
    assert second == (
        at_ns + 1_250_000_000, GANYU, 1, 2, Disposition.ROUTED, Disposition.OVERFLOW, 54, 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2026-01-31T20:15:01,,,,,,", "2: scanned_at: '2026-01-31T20:15:01'; give ISO 8601"),
        ("2026-01-31T12:15:00Z,X,,,,,", "2: brand: 'X' is not known"),
        ("2026-01-31T12:15:00Z,,X,,,,", "2: service_class: 'X' is not known"),
        ("2026-01-31T12:15:00Z,,,12345,,,", "2: destination: '12345' is no division code"),
        ("2026-01-31T12:15:00Z,,,,lost,,", "2: disposition: 'lost' is not known"),
        ("2026-01-31T12:15:00Z,,,,,1024,", "2: chute: '1024'; give a whole number from 0 to 1023"),
        ("2026-01-31T12:15:00Z,,,,,,-1", "2: laps: '-1'; give a whole number from 0 to 255"),
    ],
)
def test_wrong_rows(tmp_path: Path, network: Network, row: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scans(rows_of(tmp_path / "scans.csv", row), network)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "1: not valid JSON"),
        ("[]", "1: no JSON object"),
        ('{"at": 1}', "1: unknown key 'at'"),
        ("", "no scans"),
    ],
)
def test_wrong_ndjson(tmp_path: Path, network: Network, text: str, problem: str) -> None:
    path = tmp_path / "scans.ndjson"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=problem):
        load_scans(path, network)
    with pytest.raises(ConfigError, match="can't be read"):
        load_scans(tmp_path / "none.ndjson", network)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A line's journal: three pieces ended, one is still on the sorter."""
    folder = tmp_path / "loop-1"
    folder.mkdir()
    events = np.zeros(5, EVENT)
    events["kind"], events["boot_id"] = EventKind.SCANNED, 9
    events["piece_id"] = [1, 2, 1, 3, 4]
    events["event_ns"] = BEGIN_NS + np.array([2, 1, 62, 3, 4]) * SECOND
    pieces = np.zeros(4, PIECE)
    pieces["boot_id"], pieces["piece_id"] = 9, [1, 2, 3, 5]
    pieces["scans"], pieces["scanned_ns"] = [2, 1, 1, 0], BEGIN_NS + 62 * SECOND
    pieces["outcome"], pieces["chute"] = DischargeStatus.SORTED, [54, 56, 58, 60]
    pieces["lap"], pieces["waybill_length"] = [1, 0, 0, 0], [13, 0, 0, 0]
    pieces["destination"], pieces["brand"], pieces["service_class"] = GANYU, 1, 2
    pieces["disposition"] = [
        Disposition.OVERFLOW, Disposition.NO_READ, Disposition.CONFLICT, Disposition.LAP_LIMIT,
    ]  # fmt: skip
    pieces["conflict"] = [0, 0, 1, 0]
    none = np.empty(0, DECISION)
    for number, batch in enumerate(
        [Batch(0, events, none, np.empty(0, PIECE)), Batch(0, np.empty(0, EVENT), none, pieces)], 1
    ):
        head = segment_head(number, BEGIN_NS, "loop-1")
        segment_path(folder, number).write_bytes(head + encode_batch(number, batch))
    return folder


def test_pieces_are_gathered_from_a_journal(journal: Path) -> None:
    shares: list[float] = []
    scans = gather(journal, shares.append)
    assert scans["scanned_ns"].tolist() == [BEGIN_NS + k * SECOND for k in (1, 2, 3)]
    assert scans["finding"].tolist() == [
        Disposition.NO_READ, Disposition.ROUTED, Disposition.CONFLICT,
    ]  # fmt: skip
    assert scans["chute"].tolist() == [56, 54, 58]
    assert scans["laps"].tolist() == [0, 1, 0]
    assert scans["disposition"][1] == Disposition.OVERFLOW
    assert (scans["destination"][1], scans["brand"][1], scans["service_class"][1]) == (GANYU, 1, 2)
    assert shares == sorted(shares)
    assert shares[-1] <= 1


def test_no_journal(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no journal there"):
        gather(tmp_path / "none")


def test_commands(demo: Path, swapped: Path, journal: Path, tmp_path: Path) -> None:
    plan, chutes = str(demo / "plan.toml"), ["--chutes", str(demo / "chutes.csv")]
    runner = CliRunner()

    def run(*arguments: str, code: int = Exit.OK) -> str:
        result = runner.invoke(app, ["plan", *arguments])
        assert result.exit_code == code, result.output
        return result.output

    assert "plan.toml: holds" in run("prove", plan, *chutes)
    assert orjson.loads(run("prove", plan, *chutes, "--json"))["holds"] is True
    assert "31, 33, 34  (" in run("diff", plan, str(swapped), *chutes)
    assert orjson.loads(run("diff", plan, plan, *chutes, "--json"))["same"] is True
    picture = tmp_path / "loads.svg"
    told = run(
        "whatif", str(swapped), *chutes, "--journal", str(journal), "--picture", str(picture)
    )
    assert "swapped over 3 pieces, against recorded" in told
    assert ET.parse(picture).getroot().tag.endswith("svg")
    rows = rows_of(tmp_path / "scans.csv", "2026-01-31T12:15:00Z,LANXI,same_day,31,routed,49,0")
    given = ("--scans", str(rows), "--against", plan)
    assert "31: chute 49 -> chute 48" in run("whatif", str(swapped), *chutes, *given)
    found = orjson.loads(run("whatif", str(swapped), *chutes, *given, "--json"))
    assert found["shifts"] == [{"what": "31", "before": 49, "after": 48, "pieces": 1}]
    run("whatif", plan, *chutes, code=Exit.USAGE)


def test_a_plan_that_fails_its_proof_ends_with_1(demo: Path, tmp_path: Path) -> None:
    text = (demo / "plan.toml").read_text(encoding="utf-8")
    path = tmp_path / "plan.toml"
    path.write_text(text.replace('[49]\noverflow = "OVERFLOW"', "[49]"), "utf-8")
    arguments = ["plan", "prove", str(path), "--chutes", str(demo / "chutes.csv")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == Exit.CHECK_FAILED
    assert "FAILED" in result.output
    assert "barcode " in result.output
    assert "pre-advice: " in result.output
    assert "destination 31 > route 31 (any brand, any class) to OUT-DELTA" in result.output


@pytest.mark.parametrize("command", ["check", "prove", "diff", "whatif"])
def test_help_has_an_example(command: str) -> None:
    result = CliRunner().invoke(app, ["plan", command, "--help"])
    assert result.exit_code == Exit.OK
    assert f"Example: sorter plan {command} " in result.output
