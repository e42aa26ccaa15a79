import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from routing_tables.companies import Company, load_companies
from routing_tables.errors import Problems, TableError
from routing_tables.load import load_network
from routing_tables.schema import Network, lianyungang


@pytest.fixture(scope="session")
def network() -> Network:
    return load_network(lianyungang())


@pytest.fixture(scope="session")
def library() -> dict[str, Company]:
    """The companies that ship."""
    problems = Problems()
    known = load_companies(problems)
    problems.raise_any()
    return known


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped network that a test may break."""
    copy = tmp_path / "network"
    shutil.copytree(lianyungang(), copy)
    return copy


@pytest.fixture
def problems_of(folder: Path) -> Callable[[], list[str]]:
    """Load the copy, which must fail; its problems, without the folder's path."""

    def load() -> list[str]:
        with pytest.raises(TableError) as caught:
            load_network(folder)
        return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]

    return load
