"""An API with a key in a header."""

from __future__ import annotations

import datetime as dt
import functools
import json

from django.db import IntegrityError
from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from .models import Check, Project


def with_key(view):
    @csrf_exempt
    @functools.wraps(view)
    def checked(request, *args, **kwargs):
        key = request.headers.get("X-Api-Key", "")
        request.project = Project.objects.filter(api_key=key).first()
        if request.project is None:
            return JsonResponse({"error": "wrong api key"}, status=401)
        return view(request, *args, **kwargs)

    return checked


@with_key
def checks(request):
    if request.method != "POST":
        return JsonResponse({"checks": [each.name for each in own(request)]})
    data = json.loads(request.body)
    if data.get("timeout", 60) < 60:
        return JsonResponse({"error": "timeout is too small"}, status=400)
    check = existing(request.project, data)
    if check is None:
        check = Check.objects.create(project=request.project, name=data["name"])
    if "schedule" in data:
        set_schedule(check, data)
    return JsonResponse({"code": str(check.code)}, status=201)


def own(request):
    return Check.objects.filter(project=request.project).order_by("name")


def existing(project, data):
    if "name" in data.get("unique", ()):
        return Check.objects.filter(project=project, name=data["name"]).first()
    return None


def set_schedule(check, data):
    zone = data.get("tz", "UTC")
    check.schedule = f"{data['schedule']} {zone}"


@with_key
def flips(request, code):
    check = get_object_or_404(Check, code=code, project=request.project)
    start = dt.datetime.fromtimestamp(int(request.GET["start"]), tz=dt.UTC)
    end = timezone.now()
    if start > end:
        return JsonResponse({"error": "start is in the future"}, status=400)
    return JsonResponse({"flips": check.flips.count()})


@with_key
def update(request, code):
    check = get_object_or_404(Check, code=code, project=request.project)
    if request.method != "PUT":
        return JsonResponse({"name": check.name})
    data = json.loads(request.body)
    tags = data.get("tags") or ""
    check.name = data.get("name", check.name)
    try:
        check.save()
    except IntegrityError:
        return JsonResponse({"error": "exists"}, status=409)
    return JsonResponse({"tags": tags.split()})
