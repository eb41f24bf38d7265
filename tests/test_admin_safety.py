"""Every page of every model in the admin: no markup from outside, every admin site, no script needed."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth.models import Permission, User
from django.db import models
from django.urls import include, path, reverse

from error_tracking.models import Activity, ErrorGroup, ErrorLog, Filing, KnownBug
from error_tracking.recorder import store
from tests.factories import make_event

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"
LINK = "javascript:alert(1)//"

ops = AdminSite(name="ops")
for model, model_admin in admin.site._registry.items():
    ops.register(model, type(model_admin))

urlpatterns = [
    path("admin/", admin.site.urls),
    path("ops/", ops.urls),
    path("errors/", include("error_tracking.urls")),
]


@pytest.fixture
def rows(settings):
    """One bug with everything that a page shows, and a group that is no bug."""
    settings.ROOT_URLCONF = __name__
    for number, message in ((1, "x"), (2, "y")):
        event = make_event(
            fingerprint=f"{number:032d}",
            message=message,
            request={"headers": {"Referer": "x"}, "body": {"a": "b"}},
            context={"tags": {"a": "b"}, "extra": {"c": "d"}},
        )
        store.store([event])
    group, other = ErrorGroup.objects.order_by("pk")
    bug, _is_new = KnownBug.open_for_group(group, trackers=["markdown"])
    return {"knownbug": bug, "errorgroup": other, "errorlog": ErrorLog.objects.last()}


def plant(word):
    """Write *word* into every text of every row that takes it."""
    for table in (KnownBug, ErrorGroup, ErrorLog, Activity, Filing):
        values = {}
        for field in table._meta.concrete_fields:
            is_text = isinstance(field, models.CharField | models.TextField)
            has_room = (getattr(field, "max_length", None) or 1_000) >= len(word)
            # Names of rows, and words of a fixed list, come from nobody outside.
            is_name = field.name in {"fingerprint", "tracker", "environment"}
            is_own = is_name or field.choices or field.unique
            if is_text and has_room and not is_own:
                values[field.name] = word
        table._base_manager.update(**values)
    ErrorLog.objects.update(
        request_data={"headers": {word: word}, "query": {word: word}, "body": word},
        context={
            "tags": {word: word},
            "extra": {word: word},
            "breadcrumbs": [
                {
                    "timestamp": 1.0,
                    "level": word,
                    "category": word,
                    "message": word,
                    "data": {word: word},
                }
            ],
        },
        stacktrace=[
            {
                "type": word,
                "message": word,
                "frames": [
                    {
                        "filename": word,
                        "function": word,
                        "lineno": 3,
                        "context_line": word,
                        "pre_context": [word],
                        "post_context": [word],
                        "in_app": True,
                        "vars": {word: word},
                    }
                ],
            }
        ],
    )


def pages(rows, site="admin"):
    """Return the address of every page of ours, and of those with a query."""
    addresses = []
    for table in (KnownBug, ErrorGroup, ErrorLog):
        name = table._meta.model_name
        listed = reverse(f"admin:error_tracking_{name}_changelist", current_app=site)
        addresses += [listed, f"{listed}?q=alert", f"{listed}?view=all"]
        page = reverse(
            f"admin:error_tracking_{name}_change",
            args=[rows[name].pk],
            current_app=site,
        )
        addresses.append(page)
        addresses.append(f"{page}?{'edit' if name == 'knownbug' else 'fields'}=1")
    name = "admin:error_tracking_knownbug_delete"
    addresses.append(reverse(name, args=[rows["knownbug"].pk], current_app=site))
    addresses.append(reverse("admin:error_tracking_knownbug_add", current_app=site))
    name = "admin:error_tracking_dashboard_changelist"
    addresses.append(reverse(name, current_app=site))
    return [address for address in addresses if not address.endswith("log/?view=all")]


@pytest.mark.parametrize("word", [EVIL, LINK])
def test_text_from_outside_is_never_markup_nor_a_link(admin_client, rows, word):
    plant(word)
    User.objects.update(first_name=word)
    for address in [*pages(rows), "/errors/"]:
        response = admin_client.get(address)
        assert response.status_code == 200, address
        assert EVIL not in response.text, address
        assert not re.search(r"""(href|src|action)=["']?javascript:""", response.text)


