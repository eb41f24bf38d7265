"""
Plants each secret, and prints what the trackers keep; each runs in its own process.

``python -m bench.secrets`` prints tables, with ``--json`` JSON; ``--tracker`` measures
one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from bench.secrets import planting
from bench.secrets.kept import GONE, counts, has_text, table, twin, verdict
from bench.secrets.site import OURS, ROOT, TRACKERS, UNFILTERED, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

SHOWN = 60  # characters of what is kept


class Measurement:
    """One tracker and the project."""

    def __init__(self, tracker: str) -> None:
        """Start the site."""
        self.tracker = tracker
        self.events = start(tracker)
        self.site = planting.Site()

    def results(self) -> dict[str, Any]:
        """Return what is kept of each plant, and which harmless texts are changed."""
        return {"plants": self._plants(), "harmless": self._harmless()}

    def _plants(self) -> list[dict[str, str]]:
        secrets = planting.values()
        odd = sorted(secrets.keys() ^ planting.PLANTS.keys())
        if odd:
            sys.exit(f"Without a plant or without a value: {', '.join(odd)}")
        found = []
        for name, plant in planting.PLANTS.items():
            secret = secrets[name]
            without = self._captured(twin(secret), plant.run)
            result, kept = verdict(secret, self._captured(secret, plant.run), without)
            found.append(
                {
                    "name": name,
                    "where": plant.where,
                    "kind": plant.kind,
                    "result": result,
                    "kept": kept,
                }
            )
        return found

    def _harmless(self) -> list[dict[str, Any]]:
        from bench.secrets.project.harmless import PLACES

        found = []
        for kind, texts in planting.harmless().items():
            for text in texts:
                changed_in = [
                    place
                    for place in PLACES
                    if not has_text(text, self._captured(text, _request_of(place)))
                ]
                found.append({"kind": kind, "text": text, "changed in": changed_in})
        return found

    def _captured(
        self, value: str, run: Callable[[planting.Site], None]
    ) -> list[dict[str, Any]]:
        """Return the events of *run* with *value* planted."""
        planting.plant(value)
        self.events()
        with self._unit():
            run(self.site)
        found = self.events()
        if not found:
            sys.exit(f"{self.tracker} captured nothing of {value!r}")
        return found

    def _unit(self) -> AbstractContextManager[Any]:
        """Return what keeps the breadcrumbs of one failure from the next."""
        if self.tracker == OURS:
            import error_tracking

            return error_tracking.unit_of_work()
        import sentry_sdk

        return sentry_sdk.isolation_scope()


def _request_of(place: str) -> Callable[[planting.Site], None]:
    def run(site: planting.Site) -> None:
        site.request(f"/harmless/{place}/", "", "", {})

    return run


def measure_all() -> dict[str, Any]:
    """Return the results of each tracker, from a process of its own."""
    found = {}
    for tracker in TRACKERS:
        if tracker != OURS and importlib.util.find_spec("sentry_sdk") is None:
            continue
        command = [sys.executable, "-m", "bench.secrets", "--tracker", tracker]
        answer = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if answer.returncode:
            sys.exit(f"{tracker} could not be measured:\n{answer.stderr}")
        found[tracker] = json.loads(answer.stdout)
    return found


def details(results: dict[str, Any]) -> str:
    """Return the plants that are kept, and the harmless texts that are changed."""
    kept = [each for each in results["plants"] if each["result"] != GONE]
    lines = [
        f"{each['result']:5}  {each['name']:24}  {each['where']:34}  "
        f"{each['kind']:18}  {each['kept'][:SHOWN]}"
        for each in kept
    ]
    for each in results["harmless"]:
        if each["changed in"]:
            places = ", ".join(each["changed in"])
            lines.append(f"changed in {places}: {each['kind']}: {each['text']!r}")
    return "\n".join(lines)


def main() -> int:
    """Measure, and print what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracker", choices=TRACKERS, help="print its results as JSON")
    parser.add_argument("--json", action="store_true", help="print all results as JSON")
    parser.add_argument("--counts", action="store_true", help="print counts as JSON")
    options = parser.parse_args()
    if options.tracker:
        print(json.dumps(Measurement(options.tracker).results()))
        return 0
    found = measure_all()
    if options.counts:
        numbers = {tracker: counts(results) for tracker, results in found.items()}
        print(json.dumps(numbers))
        return 0
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    for tracker, results in found.items():
        if tracker != UNFILTERED:
            print(f"\n{tracker}\n{details(results)}")
    print(f"\n{table({name: counts(each) for name, each in found.items()})}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
