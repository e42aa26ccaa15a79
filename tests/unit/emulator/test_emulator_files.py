"""The emulator's files: what is wrong in them is said with file, line or key, and what to do."""

from typing import TYPE_CHECKING

import pytest

from plc_adapters.emulator.config import EmulatorConfigError, load_config
from plc_adapters.emulator.labels import read_labels

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Bench

HEADER = "codes,weight_g,length_mm,width_mm,height_mm\n"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("plc.cycle_ms=0", "plc.cycle_ms: Input should be greater than or equal to 1"),
        ("plc.event_slots=100", "event_slots must be a power of two, not 100"),
        ("plc.default_chute=77", "plc.default_chute: 77 is not in"),
        ("loop.length_mm=20100", "must be a whole number of cell_pitch_mm"),
        ("loop.length_mm=9500", "chute 9 stands at 10000 mm, beyond the loop's 9500 mm"),
        ("loop.scanner=1", "number 1 is used twice"),
        ("locks=[{chute=88, after_ms=0, for_ms=1}]", "chute 88 is not in"),
        ("listen.base_address=65000", "the mailbox would end at register"),
        ("plc.cycels=5", "plc.cycels: unknown key; remove it or correct its spelling"),
        ("plc.cycle_ms", "must look like section.key=value"),
        ("labels.x=1", "labels is no section"),
    ],
)
def test_a_wrong_key_is_named(bench: "Bench", setting: str, words: str) -> None:
    with pytest.raises(EmulatorConfigError) as caught:
        load_config(bench.config, (setting,))
    assert words in str(caught.value)


def test_every_wrong_chute_is_named_with_its_line(bench: "Bench") -> None:
    bench.folder.joinpath("chutes.csv").write_text(
        "chute,position_mm,capacity_pieces\n1,1000,5\n1,2000,5\n2,900,5\n3,3000\n4,x,1\n",
        encoding="utf-8",
    )
    with pytest.raises(EmulatorConfigError) as caught:
        load_config(bench.config)
    lines = [problem.partition("chutes.csv:")[2] for problem in caught.value.problems]
    assert [line[0] for line in lines] == ["3", "4", "5", "6"]
    assert "listed twice" in lines[0]
    assert "not past the chute before" in lines[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "labels.csv:1: columns are 'a,b'"),
        (HEADER, "holds no piece; add a row for each"),
        (HEADER + "a,1,1,1\n", "labels.csv:2: has 4 columns, not 5"),
        (HEADER + "a|b|c|d|e,1,1,1,1\n", "labels.csv:2: codes: 5 of them"),
        (HEADER + "a,-1,1,1,1\n", "labels.csv:2: weight_g: '-1' is not a whole number"),
        (HEADER + "a,1,1,1,1\n" + "b,1,1,1,x\n" * 30, "labels.csv: 10 more rows are wrong"),
    ],
)
def test_a_wrong_label_is_named_with_its_line(bench: "Bench", text: str, words: str) -> None:
    path = bench.folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EmulatorConfigError) as caught:
        read_labels(path)
    assert words in str(caught.value)
