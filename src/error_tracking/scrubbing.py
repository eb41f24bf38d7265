"""
A mapping or text to the same without secrets: by key, then by value.

Pure and bounded: every text is cut before a pattern sees it, no quantifier is
nested (FAULTS B03). The lists are those of OWASP's logging cheat sheet and of
Django's ``SafeExceptionReporterFilter``, matched on parts of the key.
"""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import math
import re
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Any

from .utils import clean_line, clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILTERED = "[Filtered]"
TRUNCATED = "[Truncated]"
MAX_DEPTH = 6
MAX_BREADTH = 50
MAX_STRING = 1_000
MAX_NODES = 2_500
MAX_VARIABLE_NODES = 400
MAX_VARIABLE_STRING = 200
VARIABLE_DEPTH = 3
REGEX_INPUT = 8_192
MAX_SAFE_INT = 2**53

_KEY_PARTS = (
    "pass(?:w|code|phrase|$)|pwd|secret|token(?!_count)|api_?key|auth(?!or(?!iz))|credential|private",
    "session|cookie|csrf|xsrf|signature|card|cvv|cvc|ssn|iban|otp|two_factor|pin$|jwt|bearer|_key$|^key$",
    "reset|access|refresh|salt|hash$|dsn|connection_string",
)
# In texts, where a name may be any word before a ":", fewer of them.
_WORD_PARTS = (
    "pass(?:w|code|phrase|$)|pwd|secret|token(?!_count)|api_?key|auth(?!or(?!iz))|credential|private_?key|access_?key",
    "session|cookie|csrf|xsrf|signature|card|bearer|jwt|(?:^|_)(?:otp|pin|cvv|cvc|ssn|dsn|iban)(?:_|$)",
)
_ESCAPES = re.compile(r"\\{3,}")
_PAIR = re.compile(
    r"(?<![\w-])([\w-]{1,60})[\\'\"\]]{0,8}\s{0,3}(?:[=:]|%(?:25){0,2}3[AD])\s{0,3}(?!\s)", re.IGNORECASE
)
_PAIR_VALUE = re.compile(
    r"(?:\w{1,10} )?\[Filtered\]|"
    r"\\{0,8}(?:\"[^\"\n]{1,500}\"?|'[^'\n]{1,500}'?|[\[({][^\n]{1,500}|[^\s,;&'\"\[\]{}()]{1,500})"
)

# Each pattern stands behind cheap literals: without one of them in the text it is not tried.
_VALUE_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (("-----begin",), re.compile(r"-----BEGIN [A-Z ]{1,40}-----[^-]{0,8000}(?:-----END [A-Z ]{1,40}-----)?"), FILTERED),
    (("://",), re.compile(r"(://)[^\s/:@'\"]{0,200}:[^\s/@'\"]{1,200}@"), rf"\1{FILTERED}@"),
    (("eyj",), re.compile(r"\beyJ[\w-]{5,2000}\.[\w-]{2,4000}(?:\.[\w-]{0,1000})?"), FILTERED),
    (
        ("bearer ", "basic ", "token "),
        re.compile(r"\b(bearer|basic|token)\s{1,3}(?=[\w.~+/=-]{0,200}[\d=._-])[\w.~+/=-]{8,2000}", re.IGNORECASE),
        rf"\1 {FILTERED}",
    ),
    (
        (
            "akia",
            "asia",
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "xox",
            "k_live_",
            "k_test_",
            "aiza",
            "sk-",
        ),
        re.compile(
            r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{20,255}|github_pat_\w{20,255}|xox[abprs]-[\w-]{10,250}|"
            r"[srp]k_(?:live|test)_\w{10,250}|sk-[\w-]{20,250}|AIza[\w-]{30,60})"
        ),
        FILTERED,
    ),
    (("@",), re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b"), "[email]"),
)
_HINTS = r"pass|pwd|secret|token|key|auth|cred|sess|cook|csrf|xsrf|sign|card|bear|jwt|otp|pin|cvv|cvc|ssn|dsn|iban"
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_SEGMENT = re.compile(r"^(?=.*\d)(?=.*[A-Za-z])[\w=~.-]{20,400}$")
_UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LUHN = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

KEPT_HEADERS = frozenset(
    {
        "accept",
        "accept-language",
        "accept-encoding",
        "content-type",
        "content-length",
        "host",
        "user-agent",
        "referer",
        "origin",
        "x-request-id",
        "traceparent",
        "hx-request",
        "x-requested-with",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-fetch-user",
    }
)


