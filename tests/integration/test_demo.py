"""The demonstration: every kind of failure through the example's server, and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from .site import ROOT, free_port

pytestmark = pytest.mark.integration


def run_demo(folder, *arguments):
    return subprocess.run(
        [
            sys.executable,
            "scripts/demo.py",
            "--once",
            f"--port={free_port()}",
            *arguments,
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "EXAMPLE_DATA_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "shop.settings",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def test_demo_shows_every_failure_and_makes_nothing_twice(tmp_path):
    first = run_demo(tmp_path, "--json")
    assert first.returncode == 0, first.stderr
    rows = {row["name"]: row for row in json.loads(first.stdout)}
    bugs = {name for name, row in rows.items() if row["bug"]}
    assert set(rows) - bugs == {"No such page", "Http404", "Forbidden", "Bad request"}
    files = sorted((tmp_path / "planning" / "tasks").glob("B-*.md"))
    assert len(files) == len(bugs) == 20
    assert "not-to-be-stored" not in "".join(file.read_text() for file in files)
    stored = (tmp_path / "data" / "error_tracking.sqlite3").read_bytes()
    assert b"4111 1111" not in stored
    assert b"not-to-be-stored" not in stored

    second = run_demo(tmp_path)
    assert second.returncode == 0, second.stderr
    assert f"{len(bugs)} bugs, {len(bugs)} bug files" in second.stdout
    assert sorted((tmp_path / "planning" / "tasks").glob("B-*.md")) == files


def test_demo_says_so_when_its_port_is_taken(tmp_path):
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        answer = run_demo(tmp_path, f"--port={listener.getsockname()[1]}")
    assert answer.returncode == 2
    assert "is taken" in answer.stderr
