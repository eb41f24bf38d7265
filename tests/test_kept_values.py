"""Values that decide how the code goes on are kept in a bug file; what a person wrote never is."""

from __future__ import annotations

import codecs
import io
import json
import re

import pytest
from django.core.files.uploadedfile import (
    InMemoryUploadedFile,
    SimpleUploadedFile,
    TemporaryUploadedFile,
)
from django.http import QueryDict
from django.test import RequestFactory
from django.utils.datastructures import MultiValueDict

from error_tracking.bugs.opening import open_bug
from error_tracking.capture.data_files import BYTES
from error_tracking.capture.request_context import context_for
from error_tracking.events.stacktrace import exceptions_from
from error_tracking.models import ErrorGroup
from error_tracking.recorder import store
from error_tracking.report.builder import build_report
from error_tracking.report.known_names import KnownNames, PublicNames, is_personal
from error_tracking.report.markdown import bug_file, issue_body
from error_tracking.report.placeholders import (
    file_kind,
    known_kind,
    placeholder_argument,
    placeholder_for,
)
from tests.factories import make_event, raised
from tests.message_errors import WITH_VALUE

# Encoded, because what this file has is text of the source.
PLANTED = [
    codecs.decode(text, "rot13")
    for text in ("Naan-Xbjnyfxn", "naan@zlubfg.bet", "yöfpura Fvr zvpu", "QR89 3704")
]
KNOWN = KnownNames(
    words=frozenset({"status", "paid", "in-progress", "female", "pin", "sex", "note"}),
    sensitive=frozenset({"pin"}),
    personal={"female": 3},
)


class TestKept:
    @pytest.mark.parametrize(
        ("name", "value", "placeholder"),
        [
            ("status", "paid", "paid"),
            ("other", "in-progress", "in-progress"),
            ("status", "unpaid", "example"),
            ("status", "paid-status", "example"),
            ("pin", "paid", "example"),
            ("password", "paid", "example"),
            ("sex", "paid", "example"),
            ("health_status", "paid", "example"),
            ("status", "female", "one of 3 choices"),
            ("status", "", ""),
            ("status", None, None),
            ("status", False, False),
            ("status", -321, -100),
            ("status", "4711", "1000"),
            ("status", "Größe", "Beispiel für Ä"),
        ],
    )
    def test_value_that_the_code_has_is_kept_and_no_other(
        self, name, value, placeholder
    ):
        kinds = PublicNames(KNOWN).kinds({name: [value]})
        [shapes] = kinds.values()
        assert placeholder_for(str(shapes[0])) == placeholder

    def test_nothing_below_a_secret_is_kept(self):
        kinds = PublicNames(KNOWN).kinds({"pin": {"status": "paid"}})
        assert kinds == {"pin": {"field_1": "text"}}

    @pytest.mark.parametrize(
        ("word", "made"),
        [
            ("--status=paid", "--status=paid"),
            ("--status=unpaid", "--status=example"),
            ("--password=paid", "--password=example"),
            ("--limit=250", "--limit=100"),
            ("paid", "paid"),
            ("--dry-run", "--dry-run"),
        ],
    )
    def test_command_keeps_options_and_choices(self, word, made):
        assert placeholder_argument(word, KNOWN.kind_of) == made

    @pytest.mark.parametrize(
        ("name", "content", "made"),
        [
            ("", None, 'SimpleUploadedFile("example.txt", b"example")'),
            ("a.PNG", None, 'SimpleUploadedFile("example.png", b"example")'),
            ("ä.csv", None, 'SimpleUploadedFile("Beispiel-ä.csv", b"example")'),
            (
                "a.csv",
                "sku,field_1\n1,1\n",
                'SimpleUploadedFile("example.csv", b"sku,field_1\\n1,1\\n")',
            ),
            ("a.b c", None, 'SimpleUploadedFile("example.txt", b"example")'),
            ("a.csv", "x" * 9_000, 'SimpleUploadedFile("example.csv", b"example")'),
        ],
    )
    def test_file_keeps_the_ending_and_the_alphabet_of_its_name(
        self, name, content, made
    ):
        kind = str(file_kind(name, content))
        assert placeholder_for(kind) == made
        assert kind.startswith(known_kind("", kind))
        compile(made, "made", "eval")

    def test_kind_from_outside_is_checked(self):
        for kind in ("known:paid", "int:100", "one of 3 choices", "file:.csv:ascii"):
            assert known_kind("", kind) == kind
        for text in (
            "known:a b",
            "known:'",
            "int:x",
            "file:.csv:a b",
            "graphql:{ x }",
            "x",
            7,
        ):
            assert known_kind("", text) == "text"

    def test_attributes_of_a_person_are_recognised_by_their_names(self):
        assert all(map(is_personal, ("sex", "patientGender", "blood_type", "Religion")))
        assert not any(map(is_personal, ("status", "sexton", "kind", "partyline")))


