"""What leaves the site of a bug: the whitelist, as Markdown, in a file that people and agents work from."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import uuid

import pytest
import yaml
from django.conf.urls.i18n import i18n_patterns
from django.urls import path
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from error_tracking.events.borders import FENCE_CHARS, TITLE_CHARS, file_slug
from error_tracking.exceptions import TrackerError
from error_tracking.filing import outbox
from error_tracking.models import ErrorLog, Filing, KnownBug
from error_tracking.report.bug_report import (
    DESCRIPTION_CHARS,
    FIELDS,
    LOCAL,
    PUBLISHED,
    BugReport,
    News,
    ReportFrame,
    published_fields,
    report_from_data,
)
from error_tracking.report.builder import build_report
from error_tracking.report.failing_test import failing_test
from error_tracking.report.front_matter import (
    COMMENT_CHARS,
    FILE_KEYS,
    ISSUE_KEYS,
    file_front_matter,
    issue_front_matter,
    report_from_issue,
)
from error_tracking.report.log_values import values_from
from error_tracking.report.markdown import (
    BODY_CHARS,
    bug_file,
    code,
    cut,
    evidence_of,
    fence,
    issue_body,
    render_bug,
    with_status,
)
from error_tracking.report.markers import BEGIN, END, evidence_in, pushed_state_in
from error_tracking.report.placeholders import (
    kind_of,
    placeholder_argument,
    placeholder_for,
    shape_of,
)
from error_tracking.report.reproduction import assigned, reproduction
from error_tracking.report.setup import Row, Setup
from error_tracking.services import BugCreationService
from error_tracking.trackers.markdown import MarkdownTracker, values_in
from error_tracking.trackers.webhook import FIELDS as WEBHOOK_FIELDS
from error_tracking.utils import clean_text

UUID = "0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e"
REPORT = BugReport(bug_id="B-012", uuid=UUID, title="ValueError in shop.pay")

PIECES = [
    *(
        "```",
        "````\n",
        "~~~\n",
        "`",
        "\n",
        "\r",
        "\r\n",
        "\n\n# x\n",
        "\n---\n",
        "status: resolved\n",
        "- [ ] x",
        "|",
    ),
    *(
        "<!--",
        "-->",
        BEGIN,
        END,
        '<!-- error-tracking:front-matter\nid: "B-666"\n-->',
        "<!-- error-tracking:state closed 9 -->",
        "<!-- error-tracking:evidence stack -->",
        "<!-- error-tracking:evidence-end -->",
        f"<!-- error-tracking:{UUID} -->",
        "<script>",
        "</details>",
    ),
    *(
        "@octocat",
        "#1",
        "GH-1",
        "fixes #1",
        "acme/shop#1",
        "[x](javascript:1)",
        "![x](http://x.example)",
        "&lt;",
        "\\",
    ),
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
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=12).map(
    "".join
)
shapes = st.recursive(
    st.sampled_from(["int", "text", "file", "none"]) | hostile,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(hostile | st.just("a"), inner, max_size=3)
    ),
    max_leaves=8,
)
TEXTS = (
    *(
        "title",
        "environment",
        "description",
        "fingerprint",
        "exception_type",
        "message",
        "cause",
        "reason",
        "method",
        "view",
    ),
    *("first_release", "last_release", "resolved_in_release", "merged_into"),
    *("healthy_release", "failing_release"),
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
    kind=st.sampled_from(["error", "incident"]),
    # Rows are Python already: names of models, fields and variables, which are checked.
    setup=st.builds(Setup, rows=st.just(())),
    mechanism=st.sampled_from(["celery", "command", "django.tasks", "middleware"]),
    route=st.tuples(
        st.sampled_from(["/", "task ", "command ", "/{a}/", ""]), hostile
    ).map("".join),
    body=shapes.filter(lambda shape: isinstance(shape, (dict, list))),
    query=st.dictionaries(hostile, shapes, max_size=3),
    kwargs=st.dictionaries(st.just("a"), shapes, max_size=1),
    frames=st.lists(
        st.tuples(hostile, st.integers(0, 99), hostile, hostile), max_size=3
    ).map(tuple),
    details=st.dictionaries(hostile, hostile, max_size=2),
    **dict.fromkeys(TEXTS, hostile),
    **{
        name: st.lists(hostile, max_size=3).map(tuple)
        for name in ("arguments", "source", "stack", "groups", "commits")
    },
)
HEADINGS = {
    *("Task", "Evidence", "Errors that belong to it", "Description", "Stack", "Notes"),
    *("Recent changes to these files", "How to reproduce it", "A failing test"),
    "Published details (PUBLISH)",
}
# Where a part is folded; no text from outside is between them and our comments.
FOLDING = (
    r"(?:<details>|</details>|<!-- [^<>]*-->"
    r"|<summary>[A-Z][a-z ]{3,30}(?:<code>[a-z. ]{3,20}</code>)?</summary>)"
)


def check_markdown(text):
    """Check that all there is outside of code is ours, as CommonMark reads it."""
    tokens = MarkdownIt("commonmark").parse(text)
    for token in tokens:
        is_ours = re.fullmatch(rf"(?:{FOLDING}\n*)+", token.content)
        assert token.type != "html_block" or is_ours, token.content
        for child in token.children or ():
            assert child.type in {
                "text",
                "code_inline",
                "softbreak",
                "em_open",
                "em_close",
                "strong_open",
                "strong_close",
            }, child
            if child.type == "text":
                assert not re.search(
                    r"[@#<]|GH-\d|fixes|octocat", child.content, re.IGNORECASE
                ), child.content
    headings = [
        after.content
        for token, after in itertools.pairwise(tokens)
        if token.tag == "h2"
    ]
    assert set(headings[::2]) <= HEADINGS
    assert len(set(headings[::2])) == len(headings[::2])
    assert not text.count("\n\n\n") or "```" in text
    assert not re.search(
        r"^## .*\n+(## |$(?![\r\n]))", text, re.MULTILINE
    ) or text.rstrip().endswith("## Notes")


class TestWhitelist:
    def test_only_the_whitelist_leaves(self, bug):
        text = bug_file(build_report(bug)) + issue_body(build_report(bug))
        for private in (
            "192.0.2.0",
            "/pay/77/",
            "annabel",
            "x.example",
            "q=1",
        ):
            assert private not in text
        for public in (
            "tests/conftest.py",
            "explode",
            "POST /pay/{id}/",
            "ValueError",
            "Done when:",
        ):
            assert public in text

    @pytest.mark.parametrize(
        ("name", "private"),
        [("message", "secret message"), ("user", "annabel"), ("request", "x.example")],
    )
    def test_more_leaves_where_publish_says_so(self, bug, configure, name, private):
        configure(PUBLISH=[name])
        made = build_report(bug)
        assert private in json.dumps(made.details[name])
        assert "Published details" in render_bug(made)

    def test_field_name_that_a_client_made_up_does_not_leave(self, bug):
        body = {
            "amount": 1,
            "anna@example.com": 1,
            "sk_" + "live_abcdefghij12": 1,
            "a b": 1,
            "1x": 1,
        }
        ErrorLog.objects.update(
            request_data={"body": body, "query": {"anna@example.com": 1}}
        )
        made = build_report(bug)
        # PostgreSQL keeps no order of names.
        assert set(made.body) == {"amount", "field_1", "field_2", "field_3", "field_4"}
        [name] = made.query  # the same name as in the body
        assert (name in made.body, name != "amount") == (True, True)
        ErrorLog.objects.update(
            request_data={
                "body": "<not readable>",
                "files": [{"field": "a b"}, {"field": "amount"}],
            }
        )
        assert build_report(bug).body == {"field_1": "file", "amount": "file"}

    def test_so_many_names_and_no_more(self, bug):
        body = {f"a{n}": {f"b{m}": 1 for m in range(50)} for n in range(50)}
        ErrorLog.objects.update(request_data={"body": body})
        assert json.dumps(build_report(bug).body).count(":") == FIELDS

    def test_place_of_what_has_no_frames_is_its_view(self, bug, settings):
        ErrorLog.objects.update(url_pattern="/fine/", stacktrace=[])
        assert build_report(bug).view.startswith("tests.urls.")
        settings.ROOT_URLCONF = "tests.no_urls"
        assert build_report(bug).view == ""


class TestShapes:
    @pytest.mark.parametrize(
        ("name", "value", "kind"),
        [
            *[
                ("a", True, "bool"),
                ("a", None, "none"),
                ("a", 7, "int"),
                ("a", 0, "zero"),
                ("a", -7, "negative"),
            ],
            *[
                ("a", 0.5, "float:0.5"),
                ("a", "", "blank"),
                ("a", "7", "digits"),
                ("a", "00", "zero digits"),
            ],
            *[
                ("a", "1999", "year"),
                ("a", "1.50", "decimal"),
                ("a", "many", "text"),
                ("a", "Größe", "unicode"),
            ],
            *[
                ("a", "[email]", "email"),
                ("a", "2026-01-31", "date"),
                ("a", "2026-01-31T10:00Z", "datetime"),
            ],
            *[
                ("a", "10:30", "time"),
                ("a", "https://x.example", "url"),
                ("a", UUID, "uuid"),
                ("id", "x", "text"),
            ],
            *[
                ("a", False, "false"),
                ("a", 250, "int:100"),
                ("a", -12, "negative:10"),
                ("a", 12.5, "float:10"),
                ("a", -0.5, "negative float:0.5"),
                ("a", 0.0, "zero float"),
                ("a", "4711", "digits:1000"),
                ("a", "-12", "negative digits:10"),
                ("a", "12.50", "decimal:10"),
                ("a", "-1.50", "negative decimal"),
                ("a", "0.00", "zero decimal"),
                ("a", "9" * 30, f"digits:1{'0' * 18}"),
            ],
            *[
                ("user_id", "[Filtered]", "digits"),
                ("E_Mail", "[Filtered]", "email"),
                ("a", "[Filtered]", "text"),
            ],
        ],
    )
    def test_kind_is_that_of_the_value_and_of_the_name_where_it_is_hidden(
        self, name, value, kind
    ):
        assert kind_of(name, value) == kind
        assert (
            kind_of(name, placeholder_for(kind)) == kind
            or value == "[Filtered]"
            or kind in {"file", "float"}
        )

    @pytest.mark.parametrize(
        ("word", "made"),
        [
            ("--days=7", "--days=1"),
            ("--dry-run", "--dry-run"),
            ("-psecret", "example"),
            ("-v", "-v"),
            ("x", "example"),
        ],
    )
    def test_argument_keeps_the_name_of_its_option_only(self, word, made):
        assert placeholder_argument(word) == made
        assert placeholder_argument(made) == made


class TestMarkdown:
    @given(reports)
    @example(dataclasses.replace(REPORT, first_release=END, route=f"/{END}{BEGIN}"))
    def test_no_text_breaks_out_of_code(self, made):
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
    def test_body_of_an_issue_has_its_hidden_lines(self, made):
        body = issue_body(made)
        check_markdown(body)
        assert body.count(made.marker) == 1
        assert pushed_state_in(body) == ("open", made.latest_activity_id)
        found = report_from_issue(body)
        assert (found.bug_id, found.uuid, found.count) == ("B-012", UUID, made.count)
        resolved = dataclasses.replace(made, status="resolved", count=77)
        again = with_status(body, resolved)
        assert report_from_issue(again).count == 77
        assert "- Status: resolved" in again or made.merged_into
        assert with_status(again, made) == body

    @given(reports)
    def test_evidence_is_read_back_as_it_was_written(self, made):
        made_evidence = {name: text for name, text in evidence_of(made).items() if text}
        read = evidence_in(issue_body(made))
        assert read.keys() == made_evidence.keys()
        # What was read and is written again stays as it is.
        again = evidence_in(render_bug(made, evidence=read))
        assert again == read

    @given(reports)
    def test_file_made_from_an_issue_is_the_one_of_the_site(self, made):
        body = issue_body(made)
        found = report_from_issue(body)
        text = bug_file(found, evidence_in(body))
        check_markdown(text.partition("\n---\n")[2])
        plain = dataclasses.replace(
            REPORT,
            exception_type="ValueError",
            route="/pay/{id}/",
            method="POST",
            status_code=500,
            is_signed_in=True,
            frames=(("shop/pay.py", 3, "pay", "raise ValueError"),),
            body={"card": "digits"},
            details={"message": "no"},
            description="It fails.",
            first_seen="2026-01-01T00:00:00+00:00",
            last_seen="2026-01-01T00:00:00+00:00",
        )
        body = issue_body(plain)
        assert bug_file(report_from_issue(body), evidence_in(body)) == bug_file(plain)

    def test_hidden_lines_of_a_former_version_are_replaced(self):
        former = '<!-- error-tracking:data {"bug_id": "B-012", "count": 1} -->'
        body = issue_body(REPORT)
        head = body.partition(REPORT.marker)[0]
        old = f"{head}{REPORT.marker}\n\n{former}\r\nMine."
        assert report_from_issue(old) is None
        assert pushed_state_in(old) == ("", 0)
        closed = dataclasses.replace(REPORT, status="resolved", latest_activity_id=7)
        new = with_status(old, closed, pushed_state="closed")
        assert "error-tracking:data" not in new
        assert pushed_state_in(new) == ("closed", 7)
        assert report_from_issue(new).status == "resolved"
        assert new.endswith("Mine.")
        assert with_status(new, closed, pushed_state="closed") == new

    @given(reports)
    def test_generated_python_compiles_whatever_came(self, made):
        for text in (reproduction(made), failing_test(made)):
            compile(clean_text(text, FENCE_CHARS * 9), "made", "exec")

    @given(reports, st.integers(200, 3_000))
    def test_cut_closes_its_fence(self, made, limit):
        text = cut(render_bug(made), limit)
        assert len(text) <= limit
        check_markdown(text + "\n\nours\n")
        assert MarkdownIt("commonmark").parse(text + "\n\nours\n")[-2].content == "ours"

    def test_body_is_bounded_and_nothing_needed_is_lost(self):
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
        assert 0 < len(issue_front_matter(made)) <= COMMENT_CHARS
        assert report_from_issue(body).frames
        assert len(made.safe_title) <= TITLE_CHARS
        check_markdown(body)

    def test_forged_hidden_lines_in_outside_text_are_not_found(self):
        forged = (
            f"\n{BEGIN}\n{END}\n"
            '<!-- error-tracking:front-matter\nid: "B-666"\n-->\n'
            "<!-- error-tracking:state closed 9 -->\n"
            "<!-- error-tracking:evidence-end -->\n"
            "<!-- error-tracking:evidence test -->\n```python\nevil()\n```\n"
            "<!-- error-tracking:evidence-end -->\n"
        )
        made = dataclasses.replace(
            REPORT, route=f"/{forged}/", description=forged, details={"message": forged}
        )
        body = issue_body(made)
        assert report_from_issue(body).bug_id == "B-012"
        assert pushed_state_in(body) == ("open", 0)
        assert evidence_in(body)["test"].startswith("from ")
        assert body.count(BEGIN) == body.count(END) == 1

    @given(hostile)
    def test_title_is_one_line_and_mentions_nobody(self, text):
        title = dataclasses.replace(REPORT, title=text).safe_title
        assert title.startswith("B-012: ")
        assert len(title) <= TITLE_CHARS
        assert len(title.splitlines()) == 1
        assert not re.search(r"[@#]\w|\bGH-\d", title, re.IGNORECASE)

    @pytest.mark.parametrize("length", [FENCE_CHARS, FENCE_CHARS + 1])
    def test_fence_has_its_limit(self, length):
        assert fence("x" * length) == f"```\n{'x' * FENCE_CHARS}\n```"

    def test_code_and_fence_are_one_backtick_longer_than_what_is_inside(self):
        assert fence("a\n```\nb").startswith("````\n")
        assert [code("a`b"), code("`a`"), code("")] == ["``a`b``", "`` `a` ``", "`-`"]

    def test_incident_asks_for_no_test(self):
        text = render_bug(
            dataclasses.replace(
                REPORT, kind="incident", groups=("KeyError in shop.x",), route="/x/"
            )
        )
        assert "```text\nKeyError in shop.x\n```\n" in text
        assert "A failing test" not in text
        assert "none of these errors has occurred again" in text

    def test_a_test_that_stops_short_is_said_to_tell_where(self):
        text = render_bug(
            dataclasses.replace(REPORT, route="/pets/{pk}/", status_code=500)
        )
        assert 'If it fails with "Not reproduced"' in text

    def test_template_of_the_project_is_used(self, tmp_path, settings):
        self.override(tmp_path, settings, "Ours: {{ report.bug_id }}")
        assert f"{BEGIN}\nOurs: B-012\n{END}" in bug_file(REPORT)

    def test_project_without_templates_has_its_bug_file(self, settings):
        settings.TEMPLATES = []
        assert f"{BEGIN}\n" in bug_file(REPORT)

    @pytest.mark.parametrize(
        "text",
        [
            "{% if %}",
            "{% include 'nowhere.html' %}",
            "{{ report.marker|slice:0|first.x }}",
        ],
    )
    def test_broken_template_of_the_project_is_a_failure_of_the_filing(
        self, bug, tmp_path, settings, text
    ):
        self.override(tmp_path, settings, text)
        outbox.request(bug)
        BugCreationService().file(bug.pk)
        row = Filing.objects.get(tracker="markdown")
        assert row.state == "pending"
        assert row.reason.startswith(
            "the template error_tracking/bug.md does not work: Template"
        )

    def override(self, tmp_path, settings, text):
        (tmp_path / "error_tracking").mkdir()
        (tmp_path / "error_tracking" / "bug.md").write_text(text)
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]


FIELD_NAMES = {field.name for field in dataclasses.fields(BugReport)}


class TestPrivacyList:
    def test_list_is_the_one_that_was_reviewed(self):
        """A field that is added here leaves every site that uses this package."""
        assert {
            *("bug_id", "uuid", "title", "description", "severity", "status", "kind"),
            *("merged_into", "issue_number", "issue_url", "file_name", "file_url"),
            *("published_admin_url", "fingerprint", "message", "stack"),
            *("error_type", "mechanism", "exception_type", "cause", "reason", "groups"),
            *(
                "frames",
                "source",
                "setup",
                "commits",
                "environment",
                "status_code",
                "method",
            ),
            *("route", "view", "is_json", "is_signed_in", "is_streamed", "headers"),
            *("query", "body", "kwargs", "arguments", "count", "users", "first_seen"),
            *("last_seen", "first_release", "last_release", "resolved_in_release"),
            *("healthy_release", "failing_release", "details"),
        } == PUBLISHED

    def test_every_field_is_on_exactly_one_of_the_lists(self):
        assert PUBLISHED | LOCAL == FIELD_NAMES
        assert not PUBLISHED & LOCAL

    def test_whatever_is_written_has_published_fields_only(self):
        for key in (*FILE_KEYS, *ISSUE_KEYS):
            assert key.field in PUBLISHED, key.name
        assert set(WEBHOOK_FIELDS) <= PUBLISHED
        assert published_fields(REPORT).keys() == PUBLISHED

    def test_local_fields_are_in_no_text(self):
        planted = dataclasses.replace(
            REPORT,
            admin_path="planted-admin",
            admin_url="https://planted.example/admin/",
            issue_state="planted-state",
            requested_at="planted-time",
            news=(News(1, "planted-verb", "planted-by", "planted-text"),),
        )
        assert "planted" not in bug_file(planted) + issue_body(planted)
        assert "planted" not in json.dumps(published_fields(planted))

    @pytest.mark.parametrize("name", sorted(LOCAL))
    def test_template_of_a_project_does_not_get_local_fields(
        self, name, tmp_path, settings
    ):
        template = tmp_path / "error_tracking" / "bug.md"
        template.parent.mkdir()
        template.write_text(f"[{{{{ report.{name} }}}}]")
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
        assert render_bug(REPORT) == "[]"


FRONT_MATTER = issue_front_matter(
    dataclasses.replace(
        REPORT,
        merged_into="B-001",
        environment="production",
        fingerprint="v1:abc",
        error_type="exception",
        exception_type="ValueError",
        message="no",
        cause="OSError",
        published_admin_url="https://shop.example/admin/",
        reason="no",
        method="POST",
        route="/x/",
        view="shop.pay",
        status_code=500,
        is_signed_in=True,
        is_streamed=True,
        count=3,
        users=2,
        first_seen="2026-01-01T00:00:00+00:00",
        last_seen="2026-01-01T00:00:00+00:00",
        first_release="1",
        healthy_release="1",
        failing_release="2",
        last_release="2",
        resolved_in_release="3",
        frames=(("a.py", 1, "f", "x"),),
    )
)
WRONG_VALUES = {
    "a number": 7,
    "a negative number": -7,
    "true": True,
    "nothing": None,
    "a list": ["x"],
    "nested": [["a.py", 1]],
    "a mapping": {"x": 1},
    "two lines": "a\nb",
    "a control": "a\x1b[2Jb",
    "too long": "x" * 301,
    "NaN": float("nan"),
}
# The values that fit their key all the same.
FITTING = {
    *((name, "a number") for name in ("occurrences", "users", "status_code")),
    *((name, "true") for name in ("signed_in", "streamed")),
}


class TestFrontMatter:
    def with_value(self, name, value):
        lines = FRONT_MATTER.split("\n")
        changed = [line for line in lines if not line.startswith(f"{name}: ")]
        assert len(changed) == len(lines) - 1, name
        changed.insert(1, f"{name}: {json.dumps(value)}")
        return "\n".join(changed)

    def test_example_has_every_key(self):
        read = report_from_issue(FRONT_MATTER)
        assert read.frames == (("a.py", 1, "f", ""),)
        assert (read.status, read.merged_into) == ("resolved", "B-001")
        for key in ISSUE_KEYS:
            assert f"\n{key.name}: " in FRONT_MATTER

    @pytest.mark.parametrize("name", [key.name for key in ISSUE_KEYS])
    @pytest.mark.parametrize("kind", WRONG_VALUES)
    def test_value_that_does_not_fit_its_key_is_refused(self, name, kind):
        body = self.with_value(name, WRONG_VALUES[kind])
        if (name, kind) in FITTING:
            assert report_from_issue(body)
            return
        with pytest.raises(ValueError, match=f"{name} in its front matter is invalid"):
            report_from_issue(body)

    @pytest.mark.parametrize(
        "line",
        [
            "id: ../x",
            'id: "../x"',
            'id: "B-٣"',
            'uuid: "x"',
            'severity: "high <b>"',
            'first_seen: "<b>"',
            f"frames: {json.dumps([['a.py', 1, 'f']] * 21)}",
            f"frames: {'[' * 9_000}",
            f"occurrences: {'1' * 5_000}",
            "occurrences: 1e3",
            "title:  ",
        ],
    )
    def test_line_that_was_tampered_with_is_refused(self, line):
        name = line.partition(":")[0]
        lines = [
            line if each.startswith(f"{name}: ") else each
            for each in FRONT_MATTER.split("\n")
        ]
        assert line in lines
        with pytest.raises(ValueError, match="is invalid"):
            report_from_issue("\n".join(lines))

    def test_bug_without_id_or_uuid_is_refused(self):
        for name in ("id", "uuid"):
            lines = FRONT_MATTER.split("\n")
            without = [line for line in lines if not line.startswith(f"{name}: ")]
            with pytest.raises(ValueError, match="has no"):
                report_from_issue("\n".join(without))

    def test_other_keys_mean_nothing(self):
        lines = FRONT_MATTER.split("\n")
        more = ["admin_path: 1", 'description: "x"', "title", "x" * 99]
        body = "\n".join([lines[0], *more, *lines[1:]])
        assert report_from_issue(body) == report_from_issue(FRONT_MATTER)

    def test_comment_that_is_too_long_is_refused(self):
        lines = FRONT_MATTER.split("\n")
        body = "\n".join([lines[0], "x" * COMMENT_CHARS * 2, *lines[1:]])
        with pytest.raises(ValueError, match="too long"):
            report_from_issue(body)

    @pytest.mark.parametrize(
        "body", ["", "a bug", "<!-- error-tracking:front-matter", "id: 1\n-->"]
    )
    def test_issue_without_it_was_written_by_a_person(self, body):
        assert report_from_issue(body) is None

    def test_editor_of_github_may_have_saved_it(self):
        body = FRONT_MATTER.replace("\n", "\r\n")
        assert report_from_issue(body) == report_from_issue(FRONT_MATTER)


class TestPlainData:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("title", 7),
            ("severity", "high\n<b>"),
            ("status", []),
            ("kind", "x"),
            ("first_seen", "<b>"),
            ("first_seen", 5),
            ("frames", 7),
            ("frames", [["a", "b"]]),
            ("frames", [["a", "x", "b", "c"]]),
            ("groups", [7]),
            ("count", "1" * 5_000),
            ("count", float("nan")),
            ("count", []),
            ("details", 7),
            ("headers", 7),
            ("description", {}),
            ("error_type", "x"),
            ("source", None),
        ],
    )
    def test_value_that_does_not_fit_its_key_is_refused(self, name, value):
        with pytest.raises(ValueError, match=f"{name} of B-1"):
            report_from_data("B-1", {name: value})

    @pytest.mark.parametrize("bug_id", ["../x", "B-٣", "", "B-012\n"])
    def test_bug_id_that_is_none_is_refused(self, bug_id):
        with pytest.raises(ValueError, match="no bug id"):
            report_from_data(bug_id, {})

    def test_values_are_cut_and_known_names_made_of_them(self):
        made = report_from_data(
            "B-1",
            {
                "title": "../../etc/cron.d/x",
                "file_name": "../x",
                "issue_url": "x",
                "headers": [["Cookie", "x"], ["Hx-Request", "true"]],
                "arguments": ["--a=$(x)"],
                "count": 10**400,
                "body": {"a": "x", "a b": "int", "b": {"c": ["int"]}},
                "query": ["x"],
                "description": "x" * 9_000,
                "other": 1,
            },
        )
        assert made.path_name == "B-1-etc-cron-d-x.md"
        assert (made.file_name, made.issue_url) == ("", "")
        assert made.headers == (("Hx-Request", "true"),)
        assert made.arguments == ("--a=example",)
        assert made.body == {"a": "text", "b": {"c": ["int"]}}
        assert made.query == {}
        assert (made.count, len(made.description)) == (2**53, DESCRIPTION_CHARS)

    def test_times_numbers_and_structures_are_taken_over(self):
        made = report_from_data(
            "B-1",
            {
                "first_seen": "",
                "last_seen": "2026-01-31T12:30:00.5+00:00",
                "is_json": True,
                "is_signed_in": 1,
                "status_code": 404,
                "kwargs": {"pk": "int"},
                "body": "x",
                "frames": [["a.py", number, "pay", "x = 1"] for number in range(99)],
                "details": {"a": [1]},
            },
        )
        assert (made.first_seen, made.last_seen) == ("", "2026-01-31T12:30:00+00:00")
        assert (made.is_json, made.is_signed_in, made.status_code) == (True, False, 404)
        assert (made.kwargs, made.body) == ({"pk": "int"}, {})
        assert made.frames[-1] == ReportFrame("a.py", 98, "pay", "x = 1")
        assert len(made.frames) < 99
        assert made.details == {"a": [1]}
        assert report_from_data("B-1", {"status_code": None}).status_code is None


class TestFailingTest:
    def lines(self, **setup):
        made = dataclasses.replace(
            REPORT,
            method="GET",
            route="/shop/",
            error_type="exception",
            exception_type="builtins.ValueError",
            setup=Setup(**setup),
        )
        return [line.strip() for line in failing_test(made).split("\n")]

    def test_session_host_and_script_name_are_arguments(self):
        found = self.lines(
            session={"cart": "int"}, host="example.shop.example", script_name="/app"
        )
        assert {
            'session={"cart": 1},',
            'host="example.shop.example",',
            'script_name="/app",',
        } <= set(found)

    def test_rows_come_several_times_and_refer_to_each_other(self):
        found = self.lines(
            rows=(
                Row("order", "shop.Order", (("number", "1"),), (("first", "order"),)),
                Row("item", "shop.Item", times=3),
            )
        )
        start = found.index('order = make_row("shop.Order", number=1)')
        assert found[start + 1 : start + 5] == [
            "order.first = order",
            "order.save()",
            "for _ in range(3):",
            'make_row("shop.Item")',
        ]

    def test_user_that_is_a_row_is_made_once(self):
        found = self.lines(user_kind="plain", rows=(Row("user", "auth.User"),))
        assert 'user = make_row("auth.User")' in found
        assert not any("make_user" in line for line in found)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("<details>\n~~~\n~~~~ x\n", "~~~\n\n</details>\n\n(cut here)"),
        ("<details>\n</details>\n```\n~~~\n", "```\n\n(cut here)"),
        ("<details>\n", "a\n\n</details>\n\n(cut here)"),
    ],
)
def test_text_that_is_cut_leaves_no_fence_and_no_fold_open(begin, end):
    found = cut(begin + "a\n" * 300, 400)
    assert len(found) <= 400
    assert found.startswith(begin)
    assert found.endswith(f"a\n{end}" if end[0] != "a" else end)


def test_long_list_has_a_line_per_item():
    values = [f"value{number}" for number in range(20)]
    source = assigned("data", values)
    assert source.split("\n")[:2] == ["data = [", '    "value0",']
    namespace = {}
    exec(source, namespace)
    assert namespace["data"] == values


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"a": {"b": {"c": 1}}, "d": [[1]]}, {"a": {"b": {}}, "d": [[]]}),
        ([[[1]]], [[[]]]),
    ],
)
def test_shape_ends_at_its_depth(value, shape):
    assert shape_of(value, lambda _name: True, kind_of, depth=2) == shape


def prefixed(request):
    raise ValueError


urlpatterns = [
    *i18n_patterns(path("shop/", prefixed)),
    path("de/plain/", prefixed),
]


class TestSetup:
    def made(self, url, route, setup=None):
        log = ErrorLog(full_url=url, url_pattern=route, context={"setup": setup or {}})
        return values_from(log, reads_libraries=False)["setup"]

    @pytest.mark.parametrize(
        ("address", "route", "script_name", "prefix"),
        [
            ("/de/shop/", "/shop/", "", "/de"),
            ("/app/de/shop/", "/shop/", "/app", "/de"),
            ("/de/plain/", "/de/plain/", "", ""),
            ("/shop/", "/shop/", "", ""),
        ],
    )
    def test_language_in_front_of_the_path_is_kept(
        self, settings, address, route, script_name, prefix
    ):
        settings.ROOT_URLCONF = __name__
        settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
        made = self.made(
            f"https://x.example{address}", route, {"script_name": script_name}
        )
        assert made.prefix == prefix

    @pytest.mark.parametrize(
        ("host", "made"),
        [
            ("anna.shop.example", "example.shop.example"),
            ("b.example", "b.example"),
            ("c.example", ""),
            ("[Filtered]", ""),
        ],
    )
    def test_host_is_one_like_the_recorded(self, settings, host, made):
        settings.ALLOWED_HOSTS = [".shop.example", "a.example", "b.example"]
        assert self.made(f"https://{host}/x/", "/x/").host == made

    def test_session_has_the_names_of_the_project(self):
        made = self.made("", "", {"session": {"id": "int", "Anna K": "text"}})
        assert made.session == {"id": "int"}


class TestMarkdownTracker:
    @pytest.fixture
    def tracker(self, tmp_path):
        return MarkdownTracker(tmp_path / "tasks")

    def write(self, tracker, made=REPORT):
        return tracker.directory / tracker.file(made).reference

    def test_drive_that_does_not_exist_is_reported(self, tracker, monkeypatch):
        monkeypatch.setattr(type(tracker.directory), "exists", lambda self: False)
        monkeypatch.setattr(type(tracker.directory), "is_dir", lambda self: False)
        assert "cannot be written to" in tracker.unavailable_reason()

    def test_file_is_written_and_found(self, tracker):
        assert tracker.find(REPORT) is None
        filed = tracker.file(REPORT)
        assert filed.reference == "B-012-valueerror-in-shop-pay.md"
        assert tracker.find(REPORT).reference == filed.reference
        assert not list(tracker.directory.glob(".*"))

    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    @pytest.mark.parametrize("bom", ["", "\ufeff"])
    def test_what_people_wrote_is_kept_byte_by_byte(self, tracker, newline, bom):
        path = self.write(tracker)
        text = (
            path.read_text()
            .replace("# B-012", "before\n\n# B-012")
            .replace("## Notes\n", "## Notes\nno newline")
        )
        path.write_bytes((bom + text).replace("\n", newline).encode() + b"\xff\x00")
        changed = dataclasses.replace(
            REPORT, title="Another title", status="resolved", count=7
        )
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
    def test_what_retention_took_of_the_request_stays_in_the_file(
        self, tracker, newline
    ):
        made = dataclasses.replace(
            REPORT,
            route="/pay/",
            method="POST",
            status_code=500,
            body={"card": "digits"},
        )
        path = self.write(tracker, made)
        notes = "\n```python\nmine\n```\n"
        path.write_text((path.read_text() + notes).replace("\n", newline), newline="")
        later = dataclasses.replace(
            made, body={}, personal_data_removed=True, status="resolved", count=9
        )
        self.write(tracker, later)
        text = path.read_text()
        assert (
            text.count('"card": "1"'),
            text.count("mine"),
            text.count("- Seen: 9 times"),
        ) == (2, 1, 1)
        self.write(
            tracker,
            dataclasses.replace(
                later, body={"iban": "text"}, personal_data_removed=False
            ),
        )
        assert (path.read_text().count('"card"'), path.read_text().count('"iban"')) == (
            0,
            2,
        )

    def test_file_that_was_renamed_is_the_one(self, tracker):
        path = self.write(tracker)
        renamed = path.rename(path.with_name("b-12-the-price.md"))
        assert self.write(tracker, dataclasses.replace(REPORT, count=9)) == renamed

    def test_front_matter_that_a_formatter_wrote_anew_is_still_read(self, tracker):
        path = self.write(tracker)
        path.write_text(
            path.read_text().replace(f'uuid: "{UUID}"', f"uuid:   '{UUID}'  ")
        )
        assert self.write(tracker, dataclasses.replace(REPORT, count=9)) == path

    @pytest.mark.parametrize(
        "name", ["B-012-valueerror-in-shop-pay.md", "B-012.txt", "b-0012-x.md"]
    )
    def test_number_of_another_is_not_taken(self, tracker, name):
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
        target = tmp_path / "target"
        target.write_text("mine")
        tracker.directory.mkdir()
        (tracker.directory / REPORT.path_name).symlink_to(target)
        made = dataclasses.replace(
            REPORT, file_name=REPORT.path_name if is_known else ""
        )
        with pytest.raises(TrackerError, match="not a regular file"):
            tracker.file(made)
        assert target.read_text() == "mine"

    @pytest.mark.parametrize("link", ["planning", "planning/tasks"])
    def test_symlink_among_the_folders_of_a_checkout_is_not_followed(
        self, tmp_path, link
    ):
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
        tracker.directory.write_text("a file where the folder should be")
        with pytest.raises(TrackerError, match="could not be written"):
            tracker.file(REPORT)

    def test_file_that_cannot_be_read_is_a_failure_that_says_why(
        self, tracker, monkeypatch
    ):
        path = self.write(tracker)
        monkeypatch.setattr("error_tracking.trackers.markdown._read", _refuse)
        with pytest.raises(TrackerError, match=r"could not be written to .*denied"):
            tracker.file(REPORT)
        assert path.exists()

    def test_half_a_file_is_never_there(self, tracker, monkeypatch):
        path = self.write(tracker)
        before = path.read_text()
        monkeypatch.setattr("pathlib.Path.replace", _refuse)
        with pytest.raises(TrackerError, match="denied"):
            tracker.file(dataclasses.replace(REPORT, count=9))
        assert path.read_text() == before
        assert list(tracker.directory.iterdir()) == [path]

    def test_name_from_outside_stays_in_the_folder(self, tracker):
        for name in ("../x.md", ".hidden.md", "x" * 121):
            with pytest.raises(TrackerError, match="no name for a bug file"):
                tracker.file(dataclasses.replace(REPORT, file_name=name))
        assert (
            self.write(tracker, dataclasses.replace(REPORT, file_name="x" * 120)).name
            == "x" * 120
        )

    @pytest.mark.parametrize(
        "title", ["../../etc/cron.d/x", "Größe & Maß", "日本", "x" * 300, "\x00", ""]
    )
    def test_slug_is_a_safe_file_name(self, title):
        assert re.fullmatch(r"[a-z0-9-]{1,60}", file_slug(title), re.ASCII)

    def test_deleted_file_stays_deleted_once_the_bug_is_done(self, tracker):
        self.write(tracker).unlink()
        assert (
            tracker.update(dataclasses.replace(REPORT, status="resolved"), "x") is None
        )
        assert tracker.update(REPORT, "x").reference == REPORT.path_name

    def test_front_matter_is_yaml_and_has_what_is_known(self, tracker):
        made = dataclasses.replace(
            REPORT, title='x"\nstatus: closed\n---', route="/größe/😀/\uffff", count=3
        )
        values = yaml.safe_load(file_front_matter(made).strip("-"))
        assert values["title"] == 'x" status: closed ---'
        assert (values["route"], values["occurrences"], values["status"]) == (
            "/größe/😀/\ufffd",
            3,
            "open",
        )
        assert values_in(self.write(tracker, made))["uuid"] == UUID
        assert "merged_into" not in values


def _refuse(*_args, **_kwargs):
    raise PermissionError(13, "Permission denied")


def test_report_is_made_of_the_latest_log_that_still_has_its_request(bug):
    log = ErrorLog.objects.get()
    assert not build_report(bug).personal_data_removed
    ErrorLog.objects.create(
        event_id=uuid.uuid4(),
        group=log.group,
        created=timezone.now(),
        mechanism="middleware",
        personal_data_removed=True,
    )
    made = build_report(bug)
    assert (made.method, made.personal_data_removed) == ("POST", False)
    ErrorLog.objects.update(personal_data_removed=True)
    assert build_report(bug).personal_data_removed


def test_report_of_a_bug_without_a_log_has_what_the_bug_has(db):
    made = build_report(KnownBug.objects.create(title="by hand"))
    assert made.frames == ()
    assert "Not written yet: call the code" in render_bug(made)
