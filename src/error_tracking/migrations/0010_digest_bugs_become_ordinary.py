"""Bugs that listed what waits to be filed become ordinary ones, which people resolve."""

from django.db import migrations, models


def make_ordinary(apps, schema_editor):
    alias = schema_editor.connection.alias
    bugs = apps.get_model("error_tracking", "KnownBug").objects.using(alias)
    bugs.filter(kind="digest").update(kind="error")
    series = apps.get_model("error_tracking", "Sequence").objects.using(alias)
    series.filter(name__startswith="digest:").delete()


class Migration(migrations.Migration):

    dependencies = [
        ("error_tracking", "0009_plain_column_names"),
    ]

    operations = [
        migrations.RunPython(make_ordinary, migrations.RunPython.noop, elidable=True),
        migrations.AlterField(
            "knownbug",
            "kind",
            models.CharField(
                choices=[
                    ("error", "error"),
                    ("incident", "incident: many errors with one cause"),
                ],
                default="error",
                editable=False,
                max_length=10,
                verbose_name="kind",
            ),
        ),
    ]
