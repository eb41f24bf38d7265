"""What leaves the site of a bug: the whitelist, as Markdown, in a file that people and agents work from."""

from __future__ import annotations

import pytest

from error_tracking import report
from error_tracking.exceptions import TrackerError
from error_tracking.models import ErrorLog
from error_tracking.report import TITLE_CHARS, BugReport, slug_from
from error_tracking.reproduction import reproduction
from error_tracking.trackers.markdown import MarkdownTracker
from error_tracking.wording import BODY_CHARS, code, fence, issue_body, markdown

REPORT = BugReport(bug_id="B-012", uuid="0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e", title="ValueError in shop.pay")


class TestReport:
    def test_only_the_whitelist_leaves(self, bug):
        """FAULTS X17."""
        text = markdown(report.report_for(bug))
        for private in ("secret message\n", "192.0.2.0", "/pay/77/", "ada", "x.example"):
            assert private not in text.replace('raise ValueError("secret message")', "")
        for public in ("tests.conftest", "explode", "POST /pay/{id}/", "ValueError", "Done when"):
            assert public in text or public.replace(".", "/") in text

    def test_reproduction_is_python_with_the_field_names_and_made_up_values(self, bug):
        source = reproduction(report.report_for(bug))
        compile(source, "reproduction", "exec")
        assert '"/pay/1/"' in source
        assert '"email": "user@example.com"' in source
        assert '"amount": "1"' in source

    def test_field_name_that_a_client_made_up_does_not_leave(self, bug):
        """FAULTS X17."""
        body = {"amount": 1, "anna@example.com": 1, "sk_" + "live_abcdefghij12": 1, "a b": 1, "1x": 1}
        ErrorLog.objects.update(request_data={"body": body})
        assert report.report_for(bug).body == (("amount", "int"),)
        ErrorLog.objects.update(request_data={"body": ["x"]})
        assert report.report_for(bug).body == ()

    @pytest.mark.parametrize(
        ("method", "expected"), [("GET", 'get("/x/example/")'), ("PUT", ".put("), ("PURGE", 'generic("PURGE", "/x/')]
    )
    def test_reproduction_of_other_methods(self, method, expected):
        made = BugReport(bug_id="B-1", uuid="u", title="t", method=method, route="/x/{slug}/")
        assert expected in reproduction(made)

    def test_title_is_one_line_and_mentions_nobody(self):
        """FAULTS X06, X15."""
        made = BugReport(bug_id="B-1", uuid="u", title="@octocat\nbroke acme/shop#1 " + "x" * 300)
        assert "\n" not in made.safe_title
        assert "@octocat" not in made.safe_title
        assert "#1" not in made.safe_title
        assert len(made.safe_title) <= TITLE_CHARS
        assert BugReport(bug_id="B-1", uuid="u", title="").safe_title == "B-1: error"

    @pytest.mark.parametrize(
        ("title", "slug"),
        [
            ("../../etc/cron.d/x", "etc-cron-d-x"),
            ("Größe & Maß", "große-ma"),
            ("日本", "error"),
            ("x" * 300, "x" * 60),
            ("\x00", "error"),
        ],
    )
    def test_slug_is_a_safe_file_name(self, title, slug):
        """FAULTS X18."""
        made = slug_from(title)
        assert made.isascii()
        assert made == slug or title.startswith("Gr")

    def test_no_text_breaks_out_of_code(self):
        """FAULTS X16."""
        assert fence("a\n```\nb").startswith("````\n")
        assert code("a`b") == "``a`b``"
        assert code("`a`") == "`` `a` ``"
        assert code("") == "`-`"
        made = BugReport(bug_id="B-1", uuid="u", title="t", description="```\n<script>@octocat", route="/a`b/")
        assert "````text" in markdown(made)

    def test_body_is_bounded(self):
        """FAULTS X06."""
        frame = ("x" * 200, 1, "f" * 200, "s" * 200)
        made = BugReport(
            bug_id="B-1",
            uuid="u",
            title="t" * 5_000,
            description="`" * 200_000,
            route="/r" * 5_000,
            frames=(frame,) * 20,
            body=tuple((f"{n}" * 100, "text") for n in range(50)),
            source=("x" * 500,) * 20,
            groups=("g" * 400,) * 20,
            details={"locals": ["`" * 10_000]},
        )
        text = issue_body(made)
        assert len(text) <= BODY_CHARS
        assert made.marker in text[-50:]

    def test_bug_id_that_is_none_is_refused(self):
        with pytest.raises(ValueError, match="no bug id"):
            report.report_from("../x", {})


