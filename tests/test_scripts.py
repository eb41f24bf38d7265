"""The commands of the README: any Python starts them, and they show how far they are."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OLD = f"""#!{sys.executable}
import runpy, sys
sys.version_info = (3, 9, 18, "final", 0)
sys.executable = {{path!r}}
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def old_python(tmp_path):
    """A program that runs scripts and says that it is Python 3.9."""
    path = tmp_path / "python3.9"
    path.write_text(OLD.format(path=str(path)))
    path.chmod(0o755)
    return path


def make(task, python, path):
    return subprocess.run(
        [shutil.which("make"), "-s", task, f"PYTHON={python}"],
        cwd=ROOT,
        env={"PATH": str(path), "HOME": str(path), "PYENV_ROOT": str(path / "none")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    "task", ["demo", "check", "test", "matrix", "bench", "bench-admin"]
)
class TestOldPython:
    def test_alone_ends_in_one_sentence(self, task, old_python, tmp_path):
        answer = make(task, old_python, tmp_path / "empty")
        [sentence, *from_make] = answer.stderr.splitlines()
        assert sentence == (
            f"make {task} needs Python 3.11 or newer, and {old_python} is Python 3.9: "
            f"name a newer one with make {task} PYTHON=/path/to/python3.11"
        )
        assert all(line.startswith("make") for line in from_make)
        assert answer.stdout == ""
        assert answer.returncode == 2

    def test_that_is_not_there_ends_in_one_sentence(self, task, tmp_path):
        answer = make(task, "/nowhere/python", tmp_path)
        assert answer.stderr.startswith("There is no /nowhere/python: name Python 3.11")
        assert "PYTHON=/path/to/python3.11" in answer.stderr

    @pytest.mark.parametrize("place", ["path", "pyenv"])
    def test_uses_a_newer_one_that_it_finds(self, task, old_python, tmp_path, place):
        folder = tmp_path / "bin"
        name = "python3.12"
        if place == "pyenv":
            folder = tmp_path / "none" / "versions" / "3.12.4" / "bin"
            name = "python"
        folder.mkdir(parents=True)
        newer = folder / name
        # It answers as Python 3.12 does, and shows what it was asked to run instead of running it.
        newer.write_text(
            '#!/bin/sh\n[ "$1" = -c ] && echo 3.12 || { echo "ran $1"; exit 7; }'
        )
        newer.chmod(0o755)
        answer = make(task, old_python, tmp_path / "bin")
        if place == "pyenv":
            answer = subprocess.run(
                [shutil.which("make"), "-s", task, f"PYTHON={old_python}"],
                cwd=ROOT,
                env={"PATH": "/nowhere", "PYENV_ROOT": str(tmp_path / "none")},
                capture_output=True,
                text=True,
                check=False,
            )
        assert f"is Python 3.9, so {newer} is used." in answer.stderr
        scripts = {"check": "check", "test": "run_tests", "matrix": "matrix"}
        script = scripts.get(task, "environment")
        assert answer.stdout == f"ran scripts/{script}.py\n"


def test_any_python_can_read_the_script_that_finds_a_newer_one():
    tree = ast.parse(
        (ROOT / "scripts" / "start.py").read_text(), feature_version=(3, 4)
    )
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(tree) if isinstance(node, newer)]
    assert found == []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        assert function.returns is None
        assert [argument.annotation for argument in function.args.args] == [None] * len(
            function.args.args
        )
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imports == [], "from __future__ import annotations is of Python 3.7"


