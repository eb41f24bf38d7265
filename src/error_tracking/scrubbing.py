"""
A mapping or text to the same without secrets: by key, then by value.

Pure and bounded: every text is cut before a pattern sees it, no quantifier is
nested (FAULTS B03). The lists are those of OWASP's logging cheat sheet and of
Django's ``SafeExceptionReporterFilter``, matched on parts of the key.
"""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import ipaddress
import math
import re
import uuid
from itertools import islice, pairwise, starmap
from typing import TYPE_CHECKING, Any

from .utils import PLAIN, bases_of, clean_line, clean_text, masked_ip

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
KEY_CHARS = 200
NAME_CHARS = 60

_SECRETS = (
    "pass(?:w|$)|pass_?(?:word|code|phrase)|pwd|^pw$|secret|token(?!_count)|api_?key|auth(?!or(?!iz))|credential|"
    "two_factor|(?:security|verification)_?code|session|cookie|csrf|xsrf|signature|card|bearer|jwt|connection_string"
)
_KEY_PARTS = (_SECRETS, "private|cvv|cvc|ssn|iban|otp|pin$|(?:^|_)pin_|_key$|^key$|reset|access|refresh|salt|hash$|dsn")
# In texts, where a name may be any word before a ":", fewer of them.
_WORD_PARTS = (
    _SECRETS,
    "private_?key|access_?key|(?:^|_)(?:otp|pin|cvv|cvc|ssn|dsn|iban|salt)(?:_|$)",
    "(?<!cache)(?<!primary)(?<!foreign)(?<!sort)(?<!unique)(?<!public)_key$",
)
_ESCAPES = re.compile(r"\\{3,}")
# What may stand between a name and its value, also where it is URL-encoded (twice), in HTML, in bytes or in
# PostgreSQL's "Key (token)=(value)", where the name may be one of several, or in an expression.
_QUOTE = r"(?:[\\'\"\]]|(?:[,:)][^=\n]{0,100})?\)(?==\()|%(?:25){0,2}(?:22|27|5D)|&(?:quot|#39|#x27|#34);)"
_PAIR = re.compile(
    rf"[\w-]{{1,60}}(?:{_QUOTE}{{0,8}}\s{{0,3}}(?:[=:]{{1,3}}>?|%(?:25){{0,2}}3[AD])\s{{0,3}}|>)(?!\s)", re.IGNORECASE
)
# ("name", "value"): two of them, not three.
_ITEM = re.compile(
    r"[\w-]{1,60}\\{0,8}['\"],\s{0,3}(?=[\[({]|b?\\{0,8}(?:'[^'\n]{0,500}'|\"[^\"\n]{0,500}\")[\])])", re.IGNORECASE
)
_ITEM_OPENS = re.compile(r"[(\[]b?\\{0,8}['\"]$")
_ENCODED = re.compile(r"^(?:25){0,2}(?:22|27|5B|7B)")
_BETWEEN = re.compile(r"[=:>%]|['\"],")  # without one of them there is no pair
_WORD = re.compile(r"[\w-]{1,60}")
_PAIR_VALUE = re.compile(
    r"(?:\w{1,10} )?\[Filtered\]|[\w.]{0,60}\\{0,8}(?:\"[^\"\n]{1,500}\"?|'[^'\n]{1,500}'?|[\[({][^\n]{1,500})|"
    r"&(?:quot|#39|#x27|#34);[^\s&]{1,500}|[^\s,;&'\"\[\]{}()<]{1,500}"
)

