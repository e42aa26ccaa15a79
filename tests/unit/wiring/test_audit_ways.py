"""Changes that pass no line's socket are audited too: files at a start, plans, pre-advice, keys."""

import errno
import os
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sorter.api.keys import hash_of
from sorter.cli.key import app
from sorter.config import SiteFile
from sorter.errors import ConfigError
from sorter.wiring.advice import load_advice
from sorter.wiring.audit import UnauditedError
from sorter.wiring.audit_chain import Entry, entries, prove
from sorter.wiring.paths import StatePaths
from sorter.wiring.prepare import make_plan_version, prepare
from tests.integration.service.conftest import CHUTES
from tests.unit.wiring.test_prepare import active_of, write_site

BY = {"caller": "key:ann", "role": "engineer"}


@pytest.fixture
def site(tmp_path: Path) -> SiteFile:
    return write_site(tmp_path)


def kept(site: SiteFile) -> list[Entry]:
    return [entry for entry, _ in entries(StatePaths(site.site.state_dir).audit)]


def fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing more be written to the audit log."""

    def refuse(_file: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("sorter.wiring.audit.os.write", refuse)


def test_what_a_start_takes_of_changed_files_is_kept(site: SiteFile) -> None:
    prepare(site)
    prepare(site)
    found = [(each.action, each.phase, each.after) for each in kept(site)]
    image = found[-1][2].pop("image")
    assert found == [
        ("keep_plan", "intent", {"plan": str(site.lines[0].plan)}),
        ("keep_plan", "outcome", {"version": 1, "name": "small"}),
        ("activate", "intent", {"version": 1}),
        ("activate", "outcome", {"version": 1}),
        ("pre_advice", "intent", {"file": "pre_advice.csv"}),
        ("pre_advice", "outcome", {"version": 1}),
    ]
    assert image.startswith("pre_advice-")


def test_a_start_goes_on_by_what_is_active_where_the_log_cannot_be_written(
    site: SiteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(site)
    (tmp_path / "chutes.csv").write_text(CHUTES.replace("3200,40", "3200,41"))
    (tmp_path / "pre_advice.csv").write_text("waybill,brand,service_class,destination\n\n")
    with monkeypatch.context() as full:
        fill(full)
        told, not_loaded = prepare(site)
    assert told.startswith("line loop goes by version 1 still: ")
    assert "pre_advice.csv: not loaded: " in not_loaded
    assert active_of(site).version == 1
    prepare(site)
    assert active_of(site).version == 2


def test_plans_and_pre_advice_are_kept_with_whom_a_job_works_for(
    site: SiteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "part.csv"
    part.write_text("waybill,brand,service_class,destination\n")
    with monkeypatch.context() as full:
        fill(full)
        with pytest.raises(UnauditedError, match="nothing was changed"):
            load_advice(site, part, "ann", "morning", by=BY)
        assert not StatePaths(site.site.state_dir).pre_advice.exists()
    make_plan_version(site, site.lines[0], tmp_path / "other.toml", "ann", "night", by=BY)
    load_advice(site, part, "bob", "morning")
    plan, _, advice, loaded = kept(site)
    assert (plan.who["caller"], plan.who["role"], plan.who["via"]) == (
        "key:ann", "engineer", "http",
    )  # fmt: skip
    assert (plan.line, plan.why, plan.action) == ("loop", "night", "keep_plan")
    assert (advice.who["name"], advice.who["via"]) == ("bob", "shell")
    assert advice.after["file"] == "part.csv"
    assert loaded.after["version"] == 1


def test_keys_are_kept_by_name_and_role_and_never_themselves(
    site: SiteFile, tmp_path: Path
) -> None:
    config, file = str(tmp_path / "site.toml"), tmp_path / "keys.toml"
    where = ["--config", config, "--keys-file", str(file)]
    made = CliRunner().invoke(
        app, ["new", "--name", "ann", "--role", "operator", "--why", "shift 2", *where]
    )
    assert made.exit_code == 0
    key = made.stdout.splitlines()[0]
    assert tomllib.loads(file.read_text())["keys"][0]["sha256"] == hash_of(key)
    removed = CliRunner().invoke(app, ["remove", "--name", "ann", *where])
    assert removed.exit_code == 0
    again = CliRunner().invoke(app, ["remove", "--name", "ann", *where])
    assert isinstance(again.exception, ConfigError)
    found = kept(site)
    assert [(each.action, each.outcome) for each in found] == [
        ("new_key", ""), ("new_key", "done"), ("remove_key", ""), ("remove_key", "done"),
        ("remove_key", ""), ("remove_key", "refused"),
    ]  # fmt: skip
    assert (found[0].why, found[0].after["role"], found[3].after["role"]) == (
        "shift 2", "operator", "operator",
    )  # fmt: skip
    assert prove(StatePaths(site.site.state_dir).audit).holds
    for path in StatePaths(site.site.state_dir).audit.iterdir():
        content = path.read_text()
        assert key not in content
        assert hash_of(key) not in content
    loose = CliRunner().invoke(
        app, ["new", "--name", "bob", "--role", "viewer", "--keys-file", str(file)]
    )
    assert "not kept in an audit log: give --config" in loose.output


def test_what_root_makes_belongs_to_whom_the_state_folder_belongs(
    site: SiteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr("sorter.wiring.audit.os.geteuid", lambda: 0)
    monkeypatch.setattr(
        "sorter.wiring.audit.os.chown", lambda _made, uid, gid: given.append((uid, gid))
    )
    prepare(site)
    owner = site.site.state_dir.stat()
    assert set(given) == {(owner.st_uid, owner.st_gid)}
