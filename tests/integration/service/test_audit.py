"""What is changed over HTTP and by commands of a shell meets in one audit log."""

import json

from sorter.wiring.audit_chain import entries
from sorter.wiring.paths import StatePaths
from tests.integration.service.conftest import Centre
from tests.integration.service.test_messages import sorter
from tests.integration.service.test_plan_http import HEAD, result, send
from tests.integration.service.test_plan_life import start

WHO = {"who": "ann", "why": "jams"}


def test_changes_by_face_and_shell_are_in_one_chain(centre: Centre) -> None:
    start(centre)
    assert send(centre, "POST", "/lines/loop/chutes/3/lock", json.dumps(WHO).encode())[0] == 200
    nothing = json.dumps({**WHO, "version": 99, "expect": 2}).encode()
    assert send(centre, "POST", "/lines/loop/plans/activate", nothing)[0] == 404
    status, job = send(centre, "POST", "/pre-advice?who=bob&why=morning", HEAD.encode(), "text/csv")
    assert status == 202
    assert result(centre, job)[0] == 200
    rolled = sorter(centre, "plan", "rollback", "--why", "back", "--config", "site.toml")
    assert rolled.returncode == 0, rolled.stderr

    verified = sorter(centre, "audit", "verify", "--json", "--config", "site.toml")
    assert verified.returncode == 0, verified.stderr
    proof = json.loads(verified.stdout)
    assert (proof["holds"], proof["open"]) == (True, [])
    listed = sorter(centre, "audit", "list", "--json", "--config", "site.toml")
    changes = json.loads(listed.stdout)
    assert [(each["action"], each["who"]["via"], each["outcome"]) for each in changes[-7:]] == [
        ("keep_plan", "shell", "done"),
        ("activate", "shell", "done"),
        ("lock", "http", "done"),
        ("activate", "http", "refused"),
        ("pre_advice", "http", "done"),
        ("reload_pre_advice", "http", "done"),
        ("rollback", "shell", "done"),
    ]
    assert changes[-1]["before"]["version"] == 2
    assert changes[-1]["after"]["version"] == 1
    assert proof["entries"] == 2 * len(changes)

    folder = StatePaths(centre.folder / "state").audit
    (path,) = folder.glob("*.ndjson")
    assert len(list(entries(folder))) == proof["entries"]
    path.write_bytes(path.read_bytes().replace(b'"jams"', b'"JAMS"', 1))
    broken = sorter(centre, "audit", "verify", "--config", "site.toml")
    assert broken.returncode == 1
    assert "its hash is not that of what it says: it was changed" in broken.stderr
