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
CONNECTIONS = 8
PACKAGES = ("django", "psycopg", "sentry-sdk", "django-admin-errors", "gunicorn")
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
            _execute(
                kind,
                f"DROP DATABASE {name}"
                + (" WITH (FORCE)" if kind == "postgres" else ""),
            )


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
    return [
        int(each)
        for each in Path(f"/proc/{pid}/task/{pid}/children")
        .read_text(encoding="utf-8")
        .split()
    ]


def resident_megabytes(pids: list[int]) -> float:
    """Return the largest resident memory of *pids*."""
    sizes = [
        int(
            re.search(
                r"VmRSS:\s+(\d+)",
                Path(f"/proc/{pid}/status").read_text(encoding="utf-8"),
            )[1]
        )  # type: ignore[index]
        for pid in pids
    ]
    return max(sizes) / 1024


def storm(
    variant: str, server: tuple[str, ...], environment: dict[str, str], seconds: int
) -> dict[str, float]:
    """Return requests per second, share counted and memory growth of *variant* under failing requests."""
    port = free_port()
    environment = {**os.environ, **environment, "BENCH_VARIANT": variant}
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        *server,
        f"--bind=127.0.0.1:{port}",
        "bench.wsgi:application",
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        _await(port)
        body = "&".join(
            f"{name}={value.replace(' ', '+')}" for name, value in FORM.items()
        )
        script = Path(environment["BENCH_FOLDER"], "post.lua")
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = [[{body}]]\n'
            'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\nwrk.headers["Accept"] = "text/html"\n',
            encoding="utf-8",
        )
        load = [
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            "-s",
            str(script),
            f"http://127.0.0.1:{port}/fail",
        ]
        subprocess.run([*load, "-d1s"], check=True, capture_output=True)
        before, memory = (
            _counted(variant, environment),
            resident_megabytes(children_of(process.pid)),
        )
        answer = subprocess.run(
            [*load, f"-d{seconds}s"], check=True, capture_output=True, text=True
        ).stdout
        requests = int(re.search(r"(\d+) requests in", answer)[1])  # type: ignore[index]
        growth = resident_megabytes(children_of(process.pid)) - memory
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    counted = _counted(variant, environment) - before
    # wrk leaves up to a request per connection unanswered at its end, which the server still serves.
    share = min(1.0, counted / requests) if variant != "none" else 0.0
    return {
        "requests per second": requests / seconds,
        "counted": share,
        "memory growth, MB": growth,
    }


