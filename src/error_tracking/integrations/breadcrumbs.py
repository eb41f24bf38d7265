"""
Turns log records into breadcrumbs, through the record factory of ``logging``.

Replacing the factory adds no handler and changes no level of the project's loggers.
"""

from __future__ import annotations

import logging
from typing import Any

from error_tracking import conf
from error_tracking.capture.breadcrumbs import add_log_breadcrumb


def connect() -> None:
    """Chain a factory that leaves each record as a breadcrumb."""
    previous = logging.getLogRecordFactory()

    def record_from(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = previous(*args, **kwargs)
        try:
            if "breadcrumbs" not in conf.get_settings().DISABLE:
                add_log_breadcrumb(record)
        except Exception:  # noqa: BLE001, S110
            # A record may carry anything, and this runs inside the project's call of
            # a logger: that call has to succeed, at the price of one breadcrumb. The
            # failure cannot be logged, because the record of it would come through
            # here again.
            pass
        return record

    logging.setLogRecordFactory(record_from)
