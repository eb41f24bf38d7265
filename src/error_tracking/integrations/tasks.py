"""
Captures failures of ``django.tasks``.

Of every backend that sends Django's signals (Django 6.0 and later).
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from django.tasks import TaskResultStatus  # type: ignore[import-not-found,unused-ignore]
from django.tasks.signals import task_finished, task_started  # type: ignore[import-not-found,unused-ignore]

from error_tracking import conf
from error_tracking.capture import context
from error_tracking.capture.service import ErrorCaptureService
from error_tracking.utils import named_arguments


def connect() -> None:
    """Connect to Django's signals."""
    task_started.connect(context.begin_task, weak=False, dispatch_uid="error_tracking")
    task_finished.connect(capture_failure, weak=False, dispatch_uid="error_tracking")
    task_finished.connect(
        context.end_task, weak=False, dispatch_uid="error_tracking.end"
    )


def capture_failure(task_result: Any, **_kwargs: object) -> None:
    """
    Capture the failure of a task.

    Django sends the signal while the exception is handled.
    """
    error = sys.exception()
    if (
        error is None
        or task_result.status != TaskResultStatus.FAILED
        or "tasks" in conf.get_settings().DISABLE
    ):
        return
    task = task_result.task

    def more() -> dict[str, object]:
        function = (
            functools.partial(task.func, None)
            if getattr(task, "takes_context", False)
            else task.func
        )
        arguments = named_arguments(function, task_result.args, task_result.kwargs)
        values = {
            "name": task.module_path,
            "id": str(task_result.id),
            "arguments": arguments,
            "queue": task.queue_name,
        }
        return {"task": values}

    ErrorCaptureService().capture_exception(
        context.current_request(),
        error,
        mechanism="django.tasks",
        where=f"task {task.module_path}",
        more=more,
    )
