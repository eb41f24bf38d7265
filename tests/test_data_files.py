"""Files of data: kinds of cells and values are kept, no content, and a test gets one like it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile

from error_tracking.bugs.opening import open_bug
from error_tracking.capture.data_files import BYTES, ROWS, DataFileReader, cells_of
from error_tracking.events.size_budget import Share, Size
from error_tracking.models import ErrorGroup
from error_tracking.recorder import store
from error_tracking.replay import make_file, make_folder, missing_file
from error_tracking.report.builder import build_report
from error_tracking.report.data_files import (
    cell_kinds,
    content_like,
    encoding_of,
    kind_of_file,
    like_name,
)
from error_tracking.report.failing_test import failing_test
from error_tracking.report.known_names import KnownNames, PublicNames
from error_tracking.report.placeholders import bytes_source, known_kind, placeholder_for
from error_tracking.report.reproduction import reproduction
from tests.factories import make_event

KNOWN = KnownNames(frozenset({"sku", "price", "action", "remove", "items", "amount"}))


def failing():
    """Raise in a function that has the text "remove"."""
    if "remove" in {"add", "remove"}:
        raise ValueError


def caught():
    try:
        failing()
    except ValueError as error:
        return error


def recorded(name, content, share=None):
    upload = SimpleUploadedFile(name, content)
    upload.seek(min(2, len(content)))
    values = DataFileReader(caught(), share).of_upload(upload)
    assert upload.tell() == min(2, len(content))
    return json.loads(json.dumps({"name": name, "size": len(content), **values}))


def like(name, content):
    """Return the content that a generated test sends, as bytes."""
    stored = recorded(name, content)
    kind = kind_of_file(stored, PublicNames(KNOWN))
    return eval(placeholder_for(str(kind)), {"SimpleUploadedFile": lambda _n, c: c})


class TestTables:
    @pytest.mark.parametrize(
        ("content", "made"),
        [
            ("sku,price\n4711,-12.50\n", "sku,price\n1000,-10.5\n"),
            ("sku,price\n4711,\n,0\n", "sku,price\n1000,\n,0\n"),
            ("sku;price\n1;2", "sku;price\n1;1\n"),
            ("sku\tprice\n1\t2\n", "sku\tprice\n1\t1\n"),
            ("sku,price\n", "sku,price\n"),
            ("sku,Anna\n1,Bert\n", "sku,field_1\n1,example\n"),
            ("sku,a b,c d,ä\n", "sku,field_1,field_2,Beispiel für Ä\n"),
            ("sku,action\n1,remove\n2,add\n", "sku,action\n1,remove\n1,example\n"),
            ("sku,action\n1,Remove\n", "sku,action\n1,example\n"),
            ("sku,price\n1\n1,2,3\n\n", "sku,price\n1\n1,1,1\n\n"),
            ('sku,price\n"a, b","1\n2"\n', "sku,price\nexample,example\n"),
            ("4711,Anna,-3\n", "1000,field_2,-1\n"),
            ("sku,password\n1,4711\n", "sku,field_1\n1,example\n"),
            ("\ufeffsku,price\n1,2\n", "\ufeffsku,price\n1,1\n"),
            ("sku,price\nÄ,2\n", "sku,price\nBeispiel für Ä,1\n"),
        ],
    )
    def test_what_decides_is_kept_and_no_text(self, content, made):
        assert like("a.csv", content.encode()).decode() == made

    def test_encoding_is_kept(self):
        made = like("a.csv", "sku,price\nÄ,2\n".encode("latin-1"))
        with pytest.raises(UnicodeDecodeError):
            made.decode()

    def test_more_rows_are_cut_and_of_a_long_file_the_header_is_kept(self):
        rows = "".join(f"{number},1\n" for number in range(ROWS * 2))
        made = like("a.csv", f"sku,price\n{rows}".encode()).decode()
        assert len(made.splitlines()) == ROWS
        long = "sku,price\n" + "1,2\n" * BYTES
        assert like("a.csv", long.encode()) == b"sku,price\n1,1\n"
        stored = recorded("a.csv", long.encode())
        assert set(stored) == {"name", "size", "columns", "delimiter", "encoding"}

    def test_no_content_is_stored(self):
        content = "sku,Anna Bauer\nBert Cohn,4711\nremove,Zoe\n"
        stored = recorded("a.csv", content.encode())
        assert "remove" in str(stored)
        for text in ("Anna", "Bert", "4711", "Zoe"):
            assert text not in str(stored)

    @pytest.mark.parametrize(
        ("characters", "keys"),
        [(3, set()), (12, {"columns"}), (100, {"columns", "rows"})],
    )
    def test_it_reads_as_much_as_its_share(self, characters, keys):
        share = Share(Size(characters=characters, items=10))
        stored = recorded("a.csv", b"sku,price\n1,2\n", share)
        assert set(stored) & {"columns", "rows"} == keys

    def test_file_on_disk_is_read_without_moving_the_position(self):
        content = b"sku,price\n1,0\n"
        with TemporaryUploadedFile("a.csv", "text/csv", len(content), None) as upload:
            upload.write(content)
            upload.flush()
            values = DataFileReader(None).of_upload(upload)
            assert upload.tell() == len(content)
            assert list(cells_of(upload))[-1] == (1, "price", "0")
        assert values["rows"] == [["name", "name"], ["digits", "zero digits"]]

    def test_cells_are_found_by_their_place(self):
        stored = recorded("a.csv", b"sku,price\n4711,0\n")
        kinds = cell_kinds([stored, {"columns": 7}, {"columns": ["a"], "rows": [7]}])
        assert kinds["0.1.sku"] == "digits:1000"
        assert kinds["0.1.price"] == "zero digits"
        assert cell_kinds(None) == {}
        assert list(cells_of(SimpleUploadedFile("a.txt", b"sku\n1\n"))) == []
        assert list(cells_of(SimpleUploadedFile("a.csv", b"1\n" * BYTES))) == []


class TestJson:
    @pytest.mark.parametrize(
        ("data", "made"),
        [
            ({"items": []}, {"items": []}),
            ({"items": [{"amount": -3}]}, {"items": [{"amount": -1}]}),
            ({"amount": None, "x": ""}, {"amount": None, "field_1": ""}),
            ({"Anna Bauer": 1, "Anna": True}, {"field_1": True}),
            (
                {"action": "remove", "sku": "Remove"},
                {"action": "remove", "sku": "example"},
            ),
            (
                {"password": 4711, "sku": "Zoe"},
                {"field_1": "example", "sku": "example"},
            ),
            ([1.5, "Zoe", False], [1.5, "example", False]),
            (7, 1),
        ],
    )
    def test_shape_is_kept_and_no_text(self, data, made):
        assert json.loads(like("a.json", json.dumps(data).encode())) == made

    def test_malformed_long_and_empty_files_stay_what_they_are(self):
        with pytest.raises(ValueError):
            json.loads(like("a.json", b"{,}"))
        with pytest.raises(ValueError):
            json.loads(like("a.json", b"[" * 2_000))
        assert like("a.json", json.dumps(["x"] * BYTES).encode()) == b"{}"
        assert like("a.json", b"") == like("a.csv", b"") == like("a.png", b"") == b""
        assert like("a.png", b"Anna") == b"example"


class TestStored:
    """What is stored may be anything: nothing of it fails, and no text leaves."""

    @pytest.mark.parametrize(
        "stored",
        [
            {},
            {"columns": "Anna"},
            {"columns": [None, {"Anna": 1}, "Anna"], "rows": ["Anna", None, [None]]},
            {"columns": ["sku"], "rows": [["name", "name"], ["Anna"], [["Anna"]]]},
            {"columns": ["sku"], "delimiter": "Anna", "rows": []},
            {"columns": ["sku"], "rows": [["name"], ["known:Anna"], ["graphql:Anna"]]},
            {"shape": "Anna"},
            {"shape": {"Anna": ["Anna", "known:Anna", "file:.csv:ascii:utf-8:Anna"]}},
            {"name": "a.json", "encoding": "Anna", "ending": "Anna"},
        ],
    )
    def test_no_text_of_it_leaves(self, stored):
        names = PublicNames(KNOWN)
        made = str(content_like(stored, names)) + encoding_of(stored)
        made += like_name(stored) + kind_of_file(stored, names)
        assert "Anna" not in made

    def test_content_of_a_kind_from_outside_does_not_count(self):
        kind = "file:.csv:ascii:utf-8:Anna"
        assert known_kind("", kind) == "file:.csv:ascii"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
    @pytest.mark.parametrize("content", ["", 'a"\n\\', "Ä"])
    def test_python_of_a_content_is_that_content(self, encoding, content):
        source = bytes_source(content, encoding)
        assert eval(source) == content.encode(encoding)


class TestArguments:
    def values_of(self, *words, scrubbed=None):
        reader = DataFileReader(caught())
        return reader.of_arguments(list(words), list(scrubbed or words))

    def test_kind_of_a_path_and_what_a_file_is_like_are_kept(self, tmp_path):
        file = tmp_path / "partners.CSV"
        file.write_text("sku,price\nAnna,0\n")
        (tmp_path / "Bär.json").write_text('{"amount": 3}')
        (tmp_path / "notes").write_text("Anna")
        found = self.values_of(
            "import",
            str(file),
            f"--feed={tmp_path}/Bär.json",
            str(tmp_path),
            f"{tmp_path}/none.xml",
            "none.csv",
            f"{tmp_path}/notes",
        )
        assert list(found) == ["1", "2", "3", "4", "5", "6"]
        assert found["1"]["kind"] == found["2"]["kind"] == "file"
        assert found["1"]["rows"][1] == ["text", "zero digits"]
        assert found["2"] == {
            "kind": "file",
            "size": 13,
            "ending": ".json",
            "is_ascii": False,
            "shape": {"amount": "int"},
        }
        assert found["3"] == {"kind": "folder", "is_empty": False}
        assert found["4"] == {"kind": "missing", "ending": ".xml", "is_ascii": True}
        assert found["5"]["kind"] == "missing"
        assert found["6"] == {"kind": "file", "size": 4, "ending": "", "is_ascii": True}

    @pytest.mark.parametrize(
        "word",
        [
            *(
                "",
                "paid",
                "-v",
                "--dry-run",
                "--since=2026-01-02",
                "01/02/2026",
                "a@b.de",
            ),
            *(
                "https://example.com/a.csv",
                "shop.Order",
                "1.5",
                "--",
                "a\0/b.csv",
                "\n",
            ),
            *("x" * 2_000 + "/a.csv", "/dev/null", "/nowhere/at/all"),
        ],
    )
    def test_other_words_are_no_paths(self, word):
        assert self.values_of(word) == {}

    def test_nothing_is_looked_at_behind_a_secret(self, tmp_path):
        file = tmp_path / "a.csv"
        file.write_text("sku\n")
        assert self.values_of(str(file), scrubbed=["[Filtered]"]) == {}


class TestTemporaryFiles:
    def test_they_are_there_as_long_as_their_path_is(self):
        file, folder, nothing = (
            make_file("a.csv", b"x"),
            make_folder(),
            missing_file("b"),
        )
        # A Path may keep the text that it was made of.
        places = [Path(f"{each}") for each in (file, folder, nothing)]
        assert places[0].read_bytes() == b"x"
        assert list(places[1].iterdir()) == []
        assert not places[2].exists()
        assert places[2].parent.is_dir()
        del file, folder, nothing
        assert not any(place.parent.exists() for place in places)

    def test_generated_table_is_read_as_it_was_made(self, tmp_path):
        content = b'sku,price\n"a, b",-1\n'
        made = like("a.csv", content).decode()
        assert list(csv.DictReader(io.StringIO(made))) == [
            {"sku": "example", "price": "-1"}
        ]


class TestReport:
    """From a stored error to the test of its bug."""

    def texts_of(self, **values):
        event = make_event(**values)
        store.store([event])
        bug, _is_new = open_bug(ErrorGroup.objects.get())
        report = build_report(bug)
        return failing_test(report), reproduction(report)

    def test_command_gets_files_like_its_own(self, db):
        paths = {
            "0": {"kind": "file", "ending": ".csv", "is_ascii": True, "size": 9}
            | {"columns": ["sku"], "rows": [["name"], ["zero digits"]]},
            "1": {"kind": "missing", "ending": ".XML", "is_ascii": False},
            "2": {"kind": "folder", "is_empty": True},
            "3": {"kind": "Anna"},
            "4": "Anna",
            "9": {"kind": "folder"},
        }
        arguments = ["/a/b.csv", "--feed=/c/d.xml", "/e", "Anna", "7"]
        command = {"name": "load", "arguments": arguments, "paths": paths}
        texts = self.texts_of(
            method="",
            route="command load",
            mechanism="command",
            request={},
            context={"command": command},
        )
        for text in texts:
            assert 'path = make_file("example.csv", b"field_1\\n0\\n")' in text
            assert 'path_2 = missing_file("Beispiel-ä.xml")' in text
            assert "path_3 = make_folder()" in text
            call = (
                'call_command("load", path, f"--feed={path_2}", path_3, "example", "1")'
            )
            assert call in text
            compile(text, "text", "exec")

    def test_request_is_below_as_many_names_as_the_recorded_one(self, db):
        texts = self.texts_of(
            method="GET",
            route="/pets/",
            url="http://testserver/anna/sku/pets/",
            context={"setup": {"script_name": "/anna/name"}},
        )
        assert 'script_name="/app/name"' in texts[0]
        assert 'SCRIPT_NAME="/app/name"' in texts[1]
        assert '"/pets/"' in texts[0]
        assert "anna" not in str(texts)
