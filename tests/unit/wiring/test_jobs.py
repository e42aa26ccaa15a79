"""Jobs of the face in their own processes: plans looked at and kept, pre-advice loaded."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from sorter.api.jobs import BusyError, JobRecord, JobState
from sorter.assignment.arrays import PreAdviceArrays
from sorter.config import SiteFile
from sorter.errors import UnavailableError
from sorter.plans import pre_advice
from sorter.plans.image import map_image
from sorter.plans.versions import list_versions
from sorter.wiring import advice, job_process, jobs
from sorter.wiring.active import read_active
from sorter.wiring.advice import load_advice, remove_old
from sorter.wiring.audit_chain import entries
from sorter.wiring.jobs import Desk
from sorter.wiring.paths import StatePaths
from sorter.wiring.prepare import prepare
from tests.integration.service.conftest import PLAN
from tests.integration.service.conftest import ROUTES as OWN_ROUTES
from tests.unit.wiring.test_prepare import write_site

WAIT_S = 300.0
BY = {"caller": "key:ann", "role": "engineer"}
ROUTES = OWN_ROUTES + "".join(f"{n},*,*,none\n" for n in range(11, 83) if n != 32)
"""Every province, as the labels of the network name them; only one is served."""
SMALL: dict[str, Any] = {"version": None, "file": None, "toml": None, "tables": {}}
HEAD = "waybill,brand,service_class,destination,holds,expires\n"
LOAD: dict[str, Any] = {
    "file": "part.csv", "who": "ann", "why": "test", "by": BY, "replace": False, "expires": "",
}  # fmt: skip
SCANS = (
    "scanned_at,brand,service_class,destination,disposition,chute,laps\n"
    + "2026-01-01T10:00:00+00:00,LANXI,next_day,320707,routed,1,0\n" * 5
)


def text_of(toml: str) -> dict[str, Any]:
    return {**SMALL, "toml": toml, "tables": {"routes.csv": ROUTES}}


GOOD = PLAN.replace('"network"', '"routes.csv"')


@pytest.fixture
def site(tmp_path: Path) -> SiteFile:
    return write_site(tmp_path)


def with_desk(site: SiteFile, work: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        desk = Desk(site, StatePaths(site.site.state_dir).jobs)
        try:
            await work(desk)
        finally:
            await desk.close()

    asyncio.run(run())


async def done(desk: Desk, kind: str, line: str = "loop", **request: Any) -> JobRecord:
    job = desk.reserve(kind, line)
    await desk.begin(job, request)
    await desk.wait(job, WAIT_S)
    return job


def result_of(job: JobRecord) -> dict[str, Any]:
    assert job.state == JobState.DONE, job.problems
    found: dict[str, Any] = orjson.loads((job.folder / "result.json").read_bytes())
    return found


def test_a_planner_checks_proves_compares_tries_and_keeps(site: SiteFile) -> None:
    prepare(site)
    new = text_of(GOOD.replace('"small"', '"new"').replace("[1, 2, 3, 4, 5, 6, 7]", "[1, 2]"))

    async def work(desk: Desk) -> None:
        found = result_of(await done(desk, "check", plan=new))
        assert (found["name"], found["chutes"]) == ("new", 4)
        proof = await done(desk, "prove", plan={**SMALL, "file": "plan.toml"})
        assert result_of(proof)["destinations"] > 1_782
        first = {**SMALL, "version": 1}
        found = result_of(await done(desk, "diff", before=first, after=new))
        assert not found["same"]
        assert "chute 7: ALL -> unused" in found["parts"]
        tried = await done(
            desk, "whatif", plan=new, against=first, lap_seconds=60.0, empty_seconds=120.0,
            recorded={"begin": None, "end": None, "day": None, "csv": SCANS, "ndjson": None},
        )  # fmt: skip
        found = result_of(tried)
        assert (found["after"]["pieces"], found["against"], found["plan"]) == (5, "small", "new")
        assert tried.files == {"loads.svg": "image/svg+xml"}
        assert (tried.folder / "loads.svg").read_text().startswith("<svg")
        for kept in (True, False):
            found = result_of(await done(desk, "keep", plan=new, who="ann", why="night", by=BY))
            assert (found["kept"], found["number"], found["who"]) == (kept, 2, "ann")

    with_desk(site, work)
    state = StatePaths(site.site.state_dir)
    assert [v.plan for v in list_versions(state.versions("loop"))][1] == "sent/new.toml"
    active = read_active(state.active_plan("loop"))
    assert active is not None
    assert active.version == 1


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (text_of(GOOD.replace("[8, 9]", "[8, 99]")), "plan.toml: groups.BAD.chutes"),
        (text_of(GOOD.replace("laps = 2", "laps = 2\nlaps = 3")), "plan.toml"),
        (text_of(GOOD.replace('"routes.csv"', '"/etc/passwd"')), "plan.toml: routes: 'passwd'"),
        (text_of(GOOD.replace('"routes.csv"', '"../plan.toml"')), "plan.toml: routes:"),
        (
            {**text_of(GOOD), "tables": {"routes.csv": "prefix,brand\n32,*\n"}},
            "routes.csv:1",
        ),
        ({**SMALL, "version": 7}, "no plan version 7"),
        ({**SMALL, "file": "nothing.toml"}, "nothing.toml: no such file"),
    ],
)
def test_what_is_wrong_names_file_and_field(
    site: SiteFile, plan: dict[str, Any], expected: str
) -> None:
    async def work(desk: Desk) -> None:
        more: dict[str, Any] = {} if plan["version"] else {"who": "ann", "why": "x", "by": BY}
        kind = "keep" if more else "check"
        job = await done(desk, kind, plan=plan, **more)
        assert job.state == JobState.FAILED
        assert any(expected in text for text in job.problems), job.problems
        assert not any(str(job.folder) in text for text in job.problems)
        assert not any("root:" in text for text in job.problems)

    with_desk(site, work)
    assert list_versions(StatePaths(site.site.state_dir).versions("loop")) == []


def test_a_gap_in_a_plan_fails_its_proof_with_a_barcode(site: SiteFile) -> None:
    gap = {**text_of(GOOD), "tables": {"routes.csv": ROUTES.replace("32,*", "320707,*")}}

    async def work(desk: Desk) -> None:
        found = result_of(await done(desk, "prove", plan=gap))
        assert not found["holds"]
        assert found["failures"][0]["example"]["path"]

    with_desk(site, work)


def test_one_job_of_a_lane_at_a_time_and_any_can_be_ended(
    site: SiteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(desk: Desk) -> None:
        job = desk.reserve("prove", "loop")
        with pytest.raises(BusyError, match=f"{job.id} .prove. of plans runs since"):
            desk.reserve("check", "loop")
        other = desk.reserve("pre_advice", "")
        desk.discard(other)
        assert not other.folder.exists()
        await desk.begin(job, {"plan": text_of(GOOD)})
        await desk.cancel(job, BY)
        assert job.state == JobState.CANCELLED
        # Its file is a pipe that nobody writes to: so it runs until it is ended.
        load = desk.reserve("pre_advice", "")
        os.mkfifo(load.folder / LOAD["file"])
        await desk.begin(load, LOAD)
        while not load.doing:  # its process tells that it runs
            await desk.wait(load, 0.05)
        await desk.cancel(load, BY)
        assert load.state == JobState.CANCELLED
        told = [e for e, _ in entries(StatePaths(site.site.state_dir).audit)][-2:]
        assert [each.action for each in told] == ["cancel_job"] * 2
        assert told[0].after == {"job": load.id, "kind": "pre_advice"}
        assert (told[0].who["caller"], told[1].after) == ("key:ann", {"state": "cancelled"})
        monkeypatch.setattr(jobs, "JOB_S", 0.01)
        monkeypatch.setattr(jobs, "JOBS_KEPT", 3)
        slow = await done(desk, "prove", plan=text_of(GOOD))
        assert slow.state == JobState.FAILED
        assert slow.problems[0].startswith("job: not done in 0 s")
        ended = [job, slow]
        ended += [await done(desk, "prove", plan=text_of(GOOD)) for _ in range(3)]
        assert len(desk.jobs()) == 3
        assert desk.find(job.id) is None
        assert not job.folder.exists()
        assert desk.jobs()[0] is ended[-1]

    with_desk(site, work)


def test_an_end_asked_for_in_a_callback_from_c_is_not_lost() -> None:
    ending = job_process.Ending()
    signal.signal(signal.SIGUSR1, ending.ask)
    lost: list[object] = []
    before, sys.unraisablehook = sys.unraisablehook, lost.append
    try:
        ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGUSR1))()
    finally:
        sys.unraisablehook = before
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    assert len(lost) == 1, "the exception of the signal's handler went nowhere"
    with pytest.raises(SystemExit):
        ending.heed()


def load(site: SiteFile, tmp_path: Path, content: str, **more: Any) -> dict[str, Any]:
    path = tmp_path / "part.csv"
    path.write_text(content, encoding="utf-8")
    return load_advice(site, path, "ann", "test", **more)


def rows_of(site: SiteFile) -> dict[str, tuple[int, int, int]]:
    """Destination, holds and last day of each waybill in use."""
    active = read_active(StatePaths(site.site.state_dir).pre_advice)
    assert active is not None
    table, _ = map_image(active.image, PreAdviceArrays)
    return {
        table.waybill[k, : table.length[k]].tobytes().decode(): (
            int(table.destination[k]), int(table.holds[k]), int(table.expires_day[k]),
        )
        for k in table.length.nonzero()[0]
    }  # fmt: skip


def test_parts_of_a_day_are_added_and_the_newer_word_counts(site: SiteFile, tmp_path: Path) -> None:
    found = load(site, tmp_path, HEAD + "A1,,,320707,,\nA2,,,320707,,2020-01-01\nA3,,,320707,,\n")
    assert (found["waybills"], found["updated"], found["bad_lines"]) == (3, 0, 0)
    assert found["memory_bytes"] == 8 * 60
    assert "the line process does not answer" in found["not_in_use"]
    found = load(
        site, tmp_path, HEAD + "A1,,,320706,INTERCEPTED,\nA3,NOBODY,,320707,,\nA4,,,320707,,\n",
        expires="2099-12-31",
    )  # fmt: skip
    assert (found["waybills"], found["updated"], found["bad_lines"]) == (2, 2, 1)
    assert found["problems"][0].startswith(f"{tmp_path}/part.csv:3: brand: no brand 'NOBODY'")
    rows = rows_of(site)
    assert rows["A1"] == (320706, 1, 47481)
    assert rows["A4"] == (320707, 0, 47481)
    assert rows["A3"][2] == -1, "a bad line's word is newer than what stood before"
    found = load(site, tmp_path, HEAD + "B1,,,320707,,\n", replaces=True)
    assert (found["replaced_all"], found["waybills"]) == (True, 1)
    assert list(rows_of(site)) == ["B1"]


def test_every_bad_line_is_written_to_a_file(
    site: SiteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "bad.txt"
    monkeypatch.setattr(advice, "BAD_LINES_TOLD_MAX", 2)
    rows = [f"A{n},{'NOBODY' if n % 2 else ''},,320707,,\n" for n in range(10)]
    found = load(site, tmp_path, HEAD + "".join(rows), bad_lines=whole)
    assert (found["bad_lines"], found["waybills"]) == (5, 5)
    assert len([text for text in found["problems"] if "NOBODY" in text]) == 2
    numbers = [line.split(":")[1] for line in whole.read_text().splitlines()]
    assert numbers == ["3", "5", "7", "9", "11"]
    load(site, tmp_path, HEAD + rows[0], bad_lines=whole)
    assert not whole.exists(), "none is bad"
    monkeypatch.setattr(pre_advice, "BAD_LINES_REPORTED_MAX", 3)
    load(site, tmp_path, HEAD + "".join(rows), bad_lines=whole)
    assert len(whole.read_text().splitlines()) == 3
    with pytest.raises(UnavailableError, match=r"no/bad.txt: can't be written: No such file"):
        load(site, tmp_path, HEAD, bad_lines=tmp_path / "no" / "bad.txt")


def test_a_load_outlasts_a_start_until_the_file_of_the_site_changes(
    site: SiteFile, tmp_path: Path
) -> None:
    prepare(site)
    load(site, tmp_path, HEAD + "A1,,,320707,,\n")
    prepare(site)
    assert list(rows_of(site)) == ["A1"]
    (tmp_path / "pre_advice.csv").write_text(
        "waybill,brand,service_class,destination\nC1,,,320707\n"
    )
    prepare(site)
    assert list(rows_of(site)) == ["C1"]


def test_old_images_and_halves_are_removed(
    site: SiteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = StatePaths(site.site.state_dir).plans
    for number in range(advice.IMAGES_KEPT + 3):
        load(site, tmp_path, HEAD + f"A{number},,,320707,,\n")
    (plans / ".pre_advice-0.image.x").write_text("half")
    active = read_active(plans / "pre_advice.active.json")
    assert active is not None
    assert active.version == advice.IMAGES_KEPT + 3
    remove_old(plans, active.image)
    assert len(list(plans.glob("*pre_advice-*"))) == advice.IMAGES_KEPT
    assert active.image.exists()


def test_pre_advice_is_a_job_beside_those_of_plans(site: SiteFile) -> None:
    asked = {
        "who": "ann",
        "why": "x",
        "by": BY,
        "expires": "",
        "replace": False,
        "file": "a.ndjson",
    }

    async def work(desk: Desk) -> None:
        desk.reserve("prove", "loop")
        job = desk.reserve("pre_advice", "")
        (job.folder / "a.ndjson").write_text('{"waybill": "A1"}\n{"waybill": "顺丰"}\n{"x"\n')
        await desk.begin(job, asked)
        await desk.wait(job, WAIT_S)
        found = result_of(job)
        assert (found["waybills"], found["bad_lines"]) == (1, 2)
        assert [text.split(":")[:2] for text in found["problems"]] == [
            ["a.ndjson", "2"], ["a.ndjson", "3"],
        ]  # fmt: skip
        assert job.files == {"bad_lines.txt": "text/plain; charset=utf-8"}

    with_desk(site, work)
