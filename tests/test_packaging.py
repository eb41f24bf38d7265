"""What is declared is what is tested: versions, environments, hooks, workflows, and the contents of the package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
GROUPS = PYPROJECT["dependency-groups"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")


@pytest.fixture
def steps():
    import steps

    return steps


@pytest.fixture
def environment():
    import environment

    return environment


@pytest.fixture
def matrix():
    import matrix

    return matrix


@pytest.fixture
def check_wheel():
    import check_wheel

    return check_wheel


def classifiers(beginning):
    """Return the versions in the classifiers that begin with *beginning*."""
    pattern = re.compile(rf"{re.escape(beginning)} :: (\d+\.\d+)")
    return [
        found[1] for each in PROJECT["classifiers"] if (found := pattern.match(each))
    ]


def version_of(name):
    """Return the version of *name* in constraints.txt."""
    found = re.search(rf"^{re.escape(name)}==(\S+)$", CONSTRAINTS, re.MULTILINE)
    assert found, f"{name} is not in constraints.txt"
    return found[1]


class TestVersions:
    def test_every_declared_python_and_django_is_in_the_matrix(self, matrix):
        pythons = classifiers("Programming Language :: Python")
        djangos = classifiers("Framework :: Django")
        assert [*matrix.PAIRS] == pythons
        assert (
            sorted({each for row in matrix.PAIRS.values() for each in row}) == djangos
        )
        assert PROJECT["requires-python"] == f">={pythons[0]}"
        assert PROJECT["dependencies"] == [f"Django>={djangos[0]}"]
        assert "Programming Language :: Python :: 3 :: Only" in PROJECT["classifiers"]

    def test_every_django_has_a_group(self, environment):
        for version in classifiers("Framework :: Django"):
            group = environment.django_group(version)
            assert environment.requirements([group]) == [f"Django~={version}.0"]

    def test_workflow_runs_the_same_matrix(self, matrix):
        workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
        declared = workflow["jobs"]["suite"]["strategy"]["matrix"]
        left_out = [(each["python"], each["django"]) for each in declared["exclude"]]
        pairs = [
            (python, django)
            for python in declared["python"]
            for django in declared["django"]
            if (python, django) not in left_out
        ]
        assert pairs == [
            (python, django)
            for python in matrix.PAIRS
            for django in matrix.PAIRS[python]
        ]
        assert declared["database"] == [*matrix.DATABASES]

    def test_page_names_the_declared_versions(self):
        page = (ROOT / "docs/reference/compatibility.md").read_text()
        pythons = classifiers("Programming Language :: Python")
        assert f"| Python | {', '.join(pythons)} |" in page
        assert f"| Django | {', '.join(classifiers('Framework :: Django'))} |" in page

    def test_lowest_versions_are_those_declared(self, environment):
        lowest = environment.lowest_requirements()
        declared = [*PROJECT["dependencies"]]
        for each in PROJECT["optional-dependencies"].values():
            declared += each
        assert lowest == [each.replace(">=", "==") for each in declared]
        assert len(lowest) == 3


class TestConstraints:
    def test_they_are_versions_only(self):
        lines = [line for line in CONSTRAINTS.splitlines() if not line.startswith("#")]
        pattern = r'[a-z0-9._-]+==[\w.+!]+(; python_version == "3\.\d+")?'
        assert len(lines) > 100
        assert [line for line in lines if not re.fullmatch(pattern, line)] == []

    @pytest.mark.parametrize("group", ["test", "lint", "docs"])
    def test_every_direct_requirement_has_one(self, environment, group):
        names = re.findall(r"^([a-z0-9._-]+)==", CONSTRAINTS, re.MULTILINE)
        for requirement in environment.requirements([group]):
            name = re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")
            assert name in names

    def test_django_is_left_to_the_groups(self):
        assert re.search(r"^django==", CONSTRAINTS, re.MULTILINE) is None

    def test_they_are_written_from_environments(self, monkeypatch):
        import constraints

        found = {
            "3.11": {"a-b": "1.0", "graphql-core": "3.2", "django": "5.2.1"},
            "3.12": {"a-b": "1.0", "graphql-core": "3.3", "pip": "25"},
        }
        assert constraints.constraints(found) == [
            "a-b==1.0",
            'graphql-core==3.2; python_version == "3.11"',
            'graphql-core==3.3; python_version == "3.12"',
        ]
        series, packages = constraints.versions_in(Path(sys.executable))
        assert series == f"{sys.version_info[0]}.{sys.version_info[1]}"
        assert "pytest" in packages


class TestHooks:
    @pytest.fixture
    def hooks(self):
        config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
        return {
            hook["id"]: {**hook, "rev": repository.get("rev", "")}
            for repository in config["repos"]
            for hook in repository["hooks"]
        }

    @pytest.mark.parametrize(
        ("hook", "package"),
        [
            ("ruff-check", "ruff"),
            ("ruff-format", "ruff"),
            ("django-upgrade", "django-upgrade"),
            ("djade", "djade"),
        ],
    )
    def test_they_have_the_versions_of_the_constraints(self, hooks, hook, package):
        assert hooks[hook]["rev"].removeprefix("v") == version_of(package)

    def test_they_have_the_arguments_of_make_check(self, hooks, steps):
        assert hooks["django-upgrade"]["args"] == steps.DJANGO_UPGRADE
        assert hooks["djade"]["args"] == steps.DJADE

    def test_they_are_the_programs_of_make_check(self, hooks, steps):
        programs = {
            Path(step.command[0]).name for step in steps.quality_steps("/x/bin/python")
        }
        hooked = {
            Path(hook.get("entry", name)).name.replace("ruff-check", "ruff")
            for name, hook in hooks.items()
        }
        assert hooked - {"ruff-format"} == programs - {"python"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
class TestWorkflows:
    def test_no_job_has_a_permission_that_it_does_not_name(self, path):
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {}
        for name, job in workflow["jobs"].items():
            wanted = (
                {"id-token": "write"} if name == "publish" else {"contents": "read"}
            )
            assert job["permissions"] == wanted
            assert job["timeout-minutes"] <= 60

    def test_no_checkout_leaves_credentials(self, path):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False

    def test_nothing_from_outside_is_put_into_a_command(self, path):
        """A branch or title in ``${{ }}`` inside of ``run`` is a command of a stranger."""
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            assert not [step for step in job["steps"] if "${{" in step.get("run", "")]

    def test_every_action_has_a_version(self, path):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job["steps"]:
                if "uses" in step:
                    assert re.search(
                        r"@(v\d+|release/v\d+|[0-9a-f]{40})$", step["uses"]
                    )


def make_wheel(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return path


class TestContents:
    @pytest.fixture
    def names(self, check_wheel):
        info = "django_error_tracking-1.dist-info"
        extra = ("METADATA", "entry_points.txt", "licenses/LICENSE", "RECORD")
        return {*check_wheel.files_of_package(), *(f"{info}/{name}" for name in extra)}

    def test_a_whole_wheel_has_no_problem(self, check_wheel, names, tmp_path):
        wheel = make_wheel(tmp_path / "a.whl", names)
        assert check_wheel.problems_of_wheel(wheel) == []

    @pytest.mark.parametrize(
        "ending", [".html", ".mo", "py.typed", ".css", "0001_initial.py"]
    )
    def test_a_kind_of_files_that_is_missing_is_named(
        self, check_wheel, names, tmp_path, ending
    ):
        missing = {name for name in names if name.endswith(ending)}
        wheel = make_wheel(tmp_path / "a.whl", names - missing)
        problems = check_wheel.problems_of_wheel(wheel)
        assert missing
        assert {f"the wheel has no {name}" for name in missing} <= set(problems)

    @pytest.mark.parametrize(
        "extra", ["tests/__init__.py", "error_tracking/db.sqlite3"]
    )
    def test_what_does_not_belong_there_is_named(
        self, check_wheel, names, tmp_path, extra
    ):
        wheel = make_wheel(tmp_path / "a.whl", {*names, extra})
        assert check_wheel.problems_of_wheel(wheel) == [
            f"the wheel should not have {extra}"
        ]

    def test_a_file_that_is_missing_in_the_sdist_is_named(
        self, check_wheel, names, tmp_path
    ):
        path = tmp_path / "a.tar.gz"
        (tmp_path / "README.md").write_text("")
        with tarfile.open(path, "w:gz") as archive:
            archive.add(tmp_path / "README.md", "django_error_tracking-1/README.md")
        problems = check_wheel.problems_of_sdist(path)
        assert "the sdist has no LICENSE" in problems
        assert "the sdist has no src/error_tracking/py.typed" in problems
        assert "the sdist has no README.md" not in problems


class TestResults:
    RESULT = {
        "python": "3.13.1",
        "django": "6.1.2",
        "passed": 1234,
        "is_ok": True,
        "share": 1.0,
        "date": "2026-11-28",
    }

    def test_page_is_what_the_results_say(self, matrix):
        results = (
            json.loads(matrix.RESULTS.read_text()) if matrix.RESULTS.exists() else {}
        )
        page = matrix.PAGE.read_text()
        shown = page.partition(matrix.BEGIN)[2].partition(matrix.END)[0]
        assert shown == matrix.table(results)

    @pytest.mark.parametrize(
        ("changes", "shown"),
        [
            ({}, "1,234 passed"),
            ({"share": 0.1}, "1,234 passed, 10% of the suite"),
            ({"is_ok": False}, "1,234 **failed**"),
        ],
    )
    def test_a_cell_tells_how_much_was_run(self, matrix, changes, shown):
        assert matrix.cell({**self.RESULT, **changes}) == shown

    def test_what_was_not_run_is_said(self, matrix):
        title = "Python 3.13, Django 6.1"
        lines = matrix.table({title: {"SQLite": self.RESULT}}).splitlines()
        [row] = [line for line in lines if "Django 6.1.2" in line]
        assert row == (
            "| Python 3.13.1, Django 6.1.2 | 1,234 passed | not run | not run | not run |"
        )

    def test_writing_leaves_the_rest_of_the_page(self, matrix, tmp_path, monkeypatch):
        page = tmp_path / "page.md"
        page.write_text(f"before\n{matrix.BEGIN}old\n{matrix.END}\nafter\n")
        monkeypatch.setattr(matrix, "PAGE", page)
        monkeypatch.setattr(matrix, "RESULTS", tmp_path / "results.json")
        matrix.write({})
        text = page.read_text()
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert "old" not in text
        assert "not run" in text


def test_no_file_names_a_host_to_install_from():
    listed = subprocess.run(
        ["git", "grep", "-lE", r"(extra-)?index-url|find-links|trusted-host"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode > 1:
        pytest.skip("this is no git checkout")
    assert set(listed.stdout.split()) <= {"tests/test_packaging.py"}
