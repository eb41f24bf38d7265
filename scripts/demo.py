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
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "example"
TIMES = 3
START_SECONDS = 30.0
WAIT_SECONDS = 30.0
BOUNDARY = "edge"
PORTS = range(8000, 8050)
LOG_CHARS = 2_000


@dataclasses.dataclass(frozen=True)
class Row:
    """
    One kind of failure: what was sent, and what is there now.

    Attributes:
        name: What the zoo calls it.
        statuses: The answers to its requests; of a command its exit statuses.
        added: How many of these failures were recorded.
        seen: How often its group was seen, also in earlier demonstrations.
        bug: The number of its bug, ``""`` without one.
        why_not: Why it is no bug.
        file: The name of its bug file.
        issue: ``#`` and the number of its issue, ``-`` for a bug without one.
        problems: What is not as expected, in words.

    """

    name: str
    statuses: list[int]
    added: int
    seen: int
    bug: str = ""
    why_not: str = ""
    file: str = ""
    issue: str = ""
    problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return len(self.statuses)


def fail(message: str) -> NoReturn:
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
    ports = [wanted] if wanted else PORTS
    for port in ports:
        if is_free(port):
            return port
    if wanted:
        fail(f"Port {wanted} is taken: choose another with --port.")
    fail(f"No port from {PORTS[0]} to {PORTS[-1]} is free: choose one with --port.")


