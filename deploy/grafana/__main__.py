"""Writes the dashboards' JSON files, in both languages.

Example: python -m deploy.grafana --to deploy/grafana/dashboards
"""

import argparse
from pathlib import Path

from deploy.grafana.build import dashboards
from deploy.grafana.centre import LINE, OVERVIEW
from deploy.grafana.machinery import PLC, STORE
from deploy.grafana.network import NETWORK, PEAK
from deploy.grafana.pieces import CHUTES, PIECES

BOARDS = (OVERVIEW, LINE, CHUTES, PIECES, PLC, STORE, NETWORK, PEAK)
LANGUAGES = ("en", "zh")


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "dashboards")
    to: Path = parser.parse_args().to
    for language in LANGUAGES:
        folder = to / language
        folder.mkdir(parents=True, exist_ok=True)
        for board in BOARDS:
            content = dashboards(board, language)
            (folder / f"{board.name}.json").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
