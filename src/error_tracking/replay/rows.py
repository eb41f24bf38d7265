"""Rows for generated tests, with placeholders that satisfy their model."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.utils import timezone

from .failure import NotReproducedError

# More tries than any test has rows of one model.
UNIQUE_TRIES = 100
DAY = dt.date(2026, 1, 31)


def make_row(label: str, **values: Any) -> Any:
    """
    Create a row with placeholders, and return it.

    Required relations take the last row of their model, or create one. ``save()`` and
    signals of the project do not run: they may be what fails.

    Args:
        label: The model, such as ``"shop.Order"``.
        values: Fields whose values are known.

    Raises:
        AssertionError: "Not reproduced: …", where the database refuses the row.
    """
    model = apps.get_model(label)
    instance = model(**values)
    for field in model._meta.concrete_fields:
        if field.name not in values and field.attname not in values:
            _fill(instance, field)
    try:
        with transaction.atomic():
            _insert(model, instance)
    except Exception as error:
        msg = f"a row of {label} could not be created ({type(error).__name__}: {error})"
        raise NotReproducedError(msg) from error
    return instance


def make_user(kind: str = "", permissions: Sequence[str] = ()) -> Any:
    """
    Create a user, and return it.

    Args:
        kind: ``""``, ``"staff"`` or ``"superuser"``.
        permissions: Such as ``"shop.change_order"``.
    """
    model = get_user_model()
    user = model()
    names = {field.name for field in model._meta.concrete_fields}
    for field in model._meta.concrete_fields:
        _fill(user, field)
    flags = {
        "is_active": True,
        "is_staff": kind in {"staff", "superuser"},
        "is_superuser": kind == "superuser",
    }
    for name, value in flags.items():
        if name in names:
            setattr(user, name, value)
    user.save()
    for permission in permissions:
        _grant(user, permission)
    return user


def _grant(user: Any, permission: str) -> None:
    app_label, _, codename = permission.partition(".")
    found = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label=app_label, codename=codename
    )
    user.user_permissions.add(*found)


def _insert(model: Any, instance: Any) -> None:
    if model._meta.parents:
        # Rows of several tables cannot be created at once.
        instance.save()
        return
    has_own_key = instance.pk is not None
    model._base_manager.bulk_create([instance])
    if instance.pk is None:  # pragma: no cover
        # Of the databases, MySQL does not return the key.
        instance.pk = model._base_manager.order_by("-pk").values_list("pk")[0][0]
    if has_own_key:
        _continue_after_keys(model)


def _continue_after_keys(model: Any) -> None:
    """Let PostgreSQL give no key again that a row was created with."""
    statements = connection.ops.sequence_reset_sql(no_style(), [model])
    if statements:  # pragma: no cover  PostgreSQL only
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def _fill(instance: Any, field: Any) -> None:
    """Give a required *field* without a default a placeholder."""
    if isinstance(field, models.AutoField) or field.has_default() or field.null:
        return
    if getattr(field, "generated", False) or hasattr(field, "auto_now_add"):
        is_set_by_django = getattr(field, "auto_now_add", True) or field.auto_now
        if is_set_by_django:
            return
    if field.is_relation:
        if field.primary_key and field.remote_field.parent_link:
            return
        setattr(instance, field.name, related_row(field))
        return
    setattr(instance, field.name, _free_value(instance, field))


def related_row(field: Any) -> Any:
    """Return the last row that *field* may refer to, a new one where there is none."""
    related = field.remote_field.model
    existing = related._base_manager.order_by("-pk")
    if field.unique:
        taken = field.model._base_manager.values_list(field.attname)
        existing = existing.exclude(pk__in=taken)
    found = existing.first()
    if found is not None:
        return found
    if related is get_user_model():
        return make_user()
    return make_row(related._meta.label)


def _free_value(instance: Any, field: Any) -> Any:
    """Return a placeholder that no row has yet, where *field* must be unique."""
    value = placeholder(field)
    if not _must_differ(field):
        return value
    rows = type(instance)._base_manager
    for number in range(2, UNIQUE_TRIES):
        if not rows.filter(**{field.name: value}).exists():
            break
        value = placeholder(field, number)
    return value


def _must_differ(field: Any) -> bool:
    if field.unique:
        return True
    together = [name for names in field.model._meta.unique_together for name in names]
    for constraint in field.model._meta.total_unique_constraints:
        together += constraint.fields
    return field.name in together


def placeholder(field: Any, number: int = 1) -> Any:
    """Return a harmless value for *field*; others for a higher *number*."""
    if field.choices:
        return next(value for value, _label in field.flatchoices)
    if isinstance(field, models.UUIDField):
        return uuid.UUID(int=number)
    if isinstance(field, models.BooleanField):
        return False
    if isinstance(field, models.DateTimeField):
        return timezone.now()
    if isinstance(field, models.DateField):
        return DAY
    if isinstance(field, models.TimeField):
        return dt.time(12, 30)
    if isinstance(field, models.DurationField):
        return dt.timedelta(hours=1)
    if isinstance(field, models.DecimalField):
        return decimal.Decimal(number)
    if isinstance(field, models.IntegerField | models.FloatField):
        return number
    if isinstance(field, models.BinaryField):
        return b"example"
    if isinstance(field, models.JSONField):
        return {}
    if isinstance(field, models.GenericIPAddressField):
        return f"192.0.2.{number}"
    return _text(field, number)


def _text(field: Any, number: int) -> str:
    ending = "" if number == 1 else str(number)
    if isinstance(field, models.EmailField):
        return f"user{ending}@example.com"
    if isinstance(field, models.URLField):
        return f"https://example.com/{ending}"
    text = f"{field.name}{ending}"
    if field.max_length and len(text) > field.max_length:
        text = f"{number}"[: field.max_length]
    return text
