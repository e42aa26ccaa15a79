"""The emulator's command: ``python -m plc_adapters.emulator --config emulator.toml``."""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from plc_adapters.emulator.build import Sorter, build_sorter
from plc_adapters.emulator.config import EmulatorConfigError, load_config
from plc_adapters.emulator.front import ListenError
from plc_adapters.emulator.server import Server

EXIT_OK = 0
EXIT_CONFIG = 3
EXIT_UNAVAILABLE = 4
"""Exit codes, the same as those of the service's commands."""

EXAMPLE = """\
example:
  python -m plc_adapters.emulator --config emulator.toml --json \\
      --set listen.port=15021 --set arrivals.pieces_per_hour=9000

signals:
  SIGUSR1           stop induction; the pieces on the sorter are still sorted
  SIGUSR2           stop the PLC: belt, heartbeat and clock stand still, the socket answers;
                    once more: go on
  SIGTERM, SIGINT   end; a last line on standard output sums up, with "final": true

exit codes:
  0 ended as asked   2 wrong arguments   3 a file is wrong   4 the port can't be listened on
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m plc_adapters.emulator",
        description="An emulated sorter, a loop or a diverter line, with its PLC on Modbus TCP or "
        "OPC UA.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="the emulator's TOML file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a key of the file, e.g. plc.cycle_ms=10; may be given several times",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the status as one JSON line per second"
    )
    options = parser.parse_args(arguments)
    try:
        file, chutes = load_config(options.config, tuple(options.set))
        sorter = build_sorter(file, chutes, boot_id=_new_boot_id())
        asyncio.run(_serve(sorter, every_second=options.json))
    except EmulatorConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_CONFIG
    except ListenError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_UNAVAILABLE
    except BrokenPipeError:
        # Whoever read the status is gone; Python must not try to flush the rest to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_OK


async def _serve(sorter: Sorter, *, every_second: bool) -> None:
    """Serve until a signal ends it; print what is wanted."""
    server = Server(sorter)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, server.stop)
    loop.add_signal_handler(signal.SIGINT, server.stop)
    loop.add_signal_handler(signal.SIGUSR1, sorter.program.stop_induction)
    loop.add_signal_handler(signal.SIGUSR2, server.toggle_freeze)

    def tell(*, final: bool) -> None:
        status = {"final": final, **server.status(), **sorter.status()}
        if final:
            status["latency_spectrum_us"] = sorter.tally.latency.spectrum()
        print(json.dumps(status), flush=True)  # noqa: T201

    await server.serve(lambda: tell(final=False) if every_second else None)
    tell(final=True)


def _new_boot_id() -> int:
    """Return a number that no other start within 49 days has: milliseconds, 32 bits, never 0."""
    return time.time_ns() // 1_000_000 & 0xFFFF_FFFF or 1


if __name__ == "__main__":
    sys.exit(main())
