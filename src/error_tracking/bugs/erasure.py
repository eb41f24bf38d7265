"""
Finds what is stored about one person, by user, e-mail or address, and erases it.

Reads every row in small batches, because databases differ in what they find in JSON.
Issues and bug files that may name the person are listed: they cannot be erased from
here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from error_tracking.client_hash import client_hash_of
from error_tracking.models import (
    Activity,
    ErrorGroup,
    ErrorLog,
    Filing,
    GroupClient,
    KnownBug,
    PullRequest,
)
from error_tracking.utils import masked_ip, subscriber_of

from .people import delete_clients
from .retention import STRIPPED_FIELDS, strip_sent_data

if TYPE_CHECKING:
    from django.db.models import Manager, Model

ERASED = "[erased]"
# A row may have 64 KiB, so a batch has 13 MB at most.
BATCH_ROWS = 200
# Shorter words would be found in half of all texts.
SHORTEST = 3
MATCHES_NOTHING = re.compile("(?!)")

#: The text columns of every table that has some from outside.
COLUMNS: dict[type[Model], tuple[str, ...]] = {
    ErrorLog: (
        "full_url",
        "url_pattern",
        "user_label",
        "user_agent",
        "exception_message",
        "traceback",
    ),
    ErrorGroup: ("title", "culprit", "route", "message", "message_pattern"),
    KnownBug: (
        "title",
        "description",
        "automatic_description",
        "public_message",
        "github_issue_assignees",
        "public_workaround",
        "public_link",
    ),
    Activity: ("by", "text"),
    Filing: ("reason",),
    PullRequest: ("title", "author", "branch"),
}
JSON_COLUMNS = ("request_data", "context", "stacktrace")
Progress = Callable[[str, int], None]


@dataclasses.dataclass(slots=True)
class Person:
    """
    Whom to look for.

    Attributes:
        user: Primary key of the user, as text.
        email: E-mail address.
        ip: IP address.

    """

    user: str = ""
    email: str = ""
    ip: str = ""

    def __str__(self) -> str:
        names = {"user": self.user, "e-mail": self.email, "address": self.ip}
        return ", ".join(f"{name} {value}" for name, value in names.items() if value)

    @property
    def search_terms(self) -> tuple[str, ...]:
        """What is searched for in texts."""
        return tuple(term for term in (self.email, self.ip) if len(term) >= SHORTEST)


@dataclasses.dataclass(slots=True)
class ErasureSummary:
    """
    What was found.

    Attributes:
        logs: Number of error logs.
        rows: Number of rows of other tables.
        clients: Number of client hashes.
        beyond: The issues and bug files that may name the person.

    """

    logs: int = 0
    rows: int = 0
    clients: int = 0
    beyond: list[str] = dataclasses.field(default_factory=list)


# Not inside another word. After "_", and after an escape of a URL or a repr, a word
# begins.
_WORD_BEGINS = r"(?:(?<![^\W_])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
_WORD_ENDS = r"(?![^\W_])"


def pattern_for(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for any of *words*, in every spelling that texts use."""
    forms = {form for word in words for form in _forms_of(word)}
    longest_first = sorted(forms, key=len, reverse=True)
    alternatives = "|".join("".join(map(_spellings_of, form)) for form in longest_first)
    return re.compile(rf"{_WORD_BEGINS}(?:{alternatives}){_WORD_ENDS}", re.IGNORECASE)


def _forms_of(word: str) -> set[str]:
    """Return *word* in all its notations: of Unicode, of a domain, of an address."""
    forms = {unicodedata.normalize(form, word) for form in ("NFC", "NFD")} | {word}
    local, at, domain = word.rpartition("@")
    if at:
        with contextlib.suppress(UnicodeError):
            forms.add(f"{local}@{domain.encode('idna').decode()}")
            forms.add(f"{local}@{domain.encode().decode('idna')}")
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        return forms
    return forms | _forms_of_address(address)


def _forms_of_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> set[str]:
    """Return *address* in all its notations; an IPv4 address also as IPv6 writes it."""
    forms = {address.compressed, address.exploded, address.reverse_pointer}
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            forms |= _forms_of_address(address.ipv4_mapped)
        return forms
    number = int(address)
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    # From Python 3.13 on the short form of such an address ends in dotted decimals,
    # before it ended in hexadecimal digits: texts have both.
    forms |= {f"::ffff:{address}", f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}"}
    forms.add(mapped.exploded)
    forms.add(str(address).replace(".", "-"))
    return forms


def _spellings_of(sign: str) -> str:
    """Return a pattern for *sign* in plain text, URLs, JSON, ``repr()`` and HTML."""
    if sign.isascii() and sign.isalnum():
        return re.escape(sign)
    encoded = "".join(f"%(?:25){{0,2}}{byte:02x}" for byte in sign.encode())
    code = ord(sign)
    html = f"&\\#(?:{code}|x0*{code:x});"
    as_bytes = "".join(f"\\\\+x{byte:02x}" for byte in sign.encode())
    escaped = f"\\\\+u{code:04x}|{as_bytes}"
    named = "|&commat;|\uff20" if sign == "@" else ""
    return f"(?:{re.escape(sign)}|{encoded}|{escaped}|{html}{named})"


