"""Give four columns and an index names that say what they hold; no data changes."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("error_tracking", "0008_view_request_data"),
    ]

    operations = [
        migrations.RenameField("knownbug", "news", "latest_activity_id"),
        migrations.RenameField("filing", "told", "synced_activity_id"),
        migrations.AlterField(
            "filing",
            "synced_activity_id",
            models.PositiveBigIntegerField(default=0, verbose_name="synced activity"),
        ),
        # Renaming a field does not rename it in the state of its indexes.
        migrations.RemoveIndex("errorlog", "et_log_reduced"),
        migrations.RenameField("errorlog", "is_reduced", "personal_data_removed"),
        migrations.AlterField(
            "errorlog",
            "personal_data_removed",
            models.BooleanField(
                default=False, editable=False, verbose_name="personal data removed"
            ),
        ),
        migrations.AddIndex(
            "errorlog",
            models.Index(
                fields=["personal_data_removed", "created"], name="et_log_stripped"
            ),
        ),
    ]
