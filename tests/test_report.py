"""What leaves the site of a bug: the whitelist, as Markdown, in a file that people and agents work from."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import uuid

import pytest
import yaml
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from error_tracking import filing, report
from error_tracking.exceptions import TrackerError
from error_tracking.models import ErrorLog, Filing, KnownBug
from error_tracking.report import DESCRIPTION_CHARS, TITLE_CHARS, BugReport, report_from, report_from_json, slug_from
from error_tracking.reproduction import failing_test, reproduction
from error_tracking.samples import argument_like, kind_of, made_up
from error_tracking.trackers.markdown import MarkdownTracker, values_in
from error_tracking.utils import clean_text
from error_tracking.wording import (
    BEGIN,
    BODY_CHARS,
    DATA,
    DATA_CHARS,
    END,
    FENCE_CHARS,
    bug_file,
    code,
    cut,
    data_in,
    fence,
    front_matter,
    issue_body,
    markdown,
    report_in,
    with_status,
)

UUID = "0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e"
REPORT = BugReport(bug_id="B-012", uuid=UUID, title="ValueError in shop.pay")

PIECES = [
    *("```", "````\n", "~~~\n", "`", "\n", "\r", "\r\n", "\n\n# x\n", "\n---\n", "status: resolved\n", "- [ ] x", "|"),
    *("<!--", "-->", BEGIN, END, f"<!-- {DATA} {{}} -->", f"<!-- error-tracking:{UUID} -->", "<script>", "</details>"),
    *("@octocat", "#1", "GH-1", "fixes #1", "acme/shop#1", "[x](javascript:1)", "![x](http://x.example)", "&lt;", "\\"),
    *(
        "\x00",
        "\x1b[31m",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\uffff",
        "\ud800",
        "😀",
        "ä",
        "{{ x }}",
        "{% x %}",
        '"',
        "'''",
    ),
]
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=12).map("".join)
shapes = st.recursive(
    st.sampled_from(["int", "text", "file", "none"]) | hostile,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile | st.just("a"), inner, max_size=3),
    max_leaves=8,
)
TEXTS = (
    *("title", "environment", "description", "fingerprint", "exception_type", "cause", "reason", "method", "view"),
    *("first_release", "last_release", "resolved_in_release", "merged_into"),
)
reports = st.builds(
    BugReport,
    bug_id=st.just("B-012"),
    uuid=st.just(UUID),
    first_seen=st.just("2026-01-01T00:00:00+00:00"),
    count=st.integers(0, 9),
    status_code=st.sampled_from([None, 200, 403, 500]),
    error_type=st.sampled_from(["exception", "csrf", "message"]),
    is_json=st.booleans(),
    is_signed_in=st.booleans(),
    is_streamed=st.booleans(),
    kind=st.sampled_from(["error", "incident", "digest"]),
    mechanism=st.sampled_from(["celery", "command", "django.tasks", "middleware"]),
    route=st.tuples(st.sampled_from(["/", "task ", "command ", "/{a}/", ""]), hostile).map("".join),
    body=shapes.filter(lambda shape: isinstance(shape, (dict, list))),
    query=st.dictionaries(hostile, shapes, max_size=3),
    kwargs=st.dictionaries(st.just("a"), shapes, max_size=1),
    frames=st.lists(st.tuples(hostile, st.integers(0, 99), hostile, hostile), max_size=3).map(tuple),
    details=st.dictionaries(hostile, hostile, max_size=2),
    **dict.fromkeys(TEXTS, hostile),
    **{name: st.lists(hostile, max_size=3).map(tuple) for name in ("arguments", "source", "groups", "commits")},
)
HEADINGS = {
    *("What happens", "Errors that belong to it", "Description", "Stack", "Recent commits to these files"),
    *("See it again", "A test that fails", "What this project publishes besides (PUBLISH)", "Done when", "Notes"),
}


def check_markdown(text):
    """Check that all there is outside of code is ours, as CommonMark reads it."""
    tokens = MarkdownIt("commonmark").parse(text)
    for token in tokens:
        assert token.type != "html_block" or re.fullmatch(r"(<!-- [^\n]*-->\n*)+", token.content), token.content
        for child in token.children or ():
            assert child.type in {"text", "code_inline", "softbreak", "strong_open", "strong_close"}, child
            if child.type == "text":
                assert not re.search(r"[@#<]|GH-\d|fixes|octocat", child.content, re.IGNORECASE), child.content
    headings = [after.content for token, after in itertools.pairwise(tokens) if token.tag == "h2"]
    assert set(headings[::2]) <= HEADINGS
    assert len(set(headings[::2])) == len(headings[::2])
    assert not text.count("\n\n\n") or "```" in text
    assert not re.search(r"^## .*\n+(## |$(?![\r\n]))", text, re.MULTILINE) or text.rstrip().endswith("## Notes")


class TestWhitelist:
    def test_only_the_whitelist_leaves(self, bug):
        """FAULTS X17."""
        text = bug_file(report.report_for(bug)) + issue_body(report.report_for(bug))
        for private in ("secret message", "192.0.2.0", "/pay/77/", "annabel", "x.example", "q=1"):
            assert private not in text.replace('raise ValueError(\\"secret message\\")', "").replace(
                'raise ValueError("secret message")', ""
            )
        for public in ("tests/conftest.py", "explode", "POST /pay/{id}/", "ValueError", "Done when"):
            assert public in text

    @pytest.mark.parametrize(
        ("name", "private"), [("message", "secret message"), ("user", "annabel"), ("request", "x.example")]
    )
    def test_more_leaves_where_publish_says_so(self, bug, configure, name, private):
        """FAULTS X17."""
        configure(PUBLISH=[name])
        made = report.report_for(bug)
        assert private in json.dumps(made.details[name])
        assert "publishes besides" in markdown(made)

    def test_field_name_that_a_client_made_up_does_not_leave(self, bug):
        """FAULTS X17."""
        body = {"amount": 1, "anna@example.com": 1, "sk_" + "live_abcdefghij12": 1, "a b": 1, "1x": 1}
        ErrorLog.objects.update(request_data={"body": body, "query": {"anna@example.com": 1}})
        made = report.report_for(bug)
        assert (made.body, made.query) == ({"amount": "int"}, {})
        ErrorLog.objects.update(request_data={"body": "<not readable>", "files": [{"field": "a b"}, {"field": "cv"}]})
        assert report.report_for(bug).body == {"cv": "file"}

    def test_so_many_names_and_no_more(self, bug):
        body = {f"a{n}": {f"b{m}": 1 for m in range(50)} for n in range(50)}
        ErrorLog.objects.update(request_data={"body": body})
        assert json.dumps(report.report_for(bug).body).count(":") == report.FIELDS

    def test_place_of_what_has_no_frames_is_its_view(self, bug, settings):
        ErrorLog.objects.update(url_pattern="/fine/", stacktrace=[])
        assert report.report_for(bug).view.startswith("tests.urls.")
        settings.ROOT_URLCONF = "tests.no_urls"
        assert report.report_for(bug).view == ""


class TestShapes:
    @pytest.mark.parametrize(
        ("name", "value", "kind"),
        [
            *[("a", True, "bool"), ("a", None, "none"), ("a", 7, "int"), ("a", 0, "zero"), ("a", -7, "negative")],
            *[("a", 0.5, "float"), ("a", "", "blank"), ("a", "7", "digits"), ("a", "00", "zero digits")],
            *[("a", "1999", "year"), ("a", "1.50", "decimal"), ("a", "many", "text"), ("a", "Größe", "unicode")],
            *[("a", "[email]", "email"), ("a", "2026-01-31", "date"), ("a", "2026-01-31T10:00Z", "datetime")],
            *[("a", "10:30", "time"), ("a", "https://x.example", "url"), ("a", UUID, "uuid"), ("id", "x", "text")],
            *[("user_id", "[Filtered]", "digits"), ("E_Mail", "[Filtered]", "email"), ("a", "[Filtered]", "text")],
        ],
    )
    def test_kind_is_that_of_the_value_and_of_the_name_where_it_is_hidden(self, name, value, kind):
        assert kind_of(name, value) == kind
        assert kind_of(name, made_up(kind)) == kind or value == "[Filtered]" or kind in {"file", "float"}

    @pytest.mark.parametrize(
        ("word", "made"),
        [("--days=7", "--days=1"), ("--dry-run", "--dry-run"), ("-psecret", "example"), ("-v", "-v"), ("x", "example")],
    )
    def test_argument_keeps_the_name_of_its_option_only(self, word, made):
        """FAULTS X17."""
        assert argument_like(word) == made
        assert argument_like(made) == made


class TestMarkdown:
    @given(reports)
    @example(dataclasses.replace(REPORT, first_release=END, route=f"/{END}{BEGIN}"))
    def test_no_text_breaks_out_of_code(self, made):
        """FAULTS X15, X16, X18."""
        text = bug_file(made)
        front, _, rest = text[4:].partition("\n---\n")
        values = yaml.safe_load(front)
        assert values["id"] == "B-012"
        assert values["status"] in {"open", "merged"}
        assert front.count("\nuuid:") == 1
        assert rest.count(BEGIN) == rest.count(END) == 1
        check_markdown(rest)
        text.encode()

    @given(reports)
    def test_body_of_an_issue_keeps_its_marker_and_its_data(self, made):
        """FAULTS X01, X06, X15, X16."""
        body = issue_body(made)
        check_markdown(body)
        assert body.count(made.marker) == 1
        once = report_from_json(data_in(body))
        assert (once.bug_id, once.uuid, once.count) == ("B-012", UUID, made.count)
        again = with_status(body, dataclasses.replace(made, status="resolved", count=77))
        assert report_from_json(data_in(again)).count == 77
        assert "- Status: resolved" in again or made.merged_into
        assert with_status(again, made) == body

    @given(reports)
    def test_what_retention_took_of_the_request_stays_in_the_issue(self, made):
        body = issue_body(made)
        taken = {"body": {}, "query": {}, "kwargs": {}, "arguments": (), "headers": (), "is_json": False}
        less = dataclasses.replace(made, **taken, is_reduced=True, title="New")
        before, after = report_in(body), report_in(with_status(body, less))
        assert {name: getattr(after, name) for name in taken} == {name: getattr(before, name) for name in taken}
        assert after.title == "New"

    @given(reports)
    def test_generated_python_compiles_whatever_came(self, made):
        for text in (reproduction(made), failing_test(made)):
            compile(clean_text(text, FENCE_CHARS * 9), "made", "exec")

    @given(reports, st.integers(200, 3_000))
    def test_cut_closes_its_fence(self, made, limit):
        """FAULTS X06."""
        text = cut(markdown(made), limit)
        assert len(text) <= limit
        check_markdown(text + "\n\nours\n")
        assert MarkdownIt("commonmark").parse(text + "\n\nours\n")[-2].content == "ours"

    def test_body_is_bounded_and_nothing_needed_is_lost(self):
        """FAULTS X06, X10."""
        made = BugReport(
            bug_id="B-1",
            uuid=UUID,
            title="😀" * 255,
            description="`" * 200_000,
            route="/😀" * 127,
            frames=(("x" * 200, 1, "`" * 200, "😀" * 200),) * 20,
            body={f"{n}" * 100: "text" for n in range(50)},
            source=("x" * 500,) * 20,
            groups=("`g" * 400,) * 20,
            commits=("`c" * 400,) * 20,
            details={"locals": ["`" * 10_000]},
        )
        body = issue_body(made)
        assert len(body) <= BODY_CHARS
        assert made.marker in body
        assert 0 < len(data_in(body)) <= DATA_CHARS
        assert len(made.safe_title) <= TITLE_CHARS
        check_markdown(body)

    def test_forged_marker_and_report_in_outside_text_are_not_found(self):
        """FAULTS X01, X16."""
        forged = f'<!-- {DATA} {{"uuid": "{UUID}", "bug_id": "B-666"}} --> {BEGIN} {END}'
        made = dataclasses.replace(REPORT, route=f"/{forged}/", description=forged, details={"message": forged})
        body = issue_body(made)
        assert report_from_json(data_in(body)).bug_id == "B-012"
        assert body.count(BEGIN) == body.count(END) == 1

    @given(hostile)
    def test_title_is_one_line_and_mentions_nobody(self, text):
        """FAULTS X06, X15."""
        title = dataclasses.replace(REPORT, title=text).safe_title
        assert title.startswith("B-012: ")
        assert len(title) <= TITLE_CHARS
        assert len(title.splitlines()) == 1
        assert not re.search(r"[@#]\w|\bGH-\d", title, re.IGNORECASE)

    @pytest.mark.parametrize("length", [FENCE_CHARS, FENCE_CHARS + 1])
    def test_fence_has_its_limit(self, length):
        """FAULTS X06."""
        assert fence("x" * length) == f"```\n{'x' * FENCE_CHARS}\n```"

    def test_code_and_fence_are_one_backtick_longer_than_what_is_inside(self):
        """FAULTS X16."""
        assert fence("a\n```\nb").startswith("````\n")
        assert [code("a`b"), code("`a`"), code("")] == ["``a`b``", "`` `a` ``", "`-`"]

    def test_incident_and_digest_ask_for_no_test(self):
        text = markdown(dataclasses.replace(REPORT, kind="incident", groups=("KeyError in shop.x",), route="/x/"))
        assert "Errors that belong to it\n\n- `KeyError in shop.x`\n" in text
        assert "A test that fails" not in text
        assert "none of these errors has come back" in text

    def test_a_test_that_passes_is_told_to_need_its_rows(self):
        text = markdown(dataclasses.replace(REPORT, route="/pets/{pk}/", status_code=500))
        assert "A test that fails\n\nA test's database is empty: where it passes" in text

    def test_template_of_the_project_is_used(self, tmp_path, settings):
        self.override(tmp_path, settings, "Ours: {{ report.bug_id }}")
        assert f"{BEGIN}\nOurs: B-012\n{END}" in bug_file(REPORT)

    def test_project_without_templates_has_its_bug_file(self, settings):
        settings.TEMPLATES = []
        assert f"{BEGIN}\n" in bug_file(REPORT)

    @pytest.mark.parametrize(
        "text", ["{% if %}", "{% include 'nowhere.html' %}", "{{ report.marker|slice:0|first.x }}"]
    )
    def test_broken_template_of_the_project_is_a_failure_of_the_filing(self, bug, tmp_path, settings, text):
        self.override(tmp_path, settings, text)
        filing.request(bug)
        filing.BugCreationService().file(bug.pk)
        row = Filing.objects.get(tracker="markdown")
        assert row.state == "pending"
        assert row.reason.startswith("the template error_tracking/bug.md does not work: Template")

    def override(self, tmp_path, settings, text):
        (tmp_path / "error_tracking").mkdir()
        (tmp_path / "error_tracking" / "bug.md").write_text(text)
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]


class TestData:
    @given(reports)
    def test_report_comes_back_checked_and_then_stays_as_it_is(self, made):
        once = report_from_json(made.to_json())
        assert report_from_json(once.to_json()) == once
        assert not {"<", ">", "--"} & set(re.findall("<|>|--", made.to_json()))

    def test_report_of_a_bug_comes_back_as_it_was(self, bug):
        made = report.report_for(bug)
        back = report_from_json(made.to_json())
        local = {name: getattr(made, name) for name in report._LOCAL}
        assert dataclasses.replace(back, **local) == made

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *[("bug_id", "../x"), ("bug_id", "B-٣"), ("bug_id", None), ("uuid", "x"), ("uuid", 7), ("title", 7)],
            *[("severity", "high\n<b>"), ("status", []), ("kind", "x"), ("first_seen", "<b>"), ("first_seen", 5)],
            *[("frames", 7), ("frames", [["a", "b"]]), ("frames", [["a", "x", "b", "c"]]), ("groups", [7])],
            *[("count", "1" * 5_000), ("count", float("nan")), ("count", []), ("details", 7), ("headers", 7)],
            *[("description", {}), ("error_type", "x"), ("source", None)],
        ],
    )
    def test_value_that_is_none_for_its_key_is_refused(self, name, value):
        with pytest.raises(ValueError, match=r"not|no bug id"):
            report_from_json(json.dumps({"uuid": UUID, "bug_id": "B-1", name: value}))

    @pytest.mark.parametrize("text", ["", "[]", "7", "null", "{}", "[" * 100_000, '{"uuid":'])
    def test_what_is_no_report_is_refused(self, text):
        with pytest.raises(ValueError, match="not a report"):
            report_from_json(text)

    def test_what_somebody_made_of_it_is_cut_and_named_anew(self):
        """FAULTS X18."""
        raw = {"uuid": UUID, "bug_id": "B-1", "title": "../../etc/cron.d/x", "file_name": "../x", "issue_url": "x"}
        raw |= {"headers": [["Cookie", "x"], ["Hx-Request", "true"]], "arguments": ["--a=$(x)"], "count": 10**400}
        raw |= {"body": {"a": "x", "a b": "int", "b": {"c": ["int"]}}, "query": ["x"], "description": "x" * 9_000}
        made = report_from_json(json.dumps(raw))
        assert made.path_name == "B-1-etc-cron-d-x.md"
        assert (made.file_name, made.issue_url) == ("", "")
        assert made.headers == (("Hx-Request", "true"),)
        assert made.arguments == ("--a=example",)
        assert made.body == {"a": "text", "b": {"c": ["int"]}}
        assert made.query == {}
        assert (made.count, len(made.description)) == (2**53, DESCRIPTION_CHARS)

    def test_plain_data_is_checked_as_well(self):
        assert report_from("B-1", {"title": "x", "other": 1}).title == "x"
        with pytest.raises(ValueError, match="severity of B-1"):
            report_from("B-1", {"severity": "x"})


class TestMarkdownTracker:
    @pytest.fixture
    def tracker(self, tmp_path):
        return MarkdownTracker(tmp_path / "tasks")

    def write(self, tracker, made=REPORT):
        return tracker.directory / tracker.file(made).reference

    def test_file_is_written_and_found(self, tracker):
        assert tracker.find(REPORT) is None
        filed = tracker.file(REPORT)
        assert filed.reference == "B-012-valueerror-in-shop-pay.md"
        assert tracker.find(REPORT).reference == filed.reference
        assert not list(tracker.directory.glob(".*"))

    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    @pytest.mark.parametrize("bom", ["", "\ufeff"])
    def test_what_people_wrote_is_kept_byte_by_byte(self, tracker, newline, bom):
        """FAULTS X18."""
        path = self.write(tracker)
        text = path.read_text().replace("# B-012", "before\n\n# B-012").replace("## Notes\n", "## Notes\nno newline")
        path.write_bytes((bom + text).replace("\n", newline).encode() + b"\xff\x00")
        changed = dataclasses.replace(REPORT, title="Another title", status="resolved", count=7)
        assert self.write(tracker, changed) == path
        data = path.read_bytes()
        assert data.endswith(f"## Notes{newline}no newline".encode() + b"\xff\x00")
        assert f"{newline}before{newline}{newline}# B-012".encode() in data
        assert f'status: "resolved"{newline}'.encode() in data
        assert f"Seen: 7 times{newline}".encode() in data
        assert (b"\r" in data) is (newline == "\r\n")
        assert data.count(b"\n") == data.count(newline.encode())
        before = path.stat().st_mtime_ns
        tracker.file(changed)
        assert path.stat().st_mtime_ns == before

    @pytest.mark.parametrize("gone", [BEGIN, END, "---\n"])
    def test_file_without_our_marks_belongs_to_people(self, tracker, gone):
        path = self.write(tracker)
        own = path.read_text().replace(gone, "")
        path.write_text(own)
        tracker.file(dataclasses.replace(REPORT, count=9, file_name=path.name))
        assert path.read_text() == own

    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_what_retention_took_of_the_request_stays_in_the_file(self, tracker, newline):
        made = dataclasses.replace(REPORT, route="/pay/", method="POST", status_code=500, body={"card": "digits"})
        path = self.write(tracker, made)
        notes = "\n```python\nmine\n```\n"
        path.write_text((path.read_text() + notes).replace("\n", newline), newline="")
        later = dataclasses.replace(made, body={}, is_reduced=True, status="resolved", count=9)
        self.write(tracker, later)
        text = path.read_text()
        assert (text.count('"card": "1"'), text.count("mine"), text.count("- Seen: 9 times")) == (2, 1, 1)
        self.write(tracker, dataclasses.replace(later, body={"iban": "text"}, is_reduced=False))
        assert (path.read_text().count('"card"'), path.read_text().count('"iban"')) == (0, 2)

    def test_file_that_was_renamed_is_the_one(self, tracker):
        path = self.write(tracker)
        renamed = path.rename(path.with_name("b-12-the-price.md"))
        assert self.write(tracker, dataclasses.replace(REPORT, count=9)) == renamed

    def test_front_matter_that_a_formatter_wrote_anew_is_still_read(self, tracker):
        path = self.write(tracker)
        path.write_text(path.read_text().replace(f'uuid: "{UUID}"', f"uuid:   '{UUID}'  "))
        assert self.write(tracker, dataclasses.replace(REPORT, count=9)) == path

    @pytest.mark.parametrize("name", ["B-012-valueerror-in-shop-pay.md", "B-012.txt", "b-0012-x.md"])
    def test_number_of_another_is_not_taken(self, tracker, name):
        """FAULTS X18."""
        tracker.directory.mkdir()
        (tracker.directory / name).write_text("another")
        with pytest.raises(TrackerError, match="another bug") as caught:
            tracker.file(REPORT)
        assert caught.value.is_permanent
        assert [path.read_text() for path in tracker.directory.iterdir()] == ["another"]

    def test_like_numbers_and_companions_are_no_hindrance(self, tracker):
        tracker.directory.mkdir()
        for name in ("B-0120-x.md", "BB-012-x.md", "B-0122.md"):
            (tracker.directory / name).write_text("x")
        path = self.write(tracker)
        (tracker.directory / "B-012-a-sketch.md").write_text("x")
        assert self.write(tracker, dataclasses.replace(REPORT, count=9)) == path

    @pytest.mark.parametrize("is_known", [False, True])
    def test_symlink_is_not_followed(self, tracker, tmp_path, is_known):
        """FAULTS X18."""
        target = tmp_path / "target"
        target.write_text("mine")
        tracker.directory.mkdir()
        (tracker.directory / REPORT.path_name).symlink_to(target)
        made = dataclasses.replace(REPORT, file_name=REPORT.path_name if is_known else "")
        with pytest.raises(TrackerError, match="not a regular file"):
            tracker.file(made)
        assert target.read_text() == "mine"

    @pytest.mark.parametrize("link", ["planning", "planning/tasks"])
    def test_symlink_among_the_folders_of_a_checkout_is_not_followed(self, tmp_path, link):
        """FAULTS X18."""
        checkout, outside = tmp_path / "checkout", tmp_path / "outside"
        (checkout / ".git").mkdir(parents=True)
        outside.mkdir()
        (checkout / link).parent.mkdir(exist_ok=True)
        (checkout / link).symlink_to(outside)
        with pytest.raises(TrackerError, match="a symlink leads from") as caught:
            MarkdownTracker(checkout / "planning" / "tasks").file(REPORT)
        assert caught.value.is_permanent
        assert not list(outside.iterdir())

    def test_checkout_behind_a_symlink_and_a_folder_beside_it_are_fine(self, tmp_path):
        (tmp_path / "real" / ".git").mkdir(parents=True)
        (tmp_path / "current").symlink_to(tmp_path / "real")
        filed = MarkdownTracker(tmp_path / "current" / "tasks").file(REPORT)
        assert not filed.is_local
        assert MarkdownTracker(tmp_path / "real" / ".." / "tasks").file(REPORT).is_local

    def test_folder_that_cannot_be_made_is_a_failure_that_says_why(self, tracker):
        """FAULTS X18."""
        tracker.directory.write_text("a file where the folder should be")
        with pytest.raises(TrackerError, match="could not be written"):
            tracker.file(REPORT)

    def test_file_that_cannot_be_read_is_a_failure_that_says_why(self, tracker, monkeypatch):
        path = self.write(tracker)
        monkeypatch.setattr("error_tracking.trackers.markdown._text_of", _refuse)
        with pytest.raises(TrackerError, match=r"could not be written to .*denied"):
            tracker.file(REPORT)
        assert path.exists()

    def test_half_a_file_is_never_there(self, tracker, monkeypatch):
        """FAULTS X18."""
        path = self.write(tracker)
        before = path.read_text()
        monkeypatch.setattr("pathlib.Path.replace", _refuse)
        with pytest.raises(TrackerError, match="denied"):
            tracker.file(dataclasses.replace(REPORT, count=9))
        assert path.read_text() == before
        assert list(tracker.directory.iterdir()) == [path]

    def test_name_from_outside_stays_in_the_folder(self, tracker):
        """FAULTS X18."""
        for name in ("../x.md", ".hidden.md", "x" * 121):
            with pytest.raises(TrackerError, match="no name for a bug file"):
                tracker.file(dataclasses.replace(REPORT, file_name=name))
        assert self.write(tracker, dataclasses.replace(REPORT, file_name="x" * 120)).name == "x" * 120

    @pytest.mark.parametrize("title", ["../../etc/cron.d/x", "Größe & Maß", "日本", "x" * 300, "\x00", ""])
    def test_slug_is_a_safe_file_name(self, title):
        """FAULTS X18."""
        assert re.fullmatch(r"[a-z0-9-]{1,60}", slug_from(title), re.ASCII)

    def test_deleted_file_stays_deleted_once_the_bug_is_done(self, tracker):
        self.write(tracker).unlink()
        assert tracker.update(dataclasses.replace(REPORT, status="resolved"), "x") is None
        assert tracker.update(REPORT, "x").reference == REPORT.path_name

    def test_front_matter_is_yaml_and_has_what_is_known(self, tracker):
        """FAULTS X18."""
        made = dataclasses.replace(REPORT, title='x"\nstatus: closed\n---', route="/größe/😀/\uffff", count=3)
        values = yaml.safe_load(front_matter(made).strip("-"))
        assert values["title"] == 'x" status: closed ---'
        assert (values["route"], values["occurrences"], values["status"]) == ("/größe/😀/\ufffd", 3, "open")
        assert values_in(self.write(tracker, made))["uuid"] == UUID
        assert "merged_into" not in values


def _refuse(*_args, **_kwargs):
    raise PermissionError(13, "Permission denied")


def test_report_is_made_of_the_latest_log_that_still_has_its_request(bug):
    log = ErrorLog.objects.get()
    assert not report.report_for(bug).is_reduced
    ErrorLog.objects.create(
        event_id=uuid.uuid4(), group=log.group, created=timezone.now(), mechanism="middleware", is_reduced=True
    )
    made = report.report_for(bug)
    assert (made.method, made.is_reduced) == ("POST", False)
    ErrorLog.objects.update(is_reduced=True)
    assert report.report_for(bug).is_reduced


def test_report_of_a_bug_without_a_log_has_what_the_bug_has(db):
    made = report.report_for(KnownBug.objects.create(title="by hand"))
    assert made.frames == ()
    assert "Not written yet: call the code" in markdown(made)
