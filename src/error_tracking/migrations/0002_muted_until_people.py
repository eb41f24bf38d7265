"""Muting until a number of people are affected. Servers of the release before leave it empty."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("error_tracking", "0001_initial")]

    operations = [
        migrations.AddField(
            "knownbug",
            "muted_until_people",
            models.PositiveBigIntegerField(
                blank=True,
                null=True,
                verbose_name="muted until this many people are affected",
            ),
        ),
    ]
