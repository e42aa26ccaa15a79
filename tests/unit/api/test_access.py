"""Who may do what: every operation of the application against every kind of caller."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from sorter.api.access import Access
from sorter.api.app import create_app
from sorter.api.door import BURST_S, CALLERS_MAX, Rate
from sorter.api.keys import KeyRing, add_key, remove_key
from sorter.api.roles import OPEN, needs, open_to_all, operations
from sorter.api.sessions import COOKIE, SESSION_S, SESSIONS_MAX, Sessions
from sorter.config_http import Http, Role
from tests.unit.api.conftest import Client, Site

ROLES = {
    "viewer": "getReady getMetrics listLines getLine listChutes getPicture getLedger getPiece "
    "listCommands listPlans getShadow listJobs getJob getJobResult getJobFile listSensors "
    "getSensorHistory",
    "operator": "rollBackPlan lockChute unlockChute releaseQuarantine mergePreAdvice",
    "engineer": "activatePlan shadowPlan stopShadow checkPlan provePlan diffPlans tryPlan keepPlan "
    "replacePreAdvice cancelJob",
    "open": "getLive getSession beginSession endSession",
}
"""What each role is meant for: a change of one is a decision."""
FILLED = {
    "line": "loop-1", "chute": "12", "job": "1", "name": "cold-room",
    "code": "QH1234567890",
}  # fmt: skip
JSON = {"content-type": "application/json"}
LOCK = "/lines/loop-1/chutes/12/lock"
BODY = orjson.dumps({"who": "ann", "why": "jam"})


class Guarded:
    """A face with a key for each role."""

    def __init__(self, site: Site, faces: Callable[..., Any], **more: Any) -> None:
        site.work()
        self.site = site
        self.file = site.folder / "keys.toml"
        self.keys = {role: add_key(self.file, f"a-{role}", role) for role in Role}
        self.now_s = 0.0
        self.access = Access(
            keys=KeyRing(self.file, lambda: self.now_s), sessions=Sessions(lambda: self.now_s),
            requests_per_second=10_000, **more,
        )  # fmt: skip
        self.app: FastAPI = create_app(faces(self.access))
        self.client = Client(self.app)

    def ask(self, method: str, path: str, key: str = "", **headers: str) -> httpx.Response:
        shown = {"authorization": f"Bearer {key}"} if key else {}
        return self.client.ask(method, path, **shown, **headers)

    def post(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        return self.client.post(path, content, {**JSON, **headers}, "10.0.0.7")


@pytest.fixture
def guarded(site: Site, faces: Callable[..., Any]) -> Guarded:
    return Guarded(site, faces)


def filled(path: str) -> str:
    return re.sub(r"\{([^}]+)\}", lambda match: FILLED[match[1]], path)


def test_every_operation_against_every_role(guarded: Guarded) -> None:
    callers: list[tuple[str, str]] = [
        ("nobody", ""), ("a wrong key", "sorter_" + "x" * 43), *guarded.keys.items(),
    ]  # fmt: skip
    asked = 0

    async def ask_all() -> None:
        nonlocal asked
        transport = httpx.ASGITransport(guarded.app, raise_app_exceptions=False)
        async with (
            guarded.app.router.lifespan_context(guarded.app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            for each in operations(guarded.app):
                for caller, key in callers:
                    shown = {"authorization": f"Bearer {key}"} if key else {}
                    answer = await client.request(each.method, filled(each.path), headers=shown)
                    told = f"{each} by {caller}: {answer.status_code} {answer.text[:200]}"
                    if each.needs == OPEN:
                        assert answer.status_code not in (401, 403), told
                    elif not isinstance(caller, Role):
                        assert answer.status_code == 401, told
                        assert answer.headers["www-authenticate"] == "Bearer"
                    elif caller.rank < Role(each.needs).rank:
                        assert answer.status_code == 403, told
                        assert f"needs {each.needs}" in answer.json()["detail"]
                    else:
                        assert answer.status_code not in (401, 403), told
                    assert answer.status_code < 500, told
                    asked += 1

    asyncio.run(ask_all())
    assert asked == len(callers) * len(list(operations(guarded.app)))
    assert asked > 150


def test_operations_have_the_roles_that_they_are_meant_to_have(guarded: Guarded) -> None:
    paths = guarded.ask("GET", "/openapi.json", guarded.keys[Role.VIEWER]).json()["paths"]
    found: dict[str, set[str]] = {}
    for item in paths.values():
        for operation in item.values():
            found.setdefault(operation["x-role"], set()).add(operation["operationId"])
            assert bool(operation["security"]) == (operation["x-role"] != OPEN)
    assert found == {role: set(names.split()) for role, names in ROLES.items()}


def test_a_route_without_a_role_ends_the_start_and_lets_nobody_in(guarded: Guarded) -> None:
    @guarded.app.get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    with pytest.raises(ValueError, match="'/forgotten' declares no role"):
        list(operations(guarded.app))
    answer = guarded.ask("GET", "/forgotten", guarded.keys[Role.ENGINEER])
    assert (answer.status_code, "secret" in answer.text) == (403, False)


def test_a_declaration_changes_nothing_else() -> None:
    def function() -> int:
        return 3

    assert needs(Role.VIEWER)(function)() == open_to_all(function)() == 3


def test_a_removed_key_counts_no_more_and_a_new_one_at_once(guarded: Guarded) -> None:
    key = guarded.keys[Role.OPERATOR]
    assert guarded.post(LOCK, BODY, authorization=f"Bearer {key}").status_code == 200
    remove_key(guarded.file, "a-operator")
    fresh = add_key(guarded.file, "bob", Role.OPERATOR)
    guarded.now_s += 2
    assert guarded.post(LOCK, BODY, authorization=f"Bearer {key}").status_code == 401
    assert guarded.post(LOCK, BODY, authorization=f"bearer {fresh}").status_code == 200
    assert [told["who"] for told in guarded.site.control.told] == [
        "ann (key:a-operator)", "ann (key:bob)",
    ]  # fmt: skip
    assert [told["by"] for told in guarded.site.control.told] == [
        {"caller": "key:a-operator", "role": "operator"},
        {"caller": "key:bob", "role": "operator"},
    ]
    guarded.file.write_text("[[keys]]\nname = 3\n", "utf-8")
    guarded.now_s += 2
    assert guarded.post(LOCK, BODY, authorization=f"Bearer {fresh}").status_code == 401


@pytest.mark.parametrize("shown", ["Basic YTpi", "Bearer", "Bearer sorter_", "Bearer a.b.c", "x"])
def test_what_is_no_key_is_refused(guarded: Guarded, shown: str) -> None:
    answer = guarded.client.get("/lines", authorization=shown)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_without_keys_this_machine_is_an_engineer_and_nobody_else(client: Client) -> None:
    assert client.get("/session").json() == {"name": "local", "role": "engineer", "how": "local"}
    assert client.post(LOCK, BODY, JSON).status_code == 200
    refused = client.post(LOCK, BODY, JSON, "10.0.0.7")
    assert refused.status_code == 401
    assert "from this machine only" in refused.json()["detail"]
    stale = client.get("/lines", cookie=f"{COOKIE}=of-another-port")
    assert stale.status_code == 200, "a cookie of a face with keys, at another port"
    for header in ("x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host"):
        assert client.get("/lines", **{header: "10.0.0.7"}).status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:8080", 200), ("127.0.0.1:8080", 200), ("[::1]:8080", 200),
        ("rebound.example", 421), ("localhost.rebound.example:8080", 421), ("", 421), ("[::", 421),
        ("127.0.0.1.rebound.example", 421),
    ],
)  # fmt: skip
def test_a_face_answers_to_its_own_names_only(client: Client, host: str, status: int) -> None:
    for path in ("/livez", "/static/page.js", "/session"):
        assert client.get(path, host=host).status_code == status


def test_names_of_the_site_file_count(site: Site, faces: Callable[..., Any]) -> None:
    settings = Http(host="10.0.0.5", names=["sorter.example"], behind_tls_proxy=True,
                    keys_file=site.folder / "keys.toml")  # fmt: skip
    add_key(site.folder / "keys.toml", "ann", Role.VIEWER)
    client = Client(create_app(faces(Access.of(settings))))
    for host, status in (("10.0.0.5:8080", 200), ("sorter.example", 200), ("other.example", 421)):
        assert client.get("/livez", host=host).status_code == status


def test_a_page_of_elsewhere_changes_nothing(client: Client, site: Site) -> None:
    for origin, status in (
        ("http://localhost", 200), ("http://localhost:3000", 403), ("http://rebound.example", 403),
        ("null", 403), ("https://localhost.rebound.example", 403), ("http://[", 403),
    ):  # fmt: skip
        assert client.post(LOCK, BODY, {**JSON, "origin": origin}).status_code == status
    assert len(site.control.told) == 1


def test_behind_a_proxy_the_origin_is_one_of_the_names(
    site: Site, faces: Callable[..., Any]
) -> None:
    guarded = Guarded(site, faces, proxied=True, names=frozenset({"localhost", "sorter.example"}))
    key = guarded.keys[Role.OPERATOR]
    for origin, status in (
        ("https://sorter.example", 200), ("http://sorter.example", 403),
        ("https://127.0.0.1", 403), ("https://evil.example", 403),
    ):  # fmt: skip
        answer = guarded.post(LOCK, BODY, authorization=f"Bearer {key}", origin=origin)
        assert answer.status_code == status, origin


def log_in(guarded: Guarded, key: str, **headers: str) -> httpx.Response:
    return guarded.post("/session", orjson.dumps({"key": key}), **headers)


def test_a_session_stands_for_a_key(guarded: Guarded) -> None:
    key = guarded.keys[Role.OPERATOR]
    assert log_in(guarded, key, origin="http://evil.example").status_code == 403
    assert log_in(guarded, "sorter_x").status_code == 401
    begun = log_in(guarded, key, origin="http://localhost")
    assert begun.json() == {"name": "a-operator", "role": "operator", "how": "session"}
    cookie = begun.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert key not in cookie
    shown = {"cookie": cookie.partition(";")[0]}
    assert guarded.ask("GET", "/lines", **shown).status_code == 200
    assert guarded.post(LOCK, BODY, **shown).status_code == 403, "without an Origin"
    own = {**shown, "origin": "http://localhost"}
    assert guarded.post(LOCK, BODY, **own).status_code == 200
    assert guarded.post("/lines/loop-1/plans/shadow/stop", BODY, **own).status_code == 403
    assert guarded.ask("DELETE", "/session", **own).json()["name"] is None
    assert guarded.ask("GET", "/lines", **shown).status_code == 401


def test_a_session_ends_with_its_time_and_with_its_key(guarded: Guarded) -> None:
    def begun() -> dict[str, str]:
        cookie = log_in(guarded, guarded.keys[Role.VIEWER]).headers["set-cookie"]
        return {"cookie": cookie.partition(";")[0]}

    first = begun()
    guarded.now_s += SESSION_S
    assert guarded.ask("GET", "/lines", **first).status_code == 401
    second = begun()
    assert guarded.ask("GET", "/lines", **second).status_code == 200
    remove_key(guarded.file, "a-viewer")
    add_key(guarded.file, "a-viewer", Role.ENGINEER)
    guarded.now_s += 2
    assert guarded.ask("GET", "/lines", **second).status_code == 401, "another key of that name"


def test_the_cookie_goes_over_tls_alone_where_there_is_tls(
    site: Site, faces: Callable[..., Any]
) -> None:
    guarded = Guarded(site, faces, secure=True)
    assert "Secure" in log_in(guarded, guarded.keys[Role.VIEWER]).headers["set-cookie"].split("; ")


def test_sessions_are_bounded() -> None:
    sessions = Sessions()
    cookies = [sessions.begin("ann", "0" * 64) for _ in range(SESSIONS_MAX + 1)]
    assert sessions.find(cookies[0]) is None
    assert sessions.find(cookies[1]) is not None
    assert COOKIE.isidentifier()


def test_a_caller_who_asks_too_often_is_told_to_wait(site: Site, faces: Callable[..., Any]) -> None:
    site.work()
    client = Client(create_app(faces(Access(requests_per_second=1e-6))))
    assert client.get("/livez").status_code == 200
    refused = client.get("/livez")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 1000
    assert refused.headers["content-type"] == "application/problem+json"
    assert "http.requests_per_second" in refused.json()["detail"]
    assert client.get("/static/page.js").status_code == 429, "files count too"


def test_rates_are_each_callers_own() -> None:
    now_s = 0.0
    rate = Rate(10, lambda: now_s)
    burst = int(10 * BURST_S)
    assert [rate.take("ann") for _ in range(burst)] == [0.0] * burst
    assert rate.take("ann") == pytest.approx(0.1)
    assert rate.take("bob") == 0.0
    now_s = 0.1
    assert (rate.take("ann"), rate.take("ann") > 0) == (0.0, True)
    for number in range(CALLERS_MAX):
        rate.take(f"{number}")
    assert rate.take("ann") == 0.0, "forgotten, as it was silent longest"


def test_no_key_is_in_any_log(
    guarded: Guarded, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("DEBUG")
    key = guarded.keys[Role.VIEWER]
    for path in ("/lines", "/nothing", "/pieces/QH1234567890"):
        guarded.ask("GET", path, key)
    guarded.post(LOCK, BODY, authorization=f"Bearer {key}")
    log_in(guarded, key)
    guarded.site.store.broken = True
    assert guarded.ask("GET", "/pieces/QH1234567890", key).status_code == 500
    assert "was refused POST" in caplog.text
    assert "failed" in caplog.text
    assert key not in caplog.text
    assert key not in guarded.file.read_text()
