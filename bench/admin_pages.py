"""
What the admin's pages cost with a million error logs: ``make bench-admin``.

Builds the data on each database, asks for each page like a browser does, and prints
how many queries it takes, and how long the database needs to answer them.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
# What a page may need of the database, in milliseconds.
LIMIT_MS = 50
ROUNDS = 9
# So many error logs are made one by one; the others are copies in the database.
DISTINCT_LOGS = 10_000
START = "<!-- admin pages -->"
END = "<!-- /admin pages -->"
DATABASE = "bench_admin_pages"


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What one page costs: its queries, their time and the whole time, best of some."""

    page: str
    queries: int
    sql_ms: float
    page_ms: float


def configure(kind: str, folder: str) -> None:
    """Set Django up with the admin on a database of *kind*."""
    sys.path.insert(0, str(ROOT / "example"))
    import django
    from django.conf import settings

    databases: dict[str, dict[str, Any]] = {
        "sqlite": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(folder) / "site.sqlite3"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
        },
        "postgres": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": DATABASE,
            "USER": "postgres",
            "HOST": "127.0.0.1",
            "CONN_MAX_AGE": None,
        },
    }
    names = ("admin", "contenttypes", "auth", "sessions", "messages", "staticfiles")
    settings.configure(
        SECRET_KEY="benchmark",  # noqa: S106  of no site
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        STATIC_URL="static/",
        ROOT_URLCONF="bench.admin_urls",
        INSTALLED_APPS=[
            *(f"django.contrib.{name}" for name in names),
            "error_tracking",
        ],
        DATABASES={"default": databases[kind]},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        LOGGING_CONFIG=None,
        ERROR_TRACKING={"JOURNAL_DIR": str(Path(folder) / "journals")},
    )
    django.setup()


