"""
Starts per-process state again in a forked child, also if Python did not see the fork.

``os.register_at_fork`` covers ``os.fork()`` and multiprocessing. A fork from C (some
servers and extensions) runs no such hook: the child would go on with threads that do
not exist in it and write into its parent's files. Comparing process ids costs about
40 ns, so it is done wherever an event or a request comes in.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_resets: list[Callable[[], None]] = []
_lock = threading.RLock()
_owner_pid = os.getpid()


def on_fork(reset: Callable[[], None]) -> None:
    """Call *reset* once in each forked child; it must neither raise nor wait."""
    _resets.append(reset)


def check() -> None:
    """Start again if this process is a child whose fork ran none of Python's hooks."""
    if os.getpid() == _owner_pid:
        return
    with _lock:
        # Another thread of the child may have been faster.
        if os.getpid() != _owner_pid:  # pragma: no branch
            _start_anew()


def _start_anew() -> None:
    global _owner_pid  # noqa: PLW0603  one owner per process
    for reset in _resets:
        reset()
    # Last: until everything is reset, other threads of the child wait for the lock.
    _owner_pid = os.getpid()


def _after_python_fork() -> None:
    global _lock  # noqa: PLW0603  a thread of the parent may have held the old one
    _lock = threading.RLock()
    _start_anew()


if hasattr(os, "register_at_fork"):  # pragma: no branch  Windows does not fork
    os.register_at_fork(after_in_child=_after_python_fork)
