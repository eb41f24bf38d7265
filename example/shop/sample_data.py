"""
Fills the tables of error_tracking with what a shop has after some months.

The same seed and the same moment always give the same rows. All counts agree: those of
bugs are the sums of their groups', and those of hours the sums of the error logs.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import hashlib
import itertools
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router, transaction
from django.utils import timezone

from error_tracking.models import (
    Activity,
    DailyCount,
    ErrorGroup,
    ErrorLog,
    Filing,
    GroupClient,
    HourlyCount,
    HourlyTotal,
    Journal,
    KnownBug,
    Release,
    Sequence,
)

from .sample_errors import (
    BROWSERS,
    DEAD_LINKS,
    FAILURES,
    FIRST_NAMES,
    METHODS,
    NOUNS,
    PACKAGES,
    SUPPRESSED,
    SUPPRESSED_LINK,
    VERBS,
    Failure,
)

ENVIRONMENT = "production"
HOST = "https://shop.example"
DAYS_BETWEEN_RELEASES = 5
# A shop sleeps at night: the share of each hour of the day, in UTC.
HOUR_WEIGHTS = (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 9, 9, 9, 10, 10, 9, 9, 10, 11, 10, 8)
HOUR_WEIGHTS += (5, 3)
# Many errors are rare, and few are frequent (Zipf's law).
EXPONENT = 1.0
ROWS_AT_ONCE = 2_000
# The gate holds back about one group in nine.
SUPPRESSED_EVERY = 9
CLIENTS_PER_DAY = 1_000


@dataclasses.dataclass(frozen=True, slots=True)
class Size:
    """How many rows there will be, over how many days."""

    logs: int = 20_000
    bugs: int = 100
    days: int = 90
    users: int = 300


@dataclasses.dataclass(slots=True)
class Plan:
    """What becomes of one group: what fails, where, when and how often."""

    number: int
    failure: Failure
    package: str
    function: str
    method: str
    route: str
    start: float
    end: float
    logs: int
    is_suppressed: bool = False
    dead_link: tuple[str, str] | None = None
    error_type: str = "exception"
    status_code: int = 500
    pk: int = 0
    count: int = 0
    first_seen: float = 0.0
    last_seen: float = 0.0
    evidence: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @property
    def culprit(self) -> str:
        """Return module and function."""
        if self.dead_link is not None:
            return ""
        return f"acme.{self.package}.services.{self.function}"

    @property
    def fingerprint(self) -> str:
        """Return a name that no other group has."""
        return hashlib.md5(f"group {self.number}".encode()).hexdigest()

    @property
    def title(self) -> str:
        """Return the title as error_tracking writes it."""
        if self.dead_link is not None:
            return f"HTTP 404 on {self.route}"
        name = self.failure.exception.rpartition(".")[2]
        return f"{name} in {self.culprit}"

    def message(self, number: int | str) -> str:
        """Return the message of the occurrence with *number*."""
        if self.dead_link is not None:
            return ""
        return self.failure.message.replace("{n}", str(number))


def fill(size: Size, *, seed: int = 1, now: dt.datetime | None = None) -> None:
    """
    Fill the empty tables.

    Args:
        size: How many rows, over how many days.
        seed: Another seed gives other rows.
        now: The end, by default the present.

    """
    now = now or timezone.now()
    rng = random.Random(seed)
    # One transaction: a database that is filled by half is of no use.
    with transaction.atomic(using=router.db_for_write(ErrorLog)):
        _fill_tables(rng, size, now)


def _fill_tables(rng: random.Random, size: Size, now: dt.datetime) -> None:
    releases = _fill_releases(now, size.days)
    users = _fill_users(size.users)
    plans = _plans(rng, size, now.timestamp())
    _fill_groups(plans, now)
    _fill_logs(rng, plans, releases, users, now)
    _finish_groups(plans, releases)
    _fill_bugs(rng, plans, releases, users, now)
    Journal.objects.create(
        id=uuid.UUID(int=rng.getrandbits(128), version=4),
        environment=ENVIRONMENT,
        heartbeat=now,
        server_name="web-1",
    )


def release_of(day: dt.datetime) -> str:
    """Return the name of the release that was deployed on *day*."""
    return f"{day:%Y.%m.%d}"


def _fill_releases(now: dt.datetime, days: int) -> list[tuple[float, str]]:
    """Store the releases. Return when each began, the oldest first."""
    moments = [
        now - dt.timedelta(days=age, hours=2)
        for age in range(0, days, DAYS_BETWEEN_RELEASES)
    ]
    moments.reverse()
    versions = [release_of(moment + dt.timedelta(hours=2)) for moment in moments]
    Release.objects.bulk_create(
        Release(version=version, first_seen=moment)
        for version, moment in zip(versions, moments, strict=True)
    )
    starts = [moment.timestamp() for moment in moments]
    return list(zip(starts, versions, strict=True))


def _fill_users(count: int) -> list[Any]:
    """Create visitors, and three colleagues who work on bugs."""
    model = get_user_model()
    names = []
    for number in range(count):
        name = FIRST_NAMES[number % len(FIRST_NAMES)]
        names.append(f"{name}.{number}")
    people = [model(username=name, email=f"{name}@mail.example") for name in names]
    people += [
        model(username=name, email=f"{name}@shop.example", is_staff=True)
        for name in ("mara", "jonas", "yusuf")
    ]
    model.objects.bulk_create(people, ignore_conflicts=True)
    wanted = [person.username for person in people]
    found = model.objects.filter(username__in=wanted).in_bulk(field_name="username")
    return [found[name] for name in wanted]


def _plans(rng: random.Random, size: Size, now: float) -> list[Plan]:
    suppressed = max(len(SUPPRESSED), size.bugs // SUPPRESSED_EVERY)
    groups = size.bugs + suppressed
    ranks = list(range(1, groups + 1))
    weights = [1 / rank**EXPONENT for rank in ranks]
    total = sum(weights)
    # The most frequent groups are not the oldest ones.
    rng.shuffle(weights)
    day = 86_400.0
    plans = []
    for number in range(groups):
        failure = FAILURES[number % len(FAILURES)]
        package = PACKAGES[number % len(PACKAGES)]
        verb = VERBS[number // len(PACKAGES) % len(VERBS)]
        noun = NOUNS[number // (len(PACKAGES) * len(VERBS)) % len(NOUNS)]
        age = size.days * day * (groups - number) / groups
        length = rng.choice((0.3, 1.0, 1.0, 1.0)) * age
        plans.append(
            Plan(
                number=number,
                failure=failure,
                package=package,
                function=f"{verb}_{noun}",
                method=METHODS[number % len(METHODS)],
                route=f"/{package}/{noun}/{{id}}/{verb}/",
                start=now - age,
                end=now - age + length,
                logs=max(1, round(size.logs * weights[number] / total)),
                is_suppressed=number % SUPPRESSED_EVERY == SUPPRESSED_EVERY - 1,
            )
        )
    _plan_special_groups(plans, now)
    return plans


def _plan_special_groups(plans: list[Plan], now: float) -> None:
    """Plan dead links among the old groups, and a new bug that is far too frequent."""
    refused = [plan for plan in plans if plan.is_suppressed][::2]
    for plan, link in zip(refused, DEAD_LINKS, strict=False):
        plan.dead_link = link
        plan.error_type = "http_4xx"
        plan.status_code = 404
        plan.method = "GET"
        plan.route = link[0]
        # Who links to it from this site makes it a bug.
        plan.is_suppressed = not link[1]
    newest = plans[-1]
    if newest.is_suppressed:
        newest = plans[-2]
    newest.failure = FAILURES[0]
    newest.package, newest.function = "orders", "total_for"
    newest.method, newest.route = "POST", "/checkout/{basket_id}/pay/"
    newest.start = now - 5_400
    newest.end = now
    newest.logs = max(newest.logs, 420)


def _fill_groups(plans: list[Plan], now: dt.datetime) -> None:
    fields = {field.name for field in ErrorGroup._meta.get_fields()}
    rows = []
    for plan in plans:
        values: dict[str, Any] = {}
        if "message" in fields:
            values["message"] = _headline(plan, 17)
            values["message_pattern"] = _headline(plan, "{n}")
        rows.append(
            ErrorGroup(
                fingerprint=plan.fingerprint,
                environment=ENVIRONMENT,
                error_type=plan.error_type,
                status_code=plan.status_code,
                title=plan.title,
                culprit=plan.culprit,
                route=plan.route,
                cause=plan.failure.exception if plan.culprit else "",
                first_seen=now,
                last_seen=now,
                is_due=False,
                has_evidence=plan.dead_link is not None and bool(plan.dead_link[1]),
                **values,
            )
        )
    ErrorGroup.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    keys = dict(ErrorGroup.objects.values_list("fingerprint", "pk"))
    for plan in plans:
        plan.pk = keys[plan.fingerprint]
        plan.evidence = _stack_of(plan)


def _headline(plan: Plan, number: int | str) -> str:
    message = plan.message(number)
    if not message:
        return plan.title
    return f"{plan.failure.exception.rpartition('.')[2]}: {message}"


def _stack_of(plan: Plan) -> list[dict[str, Any]]:
    """Return the stacktrace of *plan*, the outermost frame first."""
    if plan.dead_link is not None:
        return []
    service = f"acme/{plan.package}/services.py"
    library = {
        "filename": "django/core/handlers/base.py",
        "abs_path": "/srv/venv/lib/python3.13/site-packages/django/core/handlers/base.py",
        "module": "django.core.handlers.base",
        "function": "_get_response",
        "lineno": 197,
        "context_line": "    response = wrapped_callback(request, *args, **kwargs)",
        "in_app": False,
    }
    view = {
        "filename": f"acme/{plan.package}/views.py",
        "abs_path": f"/srv/shop/acme/{plan.package}/views.py",
        "module": f"acme.{plan.package}.views",
        "function": f"{plan.function}_view",
        "lineno": 41,
        "pre_context": [
            "@require_http_methods(['GET', 'POST'])",
            f"def {plan.function}_view(request, **keys):",
            '    """Answer the request."""',
        ],
        "context_line": f"    result = services.{plan.function}(**keys)",
        "post_context": ["    return JsonResponse(result)"],
        "vars": {"keys": {"id": 17}},
        "in_app": True,
    }
    failing = {
        "filename": service,
        "abs_path": f"/srv/shop/{service}",
        "module": f"acme.{plan.package}.services",
        "function": plan.function,
        "lineno": 14,
        "pre_context": [
            "",
            f"def {plan.function}(basket_id):",
            '    """Return what the page shows."""',
            "    lines = load_lines(basket_id)",
        ],
        "context_line": plan.failure.line,
        "post_context": ["", "", "def load_lines(basket_id):"],
        "vars": plan.failure.variables,
        "in_app": True,
    }
    return [
        {
            "type": plan.failure.exception,
            "message": plan.failure.message,
            "relation": "",
            "frames": [library, view, failing],
        }
    ]


def _moments(rng: random.Random, plans: list[Plan]) -> list[tuple[float, int]]:
    """Return when which plan fails, in the order of time."""
    moments = []
    hours = list(range(24))
    for index, plan in enumerate(plans):
        first_day = int(plan.start // 86_400)
        last_day = int(plan.end // 86_400)
        found = 0
        while found < plan.logs:
            wanted = plan.logs - found
            chosen = rng.choices(hours, HOUR_WEIGHTS, k=wanted)
            for hour in chosen:
                day = rng.randint(first_day, last_day)
                moment = day * 86_400 + hour * 3_600 + rng.random() * 3_600
                if last_day - first_day < 2:
                    moment = plan.start + rng.random() * (plan.end - plan.start)
                if plan.start <= moment <= plan.end:
                    moments.append((moment, index))
                    found += 1
    moments.sort()
    return moments


def _fill_logs(
    rng: random.Random,
    plans: list[Plan],
    releases: list[tuple[float, str]],
    users: list[Any],
    now: dt.datetime,
) -> None:
    """Store the error logs in the order of time, and what is counted of them."""
    visitors = users[:-3]
    hashes = [f"{rng.getrandbits(64):016x}" for _ in visitors]
    moments = _moments(rng, plans)
    by_day = itertools.groupby(moments, key=lambda item: int(item[0] // 86_400))
    for day, items in by_day:
        hourly: Counter[tuple[int, int]] = Counter()
        totals: Counter[tuple[int, str, int]] = Counter()
        clients: dict[int, set[str]] = {}
        rows = []
        for moment, index in items:
            plan = plans[index]
            times = 1 if rng.random() < 0.9 else rng.randint(2, 9)
            visitor = int(rng.random() ** 2 * len(visitors))
            release = _release_at(releases, moment)
            rows.append(_log(rng, plan, moment, times, users[visitor], release))
            hour = int(moment // 3_600)
            hourly[plan.pk, hour] += times
            totals[hour, plan.error_type, plan.status_code] += times
            met = clients.setdefault(plan.pk, set())
            if len(met) < CLIENTS_PER_DAY:
                met.add(hashes[visitor])
            plan.count += times
            plan.first_seen = plan.first_seen or moment
            plan.last_seen = moment
        _store_day(rows, hourly, totals, clients, _moment_of(day * 86_400).date())


def _log(
    rng: random.Random,
    plan: Plan,
    moment: float,
    times: int,
    user: Any,
    release: str,
) -> ErrorLog:
    number = rng.randint(1_000, 9_999)
    event_id = uuid.UUID(int=rng.getrandbits(128), version=4)
    path = plan.route.replace("{id}", str(number)).replace("{basket_id}", str(number))
    headers = {"Host": "shop.example", "Accept-Language": "en"}
    if plan.dead_link is not None and plan.dead_link[1]:
        headers["Referer"] = HOST + plan.dead_link[1]
    body = None
    if plan.method == "POST":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = {"voucher": f"SPRING-{number}", "country": "DE"}
    data: dict[str, Any] = {"headers": headers}
    if body is not None:
        data["body"] = body
    stack = plan.evidence
    if "{n}" in plan.failure.message and stack:
        stack = copy.copy(stack)
        stack[0] = {**stack[0], "message": plan.message(number)}
    return ErrorLog(
        event_id=event_id,
        reference=event_id.hex[-10:],
        fingerprint=plan.fingerprint,
        group_id=plan.pk,
        occurrences=times,
        error_type=plan.error_type,
        mechanism="middleware",
        status_code=plan.status_code,
        url_pattern=plan.route,
        full_url=HOST + path,
        method=plan.method,
        user_id=user.pk,
        user_label=user.username,
        ip_address=f"203.0.113.{number % 256}",
        user_agent=BROWSERS[number % len(BROWSERS)],
        request_data=data,
        exception_type=plan.failure.exception if plan.culprit else "",
        exception_message=plan.message(number),
        traceback=_traceback_of(plan, number),
        context={
            "tags": {"country": "DE", "cart": str(number)},
            "breadcrumbs": [
                {
                    "timestamp": moment - 1.2,
                    "level": "info",
                    "category": "shop.stock",
                    "message": f"stock of basket {number} was reserved",
                }
            ],
        },
        stacktrace=stack,
        created=_moment_of(moment),
        release=release,
        environment=ENVIRONMENT,
        server_name=f"web-{number % 3 + 1}",
    )


def _traceback_of(plan: Plan, number: int) -> str:
    if plan.dead_link is not None:
        return ""
    lines = ["Traceback (most recent call last):"]
    for frame in plan.evidence[0]["frames"]:
        place = f'  File "{frame["abs_path"]}", line {frame["lineno"]}'
        lines.append(f"{place}, in {frame['function']}")
        lines.append(f"    {frame['context_line'].strip()}")
    lines.append(f"{plan.failure.exception}: {plan.message(number)}")
    return "\n".join(lines)


def _store_day(
    rows: list[ErrorLog],
    hourly: Counter[tuple[int, int]],
    totals: Counter[tuple[int, str, int]],
    clients: dict[int, set[str]],
    day: dt.date,
) -> None:
    ErrorLog.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    HourlyCount.objects.bulk_create(
        [
            HourlyCount(group_id=pk, hour=_moment_of(hour * 3_600), count=count)
            for (pk, hour), count in hourly.items()
        ],
        batch_size=ROWS_AT_ONCE,
    )
    daily: Counter[int] = Counter()
    for (pk, _hour), count in hourly.items():
        daily[pk] += count
    DailyCount.objects.bulk_create(
        [DailyCount(group_id=pk, day=day, count=count) for pk, count in daily.items()],
        batch_size=ROWS_AT_ONCE,
    )
    HourlyTotal.objects.bulk_create(
        HourlyTotal(
            hour=_moment_of(hour * 3_600),
            environment=ENVIRONMENT,
            error_type=kind,
            status_code=status,
            count=count,
        )
        for (hour, kind, status), count in totals.items()
    )
    GroupClient.objects.bulk_create(_clients(clients, day), batch_size=ROWS_AT_ONCE)


def _clients(clients: dict[int, set[str]], day: dt.date) -> Iterator[GroupClient]:
    for pk, hashes in clients.items():
        for value in sorted(hashes):
            yield GroupClient(group_id=pk, day=day, hash=value)


def _moment_of(timestamp: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(timestamp, tz=dt.UTC)


def _release_at(releases: list[tuple[float, str]], moment: float) -> str:
    """Return the release that ran at *moment*."""
    found = releases[0][1]
    for start, version in releases:
        if start > moment:
            break
        found = version
    return found


def _finish_groups(plans: list[Plan], releases: list[tuple[float, str]]) -> None:
    """Give the groups what was counted."""
    groups = ErrorGroup.objects.in_bulk()
    for number, plan in enumerate(plans):
        group = groups[plan.pk]
        group.times_seen = plan.count
        group.first_seen = _moment_of(plan.first_seen)
        group.last_seen = _moment_of(plan.last_seen)
        group.first_release = _release_at(releases, plan.first_seen)
        group.last_release = _release_at(releases, plan.last_seen)
        if plan.is_suppressed:
            group.verdict_reason = SUPPRESSED[number % len(SUPPRESSED)]
            if plan.dead_link is not None:
                group.verdict_reason = SUPPRESSED_LINK
            group.verdict = ErrorGroup.Verdict.NEVER
    names = ("times_seen", "first_seen", "last_seen", "first_release", "last_release")
    ErrorGroup.objects.bulk_update(
        groups.values(), [*names, "verdict", "verdict_reason"], batch_size=50
    )


def _fill_bugs(
    rng: random.Random,
    plans: list[Plan],
    releases: list[tuple[float, str]],
    users: list[Any],
    now: dt.datetime,
) -> None:
    """Make a bug of each group that is not suppressed, the oldest first."""
    found = [plan for plan in plans if not plan.is_suppressed]
    found.sort(key=lambda plan: plan.first_seen)
    floor = KnownBug.highest_number()
    staff = users[-3:]
    newest = max(found, key=lambda plan: plan.start)
    bugs = []
    for number, plan in enumerate(found, start=floor + 1):
        bug = _bug(rng, plan, number, releases, now)
        if plan is newest:
            bug.severity = KnownBug.Severity.CRITICAL
        elif plan.last_seen < now.timestamp() - 14 * 86_400:
            # Nobody has seen it for two weeks: that was fixed.
            _resolve(bug, releases, plan.last_seen)
        else:
            _work_on(rng, bug, staff, now)
        bugs.append(bug)
    KnownBug.objects.bulk_create(bugs, batch_size=ROWS_AT_ONCE)
    Sequence.take("bug:B", floor=floor + len(bugs))
    keys = dict(KnownBug.all_objects.values_list("bug_id", "pk"))
    groups = ErrorGroup.objects.in_bulk([plan.pk for plan in found])
    for bug, plan in zip(bugs, found, strict=True):
        bug.pk = keys[bug.bug_id]
        groups[plan.pk].bug_id = bug.pk
    ErrorGroup.objects.bulk_update(groups.values(), ["bug"], batch_size=500)
    _fill_history(bugs, staff)
    _fill_filings(bugs)


def _bug(
    rng: random.Random,
    plan: Plan,
    number: int,
    releases: list[tuple[float, str]],
    now: dt.datetime,
) -> KnownBug:
    severity = rng.choice(("critical", "high", "high", "high", "medium", "low"))
    if plan.dead_link is not None:
        severity = "low"
    first = _moment_of(plan.first_seen)
    return KnownBug(
        number=number,
        bug_id=f"B-{number:03d}",
        uuid=uuid.UUID(int=rng.getrandbits(128), version=4),
        fingerprint=plan.fingerprint,
        environment=ENVIRONMENT,
        title=plan.title,
        severity=severity,
        occurrence_count=plan.count,
        first_occurrence=first,
        last_occurrence=_moment_of(plan.last_seen),
        first_release=_release_at(releases, plan.first_seen),
        created=first,
    )


def _resolve(
    bug: KnownBug, releases: list[tuple[float, str]], last_seen: float
) -> None:
    resolved_at = last_seen + 86_400
    bug.status = KnownBug.Status.RESOLVED
    bug.resolved_at = _moment_of(resolved_at)
    bug.resolved_in_release = _release_at(releases, resolved_at)


def _work_on(
    rng: random.Random, bug: KnownBug, staff: list[Any], now: dt.datetime
) -> None:
    """Decide what became of a bug that still happens."""
    fate = rng.random()
    if fate < 0.12:
        bug.status = KnownBug.Status.MUTED
    elif fate < 0.30:
        bug.status = KnownBug.Status.IN_PROGRESS
        bug.assignee_id = rng.choice(staff).pk
    elif fate < 0.45:
        bug.assignee_id = rng.choice(staff).pk
    elif fate < 0.58:
        age = dt.timedelta(hours=rng.randint(1, 200))
        bug.regressed_at = max(now - age, bug.created)
    elif fate < 0.60:
        bug.is_deleted = True
        bug.deleted_at = now
    elif fate < 0.66:
        bug.status = KnownBug.Status.RESOLVED
        bug.resolved_at = max(now - dt.timedelta(days=rng.randint(0, 6)), bug.created)


def _fill_history(bugs: list[KnownBug], staff: list[Any]) -> None:
    rows = []
    for bug in bugs:
        rows.append(Activity(bug=bug, verb="created", created=bug.created))
        if bug.status != KnownBug.Status.OPEN:
            by = staff[bug.number % len(staff)].username
            when = bug.resolved_at or bug.last_occurrence
            rows.append(Activity(bug=bug, verb=bug.status, by=by, created=when))
        if bug.regressed_at is not None:
            rows.append(Activity(bug=bug, verb="regressed", created=bug.regressed_at))
    Activity.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)


def _fill_filings(bugs: list[KnownBug]) -> None:
    """File most bugs; some fail, and some wait."""
    rows = []
    for bug in bugs:
        row = Filing(
            bug=bug, tracker="markdown", state="local", reference=f"{bug.bug_id}.md"
        )
        if bug.number % 17 == 0:
            row.state = Filing.State.FAILED
            row.reference = ""
            row.attempts = 5
            row.reason = "HTTP 403: the token may not write issues"
        elif bug.number % 23 == 0:
            row.state = Filing.State.PAUSED
            row.reference = ""
            row.reason = "20 bugs were filed in this hour"
        rows.append(row)
    Filing.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
