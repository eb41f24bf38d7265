"""Where failing code is noted: each bug with the family it belongs to and the ways to meet it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Bug(NamedTuple):
    """One bug: *function* fails for one reason with each of *rows*, which are arguments."""

    family: str
    name: str
    function: Callable[..., Any]
    rows: tuple[tuple[Any, ...], ...]


class Bugs(list[Bug]):
    """The bugs of a module."""

    def bug(self, family: str, *rows: tuple[Any, ...]) -> Callable[..., Any]:
        """Note a function that fails, and the arguments with which it fails for the same reason."""

        def note(function: Callable[..., Any]) -> Callable[..., Any]:
            self.append(Bug(family, function.__name__, function, rows or ((),)))
            return function

        return note

    def family(
        self, name: str, function: Callable[..., Any], **bugs: tuple[Any, ...]
    ) -> None:
        """
        Note several bugs of one function, which look alike.

        Each is given by the values with which *function* meets it; a value that is no
        tuple is the only argument.
        """
        for bug, values in bugs.items():
            rows = tuple(
                each if isinstance(each, tuple) else (each,) for each in values
            )
            self.append(Bug(name, bug, function, rows))
