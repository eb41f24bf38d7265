"""
Compares the tables with the migrations and the models.

Asks the database's catalogue, never for rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps as current_apps
from django.apps.registry import Apps
from django.db import connections, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from .routers import APP_LABEL


def unapplied_migrations(alias: str) -> list[str]:
    """Return which of our migrations ``migrate`` would apply, as ``label.name``."""
    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes(APP_LABEL))
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def missing_after_migrations(alias: str) -> list[str]:
    """
    Return what is missing of what the applied migrations of ours should have made.

    Empty before the first of them is applied, and where the project has none
    (``MIGRATION_MODULES``).

    Returns:
        Tables and columns as :func:`missing_columns` names them, then the names of
        indexes and constraints.

    """
    recorded = MigrationRecorder(connections[alias]).applied_migrations()
    has_migrations = any(label == APP_LABEL for label, _ in recorded)
    if not has_migrations:
        return []
    apps: Apps | None = current_apps
    if unapplied_migrations(alias):
        apps = _apps_as_applied(alias)
    if apps is None:
        return []
    return missing_columns(alias, apps) + missing_indexes(alias, apps)


def _apps_as_applied(alias: str) -> Apps | None:
    """Return the models as the applied migrations know them; None if none are applied."""
    loader = MigrationExecutor(connections[alias]).loader
    applied = [
        node
        for node in loader.graph.nodes
        if node[0] == APP_LABEL and node in loader.applied_migrations
    ]
    if not applied:
        return None
    apps: Apps = loader.project_state(applied).apps
    return apps


def missing_columns(alias: str, apps: Apps = current_apps) -> list[str]:
    """
    Return the tables and columns of our models that the database lacks.

    Args:
        alias: Of the database.
        apps: The models, by default those of the code.

    Returns:
        ``table`` for a table, ``table.column`` for a column.

    """
    connection = connections[alias]
    missing = []
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for model in _models(apps):
            table = model._meta.db_table
            if table not in tables:
                missing.append(table)
                continue
            columns = connection.introspection.get_table_description(cursor, table)
            existing = {column.name for column in columns}
            missing += [
                f"{table}.{field.column}"
                for field in model._meta.local_concrete_fields
                if field.column not in existing
            ]
    return missing


def missing_indexes(alias: str, apps: Apps = current_apps) -> list[str]:
    """Return the names of indexes and constraints that tables should have."""
    connection = connections[alias]
    missing = []
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for model in _models(apps):
            table = model._meta.db_table
            if table not in tables:
                continue
            existing = connection.introspection.get_constraints(cursor, table)
            named = [*model._meta.indexes, *model._meta.constraints]
            missing += [each.name for each in named if each.name not in existing]
    return missing


def _models(apps: Apps) -> Iterator[type[models.Model]]:
    for model in apps.get_app_config(APP_LABEL).get_models():
        if model._meta.managed and not model._meta.proxy:
            yield model
