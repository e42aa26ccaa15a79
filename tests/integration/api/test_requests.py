"""Requests made from the description: no fault, each answer as described, and the next one too."""

from collections.abc import Iterator

import pytest

from sorter.store.embedded import EmbeddedPostgres
from tests.campaigns.requests import ask, start
from tests.integration.service.conftest import Centre, postgres

__all__ = ["postgres"]

SEED, EXAMPLES = 1, 8
MADE_MIN = 500
"""Fewer would mean that most of the description was not used."""


@pytest.fixture(scope="module")
def centre(
    tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres
) -> Iterator[Centre]:
    running = start(tmp_path_factory.mktemp("requests"), postgres)
    try:
        yield running
    finally:
        running.stop()


def test_answers_are_as_described(centre: Centre) -> None:
    assert ask(centre, SEED, EXAMPLES) >= MADE_MIN
    assert "a fault of this program" not in centre.log()
