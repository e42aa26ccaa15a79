"""The demo's sorters: their files are right, and agree with what the service is told of them."""

from pathlib import Path

import pytest

from plc_adapters.emulator.config import load_config
from sorter.demo.site import by_line
from sorter.errors import ConfigError

DEMO = Path(__file__).parents[3] / "sorter" / "demo"


@pytest.mark.parametrize("folder", [DEMO, DEMO / "diverter"])
def test_the_file_is_right(folder: Path) -> None:
    file, chutes = load_config(folder / "emulator.toml")
    assert chutes[-1].chute == file.plc.default_chute
    assert bool(file.diverter) == (folder != DEMO)


def test_settings_are_of_a_line() -> None:
    jam = "[{chute=7, after_ms=0, for_ms=9}]"
    given = [f"loop-1.jams={jam}", "diverter-1.chances.no_read=0.5", "loop-1.seed=2"]
    assert by_line(given) == {
        "loop-1": {"jams": jam, "seed": "2"}, "diverter-1": {"chances.no_read": "0.5"},
    }  # fmt: skip
    assert by_line([]) == {"loop-1": {}, "diverter-1": {}}


@pytest.mark.parametrize("setting", ["loop-2.seed=1", "seed=1", "loop-1.seed", "loop-1", ""])
def test_a_setting_of_no_line_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"LINE\.KEY=VALUE.*loop-1 or diverter-1"):
        by_line([setting])
