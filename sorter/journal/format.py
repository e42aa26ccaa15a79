"""How the journal lies on disk: one folder of numbered segments a line, frames in each.

Segment, all numbers little-endian:

    8 bytes   magic
    u32       hash of the layout of EVENT, DECISION and PIECE
    u32       CRC32C of what follows in this head
    u64       number of the segment
    i64       instant it was begun, Unix nanoseconds
    32 bytes  name of the line

Frame, one after the other:

    u32       mark
    u32       CRC32C of what follows in this frame
    u64       number of the frame within the line's journal, counted on across segments
    u16       kind: 1 batch, 2 snapshot, 3 standing
    u16       0
    u32 x 3   events, decisions, pieces of a batch; bytes of anything else, 0, 0
    bytes     the records, the snapshot, or the standing as JSON

A standing says what the decisions of the batches after it stand on; one follows each snapshot
but those behind which a host that takes a line over puts what another one decided.

A frame is there as a whole or not at all. After a failed write or sync the same frames are written
again; where that leaves copies, the frame's number tells them. A process begins a new segment.

A segment being written has room for all it may hold, zeros after its last frame; it is cut there
when the next one is begun, and after a crash when the journal is opened again. So bytes other than
zeros after the last frame of the newest segment are a torn end, and anywhere else they are damage.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import numpy as np

from plc_adapters.contract import EVENT
from sorter.errors import JournalError
from sorter.journal.disk import SYSTEM_DISK, Disk
from sorter.ports import DECISION, PIECE, Batch, Snapshot, Standing

SEGMENT_HEAD = struct.Struct("<8sIIQq32s")
_HEAD_BODY = struct.Struct("<Qq32s")
FRAME_HEAD = struct.Struct("<IIQHHIII")
_FRAME_BODY = struct.Struct("<QHHIII")
SEGMENT_MAGIC = b"SORTJRN1"
FRAME_MARK = 0xF7A3_5EED
_MARK_BYTES = FRAME_MARK.to_bytes(4, "little")
KIND_BATCH, KIND_SNAPSHOT, KIND_STANDING = 1, 2, 3
FRAME_BYTES_MAX = 64 * 1024 * 1024
"""Size of one frame; a snapshot of 65,536 pieces takes 15 MiB, a batch less than 1."""
LAYOUT = zlib.crc32(repr([dtype.descr for dtype in (EVENT, DECISION, PIECE)]).encode())
SUFFIX = ".journal"


class Gap(NamedTuple):
    """A stretch that holds no whole frame, and not only zeros."""

    start: int
    end: int


class Frame(NamedTuple):
    """One frame as read."""

    number: int
    kind: int
    counts: tuple[int, int, int]
    body: memoryview
    end: int
    """Offset of the byte after it, from the start of the data it was read from."""


def segment_path(folder: Path, number: int) -> Path:
    """Return the file of a segment."""
    return folder / f"{number:012d}{SUFFIX}"


def segments(folder: Path, disk: Disk = SYSTEM_DISK) -> list[int]:
    """Return the numbers of a line's segments, oldest first; none for a folder not there."""
    names = (name.removesuffix(SUFFIX) for name in disk.names(folder) if name.endswith(SUFFIX))
    return sorted(int(name) for name in names if name.isdigit())


def segment_head(number: int, begun_ns: int, line: str) -> bytes:
    """Return the head of a segment."""
    body = _HEAD_BODY.pack(number, begun_ns, line.encode()[:32])
    return SEGMENT_HEAD.pack(
        SEGMENT_MAGIC, LAYOUT, google_crc32c.value(body), number, begun_ns, line.encode()[:32]
    )


def check_segment_head(data: bytes, path: Path) -> bool:
    """Return whether a segment's head is whole; a torn one belongs to an empty segment.

    Raises:
        JournalError: it is a journal of another version of the service.
    """
    if len(data) < SEGMENT_HEAD.size:
        return False
    magic, layout, checksum, *_ = SEGMENT_HEAD.unpack_from(data)
    body = data[SEGMENT_HEAD.size - _HEAD_BODY.size : SEGMENT_HEAD.size]
    if magic != SEGMENT_MAGIC or checksum != google_crc32c.value(body):
        return False
    if layout != LAYOUT:
        raise JournalError(
            f"{path}: written by another version of this service, with other records; let that "
            "version record all of it and empty the sorter, then move the file away"
        )
    return True


