"""The demo's site as files: a loop on Modbus TCP, a diverter line on OPC UA, an upstream host.

The diverter line's codes come from a scanner beside its PLC.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plc_adapters.opcua.certificates import make_pair
from routing_tables.load import load_network
from routing_tables.schema import lianyungang
from sorter.demo.manifest import SHARE_BY_HOST, write_manifest
from sorter.errors import ConfigError

FILES = Path(__file__).parent
"""The site that the demo copies: plan, machine, emulator of each line."""
LOOP_FILES = ("plan.toml", "chutes.csv", "emulator.toml")
DIVERTER_FILES = (*LOOP_FILES, "routes.csv")
DIVERTER_PIECES = 5_000
"""More than an hour of the diverter line; then its labels start over."""
OTHER_SEED = 1_000_003
"""Added to the seed for the diverter line's pieces, so that no two lines carry the same."""
HOSTS = ("localhost", "127.0.0.1")
LINES = ("loop-1", "diverter-1")

SITE = """\
# The demo's site, written by 'sorter demo'; 'sorter run --config' takes it as well.
[site]
name = "demo"
state_dir = "state"

[network]
centre = "LYG-HUB"
pre_advice = "pre_advice.csv"

[http]
port = {http_port}

[upstream]
url = "http://127.0.0.1:{host_port}/destinations"

[[lines]]
name = "loop-1"
adapter = "modbus"
plan = "plan.toml"

[lines.machine]
chutes = "chutes.csv"
speed_mm_s = 2000
reaction_ms = 20
stations = [1, 2, 3]

[lines.link]
port = {plc_port}

[[lines]]
name = "diverter-1"
adapter = "opcua"
plan = "diverter/plan.toml"

[lines.machine]
kind = "diverter"
chutes = "diverter/chutes.csv"
speed_mm_s = 1500
# The PLC acts at the photo-eye, 400 ms before the wheels.
reaction_ms = 430
stations = [1]

[lines.link]
url = "opc.tcp://127.0.0.1:{opcua_port}"
certificate = "pki/host/host.der"
key = "pki/host/host.key"
trusted = "pki/plc"

# Its codes come from a scanner beside the PLC.
[[lines.scanners]]
name = "tunnel"
station = 11
device = "s=Scanner"
device_namespace = "urn:sorting-centre:emulator"

[lines.scanners.link]
url = "opc.tcp://127.0.0.1:{scanner_port}"
certificate = "pki/host/host.der"
key = "pki/host/host.key"
trusted = "pki/plc"

[lines.scanners.tie]
by = "trigger_id"
trigger_field = "TriggerId"
trigger_namespace = "urn:sorting-centre:emulator"
"""


@dataclass(frozen=True, slots=True)
class DemoSite:
    """The files of a demo."""

    file: Path
    emulators: dict[str, tuple[Path, dict[str, object]]]
    """Of each line by name: the emulator's file, and what to replace in it."""
    host_table: Path
    """What the upstream host knows."""
    host_port: int


def write_site(
    folder: Path,
    http_port: int,
    plc_port: int,
    seed: int,
    pieces_per_hour: int,
    settings: Sequence[str] = (),
) -> DemoSite:
    """Write a demo's site; pieces of a seed, and certificates, are kept from run to run.

    The loop's PLC gets ``plc_port``, the diverter line's the one after it, then the upstream host
    and the diverter line's scanner; ``pieces_per_hour`` are the loop's. ``settings`` are further
    keys of the sorters' files to replace, each ``LINE.KEY=VALUE``.

    Raises:
        ConfigError: a setting is of no line, or of no such form.
    """
    faults = by_line(settings)
    other = folder / "diverter"
    other.mkdir(parents=True, exist_ok=True)
    for stale in ("journal", "run"):
        shutil.rmtree(folder / "state" / stale, ignore_errors=True)
    for name in LOOP_FILES:
        shutil.copyfile(FILES / name, folder / name)
    for name in DIVERTER_FILES:
        shutil.copyfile(FILES / "diverter" / name, other / name)
    _write_pieces(folder, other, seed)
    pki = folder / "pki"
    for name in ("host", "plc"):
        if not (pki / name / f"{name}.key").exists():
            make_pair(pki / name, name, f"urn:sorter-demo:{name}", HOSTS)
    file = folder / "site.toml"
    opcua_port, host_port, scanner_port = plc_port + 1, plc_port + 2, plc_port + 3
    content = SITE.format(
        http_port=http_port, plc_port=plc_port, opcua_port=opcua_port, host_port=host_port,
        scanner_port=scanner_port,
    )  # fmt: skip
    file.write_text(content, "utf-8")
    loop = {
        "listen.port": plc_port, "arrivals.pieces_per_hour": pieces_per_hour, "seed": seed,
    }  # fmt: skip
    emulators: dict[str, tuple[Path, dict[str, object]]] = {
        "loop-1": (folder / "emulator.toml", dict(loop)),
        "diverter-1": (other / "emulator.toml", _of_diverter(pki, opcua_port, scanner_port, seed)),
    }
    for line, replaced in faults.items():
        emulators[line][1].update(replaced)
    return DemoSite(file, emulators, folder / "host.csv", host_port)


def _of_diverter(pki: Path, port: int, scanner_port: int, seed: int) -> dict[str, object]:
    """Return what is replaced in the diverter line's file: its PLC's server, its scanner's."""
    replaced: dict[str, object] = {
        "listen.port": port,
        "listen.protocol": "opcua",
        "scanner.port": scanner_port,
        "seed": seed + OTHER_SEED,
    }
    for server in ("listen", "scanner"):
        replaced |= {
            f"{server}.opcua.certificate": pki / "plc" / "plc.der",
            f"{server}.opcua.key": pki / "plc" / "plc.key",
            f"{server}.opcua.trusted": pki / "host",
        }
    return replaced


def by_line(settings: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what to replace in the file of each line's sorter, of ``LINE.KEY=VALUE`` each.

    Raises:
        ConfigError: a setting is of no line of the demo, or of no such form.
    """
    found: dict[str, dict[str, str]] = {line: {} for line in LINES}
    for setting in settings:
        line, dot, rest = setting.partition(".")
        key, equals, value = rest.partition("=")
        if not dot or not equals or line not in found:
            raise ConfigError(
                f"--set {setting}: must look like LINE.KEY=VALUE with a line of the demo, "
                f"{' or '.join(LINES)}"
            )
        found[line][key] = value
    return found


def _write_pieces(folder: Path, other: Path, seed: int) -> None:
    """Write labels for each line, and for both one pre-advice and one table of the host."""
    made = folder / "manifest.json"
    wanted = json.dumps({"seed": seed, "diverter": DIVERTER_PIECES, "by_host": SHARE_BY_HOST})
    if made.exists() and made.read_text(encoding="utf-8") == wanted:
        return
    network = load_network(lianyungang())
    first = write_manifest(folder, network, seed, share_by_host=SHARE_BY_HOST)
    second = write_manifest(
        other, network, seed + OTHER_SEED, DIVERTER_PIECES, share_by_host=SHARE_BY_HOST
    )
    for both, own in ((first.pre_advice, second.pre_advice), (first.host, second.host)):
        rows = own.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
        with both.open("a", encoding="utf-8", newline="") as file:
            file.writelines(rows)
        own.unlink()
    made.write_text(wanted, encoding="utf-8")
