"""The site knows its own address, and links lead there: in mails, issues, files and the admin."""

from __future__ import annotations

import dataclasses
import html
import subprocess

import pytest
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.checks import run_checks
from django.db import connection
from django.test import override_settings
from django.urls import set_script_prefix
from django.urls.base import clear_script_prefix

from error_tracking.checkout import origin_of
from error_tracking.filing import outbox
from error_tracking.report import links
from error_tracking.report.bug_report import BugReport
from error_tracking.report.builder import build_report
from error_tracking.report.front_matter import report_from_issue
from error_tracking.report.markdown import bug_file, issue_body
from error_tracking.trackers.github import GitHubTracker
from error_tracking.trackers.mail import MailTracker
from tests.github_stub import GitHubStub
from tests.test_trackers import ADMINS

SITE = "https://shop.example"
REPORT = BugReport(
    bug_id="B-012",
    uuid="0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e",
    title="ValueError in shop.pay",
    admin_url=f"{SITE}/admin/error_tracking/knownbug/12/change/",
)


@pytest.fixture(autouse=True)
def _no_address_of_this_machine(monkeypatch):
    monkeypatch.delenv(links.VARIABLE, raising=False)
    links._folder_url.cache_clear()


@pytest.fixture
def sites(transactional_db):
    """django.contrib.sites, with its table."""
    installed = [*settings.INSTALLED_APPS, "django.contrib.sites"]
    with override_settings(INSTALLED_APPS=installed, SITE_ID=1):
        site_model = apps.get_model("sites", "Site")
        with connection.schema_editor() as editor:
            editor.create_model(site_model)
        site_model.objects.create(pk=1, domain="example.com", name="example.com")
        site_model.objects.clear_cache()
        yield site_model.objects
        site_model.objects.clear_cache()
        with connection.schema_editor() as editor:
            editor.delete_model(site_model)


class TestAddressOfTheSite:
    def test_setting_comes_before_the_environment(self, configure, monkeypatch):
        assert links.site_url() == ""
        monkeypatch.setenv(links.VARIABLE, "https://env.example/")
        assert links.site_url() == "https://env.example"
        configure(SITE_URL=f"{SITE}/")
        assert links.site_url() == SITE

    @pytest.mark.parametrize(
        "url",
        [
            *("shop.example", "ftp://shop.example", "javascript:alert(1)", "https://"),
            *("https://u:p@shop.example", "https://shop.example/?a=1", "https://x/#a"),
            *("https://shop.example/<b>", "https://shop.example/a b", "https://[::1"),
        ],
    )
    def test_what_is_no_address_makes_no_links_and_is_reported(
        self, configure, monkeypatch, url
    ):
        configure(SITE_URL=url)
        ours = run_checks(tags=["error_tracking"])
        [error] = [each for each in ours if each.id == "error_tracking.E001"]
        assert "'SITE_URL'" in error.msg
        assert links.site_url() == ""
        configure(SITE_URL=None)
        monkeypatch.setenv(links.VARIABLE, url)
        assert links.site_url() == ""
        [warning] = _link_warnings()
        assert links.VARIABLE in warning.msg

    def test_sites_framework_counts_once_it_was_corrected(self, sites):
        assert links.site_url() == "", "example.com is nobody's"
        sites.filter(pk=1).update(domain="shop.example:8443")
        sites.clear_cache()
        assert links.site_url() == "https://shop.example:8443"
        sites.filter(pk=1).update(domain="shop.example/<b>")
        sites.clear_cache()
        assert links.site_url() == ""
        sites.all().delete()
        sites.clear_cache()
        assert links.site_url() == ""

    def test_check_says_how_to_set_it_until_it_is_known(
        self, configure, settings, monkeypatch
    ):
        [warning] = _link_warnings()
        assert "SITE_URL" in warning.hint
        assert links.VARIABLE in warning.hint
        monkeypatch.setenv(links.VARIABLE, SITE)
        assert _link_warnings() == []
        monkeypatch.delenv(links.VARIABLE)
        configure(SITE_URL=SITE)
        assert _link_warnings() == []


def _link_warnings():
    messages = run_checks(tags=["error_tracking"], include_deployment_checks=True)
    return [each for each in messages if each.id == "error_tracking.W013"]


