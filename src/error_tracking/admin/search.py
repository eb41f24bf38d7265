"""
The search box: which bugs, groups and error logs are meant by what was typed.

Bugs and groups are searched by their own columns. Error logs are reached by an index
only: by reference, user or group. Their texts are searched where that is asked for, and
then the latest 20,000.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from error_tracking import conf
from error_tracking.models import Activity, ErrorGroup, ErrorLog, KnownBug

from .search_terms import Search, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

#: How many of the latest error logs are searched for a text: half a second at most.
SEARCHED_LOGS = 20_000
# Whoever finds more looks at the list, however many there are.
MOST_COUNTED = 100
# More users of one name or address are not one person.
MOST_USERS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Seer:
    """
    Who searches: what is not shown to them is not searched either.

    Attributes:
        user: The user.
        sees_people: Whether request data, people and the values of messages are shown.

    """

    user: Any
    sees_people: bool

    @classmethod
    def of(cls, request: HttpRequest) -> Seer:
        """Return who sends *request*."""
        user = request.user
        return cls(user, user.has_perm("error_tracking.view_request_data"))

    def may(self, permission: str) -> bool:
        """Return whether the permission of our app is granted."""
        return bool(self.user.has_perm(f"error_tracking.{permission}"))

    @property
    def sees_bugs(self) -> bool:
        """Whether the list of bugs opens."""
        return self.may("view_knownbug") or self.may("change_knownbug")


def found_by(
    matching: Callable[[Search, Any, Seer], Any], text: str, rows: Any, seer: Seer
) -> Any:
    """
    Return those of the query *rows* that *text* means, by one of the functions below.

    What looks like a name and is none is searched as words: ``utf-8``.
    """
    search = parse(text)
    found = matching(search, rows, seer)
    has_names = search.bug_ids or search.references or search.fingerprints
    if has_names and not found.exists():
        return matching(search.as_words(), rows, seer)
    return found


def bugs_matching(search: Search, bugs: Any, seer: Seer) -> Any:
    """Return those of the query *bugs* that *search* means."""
    named = (
        Q(bug_id__in=search.bug_ids)
        | Q(github_issue_number__in=search.issues)
        | Q(fingerprint__in=search.fingerprints)
        | _has_group(Q(fingerprint__in=search.fingerprints))
        | _has_log(Q(reference__in=search.references))
    )
    if search.bug_ids or search.issues or search.fingerprints or search.references:
        bugs = bugs.filter(named)
    for word in search.words:
        own = Q(bug_id__icontains=word) | Q(title__icontains=word)
        own |= Q(description__icontains=word) | _has_note(word)
        bugs = bugs.filter(own | _has_group(_words_of_group(word, seer)))
    for route in search.routes:
        bugs = bugs.filter(_has_group(Q(route__icontains=route)))
    for release in search.releases:
        in_release = Q(first_release=release) | Q(last_release=release)
        bugs = bugs.filter(Q(first_release=release) | _has_group(in_release))
    for name in search.users:
        bugs = bugs.filter(_has_log(Q(user_id__in=_users(name, seer))))
    for state in search.states:
        bugs = bugs.filter(_condition_of(state, seer))
    if search.servers or search.unknown:
        # Only the error logs know the server.
        bugs = bugs.none()
    return bugs


def groups_matching(search: Search, groups: Any, seer: Seer) -> Any:
    """Return those of the query *groups* that *search* means."""
    if search.fingerprints:
        groups = groups.filter(fingerprint__in=search.fingerprints)
    if search.references:
        logs = ErrorLog.objects.filter(reference__in=search.references)
        groups = groups.filter(pk__in=logs.values("group"))
    if search.bug_ids:
        groups = groups.filter(bug__bug_id__in=search.bug_ids)
    if search.issues:
        groups = groups.filter(bug__github_issue_number__in=search.issues)
    for word in search.words:
        groups = groups.filter(_words_of_group(word, seer))
    for route in search.routes:
        groups = groups.filter(route__icontains=route)
    for release in search.releases:
        groups = groups.filter(Q(first_release=release) | Q(last_release=release))
    for name in search.users:
        logs = ErrorLog.objects.filter(user_id__in=_users(name, seer))
        groups = groups.filter(pk__in=logs.values("group"))
    if search.states or search.servers or search.unknown:
        groups = groups.none()
    return groups


def logs_matching(search: Search, logs: Any, seer: Seer) -> Any:
    """
    Return those of the query *logs* that *search* means.

    By an index; what has none is searched in the latest ``SEARCHED_LOGS``.
    """
    if search.references:
        logs = logs.filter(reference__in=search.references)
    if search.fingerprints:
        logs = logs.filter(fingerprint__in=search.fingerprints)
    if search.bug_ids:
        groups = ErrorGroup.objects.filter(bug__bug_id__in=search.bug_ids)
        logs = logs.filter(group__in=groups.values("pk"))
    if search.issues:
        groups = ErrorGroup.objects.filter(bug__github_issue_number__in=search.issues)
        logs = logs.filter(group__in=groups.values("pk"))
    texts = [_words_of_log(word, seer) for word in search.words]
    texts += [Q(url_pattern__icontains=route) for route in search.routes]
    texts += [Q(release=release) for release in search.releases]
    texts += [Q(server_name=server) for server in search.servers]
    for name in search.users:
        users = _users(name, seer)
        if users:
            logs = logs.filter(user_id__in=users)
        else:
            texts.append(Q(user_label=name) if seer.sees_people else Q(pk=None))
    if search.states or search.unknown:
        logs = logs.none()
    for condition in texts:
        logs = logs.filter(condition)
    if texts:
        # By time, as the list is ordered: it ends when a page is full.
        times = ErrorLog.objects.order_by("-created").values_list("created", flat=True)
        for oldest in times[SEARCHED_LOGS - 1 : SEARCHED_LOGS]:
            logs = logs.filter(created__gte=oldest)
    return logs


def _has_group(condition: Q) -> Q:
    groups = ErrorGroup.objects.filter(condition).exclude(bug=None)
    return Q(pk__in=groups.values("bug"))


def _has_note(word: str) -> Q:
    verbs = (Activity.Verb.NOTE, Activity.Verb.COMMENT)
    notes = Activity.objects.filter(verb__in=verbs, text__icontains=word)
    return Q(pk__in=notes.order_by().values("bug"))


def _has_log(condition: Q) -> Q:
    logs = ErrorLog.objects.filter(condition).order_by()
    return _has_group(Q(pk__in=logs.values("group")))


def _words_of_group(word: str, seer: Seer) -> Q:
    # Whoever may not see the values in a message must not find out by searching.
    message = Q(message_pattern__icontains=word)
    if seer.sees_people:
        message |= Q(message__icontains=word)
    place = Q(culprit__icontains=word) | Q(route__icontains=word)
    return Q(title__icontains=word) | place | message


def _words_of_log(word: str, seer: Seer) -> Q:
    place = Q(url_pattern__icontains=word) | Q(exception_type__icontains=word)
    if not seer.sees_people:
        return place
    people = Q(user_label__icontains=word)
    return place | people | Q(exception_message__icontains=word)


def _condition_of(state: str, seer: Seer) -> Q:
    """Return the condition for ``is:`` *state*; needs the annotations of the list."""
    status = KnownBug.Status
    is_open = Q(status__in=(status.OPEN, status.IN_PROGRESS))
    conditions = {
        "mine": Q(assignee_id=seer.user.pk),
        "open": is_open,
        "new": Q(first_release=conf.get_settings().release) & ~Q(first_release=""),
        "regressed": is_open & Q(regressed_at__isnull=False),
        "unassigned": Q(assignee_id=None),
        "unfiled": Q(is_unfiled=True),
        "muted": Q(status=status.MUTED),
        "resolved": Q(status=status.RESOLVED),
        "deleted": Q(is_deleted=True),
    }
    return conditions[state]


def _users(name: str, seer: Seer) -> list[Any]:
    """Return the primary keys of the users called *name*: by name, e-mail or key."""
    if not seer.sees_people:
        return []
    model: Any = get_user_model()
    condition = Q(**{model.USERNAME_FIELD: name})
    email = getattr(model, "EMAIL_FIELD", "")
    if email:
        condition |= Q(**{f"{email}__iexact": name})
    keys = model._default_manager.filter(condition).values_list("pk", flat=True)
    found = list(keys[:MOST_USERS])
    try:
        # Also of a user who is gone.
        key = model._meta.pk.clean(name, None)
    except ValidationError:
        return found
    if key not in found:
        found.append(key)
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """Where else something may be found."""

    text: str
    url: str


@dataclasses.dataclass(frozen=True, slots=True)
class SearchReport:
    """
    What the box understood, and what was not found.

    Attributes:
        understood: What was asked for, one sentence each.
        problems: What there is not, or what makes no sense.
        links: Where else to look.

    """

    understood: tuple[str, ...]
    problems: tuple[str, ...]
    links: tuple[Link, ...]


def report_for(
    text: str, seer: Seer, *, found: int, site: str, in_logs: bool = False
) -> SearchReport | None:
    """
    Return what is told under the box, None where nothing was searched.

    Args:
        text: What was typed.
        seer: Who typed it.
        found: How many rows the page shows.
        site: The name of the admin site, for the addresses.
        in_logs: Whether the page is the list of error logs.

    """
    search = parse(text)
    if search.is_empty:
        return None
    problems = [_("“%s” makes no sense here.") % term for term in search.unknown]
    if search.users and not seer.sees_people:
        problems.append(
            _("People are hidden: your account needs “Can view request data”.")
        )
    if search.servers and not in_logs:
        problems.append(_("Servers are in the error logs only."))
    if not found:
        problems += _missing(search)
    return SearchReport(
        understood=tuple(_understood(search)),
        problems=tuple(problems),
        links=tuple(_links(text, search, seer, site=site, in_logs=in_logs)),
    )


def _understood(search: Search) -> list[str]:
    parts = [_("bug %s") % bug_id for bug_id in search.bug_ids]
    parts += [_("issue #%s") % number for number in search.issues]
    parts += [_("reference %s") % reference for reference in search.references]
    parts += [_("fingerprint %s") % each[:8] for each in search.fingerprints]
    parts += [_("route with %s") % route for route in search.routes]
    parts += [_("user %s") % name for name in search.users]
    parts += [_("release %s") % release for release in search.releases]
    parts += [_("server %s") % server for server in search.servers]
    parts += [_("state %s") % state for state in search.states]
    if search.words:
        words = ", ".join(f"“{word}”" for word in search.words)
        parts.append(ngettext("the word %s", "the words %s", len(search.words)) % words)
    return parts


def _missing(search: Search) -> list[str]:
    """Return what there is not, for a search that found nothing."""
    missing = [_("There is no bug %s.") % bug_id for bug_id in search.bug_ids]
    missing += [_("No bug has the issue #%s.") % each for each in search.issues]
    missing += [
        _("No error log has the reference %s; it may have been deleted since.") % each
        for each in search.references
    ]
    missing += [
        _("No error group has the fingerprint %s.") % each
        for each in search.fingerprints
    ]
    if not missing:
        missing.append(_("Nothing was found."))
    return missing


def _links(
    text: str, search: Search, seer: Seer, *, site: str, in_logs: bool
) -> list[Link]:
    links = []
    if seer.may("view_errorgroup") and not (search.states or search.servers):
        groups = ErrorGroup.objects.without_bug()
        count = groups_matching(search, groups, seer)[:MOST_COUNTED].count()
        label = ngettext(
            "%d error that is not a bug", "%d errors that are not bugs", count
        )
        if count == MOST_COUNTED:
            label = _("%d or more errors that are not bugs")
        if count:
            links.append(Link(label % count, _list_url("errorgroup", text, site)))
    if seer.may("view_errorlog") and not in_logs and not search.states:
        label = _("Search the latest %s error logs") % f"{SEARCHED_LOGS:,}"
        links.append(Link(label, _list_url("errorlog", text, site)))
    return links


def _list_url(model: str, text: str, site: str) -> str:
    name = f"admin:error_tracking_{model}_changelist"
    return f"{reverse(name, current_app=site)}?{urlencode({'q': text})}"


def address_for(text: str, request: HttpRequest, *, bugs: Any, site: str) -> str:
    """
    Return where a search leads: to the one thing that it means, else to a list.

    Args:
        text: What was typed.
        request: Who searches.
        bugs: The query of all bugs, with the annotations of the list.
        site: The name of the admin site.

    """
    search = parse(text)
    seer = Seer.of(request)
    direct = _direct_address(search, seer, site)
    if direct:
        return direct
    if seer.sees_bugs:
        if search.is_empty:
            return reverse("admin:error_tracking_knownbug_changelist", current_app=site)
        if not search.states:
            found = found_by(bugs_matching, text, bugs, seer)
            keys = list(found.order_by().values_list("pk", flat=True)[:2])
            if len(keys) == 1:
                return _page_url("knownbug", keys[0], site)
        return _list_url("knownbug", text, site)
    if seer.may("view_errorgroup"):
        return _list_url("errorgroup", text, site)
    return _list_url("errorlog", text, site)


def _direct_address(search: Search, seer: Seer, site: str) -> str:
    """Return the page of the occurrence or group that is named, ``""`` if none is."""
    if not search.names_one_thing:
        return ""
    if search.references:
        rows = ErrorLog.objects.filter(reference=search.references[0])
        log = rows.only("pk", "reference", "group").select_related("group").first()
        if log is None:
            return ""
        if log.group.bug_id and seer.sees_bugs:
            page = _page_url("knownbug", log.group.bug_id, site)
            return f"{page}?occurrence={log.reference}"
        if seer.may("view_errorlog"):
            return _page_url("errorlog", log.pk, site)
    if search.fingerprints:
        groups = ErrorGroup.objects.filter(fingerprint=search.fingerprints[0])
        found = list(groups[:2])
        is_alone = len(found) == 1 and found[0].bug_id is None
        if is_alone and seer.may("view_errorgroup"):
            return _page_url("errorgroup", found[0].pk, site)
    return ""


def _page_url(model: str, pk: Any, site: str) -> str:
    name = f"admin:error_tracking_{model}_change"
    return reverse(name, args=[pk], current_app=site)
