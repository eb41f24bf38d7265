"""Tells the project's own code from libraries and generated code, by where it lies."""

from __future__ import annotations

import sys
import sysconfig
from functools import lru_cache
from pathlib import PurePath
from types import ModuleType

# Reads what a module holds, without code that a class of the project's may have.
_NAMESPACE = vars(ModuleType)["__dict__"].__get__

# Files that Cython compiles. Their code runs from a path as it was when the library was
# built: ``src/lxml/parser.pxi``.
_CYTHON_FILES = (".pyx", ".pxi", ".pxd")

_PACKAGE_FOLDERS = ("/site-packages/", "/dist-packages/")


def _library_paths() -> tuple[str, ...]:
    """Return where the standard library and installed packages lie."""
    paths = {sys.base_prefix + "/lib/"}
    for name in ("stdlib", "platstdlib", "purelib", "platlib"):
        paths.add(sysconfig.get_path(name))
    return tuple(paths)


_LIBRARY_PATHS = _library_paths()


@lru_cache(maxsize=4096)
def is_in_app(abs_path: str, module: str = "", rules: tuple[str, ...] = ()) -> bool:
    """
    Return whether code is the project's own: not of a library, not generated.

    Args:
        abs_path: The file of the code, as the code object has it.
        module: The dotted name of its module, where it is known.
        rules: The setting IN_APP; the first rule that matches decides. A dotted name
            is for a module and those below it, a path for the files below it, and
            ``-`` in front says that the code is not the project's.
    """
    for rule in rules:
        name = rule.removeprefix("-")
        if _matches(name, abs_path, module):
            return not rule.startswith("-")
    if abs_path.startswith("<"):
        # "<string>", "<frozen importlib._bootstrap>": no file.
        return False
    if any(folder in abs_path for folder in _PACKAGE_FOLDERS):
        return False
    if _is_relative(abs_path):
        package_file = _file_of_package(module)
        if abs_path.endswith(_CYTHON_FILES) or package_file.endswith(_CYTHON_FILES):
            return False
        # Where the package lies decides. A template that is no file is the project's.
        if package_file and not _is_relative(package_file):
            return is_in_app(package_file)
    return not abs_path.replace("\\", "/").startswith(_LIBRARY_PATHS)


def _matches(rule: str, abs_path: str, module: str) -> bool:
    is_path = "/" in rule or "\\" in rule
    if is_path:
        return abs_path.startswith(rule)
    return f"{module}.".startswith(f"{rule}.")


def _is_relative(path: str) -> bool:
    return not PurePath(path).is_absolute()


def _file_of_package(module: str) -> str:
    """Return where the top package of *module* was imported from, ``""`` if unknown."""
    package = sys.modules.get(module.partition(".")[0])
    if not issubclass(type(package), ModuleType):
        return ""
    file = _NAMESPACE(package).get("__file__")
    if type(file) is not str or _is_relative(file):
        return ""
    return file
