"""A table of days, so that long periods are not added up from hours."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("error_tracking", "0015_indexes_of_lists_and_sums"),
    ]

    operations = [
        migrations.CreateModel(
            name="DailyCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("count", models.PositiveBigIntegerField(default=0)),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="daily",
                        to="error_tracking.errorgroup",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["group", "day", "count"], name="et_dailycount_sums")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("group", "day"), name="et_dailycount_unique")
                ],
            },
        ),
    ]
