"""
Describes a value by its class, or a model by its key, without running its code.

``isinstance()`` and ``getattr()`` are not used on values: both may run code of theirs.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import types
import uuid
import zoneinfo
from typing import Any

from error_tracking.utils import bases_of, dotted_name, type_ids

from .keys import AS_KEY, level_of
from .values import FILTERED

NAME_CHARS = 100
KEY_CHARS = 200
# 600 digits: printing takes longer the more there are, at the square of their number
MAX_INT_BITS = 2_000
_NAME = type.__dict__["__name__"].__get__
_NAMESPACE = type.__dict__["__dict__"].__get__
_DATES = type_ids(dt.datetime, dt.date, dt.time, dt.timedelta)
_WITH_ZONE = type_ids(dt.datetime, dt.time)
_ZONES = type_ids(dt.timezone, zoneinfo.ZoneInfo, type(None))
_PRINTABLE = type_ids(bool, float, uuid.UUID)


def class_name(cls: type) -> str:
    """
    Return the name of *cls*.

    Neither its metaclass nor a text of its own type can interfere.
    """
    return dotted_name(str.__str__(_NAME(cls)), NAME_CHARS)


def full_name(cls: type) -> str:
    """Return module and name of *cls*, found without running code of its own."""
    module = _NAMESPACE(cls).get("__module__", "")
    prefix = f"{dotted_name(module, NAME_CHARS)}." if type(module) is str else ""
    return prefix + class_name(cls)


def instance_dict(value: object) -> dict[str, Any]:
    """
    Return the attributes that *value* itself holds.

    A ``__dict__`` that its class computes is not asked.
    """
    for base in bases_of(type(value)):
        found = _NAMESPACE(base).get("__dict__")
        if type(found) is types.GetSetDescriptorType:
            own = found.__get__(value)
            if type(own) is dict:
                return own
    return {}


def class_attribute(cls: type, name: str) -> Any:
    """
    Return what *cls* or a base of it holds under *name*, as it is.

    No descriptor is asked; None for nothing.
    """
    for base in bases_of(cls):
        namespace = _NAMESPACE(base)
        if name in namespace:
            return namespace[name]
    return None


def described(value: object) -> str:
    """
    Return what *value* is.

    Its class, a Django model with its key, a QuerySet with its model.
    """
    kind = type(value)
    name = class_name(kind)
    if issubclass(type(kind), enum.EnumType):
        member = instance_dict(value).get("_name_")
        return f"<{name}.{member[:NAME_CHARS]}>" if type(member) is str else f"<{name}>"
    label = _model_label(kind)
    own = instance_dict(value)
    if label and "_state" in own:
        return f"<{label} pk={_key_of_model(kind, own)}>"
    model = own.get("model")
    if "_result_cache" in own and model is not None and issubclass(type(model), type):
        label = _model_label(model)
        if label:
            return f"<{name} of {label}>"
    return f"<{name}>"


def _model_options(cls: type) -> dict[str, Any]:
    """Return the attributes of a model's ``_meta``, nothing for any other class."""
    options = class_attribute(cls, "_meta")
    if full_name(type(options)) != "django.db.models.options.Options":
        return {}
    return instance_dict(options)


def _model_label(cls: type) -> str:
    options = _model_options(cls)
    app, name = options.get("app_label"), options.get("object_name")
    if type(app) is not str or type(name) is not str:
        return ""
    return f"{app}.{name}"


def _key_of_model(cls: type, own: dict[str, Any]) -> str:
    column = instance_dict(_model_options(cls).get("pk")).get("attname")
    key = own.get(column) if type(column) is str else None
    if type(column) is str and level_of(column) >= AS_KEY:
        return FILTERED  # a session, an API token: whoever knows the key is its user
    text = key_text(key)
    if text is None:
        return f"<{class_name(type(key))}>"
    return text[:50]


def key_text(value: Any) -> str | None:
    """Return the text of a value that may be printed, None for any other."""
    kind = type(value)
    if kind is str:
        return str(value[:KEY_CHARS])
    if kind is int:
        return str(value) if value.bit_length() < MAX_INT_BITS else None
    if value is None or id(kind) in _PRINTABLE:
        return str(value)
    if id(kind) in _DATES:
        return _date_text(value)
    if kind is decimal.Decimal:
        return str(value)[:KEY_CHARS]
    return None


def _date_text(value: Any) -> str:
    """
    Return a date or time.

    A time zone of the project's own is not asked for its offset.
    """
    if id(type(value)) in _WITH_ZONE and id(type(value.tzinfo)) not in _ZONES:
        return f"{value.replace(tzinfo=None)} <{class_name(type(value.tzinfo))}>"
    return str(value)
