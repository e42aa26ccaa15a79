from pathlib import Path

import pytest

import sorter.demo
from plc_adapters.contract import Records
from routing_tables.load import load_network
from routing_tables.schema import Network, lianyungang
from sorter.plans.machine import load_chutes


@pytest.fixture(scope="session")
def demo() -> Path:
    """The folder of the demo's plan and machine."""
    return next(Path(sorter.demo.__file__).parent.rglob("plan.toml")).parent


@pytest.fixture(scope="session")
def network() -> Network:
    return load_network(lianyungang())


@pytest.fixture
def chutes(demo: Path) -> Records:
    return load_chutes(demo / "chutes.csv", 2000)
