"""A real Prometheus (Debian's package) with what is shipped, on a clock sixty times as fast."""

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sorter
from tests.integration.service.conftest import free_port

DEPLOY = Path(sorter.__file__).parent.parent / "deploy"
FASTER = 60
"""A minute of a shipped rule is a second here."""
RANGE_LEAST_MS = 5_000
"""Shortest range of a faster rule: five scrapes, as a rate needs at least two."""
WAIT_S = 300.0
"""Longest wait for what must come; a machine under load is slow, not wrong."""
UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def until(condition: Callable[[], Any], what: Callable[[], str]) -> None:
    """Wait until a condition holds; ``what`` tells of what never came true."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what()}"
        time.sleep(0.3)


def faster(rules: str) -> str:
    """Return rules whose times are a sixtieth: ranges, ``for``, and thresholds of a minute or more.

    What is judged is the same: which series, against which share or count. Only the waiting is
    shorter, so that a test sees an alert fire which at a centre takes a quarter of an hour.
    """

    def to_ms(match: re.Match[str]) -> int:
        return int(match["number"]) * UNITS_MS[match["unit"]] // FASTER

    duration = r"(?P<number>\d+)(?P<unit>[smhd])"
    rules = re.sub(rf"\[{duration}\]", lambda m: f"[{max(to_ms(m), RANGE_LEAST_MS)}ms]", rules)
    rules = re.sub(rf"(?<=for: ){duration}$", lambda m: f"{to_ms(m)}ms", rules, flags=re.MULTILINE)
    return re.sub(
        r"(?<=_seconds > )(\d{2,})\b", lambda m: str(int(m[1]) // FASTER), rules
    )  # fmt: skip


class Prometheus:
    """One server; it scrapes once a second."""

    def __init__(self, folder: Path, config: str, *flags: str) -> None:
        """Start it.

        Args:
            folder: Its own; the rule files that the configuration names stand there.
            config: Its prometheus.yml.
            flags: Further ones of its command line.
        """
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = folder / "prometheus.log"
        (folder / "prometheus.yml").write_text(config, encoding="utf-8")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["prometheus", f"--config.file={folder / 'prometheus.yml'}",
                 f"--web.listen-address={self.url.removeprefix('http://')}", *flags],
                cwd=folder, stdout=log, stderr=log,
            )  # fmt: skip
        until(self._is_ready, lambda: f"Prometheus is ready: {self._log.read_text()}")

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the series that an expression has now, as labels and value."""
        words = urllib.parse.urlencode({"query": expression})
        result = self._get(f"query?{words}")["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule as the server holds it, with its health."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=30) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
            return data

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)
