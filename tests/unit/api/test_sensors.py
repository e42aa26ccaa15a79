"""Sensors over HTTP: how they stand, their history, what readiness and metrics tell of them."""

import math
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from plc_adapters.contract import Quantity, SensorStatus
from sorter.outlets.sensor_board import SensorView
from tests.unit.api.conftest import Client, Site

TEMPERATURE = SensorView(
    name="cold-room", link="gateway", quantity=Quantity.TEMPERATURE, status=SensorStatus.HIGH,
    reading=6.25, low=0.0, high=4.0, read_ns=1, out_since_ns=1, out_ns=90_000_000_000, excursions=2,
    reads=500, failures=3, reconnects=1, problem="",
)  # fmt: skip
HUMIDITY = SensorView(
    name="store", link="gateway", quantity=Quantity.HUMIDITY, status=SensorStatus.WITHIN,
    reading=55.0, low=math.nan, high=math.nan, read_ns=1, out_since_ns=0, out_ns=0, excursions=0,
    reads=9, failures=0, reconnects=1, problem="",
)  # fmt: skip
SILENT = replace(
    TEMPERATURE, name="dock", status=SensorStatus.SILENT, reading=math.nan, read_ns=0,
    out_since_ns=0, out_ns=0, problem="10.0.0.9:502: can't connect",
)  # fmt: skip


def stand(site: Site, *sensors: SensorView) -> None:
    now_ns = site.clock.now_ns()
    told = [
        replace(
            sensor,
            read_ns=sensor.read_ns and now_ns - 2_000_000_000,
            out_since_ns=sensor.out_since_ns and now_ns - 60_000_000_000,
        )
        for sensor in sensors
    ]
    site.sensors.update(told, "")


def sensors_of(client: Client) -> dict[str, dict[str, Any]]:
    content = client.get("/sensors").json()
    assert content["problem"] == ""
    return {sensor["name"]: sensor for sensor in content["sensors"]}


def test_sensors_as_they_stand(site: Site, client: Client) -> None:
    stand(site, TEMPERATURE, HUMIDITY, SILENT)
    found = sensors_of(client)
    hot = found["cold-room"]
    assert (hot["quantity"], hot["status"], hot["reading"]) == ("temperature", "high", 6.25)
    assert (hot["low"], hot["high"], hot["out_s"], hot["excursions"]) == (0.0, 4.0, 90.0, 2)
    assert hot["age_s"] >= 2.0
    assert hot["read_at"] > hot["out_since"]
    assert (found["store"]["low"], found["store"]["out_since"]) == (None, None)
    dock = found["dock"]
    assert [dock[name] for name in ("status", "reading", "read_at", "age_s")] == [
        "silent", None, None, None,
    ]  # fmt: skip
    assert dock["problem"] == SILENT.problem


def test_no_board_is_unavailable(site: Site, client: Client) -> None:
    (site.folder / "sensors.board").unlink()
    assert client.get("/sensors").status_code == 503


def test_history_page_by_page_to_its_end(client: Client) -> None:
    found: list[int] = []
    path = "/sensors/cold-room/history?limit=2"
    before = ""
    for _ in range(3):
        page = client.get(path + before).json()
        assert page["sensor"] == "cold-room"
        found += [event["sequence"] for event in page["events"]]
        before = f"&before={page['before']}"
    assert found == [5, 4, 3, 2, 1]
    assert page["before"] is None
    assert page["events"][0] == {
        "at": "1970-01-01T00:00:01.000+00:00", "status": "within", "quantity": "temperature",
        "reading": 0.5, "boot_id": 7, "sequence": 1,
    }  # fmt: skip


def test_a_sensor_without_records_has_an_empty_history(client: Client) -> None:
    page = client.get("/sensors/unknown/history").json()
    assert (page["events"], page["before"]) == ([], None)


@pytest.mark.parametrize(
    "before", ["", "1", "1.2", "1.2.x", "1.2.3.4", "-1.2.3", "9" * 18 + ".1.1", "1.2.12345678901"]
)
def test_a_wrong_place_is_refused(client: Client, before: str) -> None:
    answer = client.get(f"/sensors/cold-room/history?before={before}")
    assert answer.status_code == 400
    assert "before" in answer.json()["detail"]


@pytest.mark.parametrize("limit", [0, 1001, "many"])
def test_a_page_has_a_limit(client: Client, limit: object) -> None:
    assert client.get(f"/sensors/cold-room/history?limit={limit}").status_code == 422


def test_history_needs_the_database(site: Site, client: Client) -> None:
    site.store.away = "gone"
    answer = client.get("/sensors/cold-room/history")
    assert answer.status_code == 503
    assert "gone" in answer.json()["detail"]


def check_of(client: Client) -> dict[str, Any]:
    answer = client.get("/readyz?verbose")
    assert answer.status_code == 200
    checks: list[dict[str, Any]] = answer.json()["checks"]
    return next(check for check in checks if check["name"] == "sensors")


def test_silent_sensors_are_degraded_and_the_site_is_ready(site: Site, client: Client) -> None:
    site.work()
    stand(site, TEMPERATURE, HUMIDITY)
    assert check_of(client) == {"name": "sensors", "ok": True, "reason": ""}
    stand(site, TEMPERATURE, SILENT)
    assert check_of(client)["reason"] == ("degraded: dock is silent (10.0.0.9:502: can't connect)")
    stand(site, *(replace(SILENT, name=f"s{n}", problem="") for n in range(9)))
    reason = check_of(client)["reason"]
    assert reason.startswith("degraded: s0 is silent; ")
    assert reason.endswith("s4 is silent; and 4 more")


def test_a_dead_process_is_degraded(site: Site, client: Client) -> None:
    site.work()
    (site.folder / "sensors.board").unlink()
    assert check_of(client)["reason"].startswith("degraded: the sensors process is not running")


def metrics(client: Client) -> dict[tuple[str, str], float]:
    text = client.get("/metrics").text
    return {
        (sample.name, sample.labels.get("sensor", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("sorter_sensor")
    }


def test_metrics_of_every_sensor(site: Site, client: Client) -> None:
    stand(site, TEMPERATURE, HUMIDITY, SILENT)
    found = metrics(client)
    assert found["sorter_sensors_process_up", ""] == 1
    names = ("up", "valid", "out_of_limits", "excursions_total", "reads_total")
    told = {
        name: [found[f"sorter_sensor_{name}", sensor] for sensor in ("cold-room", "store", "dock")]
        for name in names
    }
    assert told == {
        "up": [1, 1, 0],
        "valid": [1, 1, 0],
        "out_of_limits": [1, 0, 0],
        "excursions_total": [2, 0, 2],
        "reads_total": [500, 9, 500],
    }
    assert found["sorter_sensor_temperature_celsius", "cold-room"] == 6.25
    assert found["sorter_sensor_humidity_ratio", "store"] == pytest.approx(0.55)
    assert ("sorter_sensor_humidity_ratio", "cold-room") not in found
    assert math.isnan(found["sorter_sensor_temperature_celsius", "dock"])
    assert found["sorter_sensor_age_seconds", "cold-room"] >= 2.0
    assert math.isinf(found["sorter_sensor_age_seconds", "dock"])
    assert found["sorter_sensor_out_of_limits_seconds_total", "cold-room"] == 90.0
    assert found["sorter_sensor_out_of_limits_age_seconds", "cold-room"] >= 60.0


def test_without_a_process_only_that_is_told(site: Site, client: Client) -> None:
    (site.folder / "sensors.board").unlink()
    assert metrics(client) == {("sorter_sensors_process_up", ""): 0}
