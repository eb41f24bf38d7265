"""
Small tools without a domain word: text that any column takes, identifiers, time.

A leaf: imports nothing of ours and knows nothing of errors or bugs.
"""

from __future__ import annotations

import functools
import inspect
import ipaddress
import os
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

UNPRINTABLE = "<unprintable>"
# The longest there is: IPv6 with an IPv4 tail, a zone, brackets and a port has 45 + 17
# + 2 + 6.
ADDRESS_CHARS = 72

# What may be printed without running code of the project's.
PLAIN: frozenset[type] = frozenset({str, int, float, bool, type(None)})

# Characters that nobody sees, or that do something: they hide words from a reader which
# a program still reads, turn the order of letters round, or drive a terminal. Unicode's
# categories Cc (but tab and newline), Cf, Co, Zl and Zp, noncharacters, and what is
# drawn as nothing (Default_Ignorable_Code_Point: fillers, tags, variation selectors).
_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    + "".join(
        f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}"
        for plane in range(0x10000, 0xE0000, 0x10000)
    )
    + "\U000e0000-\U0010ffff"
    "]"
    # The selectors of text and emoji style are usual, one after a character that has
    # both.
    "|(?<![#*0-9\xa9\xae\u203c-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]"
)
_NO_NAME = "[…]"
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*){0,20}")


def clean_text(value: str, limit: int) -> str:
    """
    Return *value* cut to *limit* characters and storable in every database.

    Controls except tab and newline, invisible and private characters become
    U+FFFD, lone surrogates a question mark. The cut comes first, so that the cost
    is bounded.
    """
    value = value[:limit]
    if value.isascii() and value.isprintable():
        return value
    value = value.replace("\r\n", "\n").encode("utf-8", "replace").decode()
    return _UNSAFE.sub("\ufffd", value)


def clean_line(value: str, limit: int) -> str:
    """Return *value* as :func:`clean_text` does, on one line with single spaces."""
    return " ".join(clean_text(value, limit).split())


def type_ids(*types: type) -> frozenset[int]:
    """
    Return the identities of *types*.

    To look a class up among classes would call its metaclass's ``__hash__``.
    """
    return frozenset(map(id, types))


def dotted_name(value: str, limit: int) -> str:
    """
    Return *value* where it is a dotted name of Python's, else ``[…]``.

    ``type(text, bases, {})`` makes a class of any name, from text of a visitor say.
    """
    name = clean_line(value, limit)
    if _DOTTED.fullmatch(name) is None:
        return _NO_NAME
    return name


def bases_of(cls: type) -> tuple[type, ...]:
    """Return *cls* and what it derives from; a metaclass cannot interfere."""
    bases: tuple[type, ...] = type.__dict__["__mro__"].__get__(cls)
    return bases


def qualified_name(cls: type) -> str:
    """Return module and name of *cls*; a metaclass cannot interfere."""
    # Not the class's own attributes: a metaclass may have overridden them.
    module = type.__dict__["__module__"].__get__(cls)
    name = type.__dict__["__qualname__"].__get__(cls)
    return f"{module}.{name}"


IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_from(value: str) -> IPAddress | None:
    """
    Return the address in *value*, or None where there is none.

    Accepts what proxies write: with a port (``192.0.2.1:4711``,
    ``[2001:db8::1]:4711``), in brackets, quotes or with a zone. An IPv4 address
    inside an IPv6 one (RFC 4291, 2.5.5.2) is returned as IPv4.
    """
    text = value[:ADDRESS_CHARS].strip(' "').partition("%")[0]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


@functools.lru_cache(maxsize=1_024)
def subscriber_of(value: str) -> str:
    """
    Return what is the same for all addresses of one subscriber.

    An IPv6 subscriber has a /64 at least (RFC 6177), and can use each address of
    it. With 6to4 (RFC 3056) and Teredo (RFC 4380) anybody who has one IPv4
    address has a whole IPv6 network, so that IPv4 address counts. What is no
    address is returned as it is, cut to the length of one.
    """
    address = address_from(value)
    if address is None:
        return value[:ADDRESS_CHARS].strip()
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.sixtofour is not None:
        return str(address.sixtofour)
    if address.teredo is not None:
        _server, client = address.teredo
        return str(client)
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)


def masked_ip(value: str, *, mode: str = "masked") -> str | None:
    """
    Return what may be stored of the address in *value*, None for nothing.

    Args:
        value: An address as proxies write it; anything else gives None.
        mode: ``"masked"`` for the network (/24, IPv6: /48), ``"full"`` for the whole
            address, ``"none"`` for nothing.
    """
    if mode == "none":
        return None
    address = address_from(value)
    if address is None:
        return None
    if mode == "full":
        return str(address)
    prefix = 24 if address.version == 4 else 48
    return str(
        ipaddress.ip_network(f"{address}/{prefix}", strict=False).network_address
    )


def uuid7() -> uuid.UUID:
    """
    Return a new UUID version 7 (RFC 9562, 5.7).

    It begins with 48 bits of milliseconds, so later ones sort behind earlier ones.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


def named_arguments(
    function: Callable[..., object], args: Any, kwargs: Any
) -> dict[str, Any]:
    """Return the arguments of a call by their names, which show the secret ones."""
    try:
        return dict(inspect.signature(function).bind_partial(*args, **kwargs).arguments)
    except (TypeError, ValueError):  # arguments that do not fit may be why it failed
        return {"args": args, "kwargs": kwargs}


def hour_of(moment: dt.datetime) -> dt.datetime:
    """Return the start of the hour that *moment* lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)
