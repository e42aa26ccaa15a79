"""Profiles: every one is a link that can be configured, and says where its values are from."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from plc_adapters.modbus.profiles import NO_SOURCE, PROFILES
from plc_adapters.modbus.settings import ModbusLink
from sorter.cli.main import app
from sorter.config import Link, load_site
from sorter.errors import ConfigError

SITE = """
[site]
name = "hall"
[network]
centre = "LYG-HUB"
[[lines]]
name = "loop-1"
plan = "plan.toml"
machine = {{ chutes = "chutes.csv", speed_mm_s = 2000 }}
link = {link}
"""


def link_of(tmp_path: Path, text: str) -> Link:
    path = tmp_path / "site.toml"
    path.write_text(SITE.format(link=text), encoding="utf-8")
    link = load_site(path).lines[0].link
    assert isinstance(link, Link)
    return link


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profile_fills_in_what_the_link_leaves_out(tmp_path: Path, name: str) -> None:
    link = link_of(tmp_path, f'{{ profile = "{name}", host = "10.0.0.5" }}')
    for setting, value in PROFILES[name].settings.items():
        assert getattr(link, setting) == value.value, setting
    copied = ModbusLink.of(link)
    assert (copied.host, copied.words_per_read) == ("10.0.0.5", link.words_per_read)


def test_what_the_link_says_itself_counts(tmp_path: Path) -> None:
    link = link_of(
        tmp_path, '{ profile = "mitsubishi", poll_period_ms = 7, word_order = "little" }'
    )
    assert (link.poll_period_ms, link.word_order, link.timeout_ms) == (7, "little", 1000)
    assert link_of(tmp_path, '{ profile = "delta", words_per_read = 40 }').words_per_read == 40


@pytest.mark.parametrize(
    ("profile", "setting", "most"),
    [("delta", "words_per_read", 64), ("schneider", "words_per_write", 100)],
)
def test_a_documented_limit_cannot_be_exceeded(
    tmp_path: Path, profile: str, setting: str, most: int
) -> None:
    with pytest.raises(ConfigError) as caught:
        link_of(tmp_path, f'{{ profile = "{profile}", {setting} = {most + 1} }}')
    told = str(caught.value)
    assert f"{setting} is {most + 1}" in told
    assert f"takes at most {most}" in told
    assert "lines.0.link" in told


def test_an_undocumented_value_is_no_limit(tmp_path: Path) -> None:
    link = link_of(tmp_path, '{ profile = "inovance", words_per_read = 125 }')
    assert link.words_per_read == 125
    generic, inovance = PROFILES["generic"], PROFILES["inovance"]
    assert inovance.settings == generic.settings
    assert generic.settings["words_per_read"].source == NO_SOURCE


def test_an_unknown_profile_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"profile.*'s7-1500'.*'generic'"):
        link_of(tmp_path, '{ profile = "s5" }')


def test_tls_brings_its_port_and_its_files_are_relative_to_the_site(tmp_path: Path) -> None:
    files = 'tls = { ca = "ca.pem", certificate = "host.pem", key = "keys/host.pem" }'
    link = link_of(tmp_path, f"{{ {files} }}")
    assert link.port == 802
    assert link.tls is not None
    assert link.tls.key == tmp_path / "keys" / "host.pem"
    assert ModbusLink.of(link).server_name == "127.0.0.1"
    assert link_of(tmp_path, f"{{ port = 8802, {files} }}").port == 8802


def test_an_incomplete_tls_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"link\.tls\.key: missing"):
        link_of(tmp_path, '{ tls = { ca = "ca.pem", certificate = "host.pem" } }')


def test_prints_each_value_with_its_source() -> None:
    printed = CliRunner().invoke(app, ["plc", "profiles"]).stdout
    for name, profile in PROFILES.items():
        assert f"{name}: {profile.title}" in printed
        assert all(note in printed for note in profile.notes)
    assert "at most 64   Delta DVP10MC: 64 words a request" in printed
    found = orjson.loads(CliRunner().invoke(app, ["plc", "profiles", "--json"]).stdout)
    assert {profile["name"] for profile in found} == set(PROFILES)
    for profile in found:
        for setting in profile["settings"].values():
            assert setting["source"]


def test_every_setting_of_a_profile_is_one_of_a_site_file() -> None:
    known = set(Link.model_fields)
    for profile in PROFILES.values():
        assert set(profile.settings) <= known
