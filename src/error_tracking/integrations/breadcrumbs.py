"""Log records as breadcrumbs, through the factory that ``logging`` lets be replaced: no handler, no level changes."""

from __future__ import annotations

import logging
from typing import Any

from error_tracking import conf, context


def connect() -> None:
    """Chain a factory that leaves each record as a breadcrumb."""
    previous = logging.getLogRecordFactory()

    def record_from(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401  logging's signature
        record = previous(*args, **kwargs)
        try:
            if "breadcrumbs" not in conf.get_settings().DISABLE:
                context.leave_record(record)
        except Exception:  # noqa: BLE001, S110  the host's logging goes on whatever a record carries; logging it would recurse
            pass
        return record

    logging.setLogRecordFactory(record_from)
