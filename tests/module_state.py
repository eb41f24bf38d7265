"""
Finds what this package keeps for longer than a call, by reading its source.

That is: caches, context variables and other objects made when a module is imported,
names that functions rebind with ``global``, attributes that functions set on classes
and modules, functions that others get to call (hooks), and threads.
"""

from __future__ import annotations

import ast
from pathlib import Path

import error_tracking

SOURCE = Path(error_tracking.__file__).parent

#: Calls whose result cannot be changed, or is a type.
UNCHANGEABLE = {
    "ParamSpec",
    "TypeVar",
    "compile",
    "frozenset",
    "getLogger",
    "getattr",
    "time_ns",
}
#: Names that Python and Django give a meaning, and nobody changes.
DECLARATIONS = {"__all__", "urlpatterns"}
HOOKS = {"addFilter", "setLogRecordFactory"}
CACHES = {"cache", "lru_cache"}
CHANGES = {
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "setdefault",
    "update",
}
DISPLAYS = (ast.Dict, ast.DictComp, ast.List, ast.ListComp, ast.Set, ast.SetComp)


def kept_objects() -> set[str]:
    """Return the dotted names, below the package, of everything that is kept."""
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        if "migrations" in path.parts:
            continue
        parts = path.relative_to(SOURCE).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {f"{module}.{name}".lstrip(".") for name in _names_in(tree)}
    return found


def _names_in(tree: ast.Module) -> set[str]:
    changed = _changed_names(tree)
    found = {name for node in ast.walk(tree) for name in _globals_of(node)}
    for statement in tree.body:
        for name, value in _assigned(statement):
            is_constant = name.isupper() and name not in changed
            if name in DECLARATIONS or is_constant:
                continue
            if _can_change(value):
                found.add(name)
    found |= {name for name in changed if name.isupper()}
    found |= set(_caches(tree))
    found |= set(_set_attributes(tree))
    found |= set(_threads_and_hooks(tree))
    return found


def _assigned(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
    else:
        return []
    names = []
    for target in targets:
        elements = target.elts if isinstance(target, ast.Tuple) else [target]
        values = [value] * len(elements)
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            values = value.elts
        names += [
            (element.id, each)
            for element, each in zip(elements, values, strict=True)
            if isinstance(element, ast.Name)
        ]
    return names


def _can_change(value: ast.expr) -> bool:
    if isinstance(value, DISPLAYS):
        return True
    return isinstance(value, ast.Call) and _called(value) not in UNCHANGEABLE


def _called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    function = call.func
    if isinstance(function, ast.Call):
        return _called(function)
    return (
        function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
    )


def _globals_of(node: ast.AST) -> list[str]:
    return node.names if isinstance(node, ast.Global) else []


def _changed_names(tree: ast.Module) -> set[str]:
    """Return the names of the module's that its code changes in place."""
    own = {name for statement in tree.body for name, _ in _assigned(statement)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            found.add(ast.unparse(node.value))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in CHANGES
        ):
            found.add(ast.unparse(node.func.value))
    return found & own


def _caches(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = {
                ast.unparse(each).partition("(")[0] for each in node.decorator_list
            }
            if {name.rpartition(".")[2] for name in names} & CACHES:
                found.append(node.name)
        is_call = isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if is_call and _called(node.value) in CACHES:
            found += [ast.unparse(target) for target in node.targets]
    return found


def _set_attributes(tree: ast.Module) -> list[str]:
    """Return ``Class.attribute`` for what functions set on classes and modules: everybody sees it."""
    shared = {"cls"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            shared |= {
                (each.asname or each.name).partition(".")[0] for each in node.names
            }
        elif isinstance(node, ast.ClassDef):
            shared.add(node.name)
    found = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and (node.value.id in shared or node.value.id.endswith("_class"))
        ):
            found.append(ast.unparse(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            is_shared = ast.unparse(owner).partition(".")[0] in shared
            if (
                node.func.attr in CHANGES
                and isinstance(owner, ast.Attribute)
                and is_shared
            ):
                found.append(ast.unparse(owner))
    return found


def _threads_and_hooks(tree: ast.Module) -> list[str]:
    """Return ``function()`` for each function that starts a thread or installs a hook."""
    found = []
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        calls = [node for node in ast.walk(scope) if isinstance(node, ast.Call)]
        if {"Thread", *HOOKS} & set(map(_called, calls)):
            found.append(f"{scope.name}()")
    return found