class Eraser:
    """
    Finds what is stored about one person, and erases it.

    Args:
        person: The person.
        is_dry: Only count what would be erased.
        export: Called with each error log that is found, before it is erased.
        on_progress: Called with a noun and how many rows were read so far.

    """

    def __init__(
        self,
        person: Person,
        *,
        is_dry: bool = False,
        export: Callable[[dict[str, Any]], None] | None = None,
        on_progress: Progress = lambda _what, _count: None,
    ) -> None:
        self.person = person
        self.is_dry = is_dry
        self.export = export
        self.on_progress = on_progress
        self.summary = ErasureSummary()
        self._bugs: set[int] = set()
        self._pattern = MATCHES_NOTHING

    def run(self) -> ErasureSummary:
        """Read every table, and return what was found."""
        terms = {*self.person.search_terms, *self._user_labels()}
        if terms:
            self._pattern = pattern_for(terms)
        for log in self._rows_of(ErrorLog):
            self._erase_in_log(log)
        for model in COLUMNS:
            # Error logs have JSON columns too, and were read above.
            if model is not ErrorLog:
                for row in self._rows_of(model):
                    self._erase_in_row(row)
        self._delete_clients()
        self.summary.beyond = self._places_outside()
        return self.summary

    def _user_labels(self) -> set[str]:
        """Return the names that the user's own error logs carry."""
        if not self.person.user:
            return set()
        logs = ErrorLog.objects.filter(user_id=self.person.user).order_by()
        labels = logs.values_list("user_label", flat=True).distinct()
        return {label for label in labels if len(label) >= SHORTEST}

    def _rows_of(self, model: type[Model]) -> Iterator[Any]:
        """
        Yield every row of *model*, in batches.

        ``QuerySet.iterator()`` would need a server-side cursor on PostgreSQL, which
        does not work behind a PgBouncer that pools transactions.
        """
        rows = _manager_of(model).order_by("pk")
        last = 0
        count = 0
        while True:
            batch = list(rows.filter(pk__gt=last)[:BATCH_ROWS])
            if not batch:
                return
            yield from batch
            last = batch[-1].pk
            count += len(batch)
            self.on_progress(str(model._meta.verbose_name_plural), count)

    def _erase_in_log(self, log: ErrorLog) -> None:
        """Erase the person from *log*, if the log is of the person or names them."""
        is_theirs = self._is_of_person(log)
        columns = self._columns_with_person(log)
        if not (is_theirs or columns or self._is_in_json(log)):
            return
        self.summary.logs += 1
        if log.group.bug_id:
            self._bugs.add(log.group.bug_id)
        if self.export is not None:
            self.export(_values_of(log))
        if self.is_dry:
            return
        strip_sent_data(log)
        if is_theirs or "user_label" in columns:
            log.user_id = None
            log.user_label = ""
        for name in columns:
            setattr(log, name, self._erased(getattr(log, name)))
        stacktrace = json.dumps(log.stacktrace, ensure_ascii=False)
        log.stacktrace = json.loads(self._erased(stacktrace))
        log.save(update_fields={*STRIPPED_FIELDS, *COLUMNS[ErrorLog]})

    def _is_of_person(self, log: ErrorLog) -> bool:
        """Return whether *log* was stored for the person's user or address."""
        if self.person.user and str(log.user_id) == self.person.user:
            return True
        if not self.person.ip:
            return False
        masked = masked_ip(self.person.ip)
        return masked is not None and log.ip_address in {masked, self.person.ip}

    def _columns_with_person(self, row: Any) -> list[str]:
        """Return the text columns of *row* that name the person."""
        columns = COLUMNS[type(row)]
        return [name for name in columns if self._is_in(getattr(row, name))]

    def _is_in_json(self, log: ErrorLog) -> bool:
        for name in JSON_COLUMNS:
            text = json.dumps(getattr(log, name), ensure_ascii=False)
            if self._is_in(text):
                return True
        return False

    def _erase_in_row(self, row: Any) -> None:
        """Erase the person from the text columns of *row*."""
        columns = self._columns_with_person(row)
        if not columns:
            return
        self.summary.rows += 1
        if isinstance(row, KnownBug):
            self._bugs.add(row.pk)
        elif row.bug_id:
            self._bugs.add(row.bug_id)
        if self.is_dry:
            return
        values = {name: self._erased(getattr(row, name)) for name in columns}
        _manager_of(type(row)).filter(pk=row.pk).update(**values)

    def _delete_clients(self) -> None:
        """
        Delete the hashes by which the person was counted.

        Those that were made with an earlier SECRET_KEY cannot be found.
        """
        clients = []
        if self.person.user:
            clients.append(f"user:{self.person.user}")
        if self.person.ip:
            clients.append(f"ip:{subscriber_of(self.person.ip)}")
        if not clients:
            return
        for group in self._rows_of(ErrorGroup):
            hashes = [client_hash_of(client, group.fingerprint) for client in clients]
            rows = GroupClient.objects.filter(group=group, hash__in=hashes)
            if self.is_dry:
                self.summary.clients += rows.count()
            else:
                self.summary.clients += delete_clients(rows)

    def _places_outside(self) -> list[str]:
        """Return the issues and bug files that may name the person."""
        places = []
        bugs = KnownBug.all_objects.filter(pk__in=self._bugs).order_by("number")
        for bug in bugs:
            if bug.github_issue_url:
                places.append(f"{bug.bug_id}: {bug.github_issue_url}")
            if bug.file_name:
                places.append(f"{bug.bug_id}: {bug.file_name}")
        return places

    def _is_in(self, text: str) -> bool:
        return self._pattern.search(text) is not None

    def _erased(self, text: str) -> str:
        return self._pattern.sub(ERASED, text)


def _manager_of(model: type[Model]) -> Manager[Any]:
    """Return the manager that hides no row."""
    if model is KnownBug:
        return KnownBug.all_objects
    return model._default_manager


def _values_of(log: ErrorLog) -> dict[str, Any]:
    """Return every column of *log* by its name."""
    names = [field.attname for field in log._meta.concrete_fields]
    return {name: getattr(log, name) for name in names}
