"""The demo's sorters: their files are right, and agree with what the service is told of them."""

from pathlib import Path

import pytest

from plc_adapters.emulator.config import load_config

DEMO = Path(__file__).parents[3] / "sorter" / "demo"


@pytest.mark.parametrize("folder", [DEMO, DEMO / "diverter"])
def test_the_file_is_right(folder: Path) -> None:
    file, chutes = load_config(folder / "emulator.toml")
    assert chutes[-1].chute == file.plc.default_chute
    assert bool(file.diverter) == (folder != DEMO)
