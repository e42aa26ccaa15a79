"""The golden frames: registers written down once, each with what it means, never regenerated.

Every frame stands in all four ways that a PLC can store it. The service's codec and the emulator's
memory are two programs written apart; each is held against these frames by a module of its own.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

Order = Literal["big", "little"]
FRAMES = Path(__file__).with_name("frames.json")


@dataclass(frozen=True)
class Image:
    """One frame as one kind of PLC stores it."""

    name: str
    block: str
    meaning: dict[str, Any]
    word_order: Order
    string_byte_order: Order
    registers: list[int]


def _images() -> list[Image]:
    return [
        Image(
            frame["name"],
            frame["block"],
            frame["meaning"],
            image["word_order"],
            image["string_byte_order"],
            [int(word, 16) for line in image["registers"] for word in line.split()],
        )
        for frame in json.loads(FRAMES.read_text(encoding="ascii"))
        for image in frame["images"]
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with an argument named after a block once for each image of that block."""
    images = _images()
    for block in {image.block for image in images} & set(metafunc.fixturenames):
        chosen = [image for image in images if image.block == block]
        names = [f"{i.name}, words {i.word_order}, texts {i.string_byte_order}" for i in chosen]
        metafunc.parametrize(block, chosen, ids=names)
