"""What may be changed over HTTP, and who may not."""

from http import HTTPStatus

import orjson
import pytest

from sorter.api.bodies import COMMAND_BYTES_MAX
from sorter.api.control import STATUS
from sorter.errors import CommandError, Refusal
from tests.unit.api.conftest import Client, Site

JSON = {"content-type": "application/json; charset=utf-8"}
ACTIVATE = "/lines/loop-1/plans/activate"
BODY = {"who": "ann", "why": "night"}


def post(client: Client, path: str, **body: object) -> int:
    return client.post(path, orjson.dumps({**BODY, **body}), JSON).status_code


def test_commands_reach_the_line(site: Site, client: Client) -> None:
    assert client.get("/lines/loop-1/plans").json() == {"line": "loop-1"}
    client.get("/lines/loop-1/plans?before=40&limit=10")
    assert post(client, ACTIVATE, version=3, when="empty", expect=2) == 200
    assert post(client, "/lines/loop-1/plans/rollback", replace=True, expect=3) == 200
    assert post(client, "/lines/loop-1/chutes/12/lock") == 200
    assert post(client, "/lines/loop-1/chutes/12/unlock") == 200
    line = {"line": "loop-1"}
    mine = {**line, **BODY, "by": {"caller": "local:local", "role": "engineer"}}
    assert site.control.told == [
        {**line, "command": "state", "before": None, "limit": 100},
        {**line, "command": "state", "before": 40, "limit": 10},
        {**mine, "command": "activate", "version": 3, "when": "empty", "expect": 2,
         "replace": False},
        {**mine, "command": "rollback", "expect": 3, "replace": True},
        {**mine, "command": "lock", "chute": 12},
        {**mine, "command": "unlock", "chute": 12},
    ]  # fmt: skip


@pytest.mark.parametrize("refusal", Refusal)
def test_a_refusal_is_a_problem(site: Site, client: Client, refusal: Refusal) -> None:
    site.control.refuses = CommandError(refusal, "version 2 waits, by bob")
    answer = client.post(ACTIVATE, orjson.dumps({**BODY, "version": 3, "expect": 2}), JSON)
    assert answer.status_code == STATUS[refusal]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "version 2 waits, by bob"


@pytest.mark.parametrize(
    ("content", "headers", "sender", "status", "detail"),
    [
        (b"{}", JSON, "127.0.0.1", 422, "who: Field required"),
        (b"{", JSON, "127.0.0.1", 422, "body: Invalid JSON"),
        (b'{"version": "3", "who": "a", "why": "b"}', JSON, "::1", 422, "version: "),
        (
            b'{"version": 3, "who": "a", "why": "b", "expect": 1, "x": 1}',
            JSON,
            "::1",
            422,
            "x: Extra",
        ),
        (b'{"version": 3, "who": "a", "why": "b"}', JSON, "::1", 422, "expect: Field required"),
        (b" " * (COMMAND_BYTES_MAX + 1), JSON, "127.0.0.1", 413, "at most 16384 bytes"),
        (b"{}", {}, "127.0.0.1", 415, "Content-Type: application/json"),
        (b"{}", {"content-type": "text/plain"}, "127.0.0.1", 415, "Content-Type"),
        (b"{}", JSON, "10.0.0.7", 401, "from this machine only"),
        (b"{}", JSON, "a-name", 401, "from this machine only"),
        (b"{}", {**JSON, "origin": "http://evil.example"}, "127.0.0.1", 403, "a page of elsewhere"),
        (b"{}", {**JSON, "origin": "null"}, "127.0.0.1", 403, "a page of elsewhere"),
        (b"{}", {**JSON, "origin": "http://localhost"}, "127.0.0.1", 422, "who"),
    ],
)
def test_what_is_wrong_reaches_no_line(
    site: Site, client: Client, content: bytes, headers: dict[str, str], sender: str, status: int,
    detail: str,
) -> None:  # fmt: skip
    answer = client.post(ACTIVATE, content, headers, sender)
    assert answer.status_code == status, answer.text
    assert detail in answer.json()["detail"]
    assert answer.json()["title"] == HTTPStatus(status).phrase
    assert site.control.told == []


def test_what_a_line_was_told_is_asked_for_page_by_page(site: Site, client: Client) -> None:
    path = "/lines/loop-1/commands"
    page = client.get(path).json()
    assert (page["line"], page["commands"][0]["who"]) == ("loop-1", "ann")
    more = f"?action=activate&action=rollback&limit=1&before={page['next_before']}"
    assert client.get(path + more).status_code == 200
    assert site.store.asked == [
        "loop-1 [] '' 200", "loop-1 ['activate', 'rollback'] '1795615500125000-17' 1",
    ]  # fmt: skip
    assert client.get("/lines/loop-9/commands").status_code == 404
    for wrong in ("before=yesterday", "before=1-" + "9" * 30, "limit=201", "action=steal"):
        assert client.get(f"{path}?{wrong}").status_code == 422
    site.store.away = "gone"
    assert client.get(path).status_code == 503
