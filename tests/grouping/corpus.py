"""
The pairs, and how well a rule tells them apart.

Every bug is met in several ways and in two deploys of the same code; bugs of one
family are compared with each other.
"""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from error_tracking.fingerprint import fingerprint_for_exception
from error_tracking.stacktrace import Reader, exceptions_from, outlines_from

SOURCE = Path(__file__).parent / "shop.py"


class Case(NamedTuple):
    """One traceback: which bug of which family it is, and what each rule makes of it."""

    family: str
    bug: str
    ours: str
    type_and_message: tuple
    type_and_innermost_frame: tuple


class Pair(NamedTuple):
    """Two tracebacks, and whether they are one bug."""

    first: Case
    second: Case
    is_same: bool


def deploys():
    """Yield the shop's module twice: as it is, and moved with lines added."""
    yield _load(SOURCE)
    folder = Path(tempfile.mkdtemp(prefix="deploy-"))
    lines = SOURCE.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("BUGS"))
    moved = [*lines[:start], *["# a line that a later release added"] * 37, *lines[start:]]
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
    """Run every failing piece of code and return what was raised, as cases."""
    found = []
    for module in deploys():
        for family, name, function, rows in module.BUGS:
            for row in rows:
                found.append(_case(family, name, function, row))
    return found


def _case(family, name, function, row):
    try:
        function(*row)
    except Exception as error:
        raised, *members = outlines_from(error, Reader())
        info = exceptions_from(error)[0]
        innermost = info.frames[-1]
        return Case(
            family,
            name,
            fingerprint_for_exception(raised, "/shop/{id}/", members),
            (info.qualified_type, info.message),
            (info.qualified_type, innermost.module, innermost.function),
        )
    raise AssertionError(f"{name}{row} did not fail")


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
    together = [pair for pair in pairs if getattr(pair.first, rule) == getattr(pair.second, rule)]
    right = sum(pair.is_same for pair in together)
    same = sum(pair.is_same for pair in pairs)
    return right / len(together) if together else 1.0, right / same
