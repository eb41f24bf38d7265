"""
What several tables share: how time is kept, the database they live in, when it is committed.

Must not know any one noun.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator

from django.db import connections, models, router
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from error_tracking import conf


def moment_from(timestamp: float) -> dt.datetime:
    """Return *timestamp*, seconds since the epoch, as the host's databases keep time (USE_TZ or not)."""
    moment = dt.datetime.fromtimestamp(timestamp, tz=dt.UTC)
    return moment if conf.host("USE_TZ") else timezone.make_naive(moment)


def write_alias(model: type[models.Model]) -> str:
    """Return the database that *model* is written to."""
    return router.db_for_write(model)


@contextlib.contextmanager
def committed(model: type[models.Model]) -> Iterator[None]:
    """
    Have all that is written beside *model* committed at once, also with the host's AUTOCOMMIT off.

    For work that reaches outside: what a rollback forgets would be done again. What
    the caller has not committed yet is committed too; not inside ``atomic()``, nor
    where RECORDER says that we write in the host's transaction.
    """
    connection = connections[write_alias(model)]
    is_hosts = connection.in_atomic_block or conf.get_settings().RECORDER == "immediate"
    if is_hosts or connection.get_autocommit():
        yield
        return
    connection.commit()
    connection.set_autocommit(True)
    try:
        yield
    finally:
        connection.set_autocommit(False)


class TimestampedModel(models.Model):
    """Adds ``created`` and ``modified``."""

    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    modified = models.DateTimeField(_("modified"), auto_now=True, editable=False)

    class Meta:
        abstract = True
