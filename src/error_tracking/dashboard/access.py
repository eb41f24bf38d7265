"""Who may see the dashboard's numbers, and what programs are told that may not."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from error_tracking.pages import accept

PERMISSION = "error_tracking.view_dashboard"


def refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer for a program that may not see the dashboard, None where it may."""
    user = getattr(request, "user", None)  # missing without the middleware
    if user is None or not user.is_authenticated or not user.is_active:
        offers = ("application/json", "text/html")
        header = request.META.get("HTTP_ACCEPT", "")
        if accept.preferred(header, offers) == "text/html":
            return redirect_to_login(request.get_full_path(), "admin:login")
        detail = _(
            "Sign in as a staff user, and send the session cookie with the request."
        )
        response = refused(401, "not_signed_in", detail)
        # RFC 9110, 15.5.2 wants a scheme named; a session's cookie has no registered one.
        response["WWW-Authenticate"] = 'Cookie realm="error_tracking"'
        return response
    if not user.is_staff:
        detail = _("This account is not staff: an administrator can change that.")
        return refused(403, "not_staff", detail)
    if not user.has_perm(PERMISSION):
        detail = _(
            "This account needs the permission %s: an administrator can grant it."
        )
        return refused(403, "permission_missing", detail % PERMISSION)
    return None


def refused(status: int, error: str, detail: str) -> HttpResponse:
    """Return an answer that says in one word and in one sentence why not."""
    response = JsonResponse({"error": error, "detail": detail}, status=status)
    response["Cache-Control"] = "no-store"
    return response
