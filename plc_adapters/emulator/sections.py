"""What the emulator's file can say, one class for each of its tables."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from plc_adapters.contract import CHUTE_NUMBER_MAX, LAPS_MAX, STATION_NUMBER_MAX
from plc_adapters.emulator.listen_sections import Listen
from plc_adapters.emulator.scanner_sections import EmulatedScanner
from plc_adapters.emulator.section import Chance, Cut, Milliseconds, Section, While
from plc_adapters.mailbox.table import EVENT_SLOTS_MAX, EVENT_SLOTS_MIN, LAYOUT_VERSION

EYE_SLACK_MM = 20
"""What a gap needs beyond its purpose for photo-eyes to see it in time."""
CELLS_MAX = 65_535
"""A cell's number takes one register; cells count from 1."""


class Plc(Section):
    """The PLC and its program."""

    default_chute: int = Field(ge=1, le=CHUTE_NUMBER_MAX)
    """Where pieces go that nobody gave a chute to in time."""
    lap_limit: int = Field(default=8, ge=0, le=LAPS_MAX - 1)
    """Lap from which a piece goes to the default chute when no chute named took it."""
    cycle_ms: int = Field(default=5, ge=1, le=1000)
    word_order: Literal["big", "little"] = "big"
    string_byte_order: Literal["big", "little"] = "big"
    event_slots: int = Field(default=256, ge=EVENT_SLOTS_MIN, le=EVENT_SLOTS_MAX)
    backlog_events_max: int = Field(default=4096, ge=16, le=1_000_000)
    """Events that wait for a free slot of the ring; what comes beyond is lost and counted."""
    host_watchdog_ms: int = Field(default=1000, ge=20, le=60_000)
    wait_for_host: bool = False
    """Whether the machine stays suspended until a first host has been granted an epoch."""
    packml: bool = False
    """Whether the machine's state is told in PackML's numbers, the ways between states too."""
    boot_id: int = Field(default=0, ge=0, le=0xFFFF_FFFF)
    """0 for a new one at every start, as a PLC does."""
    layout_version: int = Field(default=LAYOUT_VERSION, ge=0, le=0xFFFF)
    """What the header says; another one than the table's makes a PLC that no host may use."""
    first_piece_id: int = Field(default=1, ge=1, le=0xFFFF_FFFF)
    first_sequence: int = Field(default=1, ge=1, le=0xFFFF_FFFF)
    first_time_ms: int = Field(default=0, ge=0, le=0xFFFF_FFFF)

    @model_validator(mode="after")
    def _slots_fit_the_wrap(self) -> Self:
        if self.event_slots & (self.event_slots - 1):
            raise ValueError(f"event_slots must be a power of two, not {self.event_slots}")
        return self


class Loop(Section):
    """The belt. Positions run downstream from the scanner, in mm."""

    length_mm: int = Field(ge=1000, le=10_000_000)
    speed_mm_s: int = Field(ge=100, le=1_000_000)
    """Cross-belts run up to 2,500; more is for loads that no single sorter gives."""
    cell_pitch_mm: int = Field(ge=50, le=10_000)
    scanner: int = Field(default=STATION_NUMBER_MAX, ge=1, le=STATION_NUMBER_MAX)
    """The scanner's station number; it stands at position 0."""

    @property
    def cells(self) -> int:
        """Cells of the loop."""
        return self.length_mm // self.cell_pitch_mm

    @model_validator(mode="after")
    def _cells_close_the_loop(self) -> Self:
        if self.length_mm % self.cell_pitch_mm:
            raise ValueError("length_mm must be a whole number of cell_pitch_mm")
        if self.cells > CELLS_MAX:
            raise ValueError(f"{self.cells} cells; at most {CELLS_MAX} can be numbered")
        return self


