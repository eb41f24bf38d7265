"""
Exceptions of GraphQL resolvers, which are answered with HTTP 200 and ``errors``.

The hooks of the libraries differ: graphene's middleware runs for every field of every
healthy answer, the extensions of strawberry and ariadne are registered per schema. All
three execute queries with graphql-core, whose ``handle_field_error`` is called for a
field that failed and for nothing else. That method is wrapped, in the class of
graphql-core 3.2 (``ExecutionContext``) and in that of 3.3 (``Executor``).
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from graphql.error import GraphQLError

from error_tracking import conf
from error_tracking.capture import context
from error_tracking.capture.guard import guard
from error_tracking.capture.noise import is_client_error
from error_tracking.capture.service import ErrorCaptureService

_EXECUTORS = (
    ("graphql.execution.execute", "ExecutionContext"),
    ("graphql.execution.executor", "Executor"),
)
_service = ErrorCaptureService()


def connect() -> None:
    """Wrap ``handle_field_error`` of the class that executes queries."""
    for module_name, class_name in _EXECUTORS:
        try:
            executor = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError):
            continue
        if "handle_field_error" in vars(executor):
            _wrap(executor)


def _wrap(executor: Any) -> None:
    original = executor.handle_field_error

    @functools.wraps(original)
    def handle_field_error(self: Any, error: Any, *args: Any, **kwargs: Any) -> Any:
        _capture(self, error, args)
        return original(self, error, *args, **kwargs)

    executor.handle_field_error = handle_field_error


def _capture(executor: Any, error: Any, args: tuple[Any, ...]) -> None:
    """
    Capture the resolver's exception.

    A ``GraphQLError`` is an answer to the client.
    """
    original = getattr(error, "original_error", None) or error
    if isinstance(original, GraphQLError) or is_client_error(original):
        return
    if "graphql" not in conf.get_settings().DISABLE:
        _service.capture_exception(
            context.current_request(),
            original,
            mechanism="graphql",
            where=guard(_place)(executor, error, args) or "GraphQL",
        )


def _place(executor: Any, error: Any, args: tuple[Any, ...]) -> str:
    """Return which field of which operation failed: "GraphQL query orders"."""
    return f"GraphQL {_operation(executor)} {_field(error, args)}"


def _operation(executor: Any) -> str:
    """Return "query", "mutation" or "subscription"."""
    operation = getattr(getattr(executor, "operation", None), "operation", None)
    return str(getattr(operation, "value", ""))


def _field(error: Any, args: tuple[Any, ...]) -> str:
    """
    Return the name of the field that failed, as the schema spells it.

    Never its alias or path: an alias is the client's choice.
    """
    nodes = list(getattr(error, "nodes", None) or ())  # graphql-core 3.2
    for argument in args:  # 3.3: a list of field details
        if isinstance(argument, (list, tuple)):
            nodes += [getattr(details, "node", None) for details in argument]
    for node in nodes:
        name = getattr(getattr(node, "name", None), "value", "")
        if name:
            return str(name)
    return ""
