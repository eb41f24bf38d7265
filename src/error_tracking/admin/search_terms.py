"""
What people type into the search box, taken apart: ``B-012``, ``#700``, ``user:ada``, words.

Pure: asks no database and knows no model. Anything that is typed is understood as
something, at the least as a word.
"""

from __future__ import annotations

import dataclasses
import re

# Nobody types more, and each word is a condition of a query.
MOST_CHARS = 300
MOST_WORDS = 8

#: What ``is:`` knows. Each is the name of a view of the list of bugs.
STATES = (
    "mine",
    "open",
    "new",
    "regressed",
    "unassigned",
    "unfiled",
    "muted",
    "resolved",
    "deleted",
)

_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
)
# key:"two words", "two words", or anything up to the next space. A quotation mark that
# is never closed belongs to its word.
_TOKEN = re.compile(r'(?:([A-Za-z]+):)?"([^"]*)"|(\S+)')
_KEYED = re.compile(r"([A-Za-z]+):(.*)")
_BUG_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,9}-0*(\d{1,9})")
_ISSUE = re.compile(r"#(\d{1,9})")
_REFERENCE = re.compile(r"[0-9a-f]{10}", re.IGNORECASE)
_FINGERPRINT = re.compile(r"[0-9a-f]{32,64}", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """
    What was typed, by what it may name.

    Attributes:
        text: All of it.
        bug_ids: Bug ids as they are stored: ``B-012``.
        issues: Numbers of GitHub issues.
        references: References of error logs, ten hexadecimal digits.
        fingerprints: Fingerprints of error groups.
        routes: Routes or parts of one, which begin with a slash.
        words: Everything else.
        users: Names, e-mail addresses or primary keys of users.
        releases: Releases.
        servers: Names of servers.
        states: What ``is:`` asks for, of ``STATES``.
        unknown: What begins with a known key and makes no sense: ``is:green``.

    """

    text: str = ""
    bug_ids: tuple[str, ...] = ()
    issues: tuple[int, ...] = ()
    references: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return self == Search(text=self.text)

    @property
    def names_one_thing(self) -> bool:
        """Whether it is one bug id, issue, reference or fingerprint and nothing else."""
        names = (*self.bug_ids, *self.issues, *self.references, *self.fingerprints)
        rest = (
            *(*self.routes, *self.words, *self.users, *self.releases),
            *(*self.servers, *self.states, *self.unknown),
        )
        return len(names) == 1 and not rest

    def as_words(self) -> Search:
        """
        Return the search with bug ids, references and fingerprints as words.

        ``utf-8`` looks like a bug id, and ten hexadecimal digits may be part of a
        message.
        """
        names = (*self.bug_ids, *self.references, *self.fingerprints)
        typed = [token for token in self.text.split() if _is_one_of(token, names)]
        return dataclasses.replace(
            self,
            words=(*self.words, *typed),
            bug_ids=(),
            references=(),
            fingerprints=(),
        )


def parse(text: str) -> Search:
    """
    Take *text* apart.

    Args:
        text: What was typed; its first 300 characters are read.

    """
    text = " ".join(text[:MOST_CHARS].replace("\0", " ").split())
    found: dict[str, list[str]] = {}
    issues = []
    for match in _TOKEN.finditer(text):
        kind, value = _kind_and_value(match)
        if kind == "issues":
            issues.append(int(value))
        elif value:
            found.setdefault(kind, []).append(value)
    parts = {kind: tuple(values[:MOST_WORDS]) for kind, values in found.items()}
    if "routes" in parts and "words" in parts:
        parts["words"] = tuple(word for word in parts["words"] if word not in _METHODS)
    return Search(text=text, issues=tuple(issues[:MOST_WORDS]), **parts)


def _kind_and_value(match: re.Match[str]) -> tuple[str, str]:
    key, quoted, word = match.groups()
    if word is None:
        if key is None:
            return "words", quoted.strip()
        return _of_key(key, quoted.strip()) or ("words", f"{key}:{quoted}")
    keyed = _KEYED.fullmatch(word)
    if keyed is not None:
        found = _of_key(keyed[1], keyed[2].strip('"'))
        if found is not None:
            return found
    return _of_shape(word)


def _of_key(key: str, value: str) -> tuple[str, str] | None:
    """Return what ``key:value`` asks for, None if the key is none of ours."""
    key = key.lower()
    if key == "is":
        if value.lower() in STATES:
            return "states", value.lower()
        return "unknown", f"is:{value}"
    if key not in {"user", "release", "server"}:
        return None
    if not value:
        return "unknown", f"{key}:"
    return f"{key}s", value


def _of_shape(word: str) -> tuple[str, str]:
    """Return what *word*, which has no key, looks like."""
    bug_id = _BUG_ID.fullmatch(word)
    if bug_id is not None:
        prefix = word.partition("-")[0].upper()
        return "bug_ids", f"{prefix}-{int(bug_id[1]):03d}"
    issue = _ISSUE.fullmatch(word)
    if issue is not None:
        return "issues", issue[1]
    if _REFERENCE.fullmatch(word):
        return "references", word.lower()
    if _FINGERPRINT.fullmatch(word):
        return "fingerprints", word.lower()
    if word.startswith("/"):
        return "routes", word
    return "words", word


def _is_one_of(token: str, names: tuple[str, ...]) -> bool:
    _kind, value = _of_shape(token)
    return value in names
