"""What families of PLCs can take over Modbus, as named profiles: one word instead of six settings.

A profile fills in what a link leaves out; what a link says itself counts. Only a documented limit
can't be exceeded: the PLC would refuse every such request. Where no document was found, the value
is the careful one of ``generic`` and its source says so: measure it with ``sorter plc check``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

ProfileName = Literal[
    "s7-1500", "s7-1200", "inovance", "omron", "delta", "mitsubishi", "schneider", "generic"
]
"""The families there are profiles of."""

NO_SOURCE = "no document found: careful; measure"
"""Source of a value that nothing documents."""
_SPEC = "Modbus Application Protocol V1.1b3, 6.3 and 6.12"
_S7 = "Siemens A5E02486680, MB_SERVER"
_SCAN = "one request a scan of 10 to 50 ms; measure"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a profile and where it is from."""

    value: int | str
    source: str
    limit: bool = False
    """Whether the device refuses more than that."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A family of PLCs. ``settings`` are named as those of a link."""

    name: ProfileName
    title: str
    settings: Mapping[str, Setting]
    connections: Setting
    """Connections that the server takes at once on one port."""
    functions: Setting
    """Function codes; the host needs 03 and 16 and uses no other."""
    notes: tuple[str, ...]
    """What whoever sets up the PLC must know."""


_CAREFUL = {
    "words_per_read": Setting(64, NO_SOURCE),
    "words_per_write": Setting(64, NO_SOURCE),
    "poll_period_ms": Setting(20, _SCAN),
    "timeout_ms": Setting(1000, NO_SOURCE),
    "word_order": Setting("big", NO_SOURCE),
    "string_byte_order": Setting("big", NO_SOURCE),
    "unit_id": Setting(1, NO_SOURCE),
}
_ONE = Setting(1, NO_SOURCE)
_FUNCTIONS = Setting("03, 16", NO_SOURCE)
_WHOLE = {
    "words_per_read": Setting(125, _SPEC, limit=True),
    "words_per_write": Setting(123, _SPEC, limit=True),
}
_PORT_A_HOST = (
    "One connection per port and instance DB: a standby host, or this check beside a running "
    "service, needs a port and an MB_SERVER call of its own (502, 503, ...)."
)
_SIEMENS: tuple[str, ...] = (
    _PORT_A_HOST,
    "Call MB_SERVER once in every cycle, for each connection.",
    "The mailbox's DB must have optimised access off, or MB_SERVER reports 16#8383.",
    "Function 23 (and 22, 43) is answered with exception 01; the host does not use it.",
)


def _siemens(name: ProfileName, title: str, poll_period_ms: int, *notes: str) -> Profile:
    settings = _CAREFUL | _WHOLE
    settings |= {
        "poll_period_ms": Setting(poll_period_ms, "MB_SERVER answers once a call, so once a cycle"),
        "timeout_ms": Setting(500, NO_SOURCE),
        "word_order": Setting("big", "typical of S7: high word first"),
        "string_byte_order": Setting("big", "typical of S7: first character in the high byte"),
        "unit_id": Setting(1, f"{_S7}: ignored, any will do"),
    }
    connections = Setting(1, f"{_S7}: one per port and instance DB")
    functions = Setting("01 to 06, 15, 16", f"{_S7}: 22, 23, 43 refused")
    return Profile(name, title, settings, connections, functions, (*_SIEMENS, *notes))


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        _siemens("s7-1500", "Siemens SIMATIC S7-1500", 10),
        _siemens(
            "s7-1200",
            "Siemens SIMATIC S7-1200",
            20,
            "The CPU has 8 connections of open communication in all; each host takes one.",
        ),
        Profile(
            "inovance",
            "Inovance (H3U, H5U, AM, Easy)",
            _CAREFUL,
            _ONE,
            _FUNCTIONS,
            ("No document about its limits was found; the values are those of generic.",),
        ),
        Profile(
            "omron",
            "Omron NJ, NX with the Modbus TCP function block",
            _CAREFUL | _WHOLE,
            Setting(1, "Omron Modbus TCP function block: one client"),
            Setting("03, 16", "Omron function block: 23 only from version 2.4 on"),
            (
                "The function block serves one client: a standby host needs another port.",
                "It runs in a periodic task: that task's period is what an answer takes.",
                "It maps 1,024 words, and the mailbox takes 1,528 with 8 event slots: raise that "
                "in the function block, or use OPC UA, which NJ and NX have built in.",
            ),
        ),
        Profile(
            "delta",
            "Delta DVP10MC and relatives",
            _CAREFUL
            | {
                "words_per_read": Setting(64, "Delta DVP10MC: 64 words a request", limit=True),
                "words_per_write": Setting(64, "Delta DVP10MC: 64 words a request", limit=True),
            },
            _ONE,
            _FUNCTIONS,
            ("64 words are one event slot a read: an event costs one request.",),
        ),
        Profile(
            "mitsubishi",
            "Mitsubishi with QJ71MT91",
            _CAREFUL
            | _WHOLE
            | {
                "poll_period_ms": Setting(
                    50, "QJ71MT91: 5 + 7 n1 + scan time x n2 ms; 32 to 52 ms at a scan of 20"
                ),
            },
            _ONE,
            Setting("03, 16", "QJ71MT91: 23 takes twice the time"),
            (
                "An answer takes 32 to 52 ms at a scan of 20 ms; keep the scan short, and the "
                "scanner far enough before the first chute.",
            ),
        ),
        Profile(
            "schneider",
            "Schneider M1, M218, Quantum",
            _CAREFUL
            | {
                "words_per_read": Setting(125, _SPEC, limit=True),
                "words_per_write": Setting(100, "Schneider M1: writes of 100", limit=True),
            },
            Setting(4, "M218: 4; the fifth closes the oldest"),
            Setting("03, 16", NO_SOURCE),
            (
                "A fifth connection closes the oldest one: count HMIs and tools as well.",
                "Quantum serves 8 register requests a scan and NOE, 20 a system.",
            ),
        ),
        Profile(
            "generic",
            "Any other: careful values",
            _CAREFUL,
            _ONE,
            _FUNCTIONS,
            ("Measure with sorter plc check, then raise words_per_read and lower poll_period_ms.",),
        ),
    )
}
"""Every profile by its name."""
assert set(PROFILES) == set(get_args(ProfileName))


def fill_in(given: Mapping[str, object], profile: Profile) -> dict[str, object]:
    """Return a link's settings with what they leave out taken from the profile."""
    return {name: setting.value for name, setting in profile.settings.items()} | dict(given)


def beyond_limits(given: Mapping[str, object], profile: Profile) -> list[str]:
    """Return, a line each, the settings that ask for more than the PLC is documented to take."""
    return [
        f"{name} is {given[name]}, and {profile.title} takes at most {setting.value} "
        f"({setting.source}); lower it, or leave out the profile if yours is known to take more"
        for name, setting in profile.settings.items()
        if setting.limit and name in given and _more(given[name], setting.value)
    ]


def _more(asked: object, limit: int | str) -> bool:
    return isinstance(asked, int) and isinstance(limit, int) and asked > limit
