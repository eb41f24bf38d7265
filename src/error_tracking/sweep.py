"""
One round of everything that is not an event: gate, upkeep of bugs, outbox, what pages say, retention.

Run by the machine's leader, by ``error_tracking_sync`` and by Celery beat; twice at
the same time is harmless.
"""

from __future__ import annotations

import functools

from . import allowance, conf, gate, known, retention, runners, upkeep
from .models import Journal, Release
from .models.base import committed


@committed(Journal)
def run(*, is_waiting: bool = False) -> bool:
    """
    Do one round; return whether something asks for another within seconds.

    Args:
        is_waiting: Whether what is due is filed before it returns, and not where RUNNER says.
    """
    _note_release(conf.get_settings().release)
    is_held = False
    if conf.get_settings().creates_bugs:
        is_held = gate.sweep()
    gate.note_spikes()
    upkeep.run()
    if is_waiting:
        runners.file_all()
    else:
        runners.run_due()
    known.publish(gate.public_states())
    Journal.objects.prune()
    if retention.schedule.run() is not None:
        allowance.forget()
    return is_held


@functools.lru_cache(maxsize=1)
def _note_release(release: str) -> None:
    """Note the running release, also when it has no errors: its first sight is its place in the order."""
    if release:
        Release.objects.see(release)
