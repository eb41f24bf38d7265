"""Views whose pool of threads outlives requests, and an exception that takes its time to print."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth.models import User
from django.http import HttpResponse, JsonResponse
from django.urls import path

import error_tracking
from error_tracking.models import ErrorLog

log = logging.getLogger("shop")
log.setLevel(logging.INFO)
pool = ThreadPoolExecutor(1)


class SlowError(Exception):
    def __str__(self):
        time.sleep(0.15)
        return "slow text"


def tell(name):
    log.info("job of %s", name)
    error_tracking.set_user(name, name)
    error_tracking.set_tag("room", name)


def fail(name):
    try:
        raise ValueError(name)
    except ValueError as error:
        error_tracking.capture_exception(error)


def tell_in_pool(request, name):
    pool.submit(tell, name).result()
    return HttpResponse("told")


def fail_in_pool(request, name):
    pool.submit(fail, name).result()
    return HttpResponse("failed")


@error_tracking.unit_of_work()
def job(name):
    tell(name)
    fail(name)


def job_in_pool(request, name):
    pool.submit(job, name).result()
    return HttpResponse("done")


def slow(request):
    raise SlowError


def query(request):
    return HttpResponse(str(User.objects.count()))


def stored(request):
    """Return what was stored: messages with the people and rooms they are said to be of."""
    error_tracking.flush()
    logs = ErrorLog.objects.exclude(exception_type="").order_by("created")
    return JsonResponse(
        {
            "logs": [
                [
                    each.exception_message,
                    each.user_label,
                    each.context.get("tags", {}).get("room"),
                    str(each.context.get("breadcrumbs", "")).count("job of"),
                ]
                for each in logs
            ]
        }
    )


urlpatterns = [
    path("fine/", query),
    path("query/", query),
    path("slow/", slow),
    path("stored/", stored),
    path("pool/tell/<name>/", tell_in_pool),
    path("pool/fail/<name>/", fail_in_pool),
    path("pool/job/<name>/", job_in_pool),
]
