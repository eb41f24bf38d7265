"""The failing project: a shop with accounts, payments, an API and jobs."""

from __future__ import annotations
