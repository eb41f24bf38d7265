"""
Finds a Python that is new enough, and runs a script of this folder with it.

Started by the Makefile with whatever python3 is, so that nothing newer than
Python 2.7 may be written here: an older one must still be able to read it.
"""

import glob
import os
import subprocess
import sys

LEAST = (3, 11)
NEWEST = 19  # of the names to look for; what is newer is found as soon as it is called python3
TASKS = {
    "demo": ([".venv"], "scripts/demo.py"),
    "check": ([], "scripts/check.py"),
    "test": ([], "scripts/run_tests.py"),
    "matrix": ([], "scripts/matrix.py"),
    "docs": ([".venv-docs", "docs"], "scripts/build_docs.py"),
    "bench": ([".venv-bench", "bench"], "bench.run"),
    "bench-admin": ([".venv-bench", "bench"], "bench.admin_pages"),
}


def version_of(python):
    """Return the version of the program *python*, None where it is none that can make environments."""
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        process = subprocess.Popen(
            [python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        words = process.communicate()[0].decode("ascii", "replace").strip().split(".")
        return (int(words[0]), int(words[1])) if process.returncode == 0 else None
    except (OSError, ValueError, IndexError):
        return None


def candidates():
    """Yield programs that may be a newer Python: on the PATH, then what pyenv has, the supported ones first."""
    minors = list(range(13, LEAST[1] - 1, -1)) + list(range(14, NEWEST))
    folders = os.environ.get("PATH", "").split(os.pathsep)
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for minor in minors:
        for folder in folders:
            yield os.path.join(folder, "python3.%d" % minor)
        pattern = os.path.join(pyenv, "versions", "3.%d.*" % minor, "bin", "python")
        for path in sorted(glob.glob(pattern), reverse=True):
            yield path


def find():
    """Return the program of a Python that is new enough, this one if it is; None where there is none."""
    if sys.version_info[:2] >= LEAST:
        return sys.executable
    for path in candidates():
        found = version_of(path) if os.path.exists(path) else None
        if found is not None and found >= LEAST:
            return path
    return None


def main(task):
    """Run *task*, in place of this process once its environment is there."""
    own = "%s is Python %d.%d" % (
        sys.executable,
        sys.version_info[0],
        sys.version_info[1],
    )
    python = find()
    if python is None:
        sys.stderr.write(
            "make %s needs Python 3.11 or newer, and %s: "
            "name a newer one with make %s PYTHON=/path/to/python3.11\n"
            % (task, own, task)
        )
        sys.exit(2)
    if python != sys.executable:
        sys.stderr.write("%s, so %s is used.\n" % (own, python))
    environment, script = TASKS[task]
    if environment:
        status = subprocess.call([python, "scripts/environment.py"] + environment)
        if status:
            sys.exit(status)
        python = os.path.join(environment[0], "bin", "python")
    arguments = [script] if script.endswith(".py") else ["-m", script]
    os.execv(python, [python] + arguments)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1])
