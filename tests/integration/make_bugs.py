"""One of many processes: saves new bugs, as soon as it is told to."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
django.setup()

from error_tracking.models import KnownBug  # noqa: E402  after setup

signal, times = Path(sys.argv[1]), int(sys.argv[2])
while not signal.exists():
    time.sleep(0.005)
for number in range(times):
    KnownBug.objects.create(title=f"Bug {number} of {os.getpid()}")
