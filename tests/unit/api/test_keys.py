"""The file of keys, the command that makes it, and where the face may listen."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sorter.api import keys as keys_module
from sorter.api.keys import (
    FILE_BYTES_MAX,
    LOOK_S,
    KeyEntry,
    KeyRing,
    add_key,
    hash_of,
    load_keys,
    remove_key,
)
from sorter.config_http import Http, Role
from sorter.errors import ConfigError

HASH = "0" * 64
ENTRY = '[[keys]]\nname = "{}"\nrole = "viewer"\nsha256 = "{}"\nmade = "then"\n'
KEYS = {"keys_file": "keys.toml"}
TLS = {"tls": {"certificate": "a.pem", "key": "b.pem"}}
PROXY = {"behind_tls_proxy": True}


def sorter(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sorter", *arguments], capture_output=True, text=True, check=False
    )


def test_a_key_is_printed_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    file = ["--keys-file", str(tmp_path / "keys.toml")]
    made = sorter("key", "new", "--name", "ann", "--role", "operator", *file)
    assert made.returncode == 0, made.stderr
    (key,) = made.stdout.split()
    content = (tmp_path / "keys.toml").read_text()
    assert key not in content + made.stderr
    (entry,) = tomllib.loads(content)["keys"]
    assert (entry["name"], entry["role"], entry["sha256"]) == ("ann", "operator", hash_of(key))
    again = sorter("key", "new", "--name", "ann", "--role", "viewer", *file)
    assert (again.returncode, again.stdout) == (3, "")
    assert "there is a key 'ann'" in again.stderr
    (told,) = json.loads(sorter("key", "list", "--json", *file).stdout)
    assert told == {"name": "ann", "role": "operator", "made": entry["made"]}
    assert sorter("key", "remove", "--name", "ann", *file).returncode == 0
    assert load_keys(tmp_path / "keys.toml") == []
    gone = sorter("key", "remove", "--name", "ann", *file)
    assert (gone.returncode, "no key 'ann'" in gone.stderr) == (3, True)
    wrong = sorter("key", "new", "--name", "a b", "--role", "viewer", *file)
    assert (wrong.returncode, "'a b' is none" in wrong.stderr) == (3, True)
    assert sorter("key", "list").returncode == 2


def test_keys_differ_and_are_found_by_themselves_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    keys = [add_key(path, f"k{number}", Role.VIEWER) for number in range(20)]
    assert len(set(keys)) == 20
    assert min(map(len, keys)) >= 7 + 43, "256 bits"
    ring = KeyRing(path)
    for number, key in enumerate(keys):
        found = ring.find(key)
        assert found is not None
        assert found.name == f"k{number}"
        assert ring.find(key[:-1]) is ring.find(hash_of(key)) is None
    remove_key(path, "k3")
    assert [key.name for key in load_keys(path)] == [f"k{n}" for n in range(20) if n != 3]


def test_a_key_removed_while_the_file_is_first_read_counts_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now_s = tmp_path / "keys.toml", 0.0
    key, other = (add_key(path, name, Role.VIEWER) for name in ("ann", "bob"))

    def load_and_lose(path: Path) -> list[KeyEntry]:
        found = load_keys(path)
        monkeypatch.undo()
        remove_key(path, "ann")
        return found

    monkeypatch.setattr(keys_module, "load_keys", load_and_lose)
    ring = KeyRing(path, lambda: now_s)
    now_s += LOOK_S
    assert ring.find(key) is None
    assert ring.find(other) is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("keys = 3", "keys.toml: keys:"),
        ("[[keys", "not valid TOML"),
        (ENTRY.format("ann", "sorter_secret"), "keys.0.sha256"),
        (ENTRY.format("ann", HASH) + ENTRY.format("ann", HASH[:-1] + "1"), "'ann' stands twice"),
        (ENTRY.format("ann", HASH) + ENTRY.format("bob", HASH), "stands twice"),
        (ENTRY.format("ann", HASH).replace("viewer", "root"), "keys.0.role"),
        (ENTRY.format("ann", HASH) + "admin = true\n", "keys.0.admin"),
        ("#" * (FILE_BYTES_MAX + 1), f"more than {FILE_BYTES_MAX} bytes"),
        ("", "holds no key"),
    ],
)
def test_a_wrong_file_is_told_without_what_it_holds(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        KeyRing(path)
    assert "sorter_secret" not in str(caught.value)


def test_a_file_that_is_missing_or_open_to_all_is_told(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    with pytest.raises(ConfigError, match="sorter key new"):
        KeyRing(path)
    add_key(path, "ann", Role.VIEWER)
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="chmod o-w"):
        KeyRing(path)
    with pytest.raises(ConfigError, match="can't be written"):
        add_key(tmp_path / "none" / "keys.toml", "ann", Role.VIEWER)


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({}, []),
        ({"host": "::1"}, []),
        ({"host": "localhost"}, []),
        ({"host": "0.0.0.0"}, ["behind_tls_proxy = true", "sorter key new"]),
        ({"host": "centre.example"}, ["behind_tls_proxy = true", "sorter key new"]),
        ({"host": "0.0.0.0", **KEYS}, ["give tls"]),
        ({"host": "0.0.0.0", **TLS}, ["keys_file"]),
        ({"host": "::", **PROXY}, ["keys_file"]),
        (PROXY, ["keys_file"]),
        ({"host": "0.0.0.0", **KEYS, **TLS}, []),
        ({"host": "10.0.0.5", **KEYS, **PROXY}, []),
        ({**KEYS, **PROXY, **TLS}, ["not both"]),
    ],
)
def test_beyond_loopback_only_with_tls_and_keys(
    settings: dict[str, Any], problems: list[str]
) -> None:
    if not problems:
        Http.model_validate(settings)
        return
    with pytest.raises(ValidationError) as caught:
        Http.model_validate(settings)
    for problem in problems:
        assert problem in str(caught.value)


def test_where_this_machine_finds_the_face() -> None:
    told: list[tuple[dict[str, Any], str]] = [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "::1", "port": 81}, "http://[::1]:81"),
        ({"host": "0.0.0.0", **KEYS, **PROXY}, "http://127.0.0.1:8080"),
        ({"host": "centre.example", **KEYS, **TLS}, "https://centre.example:8080"),
    ]
    for settings, url in told:
        assert Http.model_validate(settings).url == url
