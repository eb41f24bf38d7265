"""What is known of a failure before its details are read: enough to count it."""

from __future__ import annotations

from typing import NamedTuple

from .event import ExceptionInfo


class Summary(NamedTuple):
    """
    One failure without its details. Nobody changes one: ``_replace()`` makes another.

    A named tuple and not a frozen dataclass, because one is made for every failure in a
    storm, and Python takes five times as long to make a frozen dataclass.

    Attributes:
        error_type: The kind of failure, a constant of ``events.event``.
        mechanism: How it was captured: ``"middleware"``, ``"api"``, ``"logging"`` ….
        fingerprint: What all failures of its group have in common.
        title: One line for people, without secrets.
        handled: Whether somebody has dealt with it.
        level: One of ``events.event.LEVELS``.
        status_code: The status of the response, 0 for none.
        route: The normalised route, or the task or command it happened in.
        message: The message of a failure without an exception.
        culprit: The innermost function of the project, ``""`` if none was in the stack.
        exceptions: What was raised, without frames.
        caller: What called a logger; where many new groups may begin at once.
        is_noise: Whether it shows no fault of the site, whoever met it.
    """

    error_type: str
    mechanism: str
    fingerprint: str
    title: str
    handled: bool = False
    level: str = "error"
    status_code: int = 0
    route: str = ""
    message: str = ""
    culprit: str = ""
    exceptions: tuple[ExceptionInfo, ...] = ()
    caller: str = ""
    is_noise: bool = False

    @property
    def place(self) -> str:
        """Where it happened, for the budget of new groups at one place."""
        return self.caller or self.culprit or self.route


class Client(NamedTuple):
    """
    Who met a failure.

    Attributes:
        user_id: Key of the signed-in user, ``""`` for none.
        user_label: Their name, as the request already knew it.
        client: A keyed hash that tells clients apart and identifies nobody.
        is_evidence: Whether that they met it shows a fault of the site.
        has_own_origin: Whether a refused form came from this very site.
    """

    user_id: str = ""
    user_label: str = ""
    client: str = ""
    is_evidence: bool = False
    has_own_origin: bool = False
