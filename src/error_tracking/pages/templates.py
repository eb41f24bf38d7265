"""
The templates of the pages.

The project's, and ours where there is none or it is broken.
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

from django.template import Engine, TemplateDoesNotExist, loader
from django.template.context import Context

logger = logging.getLogger("error_tracking")

PAGE, KNOWN_PAGE = "error_tracking/error.html", "error_tracking/known_bug.html"
BASE = "error_tracking/base_page.html"
FOLDER = Path(__file__).resolve().parent.parent / "templates"


def render(name: str, context: dict[str, Any]) -> str:
    """
    Render the project's template *name*, or ours.

    Ours where the project has none or it is broken.
    """
    try:
        template = loader.get_template(name)
    except TemplateDoesNotExist:
        pass  # the project's engines do not look into the folders of apps
    except Exception:
        logger.exception("the error page's template cannot be read: template=%s", name)
    else:
        try:
            return template.render(context)
        except Exception:
            logger.exception("the error page's template failed: template=%s", name)
    return _own_engine().get_template(name).render(Context(context))


def problem() -> str:
    """Return why a template of the project's cannot be shown, ``""`` where they can."""
    for name in (PAGE, KNOWN_PAGE):
        words = {"base": "error_tracking/base_page.html", "title": "", "site": {}}
        try:
            loader.get_template(name).render(words)
        except TemplateDoesNotExist as error:
            if error.chain or str(error) != name:
                return f"{name}: {error} is missing"
        except Exception as error:  # noqa: BLE001
            # Whatever a template of the project's does
            return f"{name}: {type(error).__name__}: {error}"
    return ""


@functools.lru_cache(maxsize=1)
def _own_engine() -> Engine:
    """Return an engine that finds our templates, and no other."""
    return Engine(
        dirs=[str(FOLDER)],
        libraries={"i18n": "django.templatetags.i18n"},
        autoescape=True,
    )


@functools.lru_cache(maxsize=1)
def are_ours() -> bool:
    """Return whether the project has overridden none of the pages' templates."""
    for name in (PAGE, KNOWN_PAGE, BASE):
        try:
            origin = getattr(loader.get_template(name), "origin", None)
        except TemplateDoesNotExist:
            continue
        except Exception:  # noqa: BLE001  a broken one is the project's
            return False
        path = Path(str(getattr(origin, "name", "")))
        if path.resolve() != (FOLDER / name).resolve():
            return False
    return True
