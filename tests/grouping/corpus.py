"""
The pairs, and how well a rule tells them apart.

Every bug is met in several ways; those of the shop also in two deploys of the same
code. Bugs of one family are compared with each other.
"""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from django.test import override_settings

from error_tracking.capture import context
from error_tracking.events.fingerprint import fingerprint_for_exception, normalize_path
from error_tracking.events.stacktrace import Reader, exceptions_from, outlines_from
from error_tracking.recorder import nothing_stored

from . import pipeline, site, values

SOURCE = Path(__file__).parent / "shop.py"
SHOP_ADDRESS = "/shop/17/"

#: Ours, and the rules that are printed beside it: the fields of a case.
RULES = {
    "ours": "django-error-tracking",
    "type_and_message": "type and message",
    "type_and_frame": "type and innermost frame",
    "type_address_and_frame": "type, normalised URL and innermost frame",
    "type_route_and_status": "type, route and status",
}


class Case(NamedTuple):
    """One failure: which bug of which family it is, and what each rule makes of it."""

    family: str
    bug: str
    ours: str
    type_and_message: tuple
    type_and_frame: tuple
    type_address_and_frame: tuple
    type_route_and_status: tuple


class Pair(NamedTuple):
    """Two failures, and whether they are one bug."""

    first: Case
    second: Case
    is_same: bool


def deploys():
    """Yield the shop's module twice: as it is, and moved with lines added."""
    yield _load(SOURCE)
    folder = Path(tempfile.mkdtemp(prefix="deploy-"))
    lines = SOURCE.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("BUGS"))
    moved = [
        *lines[:start],
        *["# a line that a later release added"] * 37,
        *lines[start:],
    ]
    (folder / "shop.py").write_text("\n".join(moved) + "\n")
    shutil.copytree(SOURCE.parent / "templates", folder / "templates")
    try:
        yield _load(folder / "shop.py")
    finally:
        shutil.rmtree(folder)


def _load(path):
    spec = importlib.util.spec_from_file_location("shop", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["shop"] = module
    spec.loader.exec_module(module)
    return module


def cases():
    """Run every failing piece of code and return what was raised or logged, as cases."""
    found = []
    for module in deploys():
        for family, name, function, rows in module.BUGS:
            for row in rows:
                found.append(_raised_case(family, name, function, row))
    with override_settings(**pipeline.SETTINGS):
        found += _captured_cases([*pipeline.BUGS, *values.BUGS])
    with tempfile.TemporaryDirectory() as folder, site.running(Path(folder)):
        found += _captured_cases(site.SITUATIONS)
    return found


def _captured_cases(bugs):
    found = []
    for family, name, function, rows in bugs:
        for row in rows:
            found.append(_captured_case(family, name, function, row))
    return found


def _raised_case(family, name, function, row):
    """Return the case of an exception that *function* raises."""
    try:
        function(*row)
    except Exception as error:
        raised, *members = outlines_from(error, Reader())
        info = exceptions_from(error)[0]
        innermost = info.frames[-1]
        return _case(
            family,
            name,
            fingerprint_for_exception(raised, "/shop/{id}/", members),
            (info.qualified_type, info.message, SHOP_ADDRESS),
            (innermost.module, innermost.function),
            ("/shop/{id}/", 500),
        )
    raise AssertionError(f"{name}{row} did not fail")


def _captured_case(family, name, function, row):
    """Return the case of the event that is captured while *function* runs."""
    context.begin()
    with nothing_stored() as events:
        function(*row)
    if len(events) != 1:
        raise AssertionError(f"{name}{row} gave {len(events)} events")
    [event] = events
    kind, message, frame = event.error_type, event.message, ("", "")
    if event.exceptions:
        info = event.exceptions[0]
        kind, message = info.qualified_type, info.message
        innermost = info.frames[-1]
        frame = (innermost.module, innermost.function)
    elif event.status_code:
        kind = f"{kind} {event.status_code}"
    else:
        # One function logs the lines of a family.
        frame = ("logged", family)
    raised = (kind, message, event.url)
    answer = (event.route, event.status_code)
    return _case(family, name, event.fingerprint, raised, frame, answer)


def _case(family, name, ours, raised, frame, answer):
    kind, message, address = raised
    return Case(
        family,
        name,
        ours,
        (kind, message),
        (kind, *frame),
        (kind, normalize_path(address), *frame),
        (kind, *answer),
    )


def pairs_of(found):
    """Return the pairs: each two of one bug, and of each two bugs of a family their first cases."""
    by_family = {}
    for case in found:
        by_family.setdefault(case.family, {}).setdefault(case.bug, []).append(case)
    pairs = []
    for bugs in by_family.values():
        for of_one in bugs.values():
            pairs += [Pair(of_one[0], each, is_same=True) for each in of_one[1:]]
        for one, other in itertools.combinations(bugs.values(), 2):
            pairs.append(Pair(one[0], other[0], is_same=False))
    return pairs


def quality(pairs, rule):
    """
    Return precision and recall of *rule*, the name of a field of a case.

    Of the pairs that it groups together, how many are one bug; of the pairs that
    are one bug, how many it groups together.
    """
    together = [
        pair
        for pair in pairs
        if getattr(pair.first, rule) == getattr(pair.second, rule)
    ]
    right = sum(pair.is_same for pair in together)
    same = sum(pair.is_same for pair in pairs)
    return right / len(together) if together else 1.0, right / same
