"""
What a generated test needs besides the request: who asked, which rows, which code.

Plain values that may leave the site. No value of a visitor is among them: of a row
only the kinds of its columns, of a session and of credentials only the names.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from .placeholders import Shape


class CodePlace(NamedTuple):
    """
    A function of the project that the failure came through.

    Attributes:
        module: Its module; ``template`` for a template.
        name: Its qualified name, or that of the template.
        digest: Of its source, ``""`` if unknown.

    """

    module: str
    name: str
    digest: str = ""


class PathArgument(NamedTuple):
    """
    An argument of a command that is a path.

    Attributes:
        position: Among the arguments.
        option: What stands before it, such as ``--file=``; mostly ``""``.
        kind: What is there: ``file``, ``folder``, or ``missing`` for nothing.
        name: Of a file like it.
        content: Of a file like it.
        encoding: Of its content.

    """

    position: int
    option: str
    kind: str
    name: str = ""
    content: str = ""
    encoding: str = "utf-8"


class Row(NamedTuple):
    """
    A row that the failing code had.

    Attributes:
        name: The variable of a test that holds it.
        label: Its model, such as ``"shop.Order"``.
        columns: Fields with Python source for their values.
        later: As ``columns``, set once the row exists: what refers to later rows.
        times: How many of them there were.

    """

    name: str
    label: str
    columns: tuple[tuple[str, str], ...] = ()
    later: tuple[tuple[str, str], ...] = ()
    times: int = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """
    What a generated test needs besides the request.

    Attributes:
        user_kind: ``anonymous``, ``plain``, ``staff`` or ``superuser``; ``""`` if
            unknown.
        permissions: What the view's decorators and mixins ask for.
        credentials: Headers by name whose values are secret.
        prefix: The language in front of the path, such as ``"/en"``.
        script_name: Like what the server has in front of the project's paths.
        host: Where the project has several, one like the recorded.
        is_secure: Whether the request came with HTTPS.
        is_form: Whether the body was a form.
        session: Shape of the session's values under known keys.
        rows: In an order that their relations allow.
        paths: Arguments of a command.
        places: The project's functions in the stack, the raising one last.
        line: The line that raised.
        app: The package of the raising function, and the digest of its files.

    """

    user_kind: str = ""
    permissions: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    prefix: str = ""
    script_name: str = ""
    host: str = ""
    is_secure: bool = False
    is_form: bool = False
    session: dict[str, Shape] = dataclasses.field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    paths: tuple[PathArgument, ...] = ()
    places: tuple[CodePlace, ...] = ()
    line: str = ""
    app: tuple[str, str] = ("", "")


NO_SETUP = Setup()
