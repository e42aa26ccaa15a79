"""Compiles the kernels of the mailbox."""

from pathlib import Path

from plc_adapters import contract
from plc_adapters.compiled import Compiler

_HERE = Path(__file__).parent

compiled = Compiler("mailbox", _HERE, [*sorted(_HERE.glob("*.py")), Path(contract.__file__)])
