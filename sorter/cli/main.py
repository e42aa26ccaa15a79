"""The commands, their help, and how their errors end: one clear line each, never a trace."""

import logging
import sys
from typing import NoReturn

import typer

from plc_adapters.contract import AdapterError
from routing_tables.errors import TableError
from sorter import __version__
from sorter.cli import (
    audit,
    config,
    demo,
    key,
    line,
    plan,
    plan_proof,
    plc,
    plc_certificate,
    plc_check,
    plc_profiles,
    pre_advice,
    replay,
    run,
    sim,
    trace,
)
from sorter.errors import Exit, SorterError
from sorter.wiring.logs import speaks_json

EXIT_CODES = """
Exit codes: 0 all well; 1 what was checked is not so; 2 wrong arguments; 3 a file is wrong;
4 something outside is missing (port, database, disk, PLC); 5 another host holds the line;
70 a fault of this program.
"""

app = typer.Typer(
    help="The sorting-centre control service.\n" + EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run", help=run.HELP)(run.run)
app.command("demo", help=demo.HELP)(demo.demo)
app.command("trace", help=trace.HELP)(trace.trace)
app.command("replay", help=replay.HELP)(replay.replay)
app.command("sim")(sim.sim)
app.add_typer(config.app, name="config", help="Look at site files.")
plan_proof.register(plan.app)
app.add_typer(plan.app, name="plan", help="Look after sort plans.")
app.add_typer(key.app, name="key", help="Make and remove keys of the HTTP API.")
app.add_typer(audit.app, name="audit", help="Who changed what, and that its record is whole.")
app.add_typer(pre_advice.app, name="pre-advice", help="Load waybills that brands send ahead.")
plc_check.register(plc.app)
app.add_typer(line.app, name="line", help="Tell a running line what to do.")
plc_profiles.register(plc.app)
plc_certificate.register(plc.app)
app.add_typer(plc.app, name="plc", help="Bring a PLC to talk to the service.")


@app.command("version", help="Print the version.")
def _version() -> None:
    typer.echo(__version__)


def main() -> NoReturn:
    """Run a command and end with its exit code."""
    try:
        app()
    except (SorterError, TableError, AdapterError) as error:
        sys.exit(tell(error))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except Exception:
        logging.basicConfig()
        logging.getLogger(__name__).exception("a fault of this program; please report it")
        sys.exit(Exit.INTERNAL)
    sys.exit(Exit.OK)


def tell(error: SorterError | TableError | AdapterError) -> Exit:
    """Print an error's lines to standard error and return the exit code it asks for.

    A process of the service says it in the form of its log.
    """
    problems = [str(error)] if isinstance(error, AdapterError) else error.problems
    for problem in problems:
        if speaks_json():
            logging.getLogger(__name__).critical("%s", problem)
        else:
            typer.echo(f"sorter: {problem}", err=True)
    if isinstance(error, SorterError):
        return error.exit_code
    return Exit.CONFIG if isinstance(error, TableError) else Exit.UNAVAILABLE
