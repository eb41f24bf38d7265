"""
Where errors come from besides requests, each source in a module of its own.

Each connects itself where its library is there and the project has not named it
in ``DISABLE``. Uses the hooks that libraries offer, never a patch.
"""

from __future__ import annotations