def is_free(port: int) -> bool:
    """Return whether a server can listen on *port* of this machine."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


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
                end_of_log = log.read_text()[-LOG_CHARS:]
                fail(f"The server did not start. The end of its log:\n{end_of_log}")
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
            # One of the failures cuts its body off half-way.
            with contextlib.suppress(Exception):
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
    body, content_type = body_of(animal)
    headers = {"Accept": "text/html,application/xhtml+xml"}
    if animal.accepts_json:
        headers["Accept"] = "application/json"
    if content_type:
        headers["Content-Type"] = content_type
    return request(port, animal.path, animal.method, headers, body)


def body_of(animal: Any) -> tuple[bytes | None, str]:
    """Return the body of the request and its content type, ``""`` for that of a form."""
    if animal.upload:
        return multipart_body(animal), f"multipart/form-data; boundary={BOUNDARY}"
    if animal.is_api:
        return animal.body.encode() or None, "application/json"
    if animal.method == "POST":
        return urlencode(animal.form).encode(), ""
    return None, ""


def multipart_body(animal: Any) -> bytes:
    """Return the fields of a form, and a file that is not what its name says."""
    parts = []
    for name, value in animal.form.items():
        parts.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}')
    parts.append(
        f'Content-Disposition: form-data; name="{animal.upload}"; filename="pony.gif"'
        "\r\n\r\nGIF89a, not a PNG"
    )
    lines = [f"--{BOUNDARY}\r\n{part}\r\n" for part in parts]
    return "".join([*lines, f"--{BOUNDARY}--\r\n"]).encode()


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
    wanted_bugs = sum(animal.is_bug for animal in animals())
    unfinished = Filing.objects.exclude(state__in=("filed", "local", "failed"))
    while time.monotonic() < deadline:
        groups = groups_by_name()
        counted = sum(
            group.times_seen - before.get(name, 0) for name, group in groups.items()
        )
        waiting = unfinished.count()
        show_progress(
            f"{counted} of {expected} errors recorded, {waiting} filings open"
        )
        has_all_bugs = KnownBug.objects.count() >= wanted_bugs
        if counted >= expected and not waiting and has_all_bugs:
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


def rows_for(
    statuses: dict[str, list[int]], before: dict[str, int], times: int
) -> list[Row]:
    """
    Return what became of each kind of failure, with what is missing.

    Args:
        statuses: The answers, by the name of the failure.
        before: How often each group was seen before the demonstration.
        times: How many requests were sent for each.

    """
    groups = groups_by_name()
    rows = []
    for animal in animals():
        name = animal.name
        row = row_for(animal, groups.get(name), statuses[name], before.get(name, 0))
        problems = problems_of(row, animal, groups.get(name), times)
        rows.append(dataclasses.replace(row, problems=problems))
    return rows


def row_for(animal: Any, group: Any, statuses: list[int], seen_before: int) -> Row:
    """Return what is there now of *animal*; *group* is None where nothing is."""
    seen = group.times_seen if group else 0
    row = Row(animal.name, statuses, added=seen - seen_before, seen=seen)
    if group is None:
        return row
    bug = group.bug
    if bug is None:
        return dataclasses.replace(row, why_not=group.verdict_reason)
    issue = "-"
    if bug.github_issue_number:
        issue = f"#{bug.github_issue_number}"
    return dataclasses.replace(row, bug=bug.bug_id, file=bug.file_name, issue=issue)


def problems_of(row: Row, animal: Any, group: Any, times: int) -> list[str]:
    """Return what is not as *animal* promises."""
    from django.conf import settings

    from error_tracking import conf

    problems = []
    if set(row.statuses) != {animal.status}:
        problems.append(f"answered {row.statuses}, expected {animal.status}")
    if row.added != times:
        problems.append(f"{times} were sent, {row.added} were recorded")
    if animal.is_bug and not row.bug:
        problems.append("became no bug")
    if row.bug and not animal.is_bug:
        problems.append("became a bug, which it should not")
    if not row.bug:
        return problems
    folder = conf.get_settings().planning_dir
    if not row.file or not (folder / row.file).is_file():
        problems.append("has no bug file")
    problems += [
        f"was not filed with {filing.tracker}: {filing.reason}"
        for filing in group.bug.filings.filter(state="failed")
    ]
    if settings.ERROR_TRACKING["GITHUB_REPO"] and row.issue == "-":
        problems.append("has no GitHub issue")
    return problems


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
    columns = list(zip(heads, *cells, strict=True))
    widths = [max(len(text) for text in column) for column in columns]
    rule = tuple("-" * width for width in widths)
    for line in (heads, rule, *cells):
        padded = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        print("  ".join(padded).rstrip())


def parsed_options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--once",
        action="store_true",
        default=os.environ.get("ONCE") in {"1", "true", "yes"},
        help="end when the table is printed",
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
    return parser.parse_args()


def main() -> int:
    """Run the demonstration; return the exit status."""
    options = parsed_options()
    data = Path(os.environ.get("EXAMPLE_DATA_DIR", EXAMPLE))
    if options.fresh:
        for name in ("data", "planning"):
            shutil.rmtree(data / name, ignore_errors=True)
    set_up_django()
    migrate()
    port = free_port(options.port)
    with server(port, data / "data" / "server.log") as process:
        rows = demonstrate(port, options.times)
        if options.json:
            print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        else:
            print_results(rows, port)
        has_problems = report_problems(rows)
        if not options.once:
            print("\nServing until you press Ctrl-C …", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
            print("\nStopped.")
            return 0
    return 1 if has_problems else 0


def demonstrate(port: int, times: int) -> list[Row]:
    """Let everything fail *times* times, and return what became of it."""
    before = {name: group.times_seen for name, group in groups_by_name().items()}
    statuses: dict[str, list[int]] = {}
    for animal in animals():
        show_progress(f"failing: {animal.name}")
        statuses[animal.name] = [provoke(animal, port) for _ in range(times)]
    wait_until_settled(before, times)
    return rows_for(statuses, before, times)


def report_problems(rows: list[Row]) -> bool:
    """Write what is missing to the standard error; return whether anything is."""
    has_problems = False
    for row in rows:
        for problem in row.problems:
            sys.stderr.write(f"MISSING  {row.name}: {problem}\n")
            has_problems = True
    return has_problems


def print_results(rows: list[Row], port: int) -> None:
    """Print the table, its sums and where to look."""
    from error_tracking import conf

    settings = conf.get_settings()
    print_table(rows)
    requests = sum(row.sent for row in rows)
    groups = sum(row.seen > 0 for row in rows)
    bugs = [row for row in rows if row.bug]
    files = sum(row.file != "" for row in bugs)
    issues = sum(row.issue.startswith("#") for row in bugs)
    print(
        f"\n{requests} requests failed: {groups} groups, {len(bugs)} bugs, "
        f"{files} bug files, {issues} GitHub issues"
    )
    if not settings.GITHUB_REPO:
        print("(no repository: set ERROR_TRACKING_GITHUB_REPO=owner/name)")
    base = f"http://127.0.0.1:{port}"
    print(f"\nThe error zoo   {base}/")
    print(
        f"The dashboard   {base}/admin/error_tracking/dashboard/   "
        "log in as admin, password admin (demonstration only)"
    )
    if bugs:
        path = settings.planning_dir / bugs[0].file
        print(f"A bug file      {os.path.relpath(path)}")


if __name__ == "__main__":
    sys.exit(main())
