"""Bug files from issues in a checkout, without a database; one bug on standard output, with one."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

from error_tracking.report.bug_report import BugReport
from error_tracking.report.markdown import bug_file, issue_body
from error_tracking.trackers.markdown import values_in

ROOT = Path(__file__).resolve().parent.parent
UUID = "0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e"
REPORT = BugReport(
    bug_id="B-012",
    uuid=UUID,
    title="ValueError in shop.pay",
    exception_type="ValueError",
    frames=(
        ("shop/pay.py", 3, "pay", "raise ValueError"),
        ("shop/../../etc/passwd", 1, "x", ""),
    ),
    last_seen="2099-01-01T00:00:00+00:00",
)


def git(folder, *arguments):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def tasks(tmp_path, configure, github, settings):
    """PLANNING_DIR in a real checkout, whose repository is the stub's; no test here has a database."""
    checkout = tmp_path / "checkout"
    (checkout / "src" / "shop").mkdir(parents=True)
    (checkout / "src" / "shop" / "pay.py").write_text("raise ValueError\n")
    git(tmp_path, "init", "-q", str(checkout))
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "Pay `@octocat` <b>fast</b>")
    settings.BASE_DIR = checkout
    configure(GITHUB_REPO="acme/shop")
    return checkout / "planning" / "tasks"


def add_issue(github, report=REPORT, **values):
    labels = values.pop("labels", ("bug", "medium"))
    return github.add_issue(
        body=values.pop("body", issue_body(report)), labels=labels, **values
    )


def pull(*arguments):
    out, errors = io.StringIO(), io.StringIO()
    failed = ""
    try:
        call_command("error_tracking_pull", *arguments, stdout=out, stderr=errors)
    except CommandError as error:
        failed = str(error)
    return out.getvalue(), errors.getvalue(), failed


def test_files_of_open_bugs_are_written_and_then_left_alone(tasks, github):
    add_issue(github)
    add_issue(github, body="somebody's own bug, without a report")
    out, errors, failed = pull()
    assert "new        B-012-valueerror-in-shop-pay.md  #1 open" in out
    assert (errors, failed) == ("", "")
    [file] = tasks.iterdir()
    assert values_in(file)["issue"] == "https://github.com/acme/shop/issues/1"
    assert values_in(file)["status"] == "open"
    assert "unchanged  B-012" in pull()[0]


def test_commits_that_touched_the_frames_are_in_code(tasks, github):
    add_issue(github)
    pull()
    text = next(tasks.iterdir()).read_text()
    [line] = [line for line in text.splitlines() if "octocat" in line]
    assert line.startswith("- ``")
    assert line.endswith("Ada: Pay `@octocat` <b>fast</b>``")


def test_commits_are_those_between_the_releases_that_the_issue_names(tasks, github):
    checkout = tasks.parent.parent
    git(checkout, "tag", "v1.0")
    for version in ("1.1", "1.2"):
        (checkout / "src" / "shop" / "pay.py").write_text(version)
        git(checkout, "commit", "-qam", f"Change for {version}")
        git(checkout, "tag", f"v{version}")
    releases = {"healthy_release": "1.0", "failing_release": "1.1"}
    add_issue(github, dataclasses.replace(REPORT, **releases))
    pull()
    text = next(tasks.iterdir()).read_text()
    assert "## Recent changes to these files" in text
    assert "Change for 1.1" in text
    assert "Change for 1.2" not in text
    assert "octocat" not in text


def test_commits_are_left_out_where_git_does_not_answer(tasks, github, monkeypatch):
    add_issue(github)
    monkeypatch.setattr("error_tracking.checkout.TIMEOUT_SECONDS", 0)
    out, errors, _ = pull()
    assert "Wrote 1 of 1 file;" in out
    assert "git reports: " in errors


def test_what_people_wrote_stays_and_what_is_ours_is_brought_up_to_date(tasks, github):
    issue = add_issue(github)
    pull()
    [file] = tasks.iterdir()
    file.write_text(file.read_text() + "my notes")
    github.edit(
        issue["number"], body=issue_body(dataclasses.replace(REPORT, count=100))
    )
    assert "updated    B-012" in pull()[0]
    assert file.read_text().endswith("my notes")
    assert values_in(file)["occurrences"] == "100"


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (REPORT, "resolved"),
        (dataclasses.replace(REPORT, merged_into="B-001", status="resolved"), "merged"),
    ],
)
def test_file_of_a_bug_whose_issue_is_closed_is_marked_once(
    tasks, github, report, status
):
    issue = add_issue(github)
    pull()
    github.edit(issue["number"], state="closed", body=issue_body(report))
    assert "updated    B-012" in pull()[0]
    [file] = tasks.iterdir()
    assert values_in(file)["status"] == status
    before = len(github.requests)
    pull()
    # Whose token it is, and the open issues: this one is not read again.
    assert len(github.requests) == before + 2


