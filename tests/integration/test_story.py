"""
The whole line: a failing request becomes a page, one bug, one file, one issue; unfixed, it comes back.

A real HTTP server with two processes, the real ``gh`` against a local stub.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.github_stub import GitHubStub, require_gh

from .site import Site, database, need

pytestmark = pytest.mark.integration

MORE = 50


@pytest.fixture
def stub():
    require_gh()
    with GitHubStub() as running:
        yield running


def tell_story(site, stub):
    status, page = site.get("/pets/12/")
    assert status == 500
    assert "Something went wrong" in page
    reference = re.search(r"<code[^>]*>([0-9a-f]{10})</code>", page)[1]

    state = site.probe("wait", 1, 40)
    assert state["references"] == [reference]
    assert [group["times_seen"] for group in state["groups"]] == [1]
    [bug] = state["bugs"]
    assert (bug["bug_id"], bug["status"], bug["severity"]) == ("B-001", "open", "high")
    assert [filing["state"] for filing in state["filings"]] == ["filed", "filed"], (
        state["filings"]
    )
    [file] = site.bug_files()
    assert file.name.startswith("B-001-valueerror")
    assert bug["file_name"] == file.name
    text = file.read_text()
    assert "crash" in text
    assert "/pets/12/" not in text
    assert "127.0.0" not in text
    [issue] = stub.issues
    assert {
        label if isinstance(label, str) else label["name"] for label in issue["labels"]
    } == {"bug", "error-tracking", "high"}
    assert issue["number"] == bug["github_issue_number"]

    with ThreadPoolExecutor(8) as pool:
        assert {
            code
            for code, _ in pool.map(site.get, [f"/pets/{pk}/" for pk in range(MORE)])
        } == {500}
    state = site.probe("wait", MORE + 1, 40)
    counts = (state["logs"], state["seen"], state["hourly"], state["totals"])
    assert counts == (MORE + 1,) * 4
    [bug] = state["bugs"]
    assert bug["occurrence_count"] == MORE + 1
    assert len(site.bug_files()) == len(stub.issues) == len(state["groups"]) == 1

    deadline = time.monotonic() + 30
    pages = 1
    while "We know about this problem" not in site.get("/pets/1/")[1]:
        pages += 1
        assert time.monotonic() < deadline, "no process told that the bug is known"
        time.sleep(0.3)

    before = MORE + 1 + pages
    site.probe("wait", before, 40)
    assert [bug["status"] for bug in site.probe("resolve")["bugs"]] == ["resolved"]
    site.get("/pets/99/")
    state = site.probe("wait", before + 1, 40)
    [bug] = state["bugs"]
    assert (bug["bug_id"], bug["status"], bug["occurrence_count"]) == (
        "B-001",
        "open",
        before + 1,
    )
    assert state["regressed"] == ["B-001"]
    assert len(site.bug_files()) == len(stub.issues) == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_failing_request_becomes_one_bug_one_file_and_one_issue(tmp_path, stub, kind):
    with (
        database(kind, tmp_path) as environment,
        Site(tmp_path, environment, github=stub.environment) as site,
    ):
        tell_story(site, stub)


def test_asgi_server_tells_the_same_story(tmp_path, stub):
    with (
        database("sqlite", tmp_path) as environment,
        Site(tmp_path, environment, github=stub.environment, is_async=True) as site,
    ):
        tell_story(site, stub)
        status, page = site.get("/async/")
        assert status == 500
        assert "Something went wrong" in page
        with pytest.raises(Exception, match=r"IncompleteRead|Remote end closed"):
            site.get("/streaming-async/")
        titles = {group["title"] for group in site.probe("wait", 10**6, 4)["groups"]}
        assert {
            "ValueError in tests.urls.crash_async",
            "ValueError in tests.urls.streaming_async.<locals>.parts",
        } <= titles


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_celery_worker_files_the_bug(tmp_path, stub, broker):
    need(broker)
    with (
        database("sqlite", tmp_path) as environment,
        Site(tmp_path, environment, github=stub.environment, broker=broker) as site,
    ):
        tell_story(site, stub)
        assert re.search(
            r"Task error_tracking\.create_bug_task\[.*\] succeeded",
            site.log("celery.log"),
        )
        assert "filed: bug=B-001" in site.log("celery.log")
        assert "filed: bug=B-001" not in site.log("web.log")


def test_site_without_github_files_only_the_bug_file(tmp_path):
    with (
        database("sqlite", tmp_path) as environment,
        Site(tmp_path, environment) as site,
    ):
        site.get("/crash/")
        state = site.probe("wait", 1, 40)
        assert [
            (filing["tracker"], filing["state"]) for filing in state["filings"]
        ] == [("markdown", "filed")]
        assert len(site.bug_files()) == 1
        assert "GITHUB_REPO is not set" in site.log("web.log")
