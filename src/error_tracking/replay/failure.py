"""The recorded failure, and what to make of code that should have it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from error_tracking import conf
from error_tracking.events.event import Event, ExceptionInfo
from error_tracking.events.raised import CAPTURED_MARK
from error_tracking.events.stacktrace import Reader, exceptions_from
from error_tracking.testing import captured_events

from .code import TEMPLATE, Place, Trace, has_app_changed

SERVER_ERROR = 500
CLIENT_ERRORS = range(400, 500)
# What is missing in the code: whether these happen depends on no row and no value.
_DEPEND_ON_CODE = frozenset(
    {
        *("TemplateDoesNotExist", "TemplateSyntaxError", "ImproperlyConfigured"),
        *("FieldError", "FieldDoesNotExist", "ImportError", "ModuleNotFoundError"),
        *("NameError", "UnboundLocalError", "NotImplementedError", "SyntaxError"),
    }
)
_ELSEWHERE = (
    "If the fix is in other code and you saw this test fail with the recorded error "
    "before it, add fixed_elsewhere=True to the Failure."
)


@dataclasses.dataclass(frozen=True)
class Failure:
    """
    A failure as it was recorded.

    Attributes:
        type: The exception's class with its module, ``""`` for none.
        stack: Module, function and digest of the project's own functions it came
            through, the raising one last. A template has the module ``template``.
        line: The line that raised.
        status: The status code of the answer; 0 where the code went on.
        title: Of the error, where no exception tells it.
        app: The package that the last function is of, and the digest of its files.
        fixed_elsewhere: Whether a fix outside *app* is there, so that the failure need
            not be seen.

    """

    type: str = ""
    stack: Sequence[tuple[str, ...]] = ()
    line: str = ""
    status: int = 0
    title: str = ""
    app: tuple[str, str] = ("", "")
    fixed_elsewhere: bool = False

    @functools.cached_property
    def places(self) -> tuple[Place, ...]:
        """The functions of the stack."""
        return tuple(Place(*each) for each in self.stack)

    @property
    def text(self) -> str:
        """How a sentence names the failure."""
        what = self.type or self.title or f"the answer {self.status}"
        if self.places:
            return f"{what} in {self.places[-1]}"
        return what

    def is_of(self, error: BaseException) -> bool:
        """Return whether *error* is the recorded exception, raised where it was."""
        # The client raised again what the middleware had captured: all of it counts.
        vars(error).pop(CAPTURED_MARK, None)
        reader = Reader(in_app=tuple(conf.get_settings().IN_APP))
        raised, *_causes = exceptions_from(error, reader)
        return self._has_info(raised)

    def is_event(self, event: Event) -> bool:
        """Return whether *event* is the recorded error, which the project handled."""
        if self.type:
            return bool(event.exceptions) and self._has_info(event.exceptions[0])
        if self.title:
            return event.title == self.title
        return False

    def _has_info(self, raised: ExceptionInfo) -> bool:
        short = raised.type.rpartition(".")[2]
        expected = self.type.rpartition(".")[2]
        if short != expected:
            return False
        has_own_frames = any(frame.in_app for frame in raised.frames)
        if not self.places or not (self.line or has_own_frames):
            # A library raised it, and the only place is the view.
            return True
        if raised.is_recursion:
            # It strikes anywhere in its cycle.
            return any(_is_at(place, raised) for place in self.places)
        return _is_at(self.places[-1], raised, only_last=True)


def _is_at(place: Place, raised: ExceptionInfo, *, only_last: bool = False) -> bool:
    own = [frame for frame in raised.frames if frame.in_app]
    if only_last:
        own = own[-1:]
    for frame in own:
        if place.module == TEMPLATE and place.name == frame.filename:
            return True
        if (frame.module, frame.function) == (place.module, place.name):
            return True
    return False


@dataclasses.dataclass
class Attempt:
    """
    One repetition.

    Attributes:
        response: The answer to a request, None for other code.
        request: What the recorded request had, in words.

    """

    response: Any = None
    request: str = ""


class NotReproducedError(AssertionError):
    """The code did not get to the recorded failure, so nothing is proved."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Not reproduced: {reason}")


@contextmanager
def failing_as(failure: Failure) -> Iterator[Attempt]:
    """
    Expect *failure* of the code in a ``with`` block, until it is fixed.

    Raises:
        Exception: The recorded one, as long as the bug is there.
        AssertionError: The recorded error, where the project handles it; or
            "Not reproduced: …", where the block did not get there.
    """
    attempt = Attempt()
    trace = Trace(failure.places, failure.line)
    with captured_events() as events:
        try:
            with trace.running():
                yield attempt
        except NotReproducedError:  # pragma: no cover  our trace replaces coverage's
            raise
        except Exception as error:  # pragma: no cover  likewise
            if failure.is_of(error):
                raise
            reason = f"it ended with {_described(error)} instead of {failure.text}."
            raise NotReproducedError(_joined(reason, attempt.request)) from error
    _fail_if_handled(failure, attempt, events)
    if not _is_fixed(failure, trace):
        raise NotReproducedError(_why(failure, attempt, trace))


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _fail_if_handled(failure: Failure, attempt: Attempt, events: list[Event]) -> None:
    status = getattr(attempt.response, "status_code", 0)
    for event in events:
        if failure.is_event(event):
            raise AssertionError(f"Reproduced: {event.title}\n{event.traceback}")
    if failure.status and not failure.type and status == failure.status:
        raise AssertionError(f"Reproduced: the answer {status}")
    if status >= SERVER_ERROR:
        reason = f"the answer was {status} instead of {failure.text}."
        raise NotReproducedError(_joined(reason, attempt.request))


def _is_fixed(failure: Failure, trace: Trace) -> bool:
    """Return whether the code that failed was changed, and ran."""
    if failure.fixed_elsewhere:
        return True
    if failure.status in CLIENT_ERRORS and not failure.type:
        # Whoever asked was refused, and is not any more.
        return True
    for position, place in enumerate(failure.places):
        if not place.has_changed():
            continue
        if place in trace.entered:
            return True
        # Removed by the fix: then what called it has run.
        callers = failure.places[:position]
        has_run = not callers or callers[-1] in trace.entered
        return place.is_gone() and has_run
    if not trace.has_reached_line:
        return False
    short = failure.type.rpartition(".")[2]
    return short in _DEPEND_ON_CODE or has_app_changed(failure.app)


def _why(failure: Failure, attempt: Attempt, trace: Trace) -> str:
    """Return where the code stopped, and what may be missing."""
    reasons = [_answer_text(attempt.response)]
    missed = [place for place in failure.places if place not in trace.entered]
    if not failure.places:
        reasons.append(f"The code that had {failure.text} was not recorded.")
    elif missed:
        reached = failure.places[: failure.places.index(missed[0])]
        where = f"It stopped in {reached[-1]}. " if reached else ""
        reasons.append(f"{where}It did not reach {missed[0]}.")
    elif failure.line and not trace.has_reached_line:
        reasons.append(
            f"It reached {failure.places[-1]}, but not the line “{failure.line}”."
        )
    else:
        reasons.append(
            f"It ran {failure.places[-1]} without {failure.text}, and that code "
            "has not changed: the error probably needs another value or row."
        )
    reasons += [attempt.request, _ELSEWHERE]
    return " ".join(reason for reason in reasons if reason)


def _answer_text(response: Any) -> str:
    if response is None:
        return "nothing failed."
    status = response.status_code
    address = response.headers.get("Location", "")
    if address:
        return f"the answer was {status}, a redirect to {address}."
    return f"the answer was {status}."


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)