class Diverter(Section):
    """A straight conveyor with a wheel diverter before each chute but the last, which is its end.

    Positions run downstream from the scanner, in mm; the induction station's upstream from it. A
    piece passes each diverter once. The limits below keep what the PLC's program stands on: an edge
    at a photo-eye can belong to one piece only, and wheels have turned when a piece is on them.
    """

    speed_mm_s: int = Field(ge=100, le=1_000_000)
    """Wheel diverters run at about 1,000."""
    eye_before_mm: int = Field(ge=10, le=10_000)
    """From the photo-eye before a diverter to its wheels."""
    switch_ms: int = Field(default=300, ge=1, le=10_000)
    """What the wheels need to turn, and to turn back."""
    min_gap_mm: int = Field(ge=10, le=100_000)
    """Gap that the station leaves between two pieces."""
    early_mm: int = Field(default=50, ge=1, le=10_000)
    late_mm: int = Field(default=250, ge=1, le=10_000)
    """How far before or behind its place the PLC takes an edge for the piece it expects."""
    slip_max_mm: int = Field(default=150, ge=1, le=10_000)
    """How far a piece that slips falls behind between two points of the conveyor."""
    scanner: int = Field(default=STATION_NUMBER_MAX, ge=1, le=STATION_NUMBER_MAX)
    """The scanner's station number; it stands at position 0."""

    @property
    def switch_mm(self) -> int:
        """What passes while the wheels turn."""
        return -(-self.speed_mm_s * self.switch_ms // 1000)

    @model_validator(mode="after")
    def _wheels_and_windows_keep_apart(self) -> Self:
        turning = f"{self.switch_mm} mm pass in switch_ms at speed_mm_s"
        if self.eye_before_mm < self.switch_mm:
            raise ValueError(f"eye_before_mm: {turning}; set the eye at least so far ahead")
        if self.min_gap_mm < self.switch_mm + EYE_SLACK_MM:
            raise ValueError(
                f"min_gap_mm: {turning}; leave at least such a gap and {EYE_SLACK_MM} mm more"
            )
        if self.early_mm + self.late_mm > self.min_gap_mm:
            raise ValueError(
                f"early_mm and late_mm: a window of {self.early_mm + self.late_mm} mm is wider "
                f"than the gap of {self.min_gap_mm}: an edge could belong to two pieces; narrow it"
            )
        return self


class Arrivals(Section):
    """How pieces come to the induction stations: at their own pace, whatever the sorter does."""

    pieces_per_hour: float = Field(gt=0, le=100_000_000)
    """Over all stations together, by their shares."""
    spacing: Literal["exponential", "fixed"] = "exponential"
    queue_max: int = Field(default=50, ge=1, le=100_000)
    """Pieces that wait at a station; while it is full the feed stands still."""
    pieces_max: int = Field(default=0, ge=0)
    """Pieces in all; 0 for no end."""


class Station(Section):
    """An induction station."""

    number: int = Field(ge=1, le=STATION_NUMBER_MAX)
    position_mm: int = Field(ge=1)
    share: float = Field(default=1.0, gt=0, le=1000)


class Emptying(Section):
    """How people look after the chutes."""

    empty_after_ms: Milliseconds = 20_000
    """From full until the bag is changed."""
    empty_every_ms: Milliseconds = 0
    """Bags that are not empty are also changed at this pace; 0 for only when full."""
    clear_jam_ms: Milliseconds = 30_000
    """From a jam until the chute is open again."""


class Lock(Section):
    """A chute that somebody locks at its own panel for a while."""

    chute: int = Field(ge=1, le=CHUTE_NUMBER_MAX)
    after_ms: Milliseconds
    """From the start of the emulator."""
    for_ms: Milliseconds


class Jam(Lock):
    """A chute that is blocked from an instant on for a while."""


class Blind(While):
    """A while in which the scanner reads nothing."""


class Slip(While):
    """A while in which the sorter is not where its encoder says.

    On a loop pieces leave their cells so far behind their chutes; on a conveyor each falls behind
    by so much between two points.
    """

    mm: int = Field(ge=1, le=100_000)


class Halt(While):
    """A while in which the machine inducts nothing; the belt runs on, pieces on it are sorted."""

    state: Literal["held", "suspended"]
    """Held for a cause of its own, suspended for one from outside."""


class Chances(Section):
    """What goes wrong, each a probability."""

    no_read: Chance = 0.0
    """Per scan: no code is read."""
    several_codes: Chance = 0.0
    """Per piece: a product code on its packaging is read as well."""
    unknown_weight: Chance = 0.0
    """Per scan: the scale gives 0."""
    discharge_failure: Chance = 0.0
    """Per discharge: the piece stays on its cell."""
    missorted: Chance = 0.0
    """Per discharge: the cell's belt turns late, and the piece lands in the next open chute; on a
    conveyor the wheels turn back late, and may take the next piece along."""
    jam: Chance = 0.0
    """Per discharge: the chute is blocked afterwards."""
    removed: Chance = 0.0
    """Per piece: taken off by hand within a lap of its induction, if it is still there, and told at
    the panel."""
    lost: Chance = 0.0
    """Per piece: falls off, or is taken off and nobody says so, within a lap of its induction; the
    PLC notices at the next eye."""
    slipping: Chance = 0.0
    """Per piece and stretch between two points, on a conveyor: it falls behind."""
    stuck_together: Chance = 0.0
    """Per piece, on a conveyor: another one sticks to it, and the photo-eyes see one."""
    repeated_event: Chance = 0.0
    """Per event: the PLC reports it once more, under the sequence after it."""


class Faults(Section):
    """Mistakes of the PLC program, planted on purpose for a commissioning check to find; all off.

    Word and byte order, layout version and first sequence are settings of the PLC instead.
    """

    wrong_magic: bool = False
    """The magic number is another."""
    event_slots_shown: int = Field(default=0, ge=0, le=0xFFFF)
    """What the header says of the ring's size; 0 for the truth."""
    heartbeat_stands: bool = False
    clock_stands: bool = False
    consumed_stands: bool = False
    """The header never says which instruction was taken."""
    zero_after_wrap: bool = False
    """After 4294967295 comes 0."""
    torn_slots: bool = False
    """Both sequences are written in one cycle, what they enclose in the next."""
    skips_slots: bool = False
    """Some slots are counted and never written."""
    loses_events: bool = False
    """Of many events in one cycle only the first are kept."""
    ignores_acknowledgement: bool = False
    takes_any_acknowledgement: bool = False
    """Even one of an event that was never told."""
    overwrites_unacknowledged: bool = False
    no_echo: bool = False
    check_not_verified: bool = False
    replaces_held: bool = False
    """The latest instruction wins, whatever its revision."""
    accepts_lower_epoch: bool = False
    """Instructions of a lower epoch are taken."""
    accepts_other_seat: bool = False
    """Instructions of the seat that is not granted are taken."""
    grants_lower_epoch: bool = False
    grants_beside_alive: bool = False
    """A higher claim is granted while the granted host lives."""
    never_grants: bool = False
    never_silent: bool = False
    """There is no watchdog over the host."""
    writes_seats: bool = False
    """The program writes to the host's registers in every cycle."""
    inducts_always: bool = False
    """Pieces are inducted whatever the machine's state."""
    machine_state_shown: int = Field(default=0, ge=0, le=0xFFFF)
    """What the PLC says of the machine's state; 0 for the truth."""
    answer_ms: int = Field(default=0, ge=0, le=10_000)
    """What each Modbus request takes beside the network."""


class ChuteRow(Section):
    """A row of the chute table."""

    chute: int = Field(ge=1, le=CHUTE_NUMBER_MAX)
    position_mm: int = Field(ge=1)
    capacity_pieces: int = Field(ge=1, le=1_000_000)


class EmulatedSensor(Section):
    """A sensor served beside the mailbox.

    Over Modbus a holding register with tenths as int16, over OPC UA a Double named
    ``s=Sensors.<name>``.
    """

    name: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$")
    address: int = Field(ge=0, le=65_535)
    """Holding register; not one of the mailbox."""
    mean: float = Field(ge=-3000.0, le=3000.0)
    swing: float = Field(default=0.0, ge=0.0, le=100.0)
    period_ms: int = Field(default=60_000, ge=100, le=86_400_000)
    """Of the swing around the mean."""
    excursion: float = Field(default=0.0, ge=-100.0, le=100.0)
    """Added once, from ``excursion_after_ms`` on, ``excursion_for_ms`` long."""
    excursion_after_ms: Milliseconds = 0
    excursion_for_ms: Milliseconds = 0


class EmulatorFile(Section):
    """The whole file; relative paths in it are relative to it."""

    chutes: Path
    labels: Path | None = None
    """What is printed on the pieces; made up if left out."""
    repeat_labels: bool = True
    """Whether labels start over when they are used up; else induction ends there."""
    seed: int = Field(default=1, ge=0)
    listen: Listen = Listen()
    plc: Plc
    loop: Loop | None = None
    diverter: Diverter | None = None
    """A sorter is one of the two."""
    arrivals: Arrivals
    stations: list[Station] = Field(min_length=1, max_length=STATION_NUMBER_MAX)
    emptying: Emptying = Emptying()
    locks: list[Lock] = Field(default=[], max_length=10_000)
    jams: list[Jam] = Field(default=[], max_length=10_000)
    cuts: list[Cut] = Field(default=[], max_length=10_000)
    blinds: list[Blind] = Field(default=[], max_length=10_000)
    slips: list[Slip] = Field(default=[], max_length=10_000)
    halts: list[Halt] = Field(default=[], max_length=10_000)
    scanner: EmulatedScanner | None = None
    sensors: list[EmulatedSensor] = Field(default=[], max_length=64)
    chances: Chances = Chances()
    faults: Faults = Faults()

    @property
    def belt(self) -> Loop | Diverter:
        """The one of the two that it is."""
        belt = self.loop or self.diverter
        assert belt is not None
        return belt

    @model_validator(mode="after")
    def _one_kind_of_sorter(self) -> Self:
        if (self.loop is None) == (self.diverter is None):
            raise ValueError(
                "a sorter is a [loop] or a [diverter]: give one of the two tables, not "
                f"{'both' if self.loop else 'none'}"
            )
        return self
