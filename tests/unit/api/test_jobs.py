"""Jobs, plans and pre-advice over HTTP, with a desk whose jobs stay as the test leaves them."""

from typing import Any

import orjson
import pytest

from sorter.api import pre_advice
from sorter.api.jobs import JobState, wrong_part
from tests.unit.api.conftest import Client, Site

JSON = {"content-type": "application/json"}
CSV = {"content-type": "text/csv"}
PLANS = "/lines/loop-1/plans"
LOAD = "/pre-advice?who=ann&why=morning"


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(path, orjson.dumps(body), JSON)


LOCAL = {"caller": "local:local", "role": "engineer"}


def test_a_job_is_begun_and_its_result_waited_for(site: Site, client: Client) -> None:
    answer = post(client, f"{PLANS}/prove", plan={"version": 3})
    assert answer.status_code == 202
    assert answer.headers["location"] == "/jobs/1"
    assert (answer.json()["state"], answer.json()["result"]) == ("running", "/jobs/1/result")
    plan: dict[str, Any] = {"version": 3, "file": None, "toml": None, "tables": {}}
    assert site.desk.begun == [("prove", "loop-1", {"plan": plan, "by": LOCAL})]
    assert client.get("/jobs/1/result?wait=7").status_code == 409
    assert site.desk.waited == [7]
    job = site.desk.known[0]
    (site.folder / "result.json").write_text('{"holds": true}')
    (site.folder / "loads.svg").write_text("<svg/>")
    job.state, job.files = JobState.DONE, {"loads.svg": "image/svg+xml"}
    assert client.get("/jobs/1/result").json() == {"holds": True}
    path = client.get("/jobs").json()["jobs"][0]["files"]["loads.svg"]
    picture = client.get(path)
    assert (picture.text, picture.headers["content-type"]) == ("<svg/>", "image/svg+xml")
    assert client.get("/jobs/1/files/result.json").status_code == 404
    assert client.get("/jobs/2").status_code == 404
    assert client.get("/jobs/1?wait=61").status_code == 422
    assert client.ask("DELETE", "/jobs/1").json()["state"] == "cancelled"
    assert site.desk.cancelled_by == [LOCAL]
    assert client.get("/jobs/1/result").status_code == 410
    assert site.desk.closed


def test_what_failed_names_file_and_field(site: Site, client: Client) -> None:
    post(client, f"{PLANS}/check", plan={"toml": "x", "tables": {"routes.csv": "y"}})
    job = site.desk.known[0]
    job.state = JobState.FAILED
    job.problems = ["plan.toml: groups.BAD.chutes: 99 is none", "routes.csv:3: prefix: x", "odd"]
    answer = client.get("/jobs/1/result")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    told = [(p["file"], p["line"], p["field"]) for p in answer.json()["problems"]]
    assert told == [("plan.toml", None, "groups.BAD.chutes"), ("routes.csv", 3, "prefix"),
                    ("", None, "")]  # fmt: skip
    assert wrong_part("a: b c: d").field == ""


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/prove", {"plan": {}}, 422, "plan"),
        ("/prove", {"plan": {"version": 1, "file": "a.toml"}}, 422, "plan"),
        ("/prove", {"plan": {"file": "../secret.toml"}}, 422, "plan.file"),
        ("/check", {"plan": {"toml": "x", "tables": {"a/b.csv": "y"}}}, 422, "plan.tables"),
        ("/check", {"plan": {"version": 1, "tables": {"b.csv": "y"}}}, 422, "plan"),
        ("/whatif", {"plan": {"version": 1}, "recorded": {}}, 422, "recorded"),
        ("/whatif", {"plan": {"version": 1}, "recorded": {"day": "someday"}}, 422, "recorded.day"),
        (
            "/whatif",
            {"plan": {"version": 1}, "recorded": {"begin": "2026-01-01T00:00:00Z"}},
            422,
            "recorded",
        ),
        ("", {"plan": {"version": 1}, "who": "ann", "why": "x"}, 422, "body"),
        ("", {"plan": {"toml": "x"}, "who": "ann"}, 422, "why"),
    ],
)
def test_a_wrong_request_begins_nothing(
    site: Site, client: Client, path: str, body: dict[str, Any], status: int, field: str
) -> None:
    answer = post(client, PLANS + path, **body)
    assert answer.status_code == status
    assert any(p["field"].startswith(field) for p in answer.json()["problems"]), answer.text
    assert site.desk.known == []


def test_busy_unknown_and_foreign_are_refused(site: Site, client: Client) -> None:
    answer = post(client, "/lines/loop-9/plans/prove", plan={"version": 1})
    assert (answer.status_code, answer.json()["detail"]) == (
        404, "no line 'loop-9' here; there are: loop-1",
    )  # fmt: skip
    content = orjson.dumps({"plan": {"version": 1}})
    assert client.post(f"{PLANS}/prove", content, JSON, "10.0.0.7").status_code == 401
    assert client.post(LOAD, b"", CSV, "10.0.0.7").status_code == 401
    site.desk.busy = True
    answer = post(client, f"{PLANS}/prove", plan={"version": 1})
    assert answer.status_code == 409
    assert "job 1 (prove)" in answer.json()["detail"]


def test_pre_advice_is_taken_as_a_stream(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = client.post(LOAD + "&expires=2026-12-01", b"waybill\nA1\n", CSV)
    assert answer.status_code == 202, answer.text
    asked = {"who": "ann", "why": "morning", "expires": "2026-12-01", "replace": False}
    assert site.desk.begun == [("pre_advice", "", {**asked, "file": "pre_advice.csv", "by": LOCAL})]
    assert (site.folder / "pre_advice.csv").read_bytes() == b"waybill\nA1\n"
    for headers, path, status in (
        ({"content-type": "application/json"}, LOAD, 415),
        ({**CSV, "content-encoding": "gzip"}, LOAD, 415),
        (CSV, "/pre-advice?who=ann", 422),
        (CSV, LOAD + "&expires=soon", 422),
    ):
        assert client.post(path, b"x", headers).status_code == status
    monkeypatch.setattr(pre_advice, "PRE_ADVICE_BYTES_MAX", 10)
    answer = client.post(LOAD, b"x" * 11, CSV)
    assert (answer.status_code, len(site.desk.known)) == (413, 1)
