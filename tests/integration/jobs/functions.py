"""Jobs that fail, for every library that runs jobs."""

from __future__ import annotations

import sys
import time


def fail(number, password=""):
    raise ValueError(f"job {number} failed")


def slow():
    for _ in range(600):
        time.sleep(0.1)


def leave():
    sys.exit(3)


def succeed():
    return 7
