"""What needs no key: pings and badges."""

from __future__ import annotations

import json

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from .models import Check

COLOURS = {"up": "green", "down": "red", "paused": "grey"}


def owner(request, code):
    check = get_object_or_404(Check, code=code)
    return HttpResponse(check.owner.username if check.owner else "nobody")


@csrf_exempt
def ping(request, code):
    check = get_object_or_404(Check, code=code)
    late = timezone.now() - (check.last_ping or timezone.now())
    return HttpResponse(late.total_seconds())


@csrf_exempt
def act(request, code, action):
    check = get_object_or_404(Check, code=code)
    if action == "log":
        return HttpResponse("logged")
    if action == "start":
        log = json.loads(request.body or b"{}")
        return JsonResponse({"run": log.get("run"), "name": check.name})
    return HttpResponse("finished")


def badge(request, state):
    return HttpResponse(COLOURS.get(state, "grey"))


async def slow(request, code):
    check = await Check.objects.filter(code=code).afirst()
    return HttpResponse(check.name if check else "gone")
