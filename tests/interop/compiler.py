"""Builds what is written in C on libmodbus."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror")
INSTALL = "install both (Debian, Ubuntu): apt-get install -y gcc libmodbus-dev"


def compiled(binary: Path, sources: Iterable[Path], *more: str) -> Path:
    """Return ``binary``, built from the sources; fails the test if it can't be built."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.fail(f"there is no gcc to build {binary.name} with; {INSTALL}")
    command = [compiler, *FLAGS, *map(str, sources), "-o", str(binary), *more, "-lmodbus"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        remedy = INSTALL if "modbus" in built.stderr and "No such file" in built.stderr else ""
        pytest.fail(f"{binary.name} can't be built; {remedy}\n{built.stderr}")
    return binary
