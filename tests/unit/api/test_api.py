"""The face as its clients see it."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from plc_adapters.autoid.tied_adapter import ScannerStatus
from sorter.api.app import STATIC, Face, create_app
from sorter.api.pieces import CODE_LENGTH_MAX, QUERIES_MAX, Histories
from sorter.api.problems import MEDIA_TYPE
from sorter.errors import UnavailableError
from sorter.outlets.board import BoardWriter
from sorter.outlets.layout import JournalStatus
from sorter.outlets.reading import BoardReader, RecorderBoardReader
from sorter.outlets.shadows import Shadows

Site = Any
Client = Any


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check that the answer is a problem of that status, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    content: dict[str, Any] = answer.json()
    assert content["status"] == status
    assert content["title"]
    assert content["detail"]
    return content


def test_live_whatever_else_is_broken(client: Client, site: Site) -> None:
    site.store.away = "gone"
    (site.folder / "line.board").unlink()
    assert client.get("/livez").json() == {"live": True}


def test_ready_once_line_plc_and_database_are(client: Client, site: Site) -> None:
    site.work()
    assert client.get("/readyz").json() == {"ready": True}
    checks = client.get("/readyz?verbose").json()["checks"]
    assert [check["name"] for check in checks] == [
        "line process", "plc of loop-1", "recorder", "database", "sensors",
    ]  # fmt: skip
    assert all(check["ok"] for check in checks)


def test_not_ready_tells_every_reason(client: Client, site: Site) -> None:
    content = problem_of(client.get("/readyz"), 503)
    assert "compiling" in content["reasons"][0]
    assert "not told yet" in content["reasons"][1]
    assert "checks" not in content
    site.work()
    site.link.connected, site.link.problem = False, "10.0.0.5:502 refuses; start it"
    site.publish()
    site.store.away = "no server"
    site.recorder.update(
        rows=12, batches=3, lag_seconds=9, connected=False, problem="records wait: no server"
    )
    content = problem_of(client.get("/readyz?verbose"), 503)
    assert content["reasons"] == [
        "plc of loop-1: 10.0.0.5:502 refuses; start it",
        "recorder: records wait: no server",
        "database: the database is away: no server",
    ]
    assert len(content["checks"]) == 5
    site.link.connected, site.link.fenced, site.link.problem = True, True, ""
    site.publish()
    assert "another host" in problem_of(client.get("/readyz"), 503)["detail"]


def test_a_scanner_that_is_away_is_not_ready(client: Client, site: Site) -> None:
    site.work()
    site.line.scanners = [("tunnel", ScannerStatus(connected=True, problem=""))]
    site.publish()
    checks = client.get("/readyz?verbose").json()["checks"]
    assert "scanner tunnel of loop-1" in [check["name"] for check in checks]
    site.line.scanners = [("tunnel", ScannerStatus(problem="10.0.0.9: no answer in time"))]
    site.publish()
    detail = problem_of(client.get("/readyz"), 503)["detail"]
    assert "scanner tunnel of loop-1: 10.0.0.9: no answer in time" in detail


def test_scanners_are_told_with_their_line(client: Client, site: Site) -> None:
    site.work()
    assert client.get("/lines").json()["lines"][0]["scanners"] == []
    status = ScannerStatus(problem="10.0.0.9: no answer in time", results=9, no_reads=2, gaps=1)
    status.ties.tied, status.ties.ambiguous, status.ties.late = 5, 1, 3
    site.line.scanners = [("tunnel", status)]
    site.publish()
    (told,) = client.get("/lines").json()["lines"][0]["scanners"]
    assert told == {
        "name": "tunnel", "connected": False, "problem": "10.0.0.9: no answer in time",
        "results": 9, "no_reads": 2, "tied": 5, "ambiguous": 1, "unanswered": 0, "late": 3,
        "strays": 0, "malformed": 0, "untimed": 0, "left_out": 0, "reconnects": 0, "gaps": 1,
    }  # fmt: skip
    assert client.get("/lines/loop-1").json()["scanners"] == [told]


def test_a_journal_in_trouble_is_not_ready(client: Client, site: Site) -> None:
    site.work()
    site.writer.set_journal(JournalStatus(problem="disk full: free space in state/journal"))
    assert "disk full" in problem_of(client.get("/readyz"), 503)["detail"]


def test_lines_and_their_numbers(client: Client, site: Site) -> None:
    site.work()
    content = client.get("/lines").json()
    assert content["site"] == "lyg"
    assert content["process"]["ready"]
    assert content["recorder"]["rows"] == 12
    [line] = content["lines"]
    assert line["plan"] == {"name": "hub", "version": 4}
    assert line["link"]["machine_state"] == "execute"
    assert line["ledger"]["inducted"] == 3
    assert line["ledger"]["unexplained"] == 0
    assert line["numbers"]["read_rate"] == 0.5
    assert line["numbers"]["deadline_misses"] == 0
    assert 800 < line["numbers"]["slack_ms"]["p50"] <= 900


def test_one_line_in_full(client: Client, site: Site) -> None:
    site.work()
    line = client.get("/lines/loop-1").json()
    assert line["counters"]["scans_unread"] == 1
    assert line["stations"] == {"1": 2, "2": 1}
    assert line["brands"]["unknown"]["sorted"] == 1
    assert set(line["brands"]) == {"unknown", "HX"}
    assert "routed" in line["dispositions"]


def test_chutes(client: Client, site: Site) -> None:
    site.work()
    chutes = client.get("/lines/loop-1/chutes").json()["chutes"]
    assert [chute["chute"] for chute in chutes] == [1, 2, 3, 4]
    assert [chute["state"] for chute in chutes] == ["open", "open", "full", "unknown"]
    assert [chute["available"] for chute in chutes] == [True, True, False, False]
    assert [chute["position_mm"] for chute in chutes] == [2_000, 4_000, 6_000, 8_000]
    assert (chutes[0]["group"], chutes[0]["fill"], chutes[0]["discharged"]) == ("north", 1, 1)


def test_picture(client: Client, site: Site) -> None:
    site.work()
    picture = client.get("/lines/loop-1/picture").json()
    assert picture["in_flight"] == 2
    assert picture["speed_mm_s"] == 2_000
    by_id = {piece["piece_id"]: piece for piece in picture["pieces"]}
    assert by_id[2]["since_scan_ms"] is not None
    assert by_id[3]["since_scan_ms"] is None
    assert by_id[3]["since_induction_ms"] >= 0
    assert (by_id[3]["cell"], by_id[3]["station"]) == (13, 2)
    assert picture["problem"] == ""
    assert len(picture["chutes"]) == 4


def test_ledger(client: Client, site: Site) -> None:
    site.work()
    content = client.get("/ledger").json()
    assert content["balanced"]
    assert content["total"] == content["lines"][0]["ledger"]
    assert content["total"]["on_sorter"] == 2


def test_an_unknown_line_is_told_with_those_there_are(client: Client) -> None:
    for path in ("/lines/x", "/lines/x/chutes", "/lines/x/picture", "/lines/" + "环线" * 3000):
        assert "there are: loop-1" in problem_of(client.get(path), 404)["detail"]


def test_without_a_line_process(client: Client, site: Site) -> None:
    (site.folder / "line.board").unlink()
    for path in ("/lines", "/lines/loop-1", "/lines/loop-1/picture", "/ledger", "/readyz"):
        answer = client.get(path)
        assert "line process is not running" in problem_of(answer, 503)["detail"]
        assert answer.headers["retry-after"]
    assert "sorter_line_process_up{" in client.get("/metrics").text


def test_a_restarted_line_process_is_found(client: Client, site: Site) -> None:
    assert client.get("/lines").status_code == 200
    BoardWriter(site.folder / "line.board", ["a", "b"], [], ["inducted"], site.clock)
    assert "there are: a, b" in client.get("/lines/loop-1").text


def test_metrics_are_given_as_prometheus_asks(client: Client, site: Site) -> None:
    site.work()
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'sorter_pieces_inducted_total{line="loop-1",site="lyg"} 3.0' in answer.text
    openmetrics = client.get("/metrics", accept="application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["QH1234567890", " QH1234567890 ", "loop-1/7/3", "loop-1%2F7%2F3"])
def test_a_piece_by_waybill_or_id(client: Client, path: str) -> None:
    answer = client.get(f"/pieces/{path}")
    assert answer.status_code == 200
    assert answer.json()["pieces"]


def test_an_unknown_piece_is_told(client: Client) -> None:
    assert "no piece known by '运单一'" in problem_of(client.get("/pieces/运单一"), 404)["detail"]


@pytest.mark.parametrize(
    "code",
    [
        "运" * 7_000,
        "x" * 10_000,
        "x" * (CODE_LENGTH_MAX + 1),
        "%00",
        "a%00b",
        "%20",
        "%ff%fe",
        "..%2f..%2fetc%2fpasswd",
        "'; drop table pieces; --",
        "%F0%9F%93%A6",
        "%ED%A0%80",
        "]C0\x1dABC",
        "%0d%0aX-Evil:1",
        "a?b#c",
    ],
)
def test_odd_codes_are_answered_and_never_a_fault(client: Client, code: str) -> None:
    path = code if "%" in code else quote(code, safe="")
    answer = client.get(f"/pieces/{path}")
    assert problem_of(answer, answer.status_code)
    assert answer.status_code in (400, 404)
    assert "x-evil" not in answer.headers


def test_a_database_that_is_away(client: Client, site: Site) -> None:
    site.store.away = "connection refused"
    answer = client.get("/pieces/QH1234567890")
    assert "database is away: connection refused" in problem_of(answer, 503)["detail"]
    site.store.away = ""
    assert client.get("/pieces/QH1234567890").status_code == 200


def test_a_fault_of_ours_tells_no_secrets(client: Client, site: Site) -> None:
    site.store.broken = True
    content = problem_of(client.get("/pieces/QH1234567890"), 500)
    assert "a fault of this program" in content["detail"]


def test_questions_at_once_are_bounded() -> None:
    class Slow:
        def __init__(self) -> None:
            self.go = asyncio.Event()

        async def open(self) -> None: ...
        async def close(self) -> None: ...
        async def ping(self) -> None: ...
        async def piece_history(self, code: str) -> dict[str, Any] | None:
            await self.go.wait()
            return {"pieces": [code]}

        async def line_commands(
            self, line: str, actions: list[str], before: str, limit: int
        ) -> dict[str, Any]:
            raise AssertionError

        async def sensor_history(
            self, name: str, limit: int, before: tuple[int, int, int] | None
        ) -> list[dict[str, Any]]:
            raise AssertionError

    async def ask() -> None:
        store = Slow()
        histories = Histories(store)
        asking = [asyncio.create_task(histories.of("x")) for _ in range(QUERIES_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="ask again"):
            await histories.of("x")
        store.go.set()
        assert len(await asyncio.gather(*asking)) == QUERIES_MAX
        assert await histories.of("x") == {"pieces": ["x"]}

    asyncio.run(ask())


def test_the_store_is_opened_and_closed(site: Site, tmp_path: Path) -> None:
    lines, recorder = BoardReader(tmp_path / "a"), RecorderBoardReader(tmp_path / "b")
    site.store.away = "not yet"
    app = create_app(
        Face(
            "lyg", lines, recorder, site.store, site.control, site.desk, Shadows(tmp_path / "c"), []
        )
    )

    async def live() -> None:
        async with app.router.lifespan_context(app):
            assert (site.store.opened, site.store.closed) == (1, 0)

    asyncio.run(live())
    assert (site.store.opened, site.store.closed) == (1, 1)


def test_unknown_paths_and_methods_are_problems(client: Client) -> None:
    problem_of(client.get("/nothing"), 404)
    problem_of(client.ask("POST", "/lines"), 405)
    several = client.ask("PATCH", "/lines/loop-1/plans")
    problem_of(several, 405)
    assert several.headers["allow"] == "GET, POST"
    problem_of(client.get("/static/nothing.js"), 404)
    problem_of(client.get("/static/..%2f..%2f__init__.py"), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/lines/loop-1/plans?before={2**64}"),
        ("POST", f"/lines/loop-1/chutes/{2**65}/lock"),
        ("POST", "/lines/loop-1/chutes/0/unlock"),
    ],
)
def test_a_number_out_of_range_is_named(client: Client, method: str, path: str) -> None:
    detail = problem_of(client.ask(method, path), 422)["detail"]
    assert ("before" if method == "GET" else "chute") in detail


def test_the_description_is_complete(client: Client) -> None:
    content = client.get("/openapi.json").json()
    operations = [
        (path, operation) for path, item in content["paths"].items() for operation in item.values()
    ]
    assert len({operation["operationId"] for _, operation in operations}) == len(operations)
    for path, operation in operations:
        assert operation["description"], path
        told = operation["responses"].get("422", {}).get("content", {})
        assert set(told) <= {"application/problem+json"}, path
        assert re.fullmatch(
            r"(get|list|activate|rollBack|lock|unlock|check|prove|diff|try|keep|merge|replace|cancel"
            r"|shadow|stop|release|begin|end)[A-Z][A-Za-z]+",
            operation["operationId"],
        )
    text = client.get("/openapi.json").text
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in content["components"]["schemas"], name
    assert "$defs" not in text


def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    files = sorted(path.name for path in STATIC.iterdir())
    wanted = set(re.findall(r'(?:src|href)="/static/([^"]+)"', page.text))
    assert {"page.js", "page.css", "favicon.svg"} <= wanted
    assert wanted <= set(files)
    for name in files:
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.", text), name
        for module in re.findall(r'from "\./([^"]+)"', text):
            assert module in files
        assert "style=" not in text
    assert client.get("/favicon.ico").headers["content-type"].startswith("image/svg")


def test_the_face_loads_neither_kernels_nor_the_line() -> None:
    code = (
        "import sys, sorter.api.app, sorter.api.server\n"
        "print({'numba', 'asyncpg', 'sorter.line', 'sorter.store'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert output == b"set()\n"