def encode_batch(number: int, batch: Batch) -> bytes:
    """Return the frame of a batch."""
    body = batch.events.tobytes() + batch.decisions.tobytes() + batch.pieces.tobytes()
    return _frame(
        number, KIND_BATCH, len(batch.events), len(batch.decisions), len(batch.pieces), body
    )


def encode_snapshot(number: int, content: bytes) -> bytes:
    """Return the frame of a snapshot."""
    return _frame(number, KIND_SNAPSHOT, len(content), 0, 0, content)


def encode_standing(number: int, standing: Standing) -> bytes:
    """Return the frame of a standing."""
    told = {name: value for name, value in standing._asdict().items() if name != "line"}
    content = json.dumps(told, separators=(",", ":")).encode()
    return _frame(number, KIND_STANDING, len(content), 0, 0, content)


def _frame(number: int, kind: int, first: int, second: int, third: int, body: bytes) -> bytes:
    head = _FRAME_BODY.pack(number, kind, 0, first, second, third)
    checksum = google_crc32c.extend(google_crc32c.value(head), body)
    frame: bytes = _MARK_BYTES + checksum.to_bytes(4, "little") + head + body
    return frame


def frames(data: bytes, start: int, *, growing: bool = False) -> Iterator[Frame | Gap]:
    """Yield the whole frames of some data from an offset on, and the gaps between them.

    The last gap may be a frame that is being written, or one that lies only partly in the data.

    Args:
        data: Of a segment.
        start: Where a frame may begin.
        growing: Whether zeros where a frame would begin mean that none was written yet.
    """
    view = memoryview(data)
    at = begun = start
    while True:
        if growing and is_blank(data[at : at + FRAME_HEAD.size]):
            return
        frame = _frame_at(view, at)
        if frame is None:
            at = data.find(_MARK_BYTES, at + 1)
            if at >= 0:
                continue
            at = len(data)
        if not is_blank(data[begun:at]):
            yield Gap(begun, at)
        if frame is None:
            return
        yield frame
        at = begun = frame.end


def is_blank(data: bytes) -> bool:
    """Return whether there are only zeros."""
    return data == bytes(len(data))


def _frame_at(view: memoryview, at: int) -> Frame | None:
    """Return the frame that begins here, None if there is no whole one."""
    if at + FRAME_HEAD.size > len(view):
        return None
    mark, checksum, number, kind, _, *counts = FRAME_HEAD.unpack_from(view, at)
    if mark != FRAME_MARK:
        return None
    size = counts[0]
    if kind == KIND_BATCH:
        sizes = (EVENT.itemsize, DECISION.itemsize, PIECE.itemsize)
        size = sum(count * each for count, each in zip(counts, sizes, strict=True))
    end = at + FRAME_HEAD.size + size
    if size > FRAME_BYTES_MAX or end > len(view):
        return None
    if google_crc32c.value(bytes(view[at + 8 : end])) != checksum:
        return None
    return Frame(number, kind, (counts[0], counts[1], counts[2]), view[end - size : end], end)


def decode(frame: Frame, line: int) -> Batch | Snapshot | Standing:
    """Return what a frame holds; the records are read-only views of it."""
    if frame.kind == KIND_SNAPSHOT:
        return Snapshot(line, bytes(frame.body))
    if frame.kind == KIND_STANDING:
        told = json.loads(bytes(frame.body))
        told["locked"], told["slip"] = tuple(told["locked"]), tuple(told["slip"])
        return Standing(line, **told)
    events, decisions, pieces = frame.counts
    first = events * EVENT.itemsize
    second = first + decisions * DECISION.itemsize
    return Batch(
        line,
        np.frombuffer(frame.body[:first], EVENT),
        np.frombuffer(frame.body[first:second], DECISION),
        np.frombuffer(frame.body[second:], PIECE, count=pieces),
    )
