"""Which role each operation needs: declared at the operation, and denied where nothing is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Mount, compile_path

from sorter.config_http import Role

DECLARED = "needed_role"
"""Attribute of an operation's function that holds its role."""
OPEN_MOUNTS = frozenset({"/static"})
"""Folders of files for everybody: the page without any figure in it."""
OPEN = "open"
"""For everybody who reaches the face: whether it lives, the page, how to log in."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the application."""

    method: str
    path: str
    needs: Role | str
    """A role, or ``OPEN``."""


def needs(role: Role) -> Callable[[F], F]:
    """Declare the role that an operation needs; stands below the route's own decorator."""
    return _declare(role)


def open_to_all(function: F) -> F:
    """Declare that an operation needs no role."""
    return _declare(OPEN)(function)


def _declare(role: Role | str) -> Callable[[F], F]:
    def declare(function: F) -> F:
        setattr(function, DECLARED, role)
        return function

    return declare


def needed_by(function: object) -> Role | str | None:
    """Return the role that an operation's function declares; None where it declares none."""
    found: Role | str | None = getattr(function, DECLARED, None)
    return found


def operations(app: FastAPI) -> Iterator[Operation]:
    """Yield every operation of an application with the role it needs.

    Raises:
        ValueError: a route declares none, or is none that a role can be asked for.
    """
    for route in iter_route_contexts(app.routes):
        original = route.original_route
        if isinstance(original, Mount) and original.path in OPEN_MOUNTS:
            continue
        path, declared = route.path_format, needed_by(route.endpoint)
        if not isinstance(original, APIRoute) or path is None or declared is None:
            raise ValueError(
                f"route {getattr(original, 'path', original)!r} declares no role; put "
                "@needs(Role...) or @open_to_all on its function"
            )
        for method in sorted(route.methods or ()):
            yield Operation(method, path, declared)


def methods_of(app: FastAPI, path: str) -> list[str]:
    """Return the methods that an address has, in order; none where nothing is there."""
    return sorted(
        {each.method for each in operations(app) if compile_path(each.path)[0].match(path)}
    )
