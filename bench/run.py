"""
Runs every measurement, interleaved, and writes a table, JSON and the page in the docs.

Everything is on loopback, bounded in time, and in folders and databases made
for it and dropped in the end. Needs wrk for the load; PostgreSQL and MariaDB
are measured where they are reachable.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import attack, peers, sink
from bench.page import IN_PLACE
from bench.paired import FORM
from bench.secrets.kept import table as secrets_table

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = (
    "none",
    "django-error-tracking",
    "django-admin-errors",
    "sentry-sdk",
    "row per error",
)
SERVERS = {
    "2 sync workers": ("--workers=2",),
    "1 worker, 8 threads": ("--workers=1", "--threads=8"),
}
PORTS = {"postgres": 5432, "mariadb": 3306}
CONNECTIONS = 8
PACKAGES = ("django", "psycopg", "sentry-sdk", "django-admin-errors", "gunicorn")
#: What a process of the measured site executes to count what its variant stored, as n.
_COUNTING = {
    "django-error-tracking": (
        "from error_tracking import recorder; recorder.start(); recorder.flush(60); "
        "from error_tracking.models import HourlyTotal as T; "
        "n = sum(T.objects.values_list('count', flat=True))"
    ),
    "django-admin-errors": (
        "from admin_errors.models import Issue; "
        "n = sum(Issue.objects.values_list('count', flat=True))"
    ),
    "row per error": "n = site.row_model().objects.count()",
    "none": "n = 0",
}
TARGETS = {
    "request without an error": "≤ 2 µs, ratio ≤ 1.02",
    "failing request, stored whole": "≤ 1,500 µs",
    "failing request, repeated": "≤ 150 µs",
}


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Return whether something answers on *port*."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=2),
    ):
        return True
    return False


@contextlib.contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    """Give the environment of a database made for one measurement."""
    name = f"et_bench_{uuid.uuid4().hex[:10]}"
    with tempfile.TemporaryDirectory() as folder:
        _execute(kind, f"CREATE DATABASE {name}")
        try:
            yield {"BENCH_DATABASE": kind, "BENCH_NAME": name, "BENCH_FOLDER": folder}
        finally:
            drop = f"DROP DATABASE {name}"
            if kind == "postgres":
                # Connections of a server that was killed may still be there.
                drop += " WITH (FORCE)"
            _execute(kind, drop)


def _execute(kind: str, statement: str) -> None:
    if kind == "postgres":
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())
    elif kind == "mariadb":
        import pymysql

        with contextlib.closing(
            pymysql.connect(host="127.0.0.1", user="root")
        ) as connection:
            connection.cursor().execute(statement)


def run(environment: dict[str, str], *arguments: str) -> str:
    """Run a Python of ours and return what it printed."""
    answer = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{answer.stderr}")
    return answer.stdout


def children_of(pid: int) -> list[int]:
    """Return the processes that *pid* has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(word) for word in text.split()]


def resident_megabytes(pids: list[int]) -> float:
    """Return the largest resident memory of *pids*."""
    return max(_resident_kilobytes(pid) for pid in pids) / 1024


def _resident_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return _number_in(r"VmRSS:\s+(\d+)", status)


