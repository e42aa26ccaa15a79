"""A planner's and a brand's way over HTTP alone, while pieces travel."""

import json
import threading
import urllib.error
import urllib.request
from typing import Any

from sorter.assignment.arrays import PreAdviceArrays
from sorter.plans.image import map_image
from sorter.wiring.active import read_active
from sorter.wiring.paths import StatePaths
from tests.integration.service.conftest import Centre, until
from tests.integration.service.test_messages import sorter
from tests.integration.service.test_plan_life import command
from tests.integration.service.test_sorting import (
    assert_late_is_told,
    assert_nothing_is_lost_or_doubled,
)

PLANS = "/lines/loop/plans"
ROUTES = "prefix,brand,service_class,group\n32,*,*,ALL\n" + "".join(
    f"{n},*,*,none\n" for n in range(11, 83) if n != 32
)
LINES = 20_000
HEAD = "waybill,brand,service_class,destination\n"


def send(
    centre: Centre, method: str, path: str, content: bytes, kind: str = "application/json"
) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{centre.http_port}{path}", content, {"Content-Type": kind},
        method=method,
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def result(centre: Centre, job: Any) -> tuple[int, Any]:
    """Wait for a job's end while the face answers others, and return its result."""
    until(lambda: centre.get(f"/jobs/{job['id']}?wait=1")[1]["state"] != "running", "a job's end")
    return centre.get(job["result"])


def run(centre: Centre, path: str, **body: Any) -> tuple[int, Any]:
    status, job = send(centre, "POST", PLANS + path, json.dumps(body).encode())
    assert status == 202, job
    return result(centre, job)


def test_check_prove_try_keep_and_activate_over_http_alone(centre: Centre) -> None:
    centre.start_plc()
    centre.start_service()
    centre.wait_ready()
    toml = (centre.folder / "plan.toml").read_text().replace("small", "night")
    bad = {"toml": toml.replace("[8, 9]", "[8, 77]"), "tables": {"routes.csv": ROUTES}}
    for path, more in (("/check", {}), ("", {"who": "ann", "why": "night"})):
        status, problem = run(centre, path, plan=bad, **more)
        assert status == 422
        first = problem["problems"][0]
        assert (first["file"], first["field"]) == ("plan.toml", "groups.BAD.chutes")
        assert "77" in first["detail"]
    good = {"toml": toml.replace("[1, 2, 3, 4, 5, 6, 7]", "[7, 5, 3, 1]"),
            "tables": {"routes.csv": ROUTES}}  # fmt: skip
    assert run(centre, "/check", plan=good)[0] == 200
    status, proof = run(centre, "/prove", plan=good)
    assert (status, proof["name"]) == (200, "night")
    centre.sort_all()
    centre.wait_recorded()
    for source in ("store", "journal"):
        recorded = {"day": "today", "source": source}
        status, found = run(centre, "/whatif", plan=good, recorded=recorded, against={"version": 1})
        assert status == 200, found
        assert found["after"]["pieces"] >= 0.9 * centre.pieces
        assert found["after"]["peak_scans"] > 0
    jobs = centre.get("/jobs")[1]["jobs"]
    picture = jobs[0]["files"]["loads.svg"]
    with urllib.request.urlopen(f"http://127.0.0.1:{centre.http_port}{picture}") as answer:
        assert answer.read().startswith(b"<svg")
    status, kept = run(centre, "", plan=good, who="ann", why="night shift")
    assert (status, kept["number"], kept["who"]) == (200, 2, "ann")
    assert two_at_once(centre) == [200, 409]
    assert centre.get(PLANS)[1]["active"]["version"] == 2
    assert "recorded: the store has no piece" in told_by_cli(centre)


def two_at_once(centre: Centre) -> list[int]:
    """Two planners activate, both having seen version 1 active."""
    statuses: list[int] = []

    def activate(who: str) -> None:
        body = {"version": 2, "who": who, "why": "night", "expect": 1}
        status, answer = send(centre, "POST", f"{PLANS}/activate", json.dumps(body).encode())
        if status == 409:
            assert "version 1 was expected, but 2 is active since" in answer["detail"]
        statuses.append(status)

    planners = [threading.Thread(target=activate, args=(who,)) for who in ("ann", "bob")]
    for planner in planners:
        planner.start()
    for planner in planners:
        planner.join()
    return sorted(statuses)


