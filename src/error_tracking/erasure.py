"""
One person out of every text column: found by user, e-mail or address, exported or erased.

Reads all error logs in small batches, since what a database finds in JSON
differs. What lies outside, in issues and files, is named: it cannot be reached
from here.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .models import Activity, ErrorGroup, ErrorLog, Filing, GroupClient, KnownBug
from .models.base import write_alias
from .request_context import client_hash_of
from .retention import REDUCED_FIELDS, reduce
from .utils import masked_ip

if TYPE_CHECKING:
    from django.db.models import Model

ERASED = "[erased]"
BATCH_ROWS = 200
SHORTEST = 3

#: The text columns of every table that has some from outside.
COLUMNS: dict[type[Model], tuple[str, ...]] = {
    ErrorLog: ("full_url", "url_pattern", "user_label", "user_agent", "exception_message", "traceback"),
    ErrorGroup: ("title", "culprit", "route"),
    KnownBug: ("title", "description", "public_message"),
    Activity: ("by", "text"),
    Filing: ("reason",),
}
JSON_COLUMNS = ("request_data", "context", "stacktrace")
Progress = Callable[[str, int], None]


@dataclasses.dataclass(slots=True)
class Person:
    """Whom to look for: a user's key, and words that name the person wherever they stand."""

    user: str = ""
    email: str = ""
    ip: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """Return what is looked for in texts; too short words would hit half of everything."""
        return tuple(word for word in (self.email, self.ip) if len(word) >= SHORTEST)


@dataclasses.dataclass(slots=True)
class Report:
    """What was found; ``beyond`` names the issues and bug files that may tell of the person."""

    logs: int = 0
    rows: int = 0
    clients: int = 0
    beyond: list[str] = dataclasses.field(default_factory=list)


class Eraser:
    """Looks for one *person*."""

    def __init__(
        self,
        person: Person,
        *,
        is_dry: bool = False,
        export: Callable[[dict[str, Any]], None] | None = None,
        on_progress: Progress = lambda _what, _count: None,
    ) -> None:
        """*export* is called with each error log found, before it is erased; *is_dry* only looks."""
        self.person, self.is_dry, self.export, self.on_progress = person, is_dry, export, on_progress
        self.alias = write_alias(ErrorLog)
        self.report = Report()
        self._bugs: set[int] = set()
        self._pattern = re.compile("(?!)")  # matches nothing

    def run(self) -> Report:
        """Look through every table, and return what was found."""
        words = sorted({*self.person.words, *self._labels()}, key=len, reverse=True)
        if words:
            self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)
        for log in self._all(ErrorLog):
            self._look_at_log(log)
        for model in list(COLUMNS)[1:]:
            for row in self._all(model):
                self._look_at_row(row)
        self._drop_clients()
        self.report.beyond = self._beyond()
        return self.report

    def _labels(self) -> set[str]:
        """Return the names that the user's own error logs carry."""
        if not self.person.user:
            return set()
        rows = ErrorLog.objects.using(self.alias).filter(user_id=self.person.user).order_by()
        return {label for label in rows.values_list("user_label", flat=True).distinct() if len(label) >= SHORTEST}

    def _all(self, model: type[Model]) -> Iterator[Any]:
        manager = getattr(model, "all_objects", None) or model._default_manager
        rows = manager.using(self.alias).order_by("pk")
        last, seen = 0, 0
        while batch := list(rows.filter(pk__gt=last)[:BATCH_ROWS]):
            yield from batch
            last, seen = batch[-1].pk, seen + len(batch)
            self.on_progress(str(model._meta.verbose_name_plural), seen)

    def _look_at_log(self, log: ErrorLog) -> None:
        is_theirs = bool(self.person.user) and str(log.user_id) == self.person.user
        masked = masked_ip(self.person.ip) if self.person.ip else None
        is_theirs = is_theirs or (masked is not None and log.ip_address in {masked, self.person.ip})
        in_json = any(self._names(json.dumps(getattr(log, name), ensure_ascii=False)) for name in JSON_COLUMNS)
        hits = [name for name in COLUMNS[ErrorLog] if self._names(getattr(log, name))]
        if not (is_theirs or in_json or hits):
            return
        self.report.logs += 1
        if log.group.bug_id:
            self._bugs.add(log.group.bug_id)
        if self.export is not None:
            self.export({field.attname: getattr(log, field.attname) for field in log._meta.concrete_fields})
        if self.is_dry:
            return
        reduce(log)
        if is_theirs or "user_label" in hits:
            log.user_id, log.user_label = None, ""
        for name in hits:
            setattr(log, name, self._without(getattr(log, name)))
        log.stacktrace = json.loads(self._without(json.dumps(log.stacktrace, ensure_ascii=False)))
        log.save(using=self.alias, update_fields=[*REDUCED_FIELDS, "user", *COLUMNS[ErrorLog]])

    def _look_at_row(self, row: Any) -> None:  # noqa: ANN401  a row of one of our tables
        hits = [name for name in COLUMNS[type(row)] if self._names(getattr(row, name))]
        if not hits:
            return
        self.report.rows += 1
        bug = row.pk if isinstance(row, KnownBug) else getattr(row, "bug_id", None)
        if bug:
            self._bugs.add(bug)
        if not self.is_dry:
            values = {name: self._without(getattr(row, name)) for name in hits}
            type(row)._base_manager.using(self.alias).filter(pk=row.pk).update(**values)

    def _drop_clients(self) -> None:
        """Delete the hashes by which the person was counted, as far as today's SECRET_KEY can make them again."""
        who = [f"user:{self.person.user}"] * bool(self.person.user) + [f"ip:{self.person.ip}"] * bool(self.person.ip)
        groups = ErrorGroup.objects.using(self.alias).order_by("pk").values_list("pk", "fingerprint")
        for pk, fingerprint in groups.iterator(chunk_size=BATCH_ROWS) if who else ():
            hashes = [client_hash_of(each, fingerprint) for each in who]
            rows = GroupClient.objects.using(self.alias).filter(group=pk, hash__in=hashes)
            self.report.clients += rows.count() if self.is_dry else rows.delete()[0]

    def _beyond(self) -> list[str]:
        bugs = KnownBug.all_objects.using(self.alias).filter(pk__in=self._bugs).order_by("number")
        return [f"{bug.bug_id}: {place}" for bug in bugs for place in (bug.github_issue_url, bug.file_name) if place]

    def _names(self, text: str) -> bool:
        return self._pattern.search(text) is not None

    def _without(self, text: str) -> str:
        return self._pattern.sub(ERASED, text)
