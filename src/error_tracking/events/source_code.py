"""
Finds the source lines of code that is running, also after its file was replaced.

``linecache`` reads whatever is on disk now. A deploy that replaces files under a
running worker would give the lines of other code, and a new fingerprint.
"""

from __future__ import annotations

import linecache
import os
import time
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

# Larger files are generated; compiling one would take seconds.
COMPILED_CHARS = 1_000_000


def _process_start() -> float:
    """
    Return when this process started, in seconds since the epoch; if unknown, now.

    Linux tells it as clock ticks since the machine booted, field 22 of
    proc_pid_stat(5).
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return booted_at + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return time.time()


# Of the process that imported us: its forked children run the code it has imported.
_started_at = _process_start()


def source_lines(
    code: CodeType, lineno: int, module_globals: dict[str, Any]
) -> tuple[list[str], int]:
    """
    Return the lines of the file of *code*, and its line *lineno* there.

    The number differs from *lineno* if the file was replaced and the function has only
    moved. If the function has changed, or its loader fails, there are no lines: none
    is better than the wrong ones.
    """
    path = code.co_filename
    try:
        lines = linecache.getlines(path, module_globals)
    except Exception:  # noqa: BLE001  a loader may be the project's own
        return [], lineno
    if not lines:
        return [], lineno
    modified_at = _modified_at(path)
    if modified_at <= _started_at or not path.endswith(".py"):
        return lines, lineno
    moved = _first_line_now(path, modified_at, code)
    if moved is None:
        return [], lineno
    return lines, lineno + moved - code.co_firstlineno


def _modified_at(path: str) -> float:
    """Return when the file at *path* changed, 0 if it is not a file."""
    try:
        # Asked for each frame: making a Path takes several times as long.
        return os.stat(path).st_mtime  # noqa: PTH116
    except (OSError, ValueError):
        return 0.0


@lru_cache(maxsize=1_024)
def _first_line_now(path: str, modified_at: float, code: CodeType) -> int | None:
    """Return the first line of *code* in the file as it was at *modified_at*."""
    candidates = _functions_in(path, modified_at).get(code.co_qualname, ())
    for candidate in candidates:
        if _parts(candidate) == _parts(code):
            return candidate.co_firstlineno
    return None


def _parts(code: CodeType) -> tuple[object, ...]:
    """
    Return what *code* does, without where it stands.

    Functions inside it count by name.
    """
    constants = [
        value.co_name if isinstance(value, CodeType) else repr(value)
        for value in code.co_consts
    ]
    return code.co_code, code.co_names, code.co_varnames, constants


@lru_cache(maxsize=16)
def _functions_in(path: str, modified_at: float) -> dict[str, list[CodeType]]:
    """
    Return the functions in the file at *path* by qualified name.

    *modified_at* is for the cache.
    """
    text = "".join(linecache.getlines(path))
    found: dict[str, list[CodeType]] = {}
    if len(text) > COMPILED_CHARS:
        return found
    try:
        module = compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return found
    waiting = [module]
    while waiting:
        code = waiting.pop()
        found.setdefault(code.co_qualname, []).append(code)
        waiting += [each for each in code.co_consts if isinstance(each, CodeType)]
    return found
