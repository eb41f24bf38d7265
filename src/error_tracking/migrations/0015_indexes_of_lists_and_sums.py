"""
Indexes for the filters of the lists, and for sums of hours.

All in one transaction: only the recorder writes to these tables, and while it waits for
the last index, journals hold what happens. One transaction for each index would wait as
long in all. `CREATE INDEX CONCURRENTLY`, which lets it write, exists on PostgreSQL only.
"""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('error_tracking', '0014_automatic_description'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='errorlog',
            index=models.Index(fields=['error_type', 'created'], name='et_log_kind'),
        ),
        migrations.AddIndex(
            model_name='errorlog',
            index=models.Index(fields=['environment', 'created'], name='et_log_environment'),
        ),
        migrations.AddIndex(
            model_name='hourlycount',
            index=models.Index(fields=['group', 'hour', 'count'], name='et_hourlycount_sums'),
        ),
    ]
