"""compose.yaml, the image and what they mount agree with each other and with the project."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import sorter
from plc_adapters.emulator.config import load_config
from sorter.config import load_site

DEPLOY = Path(sorter.__file__).parent.parent / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
SECRETS = {"SORTER_DATABASE_PASSWORD": "secret", "GRAFANA_PASSWORD": "secret"}
KNOWN_PORTS = {"prometheus": 9090, "alertmanager": 9093, "grafana": 3000, "database": 5432}
"""Where the images listen, as their makers document it."""


def filled(text: str) -> str:
    """Return a text with its variables as compose replaces them: given, or with their default."""

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if default is None:
            assert name in SECRETS, f"{name} has neither a default nor a word on what to set"
            return SECRETS[name]
        return default

    return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]+)\}", value, text)


def services() -> dict[str, dict[str, Any]]:
    text = filled(COMPOSE.read_text(encoding="utf-8"))
    assert "$" not in text
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return found


SERVICES = services()
SITE = load_site(DEPLOY / "compose" / "site" / "site.toml")


def port_of(service: str) -> int:
    return KNOWN_PORTS.get(service, SITE.http.port)


def test_compose_itself_takes_the_file() -> None:
    """Debian's docker-compose checks it without a daemon; where it is missing, the test fails."""
    done = subprocess.run(
        ["docker-compose", "--file", str(COMPOSE), "config", "--quiet"],
        env={"PATH": "/usr/bin:/bin", **SECRETS}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_password_that_is_not_set_is_asked_for() -> None:
    done = subprocess.run(
        ["docker-compose", "--file", str(COMPOSE), "config", "--quiet"],
        env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "set it to" in done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_whole(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)?", service["image"]), "not pinned"
    assert service["restart"] == "unless-stopped" or "profiles" in service
    assert "no-new-privileges:true" in service["security_opt"]
    for volume in service.get("volumes", []):
        source, target, *_ = volume.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (DEPLOY / source).exists(), volume
    for published in service.get("ports", []):
        address, outside, inside = published.split(":")
        assert address == "127.0.0.1"
        assert outside == inside == str(port_of(name))
    for needed in service.get("depends_on", {}):
        assert needed in SERVICES


def test_prometheus_shows_a_key_and_calls_the_face_by_a_name_it_knows() -> None:
    secrets = yaml.safe_load(filled(COMPOSE.read_text(encoding="utf-8")))["secrets"]
    assert SERVICES["prometheus"]["secrets"] == list(secrets) == ["prometheus-key"]
    (scraped,) = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())[
        "scrape_configs"
    ]
    assert scraped["authorization"]["credentials_file"] == "/run/secrets/prometheus-key"
    assert scraped["static_configs"][0]["targets"][0].split(":")[0] in SITE.http.names
    assert SITE.http.behind_tls_proxy
    assert SITE.http.keys_file == DEPLOY / "compose" / "site" / "keys.toml"
    ignored = (DEPLOY.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"deploy/compose/prometheus.key", "deploy/compose/site/*keys.toml*"} <= set(ignored)


def test_names_and_ports_between_the_services() -> None:
    addresses = [("database", 5432)]
    dsn = SERVICES["sorter"]["environment"]["SORTER_DATABASE_DSN"]
    assert f"@database:{KNOWN_PORTS['database']}/" in dsn
    assert dsn.startswith("postgresql://sorter:secret@")
    assert SERVICES["database"]["environment"]["POSTGRES_USER"] == "sorter"
    prometheus = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())
    targets = [*prometheus["scrape_configs"], *prometheus["alerting"]["alertmanagers"]]
    for each in targets:
        for target in each["static_configs"][0]["targets"]:
            name, port = target.split(":")
            addresses.append((name, int(port)))
    datasource = yaml.safe_load((DEPLOY / "compose" / "datasource.yml").read_text())
    name, port = datasource["datasources"][0]["url"].removeprefix("http://").split(":")
    addresses.append((name, int(port)))
    assert addresses == [
        ("database", 5432), ("sorter", 8080), ("alertmanager", 9093), ("prometheus", 9090),
    ]  # fmt: skip
    for name, port in addresses:
        assert port == port_of(name)


