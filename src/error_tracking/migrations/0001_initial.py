"""
All tables, in the order in which they refer to each other.

What columns and indexes are for is written beside them in ``models/``.
"""

import uuid

from django.conf import settings
from django.core.validators import URLValidator
from django.db import migrations, models
from django.utils import timezone


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # Bugs, and what people and trackers do with them.
        migrations.CreateModel(
            "KnownBug",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created", models.DateTimeField(default=timezone.now, editable=False, verbose_name="created")),
                ("modified", models.DateTimeField(auto_now=True, verbose_name="modified")),
                ("number", models.PositiveIntegerField(db_index=True, editable=False, verbose_name="number")),
                ("bug_id", models.CharField(editable=False, max_length=20, unique=True, verbose_name="bug")),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name="UUID")),
                ("fingerprint", models.CharField(blank=True, db_index=True, max_length=64, verbose_name="fingerprint")),
                ("environment", models.CharField(blank=True, max_length=50, verbose_name="environment")),
                ("title", models.CharField(max_length=255, verbose_name="title")),
                ("description", models.TextField(blank=True, verbose_name="description")),
                ("automatic_description", models.TextField(blank=True, db_default="", editable=False)),
                (
                    "public_message",
                    models.CharField(
                        blank=True,
                        help_text="Shown on the error page to people who meet this bug. Never put a secret here.",
                        max_length=300,
                        verbose_name="public message",
                    ),
                ),
                (
                    "public_workaround",
                    models.CharField(
                        blank=True,
                        help_text="Shown on the error page: what people can do until it is fixed.",
                        max_length=300,
                        verbose_name="workaround for visitors",
                    ),
                ),
                (
                    "public_link",
                    models.CharField(
                        blank=True,
                        help_text="Shown on the error page: where people find more, a status page.",
                        max_length=300,
                        validators=[URLValidator(schemes=["https", "http"])],
                        verbose_name="link for visitors",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("error", "error"), ("incident", "incident: many errors with one cause")],
                        default="error",
                        editable=False,
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                ("cause", models.CharField(blank=True, editable=False, max_length=255, verbose_name="cause")),
                (
                    "severity",
                    models.CharField(
                        choices=[("critical", "critical"), ("high", "high"), ("medium", "medium"), ("low", "low")],
                        default="medium",
                        max_length=10,
                        verbose_name="severity",
                    ),
                ),
                ("has_manual_severity", models.BooleanField(default=False, editable=False, verbose_name="severity set by hand")),
                ("is_worsened", models.BooleanField(default=False, editable=False, verbose_name="severity raised")),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "open"), ("in_progress", "in progress"), ("resolved", "resolved"), ("muted", "muted")],
                        default="open",
                        max_length=12,
                        verbose_name="status",
                    ),
                ),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=models.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="assignee",
                    ),
                ),
                ("occurrence_count", models.PositiveBigIntegerField(default=0, editable=False, verbose_name="occurrences")),
                ("first_occurrence", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="first occurrence")),
                ("last_occurrence", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last occurrence")),
                ("first_release", models.CharField(blank=True, editable=False, max_length=100, verbose_name="first release")),
                ("resolved_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="resolved at")),
                ("resolved_in_release", models.CharField(blank=True, max_length=100, verbose_name="resolved in release")),
                ("grace_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("regressed_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="regressed at")),
                ("muted_until", models.DateTimeField(blank=True, null=True, verbose_name="muted until")),
                ("muted_until_count", models.PositiveBigIntegerField(blank=True, null=True, verbose_name="muted until it occurred")),
                (
                    "merged_into",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=models.SET_NULL,
                        related_name="merged",
                        to="error_tracking.knownbug",
                        verbose_name="merged into",
                    ),
                ),
                ("latest_activity_id", models.PositiveBigIntegerField(default=0, editable=False)),
                ("next_milestone", models.PositiveBigIntegerField(default=10, editable=False)),
                ("spiked_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last spike")),
                ("github_issue_number", models.PositiveIntegerField(blank=True, editable=False, null=True, verbose_name="GitHub issue")),
                ("github_issue_url", models.TextField(blank=True, editable=False, verbose_name="GitHub issue URL")),
                ("github_issue_state", models.CharField(blank=True, editable=False, max_length=10)),
                ("github_issue_updated_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "github_issue_assignees",
                    models.CharField(
                        blank=True, db_default="", default="", editable=False, max_length=500, verbose_name="assignees of the issue"
                    ),
                ),
                ("file_name", models.CharField(blank=True, editable=False, max_length=120, verbose_name="bug file")),
                ("is_deleted", models.BooleanField(default=False, editable=False, verbose_name="deleted")),
                ("deleted_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="deleted at")),
            ],
            options={
                "verbose_name": "known bug",
                "verbose_name_plural": "known bugs",
                "ordering": ["-number"],
                "permissions": [("file_issue", "Can file a bug with its trackers")],
                "base_manager_name": "all_objects",
                "indexes": [
                    models.Index(fields=["status", "last_occurrence"], name="et_bug_status"),
                    models.Index(fields=["severity", "status"], name="et_bug_severity"),
                ],
            },
            managers=[
                ("objects", models.Manager()),
                ("all_objects", models.Manager()),
            ],
        ),
        migrations.CreateModel(
            "Activity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("bug", models.ForeignKey(on_delete=models.CASCADE, related_name="activities", to="error_tracking.knownbug")),
                ("created", models.DateTimeField(default=timezone.now, verbose_name="when")),
                (
                    "verb",
                    models.CharField(
                        choices=[
                            ("created", "created"),
                            ("filed", "filed"),
                            ("filing_failed", "could not be filed"),
                            ("regressed", "came back"),
                            ("open", "opened"),
                            ("in_progress", "work started"),
                            ("resolved", "resolved"),
                            ("muted", "muted"),
                            ("merged", "merged"),
                            ("edited", "edited"),
                            ("milestone", "reached"),
                            ("spiking", "far more often than usual"),
                            ("joined", "another error belongs to it"),
                            ("note", "note"),
                            ("comment", "note, also on the issue"),
                            ("pull_request", "pull request"),
                        ],
                        max_length=20,
                        verbose_name="what",
                    ),
                ),
                ("by", models.CharField(blank=True, max_length=150, verbose_name="who")),
                ("text", models.TextField(blank=True, verbose_name="note")),
            ],
            options={
                "verbose_name": "activity",
                "verbose_name_plural": "activities",
                "ordering": ["created", "id"],
            },
        ),
        migrations.CreateModel(
            "Filing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created", models.DateTimeField(default=timezone.now, editable=False, verbose_name="created")),
                ("modified", models.DateTimeField(auto_now=True, verbose_name="modified")),
                ("bug", models.ForeignKey(on_delete=models.CASCADE, related_name="filings", to="error_tracking.knownbug")),
                ("tracker", models.CharField(max_length=50, verbose_name="tracker")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "waiting"),
                            ("claimed", "being filed"),
                            ("filed", "filed"),
                            ("local", "local only"),
                            ("paused", "paused"),
                            ("failed", "failed"),
                        ],
                        default="pending",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("failures", models.PositiveSmallIntegerField(default=0, verbose_name="failures")),
                ("next_attempt_at", models.DateTimeField(default=timezone.now, verbose_name="next attempt")),
                ("published_at", models.DateTimeField(blank=True, null=True, verbose_name="given to the broker")),
                ("filed_at", models.DateTimeField(blank=True, null=True, verbose_name="filed at")),
                ("synced_activity_id", models.PositiveBigIntegerField(default=0, verbose_name="synced activity")),
                ("reference", models.CharField(blank=True, max_length=200, verbose_name="reference")),
                ("url", models.TextField(blank=True, verbose_name="URL")),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="reason")),
            ],
            options={
                "verbose_name": "filing",
                "verbose_name_plural": "filings",
                "indexes": [models.Index(fields=["state", "next_attempt_at"], name="et_filing_due")],
                "constraints": [models.UniqueConstraint(fields=("bug", "tracker"), name="et_filing_unique")],
            },
        ),
        migrations.CreateModel(
            "PullRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created", models.DateTimeField(default=timezone.now, editable=False, verbose_name="created")),
                ("modified", models.DateTimeField(auto_now=True, verbose_name="modified")),
                ("bug", models.ForeignKey(on_delete=models.CASCADE, related_name="pull_requests", to="error_tracking.knownbug")),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                ("url", models.CharField(max_length=255, verbose_name="URL")),
                ("title", models.CharField(blank=True, max_length=255, verbose_name="title")),
                ("author", models.CharField(blank=True, max_length=50, verbose_name="author")),
                (
                    "state",
                    models.CharField(
                        blank=True,
                        choices=[("", "not read yet"), ("open", "open"), ("closed", "closed"), ("merged", "merged")],
                        default="",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("closes_issue", models.BooleanField(default=False, verbose_name="closes the issue")),
                ("merge_commit", models.CharField(blank=True, max_length=64, verbose_name="merge commit")),
                ("merged_at", models.DateTimeField(blank=True, null=True, verbose_name="merged at")),
                ("branch", models.CharField(blank=True, max_length=100, verbose_name="branch")),
                ("start_activity_id", models.PositiveBigIntegerField(default=0, editable=False)),
            ],
            options={
                "verbose_name": "pull request",
                "verbose_name_plural": "pull requests",
                "ordering": ["pk"],
                "constraints": [models.UniqueConstraint(fields=("bug", "url"), name="et_pullrequest_unique")],
            },
        ),
        # What is counted exactly and never pruned. Dashboard is a proxy without a table.
        migrations.CreateModel(
            "ErrorGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created", models.DateTimeField(default=timezone.now, editable=False, verbose_name="created")),
                ("modified", models.DateTimeField(auto_now=True, verbose_name="modified")),
                ("fingerprint", models.CharField(max_length=64, verbose_name="fingerprint")),
                ("fingerprint_version", models.PositiveSmallIntegerField(default=1, verbose_name="fingerprint version")),
                ("environment", models.CharField(max_length=50, verbose_name="environment")),
                ("error_type", models.CharField(max_length=20, verbose_name="kind")),
                ("status_code", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="status code")),
                ("title", models.CharField(max_length=255, verbose_name="title")),
                ("culprit", models.CharField(blank=True, max_length=255, verbose_name="culprit")),
                ("route", models.CharField(blank=True, max_length=255, verbose_name="route")),
                ("cause", models.CharField(blank=True, max_length=255, verbose_name="cause")),
                ("message", models.CharField(blank=True, db_default="", max_length=255, verbose_name="message")),
                ("message_pattern", models.CharField(blank=True, db_default="", max_length=255, verbose_name="message without values")),
                ("level", models.CharField(default="error", max_length=10, verbose_name="level")),
                ("handled", models.BooleanField(default=False, verbose_name="handled")),
                ("first_seen", models.DateTimeField(verbose_name="first seen")),
                ("last_seen", models.DateTimeField(verbose_name="last seen")),
                ("first_release", models.CharField(blank=True, max_length=100, verbose_name="first release")),
                ("last_release", models.CharField(blank=True, max_length=100, verbose_name="last release")),
                ("times_seen", models.PositiveBigIntegerField(default=0, verbose_name="times seen")),
                ("has_evidence", models.BooleanField(default=False, verbose_name="has evidence")),
                ("has_own_origin", models.BooleanField(default=False, verbose_name="refused a form of this site")),
                (
                    "bug",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=models.SET_NULL,
                        related_name="groups",
                        to="error_tracking.knownbug",
                        verbose_name="bug",
                    ),
                ),
                (
                    "verdict",
                    models.CharField(
                        blank=True,
                        choices=[("", "not decided"), ("never", "never a bug"), ("hidden", "hidden by hand")],
                        default="",
                        max_length=10,
                        verbose_name="verdict",
                    ),
                ),
                ("verdict_reason", models.CharField(blank=True, max_length=255, verbose_name="why")),
                ("is_due", models.BooleanField(default=True, editable=False)),
                ("look_at_count", models.PositiveBigIntegerField(default=0, editable=False)),
            ],
            options={
                "verbose_name": "error group",
                "verbose_name_plural": "error groups",
                "indexes": [
                    models.Index(fields=["environment", "is_due", "first_seen"], name="et_group_due"),
                    models.Index(fields=["last_seen"], name="et_group_last_seen"),
                    models.Index(fields=["environment", "first_seen"], name="et_group_first_seen"),
                ],
                "constraints": [models.UniqueConstraint(fields=("fingerprint", "environment"), name="et_group_fingerprint_env")],
            },
        ),
        migrations.CreateModel(
            "Dashboard",
            fields=[],
            options={
                "verbose_name": "dashboard",
                "verbose_name_plural": "dashboard",
                "proxy": True,
                "default_permissions": ("view",),
                "indexes": [],
                "constraints": [],
            },
            bases=("error_tracking.errorgroup",),
        ),
        # Single events, pruned after their retention.
        migrations.CreateModel(
            "ErrorLog",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created", models.DateTimeField(default=timezone.now, editable=False, verbose_name="created")),
                ("modified", models.DateTimeField(auto_now=True, verbose_name="modified")),
                ("event_id", models.UUIDField(editable=False, unique=True, verbose_name="event id")),
                ("reference", models.CharField(db_index=True, max_length=10, verbose_name="reference")),
                ("fingerprint", models.CharField(max_length=64, verbose_name="fingerprint")),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False, on_delete=models.CASCADE, related_name="logs", to="error_tracking.errorgroup", verbose_name="group"
                    ),
                ),
                ("occurrences", models.PositiveIntegerField(default=1, verbose_name="occurrences")),
                (
                    "error_type",
                    models.CharField(
                        choices=[
                            ("exception", "exception"),
                            ("http_5xx", "server error"),
                            ("http_4xx", "client error"),
                            ("csrf", "CSRF failure"),
                            ("message", "message"),
                        ],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                ("mechanism", models.CharField(blank=True, max_length=20, verbose_name="mechanism")),
                ("status_code", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="status code")),
                ("url_pattern", models.CharField(blank=True, max_length=255, verbose_name="URL pattern")),
                ("full_url", models.TextField(blank=True, verbose_name="URL")),
                ("method", models.CharField(blank=True, max_length=16, verbose_name="method")),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=models.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
                ("user_label", models.CharField(blank=True, max_length=150, verbose_name="user name")),
                ("ip_address", models.GenericIPAddressField(blank=True, null=True, verbose_name="IP address")),
                ("user_agent", models.CharField(blank=True, max_length=300, verbose_name="user agent")),
                ("request_data", models.JSONField(blank=True, default=dict, verbose_name="request data")),
                ("exception_type", models.CharField(blank=True, max_length=255, verbose_name="exception type")),
                ("exception_message", models.TextField(blank=True, verbose_name="exception message")),
                ("traceback", models.TextField(blank=True, verbose_name="traceback")),
                ("context", models.JSONField(blank=True, default=dict, verbose_name="context")),
                ("stacktrace", models.JSONField(blank=True, default=list, verbose_name="stacktrace")),
                ("release", models.CharField(blank=True, max_length=100, verbose_name="release")),
                ("environment", models.CharField(blank=True, max_length=50, verbose_name="environment")),
                ("server_name", models.CharField(blank=True, max_length=100, verbose_name="server")),
                ("personal_data_removed", models.BooleanField(default=False, editable=False, verbose_name="personal data removed")),
            ],
            options={
                "verbose_name": "error log",
                "verbose_name_plural": "error logs",
                "ordering": ["-created", "-id"],
                "permissions": [
                    ("export_errorlog", "Can export error logs"),
                    ("view_request_data", "Can view request data, local variables and people"),
                ],
                "get_latest_by": "created",
                "indexes": [
                    models.Index(fields=["fingerprint", "created"], name="et_log_fingerprint"),
                    models.Index(fields=["status_code", "created"], name="et_log_status"),
                    models.Index(fields=["group", "created"], name="et_log_group"),
                    models.Index(fields=["created"], name="et_log_created"),
                    models.Index(fields=["error_type", "created"], name="et_log_kind"),
                    models.Index(fields=["environment", "created"], name="et_log_environment"),
                    models.Index(fields=["user", "created"], name="et_log_user"),
                    models.Index(fields=["user", "group"], name="et_log_user_group"),
                    models.Index(fields=["personal_data_removed", "created"], name="et_log_stripped"),
                ],
            },
        ),
        # Counts and clients per group, for the gate and the charts.
        migrations.CreateModel(
            "HourlyCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("group", models.ForeignKey(on_delete=models.CASCADE, related_name="hourly", to="error_tracking.errorgroup")),
                ("hour", models.DateTimeField()),
                ("count", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["hour"], name="et_hourlycount_hour"),
                    models.Index(fields=["group", "hour", "count"], name="et_hourlycount_sums"),
                ],
                "constraints": [models.UniqueConstraint(fields=("group", "hour"), name="et_hourlycount_unique")],
            },
        ),
        migrations.CreateModel(
            "DailyCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "group",
                    models.ForeignKey(db_index=False, on_delete=models.CASCADE, related_name="daily", to="error_tracking.errorgroup"),
                ),
                ("day", models.DateField()),
                ("count", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "indexes": [models.Index(fields=["group", "day", "count"], name="et_dailycount_sums")],
                "constraints": [models.UniqueConstraint(fields=("group", "day"), name="et_dailycount_unique")],
            },
        ),
        migrations.CreateModel(
            "GroupClient",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("group", models.ForeignKey(on_delete=models.CASCADE, related_name="clients", to="error_tracking.errorgroup")),
                ("day", models.DateField()),
                ("hash", models.CharField(max_length=16)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("group", "day", "hash"), name="et_groupclient_unique")],
            },
        ),
        # Counts over all groups, and the releases that were seen.
        migrations.CreateModel(
            "HourlyTotal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour", models.DateTimeField()),
                ("environment", models.CharField(max_length=50)),
                ("error_type", models.CharField(max_length=20)),
                ("status_code", models.PositiveSmallIntegerField(default=0)),
                ("count", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("hour", "environment", "error_type", "status_code"), name="et_hourlytotal_unique")
                ],
            },
        ),
        migrations.CreateModel(
            "Release",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.CharField(max_length=100, unique=True)),
                ("first_seen", models.DateTimeField()),
            ],
        ),
        # What the recorder and the numbering of bugs remember.
        migrations.CreateModel(
            "Journal",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("position", models.PositiveBigIntegerField(default=0)),
                ("environment", models.CharField(blank=True, max_length=50)),
                ("server_name", models.CharField(blank=True, max_length=100)),
                ("pid", models.PositiveIntegerField(default=0)),
                ("is_durable", models.BooleanField(default=True)),
                ("lost", models.PositiveBigIntegerField(default=0)),
                ("bare", models.PositiveBigIntegerField(default=0)),
                ("merged", models.PositiveBigIntegerField(default=0)),
                ("at_risk", models.PositiveBigIntegerField(default=0)),
                ("failures", models.PositiveBigIntegerField(default=0)),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
                ("lost_at", models.DateTimeField(blank=True, null=True)),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("heartbeat", models.DateTimeField(default=timezone.now)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            "Sequence",
            fields=[
                ("name", models.CharField(max_length=50, primary_key=True, serialize=False)),
                ("value", models.PositiveIntegerField(default=0)),
                ("made_at", models.DateTimeField(default=timezone.now)),
            ],
        ),
    ]
