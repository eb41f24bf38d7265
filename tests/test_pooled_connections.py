"""Behind a PgBouncer that pools transactions, each statement may reach another session: nothing of ours needs one."""

from __future__ import annotations

import ast
from pathlib import Path

import error_tracking

PACKAGE = Path(error_tracking.__file__).parent
#: Where the whole cursor is read in one transaction, which stays on one connection.
IN_ONE_TRANSACTION = {"0017_fill_daily_counts.py"}


def test_no_query_needs_a_server_side_cursor():
    """``iterator()`` and ``aiterator()`` open one on PostgreSQL, outside a transaction for a session."""
    calls = [
        (path.name, node.func.attr)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    assert len(calls) > 1_000
    using = {name for name, called in calls if called in {"iterator", "aiterator"}}
    assert using - IN_ONE_TRANSACTION == set()
