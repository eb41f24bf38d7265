"""
Failures of django-q2's tasks, through its hook for error reporters.

django-q2 finds this class by the entry point ``djangoq.errorreporters`` and uses it
where ``Q_CLUSTER["error_reporter"]`` names ``"error_tracking"``. It is called in the
worker, while the exception is being handled. django-q2 imports it before the apps are
ready, so nothing here may import a model until it is called.
"""

from __future__ import annotations

import sys
from typing import Any

# The frame of the worker that runs the task, in the module that calls report().
WORKER_MODULE = "django_q.worker"


class ErrorReporter:
    """
    What django-q2 expects of a reporter.

    Made once with its options, called for each failure.
    """

    def __init__(self, **_options: object) -> None:
        pass

    def report(self) -> None:
        """Capture the exception that is being handled. Never raises."""
        from error_tracking import conf
        from error_tracking.capture import context
        from error_tracking.capture.guard import guard
        from error_tracking.capture.service import ErrorCaptureService

        error = sys.exception()
        if error is None or "django_q" in conf.get_settings().DISABLE:
            return
        task = guard(_task_at)(error) or {}
        ErrorCaptureService().capture_exception(
            context.current_request(),
            error,
            mechanism="django_q",
            where=f"task {task.get('name') or 'of django-q2'}",
            more=lambda: {"task": task},
        )


def _task_at(error: BaseException) -> dict[str, Any]:
    """
    Return function, id and arguments of the task, from the worker's frame.

    The hook is told nothing.
    """
    traceback = error.__traceback__
    if (
        traceback is None
        or traceback.tb_frame.f_globals.get("__name__") != WORKER_MODULE
    ):
        return {}
    task = traceback.tb_frame.f_locals.get("task")
    if type(task) is not dict:
        return {}
    function = task.get("func")
    name = function if type(function) is str else getattr(function, "__qualname__", "")
    arguments = {"args": task.get("args"), **(task.get("kwargs") or {})}
    return {"name": name, "id": task.get("id"), "arguments": arguments}