def test_file_of_a_bug_whose_issue_is_not_planned_is_muted(tasks, github):
    issue = add_issue(github)
    pull()
    github.edit(issue["number"], state="closed", state_reason="not_planned")
    assert "updated    B-012" in pull()[0]
    assert values_in(next(tasks.iterdir()))["status"] == "muted"


def test_issue_that_was_opened_again_opens_its_file(tasks, github):
    add_issue(github, dataclasses.replace(REPORT, status="resolved"))
    pull()
    assert values_in(next(tasks.iterdir()))["status"] == "open"


def test_issue_that_is_gone_leaves_its_file_and_is_told(tasks, github):
    issue = add_issue(github)
    pull()
    github.edit(issue["number"], is_deleted=True)
    _, errors, failed = pull()
    assert "cannot be read" in errors
    assert failed
    assert values_in(next(tasks.iterdir()))["status"] == "open"


def test_number_of_another_bug_is_refused_and_the_others_are_written(tasks, github):
    tasks.mkdir(parents=True)
    (tasks / "B-12-planned-by-hand.md").write_text("ours")
    add_issue(github)
    other = dataclasses.replace(REPORT, bug_id="B-013", uuid=UUID.replace("0", "1"))
    add_issue(github, other)
    add_issue(github, other)
    out, errors, failed = pull()
    assert "new        B-013" in out
    assert (
        "B-012 #1: B-012 is taken: 'B-12-planned-by-hand.md' belongs to another bug"
        in errors
    )
    assert "B-013 #3: issue #2 belongs to this bug already" in errors
    assert failed == "2 issues were refused."
    assert (tasks / "B-12-planned-by-hand.md").read_text() == "ours"


@pytest.mark.parametrize(
    "author",
    [
        {"login": "mallory", "type": "User"},
        {"login": "other[bot]", "type": "Bot"},
        {"login": "", "type": "User"},
        None,
    ],
)
def test_issue_that_others_opened_writes_nothing(tasks, github, author):
    """Even an owner's: whoever may open issues could otherwise write into the code."""
    add_issue(github, user=author, author_association="OWNER")
    out, errors, failed = pull()
    assert "Wrote 0 of 0 files; 0 refused." in out
    assert "Not read: 1 issue of other accounts" in errors
    assert failed == ""
    assert json.loads(pull("--json")[0])["skipped"] == 1
    assert not tasks.exists()


def test_closed_issue_that_others_opened_changes_nothing(tasks, github):
    issue = add_issue(github)
    pull()
    user = {"login": "mallory", "type": "User"}
    github.edit(issue["number"], state="closed", user=user)
    assert "Wrote 0 of 0 files" in pull()[0]
    assert values_in(next(tasks.iterdir()))["status"] == "open"


@pytest.mark.parametrize("login", ["acme-errors[bot]", "Acme-Errors[bot]"])
def test_author_may_be_named(tasks, github, login):
    add_issue(github, user={"login": "acme-errors[bot]", "type": "Bot"})
    assert "Wrote 0 of 0 files" in pull()[0]
    assert "new        B-012" in pull("--author", "ada", "--author", login)[0]


def test_token_without_an_account_needs_an_author(tasks, github):
    """The token of a GitHub Action belongs to no account."""
    add_issue(github)
    github.fail_next(403, message="Resource not accessible", only="GET /user")
    assert "Name the account that files the issues with --author" in pull()[2]
    assert not tasks.exists()
    assert "Wrote 1 of 1 file" in pull("--author", "ada")[0]


@pytest.mark.parametrize("login", ["a b", "", "--x", "a" * 40, "a/b"])
def test_author_that_is_no_login_is_refused(tasks, github, login):
    assert "is not a GitHub login" in pull(f"--author={login}")[2]


def test_broken_front_matter_writes_nothing(tasks, github):
    begin = "<!-- error-tracking:front-matter\n"
    add_issue(github, labels=())
    add_issue(github, body=f'{begin}id: "../B-1"\nuuid: "{UUID}"\n-->')
    add_issue(github, body=f'{begin}id: "B-1"\nuuid: "{UUID}"\nframes: 1\n-->')
    add_issue(github, body=f"{begin}frames: {'[' * 9_000}\n-->")
    _, errors, failed = pull()
    assert errors.count("in its front matter is invalid") == 3
    assert failed
    assert not tasks.exists()


