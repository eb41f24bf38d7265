"""
Small tools without a domain word: text that any column takes, identifiers, time.

A leaf: imports nothing of ours and knows nothing of errors or bugs.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import ipaddress
import os
import re
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path

UNPRINTABLE = "<unprintable>"
TEXT_SECONDS = 0.25

PLAIN = frozenset({str, int, float, bool, type(None)})  # what may be printed without running foreign code
_hung: set[str] = set()
_A_LOOP: Any = object()

# C0 and C1 controls except tab and newline, bidirectional and zero-width controls (FAULTS S06, A03, X18).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")


def clean_text(value: str, limit: int) -> str:
    """
    Return *value* cut to *limit* characters and storable in every database.

    Controls except tab and newline become U+FFFD, lone surrogates a question
    mark. The cut comes first, so that the cost is bounded.
    """
    value = value[:limit]
    if value.isascii() and value.isprintable():
        return value
    value = value.replace("\r\n", "\n").encode("utf-8", "replace").decode()
    return _UNSAFE.sub("\ufffd", value)


def clean_line(value: str, limit: int) -> str:
    """Return *value* as :func:`clean_text` does, on one line with single spaces."""
    return " ".join(clean_text(value, limit).split())


def safe_text(value: object, limit: int) -> str:
    """
    Return ``str(value)`` cleaned and cut, whatever ``__str__`` does.

    Django refuses queries where an event loop runs, so one seems to: a text of
    what went wrong is never worth a connection of its own (FAULTS C21).

    A foreign ``__str__`` may raise anything, ``SystemExit`` included, return
    what is not text (FAULTS C20), or never return: it has ``TEXT_SECONDS`` on a
    thread of its own, and a class that hung is not asked again. Else
    ``<unprintable>`` is returned.
    """
    cls = type(value)
    if cls in PLAIN:
        return clean_text(str(value), limit)
    name = qualified_name(cls)
    if name in _hung:
        return UNPRINTABLE
    found: list[str] = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(_put_text, value, limit, found), daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread to be had
        _put_text(value, limit, found)
    else:
        thread.join(TEXT_SECONDS)
    if not found:
        _hung.add(name)
    return found[0] if found else UNPRINTABLE


def _put_text(value: object, limit: int, found: list[str]) -> None:
    running = asyncio._get_running_loop()  # public enough: in asyncio.__all__
    asyncio._set_running_loop(_A_LOOP)
    try:
        text = str(value)
        found.append(clean_text(text if type(text) is str else str.__str__(text), limit))
    except BaseException:  # noqa: BLE001  a foreign __str__ may raise SystemExit
        found.append(UNPRINTABLE)
    finally:
        asyncio._set_running_loop(running)


def bases_of(cls: type) -> tuple[type, ...]:
    """Return *cls* and what it derives from; a metaclass cannot interfere (FAULTS C26)."""
    bases: tuple[type, ...] = type.__dict__["__mro__"].__get__(cls)
    return bases


def qualified_name(cls: type) -> str:
    """Return module and name of *cls*; a metaclass cannot interfere."""
    return f"{type.__dict__['__module__'].__get__(cls)}.{type.__dict__['__qualname__'].__get__(cls)}"


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


def uuid7() -> uuid.UUID:
    """Return a new UUID version 7 (RFC 9562, 5.7): 48 bits of milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


def named_arguments(function: Callable[..., object], args: Any, kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the arguments of a call of *function* by their names, which tell the secret ones."""
    try:
        return dict(inspect.signature(function).bind_partial(*args, **kwargs).arguments)
    except (TypeError, ValueError):  # arguments that do not fit may be why it failed
        return {"args": args, "kwargs": kwargs}


def hour_of(moment: dt.datetime) -> dt.datetime:
    """Return the start of the hour that *moment* lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def checkout_of(base: Path) -> Path | None:
    """Return the root of the git checkout that *base* lies in, None where there is none."""
    for folder in (base, *base.absolute().parents):
        if (folder / ".git").exists():
            return folder
    return None


def git_head(base: Path) -> str:
    """Return the commit that the checkout around *base* stands at, ``""`` where there is none; runs no program."""
    root = checkout_of(base)
    if root is None:
        return ""
    try:
        git = root / ".git"
        if git.is_file():  # a worktree or submodule
            git = root / git.read_text(encoding="utf-8").partition("gitdir:")[2].strip()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        name = head.partition("ref: ")[2]
        return _commit_of(git, name) if name else head
    except (OSError, ValueError):
        return ""


def _commit_of(git: Path, name: str) -> str:
    common = git / "commondir"
    root = git / common.read_text(encoding="utf-8").strip() if common.exists() else git
    for place in (git / name, root / name):
        if place.is_file():
            return place.read_text(encoding="utf-8").strip()
    lines = (root / "packed-refs").read_text(encoding="utf-8").splitlines()
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")
