"""Files for generated tests of commands, removed once nothing refers to them."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class TemporaryPath(str):
    """A path in a folder of its own, which goes when the path is forgotten."""

    __slots__ = ("__weakref__",)


def make_file(name: str, content: bytes) -> TemporaryPath:
    """
    Create a file in a new folder, and return its path.

    Keep the path in a variable as long as the file is needed.
    """
    path = missing_file(name)
    Path(path).write_bytes(content)
    return path


def make_folder() -> TemporaryPath:
    """Create an empty folder, and return its path; see :func:`make_file`."""
    path = missing_file("example")
    Path(path).mkdir()
    return path


def missing_file(name: str) -> TemporaryPath:
    """Return a path where no file is, in a folder that exists; see :func:`make_file`."""
    folder = tempfile.mkdtemp(prefix="error-tracking-")
    path = TemporaryPath(Path(folder, name))
    weakref.finalize(path, shutil.rmtree, folder, ignore_errors=True)
    return path
