"""
One round of everything that is not an event: gate, upkeep of bugs, outbox, what pages say, retention.

Run by the machine's leader, by ``error_tracking_sync`` and by Celery beat; twice at
the same time is harmless.
"""

from __future__ import annotations

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
    settings = conf.get_settings()
    if settings.release:  # its first sight is its place in the order, also when it has no errors
        Release.objects.see(settings.release)
    is_held = settings.creates_bugs and gate.sweep()
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
