"""
Starts the example, sends it requests that fail, and shows what became of them.

Goes on serving until it is stopped; with --once (or ONCE=1) it ends with
status 0, or 1 when anything expected is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "example"
TIMES = 3
START_SECONDS = 30.0
WAIT_SECONDS = 30.0


@dataclasses.dataclass
class Row:
    """One kind of failure: what was sent, and what is there now."""

    name: str
    sent: int
    statuses: list[int]
    added: int
    seen: int
    bug: str
    why_not: str
    file: str
    issue: str
    problems: list[str]


def fail(message: str) -> None:
    """End with *message* and status 2: the demonstration itself could not run."""
    sys.stderr.write(f"{message}\n")
    sys.exit(2)


def set_up_django() -> None:
    """Make the example's models usable here."""
    sys.path.insert(0, str(EXAMPLE))
    os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    import django

    django.setup()


def migrate() -> None:
    """Make both databases and the demonstration's user."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    for database in ("default", "error_tracking"):
        call_command("migrate", database=database, verbosity=0)
    if not User.objects.filter(username="admin").exists():
        User.objects.create_superuser("admin", "", "admin")


def free_port(wanted: int | None) -> int:
    """Return *wanted*, or the first free port from 8000 on."""
    for port in [wanted] if wanted else range(8000, 8050):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    fail(
        f"Port {wanted} is taken: choose another with --port."
        if wanted
        else "No port from 8000 to 8049 is free."
    )
    raise AssertionError


@contextlib.contextmanager
def server(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the example's server for as long as the block takes."""
    command = [
        sys.executable,
        "manage.py",
        "runserver",
        "--noreload",
        "--insecure",
        f"127.0.0.1:{port}",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=EXAMPLE, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while request(port, "/") != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                fail(
                    f"The example's server did not start. The end of its log:\n{log.read_text()[-2_000:]}"
                )
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        if process.poll() is None:
            process.kill()


def request(
    port: int,
    path: str,
    method: str = "GET",
    headers: Any = None,
    body: bytes | None = None,
) -> int:
    """Send one request and read the answer to its end; return its status, 0 for no answer."""
    base = f"http://127.0.0.1:{port}"
    asked = urllib.request.Request(  # noqa: S310  http, to this machine
        base + path,
        data=body,
        headers={"Origin": base, **(headers or {})},
        method=method,
    )
    try:
        with urllib.request.urlopen(asked, timeout=20) as response:  # noqa: S310  http, to this machine
            status: int = response.status
            with contextlib.suppress(
                Exception
            ):  # a body cut off half-way is what one of them is about
                response.read()
            return status
    except urllib.error.HTTPError as error:
        with error:
            error.read()
            return error.code
    except OSError:
        return 0


def provoke(animal: Any, port: int) -> int:
    """Have *animal* fail as a visitor does, or as its command; return the status."""
    if animal.command:
        command = [sys.executable, "manage.py", *animal.command]
        return subprocess.run(
            command, cwd=EXAMPLE, capture_output=True, check=False
        ).returncode
    headers = {
        "Accept": "application/json"
        if animal.accepts_json
        else "text/html,application/xhtml+xml"
    }
    body = None
    if animal.upload:
        file = f'Content-Disposition: form-data; name="{animal.upload}"; filename="pony.gif"\r\n\r\nGIF89a, not a PNG'
        parts = [
            f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'
            for name, value in animal.form.items()
        ]
        body = (
            "".join(f"--edge\r\n{part}\r\n" for part in [*parts, file]).encode()
            + b"--edge--\r\n"
        )
        headers["Content-Type"] = "multipart/form-data; boundary=edge"
    elif animal.is_api:
        body = animal.body.encode() or None
        headers["Content-Type"] = "application/json"
    elif animal.method == "POST":
        body = urlencode(animal.form).encode()
    return request(port, animal.path, animal.method, headers, body)


def groups_by_name() -> dict[str, Any]:
    """Return the group of each kind of failure that has one."""
    from error_tracking.models import ErrorGroup

    found = {group.title: group for group in ErrorGroup.objects.select_related("bug")}
    return {
        animal.name: found[animal.title]
        for animal in animals()
        if animal.title in found
    }


def wait_until_settled(before: dict[str, int], times: int) -> None:
    """Wait until everything sent is counted and what is due is filed, or the time is over."""
    from error_tracking.models import Filing, KnownBug

    deadline = time.monotonic() + WAIT_SECONDS
    expected = len(animals()) * times
    while time.monotonic() < deadline:
        counted = sum(
            group.times_seen - before.get(name, 0)
            for name, group in groups_by_name().items()
        )
        open_filings = Filing.objects.exclude(
            state__in=("filed", "local", "failed")
        ).count()
        show_progress(
            f"{counted} of {expected} errors recorded, {open_filings} filings open"
        )
        wanted = sum(animal.is_bug for animal in animals())
        if (
            counted >= expected
            and not open_filings
            and KnownBug.objects.count() >= wanted
        ):
            break
        time.sleep(0.3)
    show_progress("")


def show_progress(text: str) -> None:
    """Show *text* in the place of the last one, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def animals() -> list[Any]:
    """Return the exhibits of the zoo."""
    from shop.zoo import ANIMALS

    return ANIMALS


def look(
    statuses: dict[str, list[int]], before: dict[str, int], times: int
) -> list[Row]:
    """Return what became of each kind of failure, with what is missing."""
    from django.conf import settings

    from error_tracking import conf

    groups = groups_by_name()
    folder = conf.get_settings().planning_dir
    has_github = bool(settings.ERROR_TRACKING["GITHUB_REPO"])
    rows = []
    for animal in animals():
        group = groups.get(animal.name)
        bug = group.bug if group else None
        seen = group.times_seen if group else 0
        added = seen - before.get(animal.name, 0)
        problems = []
        if set(statuses[animal.name]) != {animal.status}:
            problems.append(
                f"answered {statuses[animal.name]}, expected {animal.status}"
            )
        if added != times:
            problems.append(f"{times} were sent, {added} were recorded")
        if (bug is not None) is not animal.is_bug:
            problems.append(
                "became no bug"
                if animal.is_bug
                else "became a bug, which it should not"
            )
        if bug is not None and not (
            bug.file_name and (folder / bug.file_name).is_file()
        ):
            problems.append("has no bug file")
        problems += (
            [
                f"was not filed with {each.tracker}: {each.reason}"
                for each in bug.filings.filter(state="failed")
            ]
            if bug
            else []
        )
        if bug is not None and has_github and not bug.github_issue_number:
            problems.append("has no GitHub issue")
        rows.append(
            Row(
                name=animal.name,
                sent=times,
                statuses=statuses[animal.name],
                added=added,
                seen=seen,
                bug=bug.bug_id if bug else "",
                why_not=group.verdict_reason if group and not bug else "",
                file=bug.file_name if bug else "",
                issue=(
                    f"#{bug.github_issue_number}" if bug.github_issue_number else "-"
                )
                if bug
                else "",
                problems=problems,
            )
        )
    return rows


def print_table(rows: list[Row]) -> None:
    """Print the way of each failure: requests, group, bug, file, issue."""
    heads = (
        "failure",
        "requests",
        "status",
        "seen",
        "bug",
        "file, or why there is no bug",
        "issue",
    )
    cells = [
        (
            row.name,
            str(row.sent),
            "/".join(map(str, sorted(set(row.statuses)))),
            str(row.seen),
            row.bug or "-",
            row.file or row.why_not,
            row.issue or "-",
        )
        for row in rows
    ]
    widths = [
        max(len(line[index]) for line in (heads, *cells)) for index in range(len(heads))
    ]
    for line in (heads, tuple("-" * width for width in widths), *cells):
        print(
            "  ".join(
                text.ljust(width) for text, width in zip(line, widths, strict=True)
            ).rstrip()
        )


def main() -> int:
    """Run the demonstration; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--once",
        action="store_true",
        default=os.environ.get("ONCE") in {"1", "true", "yes"},
    )
    parser.add_argument(
        "--port",
        type=int,
        help="where to serve (default: the first free one from 8000 on)",
    )
    parser.add_argument(
        "--times",
        type=int,
        default=TIMES,
        help=f"requests per failure (default: {TIMES})",
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="forget what earlier demonstrations recorded",
    )
    options = parser.parse_args()
    data = Path(os.environ.get("EXAMPLE_DATA_DIR", EXAMPLE))
    if options.fresh:
        for name in ("data", "planning"):
            shutil.rmtree(data / name, ignore_errors=True)
    set_up_django()
    migrate()
    before = {name: group.times_seen for name, group in groups_by_name().items()}
    port = free_port(options.port)
    with server(port, data / "data" / "server.log") as process:
        statuses: dict[str, list[int]] = {}
        for animal in animals():
            show_progress(f"failing: {animal.name}")
            statuses[animal.name] = [
                provoke(animal, port) for _ in range(options.times)
            ]
        wait_until_settled(before, options.times)
        rows = look(statuses, before, options.times)
        tell(rows, port, as_json=options.json)
        problems = [
            f"{row.name}: {problem}" for row in rows for problem in row.problems
        ]
        for problem in problems:
            sys.stderr.write(f"MISSING  {problem}\n")
        if not options.once:
            print("\nServing until you press Ctrl-C …", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
            print("\nStopped.")
            return 0
    return 1 if problems else 0


def tell(rows: list[Row], port: int, *, as_json: bool) -> None:
    """Print the table and where to look."""
    from error_tracking import conf

    if as_json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    base = f"http://127.0.0.1:{port}"
    bugs = [row for row in rows if row.bug]
    print_table(rows)
    print(
        f"\n{sum(row.sent for row in rows)} requests failed: {len({row.name for row in rows if row.seen})} groups, "
        f"{len(bugs)} bugs, {sum(bool(row.file) for row in bugs)} bug files, "
        f"{sum(row.issue.startswith('#') for row in bugs)} GitHub issues"
        + (
            ""
            if conf.get_settings().GITHUB_REPO
            else " (no repository: set ERROR_TRACKING_GITHUB_REPO=owner/name)"
        )
    )
    print(f"\nThe error zoo   {base}/")
    print(
        f"The dashboard   {base}/admin/error_tracking/dashboard/   log in as admin, password admin (demonstration only)"
    )
    if bugs:
        path = conf.get_settings().planning_dir / bugs[0].file
        print(f"A bug file      {os.path.relpath(path)}")


if __name__ == "__main__":
    sys.exit(main())