def _number_in(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        sys.exit(f"{pattern} was not found in:\n{text}")
    return int(found[1])


def storm(
    variant: str, server: tuple[str, ...], environment: dict[str, str], seconds: int
) -> dict[str, float]:
    """
    Measure *variant* under failing requests.

    Args:
        variant: One of ``VARIANTS``.
        server: Arguments of gunicorn.
        environment: That of :func:`database`.
        seconds: How long the storm lasts, after a second to warm up.

    Returns:
        Requests per second, the share of them that was counted, and by how many
        megabytes the largest worker grew.

    """
    environment = {**os.environ, **environment, "BENCH_VARIANT": variant}
    with _serving(server, environment) as (process, port):
        load = _load(port, Path(environment["BENCH_FOLDER"]))
        subprocess.run([*load, "-d1s"], check=True, capture_output=True)
        counted_before = _counted(variant, environment)
        memory = resident_megabytes(children_of(process.pid))
        answer = subprocess.run(
            [*load, f"-d{seconds}s"], check=True, capture_output=True, text=True
        )
        requests = _number_in(r"(\d+) requests in", answer.stdout)
        growth = resident_megabytes(children_of(process.pid)) - memory
    counted = _counted(variant, environment) - counted_before
    share = 0.0
    if variant != "none":
        # wrk leaves up to a request per connection unanswered at its end, which the
        # server still serves.
        share = min(1.0, counted / requests)
    return {
        "requests per second": requests / seconds,
        "counted": share,
        "memory growth, MB": growth,
    }


@contextlib.contextmanager
def _serving(
    server: tuple[str, ...], environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the measured site for as long as the block takes; give its process and port."""
    port = free_port()
    program = [sys.executable, "-m", "gunicorn", *server]
    process = subprocess.Popen(
        [*program, f"--bind=127.0.0.1:{port}", "bench.wsgi:application"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(port)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _load(port: int, folder: Path) -> list[str]:
    """Return the command that sends forms to a view that fails, without its duration."""
    fields = [f"{name}={value.replace(' ', '+')}" for name, value in FORM.items()]
    lines = [
        'wrk.method = "POST"',
        f"wrk.body = [[{'&'.join(fields)}]]",
        'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"',
        'wrk.headers["Accept"] = "text/html"',
    ]
    script = folder / "post.lua"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    address = f"http://127.0.0.1:{port}/fail"
    return ["wrk", "-t1", f"-c{CONNECTIONS}", "-s", str(script), address]


def _await(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/fine", timeout=5).close()
            return
        time.sleep(0.1)
    sys.exit("The measured site did not come up.")


def _counted(variant: str, environment: dict[str, str]) -> int:
    """Return how many errors *variant* has counted."""
    if variant == "sentry-sdk":
        return sink.Sink.received
    if variant == "django-error-tracking":
        # What is still on its way.
        time.sleep(1.5)
    code = f"from bench import site; site.configure(); {_COUNTING[variant]}; print(n)"
    return int(run(environment, "-c", code).split()[-1])


def prepare(environment: dict[str, str]) -> None:
    """Make the tables of the variant of BENCH_VARIANT, and of ours that writes rows."""
    code = (
        "from bench import site; site.configure(); from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\nfrom django.db import connection\n"
        "with connection.schema_editor() as editor: editor.create_model(site.row_model())"
    )
    run(environment, "-c", code)


def storms(
    rounds: int, seconds: int, dsn: str
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the medians of *rounds* per server and variant, the variants taking turns."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name, server in SERVERS.items():
        found: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
        for _ in range(rounds):
            for variant in VARIANTS:
                with database("postgres") as environment:
                    environment["BENCH_DSN"] = dsn
                    prepare({**environment, "BENCH_VARIANT": variant})
                    values = storm(variant, server, environment, seconds)
                found[variant].append(values)
                speed = values["requests per second"]
                print(f"  {name}: {variant}: {speed:.0f}/s", file=sys.stderr)
        medians = {variant: _medians(values) for variant, values in found.items()}
        fastest = medians["none"]["requests per second"]
        for values in medians.values():
            values["share"] = values["requests per second"] / fastest
        results[name] = medians
    return results


def _medians(measured: list[dict[str, float]]) -> dict[str, float]:
    names = measured[0]
    return {name: statistics.median(each[name] for each in measured) for name in names}


def attacks(seconds: int) -> dict[str, dict[str, float]]:
    """Return what storms that are half an attacker's did, per server; ends the program when a count is not exact."""
    found: dict[str, dict[str, float]] = {}
    for name, server in SERVERS.items():
        with database("postgres") as environment:
            prepare({**environment, "BENCH_VARIANT": "django-error-tracking"})
            found[name] = attack.attack(server, environment, free_port(), seconds)
    return found


def machine() -> str:
    """Return what the numbers were measured on."""
    model = None
    processors = Path("/proc/cpuinfo")
    if processors.exists():
        text = processors.read_text(encoding="utf-8")
        model = re.search(r"model name\s*:\s*(.+)", text)
    parts = [
        f"{os.cpu_count()} cores, {model[1] if model else platform.machine()}",
        f"Python {platform.python_version()}",
    ]
    parts += [f"{name} {_version(name)}" for name in PACKAGES]
    return ", ".join(parts)


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def tables(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        *_request_table(results),
        *_peers_table(results["peers"]),
        *_page_table(results["page"]),
        *_storm_tables(results.get("storms", {})),
        *_attack_table(results.get("attacks", {})),
        *_store_table(results["store"]),
        *["", "## The secrets", "", secrets_table(results["secrets"])],
        *_grouping_table(results["grouping"]),
    ]
    return "\n".join(lines) + "\n"


def _request_table(results: dict[str, Any]) -> list[str]:
    lines = [
        "## What a request pays",
        "",
        "| µs, medians | plain | tracked | added | ratio | target |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name, values in results["paired"].items():
        lines.append(
            f"| {name} | {values['plain']:.1f} | {values['tracked']:.1f} | "
            f"{values['added']:.1f} | {values['ratio']:.3f} | {TARGETS.get(name, '')} |"
        )
    for name in ("most added", "most times"):
        find = results["most expensive"][name]
        tracked = find["plain"] + find["added"]
        lines.append(
            f"| most expensive request found, {name} | {1e3 * find['plain']:.1f} | "
            f"{1e3 * tracked:.1f} | {1e3 * find['added']:.1f} | "
            f"{1 + find['times']:.1f} | ≤ 50,000 µs, and ten times |"
        )
    scrubbing = results["paired"]["failing request, stored whole"]["scrubbing"]
    text = (
        f"{scrubbing:.0f} µs of a failing request that is stored whole are scrubbing."
    )
    return [*lines, "", text]


def _peers_table(cases: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    trackers = peers.VARIANTS[1:]
    lines = [
        "",
        "## Next to other trackers",
        "",
        f"| µs added, medians | plain request | {' | '.join(trackers)} |",
        f"|---|--:{'|--:' * len(trackers)}|",
    ]
    for case, variants in cases.items():
        plain = variants[peers.PLAIN]["median"]
        added = [f"{variants[tracker]['added']:.1f}" for tracker in trackers]
        lines.append(f"| {case} | {plain:.1f} | {' | '.join(added)} |")
    return lines


def _storm_tables(storms: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    lines = []
    for server, variants in storms.items():
        lines += [
            "",
            f"## A storm: {server}, PostgreSQL, every request fails, pages on",
            "",
            "| | requests/s | share of none | counted | memory growth, MB |",
            "|---|--:|--:|--:|--:|",
        ]
        for variant, values in variants.items():
            counted = "-"
            if variant != "none":
                counted = f"{values['counted']:.1%}"
            lines.append(
                f"| {variant} | {values['requests per second']:.0f} | "
                f"{values['share']:.2f} | {counted} | "
                f"{values['memory growth, MB']:.1f} |"
            )
    return lines


def _store_table(databases: dict[str, dict[str, float]]) -> list[str]:
    lines = ["", "## The store", ""]
    lines += ["| | whole events per second | bytes each |", "|---|--:|--:|"]
    for kind, values in databases.items():
        speed = values["rows per second"]
        lines.append(f"| {kind} | {speed:.0f} | {values['bytes each']} |")
    return lines


def _grouping_table(grouping: dict[str, Any]) -> list[str]:
    same, pairs = grouping["same"], grouping["pairs"]
    lines = [
        "",
        "## The grouping",
        "",
        f"{pairs} pairs of real failures, {same} of which are one bug.",
        "",
        "| rule | precision | recall |",
        "|---|--:|--:|",
    ]
    for rule, values in grouping["rules"].items():
        lines.append(f"| {rule} | {values['precision']:.3f} | {values['recall']:.3f} |")
    return lines


def _page_table(page: dict[str, float]) -> list[str]:
    lines = ["", "## A friendly page", ""]
    lines += ["| µs of CPU time, medians, no query | | target |", "|---|--:|---|"]
    for name, microseconds in page.items():
        target = "" if name == IN_PLACE else "≤ 50 µs"
        lines.append(f"| {name} | {microseconds:.1f} | {target} |")
    return lines


def _attack_table(attacks: dict[str, dict[str, float]]) -> list[str]:
    if not attacks:
        return []
    lines = [
        "",
        "## A storm that is half an attacker's: PostgreSQL, pages on",
        "",
        "| | requests/s | served, and counted exactly | groups | bugs | seconds until the crash was filed |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for server, values in attacks.items():
        lines.append(
            f"| {server} | {values['requests per second']:.0f} | {values['served']} | "
            f"{values['groups']} | {values['bugs']} | {values['seconds to bug']:.1f} |"
        )
    return lines


def parsed_options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of storms (default: 3)"
    )
    parser.add_argument(
        "--seconds", type=int, default=5, help="length of each storm (default: 5)"
    )
    parser.add_argument(
        "--search-minutes",
        type=float,
        default=1.0,
        help="length of the search for the most expensive request (default: 1)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON in place of tables"
    )
    parser.add_argument(
        "--page",
        type=Path,
        help="write the numbers into this Markdown page, between its marks",
    )
    return parser.parse_args()


def main() -> int:
    """Measure everything, print the tables, write what was asked for."""
    options = parsed_options()
    results = measure(options)
    text = tables(results)
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        print(text)
    if options.page:
        write_page(options.page, results, text)
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return all numbers, as the tables and the JSON file have them."""
    results: dict[str, Any] = {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    on_sqlite = {"BENCH_DATABASE": "sqlite"}
    say("what a request pays …")
    results["paired"] = json.loads(run(on_sqlite, "-m", "bench.paired"))
    say("a friendly page …")
    results["page"] = json.loads(run(on_sqlite, "-m", "bench.page"))
    say("the most expensive request …")
    search = ("--minutes", str(options.search_minutes), "--json", "--report-only")
    results["most expensive"] = json.loads(run({}, "-m", "bench.fuzz_cost", *search))
    say("what other trackers cost …")
    results["peers"] = json.loads(run({}, "-m", "bench.peers"))
    say("the store …")
    kinds = ["sqlite", *(kind for kind, port in PORTS.items() if is_listening(port))]
    results["store"] = {}
    for kind in kinds:
        with database(kind) as environment:
            results["store"][kind] = json.loads(run(environment, "-m", "bench.store"))
    say("the secrets …")
    results["secrets"] = json.loads(run({}, "-m", "bench.secrets", "--counts"))
    say("the grouping …")
    results["grouping"] = json.loads(run({}, "-m", "bench.grouping"))
    if not shutil.which("wrk") or "postgres" not in kinds:
        say("SKIPPED: storms need wrk and PostgreSQL")
        return results
    say("storms …")
    with sink.running() as dsn:
        results["storms"] = storms(options.rounds, options.seconds, dsn)
    say("storms with an attacker in them …")
    results["attacks"] = attacks(options.seconds)
    return results


def say(text: str) -> None:
    """Show what is measured now, besides the results."""
    print(text, file=sys.stderr)


def write_page(path: Path, results: dict[str, Any], text: str) -> None:
    """Write *text*, the tables, between the marks of the page, and *results* beside it."""
    page = path.read_text(encoding="utf-8")
    measured = f"Measured {results['date']} on {results['machine']}."
    marked = f"<!-- numbers -->\n\n{measured}\n\n{text}\n<!-- /numbers -->"
    page = re.sub(
        r"<!-- numbers -->.*<!-- /numbers -->", lambda _: marked, page, flags=re.DOTALL
    )
    path.write_text(page, encoding="utf-8")
    numbers = json.dumps(results, indent=2) + "\n"
    path.with_suffix(".json").write_text(numbers, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
