"""
Runs the suite with each supported Python, Django and database, one after the other.

    make matrix                    # all of it, some hours
    make matrix ONLY=lowest        # only rows whose title has the word
    TEST_SHARE=0.1 make matrix     # a tenth of the suite in each row

Each result is stored in docs/compatibility.json as soon as it is there, and the page
docs/reference/compatibility.md is written from that file. What cannot be run here, for
a missing interpreter or server, keeps its earlier result.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import environment
from steps import PORTS, Step, is_listening

ROOT = environment.ROOT
RESULTS = ROOT / "docs" / "compatibility.json"
PAGE = ROOT / "docs" / "reference" / "compatibility.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->"
#: Django 6.0 and 6.1 need Python 3.12.
PAIRS = {
    "3.11": ["5.2"],
    "3.12": ["5.2", "6.0", "6.1"],
    "3.13": ["5.2", "6.0", "6.1"],
}
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mariadb": "MariaDB"}
VERSIONS = """
import django, json, platform
from importlib.metadata import version
print(json.dumps({"python": platform.python_version(), "django": django.__version__}))
"""


@dataclasses.dataclass
class Row:
    """One Python with one Django, and what is run with them."""

    title: str
    python: str
    django: str = ""
    is_lowest: bool = False

    @property
    def folder(self) -> Path:
        """Return the folder of its environment."""
        name = "lowest" if self.is_lowest else f"{self.python}-{self.django}"
        return ROOT / f".venv-matrix-{name}"

    def environment(self) -> Path | None:
        """Return the Python of its environment; None if the interpreter is not here."""
        interpreter = environment.find_interpreter(self.python)
        if interpreter is None:
            return None
        series = [environment.django_group(self.django)] if self.django else []
        return environment.ensure(
            self.folder,
            interpreter=interpreter,
            groups=[*series, "test"],
            is_lowest=self.is_lowest,
        )


def rows() -> list[Row]:
    """Return what is supported, and the lowest declared versions with the oldest Python."""
    found = []
    for python, series in PAIRS.items():
        found += [
            Row(f"Python {python}, Django {django}", python, django)
            for django in series
        ]
    return [*found, Row("lowest declared versions", "3.11", is_lowest=True)]


def columns() -> dict[str, tuple[str, dict[str, str]]]:
    """Return per column its selection of tests and environment; only those that can run here."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for key, name in DATABASES.items():
        # SQLite needs no server.
        if name not in PORTS or is_listening(PORTS[name]):
            found[name] = ("not integration", {"TEST_DATABASE": key})
    has_brokers = all(is_listening(PORTS[name]) for name in ("Redis", "RabbitMQ"))
    if has_brokers:
        found["stories"] = ("integration", {})
    return found


def run(row: Row, column: str, python: Path, logs: Path) -> dict[str, object]:
    """Run one cell; return its result as it is stored."""
    selection, extra = columns()[column]
    share = os.environ.get("TEST_SHARE", "1")
    step = Step(
        f"{row.title}, {column}",
        [str(python), "-m", "pytest", "-q", "-m", selection],
        {**extra, "TEST_SHARE": share, "PATH": f"{python.parent}:{os.environ['PATH']}"},
        number=1,
    )
    is_ok = step.run(1, logs)
    passed = re.search(r"(\d+) passed", step.summary)
    answer = subprocess.run(
        [str(python), "-c", VERSIONS], capture_output=True, text=True, check=True
    )
    return {
        **json.loads(answer.stdout),
        "passed": int(passed[1]) if passed else 0,
        "is_ok": is_ok,
        "share": float(share),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }


def cell(result: dict[str, object] | None) -> str:
    """Return a result as it is shown."""
    if result is None:
        return "not run"
    word = "passed" if result["is_ok"] else "**failed**"
    part = "" if result["share"] == 1 else f", {result['share']:.0%} of the suite"
    return f"{result['passed']:,} {word}{part}"


def table(results: dict[str, dict[str, dict[str, object]]]) -> str:
    """Return the results as a table in Markdown."""
    names = [*DATABASES.values(), "stories"]
    lines = [
        f"| | {' | '.join(names)} |",
        f"|---|{'--:|' * len(names)}",
    ]
    for row in rows():
        found = results.get(row.title, {})
        cells = [cell(found.get(name)) for name in names]
        lines.append(f"| {_title(row, found)} | {' | '.join(cells)} |")
    dates: list[str] = []
    for row_results in results.values():
        dates += [str(result["date"]) for result in row_results.values()]
    period = f"{min(dates)} to {max(dates)}" if dates else "not yet"
    return "\n".join([*lines, "", f"Run: {period}.", ""])


def _title(row: Row, found: dict[str, dict[str, object]]) -> str:
    """Return the title of *row* with the versions that were run."""
    if not found:
        return row.title
    latest = max(found.values(), key=lambda each: str(each["date"]))
    versions = f"Python {latest['python']}, Django {latest['django']}"
    return f"lowest declared: {versions}" if row.is_lowest else versions


def write(results: dict[str, dict[str, dict[str, object]]]) -> None:
    """Store *results* and write the page from them."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{table(results)}{END}{after}", encoding="utf-8")


def main() -> int:
    """Run the cells that can be run here; return the exit status."""
    only = os.environ.get("ONLY", "")
    results = (
        json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    )
    logs = Path(tempfile.mkdtemp(prefix="error_tracking-matrix-"))
    is_ok = True
    for row in rows():
        cells = [name for name in columns() if only in f"{row.title}, {name}"]
        python = row.environment() if cells else None
        if cells and python is None:
            print(f"SKIPPED: {row.title}: the interpreter was not found")
            continue
        for name in cells:
            result = run(row, name, python, logs)
            results.setdefault(row.title, {})[name] = result
            write(results)
            is_ok = is_ok and bool(result["is_ok"])
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
