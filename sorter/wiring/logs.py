"""Logs: one JSON object a line for each event that a person cares about, and none for a piece.

Where standard error is a terminal the same is told as text. What is wrong is told once an outage,
and once more when it is over.
"""

import json
import logging
import sys
from datetime import UTC, datetime

LEVELS = {
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}
PROBLEMS_MAX = 16
"""Different problems told of one outage; an outage that changes its mind so often is one thing."""
WELL = "all well again"


class JsonLines(logging.Formatter):
    """A record as one JSON object: time (UTC), level, process, logger, message.

    ``line`` names the sorter line where it is about one; ``trace`` is that of an exception.
    """

    def __init__(self, process: str) -> None:
        """Take the name of the process that logs."""
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        instant = datetime.fromtimestamp(record.created, UTC)
        told: dict[str, str] = {
            "time": instant.isoformat(timespec="milliseconds"),
            "level": LEVELS.get(record.levelno, record.levelname.lower()),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line = getattr(record, "line", None)
        if line is not None:
            told["line"] = str(line)
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


class Outages:
    """Tells what is wrong with one thing: each problem once an outage, and its end."""

    def __init__(self, logger: logging.Logger, about: str, line: str = "", told: str = "") -> None:
        """Begin.

        Args:
            logger: Where it is told.
            about: Begins each message; empty for nothing.
            line: The sorter line that it is about, if any.
            told: A problem that is known and not told.
        """
        self._logger = logger
        self._about = f"{about}: " if about else ""
        self._extra = {"line": line} if line else None
        self._told = {told} if told else set()

    def note(self, problem: str, well: str = WELL) -> None:
        """Take how it stands now: a problem in one line, or empty while all is well."""
        if not problem:
            if self._told:
                self._say(well)
            self._told.clear()
        elif problem not in self._told and len(self._told) < PROBLEMS_MAX:
            self._told.add(problem)
            self._say(problem)

    def _say(self, message: str) -> None:
        self._logger.warning("%s%s", self._about, message, extra=self._extra)


def speaks_json() -> bool:
    """Return whether this process logs JSON lines, and nothing else on standard error."""
    return any(isinstance(each.formatter, JsonLines) for each in logging.getLogger().handlers)


def set_up_logging(process: str) -> None:
    """Log to standard error: JSON lines, or text where it is a terminal.

    Args:
        process: Name of this process.
    """
    handler = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    else:
        handler.setFormatter(JsonLines(process))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(capture=True)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)
