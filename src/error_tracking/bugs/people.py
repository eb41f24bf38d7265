"""Deletes people by whom bugs were counted, and keeps what muted bugs wait for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from error_tracking.models import GroupClient, KnownBug
from error_tracking.models.base import write_alias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

# A bug, and the hash of a client that met it.
_Met = tuple[Any, str]


def delete_clients(rows: QuerySet[GroupClient]) -> int:
    """
    Delete *rows*, a batch of them. Return how many they were.

    A bug that is muted until more people are affected waits for as many more as before.
    """
    if not rows.exists():
        return 0
    muted = rows.filter(group__bug__muted_until_people__isnull=False)
    bugs: list[Any] = sorted(set(muted.values_list("group__bug", flat=True)))
    with transaction.atomic(using=write_alias(GroupClient)):
        for pk in bugs:
            # This locks the row: two processes that delete the same clients lower once.
            # In the order of the keys, as the recorder does.
            _waiting(pk).update(muted_until_people=F("muted_until_people"))
        met = rows.filter(group__bug__in=bugs)
        before = set(met.values_list("group__bug", "hash"))
        deleted, _ = rows.delete()
        if before:
            _lower(before - _still_stored(before))
    return deleted


def _still_stored(met: Iterable[_Met]) -> set[_Met]:
    """Return which of *met* other rows name: of another day, or another group."""
    bugs = {bug for bug, _ in met}
    hashes = {client for _, client in met}
    rows = GroupClient.objects.filter(group__bug__in=bugs, hash__in=hashes)
    return set(rows.values_list("group__bug", "hash").distinct())


def _lower(gone: Iterable[_Met]) -> None:
    people = Counter(bug for bug, _ in gone)
    for pk, number in sorted(people.items()):
        # Never below 0: MariaDB refuses to subtract more from an unsigned column.
        at_least = Greatest(F("muted_until_people"), number)
        _waiting(pk).update(muted_until_people=at_least - number)


def _waiting(pk: Any) -> QuerySet[KnownBug]:
    """Return the row of the bug *pk* if it is muted until more people are affected."""
    return KnownBug.all_objects.filter(pk=pk, muted_until_people__isnull=False)
