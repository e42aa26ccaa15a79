"""Metrics that are pushed arrive: at a real Pushgateway, and by an agent at a real Prometheus."""

import asyncio
import subprocess
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from sorter.outlets.board import RecorderBoardWriter
from sorter.outlets.metrics import Exposition
from sorter.outlets.push import Pusher
from sorter.outlets.reading import BoardReader, RecorderBoardReader
from sorter.outlets.shadows import Shadows
from tests.integration.operations.prometheus import DEPLOY, Prometheus, until
from tests.integration.service.conftest import free_port
from tests.unit.outlets.conftest import Lab

EVERY_S = 0.1


class Gateway:
    """A Pushgateway that can go away and come back."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = folder / "pushgateway.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                # Debian's keeps what it was told in a file of the machine's own.
                ["prometheus-pushgateway", "--persistence.file=",
                 f"--web.listen-address={self.url.removeprefix('http://')}"],
                stdout=log, stderr=log,
            )  # fmt: skip
        until(lambda: self.sample("pushgateway_build_info") is not None, self._log.read_text)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(60)

    def sample(self, name: str, **labels: str) -> float | None:
        """Return the value of a sample that it shows, None where there is none."""
        try:
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return None
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return None


@pytest.fixture
def registry(tmp_path: Path) -> CollectorRegistry:
    lab = Lab(tmp_path / "run" / "line.board")
    recorder = lab.path.with_name("recorder.board")
    board = RecorderBoardWriter(recorder, lab.clock)
    board.update(rows=1, batches=1, lag_seconds=0.0, connected=True, problem="")
    lab.publish()
    shadows = Shadows(lab.path.with_name("shadows"))
    return Exposition("lyg", BoardReader(lab.path), RecorderBoardReader(recorder), shadows).registry


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path)
    yield running
    running.stop()


def names(families: Iterable[Metric]) -> set[str]:
    """Return the names of all samples."""
    return {sample.name for family in families for sample in family.samples}


async def pushing(pusher: Pusher, look: Callable[[], None]) -> None:
    """Push while a thread looks at what comes of it."""
    task = asyncio.create_task(pusher.run())
    try:
        await asyncio.to_thread(look)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_gateway_shows_what_a_scrape_would(
    gateway: Gateway, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.start()

    def look() -> None:
        until(
            lambda: gateway.sample("sorter_line_process_up", site="lyg", job="sorter") is not None,
            lambda: "the metrics arrive",
        )
        assert gateway.sample("push_time_seconds", site="lyg", job="sorter")
        with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=10) as answer:
            shown = names(text_string_to_metric_families(answer.read().decode()))
        assert names(registry.collect()) <= shown

    asyncio.run(pushing(Pusher(gateway.url, "lyg", registry, EVERY_S), look))
    assert gateway.sample("sorter_line_process_up") is None, "it was not taken back"
    assert gateway.sample("push_time_seconds", job="sorter") is None
    assert "push.gateway" not in caplog.text


def test_an_outage_is_told_once_and_healed(
    gateway: Gateway, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    pusher = Pusher(gateway.url, "lyg", registry, EVERY_S)

    def look() -> None:
        until(lambda: pusher.problem, lambda: "it is noticed")
        gateway.start()
        until(lambda: not pusher.problem, lambda: "it is pushed")
        gateway.stop()
        until(lambda: pusher.problem, lambda: "it is noticed again")

    asyncio.run(pushing(pusher, look))
    assert caplog.text.count("takes no metrics") == 2
    assert caplog.text.count("takes metrics again") == 1
    assert caplog.text.count("did not take the site's metrics back") == 1


def test_an_agent_writes_to_a_prometheus_far_away(
    tmp_path: Path, registry: CollectorRegistry
) -> None:
    served_port = free_port()
    server, thread = start_http_server(served_port, "127.0.0.1", registry)
    receiver = agent = None
    try:
        for name in ("receiver", "agent"):
            (tmp_path / name).mkdir()
        receiver = Prometheus(
            tmp_path / "receiver", "global: {}\n", "--web.enable-remote-write-receiver",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        )  # fmt: skip
        config = (DEPLOY / "prometheus" / "agent.yml").read_text(encoding="utf-8")
        for shipped, here in (
            ("http://prometheus.example:9090", receiver.url),
            ("127.0.0.1:8080", f"127.0.0.1:{served_port}"),
            ("_interval: 15s", "_interval: 1s"),
        ):
            assert shipped in config
            config = config.replace(shipped, here)
        agent = Prometheus(
            tmp_path / "agent", config, "--enable-feature=agent",
            f"--storage.agent.path={tmp_path / 'wal'}",
        )  # fmt: skip
        arrived = 'sorter_line_process_up{job="sorter",site="lyg"}'
        until(lambda: receiver.query(arrived), lambda: "the metrics arrive")
        assert receiver.query('up{job="sorter"}')[0][1] == 1.0
    finally:
        for running in (agent, receiver):
            if running:
                running.stop()
        server.shutdown()
        server.server_close()
        thread.join()