def columns_of(upload):
    request = RequestFactory().post("/")
    request._post, request._files = QueryDict(), MultiValueDict({"file": [upload]})
    [file] = context_for(request)["files"]
    return file.get("columns")


class TestTables:
    @pytest.mark.parametrize(
        ("content", "columns"),
        [
            (b"sku,price\n1,2\n", ["sku", "price"]),
            (b'\xef\xbb\xbfsku;"price"\r\n1;2\r\n', ["sku", "price"]),
            (b"sku\tprice\n", ["sku", "price"]),
            (b"sku\n1\n", ["sku"]),
            (b"sku,17,a b\n", ["sku", "…", "…"]),
            (b"sku,price", None),
            (b"", None),
            (b"x" * BYTES + b"\n", None),
        ],
    )
    @pytest.mark.parametrize("kind", ["memory", "disk"])
    def test_header_is_read_without_moving_the_position(self, kind, content, columns):
        if kind == "memory":
            upload = SimpleUploadedFile("a.csv", content, "text/csv")
        else:
            upload = TemporaryUploadedFile("a.csv", "text/csv", len(content), "utf-8")
            upload.write(content)
            upload.flush()
        with upload:
            upload.seek(min(3, len(content)))
            assert columns_of(upload) == columns
            assert upload.tell() == min(3, len(content))

    def test_other_files_are_not_read(self):
        assert columns_of(SimpleUploadedFile("a.png", b"sku\n")) is None

    def test_file_that_cannot_be_read_costs_its_columns_only(self):
        closed = SimpleUploadedFile("a.csv", b"sku\n")
        closed.close()
        assert columns_of(closed) is None

        class Own(io.BytesIO):
            def getbuffer(self):
                raise AssertionError("code of the project was called")

        own = InMemoryUploadedFile(Own(b"sku\n"), "f", "a.csv", "text/csv", 4, None)
        assert columns_of(own) is None


class TestProperty:
    """No value of a visitor is in the file or the issue of a bug, wherever it was sent."""

    @pytest.mark.parametrize("planted", PLANTED)
    def test_planted_text_is_in_no_file_and_no_issue(self, db, planted):
        names = [
            "f-string",
            "chain",
            "%",
            "KeyError",
            "int",
            "DRF",
            "note",
            "only the value",
        ]
        events = [
            make_event(
                fingerprint=name.ljust(32, "0"),
                exceptions=exceptions_from(raised(WITH_VALUE[name], planted)),
                method="POST",
                url=f"https://x.example/pay/?q={planted}",
                user_label=planted,
                user_agent=planted,
                request={
                    "headers": {"Accept": planted, "X-Planted": planted},
                    "query": {"q": planted, planted: planted},
                    "body": {
                        "status": planted,
                        planted: {"deep": [planted, {planted: planted}]},
                        "amount": f"17 {planted}",
                    },
                    "kwargs": {"id": planted, planted: planted},
                    "files": [
                        {
                            "field": planted,
                            "name": f"{planted}.csv",
                            "size": 1,
                            "content_type": planted,
                            "columns": [planted, "sku"],
                        }
                    ],
                },
                context={
                    "command": {"name": "x", "arguments": [planted, f"--x={planted}"]},
                    "extra": {planted: planted},
                    "breadcrumbs": [{"message": planted}],
                },
            )
            for name in names
        ]
        store.store(events)
        groups = list(ErrorGroup.objects.all())
        assert len(groups) == len(names)
        words = re.findall(r"\w{4,}", planted)
        for group in groups:
            bug, _is_new = open_bug(group)
            made = build_report(bug)
            text = bug_file(made) + issue_body(made) + bug.description
            for word in words:
                assert word not in text
                assert json.dumps(word)[1:-1] not in text
