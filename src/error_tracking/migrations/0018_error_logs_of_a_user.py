"""
Two indexes that begin with the user, in place of the one that has nothing else.

The old one is dropped by its name in the database, for its name is Django's. To alter
the column would copy the whole table on SQLite.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

COLUMNS = ["user_id"]
NAME = "et_log_user_alone"


def drop_index_of_column(apps, schema_editor):
    model = apps.get_model("error_tracking", "ErrorLog")
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, model._meta.db_table)
    for name, constraint in constraints.items():
        if constraint["index"] and constraint["columns"] == COLUMNS:
            schema_editor.remove_index(model, models.Index(fields=["user"], name=name))


def add_index_of_column(apps, schema_editor):
    model = apps.get_model("error_tracking", "ErrorLog")
    schema_editor.add_index(model, models.Index(fields=["user"], name=NAME))


class Migration(migrations.Migration):

    dependencies = [
        ("error_tracking", "0017_fill_daily_counts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="errorlog",
            index=models.Index(fields=["user", "created"], name="et_log_user"),
        ),
        migrations.AddIndex(
            model_name="errorlog",
            index=models.Index(fields=["user", "group"], name="et_log_user_group"),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="errorlog",
                    name="user",
                    field=models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            database_operations=[
                migrations.RunPython(drop_index_of_column, add_index_of_column),
            ],
        ),
    ]
