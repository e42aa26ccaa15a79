"""One job of the face, as a process: looks at a plan, keeps one, or loads pre-advice.

Started as ``python -m sorter.wiring.job_process FOLDER KIND LINE``. Site and request come as two
lines of JSON on standard input; how far it is goes to standard output, a line of JSON each time;
the result to ``FOLDER/result.json``, or what is wrong to ``FOLDER/problems.json`` with exit code 3.
"""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from routing_tables.errors import TableError
from sorter.config import Line, SiteFile
from sorter.errors import Exit, SorterError
from sorter.wiring.advice import load_advice
from sorter.wiring.logs import set_up_logging
from sorter.wiring.plan_jobs import check, compare, keep, prove, try_out
from sorter.wiring.process import end_with_parent

NICENESS = 15
"""The line goes first, whatever a job has to do."""
MEMORY_BYTES_MAX = 6 << 30
"""Address space of one job; a national table and eight million scans take half of it."""
WORD_S = 0.2
"""Least pause between two words about how far it is."""
PROBLEMS_MAX = 200
"""Problems told of one job."""
BAD_LINES = "bad_lines.txt"
"""Every bad line of a load of pre-advice, beside its result."""
LASTING = ("keep", "pre_advice")
"""Kinds that have changed something once their work is done: they tell it, asked to end or not."""

Progress = Callable[[str, float], None]


def main() -> None:
    """Do the job."""
    end_with_parent()
    set_up_logging("job")
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    ending = Ending()
    signal.signal(signal.SIGTERM, ending.ask)
    folder, kind, line_name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    site = SiteFile.model_validate_json(sys.stdin.buffer.readline())
    request: dict[str, Any] = orjson.loads(sys.stdin.buffer.readline())
    line = next((line for line in site.lines if line.name == line_name), None)
    try:
        found = _do(kind, site, line, folder, request, _teller(ending))
    except (SorterError, TableError) as error:
        _fail(folder, list(error.problems))
    except MemoryError:
        _fail(folder, [f"job: needs more than {MEMORY_BYTES_MAX >> 30} GiB; give it less to do"])
    if kind not in LASTING:
        ending.heed()
    _write(folder / "result.json", found)


class Ending:
    """An end that was asked for: it lets what is half written be taken back.

    The exception that ends the job is lost where the signal comes while C code has called back into
    Python (the compiler does): Python prints what such a call raises, and goes on. So the job asks
    again wherever it tells how far it is.
    """

    def __init__(self) -> None:
        self._asked = False

    def ask(self, *_: object) -> None:
        """Take the signal."""
        self._asked = True
        self.heed()

    def heed(self) -> None:
        """End if that was asked for.

        Raises:
            SystemExit: it was.
        """
        if self._asked:
            sys.exit(1)


def _do(
    kind: str,
    site: SiteFile,
    line: Line | None,
    folder: Path,
    request: dict[str, Any],
    tell: Progress,
) -> Any:
    tell("reading", 0.0)
    if kind == "pre_advice":
        found = load_advice(
            site, folder / request["file"], request["who"], request["why"],
            replaces=request["replace"], expires=request["expires"], progress=tell,
            called="pre-advice", bad_lines=folder / BAD_LINES, by=request["by"],
        )  # fmt: skip
        return {**found, "problems": _as_sent(folder, found["problems"])}
    assert line is not None
    work = {"check": check, "prove": prove, "diff": compare, "whatif": try_out, "keep": keep}[kind]
    return work(site, line, folder, request, tell)


def _teller(ending: Ending) -> Progress:
    """Return what tells the face how far the job is, not too often, and ends when asked to."""
    last: dict[str, Any] = {"doing": "", "at": 0.0}

    def tell(doing: str, share: float) -> None:
        ending.heed()
        now = time.monotonic()
        if doing != last["doing"] or now - last["at"] > WORD_S:
            last.update(doing=doing, at=now)
            word = orjson.dumps({"doing": doing, "share": round(share, 3)}) + b"\n"
            sys.stdout.buffer.write(word)
            sys.stdout.buffer.flush()

    return tell


def _fail(folder: Path, problems: list[str]) -> None:
    """Tell what is wrong, and end."""
    _write(folder / "problems.json", _as_sent(folder, problems[:PROBLEMS_MAX]))
    sys.exit(Exit.CONFIG)


def _as_sent(folder: Path, problems: list[str]) -> list[str]:
    """Return problems with files named as the sender knows them."""
    return [text.replace(f"{folder}/", "") for text in problems]


def _write(path: Path, content: Any) -> None:
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
