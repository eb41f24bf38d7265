"""Units of work and texts of objects on real servers: uvicorn with Channels, gunicorn with threads and with gevent."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from .site import database, run_async
from .test_sources_story import GUNICORN, WSGI, Server

pytestmark = pytest.mark.integration


class UnitsServer(Server):
    def __init__(self, folder, environment, *command):
        super().__init__(folder, environment, *command)
        self.environment["DJANGO_SETTINGS_MODULE"] = "tests.integration.units_settings"

    def stored(self):
        status, body = self.get("/stored/", "application/json")
        assert status == 200, body
        return json.loads(body)["logs"]


async def talk(url, said):
    """Open a connection per name, then say everything in turn."""
    websockets = pytest.importorskip("websockets")
    connections = {}
    for name, text in said:
        if name not in connections:
            connections[name] = await websockets.connect(url)
        await connections[name].send(text)
        assert await asyncio.wait_for(connections[name].recv(), 10) == "done"
    for connection in connections.values():
        await connection.close()


def test_what_one_websocket_tells_is_on_its_own_errors_only(tmp_path):
    pytest.importorskip("channels")
    command = [
        "uvicorn",
        "--port={port}",
        "--log-level=info",
        "--lifespan=off",
        "tests.integration.units_asgi:application",
    ]
    with (
        database("sqlite", tmp_path) as environment,
        UnitsServer(tmp_path, environment, *command) as site,
    ):
        said = [
            ("alice", "tell alice"),
            ("bob", "fail bob"),
            ("bob", "task bob's-task"),
            ("alice", "fail alice"),
            ("alice", "task alice's-task"),
        ]
        run_async(talk(f"ws://127.0.0.1:{site.port}/room/", said))
        found = site.stored()
    assert found == [
        ["bob", "", None, 0],
        ["bob's-task", "", None, 0],
        ["alice", "alice", "alice", 1],
        ["alice's-task", "alice", "alice", 1],
    ]


def ask_pool(site):
    for path in ("tell/alice", "fail/bob", "job/carl", "fail/dora"):
        assert site.get(f"/pool/{path}/")[0] == 200
    return site.stored()


@pytest.mark.parametrize("worker", ["gthread", "gevent"])
def test_jobs_of_a_thread_pool_do_not_mix(tmp_path, worker):
    if worker == "gevent":
        pytest.importorskip("gevent")
    command = [*GUNICORN, "--workers=1", f"--worker-class={worker}", WSGI]
    with (
        database("sqlite", tmp_path) as environment,
        UnitsServer(tmp_path, environment, *command) as site,
    ):
        found = ask_pool(site)
    assert found == [
        ["bob", "", None, 0],
        ["carl", "carl", "carl", 1],
        ["dora", "", None, 0],
    ]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_slow_text_leaves_other_greenlets_their_database(tmp_path, kind):
    pytest.importorskip("gevent")
    command = [*GUNICORN, "--workers=1", "--worker-class=gevent", WSGI]
    with (
        database(kind, tmp_path) as environment,
        UnitsServer(tmp_path, environment, *command) as site,
        ThreadPoolExecutor(8) as pool,
    ):
        paths = ["/slow/", *["/query/"] * 9] * 5
        answers = list(pool.map(site.get, paths))
        found = site.stored()
    for path, (status, body) in zip(paths, answers, strict=True):
        assert status == (500 if path == "/slow/" else 200), body
    assert [each[0] for each in found].count("slow text") == len(found) > 0