def told_by_cli(centre: Centre) -> str:
    tried = sorter(centre, "plan", "whatif", "plan.toml", "--config", "site.toml", "--day",
                   "yesterday", "--picture", "x.svg")  # fmt: skip
    assert tried.returncode == 3
    tried_today = sorter(centre, "plan", "whatif", "plan.toml", "--config", "site.toml", "--day",
                         "today", "--recorded", "store", "--picture", "x.svg")  # fmt: skip
    assert tried_today.returncode == 0, tried_today.stderr
    assert "peak minute" in tried_today.stdout
    return tried.stderr


def good_waybill(number: int) -> str:
    return f"M{number:09d}"


def mixed_lines() -> tuple[list[bytes], set[int]]:
    """LINES lines below their head, each thirteenth bad; and the numbers of the bad ones."""
    wrong = [
        b"X1,NOBODY,,320707", b"X2,LANXI,next_day,99x", b"X3,LANXI", b",LANXI,next_day,320707",
        "顺丰1,LANXI,,320707".encode(), b"X4\xff,LANXI,,320707", b'"X5,LANXI,,320707',
        b"X" * 41 + b",LANXI,,320707", b"X" * 10_000 + b",LANXI,,320707", b"X6,LANXI,soon,320707",
    ]  # fmt: skip
    lines, bad = [HEAD.encode()], set()
    for number in range(2, LINES + 2):
        if number % 13 == 0:
            bad.add(number)
            lines.append(wrong[number // 13 % len(wrong)] + b"\n")
        else:
            lines.append(f"{good_waybill(number)},LANXI,next_day,320707\n".encode())
    return lines, bad


def found_file(centre: Centre, job: Any, name: str) -> str:
    path = centre.get(f"/jobs/{job['id']}")[1]["files"][name]
    with urllib.request.urlopen(f"http://127.0.0.1:{centre.http_port}{path}") as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        text: str = answer.read().decode()
        return text


def waybills_in_use(centre: Centre) -> set[str]:
    active = read_active(StatePaths(centre.folder / "state").pre_advice)
    assert active is not None
    table, _ = map_image(active.image, PreAdviceArrays)
    used = table.length != 0
    return {row.tobytes().rstrip(b"\0").decode() for row in table.waybill[used]}


def test_pre_advice_comes_in_parts_while_pieces_travel(centre: Centre) -> None:
    centre.start_plc()
    centre.start_service()
    centre.wait_ready()
    lines, bad = mixed_lines()
    path = "/pre-advice?who=lanxi&why=morning"
    status, job = send(centre, "POST", path, b"".join(lines), "text/csv")
    assert status == 202
    status, found = result(centre, job)
    assert (status, found["bad_lines"], found["in_use_by"]) == (200, len(bad), ["loop"]), found
    told = found["problems"][: len(bad)]
    assert {int(text.split(":")[1]) for text in told} == bad, "each bad line is named by its number"
    assert all(text.startswith("pre_advice.csv:") for text in told)
    whole = found_file(centre, job, "bad_lines.txt").splitlines()
    assert [int(text.split(":")[1]) for text in whole] == sorted(bad)
    assert found["waybills"] == LINES - len(bad) + 200, "each good one is loaded"
    assert set(map(good_waybill, set(range(2, LINES + 2)) - bad)) <= waybills_in_use(centre)
    assert found["memory_bytes"] > 0
    (centre.folder / "late.ndjson").write_text('{"waybill": "N1", "destination": "320707"}\n')
    loaded = sorter(centre, "pre-advice", "load", "late.ndjson", "--why", "late", "--config",
                    "site.toml", "--json")  # fmt: skip
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout)["waybills"] == found["waybills"] + 1
    centre.sort_all()
    centre.wait_recorded()
    assert_nothing_is_lost_or_doubled(centre)
    assert_late_is_told(centre)
    status, job = send(centre, "PUT", path, (HEAD + "Z1,,,320707\n").encode(), "text/csv")
    assert result(centre, job)[1]["waybills"] == 1
    assert (
        "by lanxi: morning" in sorter(centre, "pre-advice", "show", "--config", "site.toml").stdout
    )
    assert command(centre, "state")["active"]["version"] == 1
