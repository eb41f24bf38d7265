"""The code of a recorded failure as it is now: whether it changed, and ran."""

from __future__ import annotations

import importlib
import linecache
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from django.template import TemplateDoesNotExist, loader
from django.test.signals import template_rendered

from error_tracking.events.code_digest import (
    file_text,
    folder_digest,
    function_digest,
    text_digest,
)

#: What stands for the module of a template.
TEMPLATE = "template"


class Place(NamedTuple):
    """
    A function of the recorded stack.

    Attributes:
        module: Its module, ``template`` for a template.
        name: Its qualified name, or that of the template.
        digest: Of its source when the failure was recorded, ``""`` if unknown.

    """

    module: str
    name: str
    digest: str = ""

    def __str__(self) -> str:
        """Return how a sentence names it."""
        if self.module == TEMPLATE:
            return f"the template {self.name}"
        return f"{self.module}.{self.name}"

    def has_changed(self) -> bool:
        """Return whether the source is another one now; not where nobody knows."""
        return bool(self.digest) and self._digest_now() != self.digest

    def is_gone(self) -> bool:
        """Return whether the project has no such function any more."""
        return not self._digest_now()

    def _digest_now(self) -> str:
        if self.module == TEMPLATE:
            return _template_digest(self.name)
        return function_digest(file_text(module_file(self.module)), self.name)


def module_file(name: str) -> str:
    """Return the file of the module *name*, ``""`` where there is none."""
    module = sys.modules.get(name)
    if module is None:
        try:
            module = importlib.import_module(name)
        except Exception:  # noqa: BLE001  a module of the project may fail in any way
            return ""
    return getattr(module, "__file__", None) or ""


def _template_digest(name: str) -> str:
    try:
        template: Any = loader.get_template(name)
        return text_digest(file_text(template.origin.name))
    except TemplateDoesNotExist:
        return ""
    except Exception:  # noqa: BLE001  a syntax error: it exists, and is not compiled
        return text_digest(f"broken {name}")


def has_app_changed(app: tuple[str, str]) -> bool:
    """
    Return whether the source files of a package are others than the recorded ones.

    Args:
        app: The name of the package, and the digest of its files.
    """
    name, digest = app
    folder = Path(module_file(name)).parent
    return bool(digest) and folder_digest(str(folder)) != digest


class Trace:
    """
    Notices which of some places run, and whether a line of the last one does.

    Args:
        places: What to look for.
        line: The text of a line of the last place.

    """

    def __init__(self, places: tuple[Place, ...], line: str) -> None:
        self.entered: set[Place] = set()
        self.has_reached_line = False
        self._line = line.strip()
        self._by_name: dict[tuple[str, str], Place] = {}
        for place in places:
            # Compiled functions know their own name and their module's file.
            last = place.name.rpartition(".")[2]
            self._by_name[place.module, last] = place
        self._last = places[-1] if places else None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Notice what runs in the ``with`` block, also in threads that it starts."""
        # A debugger or a coverage measurement has one function for this thread and
        # another for new ones.
        before, before_in_threads = sys.gettrace(), threading.gettrace()
        template_rendered.connect(self._note_template)
        threading.settrace(self._on_call)
        sys.settrace(self._on_call)
        try:
            yield
        finally:  # pragma: no cover  the trace is ours until the next line has run
            sys.settrace(before)
            threading.settrace(before_in_threads)
            template_rendered.disconnect(self._note_template)

    # Python does not trace what a trace calls, nor a measurement what runs under ours.
    def _on_call(  # pragma: no cover
        self, frame: FrameType, event: str, _arg: object
    ) -> Any:
        code = frame.f_code
        place = self._by_name.get((frame.f_globals.get("__name__", ""), code.co_name))
        if place is None or code.co_qualname != place.name:
            return None
        self.entered.add(place)
        if place != self._last or not self._line:
            return None
        return self._on_line

    def _on_line(  # pragma: no cover
        self, frame: FrameType, event: str, _arg: object
    ) -> Any:
        if event == "line":
            text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            if text.strip() == self._line:
                self.has_reached_line = True
                return None
        return self._on_line

    def _note_template(  # pragma: no cover
        self, template: Any, **_kwargs: object
    ) -> None:
        for place in self._by_name.values():
            if place.module == TEMPLATE and place.name == template.name:
                self.entered.add(place)