def test_pages_need_no_script_or_style_in_the_page(admin_client, rows):
    """A policy of default-src 'none' with 'self' blocks neither."""
    for address in pages(rows):
        text = admin_client.get(address).text
        main = text.partition("<main")[2].partition("</main>")[0]
        assert "<script" not in re.sub(r"<script[^>]* src=[^>]*>", "", main), address
        assert not re.search(r"<[^>]+ (style|on\w+)=", main), address
        assert not re.search(r"<(?:img|link|script|iframe)[^>]*https?:", text), address


def test_own_admin_site_keeps_people_on_its_pages(admin_client, rows):
    for address in pages(rows, "ops"):
        response = admin_client.get(address)
        assert response.status_code == 200, address
        found = re.findall(r'(?:href|action)="(/[^"]*)"', response.text)
        elsewhere = [link for link in found if link.startswith("/admin/")]
        assert not elsewhere, (address, elsewhere)
    name = "admin:error_tracking_knownbug_action"
    action = reverse(name, args=[rows["knownbug"].pk], current_app="ops")
    response = admin_client.post(action, {"action": "resolve"})
    assert response.url.startswith("/ops/")
    search = reverse("admin:error_tracking_knownbug_search", current_app="ops")
    for text in ("B-001", "no-such", rows["errorlog"].reference, ""):
        assert admin_client.get(search, {"q": text}).url.startswith("/ops/"), text


def test_every_form_that_changes_something_is_sent_by_post_with_a_token(
    admin_client, rows
):
    for address in pages(rows):
        text = admin_client.get(address).text
        for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL):
            assert "csrfmiddlewaretoken" in form, address


HIDDEN_FILTERS = [
    "errorlog/?exception_message__startswith=b",
    "errorlog/?user_label__startswith=a",
    "errorlog/?ip_address=192.0.2.1",
    "errorlog/?user=7",
    "errorlog/?request_data__headers__Referer=x",
    "errorgroup/?message__startswith=b",
]


def staff(client, *permissions):
    user = User.objects.create_user("eve", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("address", HIDDEN_FILTERS)
def test_filter_tells_nothing_that_its_reader_may_not_see(
    client, rows, address, swallowed
):
    staff(client, "view_errorlog", "view_errorgroup")
    assert client.get(f"/admin/error_tracking/{address}").status_code == 400
    swallowed.clear()


@pytest.mark.parametrize("method", ["options", "head"])
def test_stored_fields_are_shown_by_no_other_method(client, rows, method):
    staff(client, "view_errorlog")
    page = reverse("admin:error_tracking_errorlog_change", args=[rows["errorlog"].pk])
    response = getattr(client, method)(page)
    assert b"Referer" not in response.content


@pytest.mark.parametrize(
    "address",
    [
        "errorlog/?after=9999-12-31T23:59:59-23:00~1",
        "errorlog/?after=0001-01-01T00:00:00%2B23:00~1",
        "knownbug/?environment=%00",
        "knownbug/search/?q=a%00b",
        "knownbug/{bug}/change/?occurrence=%00",
        "errorgroup/{group}/change/?occurrence=%00",
    ],
)
def test_odd_addresses_are_answered(admin_client, rows, address):
    keys = {"bug": rows["knownbug"].pk, "group": rows["errorgroup"].pk}
    path = f"/admin/error_tracking/{address.format(**keys)}"
    assert admin_client.get(path, follow=True).status_code == 200


def test_address_of_an_issue_is_a_link_only_when_it_is_one(admin_client, rows):
    bug = rows["knownbug"]
    KnownBug.objects.filter(pk=bug.pk).update(
        github_issue_url=LINK, github_issue_number=3
    )
    page = reverse("admin:error_tracking_knownbug_change", args=[bug.pk])
    assert f'href="{LINK}' not in admin_client.get(page).text
