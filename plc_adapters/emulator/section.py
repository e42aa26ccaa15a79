"""What every table of the emulator's file is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Chance = Annotated[float, Field(ge=0.0, le=1.0)]
Milliseconds = Annotated[int, Field(ge=0, le=86_400_000)]


class Section(BaseModel):
    """A table of the file; an unknown key in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class While(Section):
    """A while in which something is wrong."""

    after_ms: Milliseconds
    """From the start of the emulator."""
    for_ms: Milliseconds

    def holds(self, now_us: int) -> bool:
        """Whether it is on at that instant."""
        return self.after_ms * 1000 <= now_us < (self.after_ms + self.for_ms) * 1000


class Cut(While):
    """A while in which the cable is cut: all connections are dropped, new ones refused."""