def _await(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/fine", timeout=5).close()
            return
        time.sleep(0.1)
    sys.exit("The measured site did not come up.")


def _counted(variant: str, environment: dict[str, str]) -> int:
    if variant == "sentry-sdk":
        return sink.Sink.received
    code = {
        "django-error-tracking": (
            "from error_tracking.models import HourlyTotal as T; n = sum(T.objects.values_list('count', flat=True))"
        ),
        "django-admin-errors": (
            "from admin_errors.models import Issue; n = sum(Issue.objects.values_list('count', flat=True))"
        ),
        "row per error": "n = site.row_model().objects.count()",
        "none": "n = 0",
    }[variant]
    if variant == "django-error-tracking":  # what is still on its way
        time.sleep(1.5)
        code = (
            "from error_tracking import recorder; recorder.start(); recorder.flush(60); "
            + code
        )
    return int(
        run(
            environment,
            "-c",
            f"from bench import site; site.configure(); {code}; print(n)",
        ).split()[-1]
    )


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
                    prepare({**environment, "BENCH_VARIANT": variant, "BENCH_DSN": dsn})
                    found[variant].append(
                        storm(
                            variant, server, {**environment, "BENCH_DSN": dsn}, seconds
                        )
                    )
                print(
                    f"  {name}: {variant}: {found[variant][-1]['requests per second']:.0f}/s",
                    file=sys.stderr,
                )
        results[name] = {
            variant: {
                key: statistics.median(each[key] for each in values)
                for key in values[0]
            }
            for variant, values in found.items()
        }
        for values in results[name].values():
            values["share"] = (
                values["requests per second"]
                / results[name]["none"]["requests per second"]
            )
    return results


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
    lines = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8")
        if Path("/proc/cpuinfo").exists()
        else ""
    )
    model = re.search(r"model name\s*:\s*(.+)", lines)
    versions = {name: _version(name) for name in PACKAGES}
    parts = [
        f"{os.cpu_count()} cores, {model[1] if model else platform.machine()}",
        f"Python {platform.python_version()}",
    ]
    return ", ".join(
        parts + [f"{name} {version}" for name, version in versions.items()]
    )


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def tables(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "## What a request pays",
        "",
        "| µs, medians | plain | tracked | added | ratio | target |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name, values in results["paired"].items():
        numbers = f"{values['plain']:.1f} | {values['tracked']:.1f} | {values['added']:.1f} | {values['ratio']:.3f}"
        lines.append(f"| {name} | {numbers} | {TARGETS.get(name, '')} |")
    for name in ("most added", "most times"):
        find = results["most expensive"][name]
        lines.append(
            f"| most expensive request found, {name} | {1e3 * find['plain']:.1f} | "
            f"{1e3 * (find['plain'] + find['added']):.1f} | {1e3 * find['added']:.1f} | "
            f"{1 + find['times']:.1f} | ≤ 50,000 µs, and ten times |"
        )
    scrubbing = results["paired"]["failing request, stored whole"]["scrubbing"]
    lines += [
        "",
        f"{scrubbing:.0f} µs of a failing request that is stored whole are scrubbing.",
    ]
    lines += [
        "",
        "## Next to other trackers",
        "",
        "| µs added, medians | plain request | "
        + " | ".join(peers.VARIANTS[1:])
        + " |",
        "|---|--:" + "|--:" * len(peers.VARIANTS[1:]) + "|",
    ]
    for case, variants in results["peers"].items():
        plain = variants[peers.PLAIN]["median"]
        added = [f"{variants[each]['added']:.1f}" for each in peers.VARIANTS[1:]]
        lines.append(f"| {case} | {plain:.1f} | " + " | ".join(added) + " |")
    lines += _page_table(results["page"])
    for server, variants in results.get("storms", {}).items():
        lines += [
            "",
            f"## A storm: {server}, PostgreSQL, every request fails, pages on",
            "",
        ]
        lines += [
            "| | requests/s | share of none | counted | memory growth, MB |",
            "|---|--:|--:|--:|--:|",
        ]
        for variant, values in variants.items():
            counted = f"{values['counted']:.1%}" if variant != "none" else "-"
            numbers = f"{values['requests per second']:.0f} | {values['share']:.2f} | {counted}"
            lines.append(
                f"| {variant} | {numbers} | {values['memory growth, MB']:.1f} |"
            )
    lines += _attack_table(results.get("attacks", {}))
    lines += [
        "",
        "## The store",
        "",
        "| | whole events per second | bytes each |",
        "|---|--:|--:|",
    ]
    for kind, values in results["store"].items():
        lines.append(
            f"| {kind} | {values['rows per second']:.0f} | {values['bytes each']} |"
        )
    lines += ["", "## The secrets", "", secrets_table(results["secrets"])]
    grouping = results["grouping"]
    same, pairs = grouping["same"], grouping["pairs"]
    lines += [
        "",
        "## The grouping",
        "",
        f"{pairs} pairs of real failures, {same} of which are one bug.",
        "",
    ]
    lines += ["| rule | precision | recall |", "|---|--:|--:|"]
    for rule, values in grouping["rules"].items():
        lines.append(f"| {rule} | {values['precision']:.3f} | {values['recall']:.3f} |")
    return "\n".join(lines) + "\n"


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


def main() -> int:
    """Measure everything, print the tables, write what was asked for."""
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
    options = parser.parse_args()
    kinds = [
        "sqlite",
        *(
            kind
            for kind, port in (("postgres", 5432), ("mariadb", 3306))
            if is_listening(port)
        ),
    ]
    results: dict[str, Any] = {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    print("what a request pays …", file=sys.stderr)
    results["paired"] = json.loads(
        run({"BENCH_DATABASE": "sqlite"}, "-m", "bench.paired")
    )
    print("a friendly page …", file=sys.stderr)
    results["page"] = json.loads(run({"BENCH_DATABASE": "sqlite"}, "-m", "bench.page"))
    print("the most expensive request …", file=sys.stderr)
    search = ("--minutes", str(options.search_minutes), "--json", "--report-only")
    results["most expensive"] = json.loads(run({}, "-m", "bench.fuzz_cost", *search))
    print("what other trackers cost …", file=sys.stderr)
    results["peers"] = json.loads(run({}, "-m", "bench.peers"))
    print("the store …", file=sys.stderr)
    results["store"] = {}
    for kind in kinds:
        with database(kind) as environment:
            results["store"][kind] = json.loads(run(environment, "-m", "bench.store"))
    print("the secrets …", file=sys.stderr)
    results["secrets"] = json.loads(run({}, "-m", "bench.secrets", "--counts"))
    print("the grouping …", file=sys.stderr)
    results["grouping"] = json.loads(run({}, "-m", "bench.grouping"))
    if shutil.which("wrk") and "postgres" in kinds:
        print("storms …", file=sys.stderr)
        with sink.running() as dsn:
            results["storms"] = storms(options.rounds, options.seconds, dsn)
        print("storms with an attacker in them …", file=sys.stderr)
        results["attacks"] = attacks(options.seconds)
    else:
        print("SKIPPED: storms need wrk and PostgreSQL", file=sys.stderr)
    text = tables(results)
    print(json.dumps(results, indent=2) if options.json else text)
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        marked = f"<!-- numbers -->\n\nMeasured {results['date']} on {results['machine']}.\n\n{text}\n<!-- /numbers -->"
        page = re.sub(
            r"<!-- numbers -->.*<!-- /numbers -->",
            lambda _: marked,
            page,
            flags=re.DOTALL,
        )
        options.page.write_text(page, encoding="utf-8")
        options.page.with_suffix(".json").write_text(
            json.dumps(results, indent=2) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
