"""The face process: HTTP over the boards and the store."""

from sorter.api.app import Face, create_app
from sorter.api.server import serve
from sorter.config import SiteFile
from sorter.errors import ConfigError
from sorter.outlets.reading import BoardReader, RecorderBoardReader
from sorter.outlets.shadows import Shadows
from sorter.store.pieces import PieceHistories
from sorter.wiring.control_client import LineClient
from sorter.wiring.jobs import Desk
from sorter.wiring.paths import StatePaths
from sorter.wiring.process import settle_memory


def run_face(site: SiteFile) -> None:
    """Serve until SIGTERM.

    Raises:
        ConfigError: the site names no database.
        UnavailableError: the address can't be listened on.
    """
    if not site.store.dsn:
        raise ConfigError(
            "store.dsn: the face run alone needs a database; name it in the site file or in "
            "SORTER_DATABASE_DSN"
        )
    state = StatePaths(site.site.state_dir)
    state.make()
    face = Face(
        site.site.name,
        BoardReader(state.line_board),
        RecorderBoardReader(state.recorder_board),
        PieceHistories(site.store.dsn),
        LineClient(state),
        Desk(site, state.jobs),
        Shadows(state.shadows),
        [line.name for line in site.lines],
    )
    app = create_app(face)
    settle_memory()
    serve(app, site.http.host, site.http.port)
