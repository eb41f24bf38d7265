"""
Finds the bugs that a person names.

``B-012``, ``12``, or the reference of an error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from error_tracking import conf
from error_tracking.models import ErrorGroup, ErrorLog, KnownBug
from error_tracking.models.known_bug import format_bug_id
from error_tracking.utils import clean_line

from . import base

# A typing error is most likely about a recent bug, and comparing all of a large site
# would take seconds.
MOST_COMPARED = 5_000
MOST_SUGGESTED = 3
# No bug id is longer; more of a wrong one helps nobody.
SHOWN_CHARS = 100

# What visitors quote from an error page or the header X-Error-Reference.
_REFERENCE = re.compile(r"[0-9a-fA-F]{10}")
_BUG_ID = re.compile(r"(?:([A-Za-z0-9]{1,8})-)?(\d{1,9})")


def find_bugs(names: Iterable[str], *, with_deleted: bool = False) -> list[KnownBug]:
    """
    Return the bugs that *names* name, each once.

    Raises:
        CommandError: One of them does not exist, or is deleted.
    """
    found: dict[int, KnownBug] = {}
    problems = []
    for name in names:
        bug_id = _bug_id_from(name)
        bug = None
        if bug_id is not None:
            bug = KnownBug.all_objects.filter(bug_id__iexact=bug_id).first()
        elif _REFERENCE.fullmatch(name.strip()):
            reference = name.strip().lower()
            bug = _bug_with_error(reference)
            if bug is None:
                problems.append(_no_bug_with(reference))
                continue
        if bug is None:
            problems.append(_unknown(bug_id or name))
        elif bug.is_deleted and not with_deleted:
            problems.append(f"{bug.bug_id} is deleted: restore it in the admin first.")
        else:
            found[bug.pk] = bug
    if problems:
        raise base.wrong_usage("\n".join(problems))
    return list(found.values())


def _bug_with_error(reference: str) -> KnownBug | None:
    logs = ErrorLog.objects.filter(reference=reference)
    groups = ErrorGroup.objects.filter(pk__in=logs.values("group"))
    return KnownBug.all_objects.filter(groups__in=groups).first()


def _no_bug_with(reference: str) -> str:
    """Return why no bug has the error called *reference*."""
    log = ErrorLog.objects.filter(reference=reference).first()
    if log is None:
        return (
            f"No stored error has the reference {reference}: it may have been pruned."
        )
    return f"The error {reference} belongs to no bug: see its error log in the admin."


def _bug_id_from(name: str) -> str | None:
    """Return the id as it is stored, None where *name* has not the form of one."""
    match = _BUG_ID.fullmatch(name.strip())
    if match is None:
        return None
    prefix, number = match.groups()
    return format_bug_id(int(number), prefix or conf.get_settings().BUG_PREFIX).upper()


def _unknown(bug_id: str) -> str:
    shown = clean_line(bug_id, SHOWN_CHARS)
    recent = KnownBug.objects.order_by("-pk").values_list("bug_id", flat=True)
    similar = difflib.get_close_matches(
        shown.upper(), recent[:MOST_COMPARED], n=MOST_SUGGESTED
    )
    if similar:
        return f"There is no bug {shown}: did you mean {', '.join(similar)}?"
    return f"There is no bug {shown}: 'error_tracking_bugs list --all' shows all."
