"""Compiles the kernels of decision and tracking."""

from pathlib import Path

from plc_adapters import contract
from plc_adapters.compiled import Compiler
from sorter import ports

_HERE = Path(__file__).parent

compiled = Compiler(
    "kernels",
    _HERE,
    [
        *sorted([*_HERE.glob("*.py"), *(_HERE.parent / "line").glob("*.py")]),
        Path(ports.__file__),
        Path(contract.__file__),
    ],
)
