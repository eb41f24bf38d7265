"""One of many processes: raises the same new error again and again, as soon as it is told to."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
django.setup()

import error_tracking  # noqa: E402  after setup
from error_tracking.services import ErrorCaptureService  # noqa: E402


def explode(number):
    raise ValueError(f"order {number} is gone")


signal, times = Path(sys.argv[1]), int(sys.argv[2])
while not signal.exists():
    time.sleep(0.005)
for number in range(times):
    try:
        explode(number)
    except ValueError as error:
        ErrorCaptureService().capture_exception(None, error)
sys.exit(0 if error_tracking.flush(60) else 1)