class TestProgress:
    @pytest.fixture
    def steps(self, monkeypatch):
        monkeypatch.syspath_prepend(ROOT / "scripts")
        import steps

        monkeypatch.setattr(steps, "STILL_SECONDS", 0.2)
        return steps

    def run(self, steps, code, logs):
        step = steps.Step("suite", [sys.executable, "-uc", code], number=2)
        return step.run(7, logs)

    def test_a_long_step_shows_that_it_still_runs(self, steps, tmp_path, capsys):
        code = "import time; print('..... [ 40%]'); time.sleep(1); print('5 passed')"
        assert self.run(steps, code, tmp_path) is True
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "[2/7] suite ..."
        shown = "s so far, less than a minute left  ..... [ 40%]"
        assert any(shown in line for line in lines[1:-1])
        assert lines[-1].startswith("[2/7] suite: ok in ")
        assert lines[-1].endswith("5 passed")

    def test_a_step_that_hangs_ends_and_shows_where_it_waits(
        self, steps, tmp_path, capsys, monkeypatch
    ):
        monkeypatch.setattr(steps, "STEP_SECONDS", 1.0)
        code = (
            "import faulthandler, time\nfaulthandler.enable()\n"
            "def wait_for_nobody():\n    time.sleep(60)\nwait_for_nobody()"
        )
        assert self.run(steps, code, tmp_path) is False
        out = capsys.readouterr().out
        assert "[2/7] suite: hangs, ended after" in out
        assert "in wait_for_nobody" in out

    def test_a_step_that_cannot_even_be_aborted_is_killed(
        self, steps, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(steps, "STEP_SECONDS", 1.0)
        monkeypatch.setattr(steps, "DUMP_SECONDS", 0.5)
        code = (
            "import signal, time\nsignal.signal(signal.SIGABRT, signal.SIG_IGN)\n"
            "time.sleep(60)"
        )
        started = time.monotonic()
        assert self.run(steps, code, tmp_path) is False
        assert time.monotonic() - started < 30

    def run_failing_step(self, steps, folder, passes):
        """Run a step that names one failed test, which *passes* the second time or not."""
        code = "print('FAILED tests/test_a.py::test_b - no'); raise SystemExit(1)"
        again = f"import sys; print(sys.argv[1:]); sys.exit({0 if passes else 1})"
        step = steps.Step(
            "suite",
            [sys.executable, "-uc", code],
            again=[sys.executable, "-uc", again],
            number=2,
        )
        return step, step.run(7, folder)

    def test_a_test_that_passes_the_second_time_is_named(self, steps, tmp_path, capsys):
        step, is_ok = self.run_failing_step(steps, tmp_path, passes=True)
        assert is_ok is True
        assert step.unsteady == ["tests/test_a.py::test_b"]
        assert "ok the second time" in capsys.readouterr().out
        assert "['tests/test_a.py::test_b']" in (tmp_path / "02.again.log").read_text()

    def test_a_test_that_fails_twice_fails_the_step(self, steps, tmp_path, capsys):
        step, is_ok = self.run_failing_step(steps, tmp_path, passes=False)
        assert is_ok is False
        assert step.unsteady == []
        assert "FAILED again" in capsys.readouterr().out

    def test_many_failures_are_not_run_again(self, steps, tmp_path):
        names = [f"tests/test_a.py::test_{n}" for n in range(4)]
        code = f"[print('FAILED', name) for name in {names}]; raise SystemExit(1)"
        step = steps.Step("suite", [sys.executable, "-uc", code], again=["nothing"])
        assert step.run(7, tmp_path) is False

    def test_a_failed_step_shows_its_end_and_names_its_log(
        self, steps, tmp_path, capsys
    ):
        code = "[print('line', n) for n in range(200)]; raise SystemExit(3)"
        assert self.run(steps, code, tmp_path) is False
        out = capsys.readouterr().out
        assert "line 199\n" in out
        assert "line 100\n" not in out
        assert "FAILED with status 3" in out
        assert str(tmp_path / "02.log") in out
        assert "line 0\n" in (tmp_path / "02.log").read_text()

    @pytest.mark.parametrize(
        ("line", "passed", "left"),
        [
            ("....... [ 25%]", 300, ", about 15 min left"),
            ("....... [ 99%]", 300, ", less than a minute left"),
            ("....... [  9%]", 300, ""),  # too early to say
            ("Setting up .venv (once)", 300, ""),
            ("", 0, ""),
        ],
    )
    def test_time_left_follows_from_the_share_that_is_done(
        self, steps, line, passed, left
    ):
        assert steps.time_left(line, passed) == left

    def test_steps_end_with_the_names_of_those_that_failed(
        self, steps, tmp_path, capsys
    ):
        times = tmp_path / "times.json"
        good = steps.Step("good", [sys.executable, "-c", "print('fine')"])
        bad = steps.Step("bad", [sys.executable, "-c", "raise SystemExit(1)"])
        assert steps.run_all([good], [bad], times=times) == [bad]
        out = capsys.readouterr().out
        assert "FAILED: bad\n1 of 2 steps passed in 0 minutes" in out
        assert "The last run here" not in out
        assert steps.run_all([good], [], times=times) == []
        assert "The last run here took 0 minutes." in capsys.readouterr().out


class TestEnvironments:
    @pytest.fixture
    def environment(self, monkeypatch):
        monkeypatch.syspath_prepend(ROOT / "scripts")
        import environment

        return environment

    @pytest.fixture
    def made(self, environment, monkeypatch):
        """The commands that would have been run, instead of installing anything."""
        commands = []

        def run(command):
            commands.append(command)
            folder = command[-1] if "venv" in command else None
            if folder:
                (Path(folder) / "bin").mkdir(parents=True)
                (Path(folder) / "bin" / "python").touch()

        monkeypatch.setattr(environment, "_run", run)
        return commands

    def test_one_that_has_more_serves_as_well(self, environment, made, tmp_path):
        folder = tmp_path / "venv"
        environment.ensure(folder, groups=["django52", "test-core", "lint"])
        assert len(made) == 2
        environment.ensure(folder, groups=["django52", "lint"])
        environment.ensure(folder, groups=["test-core"])
        environment.ensure(folder)
        assert len(made) == 2

    @pytest.mark.parametrize(
        "changes",
        [
            {"groups": ["django60"]},
            {"groups": ["django52", "lint"]},
            {"groups": ["django52"], "interpreter": "/usr/bin/other"},
            {"groups": ["django52"], "is_lowest": True},
        ],
        ids=["another Django", "more", "another Python", "lowest"],
    )
    def test_one_that_is_another_is_made_again(
        self, environment, made, tmp_path, changes
    ):
        folder = tmp_path / "venv"
        environment.ensure(folder, groups=["django52"])
        environment.ensure(folder, **changes)
        assert len(made) == 4

    def test_versions_come_from_the_constraints_unless_the_lowest_are_asked_for(
        self, environment, made, tmp_path
    ):
        environment.ensure(tmp_path / "a", groups=["django52"])
        environment.ensure(tmp_path / "b", groups=["test-core"], is_lowest=True)
        usual, lowest = made[1], made[3]
        assert str(environment.CONSTRAINTS) in usual
        assert str(environment.CONSTRAINTS) not in lowest
        assert "Django==5.2" in lowest
        assert "Django~=5.2.0" in usual