_TOKENS = (
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox"),
    *("akia", "asia", "aiza", "sk-", "k_live_", "k_test_", "glpat-", "whsec_", "npm_", "sg."),
)
# Each pattern stands behind cheap literals: without one of them in the text it is not tried.
_VALUE_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (("-----begin",), re.compile(r"-----BEGIN [A-Z ]{1,40}-----[^-]{0,8000}(?:-----END [A-Z ]{1,40}-----)?"), FILTERED),
    (("://",), re.compile(r"(://)[^\s/:@'\"]{0,200}:[^\s/@'\"]{1,200}@"), rf"\1{FILTERED}@"),
    (
        ("cookie", "authorization"),  # headers whose value has parts of any name
        re.compile(
            r"\b((?:cookie|authorization)[\\'\"]{0,8}\s?[:=]\s?\\{0,8}"
            r"(?:(?=[\"'])|(?=\w+=)|(?=(?:digest|aws4|basic|bearer|token|apikey|negotiate|hawk)\b)))"
            r"(?:\"[^\"\n]{0,2000}\"?|'[^'\n]{0,2000}'?|[^\n]{1,2000})",
            re.IGNORECASE,
        ),
        rf"\1{FILTERED}",
    ),
    (("eyj",), re.compile(r"\beyJ[\w-]{5,2000}\.[\w-]{2,4000}(?:\.[\w-]{0,1000})?"), FILTERED),
    (
        ("bearer ", "basic ", "token "),
        re.compile(r"\b(bearer|basic|token)\s{1,3}(?=[\w.~+/=-]{0,200}[\d=._-])[\w.~+/=-]{8,2000}", re.IGNORECASE),
        rf"\1 {FILTERED}",
    ),
    (
        _TOKENS,
        re.compile(
            r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{20,255}|github_pat_\w{20,255}|xox[abprs]-[\w-]{10,250}|"
            r"[srp]k_(?:live|test)_\w{10,250}|(?:sk|glpat)-[\w-]{20,250}|whsec_\w{20,250}|npm_\w{30,250}|"
            r"AIza[\w-]{30,60}|SG\.[\w-]{16,40}\.[\w-]{20,80})"
        ),
        FILTERED,
    ),
    (("hooks.slack.com",), re.compile(r"(?<=hooks\.slack\.com/)services/[\w/]{10,100}"), FILTERED),
    (
        ("--pass", "--token", "--secret", "--api"),
        re.compile(r"(--(?:pass\w{0,10}|token|secret|api-?key))\s{1,3}[^\s-]\S{0,500}", re.IGNORECASE),
        rf"\1 {FILTERED}",
    ),
    (("@",), re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b"), "[email]"),
)
_HINTS = (
    "pass|pw|secret|token|key|auth|cred|sess|cook|csrf|xsrf|sign|card|bear|jwt|otp|pin|cvv|cvc|ssn|dsn|iban|salt|"
    "connection.?string|two.?factor|security|verification"
)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3})[0-9a-f:]{6,39}(?![\w:]|\.\d)", re.IGNORECASE)
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_SEGMENT = re.compile(r"(?<=/)[\w=~.-]{20,4000}(?![\w=~.-])")
_CHANGES = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])")
RANDOM_CHANGES = 4
_UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE)
# What is left, else whole lines, else whole words, so that no secret is cut in two between pieces.
_PIECE = re.compile("|".join(rf".{{1,{REGEX_INPUT}}}{end}" for end in (r"\Z", r"(?<=\n)", "(?<= )", "")), re.DOTALL)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_AS_TEXT = frozenset({decimal.Decimal, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID})
_LUHN = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

_KEPT_HEADERS = (
    "accept accept-language accept-encoding content-type content-length host user-agent referer origin x-request-id",
    "traceparent hx-request x-requested-with sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user",
)
KEPT_HEADERS = frozenset(" ".join(_KEPT_HEADERS).split())


