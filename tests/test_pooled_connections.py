"""Behind a PgBouncer that pools transactions, each statement may reach another session: nothing of ours needs one."""

from __future__ import annotations

import ast
from pathlib import Path

import error_tracking

PACKAGE = Path(error_tracking.__file__).parent


def test_no_query_needs_a_server_side_cursor():
    """``iterator()`` and ``aiterator()`` open one on PostgreSQL."""
    calls = [
        (path.name, node.func.attr)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    assert len(calls) > 1_000
    assert [each for each in calls if each[1] in {"iterator", "aiterator"}] == []