def test_what_compose_configures_differs_from_the_rest_only_in_addresses() -> None:
    def tree(path: str) -> Any:
        return yaml.safe_load((DEPLOY / path).read_text(encoding="utf-8"))

    ours, rest = tree("compose/datasource.yml"), tree(
        "grafana/provisioning/datasources/prometheus.yml"
    )  # fmt: skip
    ours["datasources"][0]["url"] = rest["datasources"][0]["url"]
    assert ours == rest
    ours, rest = tree("compose/prometheus.yml"), tree("prometheus/prometheus.yml")
    assert ours["global"] == rest["global"]
    assert [job["job_name"] for job in ours["scrape_configs"]] == [
        job["job_name"] for job in rest["scrape_configs"]
    ]
    mounted = [volume.split(":")[1] for volume in SERVICES["prometheus"]["volumes"]]
    assert set(ours["rule_files"]) <= set(mounted)
    assert [Path(name).name for name in ours["rule_files"]] == rest["rule_files"]


def test_promtool_and_amtool_take_the_configurations(tmp_path: Path) -> None:
    text = (DEPLOY / "compose" / "prometheus.yml").read_text(encoding="utf-8")
    config = tmp_path / "prometheus.yml"
    key = tmp_path / "prometheus.key"
    key.write_text("a key\n", "utf-8")
    for mounted, here in (
        ("/etc/prometheus", DEPLOY / "prometheus"),
        ("/run/secrets/prometheus-key", key),
    ):
        assert mounted in text
        text = text.replace(mounted, str(here))
    config.write_text(text, "utf-8")
    routes = DEPLOY / "alertmanager" / "alertmanager.yml"
    for command in (
        ["promtool", "check", "config", str(config)],
        ["amtool", "check-config", str(routes)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("severity", "receiver"), [("page", "page"), ("ticket", "ticket")])
def test_an_alert_of_each_severity_reaches_its_receiver(severity: str, receiver: str) -> None:
    routes = DEPLOY / "alertmanager" / "alertmanager.yml"
    done = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={routes}",
         f"--verify.receivers={receiver}", "alertname=Any", f"severity={severity}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_that_are_inhibited_are_there() -> None:
    alerts = (DEPLOY / "prometheus" / "sorter.alerts.yml").read_text(encoding="utf-8")
    routes = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    for rule in routes["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            for name in re.findall(r"[A-Z]\w+", matcher):
                assert f"- alert: {name}\n" in alerts


def test_grafana_finds_the_boards_where_they_are_mounted() -> None:
    providers = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "dashboards" / "sorter.yml").read_text()
    )["providers"]
    folder = next(
        volume.split(":") for volume in SERVICES["grafana"]["volumes"] if "dashboards:ro" in volume
    )
    for provider in providers:
        place = Path(provider["options"]["path"])
        assert any((DEPLOY / folder[0] / place.relative_to(folder[1])).glob("*.json"))


def test_the_emulated_sorter_is_the_one_that_the_site_names() -> None:
    file, chutes = load_config(DEPLOY / "compose" / "site" / "emulator.toml")
    (line,) = SITE.lines
    assert line.link.host in SERVICES  # type: ignore[union-attr]
    assert file.listen.port == line.link.port  # type: ignore[union-attr]
    assert file.belt.speed_mm_s == line.machine.speed_mm_s
    assert [station.number for station in file.stations] == list(line.machine.stations)
    assert len(chutes) == 9
    assert SITE.http.host == "0.0.0.0"


def test_the_image_is_what_the_project_needs() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    stages = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert len(set(stages)) == 1
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8"))
    version = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-bookworm", stages[0])
    assert version
    assert project["project"]["requires-python"] == f">={version[1]}"
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    assert "USER sorter" in lines[last:]
    assert f"EXPOSE {SITE.http.port}" in lines
    kept = (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (DEPLOY.parent / source).exists(), source
                assert f"!{source}" in kept, source
    for image in ("sorter", "emulated-plc"):
        assert SERVICES[image]["image"] == f"sorting-centre:{sorter.__version__}"
