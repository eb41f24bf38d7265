"""Keys for the tests of this project."""

from __future__ import annotations

from monitor.models import Project


def credentials(names, user):
    """Return the values of the headers with *names*; called when all rows are there."""
    if "X-Api-Key" not in names:
        return {}
    project = Project.objects.first()
    if project is None:
        project = Project.objects.create(name="tests", api_key="key of the tests")
    return {"X-Api-Key": project.api_key}
