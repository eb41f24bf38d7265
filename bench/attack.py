"""
A storm that is half an attacker's: what an anonymous client can send, as fast as it is answered.

Every request fails or is refused. In the middle of it the project crashes once, for a
reason of its own. What must hold is asserted: each request that was served is counted
exactly once in every sum, the crash is stored whole, and it is a bug and filed within
its usual time. What is served is counted by a middleware around ours, which appends a
byte to a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench import site
from bench.paired import FORM, OURS, USUAL

CONNECTIONS = 8
#: Of a hundred requests, how many of each kind; the first is the project's own failure.
MIX = {
    "failing": 50,
    "forged origin": 10,
    "dead link": 10,
    "scanner": 10,
    "too many fields": 10,
    "spoofed address": 8,
    "large body": 2,
}
LARGE_BODY_CHARS = 1_000_000
# The worker stores every half second, the leader files every five, on a machine that is busy.
MOST_SECONDS_TO_BUG = 15.0
FILED = ("filed", "local")


class ServedMiddleware:
    """Counts what was served, whatever becomes of it."""

    def __init__(self, get_response: Any) -> None:
        """Wrap *get_response*."""
        self.get_response = get_response
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.file = os.open(served_file(site.FOLDER), flags, 0o600)

    def __call__(self, request: Any) -> Any:
        """Count *request* if it failed."""
        response = self.get_response(request)
        if response.status_code >= 400:
            os.write(self.file, b".")
        return response


def served_file(folder: str) -> Path:
    """Return where the served requests are counted: a byte for each."""
    return Path(folder, "served")


def settings() -> dict[str, Any]:
    """Return what the attacked site is configured with."""
    site.MIDDLEWARE[site.VARIANT] = ["bench.attack.ServedMiddleware", OURS]
    return {
        "middleware": USUAL,
        "TRUSTED_PROXIES": 1,
        "AUTO_CREATE_BUGS": True,
        "PLANNING_DIR": str(Path(site.FOLDER, "planning")),
    }


def script() -> str:
    """Return the program for wrk: the requests of ``MIX``, mixed evenly."""
    form = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in FORM.items())
    fields = "&".join(f"f{number}=x" for number in range(1_100))
    lines = [
        f"local form, fields = [[{form}]], [[{fields}]]",
        f'local large = "a=" .. string.rep("1.1.1.1+", {LARGE_BODY_CHARS // 8})',
        'local kind = "application/x-www-form-urlencoded"',
        "local number = 0",
        "local function post(path, body, headers)",
        '  headers["Content-Type"] = kind',
        '  headers["Accept"] = "text/html"',
        '  return wrk.format("POST", path, headers, body)',
        "end",
        "local makers = {",
        '  ["failing"] = function() return post("/fail", form, {}) end,',
        '  ["forged origin"] = function() return post("/form", "a=b",',
        '    {Origin = "https://site" .. number .. ".example"}) end,',
        '  ["dead link"] = function() return wrk.format("GET", "/no/" .. number) end,',
        '  ["scanner"] = function() return wrk.format("GET", "/.env." .. number) end,',
        '  ["too many fields"] = function() return post("/read", fields, {}) end,',
        '  ["spoofed address"] = function() return wrk.format("GET", "/missing",',
        '    {["X-Forwarded-For"] = "6.6." .. number % 250 .. "." .. number % 241,',
        '     Referer = "http://127.0.0.1/", ["User-Agent"] = "agent " .. number}) end,',
        '  ["large body"] = function() return post("/fail", large, {}) end,',
        "}",
        "local turns = {}",
    ]
    for position, name in enumerate(_turns()):
        lines.append(f'turns[{position + 1}] = makers["{name}"]')
    lines += [
        "request = function()",
        "  number = number + 1",
        "  return turns[number % #turns + 1]()",
        "end",
    ]
    return "\n".join(lines) + "\n"


def _turns() -> list[str]:
    """Return the names of ``MIX`` as often as it says, each spread over the whole."""
    placed = [
        ((position + 0.5) / times, name)
        for name, times in MIX.items()
        for position in range(times)
    ]
    return [name for _, name in sorted(placed)]


def attack(
    server: tuple[str, ...], environment: dict[str, str], port: int, seconds: int
) -> dict[str, float]:
    """
    Return what the storm did to the site; ends the program when something does not hold.

    Args:
        server: Arguments of gunicorn.
        environment: Of a database made for it.
        port: Where the site is to listen.
        seconds: How long each half of the storm is, before and after the crash.

    """
    environment = {
        **os.environ,
        **environment,
        "BENCH_VARIANT": "django-error-tracking",
        "BENCH_ATTACK": "1",
    }
    command = ["-m", "gunicorn", *server, f"--bind=127.0.0.1:{port}"]
    process = subprocess.Popen(
        [sys.executable, *command, "bench.wsgi:application"],
        cwd=Path(__file__).resolve().parent.parent,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    program = Path(environment["BENCH_FOLDER"], "attack.lua")
    program.write_text(script(), encoding="utf-8")
    try:
        _await(f"{address}/fine")
        load = subprocess.Popen(
            [
                "wrk",
                "-t1",
                f"-c{CONNECTIONS}",
                f"-d{2 * seconds}s",
                "-s",
                program,
                address,
            ],
            stdout=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}/rare", timeout=60).close()  # noqa: S310
        seconds_to_bug = _seconds_to_bug(environment["BENCH_NAME"])
        load.wait(120)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    served = served_file(environment["BENCH_FOLDER"]).stat().st_size
    found = _stored(environment)
    _check(served, found, seconds_to_bug)
    return {
        "requests per second": served / (2 * seconds),
        "served": served,
        "groups": found["groups"],
        "bugs": found["bugs"],
        "seconds to bug": seconds_to_bug,
    }


def _await(address: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310
            return
        time.sleep(0.1)
    sys.exit("The attacked site did not come up.")


def _seconds_to_bug(database: str) -> float:
    """Return how long it takes from now until the crash is a bug and filed; infinite when it takes too long."""
    import psycopg

    begin = time.monotonic()
    query = (
        "SELECT filing.state FROM error_tracking_knownbug bug"
        " JOIN error_tracking_filing filing ON filing.bug_id = bug.id"
        " WHERE bug.title LIKE '%RareCrashError%'"
    )
    with psycopg.connect(
        host="127.0.0.1", user="postgres", dbname=database, autocommit=True
    ) as connection:
        while time.monotonic() - begin < 2 * MOST_SECONDS_TO_BUG:
            states = [state for (state,) in connection.execute(query)]
            if states and all(state in FILED for state in states):
                return time.monotonic() - begin
            time.sleep(0.1)
    return float("inf")


_SUMS = """
from bench import site; site.configure()
from error_tracking import recorder; recorder.start(); recorder.flush(60)
import json
from django.db.models import Sum
from error_tracking.models import DailyCount, ErrorGroup, ErrorLog, HourlyCount, HourlyTotal, KnownBug
fields = {ErrorGroup: "times_seen", ErrorLog: "occurrences"}
fields |= dict.fromkeys((HourlyCount, DailyCount, HourlyTotal), "count")
sums = {model.__name__: model.objects.aggregate(n=Sum(name))["n"] for model, name in fields.items()}
rare = ErrorLog.objects.filter(exception_type__endswith="RareCrashError")
rows = list(rare.values("stacktrace", "traceback", "request_data"))
found = {"sums": sums, "rare": rows, "groups": ErrorGroup.objects.count(), "bugs": KnownBug.objects.count()}
print(json.dumps(found))
"""


def _stored(environment: dict[str, str]) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, "-c", _SUMS],
        cwd=Path(__file__).resolve().parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        sys.exit(f"The sums could not be read:\n{answer.stderr}")
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _check(served: int, found: dict[str, Any], seconds_to_bug: float) -> None:
    """End the program unless the sums are exact and the crash is whole, a bug and filed in time."""
    wrong = [
        f"{name} {total}" for name, total in found["sums"].items() if total != served
    ]
    if wrong:
        sys.exit(f"Of {served} failed requests were counted: {', '.join(wrong)}")
    rows = found["rare"]
    is_whole = (
        len(rows) == 1
        and rows[0]["stacktrace"]
        and "the project's own" in rows[0]["traceback"]
        and rows[0]["request_data"].get("headers")
    )
    if not is_whole:
        sys.exit(f"The crash in the storm is not stored whole: {rows}")
    if seconds_to_bug > MOST_SECONDS_TO_BUG:
        sys.exit(f"The crash was filed after {seconds_to_bug:.1f} seconds")
