"""Processes that a test forks."""

from __future__ import annotations

import signal

CHILD_SECONDS = 30


def end_in_time() -> None:
    """
    End this forked process if it hangs, so that its parent does not wait for ever.

    The default action, as a handler in Python needs an interpreter that works.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(CHILD_SECONDS)
