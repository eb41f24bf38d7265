"""The benchmark of the friendly page runs, and fails where a page asks the database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.page import EXAMPLES, IN_PLACE, QueryError, measure
from bench.run import _page_table
from error_tracking.models import KnownBug

ROOT = Path(__file__).resolve().parent.parent


def test_every_page_is_measured_without_a_database():
    answer = subprocess.run(
        [sys.executable, "-m", "bench.page", "20"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    results = json.loads(answer.stdout)
    assert set(results) == {*EXAMPLES.values(), IN_PLACE}
    assert min(results.values()) > 0
    assert len(_page_table(results)) == 5 + len(EXAMPLES) + 1


@pytest.mark.django_db
def test_query_fails_the_benchmark():
    with pytest.raises(QueryError, match="SELECT"):
        measure(KnownBug.objects.count, 1)
