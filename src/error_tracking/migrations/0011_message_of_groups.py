"""Groups have the message of one of their latest events, and can be hidden by hand."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("error_tracking", "0010_digest_bugs_become_ordinary"),
    ]

    operations = [
        migrations.AddField(
            model_name="errorgroup",
            name="message",
            field=models.CharField(blank=True, db_default="", max_length=255, verbose_name="message"),
        ),
        migrations.AddField(
            model_name="errorgroup",
            name="message_pattern",
            field=models.CharField(
                blank=True, db_default="", max_length=255, verbose_name="message without values"
            ),
        ),
        migrations.AlterField(
            model_name="errorgroup",
            name="verdict",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "not decided"),
                    ("never", "never a bug"),
                    ("hidden", "hidden by hand"),
                ],
                default="",
                max_length=10,
                verbose_name="verdict",
            ),
        ),
    ]
