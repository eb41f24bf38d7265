"""
Finds people by their address in a text: e-mail addresses, and IP addresses.

Both also URL-encoded, escaped or as entities of HTML. Takes time linear in the text.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import TYPE_CHECKING

from error_tracking.utils import masked_ip

from .values import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

EMAIL = "[email]"
ADDRESS = "[ip]"

_AT = r"(?:@|\uff20|%(?:25){0,2}40|&#(?:64|[xX]40);|&commat;|\\{1,4}(?:u00|x)40)"
_AT_SIGN = re.compile(_AT)
_LOCAL = re.compile(
    r"(?:\"[^\"\n@]{1,64}\"|(?:[\w.+'-]|%(?:25){0,2}(?!40|25|3[dD]|26|2[fF]|20|22|27"
    r"|3[aA])[0-9a-fA-F]{2})++)\Z"
)
_LAST_OF_LOCAL = re.compile(r"[\w.+'\"-]")
# Also URL-encoded: letters outside ASCII, and the dot.
_LABEL = r"(?:[\w-]|%(?:25){0,2}[89a-fA-F][0-9a-fA-F])++"
_DOMAIN = re.compile(
    rf"{_LABEL}(?:(?:\.|%(?:25){{0,2}}2[eE]){_LABEL})++|\[(?:IPv6:)?[0-9a-fA-F:.]++\]"
)
_LAST_LABEL = re.compile(r"(?:\.|2[eE])[^\W\d_][\w%-]*\Z|\]\Z")
# A forwarded address has another one in it: "ann=example.org@lists.example" (VERP).
_FORWARDED = re.compile(r"[\w.+-]++=\Z")
# "git@github.com:shop/web.git" is a repository.
_NOBODY = frozenset({"git", "hg", "svn"})
LOCAL_CHARS = 100


def email_spans(text: str) -> Iterator[Span]:
    """Yield e-mail addresses, also URL-encoded and with letters outside ASCII."""
    has_sign = "@" in text or "40" in text or "\uff20" in text
    if not (has_sign or "&#64;" in text or "&commat;" in text):
        return
    last = 0
    for sign in _AT_SIGN.finditer(text):
        # Most signs in a text that is full of them have nothing in front: the search
        # below would look for it a hundred times.
        if not _LAST_OF_LOCAL.match(text, max(last, sign.start() - 1), sign.start()):
            continue
        domain = _DOMAIN.match(text, sign.end())
        if domain is None or not _LAST_LABEL.search(domain[0]):
            continue
        local = _LOCAL.search(text, max(last, sign.start() - LOCAL_CHARS), sign.start())
        if local is None:
            continue
        if local[0] in _NOBODY and text[domain.end() : domain.end() + 1] in {":", "/"}:
            continue
        start = local.start()
        if local[0][0] == "'" == text[domain.end() : domain.end() + 1]:
            start += 1  # quotes around the address
        if text[start - 1 : start] == "%":  # the rest of another escape: "%3Dann@…"
            start += 2
        if text[start - 1 : start] == "=" and _LAST_LABEL.search(local[0]):
            forwarded = _FORWARDED.search(text, max(last, start - LOCAL_CHARS), start)
            if forwarded:
                start = forwarded.start()
        last = domain.end()
        yield start, last, EMAIL


_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z]|\.[0-9])")
#: Names of hosts that are made of an address: ``ip-192-0-2-7``,
#: ``192-0-2-7.dsl.example``; and addresses in reverse.
_IPV4_DASHED = re.compile(r"[0-9]{1,3}(?:-[0-9]{1,3}){3}(?![0-9]|-[0-9])")
_REST_OF_HOST = re.compile(r"\.[A-Za-z][\w-]{0,60}\.[A-Za-z]")
_REVERSE = re.compile(
    r"(?:[0-9]{1,3}\.){4}(?=in-addr\.arpa)|(?:[0-9a-fA-F]\.){8,32}(?=ip6\.arpa)",
    re.IGNORECASE,
)
_IPV6 = re.compile(
    r":(?:[0-9a-fA-F]{0,4}+:){1,8}+(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
    r"|[0-9a-fA-F]{0,4}+)(?![0-9A-Za-z:]|\.[0-9])"
)
_IPV6_ENCODED = re.compile(
    r"(?:(?<![0-9A-Za-z%])|(?<=%5B)|(?<=%5b))(?:[0-9a-fA-F]{1,4}"
    r"|%(?:25){0,2}3[aA]){4,50}+(?![0-9A-Za-z])"
)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_FIRST_GROUP = re.compile(r"[0-9a-fA-F]{1,4}\Z")
_LONG_GROUP = re.compile(r"(?:^|:)[0-9a-fA-F]{3,4}::")
# Each costs some microseconds to read: what comes after so many in one text is masked
# unread.
MOST_ADDRESSES = 40


def address_spans(text: str, mode: str) -> Iterator[Span]:
    """Yield IP addresses with what stays of them in *mode*, as in ``masked_ip()``."""
    if ".arpa" in text:
        for found in _REVERSE.finditer(text):
            yield found.start(), found.end() - 1, ADDRESS
    left = MOST_ADDRESSES
    for start, end in _addresses(text):
        left -= 1
        kept = _masked(text[start:end], mode) if left > 0 else ADDRESS
        if kept is not None:
            yield start, end, kept
    if text.count("-") > 2:
        for found in _IPV4_DASHED.finditer(text):
            start, end = found.span()
            if _is_name_of_host(text, start, end):
                yield start, end, "x-x-x-x"


def _is_name_of_host(text: str, start: int, end: int) -> bool:
    """Return whether the dashed address from *start* to *end* begins a host's name."""
    before = text[max(0, start - 3) : start]
    if before == "ip-":
        return True
    if before[-1:].isalnum() or before[-1:] == "-":
        return False
    return _REST_OF_HOST.match(text, end) is not None


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of what may be an address."""
    if text.count(":") > 1:
        for found in _IPV6.finditer(text):
            start = found.start()
            if text[max(0, start - 4) : start].lower() == "ipv6":
                start += 1
            else:
                group = _FIRST_GROUP.search(text, max(0, start - 4), start)
                if group:
                    start = group.start()
                before = text[start - 1 : start]
                if before.isalnum() or before in {":", "."}:
                    continue
            address = text[start : found.end()]
            # Not "10:30:45" or "items[1::2]".
            if address.count(":") > 2 or _LONG_GROUP.search(address):
                yield start, found.end()
    if "%" in text and ("3A" in text or "3a" in text):
        for found in _IPV6_ENCODED.finditer(text):
            if found[0].lower().count("3a") > 1 and "%" in found[0]:
                yield found.start(), found.end()
    if text.count(".") > 2:
        for found in _IPV4.finditer(text):
            before = text[max(0, found.start() - 3) : found.start()]
            is_inside = before[-1:].isalnum() or before[-1:] == "."
            is_named = before[-2:].lower() == "ip"
            if not is_inside or is_named or _ESCAPE.fullmatch(before):
                yield found.start(), found.end()


_ENCODED_COLON = re.compile(r"%(?:25){0,2}3a", re.IGNORECASE)
_ZEROS = re.compile(r"(?<![0-9])0{1,2}(?=[0-9])")


@functools.lru_cache(maxsize=1_024)
def _masked(text: str, mode: str) -> str | None:
    """
    Return what stays of the address *text*, None for all.

    It is no address, or every machine's own.
    """
    plain = _ENCODED_COLON.sub(":", text)
    if ":" not in plain:
        plain = _ZEROS.sub("", plain)
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified:
        return None
    return masked_ip(plain, mode=mode) or ADDRESS