class Scrubber:
    """Scrubs by the shipped key list and the project's own additions; stateless and shared."""

    def __init__(self, extra_keys: Iterable[str] = (), *, keep_emails: bool = False) -> None:
        """Compile the key list with *extra_keys*, plain names matched anywhere in a key."""
        self._rules = _VALUE_RULES[: -1 if keep_emails else None]
        extra = [re.escape(normalize_key(key)) for key in extra_keys if key]
        self._keys = re.compile("|".join([*_KEY_PARTS, *extra]))
        self._words = re.compile("|".join([*_WORD_PARTS, *extra]))
        self._hint = re.compile("|".join([_HINTS, *(each[:3] for each in extra)]))

    def is_secret_key(self, key: str) -> bool:
        """Return whether the value under *key* must not be kept."""
        return self._keys.search(normalize_key(key)) is not None

    def text(self, value: str, limit: int = MAX_STRING) -> str:
        """Return *value* cleaned, cut to *limit* characters and without secrets."""
        text = clean_text(value, limit)
        if len(text) <= REGEX_INPUT:
            return self._scrub(text)
        # Whole lines per piece, so that no secret is cut in two between pieces.
        pieces: list[str] = []
        start = 0
        while start < len(text):
            end = start + REGEX_INPUT
            if end < len(text):
                end = (text.rfind("\n", start, end) + 1) or (text.rfind(" ", start, end) + 1) or end
                end = end if end > start else start + REGEX_INPUT
            pieces.append(self._scrub(text[start:end]))
            start = end
        return "".join(pieces)[:limit]

    def _scrub(self, text: str) -> str:
        lowered = text.lower()
        for literals, pattern, replacement in self._rules:
            for literal in literals:  # a generator would cost more than the search
                if literal in lowered:
                    text = pattern.sub(replacement, text)
                    break
        if ("=" in text or ":" in text or "%3" in text) and self._hint.search(lowered):
            text = self._without_pairs(text)
        return _CARD.sub(_card, text) if sum(map(text.count, "0123456789")) > 12 else text  # noqa: PLR2004  shortest: 13

    def _without_pairs(self, text: str) -> str:
        """Return *text* without the values of ``key=value`` and ``"key": value`` where the key is secret."""
        text = _ESCAPES.sub(r"\\\\", text)  # JSON in JSON in JSON doubles them each time
        out: list[str] = []
        kept = position = 0
        while pair := _PAIR.search(text, position):
            position = pair.end()
            if self._words.search(normalize_key(pair[1])) and (value := _PAIR_VALUE.match(text, position)):
                out += (text[kept:position], FILTERED)
                kept = position = value.end()
        return "".join([*out, text[kept:]]) if out else text

    def line(self, value: str, limit: int) -> str:
        """Return *value* as :meth:`text` does, on one line."""
        return self._scrub(clean_line(value, min(limit, REGEX_INPUT)))

    def tree(self, value: object) -> Any:  # noqa: ANN401  JSON has no narrower type
        """
        Return *value* as plain JSON data without secrets.

        Only dict, list, str, int, float, bool and None come out, with text keys,
        at most ``MAX_DEPTH`` deep and ``MAX_BREADTH`` wide; cycles are cut and
        what is of no known type is named, never printed (FAULTS C17, C21, S08, S09).
        """
        return self._node(value, MAX_DEPTH, _Walk(MAX_NODES))

    def variables(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Return local variables as :meth:`tree` does, but flatter and shorter; a model instance by its key."""
        walk = _Walk(MAX_VARIABLE_NODES, string=MAX_VARIABLE_STRING)
        return {
            clean_line(name, 200): FILTERED
            if value is FILTERED or self.is_secret_key(name)
            else self._node(value, VARIABLE_DEPTH, walk)
            for name, value in values.items()
        }

    def arguments(self, words: Iterable[str]) -> list[str]:
        """Return the *words* of a command line, the values of options with a secret's name filtered."""
        out: list[str] = []
        is_secret = False
        for word in islice(words, MAX_BREADTH):
            name, has_value, _ = word.partition("=")
            is_option = word.startswith("-")
            if is_secret and not is_option:
                out.append(FILTERED)
            elif is_option and has_value and self.is_secret_key(name):
                out.append(f"{clean_line(name, 200)}={FILTERED}")
            else:
                out.append(self.line(word, MAX_STRING))
            is_secret = is_option and not has_value and self.is_secret_key(name)
        return out

    def _node(self, value: object, depth: int, walk: _Walk) -> Any:  # noqa: ANN401, C901  one line per type
        walk.left -= 1
        if walk.left < 0:
            return TRUNCATED
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self.text(value, walk.string)  # type: ignore[arg-type]
        if kind is int:
            return value if abs(value) < MAX_SAFE_INT else _big_int(value)  # type: ignore[arg-type]
        if kind is float:
            return value if math.isfinite(value) else str(value)  # type: ignore[arg-type]
        if kind in {decimal.Decimal, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID}:
            return str(value)[:MAX_STRING]
        if kind in {bytes, bytearray, memoryview}:
            return f"<{kind.__name__}>"
        if not isinstance(value, (dict, list, tuple, set, frozenset)):
            return _name_of(value)
        if depth == 0 or id(value) in walk.seen:
            return TRUNCATED
        walk.seen.add(id(value))
        try:
            return self._branch(value, depth - 1, walk)
        except Exception:  # noqa: BLE001  a foreign container may raise or change while it is walked
            return f"<{kind.__name__}>"
        finally:
            walk.seen.discard(id(value))

    def _branch(self, value: Any, depth: int, walk: _Walk) -> Any:  # noqa: ANN401
        if not isinstance(value, dict):
            return [self._node(item, depth, walk) for item in islice(value, MAX_BREADTH)]
        out: dict[str, Any] = {}
        for key, item in islice(value.items(), MAX_BREADTH):
            name = clean_line(key, 200) if type(key) is str else f"<{type(key).__name__}> {key!s:.50}"
            out[name] = FILTERED if self.is_secret_key(name) else self._node(item, depth, walk)
        return out

    def query(self, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return query or form *pairs* by name, the values of secret names filtered."""
        out: dict[str, str] = {}
        for key, value in islice(pairs, MAX_BREADTH):
            name = clean_line(key, 200)
            out[name] = FILTERED if self.is_secret_key(name) else self.text(value)
        return out

    def path(self, path: str, kwargs: Mapping[str, object] | None = None) -> str:
        """
        Return *path* without secrets: long random segments and *kwargs* with a secret's name.

        *kwargs* are what the matched route took out of the path (FAULTS V04).
        """
        secret = {
            str(value) for name, value in (kwargs or {}).items() if type(value) is str and self.is_secret_key(name)
        }
        segments = [
            FILTERED if segment in secret or (_SEGMENT.match(segment) and not _UUID.match(segment)) else segment
            for segment in clean_line(path, 2_000).split("/")
        ]
        return self.line("/".join(segments), 2_000)

    def headers(self, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return the *headers* of the allow-list; a Referer keeps its origin and path only (FAULTS V01, V03)."""
        out: dict[str, str] = {}
        for name, value in headers:
            lowered = name.lower()
            if lowered not in KEPT_HEADERS:
                continue
            kept = re.split(r"[?#]", value, maxsplit=1)[0] if lowered == "referer" else value
            out[name] = self.path(kept) if lowered == "referer" else self.line(kept, 300)
        return out


class _Walk:
    """One walk through a tree: what it is inside of, and how many nodes it may still visit."""

    def __init__(self, left: int, *, string: int = MAX_STRING) -> None:
        self.left = left
        self.string = string
        self.seen: set[int] = set()


def _name_of(value: object) -> str:
    """Return what *value* is; a Django model by its label and key, found without running code of its class."""
    kind = type(value)
    name = clean_line(type.__dict__["__name__"].__get__(kind), 100)
    try:
        own = object.__getattribute__(value, "__dict__")
        bases = [type.__dict__["__dict__"].__get__(base) for base in type.__dict__["__mro__"].__get__(kind)]
        meta = next((names["_meta"] for names in bases if "_meta" in names), None)
        if meta is not None and "_state" in own:
            return f"<{meta.label} pk={str(own.get(meta.pk.attname))[:50]}>"
        model = own.get("model")
        if model is not None and "_result_cache" in own:
            return f"<{name} of {model._meta.label}>"
    except Exception:  # noqa: BLE001, S110  a foreign object may lack or break any of it; its type's name will do
        pass
    return f"<{name}>"


def normalize_key(key: str) -> str:
    """Return *key* in lower case with ``_`` between its words: ``clientSecret`` → ``client_secret``."""
    return _CAMEL.sub("_", key[:200]).lower().replace("-", "_").replace(" ", "_")


def _card(match: re.Match[str]) -> str:
    digits = [int(char) for char in match[0] if char.isdigit()]
    total = sum(_LUHN[digit] if index % 2 else digit for index, digit in enumerate(reversed(digits)))
    return match[0] if total % 10 else FILTERED


def _big_int(value: int) -> str:
    return str(value) if value.bit_length() < 2_000 else "<int>"  # noqa: PLR2004  str() of more may raise


def masked_ip(value: str, *, mode: str = "masked") -> str | None:
    """
    Return the address in *value*: ``/24`` or ``/48`` of it, all of it (``"full"``) or None (``"none"``).

    What is no address gives None (FAULTS S11); an IPv4 address inside an IPv6
    one is taken out first (FAULTS V09).
    """
    if mode == "none":
        return None
    text = value.strip().partition("%")[0]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if mode == "full":
        return str(address)
    prefix = 24 if address.version == 4 else 48  # noqa: PLR2004  the IP version
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False).network_address)
