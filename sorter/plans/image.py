"""Compiled arrays as an immutable file, named by its hash, that a line maps and never copies.

The file, all numbers little-endian:

    8 bytes    magic
    u32        format version
    u32        length of the header in bytes
    32 bytes   SHA-256 of everything that follows
    header     JSON: kind, metadata, and name, type, shape, offset of each array
    arrays     raw, C order, each at a multiple of 64 bytes from the start of the file

The same arrays and metadata give the same bytes, hence the same name.
"""

import contextlib
import hashlib
import mmap
import os
import struct
import tempfile
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, cast, get_args, get_type_hints

import numpy as np
import orjson
from numpy.typing import NDArray

from sorter.errors import ConfigError, UnavailableError

MAGIC = b"SORTIMG\0"
FORMAT = 5
"""Rises with every change of what the arrays mean or how long they are."""
PREFIX = struct.Struct("<8sII32s")
ALIGNMENT = 64
"""A cache line: no array shares one with its neighbour."""
IMAGE_BYTES_MAX = 4_294_967_296
"""Size of one image; pre-advice of 4 million waybills takes 0.50 GB."""
NAME_DIGITS = 16
"""Hexadecimal digits of the hash in a file's name."""

COMPILE_AGAIN = "delete it and compile again"

Arrays = TypeVar("Arrays", bound="_Arrays")


class _Arrays(Protocol):
    """A NamedTuple whose fields are all arrays, such as PlanArrays."""

    _fields: Any

    def _asdict(self) -> dict[str, Any]: ...


class _Entry(NamedTuple):
    """An array's place in the file."""

    name: str
    dtype: str
    shape: list[int]
    offset: int


def write_image(kind: str, arrays: _Arrays, folder: Path, metadata: dict[str, Any]) -> Path:
    """Write arrays to ``<kind>-<hash>.image`` in a folder: the whole file durably, or none at all.

    Args:
        kind: What they are, e.g. "plan".
        arrays: A NamedTuple of arrays.
        folder: Must exist.
        metadata: Names and such; anything JSON can hold.

    Raises:
        UnavailableError: the file can't be written.
    """
    columns = {
        name: np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<"), copy=False)
        for name, column in arrays._asdict().items()
    }
    body = _body(kind, columns, metadata)
    digest = hashlib.sha256()
    for part in body:
        digest.update(part)
    path = folder / f"{kind}-{digest.hexdigest()[:NAME_DIGITS]}.image"
    prefix = PREFIX.pack(MAGIC, FORMAT, len(body[0]), digest.digest())
    try:
        _write_durably(path, [prefix, *body])
    except OSError as error:
        raise UnavailableError(
            f"{path}: can't be written: {error.strerror}; make room or correct the folder's rights"
        ) from None
    return path


def map_image(path: Path, cls: type[Arrays]) -> tuple[Arrays, dict[str, Any]]:
    """Map an image; its arrays are read-only and live as long as anything refers to them.

    Args:
        path: The image.
        cls: The NamedTuple of arrays it must hold.

    Returns:
        The arrays, and the metadata written with them; "kind" is added to it.

    Raises:
        ConfigError: the file is missing, damaged, or holds something else.
    """
    content = _map(path)
    header = _header(path, content)
    expected = _types_of(cls)
    try:
        entries = [_Entry(*entry) for entry in header["arrays"]]
        found = {entry.name: np.dtype(entry.dtype) for entry in entries}
        columns = {entry.name: _column(content, entry) for entry in entries}
        metadata = {**header["metadata"], "kind": header["kind"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: damaged ({error}); {COMPILE_AGAIN}") from None
    if found != expected:
        raise ConfigError(f"{path}: holds no {cls.__name__} of this version; {COMPILE_AGAIN}")
    return cls(**columns), metadata


def _body(
    kind: str, columns: dict[str, NDArray[np.generic]], metadata: dict[str, Any]
) -> list[bytes | memoryview]:
    """Return what is hashed, in order: the header, then padding and arrays in turn.

    Offsets stand in the header and depend on its length, so that is rounded up with room for them.
    """
    offset_digits = len(str(IMAGE_BYTES_MAX))
    entries = [_Entry(name, c.dtype.str, list(c.shape), 0) for name, c in columns.items()]
    bare = len(_json(kind, entries, metadata))
    start = _aligned(PREFIX.size + bare + offset_digits * len(entries))
    offset = start
    body: list[bytes | memoryview] = []
    for k, column in enumerate(columns.values()):
        entries[k] = entries[k]._replace(offset=offset)
        raw = column.reshape(-1).view(np.uint8).data
        padding = _aligned(len(raw)) - len(raw)
        body += [raw, bytes(padding)]
        offset += len(raw) + padding
    if offset > IMAGE_BYTES_MAX:
        raise ConfigError(f"{kind}: the arrays take {offset} bytes; at most {IMAGE_BYTES_MAX}")
    return [_json(kind, entries, metadata).ljust(start - PREFIX.size), *body]


def _json(kind: str, entries: list[_Entry], metadata: dict[str, Any]) -> bytes:
    arrays = [list(entry) for entry in entries]
    header = {"kind": kind, "metadata": metadata, "arrays": arrays}
    return orjson.dumps(header, option=orjson.OPT_SORT_KEYS)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _write_durably(path: Path, parts: list[bytes | memoryview]) -> None:
    """Write beside the target, then rename: the whole file is there or none, after a crash too."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not PREFIX.size <= size <= IMAGE_BYTES_MAX:
                raise ConfigError(f"{path}: damaged ({size} bytes long); {COMPILE_AGAIN}")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; compile again") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}; correct its rights") from None


def _header(path: Path, content: mmap.mmap) -> dict[str, Any]:
    magic, version, length, digest = PREFIX.unpack_from(content)
    if magic != MAGIC:
        raise ConfigError(f"{path}: no compiled image; give one that this program wrote")
    if version != FORMAT:
        raise ConfigError(f"{path}: format {version}, this program reads {FORMAT}; {COMPILE_AGAIN}")
    with memoryview(content) as view, view[PREFIX.size :] as body:
        if hashlib.sha256(body).digest() != digest:
            raise ConfigError(f"{path}: damaged (its hash is wrong); {COMPILE_AGAIN}")
    try:
        header = orjson.loads(content[PREFIX.size : PREFIX.size + length])
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path}: damaged ({error}); {COMPILE_AGAIN}") from None
    return cast("dict[str, Any]", header)


def _column(content: mmap.mmap, entry: _Entry) -> NDArray[np.generic]:
    """Return a read-only view; ValueError if the file is too short for it."""
    count = prod(entry.shape)
    flat = np.frombuffer(content, np.dtype(entry.dtype), count, entry.offset)
    return flat.reshape(entry.shape)


def _types_of(cls: type[_Arrays]) -> dict[str, np.dtype[Any]]:
    """Return the element type of each array, as the NamedTuple's annotations give it."""
    hints = get_type_hints(cls)
    return {name: np.dtype(get_args(get_args(hints[name])[1])[0]) for name in cls._fields}
