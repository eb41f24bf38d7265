"""
Builds the documentation in build/docs; a warning of Sphinx is a failure.

With LINKS=1 it also asks for every page outside that a link names, which needs the
network and takes some minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "build" / "docs"


def build(builder: str, folder: Path) -> int:
    """Run the Sphinx *builder* into *folder*; return the exit status."""
    options = ["-W", "--keep-going", "-q", "-E", "-b", builder]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs")]
    return subprocess.call([*command, str(folder)], cwd=ROOT)


def main() -> int:
    """Build the pages, and check the links outside if LINKS=1 asks for it."""
    status = build("html", TARGET)
    if status:
        return status
    if os.environ.get("LINKS") == "1":
        status = build("linkcheck", ROOT / "build" / "links")
    if not status:
        print(f"The documentation is in {TARGET / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
