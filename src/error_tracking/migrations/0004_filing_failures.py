from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('error_tracking', '0003_journal_health'),
    ]

    operations = [
        migrations.AddField(
            model_name='filing',
            name='failures',
            field=models.PositiveSmallIntegerField(default=0, verbose_name='failures'),
        ),
    ]
