"""The site file's table of pushed metrics."""

from pydantic import Field

from sorter.config_section import Section


class Push(Section):
    """Metrics are pushed, too: for a site that Prometheus can't reach to scrape it."""

    gateway: str = Field(max_length=1024, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    """URL of a Pushgateway."""
    every_s: int = Field(default=15, ge=1, le=3600)
    """Pause between two pushes."""
