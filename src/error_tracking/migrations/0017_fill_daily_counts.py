"""
Add up the hours that were counted before there were days.

Some groups at a time, each batch in a transaction of its own that locks its groups: a
recorder that stores meanwhile waits for some milliseconds, and nothing is counted twice.
A run that was interrupted starts again.
"""

import datetime as dt
from collections import Counter

from django.db import migrations, transaction

# A group that is seen in every hour has 2,160 of them in three months.
GROUPS_AT_ONCE = 50
ROWS_AT_ONCE = 500


def fill(apps, schema_editor):
    alias = schema_editor.connection.alias
    groups = apps.get_model("error_tracking", "ErrorGroup").objects.using(alias)
    last = 0
    while True:
        keys = groups.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)
        batch = list(keys[:GROUPS_AT_ONCE])
        if not batch:
            return
        with transaction.atomic(using=alias):
            fill_groups(apps, alias, batch)
        last = batch[-1]


def fill_groups(apps, alias, batch):
    groups = apps.get_model("error_tracking", "ErrorGroup").objects.using(alias)
    hours = apps.get_model("error_tracking", "HourlyCount").objects.using(alias)
    day_model = apps.get_model("error_tracking", "DailyCount")
    days = day_model.objects.using(alias)
    # SQLite has no locks of rows: there the first write locks the database.
    list(groups.select_for_update().filter(pk__in=batch).order_by("pk"))
    days.filter(group__in=batch).delete()
    counts = Counter()
    rows = hours.filter(group__in=batch).values_list("group", "hour", "count")
    for group, hour, count in rows.order_by():
        if hour.tzinfo is not None:
            hour = hour.astimezone(dt.UTC)
        counts[group, hour.date()] += count
    days.bulk_create(
        [
            day_model(group_id=group, day=day, count=count)
            for (group, day), count in sorted(counts.items())
        ],
        batch_size=ROWS_AT_ONCE,
    )


class Migration(migrations.Migration):

    # Each batch is committed alone, so that no lock is held for long.
    atomic = False

    dependencies = [
        ("error_tracking", "0016_daily_counts"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
