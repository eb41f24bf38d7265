"""
How the error pages show whose site it is: the setting ``SITE``.

The page loads nothing, so a logo is read from its file and put into the page.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import logging
import mimetypes
from pathlib import Path

from django.conf import settings as django_settings

from error_tracking import conf
from error_tracking.setting_rules import COLOR, is_link

logger = logging.getLogger("error_tracking")

#: A logo is part of every error page.
LOGO_BYTES = 64 * 1_024
LOGO_TYPES = frozenset(
    {"image/svg+xml", "image/png", "image/jpeg", "image/webp", "image/gif"}
)

#: Contrast of text with its background that WCAG 2.2 asks for (1.4.3).
LEAST_CONTRAST = 4.5

# The cards that the colour is seen on, and the marks where the site has no colour.
LIGHT_CARD, DARK_CARD = "#ffffff", "#1c2229"
LIGHT_MARK, DARK_MARK = "#2f6f5e", "#7cc7b2"

Rgb = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """
    What a page shows of the site; each is empty where it is not set.

    Attributes:
        name: The site's name.
        logo: A ``data:`` URI.
        home: The address of the home page.
        support: Where visitors ask for help: an address of a page or of a mailbox.
        search: Where visitors can search the site.
        light_mark: The site's colour as it can be read on the light page.
        dark_mark: The same for the dark page.

    """

    name: str = ""
    logo: str = ""
    home: str = "/"
    support: str = ""
    search: str = ""
    light_mark: str = LIGHT_MARK
    dark_mark: str = DARK_MARK


@functools.lru_cache(maxsize=1)
def current() -> Site:
    """Return what the settings say, without what cannot be used."""
    given = conf.get_settings().SITE or {}
    color = str(given.get("color", ""))
    marks = (LIGHT_MARK, DARK_MARK)
    if COLOR.fullmatch(color):
        marks = (readable(color, LIGHT_CARD), readable(color, DARK_CARD))
    return Site(
        name=str(given.get("name", "")),
        logo=_logo_uri(str(given.get("logo", ""))),
        home=safe_link(str(given.get("home", "/"))),
        support=safe_link(str(given.get("support", ""))),
        search=safe_link(str(given.get("search", ""))),
        light_mark=marks[0],
        dark_mark=marks[1],
    )


def safe_link(link: str) -> str:
    """
    Return *link* where it leads to a page or a mailbox, else ``""``.

    Never a script.
    """
    return link if is_link(link) else ""


def _logo_uri(path: str) -> str:
    """
    Return the file at *path*, relative to BASE_DIR, as a ``data:`` URI.

    ``""`` without one.
    """
    if not path:
        return ""
    kind = mimetypes.guess_type(path)[0] or ""
    base = getattr(django_settings, "BASE_DIR", None) or Path.cwd()
    try:
        content = Path(base, path).read_bytes()
    except OSError as error:
        logger.warning("the logo of the error pages cannot be read: error=%r", error)
        return ""
    if kind not in LOGO_TYPES or len(content) > LOGO_BYTES:
        logger.warning(
            "the logo of the error pages is not used: it must be SVG, PNG, JPEG, WebP "
            "or GIF of at most %d bytes, and is %s of %d",
            LOGO_BYTES,
            kind or "of an unknown type",
            len(content),
        )
        return ""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def readable(color: str, background: str) -> str:
    """
    Return *color*, changed towards black or white until it can be read on *background*.

    Args:
        color: The site's colour, such as ``"#2f6f5e"``.
        background: What it is seen on, likewise.
    """
    behind = _rgb(background)
    is_light = _luminance(behind) > 0.5
    target: Rgb = (0.0, 0.0, 0.0) if is_light else (1.0, 1.0, 1.0)
    wanted = _rgb(color)
    for step in range(21):  # pragma: no branch  black or white can be read on a card
        share = step / 20
        mixed = tuple(
            part + (end - part) * share
            for part, end in zip(wanted, target, strict=True)
        )
        if _contrast(mixed, behind) >= LEAST_CONTRAST:
            break
    return "#" + "".join(f"{round(part * 255):02x}" for part in mixed)


def _rgb(color: str) -> Rgb:
    red, green, blue = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _contrast(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: tuple[float, ...]) -> float:
    """Return the relative luminance (WCAG 2.2, "relative luminance")."""
    red, green, blue = (_linear(part) for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    if part <= 0.04045:
        return part / 12.92
    linear: float = ((part + 0.055) / 1.055) ** 2.4
    return linear
