"""Counts what reading a request costs, in a way that is the same each time: calls, and characters given to patterns."""

from __future__ import annotations

import re
import sys
from types import BuiltinMethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: About as long as a call takes, in the time that a pattern needs for one character.
CALL_CHARACTERS = 12

_METHODS = frozenset(
    ("search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")
)
_WITH_TEMPLATE = frozenset({"sub", "subn"})


class Work:
    """What was counted since :meth:`begin`."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.calls = self.characters = 0

    def begin(self) -> None:
        """Count from now on, in this thread."""
        self.calls = self.characters = 0
        sys.setprofile(self._on_event)

    def end(self) -> int:
        """Stop and return the work, in characters."""
        sys.setprofile(None)
        return self.characters + self.calls * CALL_CHARACTERS

    def _on_event(self, _frame: object, event: str, _argument: object) -> None:
        if event in {"call", "c_call"}:
            self.calls += 1


class CountedPattern:
    """A compiled pattern that counts the characters it is given."""

    def __init__(self, pattern: re.Pattern[Any], work: Work) -> None:
        """Count the characters given to *pattern* in *work*."""
        self._pattern = pattern
        for name in _METHODS:
            setattr(self, name, counted(getattr(pattern, name), work))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pattern, name)


def counted(method: Any, work: Work) -> Callable[..., Any]:
    """Return the *method* of a pattern so that it counts the characters it is given."""
    at = 1 if method.__name__ in _WITH_TEMPLATE else 0

    def call(*args: Any, **kwargs: Any) -> Any:
        text = args[at] if len(args) > at else kwargs["string"]
        bounds = args[at + 1 : at + 3] if at == 0 else ()
        start, stop, _step = slice(*(bounds or (None,))).indices(len(text))
        if len(bounds) == 1:
            start, stop = bounds[0], len(text)
        work.characters += max(0, stop - start)
        return method(*args, **kwargs)

    return call


def count_patterns(work: Work, package: str) -> int:
    """
    Replace the patterns that modules of *package* hold by counted ones; return how many.

    For this process: what it counts with must not be what it is timed with.
    """
    replacer = _Replacer(work, package)
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] == package:
            replacer.replace_in(vars(module))
    return replacer.found


class _Replacer:
    def __init__(self, work: Work, package: str) -> None:
        self.found = 0
        self._work = work
        self._package = package
        self._seen: dict[int, Any] = {}

    def replace_in(self, names: dict[Any, Any]) -> None:
        if id(names) in self._seen:
            return
        self._seen[id(names)] = names
        for name, value in list(names.items()):
            if not str(name).startswith("__"):
                replaced = self.replaced(value)
                if replaced is not value:
                    names[name] = replaced

    def replaced(self, value: Any) -> Any:
        """Return *value* with each pattern in it counted; containers that cannot change are made anew."""
        if isinstance(value, re.Pattern):
            if id(value) not in self._seen:
                self._seen[id(value)] = CountedPattern(value, self._work)
                self.found += 1
            return self._seen[id(value)]
        if isinstance(value, BuiltinMethodType) and isinstance(
            value.__self__, re.Pattern
        ):
            self.found += 1
            return counted(value, self._work)
        if type(value) in {tuple, list}:
            items = [self.replaced(each) for each in value]
            is_same = all(new is old for new, old in zip(items, value, strict=True))
            return value if is_same else type(value)(items)
        if type(value) is dict:
            self.replace_in(value)
            return value
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(self.replaced(each) for each in value))
        if type(value).__module__.partition(".")[0] == self._package:
            self._replace_attributes(value)
        return value

    def _replace_attributes(self, value: Any) -> None:
        """Replace the patterns that an object of the package holds, such as a rule."""
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        names = [*getattr(value, "__dict__", ()), *getattr(value, "__slots__", ())]
        for name in names:
            own = getattr(value, name, None)
            replaced = self.replaced(own)
            if replaced is not own:
                object.__setattr__(value, name, replaced)
