"""What the settings keep out: paths, status codes and classes of exceptions."""

from __future__ import annotations

import contextlib
import functools
import pkgutil
import time
from typing import TYPE_CHECKING

from error_tracking import conf
from error_tracking.utils import bases_of, qualified_name

from . import noise

if TYPE_CHECKING:
    from django.http import HttpRequest

# A class that could not be imported, in the middle of a start for example, is tried
# again after this time.
NAMES_SECONDS = 60.0


def is_excluded(request: HttpRequest, status_code: int) -> bool:
    """
    Return whether the settings keep this response out.

    Our own pages are captured like any others: capturing renders none of them, so
    nothing recurses, and one that fails again and again is folded like any storm.
    """
    settings = conf.get_settings()
    if not settings.ENABLED or status_code in settings.EXCLUDE_STATUS_CODES:
        return True
    match = request.__dict__.get("resolver_match")
    if noise.is_health_answer(match, status_code):
        return True
    # Without the prefix that the server mounts the site under (SCRIPT_NAME), as in the
    # URLconf.
    return request.path_info.startswith(tuple(settings.EXCLUDE_PATHS))


def is_ignored(exception: BaseException | None) -> bool:
    """Return whether IGNORE_EXCEPTIONS names the exception's class or a base."""
    ignored = conf.get_settings().IGNORE_EXCEPTIONS
    if exception is None or not ignored:
        return False
    names = _names_of_classes(tuple(ignored), int(time.monotonic() // NAMES_SECONDS))
    return any(qualified_name(base) in names for base in bases_of(type(exception)))


@functools.lru_cache(maxsize=1)
def _names_of_classes(paths: tuple[str | type, ...], _period: int) -> set[str]:
    """
    Return *paths*, and the names of the classes that they lead to.

    A class may be imported from elsewhere than where it was defined:
    ``django.http.Http404`` is one.
    """
    names: set[str] = set()
    for path in paths:
        names.add(path if isinstance(path, str) else qualified_name(path))
    for name in names.copy():
        # Importing a module of the project's may fail in any way.
        with contextlib.suppress(Exception):
            names.add(qualified_name(pkgutil.resolve_name(name)))
    return names
