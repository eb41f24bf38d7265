"""
Runs every measurement, interleaved, and writes a table, JSON and the page in the docs.

Everything is on loopback, bounded in time, and in folders and databases made
for it and dropped in the end. Needs wrk for the load; PostgreSQL and MariaDB
are measured where they are reachable.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
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
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.paired import FORM

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = ("none", "django-error-tracking", "sentry-sdk", "row per error")
SERVERS = {"2 sync workers": ("--workers=2",), "1 worker, 8 threads": ("--workers=1", "--threads=8")}
CONNECTIONS = 8
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
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
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
            _execute(kind, f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgres" else ""))


def _execute(kind: str, statement: str) -> None:
    if kind == "postgres":
        import psycopg  # noqa: PLC0415

        with psycopg.connect(host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())
    elif kind == "mariadb":
        import pymysql  # noqa: PLC0415

        with contextlib.closing(pymysql.connect(host="127.0.0.1", user="root")) as connection:
            connection.cursor().execute(statement)


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes what sentry-sdk sends, and counts it."""

    received = 0

    def do_POST(self) -> None:
        """Count the events of an envelope."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        type(self).received += 1 if body else 0
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


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
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def resident_megabytes(pids: list[int]) -> float:
    """Return the largest resident memory of *pids*."""
    sizes = [
        int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))[1])  # type: ignore[index]
        for pid in pids
    ]
    return max(sizes) / 1024


def storm(variant: str, server: tuple[str, ...], environment: dict[str, str], seconds: int) -> dict[str, float]:
    """Return requests per second, share counted and memory growth of *variant* under failing requests."""
    port = free_port()
    environment = {**os.environ, **environment, "BENCH_VARIANT": variant}
    command = [sys.executable, "-m", "gunicorn", *server, f"--bind=127.0.0.1:{port}", "bench.wsgi:application"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        _await(port)
        body = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in FORM.items())
        script = Path(environment["BENCH_FOLDER"], "post.lua")
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = [[{body}]]\n'
            'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\nwrk.headers["Accept"] = "text/html"\n',
            encoding="utf-8",
        )
        load = ["wrk", "-t1", f"-c{CONNECTIONS}", "-s", str(script), f"http://127.0.0.1:{port}/fail"]
        subprocess.run([*load, "-d1s"], check=True, capture_output=True)
        before, memory = _counted(variant, environment), resident_megabytes(children_of(process.pid))
        answer = subprocess.run([*load, f"-d{seconds}s"], check=True, capture_output=True, text=True).stdout
        requests = int(re.search(r"(\d+) requests in", answer)[1])  # type: ignore[index]
        growth = resident_megabytes(children_of(process.pid)) - memory
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    counted = _counted(variant, environment) - before
    # wrk leaves up to a request per connection unanswered at its end, which the server still serves.
    share = min(1.0, counted / requests) if variant != "none" else 0.0
    return {"requests per second": requests / seconds, "counted": share, "memory growth, MB": growth}


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
        return Sink.received
    code = {
        "django-error-tracking": (
            "from error_tracking.models import HourlyTotal as T; n = sum(T.objects.values_list('count', flat=True))"
        ),
        "row per error": "n = site.row_model().objects.count()",
        "none": "n = 0",
    }[variant]
    if variant == "django-error-tracking":  # what is still on its way
        time.sleep(1.5)
        code = "from error_tracking import recorder; recorder.start(); recorder.flush(60); " + code
    return int(run(environment, "-c", f"from bench import site; site.configure(); {code}; print(n)").split()[-1])


def prepare(environment: dict[str, str]) -> None:
    """Make the tables of all variants."""
    code = (
        "from bench import site; site.configure(); from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\nfrom django.db import connection\n"
        "with connection.schema_editor() as editor: editor.create_model(site.row_model())"
    )
    run(environment, "-c", code)


def storms(rounds: int, seconds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the medians of *rounds* per server and variant, the variants taking turns."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    dsn = f"http://key@127.0.0.1:{sink.server_port}/1"
    for name, server in SERVERS.items():
        found: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
        for _ in range(rounds):
            for variant in VARIANTS:
                with database("postgres") as environment:
                    prepare(environment)
                    found[variant].append(storm(variant, server, {**environment, "BENCH_DSN": dsn}, seconds))
                print(f"  {name}: {variant}: {found[variant][-1]['requests per second']:.0f}/s", file=sys.stderr)
        results[name] = {
            variant: {key: statistics.median(each[key] for each in values) for key in values[0]}
            for variant, values in found.items()
        }
        for values in results[name].values():
            values["share"] = values["requests per second"] / results[name]["none"]["requests per second"]
    sink.shutdown()
    return results


def machine() -> str:
    """Return what the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*:\s*(.+)", lines)
    versions = {name: _version(name) for name in ("django", "psycopg", "sentry-sdk", "gunicorn")}
    parts = [
        f"{os.cpu_count()} cores, {model[1] if model else platform.machine()}",
        f"Python {platform.python_version()}",
    ]
    return ", ".join(parts + [f"{name} {version}" for name, version in versions.items()])


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

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
    scrubbing = results["paired"]["failing request, stored whole"]["scrubbing"]
    lines += ["", f"{scrubbing:.0f} µs of a failing request that is stored whole are scrubbing."]
    for server, variants in results.get("storms", {}).items():
        lines += ["", f"## A storm: {server}, PostgreSQL, every request fails, pages on", ""]
        lines += ["| | requests/s | share of none | counted | memory growth, MB |", "|---|--:|--:|--:|--:|"]
        for variant, values in variants.items():
            counted = f"{values['counted']:.1%}" if variant != "none" else "-"
            numbers = f"{values['requests per second']:.0f} | {values['share']:.2f} | {counted}"
            lines.append(f"| {variant} | {numbers} | {values['memory growth, MB']:.1f} |")
    lines += ["", "## The store", "", "| | whole events per second | bytes each |", "|---|--:|--:|"]
    for kind, values in results["store"].items():
        lines.append(f"| {kind} | {values['rows per second']:.0f} | {values['bytes each']} |")
    grouping = results["grouping"]
    same, pairs = grouping["same"], grouping["pairs"]
    lines += ["", "## The grouping", "", f"{pairs} pairs of real tracebacks, {same} of which are one bug.", ""]
    lines += ["| rule | precision | recall |", "|---|--:|--:|"]
    for rule, values in grouping["rules"].items():
        lines.append(f"| {rule} | {values['precision']:.3f} | {values['recall']:.3f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure everything, print the tables, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of storms (default: 3)")
    parser.add_argument("--seconds", type=int, default=5, help="length of each storm (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument("--page", type=Path, help="write the numbers into this Markdown page, between its marks")
    options = parser.parse_args()
    kinds = ["sqlite", *(kind for kind, port in (("postgres", 5432), ("mariadb", 3306)) if is_listening(port))]
    results: dict[str, Any] = {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    print("what a request pays …", file=sys.stderr)
    results["paired"] = json.loads(run({"BENCH_DATABASE": "sqlite"}, "-m", "bench.paired"))
    print("the store …", file=sys.stderr)
    results["store"] = {}
    for kind in kinds:
        with database(kind) as environment:
            results["store"][kind] = json.loads(run(environment, "-m", "bench.store"))
    print("the grouping …", file=sys.stderr)
    results["grouping"] = json.loads(run({}, "-m", "bench.grouping"))
    if shutil.which("wrk") and "postgres" in kinds:
        print("storms …", file=sys.stderr)
        results["storms"] = storms(options.rounds, options.seconds)
    else:
        print("SKIPPED: storms need wrk and PostgreSQL", file=sys.stderr)
    text = tables(results)
    print(json.dumps(results, indent=2) if options.json else text)
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        marked = f"<!-- numbers -->\n\nMeasured {results['date']} on {results['machine']}.\n\n{text}\n<!-- /numbers -->"
        page = re.sub(r"<!-- numbers -->.*<!-- /numbers -->", lambda _: marked, page, flags=re.DOTALL)
        options.page.write_text(page, encoding="utf-8")
        options.page.with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
