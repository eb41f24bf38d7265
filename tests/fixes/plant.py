"""
Plants texts wherever something comes from outside, and prints where one leaves the site.

Runs as :mod:`tests.fixes.trigger` does, in a copy of ``project`` that has the bugs:
``python -m tests.fixes.plant SEED COUNT NAME…`` makes each of the bugs happen with COUNT
texts, and again with the twin of each, and compares everything that is told of it. It
prints JSON: the leaks, the cases that did not fail as they should, and how many were
compared.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import sys
from functools import lru_cache
from pathlib import Path
from unittest import mock
from urllib.parse import quote

from tests.fixes import trigger
from tests.fixes.cases import CASES
from tests.fixes.texts import KINDS, TOKEN, planted_texts

# What differs between two bugs and says nothing about a visitor.
_DIFFERS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[Bb][-_]?\d{3,}|knownbug/\d+"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
AROUND = 80


def main(seed, count, names):
    trigger.set_up()
    from error_tracking import conf
    from error_tracking.events import size_budget

    # A busy machine must not cut an event short.
    size_budget._clock = lambda: 100.0
    known = _known_words()
    is_secret = conf.get_scrubber().is_secret_key

    def is_special(word):
        return word in known or is_secret(word)

    pool = planted_texts(seed, max(count, KINDS), is_special)
    leaks, problems, compared = [], [], 0
    for number, case in enumerate(CASES):
        if case.name not in names:
            continue
        # Neighbours get texts of other kinds.
        for planted in [*pool, *pool][number % len(pool) :][:count]:
            told, told_of_twin = _told(case, planted.text), _told(case, planted.twin)
            for found in (told, told_of_twin):
                if "problem" in found:
                    problems.append((case.name, planted, found["problem"]))
                    break
            else:
                compared += 1
                leaks += _leaks(case, planted, told, told_of_twin)
    print(json.dumps({"leaks": leaks, "problems": problems, "compared": compared}))


def _leaks(case, planted, told, told_of_twin):
    found = []
    for place, text in told.items():
        where = text.lower().find(TOKEN)
        if where >= 0:
            around = text[max(0, where - AROUND) : where + AROUND]
            found.append((case.name, place, planted.text, around))
        elif text != told_of_twin[place]:
            pairs = zip(text.split("\n"), told_of_twin[place].split("\n"), strict=False)
            differing = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
            found.append((case.name, place, planted.text, " ≠ ".join(differing)))
    return found


@lru_cache(maxsize=2_000)
def _told(case, text):
    """Make *case* fail with *text* in all it gets, and return all that is told of it."""
    with mock.patch.object(trigger, "texts_of", _texts_of):
        found = trigger.result_of(case, Planter(text))
    return {place: _DIFFERS.sub("…", told) for place, told in found.items()}


def _texts_of(group):
    """Return all that leaves the site about *group*, by its place."""
    from django.utils import timezone

    from error_tracking.bugs.opening import open_bug
    from error_tracking.report.bug_report import published_fields
    from error_tracking.report.builder import build_report
    from error_tracking.report.markdown import bug_file, issue_body
    from error_tracking.trackers import mail
    from error_tracking.trackers.chat import PAYLOADS, message_for
    from error_tracking.trackers.webhook import json_payload

    bug, *_ = open_bug(group)
    moment = dt.datetime(2026, 1, 31, 12, 30, tzinfo=timezone.get_current_timezone())
    bug.first_occurrence = bug.last_occurrence = moment
    report = build_report(bug)
    message = message_for(report, "created")
    return {
        "title": bug.title,
        "description": bug.description,
        "file": bug_file(report),
        "file name": report.path_name,
        "issue": issue_body(report),
        "export": json.dumps(published_fields(report), default=str),
        "mail": f"{report.safe_title}\n{mail._text_of(report, [])}",
        "webhook": json.dumps(json_payload(report, "created"), ensure_ascii=False),
        **{
            f"{name} message": json.dumps(make(message), ensure_ascii=False)
            for name, make in PAYLOADS.items()
        },
    }


class Planter(trigger.Trigger):
    """Puts one text into everything: rows, requests, files, arguments."""

    def __init__(self, text):
        self.text = text
        self._unique = 0
        super().__init__()
        self._reset_numbers()
        self.client.generic = self._generic(self.client.generic)
        name = self.name()
        self.session(**{name: [text, {name: text}]})
        self.client.cookies[self.token_of_text()] = self.header()

    def word(self):
        return self.text

    def line(self):
        """Return the text in one line."""
        return _CONTROL.sub(" ", self.text)

    def name(self):
        """Return the text for the name of a field, as a multipart body can have it."""
        return self.line().replace('"', "'").replace("\\", "/")

    def header(self):
        """Return the text for a header, as a server decodes its bytes."""
        return self.line().encode().decode("latin-1")

    def key(self):
        self._unique += 1
        return f"{self.text}{self._unique}"

    def slug(self):
        letters = re.sub(r"[^A-Za-z0-9-]+", "-", self.text).strip("-")
        return letters or "x"

    def cell(self):
        return re.sub(r"[\s,;\"']+", " ", self.text)

    def token_of_text(self):
        """Return the text as the name of a header or a cookie."""
        letters = re.sub(r"[^A-Za-z]+", "-", self.text).strip("-")
        return f"X-{letters or 'z'}-Z"

    def upload(self, name, content):
        stem, dot, ending = name.rpartition(".")
        # Django keeps what follows the last slash of a name.
        word = re.sub(r"[\x00-\x1f\x7f/\\\"]", " ", self.text)
        return super().upload(f"{stem} {word}z{dot}{ending}", content)

    def file(self, name, content):
        return super().file(f"{self.slug()}-{name}", content)

    def _generic(self, send):
        """Return the client's way to send, with the text added to each request."""

        def generic(method, path, data="", content_type="", secure=False, **extra):
            extra["headers"] = {
                "user-agent": self.header(),
                "referer": f"https://elsewhere.example/{quote(self.text)}",
                "accept": self.header(),
                "x-forwarded-for": self.header(),
                self.token_of_text(): self.header(),
                **(extra.get("headers") or {}),
            }
            extra["query_params"] = {
                **(extra.get("query_params") or {}),
                self.name(): self.text,
            }
            if content_type.startswith("application/json"):
                data = self._with_more(data)
            elif content_type.startswith("multipart/form-data"):
                data = self._with_field(data)
            return send(method, path, data, content_type, secure=secure, **extra)

        return generic

    def _with_more(self, data):
        value = json.loads(data)
        name = self.name()
        if isinstance(value, dict):
            value = {**value, name: [self.text, {name: self.text}]}
        return json.dumps(value)

    def _with_field(self, data):
        boundary, _, _ = data.partition(b"\r\n")
        field = f'Content-Disposition: form-data; name="{self.name()}"\r\n\r\n{self.text}\r\n'
        return boundary + b"\r\n" + field.encode() + data

    def _reset_numbers(self):
        """Give rows the same keys again: a key of two digits is another kind."""
        from django.db import connection

        with connection.cursor() as cursor, contextlib.suppress(Exception):
            cursor.execute("DELETE FROM sqlite_sequence")

    def remove(self):
        from error_tracking import models
        from error_tracking.recorder import worker
        from error_tracking.recorder.budget import Budget

        super().remove()
        # The next event of the same group is stored whole, too.
        worker.get_worker().intake.budget = Budget()
        models.KnownBug.all_objects.all().delete()
        for model in (models.ErrorLog, models.ErrorGroup, models.Release):
            model.objects.all().delete()


def _known_words():
    """Return the words of the project's own code: they may be shown."""
    from error_tracking.report.known_names import known_names
    from error_tracking.report.source_texts import texts_in_file

    paths = [str(path) for path in Path.cwd().rglob("*.py")]
    paths += [str(path) for path in Path.cwd().rglob("*.html")]
    words = set(known_names(paths).words)
    for path in paths:
        texts = texts_in_file(path, bool)
        words |= texts.names | texts.constants
        for sentence in texts.sentences:
            words.update(re.findall(r"\w+", " ".join(sentence)))
    return frozenset(words)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
