"""
The page's style under a Content-Security-Policy, wherever the policy is written.

A nonce that was given out for the request is used. A policy that the response
already has, written by a middleware inside ours, learns our nonce and stays as strict
as it is. A middleware outside ours is going to write one after us, and leaves a policy
alone that is there. So the page brings a policy of its own, unless the project has
changed the templates and may load other files with them; then only where a middleware
is known to write policies.
"""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING

from django.conf import settings as django_settings

from . import templates

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
NONCE_BYTES = 16
NONCE_CHARS = 100  # a longer one is none that a middleware has made
_NOT_IN_NONCES = re.compile(r"[^\w+/=-]")

#: The directives that decide about a ``<style>``, the most specific one first.
STYLE_DIRECTIVES = ("style-src-elem", "style-src", "default-src")

#: Ours loads nothing; a template of the project's may load files of the site.
OWN_POLICY = (
    "default-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'"
)

Directives = dict[str, list[str]]


def nonce_for(request: HttpRequest, response: HttpResponse) -> str:
    """
    Return the nonce of the page's style, ``""`` where none is needed.

    May write a policy.
    """
    given = request.__dict__.get("_csp_nonce", request.__dict__.get("csp_nonce"))
    policy = response.get(HEADER)
    if policy:
        # One that was given out for it is in the policy already.
        return _clean(given) if given else _allow_in(response, policy)
    # A lazy one is false until it is made, and is made now.
    nonce = "" if given is None else _clean(given)
    brings_policy = templates.are_ours() or has_policy_middleware()
    if policy is None and brings_policy:
        # Django's middleware puts the nonce only into policies that ask for one.
        nonce = nonce or _new_nonce()
        response[HEADER] = OWN_POLICY.format(nonce=nonce)
    return nonce


def _new_nonce() -> str:
    """Return 128 random bits, as CSP 3 (7.1) asks for."""
    return os.urandom(NONCE_BYTES).hex()


def _clean(nonce: object) -> str:
    """Return *nonce* as it may stand in an attribute; a lazy one is made now."""
    return _NOT_IN_NONCES.sub("", str(nonce))[:NONCE_CHARS]


@functools.lru_cache(maxsize=1)
def has_policy_middleware() -> bool:
    """Return whether the project has a middleware that writes policies."""
    names = [str(name).lower() for name in django_settings.MIDDLEWARE]
    return any("csp" in name or "contentsecuritypolicy" in name for name in names)


def _allow_in(response: HttpResponse, policy: str) -> str:
    """
    Let *policy* allow one style more, and return its nonce.

    ``""`` where it needs none.
    """
    if "," in policy:
        return ""  # several policies, all of which count
    directives = _directives_of(policy)
    deciding = ""
    for name in STYLE_DIRECTIVES:
        if name in directives:
            deciding = name
            break
    if not deciding or "'unsafe-inline'" in directives[deciding]:
        return ""
    nonce = _new_nonce()
    allowed = [source for source in directives[deciding] if source != "'none'"]
    allowed.append(f"'nonce-{nonce}'")
    target = "style-src" if deciding == "default-src" else deciding
    directives[target] = allowed
    response[HEADER] = "; ".join(
        " ".join([name, *sources]) for name, sources in directives.items()
    )
    return nonce


def _directives_of(policy: str) -> Directives:
    """
    Return the directives of *policy*.

    Of two with one name the first counts (CSP 3, 2.2.1).
    """
    directives: Directives = {}
    for part in policy.split(";"):
        words = part.split()
        if words:
            directives.setdefault(words[0].lower(), words[1:])
    return directives