class Scrubber:
    """Scrubs by the shipped key list and the project's own additions; stateless and shared."""

    def __init__(
        self, extra_keys: Iterable[str] = (), *, keep_emails: bool = False, ip_addresses: str = "masked"
    ) -> None:
        """Compile the key list with *extra_keys*, plain names matched anywhere in a key; *ip_addresses* in texts."""
        self._rules = _VALUE_RULES[: -1 if keep_emails else None]
        self._ip_addresses = ip_addresses
        extra = [re.escape(normalize_key(key)) for key in extra_keys if key]
        self._keys = re.compile("|".join([*_KEY_PARTS, *extra]))
        self._words = re.compile("|".join([*_WORD_PARTS, *extra]))
        self._hint = re.compile("|".join([_HINTS, *(each[:3] for each in extra)]))
        self._read_key = functools.lru_cache(maxsize=2_048)(self._key)  # a site has few names, and each many times

    def is_secret_key(self, key: str) -> bool:
        """Return whether the value under *key* must not be kept."""
        return self._keys.search(normalize_key(key)) is not None

    def text(self, value: str, limit: int = MAX_STRING) -> str:
        """Return *value* cleaned, cut to *limit* characters and without secrets."""
        text = clean_text(value, limit)
        if len(text) <= REGEX_INPUT:
            return self._scrub(text)
        return "".join(map(self._scrub, _PIECE.findall(text)))[:limit]

    def _scrub(self, text: str) -> str:
        lowered = text.lower()
        for literals, pattern, replacement in self._rules:
            for literal in literals:  # a generator would cost more than the search
                if literal in lowered:
                    text = pattern.sub(replacement, text)
                    break
        if _BETWEEN.search(text) and self._hint.search(lowered):
            text = self._without_pairs(text)
        if "/" in text:
            text = _SEGMENT.sub(_without_token, text)
        if self._ip_addresses != "full":
            text = _IPV4.sub(self._address, text) if text.count(".") > 2 else text  # noqa: PLR2004  1.2.3.4
            text = _IPV6.sub(self._address, text) if text.count(":") > 2 else text  # noqa: PLR2004  2001:db8::1
        return _CARD.sub(_card, text) if sum(map(text.count, "0123456789")) > 12 else text  # noqa: PLR2004  shortest: 13

    def _address(self, match: re.Match[str]) -> str:
        """Return what stays of an address: all of one that is every machine's own, else as IP_ADDRESSES says."""
        try:
            is_own = (address := ipaddress.ip_address(match[0])).is_loopback or address.is_unspecified
        except ValueError:
            return match[0]
        return match[0] if is_own else masked_ip(match[0], mode=self._ip_addresses) or "[ip]"

    def _without_pairs(self, text: str) -> str:
        """Return *text* without the values of ``key=value`` or ``("key", "value")`` where the key is secret."""
        text = _ESCAPES.sub(r"\\\\", text)  # JSON in JSON in JSON doubles them each time
        lowered = text.replace("\u0130", "I").lower()  # the one letter whose lower case is longer
        out: list[str] = []
        kept = position = 0
        while hint := self._hint.search(lowered, position):
            start, least = hint.start(), max(position, hint.start() - NAME_CHARS)
            while start > least and (text[start - 1].isalnum() or text[start - 1] in "_-"):
                start -= 1
            word = _WORD.match(text, start)
            position = max(word.end() if word else 0, hint.end())
            if word is None or not self._words.search(normalize_key(_ENCODED.sub("", word[0]))):
                continue
            pair = _PAIR.match(text, start)
            if pair is None and _ITEM_OPENS.search(text[max(0, start - 12) : start]):
                pair = _ITEM.match(text, start)
            if pair is not None and (value := _PAIR_VALUE.match(text, pair.end())):
                out += (text[kept : pair.end()], FILTERED)
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

        def scrubbed(before: str, word: str) -> str:
            name, equals, _ = word.partition("=")
            if before.startswith("-") and "=" not in before and self.is_secret_key(before) and word[:1] != "-":
                return FILTERED
            is_secret = equals and word.startswith("-") and self.is_secret_key(name)
            return f"{clean_line(name, KEY_CHARS)}={FILTERED}" if is_secret else self.line(word, MAX_STRING)

        return list(starmap(scrubbed, pairwise(("", *islice(words, MAX_BREADTH)))))

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
        if kind in _AS_TEXT:
            return str(value)[:MAX_STRING]
        if kind in {bytes, bytearray, memoryview}:
            return f"<{kind.__name__}>"
        # Of the type: isinstance() would ask the value for its __class__, which wakes a lazy one (FAULTS C08, C21).
        if not issubclass(kind, (dict, list, tuple, set, frozenset)):
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
        if not issubclass(type(value), dict):
            items = list(islice(value, MAX_BREADTH))
            if len(items) == 2 and type(items[0]) is str and self._key_of(items[0])[1]:  # noqa: PLR2004  a pair
                items[1] = FILTERED
            return [self._node(item, depth, walk) for item in items]
        named = ((self._key_of(key), item) for key, item in islice(value.items(), MAX_BREADTH))
        return {name: FILTERED if is_secret else self._node(item, depth, walk) for (name, is_secret), item in named}

    def _key_of(self, key: object) -> tuple[str, bool]:
        """Return *key* as text without secrets, and whether its value is one; of no plain type it is named only."""
        if type(key) is str:
            return self._read_key(key[:KEY_CHARS])
        parts = key if type(key) is tuple else (key,)
        if all(type(part) in PLAIN or type(part) in _AS_TEXT for part in parts):
            return self._read_key(f"<{type(key).__name__}> {str(key)[:50]}")
        return _name_of(key), False

    def _key(self, key: str) -> tuple[str, bool]:
        return self.line(key, KEY_CHARS), self.is_secret_key(key)

    def query(self, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return query or form *pairs* by name, the values of secret names filtered."""
        named = ((self._key_of(key), value) for key, value in islice(pairs, MAX_BREADTH))
        return {name: FILTERED if is_secret else self.text(value) for (name, is_secret), value in named}

    def path(self, path: str, kwargs: Mapping[str, object] | None = None) -> str:
        """
        Return *path* without secrets: long random segments and *kwargs* with a secret's name.

        *kwargs* are what the matched route took out of the path (FAULTS V04).
        """
        secret = {
            str(value) for name, value in (kwargs or {}).items() if type(value) is str and self.is_secret_key(name)
        }
        segments = [FILTERED if segment in secret else segment for segment in clean_line(path, 2_000).split("/")]
        return self.line("/".join(segments), 2_000)

    def headers(self, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return the *headers* of the allow-list; a Referer keeps its origin and path only (FAULTS V01, V03)."""
        kept = [(name, value) for name, value in headers if name.lower() in KEPT_HEADERS]
        return {
            name: self.path(re.split("[?#]", value)[0]) if name.lower() == "referer" else self.line(value, 300)
            for name, value in kept
        }


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
        bases = [type.__dict__["__dict__"].__get__(base) for base in bases_of(kind)]
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


def _without_token(match: re.Match[str]) -> str:
    """Return a segment of a path unless it is random: letters and digits in turn, as no slug has them (FAULTS V04)."""
    segment = match[0]
    is_random = len(_CHANGES.findall(segment)) >= RANDOM_CHANGES and any(map(str.isdigit, segment))
    return FILTERED if is_random and not _UUID.match(segment) else segment


def _card(match: re.Match[str]) -> str:
    digits = [int(char) for char in match[0] if char.isdigit()]
    total = sum(_LUHN[digit] if index % 2 else digit for index, digit in enumerate(reversed(digits)))
    return match[0] if total % 10 else FILTERED


def _big_int(value: int) -> str:
    return str(value) if value.bit_length() < 2_000 else "<int>"  # noqa: PLR2004  str() of more may raise
