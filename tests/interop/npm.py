"""Runs what is written for node; its packages stand in ``tests/interop/node``, and nowhere else."""

import shutil
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "node"
"""Its lock names every package; scripts in it find them by themselves."""
INSTALL = "install both (Debian, Ubuntu): apt-get install -y nodejs npm"
PACKAGES = f"install what they need: npm --prefix {FOLDER} ci (make test does)"


def node_command(script: Path, *arguments: str) -> list[str]:
    """Return the command that runs a script; fails the test if node or its packages are missing."""
    node = shutil.which("node")
    if node is None:
        pytest.fail(f"there is no node to run {script.name} with; {INSTALL}")
    if not (FOLDER / "node_modules" / ".package-lock.json").exists():
        pytest.fail(f"the packages of {script.name} are not installed; {PACKAGES}")
    return [node, str(script), *arguments]
