"""Bodies that schemathesis can't write by itself: lines of JSON."""

from typing import Any

import orjson
import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines_of_json(_: Any, value: Any) -> bytes:
    """Write a list as a line each, text as it is, anything else as one line."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    rows = value if isinstance(value, list) else [value]
    return b"\n".join(
        orjson.dumps(row, default=str, option=orjson.OPT_NON_STR_KEYS) for row in rows
    )
