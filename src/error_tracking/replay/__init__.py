"""
For generated tests of a bug: repeats a failure, and is never content without it.

A test that a bug file proposes describes the recorded failure and repeats what led to
it. With the bug it fails with the recorded exception. Where it does not get there, it
fails with a sentence that says where it stopped. It passes only once the code that
failed has changed, was reached, and raised nothing.
"""

from __future__ import annotations

from .failure import Failure, failing_as
from .files import make_file, make_folder, missing_file
from .requests import replay
from .rows import make_row, make_user

__all__ = [
    "Failure",
    "failing_as",
    "make_file",
    "make_folder",
    "make_row",
    "make_user",
    "missing_file",
    "replay",
]
