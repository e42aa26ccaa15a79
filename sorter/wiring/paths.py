"""Where a site keeps what it makes; every process finds the others' files by these names."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StatePaths:
    """The folders and files below a site's ``state_dir``."""

    root: Path

    @property
    def journal(self) -> Path:
        """Folder of the line process's journal segments."""
        return self.root / "journal"

    @property
    def plans(self) -> Path:
        """Folder of compiled plans and of what is active on each line."""
        return self.root / "plans"

    @property
    def run(self) -> Path:
        """Folder of what lives only as long as the processes: boards."""
        return self.root / "run"

    def lock(self, owner: str) -> Path:
        """File that the one process of that name on this state_dir holds locked."""
        return self.run / f"{owner}.lock"

    @property
    def line_board(self) -> Path:
        """Shared memory of the line process."""
        return self.run / "line.board"

    @property
    def questions(self) -> Path:
        """Shared memory of the line process's questions for the upstream host."""
        return self.run / "line.questions"

    @property
    def recorder_board(self) -> Path:
        """Shared memory of the recorder."""
        return self.run / "recorder.board"

    @property
    def sensor_board(self) -> Path:
        """Shared memory of the sensors process."""
        return self.run / "sensors.board"

    @property
    def database(self) -> Path:
        """Folder of the embedded PostgreSQL, if there is one."""
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        """Folder of the processes' logs where they don't go to the terminal."""
        return self.root / "logs"

    @property
    def jobs(self) -> Path:
        """Folder of what the face's jobs were given and found."""
        return self.run / "jobs"

    def active_plan(self, line: str) -> Path:
        """File that names the plan image active on a line."""
        return self.plans / f"{line}.active.json"

    def versions(self, line: str) -> Path:
        """Folder of the versions of a line's plan."""
        return self.plans / line

    def pending_plan(self, line: str) -> Path:
        """File that tells which activation waits on a line."""
        return self.plans / f"{line}.pending.json"

    def locks(self, line: str) -> Path:
        """File of the chutes that an operator locked on a line."""
        return self.root / "locks" / f"{line}.json"

    def shadow(self, line: str) -> Path:
        """File that names the version which shadows a line."""
        return self.plans / f"{line}.shadow.json"

    @property
    def shadows(self) -> Path:
        """What the shadow process found."""
        return self.run / "shadow.json"

    def commands(self, line: str) -> Path:
        """Folder of what a line was told, for ever."""
        return self.root / "commands" / line

    @property
    def audit(self) -> Path:
        """Folder of who changed what, a chain of entries, for ever."""
        return self.root / "audit"

    @property
    def line_socket(self) -> Path:
        """Where the line process takes commands."""
        return self.run / "line.sock"

    @property
    def pre_advice(self) -> Path:
        """File that names the pre-advice image in use."""
        return self.plans / "pre_advice.active.json"

    def make(self) -> None:
        """Create the folders."""
        locks = self.root / "locks"
        for folder in (self.root, self.journal, self.plans, self.run, self.logs, locks):
            folder.mkdir(parents=True, exist_ok=True)
