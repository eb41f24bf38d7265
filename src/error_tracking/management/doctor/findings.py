"""What the steps of the doctor find, and what all of it means together."""

from __future__ import annotations

import dataclasses
import enum
import time
from collections.abc import Iterable
from typing import Any


class State(enum.StrEnum):
    """How a step ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """
    What one step returns.

    Attributes:
        state: How it ended.

        found: What was found, without a full stop.

        advice: What to do, empty where nothing has to be done.

        value: What later steps need; they get it as an argument.

        unknown_reason: Why the step cannot tell whether errors are captured.

    """

    state: State
    found: str
    advice: str = ""
    value: Any = None
    unknown_reason: str = ""


def ok(found: str, *, value: Any = None) -> Answer:
    """Return the answer of a step that found everything right."""
    return Answer(State.OK, found, value=value)


def warn(found: str, advice: str, *, value: Any = None) -> Answer:
    """Return the answer of a step that found what should be better."""
    return Answer(State.WARN, found, advice, value=value)


def fail(found: str, advice: str, *, value: Any = None) -> Answer:
    """Return the answer of a step that found what does not work."""
    return Answer(State.FAIL, found, advice, value=value)


def skip(found: str, *, value: Any = None) -> Answer:
    """Return the answer of a step that does not apply here."""
    return Answer(State.SKIP, found, value=value)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What the step called ``step`` found; the other fields are those of its answer."""

    step: str
    state: State
    found: str
    advice: str
    unknown_reason: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the values for a script."""
        return {
            "step": self.step,
            "state": self.state.value,
            "found": self.found,
            "advice": self.advice,
        }


#: The steps through which an error has to pass, in the order in which they are named
#: as the reason when it does not.
CAPTURING = ("middleware", "capture", "site_request")
STORING = ("database",)
FILING = ("bug_file", "github", "notices")
DECIDING = ("gate",)

_WORDS = {True: "yes", False: "no", None: "cannot tell"}


@dataclasses.dataclass(frozen=True, slots=True)
class Conclusion:
    """
    Whether errors of this site are captured, stored and filed.

    None means that the doctor cannot tell.

    Attributes:
        reasons: Why not, by ``"captured"``, ``"stored"`` and ``"filed"``.

    """

    captured: bool | None
    stored: bool | None
    filed: bool | None
    reasons: dict[str, str]

    def __str__(self) -> str:
        """Return one sentence for people."""
        parts = []
        for name in ("captured", "stored", "filed"):
            part = f"{name}: {_WORDS[getattr(self, name)]}"
            if name in self.reasons:
                part = f"{part} ({self.reasons[name]})"
            parts.append(part)
        return f"Errors of this site are {', '.join(parts)}."


@dataclasses.dataclass(frozen=True, slots=True)
class _Verdict:
    """Whether a part works, None where nobody can tell, and why not."""

    is_working: bool | None
    reason: str = ""


def conclude(findings: Iterable[Finding]) -> Conclusion:
    """Return what the *findings* of all steps mean together."""
    by_step = {finding.step: finding for finding in findings}
    captured = _capturing(by_step)
    # What is not captured is not stored, and what is not stored is not filed.
    stored = _after(captured, _storing(by_step))
    filed = _after(stored, _filing(by_step))
    verdicts = {"captured": captured, "stored": stored, "filed": filed}
    reasons = {
        name: verdict.reason for name, verdict in verdicts.items() if verdict.reason
    }
    return Conclusion(captured.is_working, stored.is_working, filed.is_working, reasons)


def _capturing(by_step: dict[str, Finding]) -> _Verdict:
    failed = _first(by_step, CAPTURING, {State.FAIL})
    if failed is not None:
        return _Verdict(is_working=False, reason=failed.found)
    for finding in by_step.values():
        if finding.unknown_reason:
            return _Verdict(is_working=None, reason=finding.unknown_reason)
    return _Verdict(is_working=True)


def _storing(by_step: dict[str, Finding]) -> _Verdict:
    failed = _first(by_step, STORING, {State.FAIL})
    if failed is not None:
        return _Verdict(is_working=False, reason=failed.found)
    return _Verdict(is_working=True)


def _filing(by_step: dict[str, Finding]) -> _Verdict:
    held = _first(by_step, DECIDING, {State.WARN, State.FAIL})
    if held is not None:
        return _Verdict(is_working=False, reason=held.found)
    if _first(by_step, FILING, {State.OK, State.WARN}) is None:
        return _Verdict(is_working=False, reason="no tracker can file")
    failed = [
        step for step in FILING if _first(by_step, (step,), {State.FAIL}) is not None
    ]
    if failed:
        return _Verdict(is_working=True, reason=f"but not by {', '.join(failed)}")
    return _Verdict(is_working=True)


def _after(before: _Verdict, verdict: _Verdict) -> _Verdict:
    """Return *verdict* on a part that only gets what the part *before* lets pass."""
    if before.is_working is False:
        # The reason is given with the part that fails.
        return _Verdict(is_working=False)
    if before.is_working is None and verdict.is_working:
        return _Verdict(is_working=None, reason=verdict.reason)
    return verdict


def _first(
    by_step: dict[str, Finding], steps: Iterable[str], states: set[State]
) -> Finding | None:
    """Return the finding of the first of *steps* that ended in one of *states*."""
    for step in steps:
        finding = by_step.get(step)
        if finding is not None and finding.state in states:
            return finding
    return None


def milliseconds_since(started: float) -> str:
    """Return the time since *started*, a value of ``time.monotonic()``, in words."""
    return f"{(time.monotonic() - started) * 1_000:.0f} ms"
