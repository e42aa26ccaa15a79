"""What the site file can say of sensors, and what it is told where it is wrong."""

from pathlib import Path

import pytest

from sorter.config import load_site
from sorter.errors import ConfigError
from sorter.wiring.parts import Part, parts_of

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
LINK = """
[[sensor_links]]
name = "room"
link = { host = "10.0.0.9" }
"""
SENSOR = """
[[sensor_links.sensors]]
name = "cold-room"
quantity = "temperature"
address = 7
valid_min = -40.0
valid_max = 85.0
"""


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "site.toml"
    path.write_text(SITE + text, encoding="utf-8")
    with pytest.raises(ConfigError) as found:
        load_site(path)
    return [problem.removeprefix(f"{path}: ") for problem in found.value.problems]


def test_sensors_are_a_process_only_where_there_are_some(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE, encoding="utf-8")
    assert Part.SENSORS not in parts_of(load_site(path))
    path.write_text(SITE + LINK + SENSOR, encoding="utf-8")
    assert parts_of(load_site(path)) == list(Part)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("", "sensor_links.0.sensors.0.valid_max"),
        ("scale = 0.0", "scale: 0 makes every reading the same"),
        ("low = 5.0\nhigh = 4.0", "must be in this order: valid_min, low, high, valid_max"),
        ("low = -50.0", "must be in this order"),
        ("high = 90.0", "must be in this order"),
        ("offset = nan", "sensor_links.0.sensors.0.offset"),
        ('quantity = "weight"', "sensor_links.0.sensors.0.quantity"),
        ("node = 3", "unknown key"),
    ],
)
def test_what_is_wrong_of_a_sensor_is_told(tmp_path: Path, change: str, told: str) -> None:
    lines = [line for line in SENSOR.splitlines() if change or not line.startswith("valid_max")]
    keys = [line.partition(" ")[0] for line in change.splitlines()]
    kept = "\n".join(line for line in lines if line.partition(" ")[0] not in keys)
    found = problems(tmp_path, f"{LINK}{kept}\n{change}\n")
    assert len(found) == 1
    assert told in found[0]


def test_names_are_used_once(tmp_path: Path) -> None:
    assert problems(tmp_path, LINK + SENSOR + SENSOR) == [
        "sensor_links: the name 'cold-room' is used twice; rename one"
    ]
    assert problems(tmp_path, (LINK + SENSOR) * 2) == [
        "sensor_links: the name 'room' is used twice; rename one"
    ]


def test_silence_is_longer_than_the_period(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, LINK + "period_ms = 60000\n" + SENSOR)
    assert "sensor_links.0: silence_ms: 30000 would call every sensor silent" in found


def test_a_site_has_so_many_sensors_at_most(tmp_path: Path) -> None:
    def link(number: int) -> str:
        sensors = (SENSOR.replace("cold-room", f"s{number}-{n}") for n in range(64))
        return LINK.replace("room", f"room{number}") + "".join(sensors)

    (found,) = problems(tmp_path, "".join(link(number) for number in range(5)))
    assert found == "sensor_links: 320 sensors; a site has at most 256"
