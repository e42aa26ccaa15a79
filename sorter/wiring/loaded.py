"""A plan version as a line takes it: mapped, with the names behind its numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sorter.assignment.arrays import PlanArrays
from sorter.errors import CommandError, ConfigError, Refusal
from sorter.outlets.board import chutes_of_groups
from sorter.plans.image import map_image
from sorter.plans.versions import PlanVersion, need_version


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version ready to be swapped in."""

    version: PlanVersion
    plan: PlanArrays
    metadata: dict[str, Any]
    groups: dict[int, str]


def load_version(folder: Path, number: int) -> Loaded:
    """Map a version of a line's plan.

    Raises:
        CommandError: there is none of that number.
        ConfigError: its image is damaged.
    """
    try:
        version = need_version(folder, number)
    except ConfigError as error:
        raise CommandError(Refusal.UNKNOWN, str(error)) from None
    plan, metadata = map_image(version.image, PlanArrays)
    groups = chutes_of_groups(metadata["groups"], plan.group_first, plan.group_chutes)
    return Loaded(version, plan, metadata, groups)
