"""
Writes constraints.txt: the versions that the tests ran with, and nothing else.

    python scripts/constraints.py .venv .venv-3.12 .venv-3.13

The environments are those of `make test`. Django is left out: its series is chosen by a
dependency group.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import environment

LEFT_OUT = {"django", "django-error-tracking", "pip", "setuptools"}
HEAD = """\
# The versions that the tests ran with; written by scripts/constraints.py.
# Use it as pip install --constraint constraints.txt, it installs nothing by itself.
"""


def versions_in(python: Path) -> tuple[str, dict[str, str]]:
    """Return the Python series of the program *python*, and its packages with their versions."""
    code = (
        "import importlib.metadata as m, sys\n"
        "print('%d.%d' % sys.version_info[:2])\n"
        "for each in m.distributions(): print(each.metadata['Name'], each.version)"
    )
    answer = subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=True
    )
    series, *lines = answer.stdout.splitlines()
    pairs = (line.split() for line in lines)
    return series, {name.lower().replace("_", "-"): version for name, version in pairs}


def constraints(found: dict[str, dict[str, str]]) -> list[str]:
    """Return one line per package, or one per Python where the versions differ."""
    by_name: dict[str, dict[str, str]] = defaultdict(dict)
    for series, packages in found.items():
        for name, version in packages.items():
            by_name[name][series] = version
    lines = []
    for name, versions in sorted(by_name.items()):
        if name in LEFT_OUT:
            continue
        if len(set(versions.values())) == 1:
            lines.append(f"{name}=={versions.popitem()[1]}")
            continue
        lines += [
            f'{name}=={version}; python_version == "{series}"'
            for series, version in sorted(versions.items())
        ]
    return lines


def main(folders: list[str]) -> None:
    """Write the file from the environments in *folders*."""
    found = dict(versions_in(Path(folder) / "bin" / "python") for folder in folders)
    text = HEAD + "\n".join(constraints(found)) + "\n"
    environment.CONSTRAINTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
