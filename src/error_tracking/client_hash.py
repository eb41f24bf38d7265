"""
Hashes one client of one group to sixteen hex digits, which identify nobody.

With the same key and another group the digits are others, so nobody can follow a client
through the groups of a site.
"""

from __future__ import annotations

import functools
import hashlib

from django.conf import settings


def client_hash_of(who: str, fingerprint: str) -> str:
    """
    Return the hash of one client in one group, 16 hex digits.

    Args:
        who: The client, ``"user:…"`` or ``"ip:…"``.
        fingerprint: Of the group.
    """
    key = _client_key(settings.SECRET_KEY)
    # Keyed BLAKE2 (RFC 7693, 2.9) is a MAC like HMAC. HMAC would let other threads run
    # in the middle of the request.
    return hashlib.blake2b(
        f"{fingerprint}:{who}".encode(), key=key, digest_size=8
    ).hexdigest()


@functools.lru_cache(maxsize=1)
def _client_key(secret: str) -> bytes:
    return hashlib.sha256(f"error_tracking.client:{secret}".encode()).digest()
