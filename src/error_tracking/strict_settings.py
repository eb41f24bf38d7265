"""
What is used while a setting is wrong: never less private than the project meant.

Each reader gets the wrong value and returns what is used in its place, or None for
the default. Lists that protect people keep what can be understood of them; what could
publish or store more falls back to the strictest value there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .setting_rules import (
    DEFAULT_RETENTION_DAYS,
    ENVIRONMENT_LENGTH,
    ERROR_STATUSES,
    FEATURES,
    RELEASE_LENGTH,
    RULES,
    closest,
    is_number,
    is_text,
    problem_of,
    site_problem,
    with_slash,
)

# What environment variables contain where people mean "no".
OFF_WORDS = frozenset({"", "0", "false", "no", "none", "off"})
# The only feature whose absence stores more: it must be named correctly.
STORES_MORE = "email_scrubbing"
# The features that store what belongs to people; a misspelt name turns them off too.
STORE_PERSONAL_DATA = ("breadcrumbs", "locals")
# Deep enough for {"keys": ["pin"]}; a list may contain itself.
DEEPEST_NESTING = 5

# Misspelt keys of these are understood, because their values capture, store or send
# less than the default. ENABLED is not among them: a tracker that a typing error
# turns off would be noticed only when it is needed.
PROTECTING_KEYS = frozenset(
    {
        "AUTO_CREATE_BUGS",
        "BEFORE_STORE",
        "DISABLE",
        "EXCLUDE_PATHS",
        "EXCLUDE_STATUS_CODES",
        "IGNORE_EXCEPTIONS",
        "IP_ADDRESSES",
        "RETENTION_DAYS",
        "SCRUB_KEYS",
    }
)


class WrongSettingError(Exception):
    """The settings cannot be understood, so that no payload is stored."""


def refuse(_event: object) -> None:
    """
    Stand in for a BEFORE_STORE that cannot be called.

    Raises:
        WrongSettingError: Always, so that the event is stored without its payload.
    """
    raise WrongSettingError("BEFORE_STORE is not a function, or the settings no dict")


def strict_value(key: str, value: Any) -> Any:
    """Return what is used in place of the wrong *value*, None for the default."""
    reader = READERS.get(key)
    if reader is None:
        return None
    return reader(value)


def value_of_misspelt(key: str, value: Any) -> Any:
    """
    Return what a misspelt *key* with this *value* means, None where it changes nothing.

    Only what protects people is guessed: a value that stores or publishes more than
    the default has to stand under its right name.
    """
    if key not in PROTECTING_KEYS:
        return None
    is_right = problem_of(key, value) is None
    if key == "IP_ADDRESSES":
        # Both are no stricter than the default.
        if is_right and value != "none":
            return None
        return "none"
    if key == "RETENTION_DAYS":
        days = value
        if not is_right:
            days = strict_value(key, value)
        if days is None or days >= DEFAULT_RETENTION_DAYS:
            return None
        return days
    if key in {"DISABLE", "AUTO_CREATE_BUGS"} or not is_right:
        return strict_value(key, value)
    return value


def _items_in(value: Any) -> Iterator[Any]:
    """Yield the single values in *value*; one text may have several, with commas."""
    if isinstance(value, (bytes, bytearray)):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        for item in value.split(","):
            yield item.strip()
        return
    yield from _nested_items(value, 0)


def _nested_items(value: Any, depth: int) -> Iterator[Any]:
    if depth > DEEPEST_NESTING:
        return
    if isinstance(value, (bytes, bytearray)):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, (list, tuple, set, frozenset, dict)):
        for item in value:
            yield from _nested_items(item, depth + 1)
        if isinstance(value, dict):
            yield from _nested_items(list(value.values()), depth + 1)
    else:
        yield value


def _texts(value: Any) -> tuple[str, ...] | None:
    """Return all texts in *value*: a text alone is a list of one."""
    texts = [item for item in _items_in(value) if is_text(item) and item.strip()]
    return _unless_empty(texts)


def _paths(value: Any) -> tuple[str, ...] | None:
    paths = []
    for text in _texts(value) or ():
        path = with_slash(text)
        # "https://shop.example" is no reason to exclude the whole site.
        if path != "/" or text.strip() == "/":
            paths.append(path)
    return _unless_empty(paths)


def _statuses(value: Any) -> tuple[int, ...] | None:
    statuses = []
    for item in _items_in(value):
        status = _number_from(item)
        if status in ERROR_STATUSES:
            statuses.append(status)
    return _unless_empty(statuses)


def _exceptions(value: Any) -> tuple[Any, ...] | None:
    items = []
    for item in _items_in(value):
        is_class = isinstance(item, type) and issubclass(item, BaseException)
        if is_class or (is_text(item) and item.strip()):
            items.append(item)
    return _unless_empty(items)


def _features(value: Any) -> tuple[str, ...] | None:
    """Return the features to turn off, also those that are almost named right."""
    features = []
    for text in _texts(value) or ():
        name: str | None = text.strip().lower()
        if name not in FEATURES:
            name = closest(text, STORE_PERSONAL_DATA, change=str.lower)
        if name is not None and name != STORES_MORE:
            features.append(name)
    return _unless_empty(features)


def _site(value: Any) -> dict[str, str]:
    """Return the entries that are right; a wrong link is shown to nobody."""
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if _is_right_entry(name, text)}


def _is_right_entry(name: object, text: object) -> bool:
    if not (isinstance(name, str) and isinstance(text, str)):
        return False
    return site_problem("SITE", name, text) is None


def _off_or_default(value: Any) -> bool | None:
    """Return False for what people write for "no": bugs are filed where others read."""
    if isinstance(value, str):
        is_off = value.strip().lower() in OFF_WORDS
    else:
        is_off = value is None or value is False or (is_number(value) and value == 0)
    if is_off:
        return False
    return None


def _start_of(longest: int) -> Callable[[Any], str | None]:
    """Return the reader of a name that is too long for its column."""

    def cut(value: Any) -> str | None:
        if not is_text(value):
            return None
        return str(value)[:longest]

    return cut


def _number_of(key: str) -> Callable[[Any], int | None]:
    """Return the reader of a number in quotes, as environment variables give it."""

    def read(value: Any) -> int | None:
        number = _number_from(value)
        if number is None or problem_of(key, number) is not None:
            return None
        return number

    return read


def _number_from(value: Any) -> int | None:
    if is_number(value):
        return int(value)
    # int() refuses texts of more than 4,300 digits; no setting needs twenty.
    if is_text(value) and len(value) < 20 and value.strip().isdecimal():
        return int(value)
    return None


def _unless_empty(items: Iterable[Any]) -> tuple[Any, ...] | None:
    """Return *items*, or None, which stands for the default, where there are none."""
    return tuple(items) or None


NUMBER_KEYS = tuple(key for key, rule in RULES.items() if rule.has_type is is_number)

READERS: dict[str, Callable[[Any], Any]] = {
    "AUTO_CREATE_BUGS": _off_or_default,
    "BEFORE_STORE": lambda _value: refuse,
    "DISABLE": _features,
    "ENVIRONMENT": _start_of(ENVIRONMENT_LENGTH),
    "EXCLUDE_PATHS": _paths,
    "EXCLUDE_STATUS_CODES": _statuses,
    "IGNORE_EXCEPTIONS": _exceptions,
    # Fewer frames count as the project's own, and so fewer variables are stored.
    "IN_APP": _texts,
    "IP_ADDRESSES": lambda _value: "none",
    "RELEASE": _start_of(RELEASE_LENGTH),
    "SCRUB_KEYS": _texts,
    "SITE": _site,
    **{key: _number_of(key) for key in NUMBER_KEYS},
}
