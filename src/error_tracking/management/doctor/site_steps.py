"""Steps about the site itself: settings, middleware, error page, release, mails."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from django.conf import settings as django_settings
from django.core import checks

from error_tracking import conf
from error_tracking.events.event import Event
from error_tracking.pages import page, rendering, templates
from error_tracking.report import links
from error_tracking.utils import clean_line

from . import htmx_script
from .findings import Answer, State, fail, milliseconds_since, ok, skip, warn
from .made_up_request import post_request

#: The system checks that have a step of their own; all others belong to "settings".
MISSING_MIDDLEWARE = "error_tracking.W001"
MIDDLEWARE_CHECKS = (
    MISSING_MIDDLEWARE,
    "error_tracking.W002",
    "error_tracking.W003",
)
JOURNAL_CHECKS = ("error_tracking.W005", "error_tracking.W006")
LINK_CHECKS = ("error_tracking.W013",)
MAIL_CHECKS = ("error_tracking.W014",)

# A visitor waits for the page; it takes a few milliseconds with our own templates.
SLOW_PAGE_SECONDS = 1.0
TEMPLATE_PROBLEM_CHARS = 300

Messages = Sequence[checks.CheckMessage]


def check_settings() -> Answer:
    """Run the system checks; later steps get the messages as this step's value."""
    # Without databases=: what asks the database is left to its own step.
    found = checks.run_checks(tags=["error_tracking"], include_deployment_checks=True)
    messages = [message for message in found if not message.is_silenced()]
    with_a_step = (*MIDDLEWARE_CHECKS, *JOURNAL_CHECKS, *LINK_CHECKS, *MAIL_CHECKS)
    ours = [message for message in messages if message.id not in with_a_step]
    environment = conf.get_settings().environment
    return summary(ours, f"no problems; environment {environment!r}", value=messages)


def check_middleware(messages: Messages | None) -> Answer:
    """Check that our middleware is there, once and outermost."""
    if messages is None:
        return skip("unknown: the system checks have not answered")
    ours = [message for message in messages if message.id in MIDDLEWARE_CHECKS]
    answer = summary(ours, "installed, and before all other middleware")
    if any(message.id == MISSING_MIDDLEWARE for message in ours):
        # A warning for projects that capture tasks only. Here it means: no errors.
        return fail(answer.found, answer.advice)
    return answer


def summary(messages: Messages, when_right: str, *, value: object = None) -> Answer:
    """Return one answer for *messages*, or *when_right* where there are none."""
    if not messages:
        return ok(when_right, value=value)
    state = State.WARN
    if any(message.is_serious() for message in messages):
        state = State.FAIL
    found = " ".join(message.msg for message in messages)
    advice = " ".join(message.hint or "" for message in messages)
    return Answer(state, found, advice.strip(), value=value)


def render_page(event: Event | None) -> Answer:
    """Render the error page for *event*, as HTML and as JSON."""
    if django_settings.DEBUG or not conf.get_settings().ERROR_PAGES:
        return skip("error pages are not replaced: DEBUG is on, or ERROR_PAGES is off")
    problem = templates.problem()
    if problem:
        return fail(
            clean_line(problem, TEMPLATE_PROBLEM_CHARS),
            "Correct the template. Until then, the template of error_tracking is used.",
        )
    started = time.monotonic()
    for accept in ("text/html", "application/json"):
        response = page.bare_response()
        page.replace(post_request(accept), response, event, is_unhandled=True)
        if response.content == rendering.FALLBACK.encode():
            return fail(
                f"{accept} could not be rendered",
                "Check your templates in error_tracking/, and the log.",
            )
    duration = milliseconds_since(started)
    if time.monotonic() - started > SLOW_PAGE_SECONDS:
        return warn(
            f"HTML and JSON took {duration}",
            "Check your own templates in error_tracking/.",
        )
    found = f"HTML and JSON rendered in {duration}"
    if htmx_script.is_missing():
        return Answer(State.OK, found, htmx_script.ADVICE)
    return ok(found)


def check_release() -> Answer:
    """Check that the running release is known."""
    release = conf.get_settings().release
    if release:
        return ok(f"this is {release}")
    return warn(
        "unknown: an error on a server with an old release reopens a resolved bug",
        "Set RELEASE or the environment variable ERROR_TRACKING_RELEASE, for example "
        "to the commit.",
    )


def check_links() -> Answer:
    """Check that the site knows its address, so that mails and messages have links."""
    site = links.site_url()
    if not site:
        return warn(
            "mails, chat messages and issues have no links: the URL of the site "
            "is unknown",
            f"Set SITE_URL, or the environment variable {links.VARIABLE}, to an "
            f"address "
            "such as 'https://www.example.org'.",
        )
    if not links.admin_url("knownbug_changelist"):
        return warn(
            f"the address is {site}, but no page of a bug can be linked",
            "Include the URLs of an admin site named 'admin' with the models of "
            "error_tracking.",
        )
    return ok(f"links to bugs begin with {links.admin_url('knownbug_changelist')}")


def check_mail(messages: Messages | None) -> Answer:
    """Check which environments mail whom, and whether Django mails as well."""
    if messages is None:
        return skip("unknown: the system checks have not answered")
    twice = [message for message in messages if message.id in MAIL_CHECKS]
    who = _who_is_mailed()
    answer = summary(twice, who)
    if twice:
        return dataclasses.replace(answer, found=f"{who}. {answer.found}")
    return answer


def _who_is_mailed() -> str:
    """Return which environments mail whom, in words."""
    settings = conf.get_settings()
    addresses = [_address_of(each) for each in django_settings.ADMINS]
    if not addresses:
        return "nobody is mailed: ADMINS is empty"
    who = ", ".join(addresses)
    environments = "every environment mails"
    if settings.MAIL_ENVIRONMENTS is not None:
        named = ", ".join(settings.MAIL_ENVIRONMENTS) or "no environment"
        environments = f"of the environments only these mail: {named}. They mail"
    here = f"this one ({settings.environment}) does"
    if not settings.mails_admins:
        here = f"this one ({settings.environment}) does not"
    elif "mail" in settings.DISABLE:
        here = f"this one ({settings.environment}) mails outages only, by DISABLE"
    return f"{environments} {who}; {here}"


def _address_of(admin: str | Sequence[str]) -> str:
    """Return the address of an entry of ADMINS, which was a pair before Django 6.0."""
    if isinstance(admin, str):
        return admin
    return admin[1]
