"""
Digests of source code: whether a function, or the app around it, is still what it was.

A generated test compares them, because a request that ends without the recorded error
proves nothing as long as the code that failed is the same. White space at the ends of
lines and blank lines do not count. Knows no Django and runs none of the project's code.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

# Ten hex digits: two versions of one function share them once in 10**12 times.
DIGITS = 10
# Longer files are generated.
FILE_CHARS = 512 * 1024
# An app of a project has some tens of files.
FILES = 400
SUFFIXES = frozenset({".py", ".html", ".txt", ".jinja", ".jinja2", ".xml"})
# What a comprehension or a lambda is called: it is part of the function around it.
_NAMELESS = frozenset({"<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>"})
_PARTS = _NAMELESS | {"<genexpr>", "<locals>"}

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def text_digest(text: str) -> str:
    """Return the digest of *text*, without its blank lines and the ends of lines."""
    lines = [line.rstrip() for line in text.splitlines()]
    shown = "\n".join(line for line in lines if line)
    return hashlib.sha256(shown.encode(errors="replace")).hexdigest()[:DIGITS]


def function_digest(text: str, function: str) -> str:
    """
    Return the digest of *function* in the Python source *text*.

    Args:
        text: The source of a module.
        function: A qualified name, such as ``OrderView.post``; ``<module>`` or ``""``
            for the whole module.

    Returns:
        ``""`` where there is no such function, or *text* is no Python.
    """
    if not _names_of(function):
        return text_digest(text)
    found = [_source_of(text, node) for node in definitions(text, function)]
    if not found:
        return ""
    # A property and its setter have one name, as have the branches of an if.
    return text_digest("\n".join(found))


def _names_of(function: str) -> list[str]:
    names = [name for name in function.split(".") if name not in _PARTS]
    return [] if names == ["<module>"] else names


def definitions(text: str, function: str) -> list[_Function]:
    """Return the syntax of *function*, a qualified name, in the source *text*."""
    tree = parsed(text)
    names = _names_of(function)
    if tree is None or not names:
        return []
    found: list[ast.AST] = [tree]
    for name in names:
        inner = [each for outer in found for each in _named(outer, name)]
        found = list(inner)
    return [each for each in found if isinstance(each, _Function)]


def parsed(text: str) -> ast.Module | None:
    """Return the syntax tree of the source *text*, None where it is no Python."""
    try:
        return _parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=32)
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _named(outer: ast.AST, name: str) -> Iterator[_Function]:
    """Yield what *outer* itself defines under *name*, also in an ``if`` or ``try``."""
    waiting = list(ast.iter_child_nodes(outer))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, _Function):
            if node.name == name:
                yield node
        else:
            waiting += ast.iter_child_nodes(node)


def _source_of(text: str, node: _Function) -> str:
    first = node.lineno
    for decorator in node.decorator_list:
        first = min(first, decorator.lineno)
    lines = text.splitlines()[first - 1 : node.end_lineno]
    return "\n".join(line[node.col_offset :] for line in lines)


def file_text(path: str) -> str:
    """Return the text of the source file at *path*, ``""`` if it cannot be read."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(FILE_CHARS)
    except (OSError, ValueError):
        return ""


def folder_digest(folder: str) -> str:
    """
    Return the digest of the source files below *folder*, ``""`` where there are none.

    Tests are left out: the one that asks is perhaps among them.
    """
    total = hashlib.sha256()
    count = 0
    for path in _source_files(Path(folder)):
        count += 1
        total.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        total.update(text_digest(file_text(str(path))).encode())
    if count == 0:
        return ""
    return total.hexdigest()[:DIGITS]


def _source_files(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.rglob("*") if path.suffix in SUFFIXES]
    except OSError:
        return []
    own = [path for path in found if not _is_test(path.relative_to(folder))]
    return sorted(own)[:FILES]


def _is_test(path: Path) -> bool:
    names = [part.removesuffix(".py") for part in path.parts]
    return any(
        name in {"tests", "test", "conftest"} or name.startswith(("test_", "."))
        for name in names
    )
