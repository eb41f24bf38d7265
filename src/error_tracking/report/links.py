"""
The addresses of this site that links lead to: a bug in the admin, its file on GitHub.

The site knows its own address from SITE_URL, the environment, or django.contrib.sites.
Without any of them there are no links, and a check says so.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, router, transaction
from django.urls import NoReverseMatch, get_script_prefix, reverse

from error_tracking import conf
from error_tracking.checkout import checkout_root, origin_of
from error_tracking.setting_rules import site_url_problem

VARIABLE = "ERROR_TRACKING_SITE_URL"
SITES_APP = "django.contrib.sites"
# What migrations of django.contrib.sites store until somebody corrects it.
EXAMPLE_DOMAIN = "example.com"
_DOMAIN = re.compile(r"[\w.-]{1,253}(?::\d{1,5})?", re.ASCII)


def site_url() -> str:
    """Return the address of this site without a slash at the end, ``""`` if unknown."""
    url = conf.get_settings().SITE_URL or os.environ.get(VARIABLE, "")
    if url and site_url_problem(VARIABLE, url) is not None:
        # A check reports it; a wrong link is worse than none.
        return ""
    if not url and apps.is_installed(SITES_APP):
        url = _url_of_current_site()
    return url.rstrip("/")


def _url_of_current_site() -> str:
    """Return the address that django.contrib.sites stores, ``""`` without one."""
    # Only here: its models exist only where it is installed.
    from django.contrib.sites.models import Site

    try:
        with transaction.atomic(using=router.db_for_read(Site)):
            domain = Site.objects.get_current().domain
    except (Error, ImproperlyConfigured, Site.DoesNotExist):
        return ""
    is_example = domain.lower() == EXAMPLE_DOMAIN
    if is_example or not _DOMAIN.fullmatch(domain):
        return ""
    return f"https://{domain}"


def bug_url(pk: int) -> str:
    """Return the address of a bug in the admin, ``""`` where it is unknown."""
    return admin_url("knownbug_change", pk)


def admin_url(page: str, *args: Any) -> str:
    """
    Return the address of one of our pages in the admin, ``""`` where it is unknown.

    Args:
        page: Its name without the app, such as ``"knownbug_changelist"``.
        *args: The arguments of its route.
    """
    site = site_url()
    if not site:
        return ""
    try:
        path = reverse(f"admin:error_tracking_{page}", args=args)
    except (NoReverseMatch, ImproperlyConfigured, ImportError):
        # The project has no admin, or registers our models with another one.
        return ""
    # SITE_URL has the prefix that a request's thread knows and others do not.
    path = path.removeprefix(get_script_prefix().rstrip("/"))
    return f"{site}{path}"


def file_url(file_name: str) -> str:
    """
    Return the address of a bug file on GitHub, ``""`` where it is unknown.

    It is known in a checkout of GITHUB_REPO, on the branch that is checked out.
    """
    settings = conf.get_settings()
    if not file_name or not settings.GITHUB_REPO:
        return ""
    folder = _folder_url(settings.planning_dir, settings.GITHUB_REPO)
    if not folder:
        return ""
    return f"{folder}/{quote(file_name)}"


@functools.lru_cache(maxsize=4)
def _folder_url(folder: Path, repo: str) -> str:
    """Return the address of *folder*; runs git once per process."""
    root = checkout_root(folder)
    if root is None:
        return ""
    origin = origin_of(root)
    name = repo.removesuffix(".git").rstrip("/").split("/")[-2:]
    if origin is None or origin.name.lower() != "/".join(name).lower():
        return ""
    path = folder.absolute().relative_to(root.absolute()).as_posix()
    return (
        f"https://{origin.host}/{origin.name}/blob/{quote(origin.branch)}/{quote(path)}"
    )
