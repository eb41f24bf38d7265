"""
Asks ``git`` about a checkout: where it is, its commit, the commits that touched files.

Changes nothing. The repository may be hostile: nothing that its configuration names is
run, no pager and no prompt is started, and every call ends after a time.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

# As many as a reader checks.
COMMITS = 5
# Enough to find five that are not ignored.
COMMITS_READ = 50
# For all calls about one bug. Filing must not wait for a slow disk: a report without
# commits is complete.
TIMEOUT_SECONDS = 5
# The release is read when a process starts; it must not be held up by a slow disk.
HEAD_TIMEOUT_SECONDS = 2
COMMIT_CHARS = 12
_FORMAT = "%H %h %ad %an: %s"
# A subject of 72 characters, a long name, and what is before them.
LINE_CHARS = 200
# Where teams list commits that only format code, as `git blame` reads it.
IGNORED_COMMITS_FILE = ".git-blame-ignore-revs"
IGNORED_COMMITS_CHARS = 200_000
# Nothing that git takes for an option, a range or a pattern.
_FILENAME = re.compile(r"[\w./ +@=-]{1,300}")
_RELEASE = re.compile(r"[\w][\w.+/-]{0,99}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
_EMAIL = re.compile(r"<?[\w.+%'-]{1,64}@[\w.-]{1,255}>?")
# What a repository's own configuration could otherwise start.
_SAFE_OPTIONS = (
    "--no-pager",
    "-c",
    "core.fsmonitor=false",
    "-c",
    f"core.hooksPath={os.devnull}",
    "-c",
    "log.showSignature=false",
)
# Set by git for its hooks, and by deploy scripts: they mean another repository.
_OTHER_REPOSITORY = (
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_EXTERNAL_DIFF",
)


# The two ways to write the address of a repository: git@host:name and
# scheme://host/name.
_REMOTE = re.compile(
    r"(?:[\w+]+://)?(?:[^@/\s]+@)?(?P<host>[\w.-]+)(?::\d+/|[:/])/?"
    r"(?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?",
    re.ASCII,
)


class GitError(Exception):
    """Git gave no answer; the message says why."""


def checkout_root(base: Path) -> Path | None:
    """Return the root of the git checkout that contains *base*, None without one."""
    for folder in (base, *base.absolute().parents):
        if (folder / ".git").exists():
            return folder
    return None


def head_commit(base: Path) -> str:
    """
    Return the first ``COMMIT_CHARS`` digits of the commit that is checked out.

    ``""`` when *base* is in no checkout, or git is not installed.
    """
    root = checkout_root(base)
    if root is None:
        return ""
    # A server often runs as another user than the one who owns the checkout. Git
    # refuses to search for such a repository, but not to use the one that is named.
    repository = f"--git-dir={root / '.git'}"
    try:
        commit = _git(
            root,
            repository,
            "rev-parse",
            "--verify",
            "--quiet",
            "HEAD",
            timeout=HEAD_TIMEOUT_SECONDS,
        )
    except GitError:
        return ""
    return commit.strip()[:COMMIT_CHARS]


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """
    Where a checkout was cloned from.

    Attributes:
        host: For example ``github.com``.
        name: ``owner/name``.
        branch: The branch that is checked out, ``HEAD`` for the default one where a
            commit is checked out.

    """

    host: str
    name: str
    branch: str


def origin_of(root: Path) -> Origin | None:
    """Return where the checkout at *root* was cloned from, None where nobody knows."""
    repository = f"--git-dir={root / '.git'}"
    remote = ("config", "--get", "remote.origin.url")
    try:
        url = _git(root, repository, *remote, timeout=HEAD_TIMEOUT_SECONDS)
    except GitError:
        return None
    match = _REMOTE.fullmatch(url.strip())
    if match is None:
        return None
    current = ("symbolic-ref", "--quiet", "--short", "HEAD")
    try:
        branch = _git(root, repository, *current, timeout=HEAD_TIMEOUT_SECONDS)
    except GitError:
        branch = "HEAD"
    return Origin(match["host"].lower(), match["name"], branch.strip())


class Checkout:
    """
    The checkout at *root*.

    Attributes:
        problem: Why git did not answer, ``""`` when it did.

    """

    def __init__(self, root: Path) -> None:
        """Ask nothing yet."""
        self.root = root
        self.problem = ""
        self._deadline = 0.0

    def changes_to(
        self,
        filenames: Iterable[str],
        *,
        healthy_release: str = "",
        failing_release: str = "",
        until: str = "",
    ) -> tuple[str, ...]:
        """
        Return the last ``COMMITS`` commits that changed these files, the latest first.

        Those between two releases, where both are commits or tags of the checkout;
        else those up to the failing release, or up to a time. A line has hash, date,
        author and subject, without e-mail addresses. What
        ``.git-blame-ignore-revs`` names is left out. Takes ``TIMEOUT_SECONDS`` at most.

        Args:
            filenames: Ends of paths, as frames have them. They come from outside:
                only one that names exactly one tracked file counts.
            healthy_release: The last release that did not fail.
            failing_release: The first release that failed.
            until: No later commit counts (ISO 8601), ``""`` for no limit.
        """
        self._deadline = time.monotonic() + TIMEOUT_SECONDS
        paths = self._tracked(filenames)
        if not paths:
            return ()
        options = [
            f"-{COMMITS_READ}",
            "--no-show-signature",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--date=short",
            f"--format={_FORMAT}",
        ]
        healthy = self._commit_of(healthy_release)
        failing = self._commit_of(failing_release)
        if healthy and failing:
            options.append(f"{healthy}..{failing}")
        elif failing:
            options.append(failing)
        elif until:
            options.append(f"--until={until}")
        log = self._answer("--literal-pathspecs", "log", *options, "--", *paths)
        ignored = _ignored_commits(self.root)
        lines = []
        for entry in log.splitlines():
            commit, _, line = entry.partition(" ")
            if commit not in ignored:
                lines.append(_EMAIL.sub("[email]", line)[:LINE_CHARS])
        return tuple(lines[:COMMITS])

    def path_of(self, filename: str) -> str:
        """Return the one tracked file whose path ends with *filename*, else ``""``."""
        self._deadline = time.monotonic() + TIMEOUT_SECONDS
        return next(iter(self._tracked([filename])), "")

    def _tracked(self, filenames: Iterable[str]) -> list[str]:
        """Return the tracked files that *filenames* name, each exactly one."""
        wanted = {name for name in filenames if _FILENAME.fullmatch(name)}
        if not wanted:
            return []
        # Only these: a large repository has half a million files.
        patterns = sorted(f"**/{PurePosixPath(name).name}" for name in wanted)
        answer = self._answer("--glob-pathspecs", "ls-files", "-z", "--", *patterns)
        tracked = answer.split("\0")
        paths = set()
        for filename in wanted:
            found = [path for path in tracked if f"/{path}".endswith(f"/{filename}")]
            if len(found) == 1:
                paths.add(found[0])
        return sorted(paths)

    def _commit_of(self, release: str) -> str:
        """Return the commit that *release* names, ``""`` where it is none."""
        if not _RELEASE.fullmatch(release) or ".." in release:
            return ""
        names = [f"refs/tags/{release}", f"refs/tags/v{release}"]
        if _HASH.fullmatch(release):
            names.append(release)
        for name in names:
            try:
                commit = self._ask(
                    "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"
                )
            except GitError:
                continue
            return commit.strip()
        return ""

    def _answer(self, *arguments: str) -> str:
        try:
            return self._ask(*arguments)
        except GitError as error:
            self.problem = str(error)
            return ""

    def _ask(self, *arguments: str) -> str:
        # Named, as above: the process that files bugs seldom owns the checkout.
        repository = f"--git-dir={self.root / '.git'}"
        seconds_left = max(0.0, self._deadline - time.monotonic())
        return _git(self.root, repository, *arguments, timeout=seconds_left)


def _ignored_commits(root: Path) -> frozenset[str]:
    """Return the commits that the team has declared to change no behaviour."""
    path = root / IGNORED_COMMITS_FILE
    try:
        # A pipe or a device of that name would hold us up.
        if path.is_symlink() or not path.is_file():
            return frozenset()
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(IGNORED_COMMITS_CHARS)
    except OSError:
        return frozenset()
    lines = [line.partition("#")[0].strip().lower() for line in text.splitlines()]
    return frozenset(line for line in lines if line)


def _git(root: Path, *arguments: str, timeout: float) -> str:
    """
    Run ``git`` in *root* and return its output.

    Raises:
        GitError: It is not installed, failed, or took longer than *timeout* seconds.
    """
    command = ["git", "-C", str(root), *_SAFE_OPTIONS, *arguments]
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        # Reading must not wait for, or leave behind, a lock file.
        "GIT_OPTIONAL_LOCKS": "0",
        # A partial clone would fetch what it lacks, by commands that its configuration
        # names.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
    }
    for name in _OTHER_REPOSITORY:
        environment.pop(name, None)
    try:
        done = subprocess.run(  # noqa: S603  a list of fixed words and tracked paths
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=timeout,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError) as error:
        stderr = getattr(error, "stderr", b"") or b""
        reason = stderr.decode(errors="replace").strip() or str(error)
        raise GitError(reason) from error
    return done.stdout.decode(errors="replace")
