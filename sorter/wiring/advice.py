"""Pre-advice loaded while the lines run: a file becomes the table that all lines go by.

The table is an image named by its hash; which one is in use stands in ``pre_advice.active.json``.
That is written first, then the line process is told and swaps between two batches; a line that does
not run finds it at its start.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing_tables.load import load_network
from routing_tables.schema import Network, lianyungang
from sorter.assignment.arrays import PreAdviceArrays
from sorter.config import SiteFile
from sorter.errors import CommandError, ConfigError, Refusal, UnavailableError
from sorter.plans.advice_words import WITHDRAWN, BadLineError, day_number
from sorter.plans.image import map_image, write_image
from sorter.plans.pre_advice import load_part, merge
from sorter.wiring.active import Active, read_active, write_active
from sorter.wiring.audit import AuditLog, Change, who_runs
from sorter.wiring.control_client import LineClient
from sorter.wiring.paths import StatePaths

IMAGES_KEPT = 3
"""Images of pre-advice that stay, the one in use among them; older ones are removed."""
BAD_LINES_TOLD_MAX = 10_000
"""Bad lines that a load's result names one by one; the rest are counted, and in its file."""
DAY_S = 86_400
KIND = "pre_advice"

Progress = Callable[[str, float], None]


def load_advice(
    site: SiteFile,
    path: Path,
    who: str,
    why: str,
    *,
    replaces: bool = False,
    expires: str = "",
    called: str = "",
    progress: Progress | None = None,
    bad_lines: Path | None = None,
    by: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Load a file of pre-advice for all lines of a site, and have them use it.

    Args:
        site: The site.
        path: CSV or NDJSON.
        who: Who loads it.
        why: What for.
        replaces: Whether it takes the place of all that was loaded before; else it is added, and
            its word counts where a waybill was loaded before.
        expires: Last day (YYYY-MM-DD, UTC) for lines that name none; empty for ever.
        called: What the file is called from then on, if not by its name.
        progress: Called with the present step and the share of it that is done.
        bad_lines: File for every bad line, one a line; none is written where all are good.
        by: For whom a job of the face loads it.

    Returns:
        What was loaded, what it takes of memory, what is wrong with lines, who uses it.

    Raises:
        ConfigError: the file can't be used at all; another load is under way.
        UnavailableError: the table, the file of bad lines or the audit log can't be kept.
    """
    state = StatePaths(site.site.state_dir)
    state.make()
    tell = progress or _tell_nobody
    day = _day(expires)
    network = load_network(site.network.path or lianyungang())
    with _report_to(bad_lines) as report:
        part = load_part(
            path, network, BAD_LINES_TOLD_MAX, lambda share: tell("reading lines", share), report
        )
    table = part.table
    if day:
        open_ended = (table.length != 0) & (table.expires_day == 0)
        table = table._replace(
            expires_day=np.where(open_ended, day, table.expires_day).astype(np.int32)
        )
    with _only_loader(state):
        tell("merging" if not replaces else "writing", 0.0)
        active = read_active(state.pre_advice)
        updated = 0
        if not replaces and active is not None:
            base, metadata = map_image(active.image, PreAdviceArrays)
            today = int(datetime.now(UTC).timestamp()) // DAY_S
            table, updated = merge(renumbered(base, metadata, network), table, today)
        tell("writing", 0.0)
        name = called or path.name
        change = Change(
            "pre_advice", who_runs(who, by), why,
            before={"version": active.version if active else 0},
            asked={"file": name, "replace": replaces, "expires": expires, "lines": part.lines},
        )  # fmt: skip
        with AuditLog(state.audit).of(change) as after:
            kept = keep(state, table, network, active, who, why, name)
            after.update(version=kept.version, image=kept.image.name)
    used, problem = _tell_lines(site, state, who, why, by)
    return {
        "version": kept.version,
        "image": kept.image.name,
        "replaced_all": replaces,
        "lines_read": part.lines,
        "waybills_in_file": part.waybills,
        "waybills": int(np.count_nonzero((table.length != 0) & (table.expires_day != WITHDRAWN))),
        "updated": updated,
        "memory_bytes": sum(column.nbytes for column in table),
        "bad_lines": part.bad,
        "problems": part.problems,
        "in_use_by": used,
        "not_in_use": problem,
    }


@contextmanager
def _report_to(path: Path | None) -> Iterator[Callable[[str], None] | None]:
    """Give what writes each bad line to a file; one with nothing in it is removed."""
    if path is None:
        yield None
        return
    try:
        # What a line holds may be no UTF-8.
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            yield lambda told: print(told, file=file)
        if path.stat().st_size == 0:
            path.unlink()
    except OSError as error:
        raise UnavailableError(f"{path}: can't be written: {error.strerror}; make room") from None


def _tell_nobody(_doing: str, _share: float) -> None:
    """Do nothing with how far a load is."""


def keep(
    state: StatePaths, table: PreAdviceArrays, network: Network, active: Active | None,
    who: str, why: str, name: str, inputs: str | None = None,
) -> Active:  # fmt: skip
    """Write a table as the active one, and remove old images.

    ``inputs`` are those of the site's own file; None leaves them as they are, so that the file is
    not loaded again over this at the next start.
    """
    metadata = {"source": name, **names_of(network)}
    image = write_image(KIND, table, state.plans, metadata)
    number = active.version + 1 if active else 1
    before = active.version if active else 0
    known = active.inputs if active else ""
    since = datetime.now(UTC).isoformat(timespec="milliseconds")
    kept = Active(image, number, known if inputs is None else inputs, name, who, why, since, before)
    write_active(state.pre_advice, kept)
    remove_old(state.plans, image)
    return kept


def names_of(network: Network) -> dict[str, list[str]]:
    """Return the names behind a table's numbers."""
    return {
        "brands": ["", *(brand.code for brand in network.brands)],
        "service_classes": ["", *network.service_classes],
    }


def renumbered(
    table: PreAdviceArrays, metadata: dict[str, Any], network: Network
) -> PreAdviceArrays:
    """Return a table with the brands and classes numbered as the network has them now.

    A name that the network lost becomes unknown (0).
    """
    now = names_of(network)
    if all(metadata.get(kind) == names for kind, names in now.items()):
        return table

    def numbers(kind: str) -> NDArray[np.uint16]:
        new = {name: number for number, name in enumerate(now[kind])}
        return np.array([new.get(name, 0) for name in metadata.get(kind, [""])], np.uint16)

    brands, classes = numbers("brands"), numbers("service_classes")
    return table._replace(
        brand=brands[np.minimum(table.brand, len(brands) - 1)],
        service_class=classes[np.minimum(table.service_class, len(classes) - 1)],
    )


def remove_old(folder: Path, active: Path) -> None:
    """Remove images beyond the newest IMAGES_KEPT, and what a killed load left half written.

    One that a line still maps stays with that line until it lets go.
    """
    images = sorted(folder.glob(f"{KIND}-*.image"), key=lambda path: path.stat().st_mtime_ns)
    for path in [*folder.glob(f".{KIND}-*.image.*"), *images[:-IMAGES_KEPT]]:
        if path != active:
            path.unlink(missing_ok=True)


@contextmanager
def _only_loader(state: StatePaths) -> Iterator[None]:
    """Let one load at a time become the active one; another is refused at once."""
    with (state.plans / f".{KIND}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError("pre-advice: another load is being put into use; try again") from None
        yield


def _tell_lines(
    site: SiteFile, state: StatePaths, who: str, why: str, by: dict[str, str] | None
) -> tuple[list[str], str]:
    """Have all lines use the active table; return which do, and why the others don't."""
    client = LineClient(state)
    used: list[str] = []
    problem = ""
    for line in site.lines:
        try:
            client.ask({
                "command": "reload_pre_advice", "line": line.name, "who": who, "why": why, "by": by,
            })  # fmt: skip
        except CommandError as error:
            away = error.refusal == Refusal.UNAVAILABLE
            problem = f"{error}; it is taken at the next start" if away else str(error)
        else:
            used.append(line.name)
    return used, problem


def _day(expires: str) -> int:
    try:
        return day_number(expires)
    except BadLineError as error:
        raise ConfigError(str(error)) from None
