"""What every part of the site file is made of."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$")]


class Section(BaseModel):
    """A table of the site file; an unknown key in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LinkTls(Section):
    """Certificates of one link, PEM files: Modbus/TCP Security, both sides proved."""

    ca: Path
    certificate: Path
    key: Path
    server_name: str = ""
    """Name in the PLC's certificate, if it is not ``host``."""