def test_issue_of_a_former_version_is_left_until_its_bug_changes(tasks, github):
    data = '<!-- error-tracking:data {"bug_id": "B-012"} -->'
    add_issue(github, body=f"text\n\n{REPORT.marker}\n\n{data}")
    out, errors, failed = pull()
    assert "Wrote 0 of 0 files; 0 refused." in out
    assert (errors, failed) == ("", "")


def test_file_is_the_one_that_the_site_would_write(tasks, github):
    report = dataclasses.replace(
        REPORT,
        route="/pay/",
        method="POST",
        status_code=500,
        body={"card": "digits"},
        details={"message": "no"},
        frames=REPORT.frames[:1],
    )
    add_issue(github, report)
    pull()
    [file] = tasks.iterdir()
    [commit] = re.findall(r"`(\w+ \S+ Ada.*)``", file.read_text())
    url = "https://github.com/acme/shop/issues/1"
    known = dataclasses.replace(report, issue_url=url, commits=(commit + "`",))
    assert re.sub("``.*", "", file.read_text()) == re.sub("``.*", "", bug_file(known))


def test_edited_evidence_stays_code(tasks, github):
    body = issue_body(REPORT)
    test = body.partition("evidence test -->\n")[2].partition("\n<!--")[0]
    attacks = (
        "# A heading\n@mallory",
        f"{test}\n\n# A heading",
        test.replace("```python", "````python\n```\n# A heading"),
        "```python\n```\n# A heading\n```\n```",
    )
    for attack in attacks:
        github.issues.clear()
        add_issue(github, body=body.replace(test, attack))
        pull()
        [file] = tasks.iterdir()
        text = file.read_text()
        file.unlink()
        assert "# A heading" not in text
        assert "mallory" not in text


def test_dry_run_writes_nothing_and_json_is_all_there_is_on_standard_output(
    tasks, github
):
    add_issue(github)
    add_issue(github)
    result = json.loads(pull("--dry-run", "--json")[0])
    assert result["dry_run"]
    assert [(row["bug"], row["change"]) for row in result["bugs"]] == [("B-012", "new")]
    assert [row["issue"] for row in result["refused"]] == [2]
    assert not tasks.exists()


def test_what_is_missing_is_told(
    tasks, github, configure, settings, tmp_path, monkeypatch
):
    for call in ("GET /user", "GET /repos"):
        github.fail_next(500, message="no", only=call)
        assert "The issues could not be read: " in pull()[2]
    monkeypatch.setenv("PATH", "")
    assert "gh" in pull()[2]
    settings.BASE_DIR = tmp_path / "elsewhere"
    assert "is in no git checkout" in pull()[2]
    configure(GITHUB_REPO=None)
    assert "GITHUB_REPO" in pull()[2]


def test_file_that_cannot_be_written_is_told(tasks, github):
    tasks.parent.mkdir()
    tasks.write_text("a file where the folder should be")
    add_issue(github)
    _, errors, failed = pull()
    assert "could not be written" in errors
    assert failed


def test_documented_workflow_has_the_least_rights_and_no_text_from_outside():
    text = (ROOT / "docs" / "reference" / "bug-file.md").read_text()
    workflow = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert workflow["permissions"] == {"contents": "write", "issues": "read"}
    assert re.findall(r"\$\{\{(.*?)\}\}", text) == [" github.token "]
    steps = workflow["jobs"]["pull"]["steps"]
    assert [
        step["run"] for step in steps if "error_tracking_pull" in step.get("run", "")
    ] == ["python manage.py error_tracking_pull --author acme-bot"]


class TestExport:
    def export(self, *arguments):
        out = io.StringIO()
        call_command("error_tracking_export", *arguments, stdout=out)
        return out.getvalue()

    def test_file_is_printed_or_written(self, bug, tmp_path):
        text = self.export(bug.bug_id.lower())
        assert text.startswith(f'---\nid: "{bug.bug_id}"\n')
        assert self.export(bug.bug_id, "--output", str(tmp_path / "b.md")) == ""
        assert (tmp_path / "b.md").read_text() == text
        with pytest.raises(CommandError, match="No such file"):
            self.export(bug.bug_id, "--output", str(tmp_path / "no" / "b.md"))

    def test_report_is_printed_as_json(self, bug):
        assert json.loads(self.export(bug.bug_id, "--json"))["uuid"] == str(bug.uuid)

    def test_unknown_bug_names_near_ones(self, bug):
        with pytest.raises(
            CommandError, match=f"There is no bug B-010: did you mean {bug.bug_id}"
        ):
            self.export("B-10")
        with pytest.raises(
            CommandError,
            match=r"no bug zzz: 'error_tracking_bugs list --all' shows all\.$",
        ):
            self.export("zzz")

    def test_bug_is_named_as_in_the_other_commands(self, bug):
        assert self.export("1") == self.export("b-1") == self.export(bug.bug_id)