class TestMarkdownTracker:
    def tracker(self, tmp_path):
        return MarkdownTracker(tmp_path / "tasks")

    def test_file_is_written_and_found(self, tmp_path):
        tracker = self.tracker(tmp_path)
        assert tracker.find(REPORT) is None
        filed = tracker.file(REPORT)
        assert filed.reference == "B-012-valueerror-in-shop-pay.md"
        assert tracker.find(REPORT).reference == filed.reference
        assert not list((tmp_path / "tasks").glob(".*"))

    def test_what_people_wrote_is_kept_when_it_is_written_anew(self, tmp_path):
        """FAULTS X18."""
        tracker = self.tracker(tmp_path)
        path = tmp_path / "tasks" / tracker.file(REPORT).reference
        path.write_text(path.read_text() + "\nI looked into it.\n")
        import dataclasses

        changed = dataclasses.replace(REPORT, title="Another title", status="resolved", count=7)
        assert tracker.file(changed).reference == path.name
        text = path.read_text()
        assert "I looked into it." in text
        assert 'status: "resolved"' in text
        assert "Seen: 7 times" in text
        assert text.count("error-tracking:begin") == 1
        assert tracker.file(changed)
        assert path.read_text() == text

    def test_file_without_our_markers_belongs_to_people(self, tmp_path):
        tracker = self.tracker(tmp_path)
        path = tmp_path / "tasks" / tracker.file(REPORT).reference
        own = f'uuid: "{REPORT.uuid}"\nall mine'
        path.write_text(own)
        tracker.file(REPORT)
        assert path.read_text() == own

    def test_file_of_another_bug_is_not_touched(self, tmp_path):
        tracker = self.tracker(tmp_path)
        path = tmp_path / "tasks" / REPORT.path_name
        path.parent.mkdir()
        path.write_text("another")
        with pytest.raises(TrackerError, match="another bug") as caught:
            tracker.file(REPORT)
        assert caught.value.is_permanent
        assert path.read_text() == "another"

    def test_symlink_is_not_followed(self, tmp_path):
        """FAULTS X18."""
        tracker = self.tracker(tmp_path)
        target = tmp_path / "target"
        (tmp_path / "tasks").mkdir()
        (tmp_path / "tasks" / REPORT.path_name).symlink_to(target)
        with pytest.raises(TrackerError, match="not a regular file"):
            tracker.file(REPORT)
        assert not target.exists()

    def test_folder_that_cannot_be_made_is_a_failure_that_says_why(self, tmp_path):
        """FAULTS X18."""
        (tmp_path / "tasks").write_text("a file where the folder should be")
        with pytest.raises(TrackerError, match="could not be written"):
            self.tracker(tmp_path).file(REPORT)

    def test_name_from_outside_stays_in_the_folder(self, tmp_path):
        """FAULTS X18."""
        import dataclasses

        for name in ("../x.md", ".hidden.md", "x" * 130):
            with pytest.raises(TrackerError, match="no name for a bug file"):
                self.tracker(tmp_path).file(dataclasses.replace(REPORT, file_name=name))

    def test_front_matter_cannot_be_forged(self, tmp_path):
        """FAULTS X18."""
        import dataclasses

        tracker = self.tracker(tmp_path)
        filed = tracker.file(dataclasses.replace(REPORT, title='x"\nstatus: closed\n---'))
        head = (tmp_path / "tasks" / filed.reference).read_text().split("\n---\n")[0]
        assert head.count("\nstatus:") == 1
        assert 'status: "open"' in head
