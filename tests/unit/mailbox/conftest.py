"""What the tests of the mailbox share."""

import pytest

from plc_adapters.mailbox.warmup import warm_up


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Compile the codec, which takes longer than hypothesis allows for an example."""
    warm_up()
