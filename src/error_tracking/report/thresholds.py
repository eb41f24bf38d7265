"""
Numbers that the failing code compares with, and placeholders on the same side of them.

A placeholder that is below a limit of the code where the recorded number was above it
ends in another branch. The limits are the code's own and no data, so a placeholder may
show between which of them a number lies. Knows no Django and runs none of the
project's code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from error_tracking.events.code_digest import definitions, file_text, parsed

# Functions of the stack that are read, the innermost first.
FUNCTIONS = 8
# A table of numbers is no limit: between many of them, a number would be told itself.
MOST = 20
# What a database holds in eight bytes.
MOST_NUMBER = Decimal(10) ** 18
_BOUNDS = frozenset({"min", "max", "range", "clamp", "islice"})
# How forms, serializers and schemas call the bounds of a field.
_OF_FIELDS = frozenset(
    {
        *("min_value", "max_value", "ge", "gt", "le", "lt", "limit_value"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("MinValueValidator", "MaxValueValidator"),
    }
)
# Most files declare none: they are not parsed.
_MAY_DECLARE = re.compile(
    r"\b(?:m(?:in|ax)_value|[gl][et]|limit_value)\s*=|[Mm](?:in|ax)imum\b|M(?:in|ax)ValueValidator"
)
_NUMBERS = frozenset(
    {
        *("int", "negative", "float", "negative float", "digits", "year"),
        *("negative digits", "decimal", "negative decimal"),
    }
)

Limits = frozenset[Decimal]
NO_LIMITS: Limits = frozenset()


def limits_of_code(frames: Iterable[Mapping[str, Any]]) -> Limits:
    """
    Return the numbers that functions compare with.

    Args:
        frames: Stored frames of the project, the raising one last.
    """
    found: set[Decimal] = set()
    for frame in list(frames)[-FUNCTIONS:]:
        text = file_text(str(frame.get("abs_path", "")))
        names: set[str] = set()
        for function in definitions(text, str(frame.get("function", ""))):
            for node in ast.walk(function):
                for operand in _compared(node):
                    found |= set(_numbers_in(operand))
                    names |= set(_names_in(operand))
        if names:
            found |= _constants_called(names, text)
    if len(found) > MOST:
        return NO_LIMITS
    return frozenset(found)


def limits_of_fields(paths: Iterable[str]) -> dict[str, Limits]:
    """Return the bounds that the source files at *paths* declare for fields, by name."""
    found: dict[str, set[Decimal]] = {}
    for path in paths:
        text = file_text(path) if path.endswith(".py") else ""
        if _MAY_DECLARE.search(text) is None:
            continue
        for name, declaration in _declarations(text):
            bounds = set(_bounds_in(declaration))
            if bounds:
                found.setdefault(name, set()).update(bounds)
    return {name: frozenset(bounds) for name, bounds in found.items()}


def _compared(node: ast.AST) -> list[ast.expr]:
    """Return what *node* compares with, nothing if it decides nothing."""
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.MatchValue):
        return [node.value]
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key is not None]
    if isinstance(node, ast.Call):
        name = _last_name(node.func)
        return list(node.args) if name in _BOUNDS else []
    return []


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _numbers_in(node: ast.expr) -> Iterator[Decimal]:
    """Yield the numbers written in *node*: a constant, or a tuple of them."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        for each in node.elts:
            yield from _numbers_in(each)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        for positive in _numbers_in(node.operand):
            yield -positive
    elif isinstance(node, ast.Call) and _last_name(node.func) == "Decimal":
        for argument in node.args[:1]:
            yield from _numbers_in(argument)
    elif isinstance(node, ast.Constant):
        # A text: of Decimal("0.5"), or compared with what a form sent.
        number = _decimal(node.value)
        if number is not None:
            yield number


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _names_in(node: ast.expr) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute | ast.Name):
            yield _last_name(inner)


def _constants_called(names: set[str], text: str) -> set[Decimal]:
    """Return the numbers that modules and classes in *text* have under *names*."""
    found: set[Decimal] = set()
    for name, value in _declarations(text):
        if name in names:
            found |= set(_numbers_in(value))
    return found


def _declarations(text: str) -> Iterator[tuple[str, ast.expr]]:
    """Yield what modules and classes in *text* assign, and the items of their dicts."""
    tree = parsed(text)
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            if isinstance(node.target, ast.Name):
                yield node.target.id, node.value
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value


def _bounds_in(declaration: ast.expr) -> Iterator[Decimal]:
    """Yield the bounds in the *declaration* of a field."""
    for node in ast.walk(declaration):
        if isinstance(node, ast.keyword) and node.arg in _OF_FIELDS:
            yield from _numbers_in(node.value)
        elif isinstance(node, ast.Call) and _last_name(node.func) in _OF_FIELDS:
            for argument in node.args:
                yield from _numbers_in(argument)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in _OF_FIELDS:
                    yield from _numbers_in(value)


# Placeholders


def kind_beside(kind: str, value: object, limits: Limits) -> str:
    """
    Return *kind*, of a number, with one on the same side of each of *limits*.

    Args:
        kind: The kind of *value*; that of anything else is returned as it is.
        value: What was sent.
        limits: What the code compares with.
    """
    name, _colon, usual = kind.partition(":")
    number = _decimal(value)
    if name not in _NUMBERS or number is None or not limits:
        return kind
    if abs(number) >= MOST_NUMBER:
        return kind
    is_whole = not name.endswith(("float", "decimal"))
    if number in limits:
        return f"{name}:{_text(abs(number), is_whole=is_whole)}"
    if number < 0:
        number, limits = -number, frozenset(-limit for limit in limits)
    below = [limit for limit in limits if limit < number]
    above = [limit for limit in limits if limit > number]
    lowest = max(below, default=Decimal(0))
    highest = min(above, default=None)
    if usual or name != "year":
        placeholder = Decimal(usual or 1)
        if not is_whole and "." not in usual:
            placeholder += Decimal("0.5")
    else:
        placeholder = Decimal(2026)
    is_beside = lowest < placeholder and (highest is None or placeholder < highest)
    if is_beside:
        return kind
    decade = _decade(number)
    lowest = max(lowest, decade)
    end_of_decade = max(decade * 10, Decimal(1))
    highest = min(end_of_decade, highest) if highest is not None else end_of_decade
    return f"{name}:{_between(lowest, highest, limits, is_whole=is_whole)}"


def _decade(number: Decimal) -> Decimal:
    """Return the power of ten at or below *number*, which is positive; 0 below 1."""
    if number < 1:
        return Decimal(0)
    return Decimal(10) ** number.adjusted()


def _between(
    lowest: Decimal, highest: Decimal, limits: Limits, *, is_whole: bool
) -> str:
    """Return a number from *lowest* to *highest* which is none of *limits*."""
    if is_whole:
        first = lowest.to_integral_value(ROUND_FLOOR)
        if first < lowest or first in limits or first == 0:
            first += 1
        return _text(first, is_whole=True)
    middle = (lowest + highest) / 2
    for places in range(1, 7):
        rounded = round(middle, places)
        if lowest < rounded < highest:
            return _text(rounded, is_whole=False)
    return _text(middle, is_whole=False)


def _text(number: Decimal, *, is_whole: bool) -> str:
    if is_whole:
        return f"{number:.0f}"
    text = f"{number:.6f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text