def build(logs: int, bugs: int) -> float:
    """Fill the database. Return how long that took, in seconds."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection
    from shop.sample_data import Size, fill

    from .many_logs import multiply

    start = time.monotonic()
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("admin")
    fill(Size(logs=min(logs, DISTINCT_LOGS), bugs=bugs))
    multiply(logs)
    with connection.cursor() as cursor:
        # What a database does by itself within a day.
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM")
    return time.monotonic() - start


def pages() -> list[tuple[str, str]]:
    """Return the names and addresses of the pages that are measured."""
    found = [
        (f"dashboard {period}", _list_of("dashboard", period=period))
        for period in ("24h", "7d", "30d", "90d")
    ]
    found += [
        (f"dashboard.json {period}", f"/errors/dashboard.json?period={period}")
        for period in ("24h", "90d")
    ]
    user = _busiest_user()
    return [*found, *_pages_of_bugs(user), *_pages_of_groups(), *_pages_of_logs(user)]


def _list_of(model: str, **query: Any) -> str:
    from django.urls import reverse

    address = reverse(f"admin:error_tracking_{model}_changelist")
    return f"{address}?{urlencode(query)}"


def _page_of(row: Any, page: str = "change", **query: Any) -> str:
    from django.urls import reverse

    name = f"admin:error_tracking_{row._meta.model_name}_{page}"
    return f"{reverse(name, args=[row.pk])}?{urlencode(query)}"


def _after(row: Any, column: str) -> str:
    """Return where the page begins that follows *row*."""
    return f"{getattr(row, column).isoformat()}~{row.pk}"


def _busiest_user() -> str:
    """Return the name of the user with the most error logs."""
    from django.db.models import Count

    from error_tracking.models import ErrorLog

    logs = ErrorLog.objects.values_list("user_label").annotate(count=Count("pk"))
    return str(logs.order_by("-count")[0][0])


def _pages_of_bugs(user: str) -> list[tuple[str, str]]:
    from django.urls import reverse

    from error_tracking.models import ErrorLog, KnownBug

    def bugs(**query: Any) -> str:
        return _list_of("knownbug", **query)

    views = (
        *("open", "new", "regressed", "mine", "unassigned", "unfiled"),
        *("muted", "resolved", "deleted", "all"),
    )
    biggest = KnownBug.objects.order_by("-occurrence_count")[0]
    reference = ErrorLog.objects.filter(group__bug=biggest).latest().reference
    oldest = KnownBug.objects.order_by("last_occurrence")[60]
    box = reverse("admin:error_tracking_knownbug_search")
    return [
        *((f"bugs: {view}", bugs(view=view)) for view in views),
        ("bugs: most frequent first", bugs(view="all", sort="count")),
        ("bugs: most in 24 h first", bugs(view="all", sort="day")),
        (
            "bugs: the last page",
            bugs(view="all", after=_after(oldest, "last_occurrence")),
        ),
        ("bugs: severity", bugs(view="all", severity__exact="critical")),
        ("bugs: search a word", bugs(view="all", q="NoneType")),
        ("bugs: search nothing", bugs(view="all", q="nowhere-at-all")),
        ("bugs: search a route", bugs(view="all", q="/orders/")),
        ("bugs: search a user", bugs(view="all", q=f"user:{user}")),
        ("bugs: search a release", bugs(view="all", q=f"release:{_release()}")),
        ("search box: a word", f"{box}?q=NoneType"),
        ("search box: a reference", f"{box}?q={reference}"),
        ("bug, the biggest", _page_of(biggest)),
        ("bug, an occurrence", _page_of(biggest, occurrence=reference)),
        ("bug: edit", _page_of(biggest, edit=1)),
        ("bug: history", _page_of(biggest, "history")),
        ("bug: delete", _page_of(biggest, "delete")),
    ]


def _pages_of_groups() -> list[tuple[str, str]]:
    from error_tracking.models import ErrorGroup

    groups = ErrorGroup.objects.filter(bug=None)
    oldest = groups.order_by("last_seen")[min(60, groups.count() - 1)]
    return [
        ("not bugs", _list_of("errorgroup")),
        (
            "not bugs: the last page",
            _list_of("errorgroup", after=_after(oldest, "last_seen")),
        ),
        ("not bugs: search", _list_of("errorgroup", q="404")),
        ("all error groups", _list_of("errorgroup", view="all")),
        ("group", _page_of(groups.order_by("-times_seen")[0])),
    ]


def _pages_of_logs(user: str) -> list[tuple[str, str]]:
    from error_tracking.models import ErrorGroup, ErrorLog

    def logs(**query: Any) -> str:
        return _list_of("errorlog", **query)

    group = ErrorGroup.objects.filter(bug=None).order_by("-times_seen")[0]
    log = ErrorLog.objects.filter(group=group).latest()
    middle = ErrorLog.objects.order_by("pk")[ErrorLog.objects.count() // 2]
    first = ErrorLog.objects.order_by("created", "pk")[60]
    day = log.created.replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        ("error logs", logs()),
        ("error logs: from the middle on", logs(after=_after(middle, "created"))),
        ("error logs: the last page", logs(after=_after(first, "created"))),
        ("error logs: status 404", logs(status_code=404)),
        ("error logs: status 503", logs(status_code=503)),
        ("error logs: kind", logs(error_type__exact="http_4xx")),
        ("error logs: kind without any", logs(error_type__exact="csrf")),
        ("error logs: environment", logs(environment="production")),
        ("error logs: no environment", logs(environment="staging")),
        ("error logs: 24 h", logs(since="24h")),
        (
            "error logs: a bar of the chart",
            logs(created__gte=day.isoformat(), environment="production"),
        ),
        ("error logs: of a group", logs(group__id__exact=group.pk)),
        ("error logs: reference", logs(q=log.reference)),
        ("error logs: a user", logs(q=f"user:{user}")),
        ("error logs: search a word", logs(q="NoneType")),
        ("error logs: search nothing", logs(q="nowhere-at-all")),
        ("error log", _page_of(log)),
    ]


def _release() -> str:
    from error_tracking.models import Release

    return str(Release.objects.latest("first_seen").version)


class _Recorded:
    """Keeps the statements that run through it."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []

    def __call__(
        self, execute: Any, sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Run the statement."""
        self.statements.append((sql, params))
        return execute(sql, params, many, context)


def measure() -> list[Cost]:
    """Ask for each page, and return what it costs."""
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client, override_settings

    client = Client()
    client.force_login(get_user_model().objects.get(username="admin"))
    ours = {**settings.ERROR_TRACKING, "RELEASE": _release()}
    with override_settings(ERROR_TRACKING=ours):
        return [_cost(client, name, address) for name, address in pages()]


def _cost(client: Any, name: str, address: str) -> Cost:
    from django.db import connection

    best_page = float("inf")
    statements: list[tuple[str, Any]] = []
    for _ in range(ROUNDS):
        recorded = _Recorded()
        start = time.perf_counter()
        with connection.execute_wrapper(recorded):
            response = client.get(address)
        best_page = min(best_page, time.perf_counter() - start)
        if response.status_code not in {200, 302}:
            raise SystemExit(f"{name}: {address} answers {response.status_code}")
        statements = recorded.statements
    sql_seconds = 0.0
    for sql, params in statements:
        # The best of each query: something else runs on the machine all the time.
        sql_seconds += min(_time_of(sql, params) for _ in range(ROUNDS))
    return Cost(name, len(statements), sql_seconds * 1_000, best_page * 1_000)


def _time_of(sql: str, params: Any) -> float:
    """Return how long the database needs for a query with all its rows, in seconds."""
    from django.db import connection

    if not sql.lstrip("( ").upper().startswith("SELECT"):
        return 0.0
    with connection.cursor() as cursor:
        start = time.perf_counter()
        cursor.execute(sql, params)
        # SQLite finds most rows only while they are fetched.
        cursor.fetchall()
        return time.perf_counter() - start


@contextlib.contextmanager
def database(kind: str) -> Iterator[None]:
    """Make an empty database, and drop it in the end."""
    if kind != "postgres":
        yield
        return
    _on_postgres(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    _on_postgres(f"CREATE DATABASE {DATABASE}")
    try:
        yield
    finally:
        _on_postgres(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def _on_postgres(statement: str) -> None:
    import psycopg

    with psycopg.connect(
        host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(statement)


def table(results: dict[str, list[Cost]]) -> str:
    """Return the results as a table of Markdown."""
    kinds = list(results)
    head = "".join(f" {kind}: SQL ms | page ms |" for kind in kinds)
    lines = [f"| page | queries |{head}", "|---|--:|" + "--:|--:|" * len(kinds)]
    for costs in zip(*results.values(), strict=True):
        cells = "".join(f" {_marked(each)} | {each.page_ms:.0f} |" for each in costs)
        lines.append(f"| {costs[0].page} | {costs[0].queries} |{cells}")
    return "\n".join(lines)


def _marked(cost: Cost) -> str:
    text = f"{cost.sql_ms:.1f}"
    return f"**{text}**" if cost.sql_ms > LIMIT_MS else text


def write(path: Path, text: str) -> None:
    """Put *text* between the marks of the page at *path*."""
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main() -> int:
    """Build, measure and print; one process for each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=1_000_000)
    parser.add_argument("--bugs", type=int, default=2_000)
    parser.add_argument(
        "--databases", nargs="*", default=["sqlite", "postgres"], metavar="KIND"
    )
    parser.add_argument("--page", type=Path, help="a page that gets the table")
    parser.add_argument("--folder", default="", help="where SQLite's file is, kept")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--reuse", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        configure(options.one, options.folder)
        if not options.reuse:
            seconds = build(options.logs, options.bugs)
            print(f"{options.one}: built in {seconds:.0f} s", file=sys.stderr)
        print(json.dumps([dataclasses.asdict(cost) for cost in measure()]))
        return 0
    results = {kind: _results_of(kind, options) for kind in options.databases}
    text = table(results)
    print(text)
    if options.page:
        write(options.page, text)
    is_slow = any(
        cost.sql_ms > LIMIT_MS for costs in results.values() for cost in costs
    )
    return 1 if is_slow else 0


def _results_of(kind: str, options: argparse.Namespace) -> list[Cost]:
    with tempfile.TemporaryDirectory() as temporary, database(kind):
        command = [sys.executable, "-m", "bench.admin_pages", f"--one={kind}"]
        command += [f"--logs={options.logs}", f"--bugs={options.bugs}"]
        command.append(f"--folder={options.folder or temporary}")
        answer = subprocess.run(
            command,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        )
    return [Cost(**values) for values in json.loads(answer.stdout)]


if __name__ == "__main__":
    sys.exit(main())
