"""
Searches for the request that makes our added cost highest.

What the bound says: the CPU time that we add to a request is at most ten times
what the same request costs without us (a crash: a millisecond at least), and at
most 50 ms, whatever its body, query, headers and cookies are, and whatever
exception and local variables the project makes of them.

The search changes requests at random and keeps those for which more is counted:
calls, and characters given to patterns, which are the same on every machine. Two
processes share the work, because what counts must not be what is timed: this one
searches and counts, the other one times the finds. A find breaks the bound only if
the median of five replays does.

    python -m bench.fuzz_cost --minutes 5
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import gc
import io
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import counting, paired

ROOT = Path(__file__).resolve().parent.parent
MOST_TIMES = 10
# A request that crashes has been through middleware and a view of a project, which take
# a millisecond at least: those of this search do nothing. One that is refused has not.
LEAST_CRASH_MILLISECONDS = 1.0
CRASHES = "/crash"
MOST_MILLISECONDS = 50.0
REPLAYS = 5
# Django's default for DATA_UPLOAD_MAX_MEMORY_SIZE, and what servers usually accept.
BODY_CHARS = 2_500_000
HEADER_CHARS = 8_000
FORM_FIELDS = 1_000
COUNTS = (0, 1, 3, 10, 40, 200, 1_000, 10_000, 100_000, 1_000_000)
ELITE = 24
#: A request that is timed, for so many that are counted.
COUNTED_PER_TIMED = 40
FLUSH_EVENTS = 200

PATHS = ("/crash", "/suspect", "/refuse", "/form", "/missing/", "/nothing/", "/.env/")
HEADERS = (
    *("Accept", "Accept-Language", "Content-Type", "Host", "Origin", "Referer"),
    *("User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Requested-With"),
    *("HX-Request", "Traceparent", "If-None-Match", "Authorization", "X-Any"),
)
BODIES = ("none", "form", "json", "multipart", "text")

#: What patterns look for, or stumble over, begin or never end.
FRAGMENTS = (
    *(" ", "\n", "\t", ",", ";", ":", "=", "&", "?", "/", "\\", "|", ".", "-", "_"),
    *('"', "'", "`", "\\'", '\\"', "(", ")", "[", "]", "{", "}", "<", ">", "%", "@"),
    *(
        "a",
        "A",
        "0",
        "9",
        "e",
        "é",
        "\u202e",
        "\U0001f600",
        "\x00",
        "aA0",
        "a.b",
        "a_b",
    ),
    *("1.1.1.1 ", "1.1.1.1", "::1 ", "2001:db8::1", "a@b.cc ", "a@", "@b.cc"),
    *("http://", "https://u:p@h/", "://", "//", "?a=b&", "&a=", "a=b ", "a: b\n"),
    *("password=", "password: ", '"password": "', "'token': '", "secret ", "api_key"),
    *("Bearer ", "Basic ", "Authorization: ", "Cookie: a=b; ", "Set-Cookie: "),
    *(
        "eyJ",
        "eyJhbGciOiJIUzI1NiJ9.",
        "AKIA",
        "ghp_",
        "sk_live_",
        "xoxb-",
        "-----BEGIN ",
    ),
    *("4111 1111 1111 1111 ", "4111111111111111", "DE89370400440532013000", "1234 "),
    *("%41", "%25", "\\u0041", "\\x41", "&#65;", "&quot;", "''", "$$", "E'", "N'"),
    *(
        "SELECT ",
        "VALUES (",
        "DETAIL: Key (",
        ")=(",
        "Failing row contains (",
        "INSERT ",
    ),
    *(
        "<a>",
        "</a>",
        "<a b='",
        "<password>",
        "{'a': ",
        "{'a': 'b'}, ",
        "[1, ",
        "None, ",
    ),
    *(
        "0x1f ",
        "/var/www/a/b/c ",
        "2026-01-01T00:00:00Z ",
        "deadbeefdeadbeef",
        "x1y2z3",
    ),
    *(
        "key ",
        "the ",
        "card ",
        "pin ",
        "user ",
        "name=",
        "args=(",
        "kwargs={",
        "-p ",
        "--password ",
    ),
)

Pieces = list[tuple[str, int]]


@dataclasses.dataclass
class Candidate:
    """A request and what it fails with; texts are pieces that are repeated."""

    path: str = "/crash"
    rest: Pieces = dataclasses.field(default_factory=list)
    query: Pieces = dataclasses.field(default_factory=list)
    headers: dict[str, Pieces] = dataclasses.field(default_factory=dict)
    cookies: Pieces = dataclasses.field(default_factory=list)
    body_kind: str = "none"
    body: Pieces = dataclasses.field(default_factory=list)
    fields: int = 1
    failure: str = "message"
    message: Pieces = dataclasses.field(default_factory=list)
    count: int = 1
    shape: str = "none"
    value: Pieces = dataclasses.field(default_factory=list)
    value_count: int = 1

    def texts(self) -> list[Pieces]:
        """Return the texts that can be changed."""
        own = [self.rest, self.query, self.cookies, self.body, self.message, self.value]
        return [*own, *self.headers.values()]


def text_of(pieces: Pieces, limit: int) -> str:
    """Return the text that *pieces* stand for, cut to *limit* characters."""
    text = ""
    for fragment, times in pieces:
        room = limit - len(text)
        if room <= 0:
            break
        text += fragment * min(times, room // len(fragment) + 1)
    return text[:limit]


def environ_of(candidate: Candidate) -> dict[str, Any]:
    """Return what a WSGI server makes of *candidate*."""
    body, content_type = _body_of(candidate)
    rest = text_of(candidate.rest, 2_000).strip("/")
    path = candidate.path if not rest else f"{candidate.path.rstrip('/')}/{rest}"
    environ = {
        "REQUEST_METHOD": "GET" if candidate.body_kind == "none" else "POST",
        "PATH_INFO": path.encode().decode("latin-1"),
        "SCRIPT_NAME": "",
        "QUERY_STRING": _line(text_of(candidate.query, HEADER_CHARS)),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multiprocess": False,
        "wsgi.multithread": False,
        "wsgi.run_once": False,
    }
    room = HEADER_CHARS
    for name, pieces in [*candidate.headers.items(), ("Cookie", candidate.cookies)]:
        value = _line(text_of(pieces, room))
        room -= len(value)
        if name == "Content-Type":
            environ["CONTENT_TYPE"] = value or content_type
        elif value:
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


def _line(text: str) -> str:
    """Return *text* as a server gives a header or query: one line of bytes as Latin-1."""
    line = " ".join(text.replace("\0", "").split("\n"))
    return line.encode("utf-8", "replace").decode("latin-1")[:HEADER_CHARS]


def _body_of(candidate: Candidate) -> tuple[bytes, str]:
    text = text_of(candidate.body, BODY_CHARS)
    kind = candidate.body_kind
    if kind == "form":
        fields = min(candidate.fields, FORM_FIELDS)
        part = text[: BODY_CHARS // max(1, fields)]
        body = "&".join(f"{part[:20]}{number}={part}" for number in range(fields))
        return body.encode()[:BODY_CHARS], "application/x-www-form-urlencoded"
    if kind == "json":
        value: Any = {
            f"{text[:20]}{number}": text[:200] for number in range(candidate.fields)
        }
        value["text"] = text[: BODY_CHARS // 2]
        return json.dumps(value).encode()[:BODY_CHARS], "application/json"
    if kind == "multipart":
        fields = min(candidate.fields, 100)
        part = text[: BODY_CHARS // (2 * max(1, fields))]
        name = _line(part[:50]).replace('"', "")
        lines = []
        for number in range(fields):
            is_file = f'; filename="{name}.txt"' if number % 2 else ""
            lines += [
                "--x",
                f'Content-Disposition: form-data; name="{name}{number}"{is_file}',
            ]
            lines += ["", part]
        body = "\r\n".join([*lines, "--x--", ""])
        return body.encode(), "multipart/form-data; boundary=x"
    if kind == "text":
        return text.encode()[:BODY_CHARS], "text/plain"
    return b"", ""


class Mutator:
    """Changes candidates at random, from one seed."""

    def __init__(self, seed: int) -> None:
        """Start at *seed*."""
        self.random = random.Random(seed)  # noqa: S311  it has to be the same each time

    def new(self) -> Candidate:
        """Return a candidate that has nothing to do with the others."""
        candidate = Candidate()
        for _ in range(self.random.randint(2, 8)):
            self._change(candidate, [])
        return candidate

    def child(self, parent: Candidate, others: list[Candidate]) -> Candidate:
        """Return *parent* with a few changes, some of them from *others*."""
        candidate = copy.deepcopy(parent)
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            self._change(candidate, others)
        return candidate

    def _change(self, candidate: Candidate, others: list[Candidate]) -> None:
        pick = self.random.choice
        changes: list[Callable[[], None]] = [
            lambda: setattr(candidate, "path", pick(PATHS)),
            lambda: setattr(candidate, "body_kind", pick(BODIES)),
            lambda: setattr(
                candidate, "fields", pick((1, 2, 10, 49, 50, 51, 200, 1_000))
            ),
            lambda: setattr(candidate, "failure", pick(_failures())),
            lambda: setattr(candidate, "count", pick(COUNTS)),
            lambda: setattr(candidate, "shape", pick(_shapes())),
            lambda: setattr(candidate, "value_count", pick(COUNTS)),
            lambda: self._change_headers(candidate),
        ]
        if self.random.random() < 0.3:
            pick(changes)()
            return
        texts = candidate.texts()
        if others and self.random.random() < 0.15:
            self._splice(pick(texts), pick(pick(others).texts()))
        elif self.random.random() < 0.1:
            self._splice(pick(texts), pick(texts))
        else:
            self._change_text(pick(texts))

    def _change_headers(self, candidate: Candidate) -> None:
        name = self.random.choice(HEADERS)
        if name in candidate.headers and self.random.random() < 0.3:
            del candidate.headers[name]
        else:
            candidate.headers[name] = [self._piece()]

    def _splice(self, target: Pieces, source: Pieces) -> None:
        target[:] = copy.deepcopy(source)

    def _piece(self) -> tuple[str, int]:
        fragments = [
            self.random.choice(FRAGMENTS)
            for _ in range(self.random.choice((1, 1, 2, 3)))
        ]
        times = self.random.choice((1, 1, 2, 7, 31, 127, 500, 4_000, 100_000))
        return "".join(fragments), times

    def _change_text(self, pieces: Pieces) -> None:
        if not pieces or self.random.random() < 0.4:
            pieces.insert(self.random.randint(0, len(pieces)), self._piece())
            return
        at = self.random.randrange(len(pieces))
        fragment, times = pieces[at]
        match self.random.randrange(5):
            case 0:
                del pieces[at]
            case 1:
                pieces[at] = fragment, max(1, times // 2)
            case 2:
                pieces[at] = fragment, min(BODY_CHARS, times * 3)
            case 3:
                pieces[at] = fragment + self.random.choice(FRAGMENTS), times
            case _:
                pieces[at] = self.random.choice(FRAGMENTS), times


def _failures() -> list[str]:
    from bench.costly_views import FAILURES

    return list(FAILURES)


def _shapes() -> list[str]:
    from bench.costly_views import SHAPES

    return list(SHAPES)


class Site:
    """The site in this process, without our middleware and with it."""

    def __init__(self) -> None:
        """Set Django up; whatever fails is stored whole, as a group of its own."""
        self._folder = tempfile.TemporaryDirectory()
        os.environ["BENCH_FOLDER"] = self._folder.name
        from bench import site

        site.VARIANT = "django-error-tracking"
        site.FOLDER = self._folder.name
        site.configure(urlconf="bench.costly_views", EVENTS_PER_MINUTE=10**9)
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        logging.disable(logging.CRITICAL)
        paired.store_all_whole()
        self._handlers = paired.handlers(paired.USUAL)
        self._events = 0

    def serve(self, candidate: Candidate, *, is_tracked: bool, around: Any) -> None:
        """Serve *candidate* within *around*; what makes the request is outside of it."""
        from django.core.signals import got_request_exception

        from bench import costly_views
        from error_tracking.middleware import remember_exception

        handler = self._handlers["tracked" if is_tracked else "plain"]
        message = text_of(candidate.message, BODY_CHARS)
        value = text_of(
            candidate.value, BODY_CHARS // max(1, min(candidate.value_count, 1_000))
        )
        costly_views.Plan.fail = costly_views.failing(
            candidate.failure,
            message[: BODY_CHARS // max(1, min(candidate.count, 1_000))],
            candidate.count,
        )
        shape = costly_views.SHAPES[candidate.shape]
        costly_views.Plan.make = lambda: shape(value, candidate.value_count)
        environ = environ_of(candidate)
        forget_texts()
        # It captures without the middleware too.
        got_request_exception.disconnect(dispatch_uid="error_tracking")
        if is_tracked:
            got_request_exception.connect(
                remember_exception, dispatch_uid="error_tracking"
            )
        with around:
            handler(environ, lambda *_: None).close()
        if is_tracked:
            self._events += 1
            if self._events % FLUSH_EVENTS == 0:
                import error_tracking

                error_tracking.flush(60)


def forget_texts() -> None:
    """Empty the caches of what texts were found to be: no two requests of a stranger need be equal."""
    for name, module in list(sys.modules.items()):
        if name.startswith(
            (
                "error_tracking.scrubbing",
                "error_tracking.events.subjects",
                "error_tracking.pages.accept",
            )
        ):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
    from error_tracking import conf

    for value in vars(conf.get_scrubber()).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


class _Timer:
    """CPU time of this thread, in milliseconds."""

    def __init__(self) -> None:
        self.milliseconds = 0.0

    def __enter__(self) -> None:
        gc.collect(0)
        gc.disable()
        self._start = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self.milliseconds = (time.thread_time() - self._start) * 1e3
        gc.enable()


class _Counter:
    def __init__(self, work: counting.Work) -> None:
        self.work = work
        self.total = 0

    def __enter__(self) -> None:
        self.work.begin()

    def __exit__(self, *_: object) -> None:
        self.total = self.work.end()


def timed(site: Site, candidate: Candidate) -> dict[str, float]:
    """Return what *candidate* costs: medians of replays without and with us taking turns."""
    spent: dict[bool, list[float]] = {False: [], True: []}
    for number in range(REPLAYS + 1):
        for is_tracked in (False, True):
            timer = _Timer()
            site.serve(candidate, is_tracked=is_tracked, around=timer)
            if number:  # the first one warms up what is not of the request
                spent[is_tracked].append(timer.milliseconds)
    plain = statistics.median(spent[False])
    if candidate.path == CRASHES:
        plain = max(plain, LEAST_CRASH_MILLISECONDS)
    added = statistics.median(spent[True]) - statistics.median(spent[False])
    return {"plain": plain, "added": added, "times": added / plain}


def is_over(cost: dict[str, float]) -> bool:
    """Return whether *cost* breaks the bound."""
    return cost["added"] > MOST_MILLISECONDS or cost["times"] > MOST_TIMES


class Search:
    """Keeps the candidates for which most is counted: added, and added for what they cost without us."""

    def __init__(self, site: Site, seed: int) -> None:
        """Search from *seed*."""
        from error_tracking.events import size_budget

        self.work = counting.Work()
        self.patterns = counting.count_patterns(self.work, "error_tracking")
        # Counting takes time, which must not end what the site would have read.
        size_budget._clock = lambda: 1.0
        self.site = site
        self.mutator = Mutator(seed)
        self.elite: dict[str, list[tuple[float, Candidate]]] = {
            "added": [],
            "share": [],
        }
        self.requests = 0

    def step(self) -> Candidate:
        """Count one more candidate, and return it."""
        random_ = self.mutator.random
        kept = [each for _, each in [*self.elite["added"], *self.elite["share"]]]
        if len(kept) < 8 or random_.random() < 0.1:
            candidate = self.mutator.new()
        else:
            candidate = self.mutator.child(random_.choice(kept), kept)
        plain = self._counted(candidate, is_tracked=False)
        added = self._counted(candidate, is_tracked=True) - plain
        self._keep("added", added, candidate)
        self._keep("share", added / plain, candidate)
        self.requests += 1
        return candidate

    def _counted(self, candidate: Candidate, *, is_tracked: bool) -> float:
        counter = _Counter(self.work)
        self.site.serve(candidate, is_tracked=is_tracked, around=counter)
        return counter.total

    def _keep(self, objective: str, score: float, candidate: Candidate) -> None:
        """Keep *candidate* where it is among the best; few of one path, so that each is searched."""
        elite = self.elite[objective]
        elite.append((score, candidate))
        elite.sort(key=lambda each: -each[0])
        kept: list[tuple[float, Candidate]] = []
        per_path: dict[str, int] = {}
        for each in elite:
            per_path[each[1].path] = per_path.get(each[1].path, 0) + 1
            if per_path[each[1].path] <= ELITE // len(PATHS) + 1:
                kept.append(each)
        self.elite[objective] = kept

    def best(self) -> list[Candidate]:
        """Return the kept candidates, the most expensive first."""
        found: dict[int, Candidate] = {}
        for pair in zip(*(self.elite[name] for name in self.elite), strict=False):
            for _, candidate in pair:
                found[id(candidate)] = candidate
        return list(found.values())


class Timekeeper:
    """The process that times finds: nothing in it counts."""

    def __init__(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.fuzz_cost", "--time"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def cost_of(self, candidate: Candidate) -> dict[str, float]:
        """Return what :func:`timed` finds there."""
        assert self._process.stdin is not None  # noqa: S101  for the type checker
        assert self._process.stdout is not None  # noqa: S101
        print(
            json.dumps(dataclasses.asdict(candidate)),
            file=self._process.stdin,
            flush=True,
        )
        found: dict[str, float] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None  # noqa: S101  for the type checker
        self._process.stdin.close()
        self._process.wait(60)


def keep_time() -> None:
    """Answer each candidate on standard input with its cost."""
    site = Site()
    for line in sys.stdin:
        print(json.dumps(timed(site, candidate_from(json.loads(line)))), flush=True)


def candidate_from(values: dict[str, Any]) -> Candidate:
    """Return the candidate that was printed as JSON."""
    return Candidate(**values)


def search(options: argparse.Namespace) -> dict[str, Any]:
    """Search as long as asked for; return the most expensive requests and those over the bound."""
    timekeeper = Timekeeper()
    finder = Search(Site(), options.seed)
    end = time.monotonic() + options.minutes * 60
    found: list[dict[str, Any]] = []
    timed_already: set[int] = set()
    kept_alive: list[Candidate] = []
    told_at = time.monotonic()

    def time_best(most: int) -> None:
        for candidate in finder.best():
            if most <= 0:
                return
            if id(candidate) in timed_already:
                continue
            timed_already.add(id(candidate))
            kept_alive.append(candidate)
            cost = timekeeper.cost_of(candidate)
            found.append({**cost, "request": dataclasses.asdict(candidate)})
            most -= 1

    while finder.requests < options.requests and time.monotonic() < end:
        finder.step()
        if finder.requests % COUNTED_PER_TIMED == 0:
            time_best(2)
        if time.monotonic() - told_at > 10:
            told_at = time.monotonic()
            print(_progress(finder, found), file=sys.stderr, flush=True)
    time_best(ELITE)
    timekeeper.close()
    return {
        "seed": options.seed,
        "requests": finder.requests,
        "patterns": finder.patterns,
        "most added": max(found, key=lambda each: each["added"]),
        "most times": max(found, key=lambda each: each["times"]),
        "over": [each for each in found if is_over(each)],
    }


def _progress(finder: Search, found: list[dict[str, Any]]) -> str:
    most = max((each["added"] for each in found), default=0.0)
    times = max((each["times"] for each in found), default=0.0)
    over = sum(map(is_over, found))
    return (
        f"  {finder.requests} requests, {len(found)} timed: at most {most:.2f} ms added, "
        f"{times:.1f} times; {over} over the bound"
    )


def main() -> int:
    """Search and print; 1 when something breaks the bound."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=2.0, help="how long (default: 2)"
    )
    parser.add_argument(
        "--requests", type=int, default=10**9, help="at most so many requests"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="where to begin (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--report-only", action="store_true", help="exit with 0 whatever is found"
    )
    parser.add_argument("--time", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        keep_time()
        return 0
    results = search(options)
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        print(f"{results['requests']} requests, {results['patterns']} patterns counted")
        for name in ("most added", "most times"):
            _print_find(name, results[name])
        for find in results["over"]:
            _print_find("OVER THE BOUND", find)
    return 1 if results["over"] and not options.report_only else 0


def _print_find(name: str, find: dict[str, Any]) -> None:
    print(
        f"{name}: {find['added']:.2f} ms added to {find['plain']:.2f} ms, {find['times']:.1f} times"
    )
    print(f"  {json.dumps(find['request'])}")


if __name__ == "__main__":
    sys.exit(main())
