"""A git checkout asked for the commits that touched files; runs ``git``, changes nothing."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

COMMITS = 5
TIMEOUT_SECONDS = 30
_FORMAT = "%h %ad %an: %s"


class Checkout:
    """The checkout at *root*; ``problem`` says why git does not answer there."""

    def __init__(self, root: Path) -> None:
        """Read the names of the tracked files."""
        self.root = root
        self.problem = ""
        self._files: defaultdict[str, list[str]] = defaultdict(list)
        for path in self._git("ls-files", "-z").split("\0"):
            self._files[PurePosixPath(path).name].append(path)

    def commits_of(self, names: Iterable[str], until: str = "") -> tuple[str, ...]:
        """
        Return the last ``COMMITS`` commits, up to *until*, that touched the files with these *names*.

        A name is the end of a path, as a frame has it, from the outside: only a
        file of the checkout that it names alone counts.
        """
        paths = set()
        for name in names:
            ours = self._files.get(PurePosixPath(name).name, ())
            found = [path for path in ours if f"/{path}".endswith(f"/{name}")]
            paths |= set(found if len(found) == 1 else ())
        if not paths:
            return ()
        bounds = [f"--until={until}"] if until else []
        options = [f"-{COMMITS}", "--no-show-signature", "--no-color", "--date=short", f"--format={_FORMAT}", *bounds]
        return tuple(self._git("log", *options, "--", *sorted(paths)).splitlines())

    def _git(self, *arguments: str) -> str:
        command = ["git", "--literal-pathspecs", "-C", str(self.root), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_SECONDS)  # noqa: S603  no shell, no option from outside
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", b"") or str(error).encode()
            self.problem = said.decode(errors="replace").strip()
            return ""
        return done.stdout.decode(errors="replace")
