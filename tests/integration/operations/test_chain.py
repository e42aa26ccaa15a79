"""The whole chain: a running demo, a real Prometheus, the shipped rules, panels and alerts.

Every expression that is shipped gives a value on what the service gives; and a fault at the sorter
or the database raises the alert that is there for it.
"""

import contextlib
import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.operations.prometheus import DEPLOY, Prometheus, faster, until

BLOCKED = 7
"""Chute of the loop that is jammed all the time."""
CUT_EVERY_MS, CUT_FOR_MS = 45_000, 10_000
"""The loop's cable is cut again and again: when the service is ready differs from run to run."""
CUTS = ",".join(
    f"{{after_ms = {number * CUT_EVERY_MS}, for_ms = {CUT_FOR_MS}}}" for number in range(1, 60)
)
FAULTS = {
    "loop-1.jams": f"[{{chute = {BLOCKED}, after_ms = 0, for_ms = 86400000}}]",
    "loop-1.cuts": f"[{CUTS}]",
    # From the first piece on the diverter line's scanner reads nothing.
    "diverter-1.blinds": "[{after_ms = 0, for_ms = 86400000}]",
    "diverter-1.scanner.cuts": f"[{CUTS}]",
}
VARIABLES = {"$__rate_interval": "10s", "$site": ".*", "$line": ".*"}


class Chain(NamedTuple):
    """A demo that runs, and who scrapes it."""

    demo: subprocess.Popen[bytes]
    log: Path
    prometheus: Prometheus

    def runs(self) -> bool:
        assert self.demo.poll() is None, self.log.read_text(encoding="utf-8")
        return True


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    http_port, plc_port = free_row(1), free_row(4)
    command = [sys.executable, "-m", "sorter", "demo", "--json", "--state", str(folder / "demo")]
    command += ["--port", str(http_port), "--plc-port", str(plc_port), "--rate", "12000"]
    for key, value in FAULTS.items():
        command += ["--set", f"{key}={value}"]
    with (folder / "demo.log").open("wb") as log:
        demo = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        prometheus = start_prometheus(folder, http_port)
        try:
            yield Chain(demo, folder / "demo.log", prometheus)
        finally:
            prometheus.stop()
    finally:
        freeze(demo.pid, frozen=False)
        demo.send_signal(signal.SIGINT)
        try:
            demo.wait(180)
        finally:
            if demo.poll() is None:
                os.killpg(demo.pid, signal.SIGKILL)


def free_row(count: int) -> int:
    """Return the first of so many free ports in a row, below those that connections take."""
    for first in random.sample(range(20_000, 30_000), 100):
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            for port in range(first, first + count):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise AssertionError("no free ports")


def start_prometheus(folder: Path, http_port: int) -> Prometheus:
    """Start one on a faster copy of what is shipped."""
    for rules in (DEPLOY / "prometheus").glob("sorter.*.yml"):
        copy = folder / rules.name
        copy.write_text(faster(rules.read_text(encoding="utf-8")), encoding="utf-8")
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    config = config.replace("127.0.0.1:8080", f"127.0.0.1:{http_port}")
    config = config.replace("_interval: 15s", "_interval: 1s")
    assert config.count("1s") == 2
    return Prometheus(folder, config, f"--storage.tsdb.path={folder / 'tsdb'}")


