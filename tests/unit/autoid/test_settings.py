"""What the site file can say of scanners, and what it is told where it is wrong."""

from pathlib import Path

import pytest

from plc_adapters.autoid.codes import CodeFilter
from plc_adapters.autoid.tie import Window
from plc_adapters.contract import SCANNERS_MAX
from sorter.config import load_site
from sorter.errors import ConfigError

SITE = """
[site]
name = "test"
[network]
centre = "LYG-HUB"
[[lines]]
name = "loop"
plan = "plan.toml"
machine = { chutes = "chutes.csv", speed_mm_s = 5000 }
"""
SCANNER = """
[[lines.scanners]]
name = "tunnel"
station = 255
device = "s=Scanner"
device_namespace = "urn:maker"
link = { url = "opc.tcp://10.0.0.9:4840", security_policy = "None", trusted = "pki" }
"""


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "site.toml"
    path.write_text(SITE + text, encoding="utf-8")
    with pytest.raises(ConfigError) as found:
        load_site(path)
    return [problem.removeprefix(f"{path}: ") for problem in found.value.problems]


def test_a_scanner_has_all_that_its_way_needs(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    tie = 'tie = { by = "trigger_id", trigger_field = "Id", trigger_namespace = "urn:maker" }\n'
    codes = 'codes = { no_read = ["NoRead", "未读"], symbologies = ["]C"], length_max = 40 }\n'
    path.write_text(SITE + SCANNER + tie + codes, encoding="utf-8")
    (scanner,) = load_site(path).lines[0].scanners
    settings = scanner.settings()
    assert (settings.name, settings.station, settings.mode) == ("tunnel", 255, "events")
    assert settings.endpoint.url == "opc.tcp://10.0.0.9:4840"
    assert settings.endpoint.trusted == tmp_path / "pki"
    assert settings.window == Window(0, 150, 150, by_trigger=True)
    assert settings.codes == CodeFilter(("NoRead", "未读"), "", ("]C",), 1, 40)
    assert settings.problems() == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SCANNER + 'mode = "last_scan"', "lines.0.scanners.0.mode"),
        (SCANNER.replace('"None"', '"Basic256Sha256"'), "certificate: missing"),
        (SCANNER.replace("opc.tcp", "http"), "must begin with opc.tcp"),
        (SCANNER.replace("s=Scanner", "Scanner"), "must begin with s=, i=, g= or b="),
        (SCANNER + 'tie = { by = "trigger_id" }', "trigger_field"),
        (SCANNER + "tie = { delivery_ms = 10 }", "longer than delivery"),
        (SCANNER + 'codes = { pattern = "(" }', "is no regular expression"),
        (SCANNER + SCANNER, "the name 'tunnel' is used twice"),
        (SCANNER + SCANNER.replace('"tunnel"', '"two"'), "station 255 has two scanners"),
        (
            "".join(
                SCANNER.replace('"tunnel"', f'"s{n}"').replace("255", str(n + 1))
                for n in range(SCANNERS_MAX + 1)
            ),
            "at most 16",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path: Path, text: str, told: str) -> None:
    assert told in problems(tmp_path, text)[0]