class TestAdminLink:
    @pytest.mark.parametrize("prefix", ["/", "/app/"])
    def test_it_has_the_prefix_of_the_setting_in_every_thread(self, configure, prefix):
        """A request knows the prefix that the server mounts the site under; the filer's thread does not."""
        configure(SITE_URL=f"{SITE}/app")
        set_script_prefix(prefix)
        try:
            url = links.bug_url(12)
        finally:
            clear_script_prefix()
        assert url == f"{SITE}/app/admin/error_tracking/knownbug/12/change/"

    def test_site_without_our_admin_has_none(self, configure, settings):
        configure(SITE_URL=SITE)
        settings.ROOT_URLCONF = "tests.own_admin_urls"
        assert links.bug_url(12) == ""

    def test_mail_has_it(self, settings):
        settings.ADMINS = ADMINS
        MailTracker().file(REPORT)
        assert f"Admin: {REPORT.admin_url}\n" in mail.outbox[0].body + "\n"

    @pytest.mark.parametrize("is_private", [True, False])
    def test_issue_has_it_where_only_the_team_reads_it(
        self, monkeypatch, configure, is_private
    ):
        with GitHubStub() as stub:
            stub.is_private = is_private
            configure(GITHUB_REPO=stub.use(monkeypatch, "http"))
            tracker = GitHubTracker(stub.use(monkeypatch, "http"))
            tracker.file(REPORT)
            [issue] = stub.issues
            assert (REPORT.admin_url in issue["body"]) is is_private
            # What is written again when the bug changes has the same.
            changed = dataclasses.replace(
                REPORT, count=10, issue_number=1, issue_url=issue["html_url"]
            )
            tracker.update(changed, "#1")
            assert (REPORT.admin_url in stub.issues[0]["body"]) is is_private
            asked = [path for method, path, _ in stub.requests if method == "GET"]
            assert sum(path.endswith("/repos/acme/shop") for path in asked) == 1

    def test_public_issue_and_bug_file_have_it_where_publish_says_so(
        self, bug, configure
    ):
        configure(SITE_URL=SITE)
        url = links.bug_url(bug.pk)
        report = build_report(bug)
        assert report.admin_url == url
        assert url not in issue_body(report) + bug_file(report)
        configure(PUBLISH=["admin_link"])
        report = build_report(bug)
        assert f"- Admin: <{url}>" in issue_body(report)
        assert f"- Admin: <{url}>" in bug_file(report)
        assert report_from_issue(issue_body(report)).published_admin_url == url

    def test_hostile_link_in_an_issue_is_no_front_matter(self):
        body = issue_body(
            dataclasses.replace(REPORT, published_admin_url="https://a.b")
        )
        with pytest.raises(ValueError, match="admin in its front matter"):
            report_from_issue(body.replace('"https://a.b"', '"javascript:alert(1)"'))


def git(folder, *arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, configure):
    """A checkout of acme/shop on the branch "work", with the bug files below it."""
    root = tmp_path / "checkout"
    root.mkdir()
    git(root, "init", "-b", "work")
    git(root, "commit", "--allow-empty", "-m", "begin")
    git(root, "remote", "add", "origin", "git@github.com:Acme/shop.git")
    configure(GITHUB_REPO="acme/shop", PLANNING_DIR=root / "planning" / "tasks")
    return root


class TestFileLink:
    def test_file_is_linked_in_repository_and_branch(self, checkout):
        url = links.file_url("B-012-it.md")
        expected = "https://github.com/Acme/shop/blob/work/planning/tasks/B-012-it.md"
        assert url == expected

    def test_deployed_commit_is_linked_on_the_default_branch(self, checkout):
        git(checkout, "checkout", "--detach")
        assert "/blob/HEAD/planning/" in links.file_url("B-012-it.md")

    def test_checkout_of_another_repository_has_none(self, checkout, configure):
        configure(GITHUB_REPO="acme/other")
        assert links.file_url("B-012-it.md") == ""
        configure(GITHUB_REPO=None)
        assert links.file_url("B-012-it.md") == ""

    def test_folder_outside_a_checkout_has_none(self, configure, tmp_path):
        configure(GITHUB_REPO="acme/shop", PLANNING_DIR=tmp_path / "elsewhere")
        assert links.file_url("B-012-it.md") == ""

    @pytest.mark.parametrize(
        ("remote", "found"),
        [
            ("https://github.com/acme/shop", ("github.com", "acme/shop")),
            ("https://x:y@git.example/acme/shop.git", ("git.example", "acme/shop")),
            ("ssh://git@git.example:22/acme/shop.git", ("git.example", "acme/shop")),
            ("/srv/git/shop.git", None),
            ("file:///srv/shop", None),
        ],
    )
    def test_each_way_to_write_a_remote_is_read(self, checkout, remote, found):
        git(checkout, "remote", "set-url", "origin", remote)
        origin = origin_of(checkout)
        assert (origin and (origin.host, origin.name)) == found

    def test_checkout_without_a_remote_has_none(self, checkout):
        git(checkout, "remote", "remove", "origin")
        assert origin_of(checkout) is None

    def test_admin_links_it(self, bug, checkout, admin_client):
        bug.filings.filter(tracker="markdown").update(
            state="filed", reference="B-001-it.md", url="/srv/x.md"
        )
        type(bug).objects.filter(pk=bug.pk).update(file_name="B-001-it.md")
        page = admin_client.get(f"/admin/error_tracking/knownbug/{bug.pk}/change/")
        url = links.file_url("B-001-it.md")
        assert page.content.decode().count(f'href="{url}"') == 2


def test_page_of_a_bug_shows_why_its_issue_lacks_a_label(
    bug, configure, monkeypatch, admin_client
):
    with GitHubStub() as stub:
        stub.can_label = False
        configure(GITHUB_REPO=stub.use(monkeypatch, "http"))
        outbox.request(bug)
        outbox.file_bug(bug.pk)
    page = admin_client.get(f"/admin/error_tracking/knownbug/{bug.pk}/change/")
    content = html.unescape(page.content.decode())
    assert "the issue has no label 'bug', by which error_tracking_pull" in content