def freeze(demo: int, *, frozen: bool) -> int:
    """Stop all processes of the demo's database, or let them go on; return how many there are."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, rest = (entry / "stat").read_text().split("(", 1)[1].rsplit(") ", 1)
        except OSError:
            continue  # it ended meanwhile
        parents[int(entry.name)] = int(rest.split()[1]), name
    stopped = 0
    for pid in parents:
        ancestors, at = [], pid
        while at in parents:
            ancestors.append(at)
            at = parents[at][0]
        if demo in ancestors and parents[pid][1] == "postgres":
            os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)
            stopped += 1
    return stopped


def panels() -> list[tuple[str, str]]:
    """Return each panel's title with one of its expressions, its variables filled in."""
    found = []
    for path in sorted((DEPLOY / "grafana" / "dashboards" / "en").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                expression = target["expr"]
                for variable, value in VARIABLES.items():
                    expression = expression.replace(variable, value)
                assert "$" not in expression, expression
                found.append((f"{path.stem}: {panel['title']}", expression))
    return found


def judged(expression: str) -> list[str]:
    """Return what an alert's expression compares: it must have a value while nothing is wrong."""
    sides = []
    for part in re.split(" (?:or|and) ", expression):
        absent = re.fullmatch(r"absent\((.+)\)", part.strip())
        compared = re.fullmatch(r"(.+?) (?:==|!=|>|<) -?[\d.]+", part.strip())
        assert absent or compared, f"an alert of a form that is not known here: {part}"
        sides.append((absent or compared)[1])  # type: ignore[index]
    return sides


def has_values(prometheus: Prometheus, expression: str) -> bool:
    """Whether it gives something, and nothing that is no number."""
    values = [value for _, value in prometheus.query(expression)]
    return bool(values) and not any(map(math.isnan, values))


def has_fired(prometheus: Prometheus, alert: str, **labels: str) -> bool:
    """Whether an alert fired at any instant so far."""
    wanted = {"alertname": alert, "alertstate": "firing", **labels}
    told = ",".join(f'{name}="{value}"' for name, value in wanted.items())
    return bool(prometheus.query(f"count_over_time(ALERTS{{{told}}}[1d])"))


def wait_for_alert(chain: Chain, alert: str, **labels: str) -> None:
    until(
        lambda: chain.runs() and has_fired(chain.prometheus, alert, **labels),
        lambda: f"{alert} fires with {labels}; {chain.prometheus.query('ALERTS')}",
    )


def test_each_panel_shows_something(chain: Chain) -> None:
    waiting = panels()
    assert len(waiting) > 100

    def all_shown() -> bool:
        assert chain.runs()
        waiting[:] = [each for each in waiting if not has_values(chain.prometheus, each[1])]
        return not waiting

    until(all_shown, lambda: f"a value without NaN of {waiting}")


def test_each_rule_has_something_to_judge(chain: Chain) -> None:
    rules = chain.prometheus.rules()
    alerts = [rule for rule in rules if rule["type"] == "alerting"]
    assert len(rules) > len(alerts) > 20
    waiting = [rule["query"] for rule in rules if rule["type"] == "recording"]
    waiting += [side for rule in alerts for side in judged(rule["query"])]

    def all_judged() -> bool:
        waiting[:] = [each for each in waiting if not has_values(chain.prometheus, each)]
        return not waiting

    until(all_judged, lambda: f"a value without NaN of {waiting}")
    unhealthy = [rule["name"] for rule in chain.prometheus.rules() if rule["health"] != "ok"]
    assert not unhealthy


def test_a_jammed_chute_raises_its_alert(chain: Chain) -> None:
    wait_for_alert(chain, "ChuteBlocked", line="loop-1", chute=str(BLOCKED))
    assert not has_fired(chain.prometheus, "ChuteBlocked", line="diverter-1")


def test_a_cut_cable_raises_its_alert(chain: Chain) -> None:
    wait_for_alert(chain, "PlcDisconnected", line="loop-1")


def test_a_cut_cable_of_a_scanner_raises_its_alert(chain: Chain) -> None:
    wait_for_alert(chain, "ScannerDisconnected", line="diverter-1", scanner="tunnel")
    assert not has_fired(chain.prometheus, "ScannerDisconnected", line="loop-1")


def test_a_scanner_that_reads_nothing_raises_its_alert(chain: Chain) -> None:
    wait_for_alert(chain, "NoReadShareHigh", line="diverter-1")


def test_a_database_that_stands_still_raises_its_alert_and_ends_it_as_it_goes_on(
    chain: Chain,
) -> None:
    assert freeze(chain.demo.pid, frozen=True) > 1
    wait_for_alert(chain, "RecorderLagging")
    assert freeze(chain.demo.pid, frozen=False) > 1
    until(
        lambda: not chain.prometheus.query('ALERTS{alertname="RecorderLagging"}'),
        lambda: "the recorder has caught up",
    )
    assert chain.runs()
