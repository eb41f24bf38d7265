"""How a failing function of the project is planted with a secret, and run."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.urls import URLPattern

FOLDER = Path(__file__).parent
#: Stands for the secret in what a plant declares.
SECRET = "<<planted>>"  # noqa: S105
# In the file of values this character interrupts what scanners of repositories would
# take for real credentials.
BREAK = "\N{MIDDLE DOT}"
BOUNDARY = "----plantedboundary"


class Site:
    """The project behind Django's WSGI handler, as a server calls it."""

    def __init__(self) -> None:
        """Load the handler and its middleware."""
        from django.core.wsgi import get_wsgi_application

        self._application = get_wsgi_application()

    def request(
        self, target: str, body: str, content_type: str, headers: dict[str, str]
    ) -> None:
        """Send a request, and read the answer to its end."""
        made = RequestFactory().generic(
            "POST" if body else "GET",
            target,
            body,
            content_type=content_type,
            headers=headers,
        )
        answer = self._application(made.environ, lambda *_args: None)
        try:
            for _part in answer:
                pass
        finally:
            answer.close()


@dataclasses.dataclass(frozen=True)
class Plant:
    """A secret in a place: *where* names the syntax, *kind* what the secret is."""

    name: str
    where: str
    kind: str
    run: Callable[[Site], None]


@dataclasses.dataclass
class Tracker:
    """What the project says to the tracker that is measured."""

    breadcrumb: Callable[[str, dict[str, Any]], None] = lambda _message, _data: None
    tag: Callable[[str, str], None] = lambda _name, _value: None


tracker = Tracker()
PLANTS: dict[str, Plant] = {}
urlpatterns: list[URLPattern] = []
_now = {"value": ""}


def values() -> dict[str, str]:
    """
    Return the secret of each plant.

    They are in a file of their own: in the source, they would be in the lines of code
    that an event shows, which no tracker can scrub.
    """
    text = (FOLDER / "values.toml").read_text(encoding="utf-8")
    return {
        name: value.replace(BREAK, "") for name, value in tomllib.loads(text).items()
    }


def harmless() -> dict[str, list[str]]:
    """Return the harmless texts by their kind."""
    return tomllib.loads((FOLDER / "harmless.toml").read_text(encoding="utf-8"))


def given() -> str:
    """Return the secret that is planted now, as if it came from outside."""
    return _now["value"]


def plant(value: str) -> None:
    """Plant *value* with what runs next."""
    _now["value"] = value


def filled(data: Any) -> Any:
    """Return *data* with the secret in its places."""
    if isinstance(data, str):
        return data.replace(SECRET, given())
    if isinstance(data, dict):
        return {filled(key): filled(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(filled(each) for each in data)
    return data


def view(
    name: str,
    where: str,
    kind: str,
    *,
    route: str = "",
    url: str = "",
    query: dict[str, Any] | str = "",
    headers: dict[str, str] | None = None,
    form: dict[str, Any] | list[tuple[str, Any]] | None = None,
    data: Any = None,
    multipart: dict[str, str] | None = None,
    body: str = "",
    content_type: str = "text/plain",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Plant a view; without data it is requested with GET."""

    def send(site: Site) -> None:
        target = "/" + (url or f"{name}/").replace(SECRET, quote(given(), safe=""))
        if query:
            target += "?" + _query(query)
        sent, media_type = _body(form, data, multipart, body, content_type)
        site.request(target, sent, media_type, filled(headers or {}))

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        urlpatterns.append(path(route or f"{name}/", csrf_exempt(function), name=name))
        _add(Plant(name, where, kind, send))
        return function

    return decorate


def _query(query: dict[str, Any] | str) -> str:
    if isinstance(query, str):
        return query.replace(SECRET, quote(given(), safe=""))
    return urlencode(filled(query), doseq=True)


def _body(
    form: Any, data: Any, multipart: dict[str, str] | None, body: str, content_type: str
) -> tuple[str, str]:
    if form is not None:
        return urlencode(filled(form), doseq=True), "application/x-www-form-urlencoded"
    if data is not None:
        return json.dumps(filled(data)), "application/json"
    if multipart is not None:
        lines = []
        for field, value in filled(multipart).items():
            disposition = f'Content-Disposition: form-data; name="{field}"'
            lines += [f"--{BOUNDARY}", disposition, "", value]
        text = "\r\n".join([*lines, f"--{BOUNDARY}--", ""])
        return text, f"multipart/form-data; boundary={BOUNDARY}"
    return filled(body), content_type


def works(name: str, where: str, kind: str) -> Callable[[Any], Any]:
    """Plant a function that logs what went wrong, called by a view that answers."""

    def decorate(function: Callable[[], None]) -> Callable[[], None]:
        def answer(_request: object) -> HttpResponse:
            function()
            return HttpResponse("fine")

        view(name, where, kind)(answer)
        return function

    return decorate


def task(
    name: str, where: str, kind: str, *args: Any, **kwargs: Any
) -> Callable[[Any], Any]:
    """Plant a Celery task that is called with these arguments."""

    def decorate(function: Callable[..., Any]) -> Any:
        from celery import shared_task

        made = shared_task(name=f"shop.tasks.{function.__name__}")(function)
        _add(
            Plant(
                name,
                where,
                kind,
                lambda _site: made.apply(filled(args), filled(kwargs), throw=False),
            )
        )
        return made

    return decorate


def command(name: str, where: str, kind: str, *argv: str) -> Callable[[type], type]:
    """Plant a management command that is started with these arguments."""

    def decorate(command_class: type) -> type:
        def run(_site: Site) -> None:
            before = sys.argv
            sys.argv = ["manage.py", *filled(list(argv))]
            try:
                _end_of_process(command_class)
            finally:
                sys.argv = before

        _add(Plant(name, where, kind, run))
        return command_class

    return decorate


def _end_of_process(command_class: type) -> None:
    """Run a command as ``manage.py`` does, where nothing catches what it raises."""
    try:
        command_class().run_from_argv(sys.argv)
    except Exception:  # noqa: BLE001  what ends the process
        with contextlib.redirect_stderr(io.StringIO()):
            sys.excepthook(*sys.exc_info())


def _add(each: Plant) -> None:
    if each.name in PLANTS:
        raise ValueError(f"there are two plants called {each.name}")
    PLANTS[each.name] = each
