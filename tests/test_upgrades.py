"""Upgrades: data survives every migration in both directions, and a project's settings and new rules change nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import subprocess
import sys
import textwrap
import uuid
from io import StringIO
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, migrations, models
from django.db.migrations.exceptions import NodeNotFoundError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from error_tracking import capture_exception, schema
from error_tracking.events import fingerprint
from error_tracking.models import (
    Activity,
    DailyCount,
    ErrorGroup,
    ErrorLog,
    KnownBug,
    PullRequest,
)
from error_tracking.recorder import store
from tests.factories import make_event

LABEL = "error_tracking"
ROOT = Path(__file__).resolve().parent.parent
MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
#: A value for each kind of column, the most special kind first.
VALUES = {
    models.BooleanField: True,
    models.DateField: MOMENT.date(),
    models.DateTimeField: MOMENT,
    models.FloatField: 1.5,
    models.GenericIPAddressField: "192.0.2.0",
    models.IntegerField: 1,
    models.JSONField: {"a": [1]},
    models.TextField: "text",
    models.URLField: "https://example.org/",
    models.UUIDField: uuid.UUID(int=7),
}

# Before 0.1.0 there were these besides 0001_initial, which has taken their place.
REPLACED = [
    "0002_recorder_context_life",
    "0003_journal_health",
    "0004_filing_failures",
    "0005_journal_counts",
    "0006_gate_calls_itself",
    "0007_what_visitors_are_told",
    "0008_view_request_data",
    "0009_plain_column_names",
    "0010_digest_bugs_become_ordinary",
    "0011_message_of_groups",
    "0012_state_of_the_fix",
    "0013_notes_on_issues",
    "0014_automatic_description",
    "0015_indexes_of_lists_and_sums",
    "0016_daily_counts",
    "0017_fill_daily_counts",
    "0018_error_logs_of_a_user",
]


def names_of_migrations():
    """Return the names of our migrations, oldest first."""
    graph = MigrationExecutor(connection).loader.graph
    [newest] = graph.leaf_nodes(LABEL)
    return [name for label, name in graph.forwards_plan(newest) if label == LABEL]


def migrate(name):
    """Migrate to *name*, None for before the first, and return the models of that time."""
    executor = MigrationExecutor(connection)
    executor.migrate([(LABEL, name)])
    executor.loader.build_graph()
    nodes = [] if name is None else [(LABEL, name)]
    return executor.loader.project_state(nodes).apps


@pytest.fixture
def at_last(transactional_db):
    """Leave the tables as the newest migration makes them."""
    yield
    migrate(names_of_migrations()[-1])


def value_for(field, rows):
    """Return a value that *field* can hold; of a relation, the row of *rows* that was made before."""
    if field.is_relation:
        return rows.get(field.related_model._meta.model_name)
    if field.choices:
        return field.choices[0][0]
    for kind in type(field).__mro__:
        if kind in VALUES:
            return VALUES[kind]
    assert isinstance(field, models.CharField), field
    return "x" * min(field.max_length, 8)


def tables_of(apps):
    """Return our models that have a table; a proxy shares that of another."""
    found = apps.get_app_config(LABEL).get_models()
    return [model for model in found if not model._meta.proxy]


def fill(apps):
    """Make one row in each table of ours, with a value in each column; return the rows by model."""
    rows = {}
    waiting = tables_of(apps)
    while waiting:
        model = waiting.pop(0)
        needed = {
            field.related_model._meta.model_name
            for field in model._meta.concrete_fields
            if field.is_relation and field.related_model._meta.app_label == LABEL
        } - {model._meta.model_name}
        if needed - set(rows):
            waiting.append(model)
            continue
        values = {
            field.name: value_for(field, rows)
            for field in model._meta.concrete_fields
            if not (field.primary_key and isinstance(field, models.AutoField))
        }
        rows[model._meta.model_name] = model._base_manager.create(**values)
    return rows


def contents(apps):
    """Return every row of every table of ours, by the name of its model."""
    return {
        model._meta.model_name: list(model._base_manager.order_by("pk").values())
        for model in tables_of(apps)
    }


def assert_same_rows(older, newer, step):
    """Assert that what *older* contains is in *newer*, but for columns that it has not."""
    assert older.keys() <= newer.keys(), step
    for name, rows in older.items():
        for old, new in zip(rows, newer[name], strict=True):
            shared = old.keys() & new.keys()
            expected = {column: old[column] for column in shared}
            assert {column: new[column] for column in shared} == expected, (step, name)


def copy_server_names(apps, schema_editor):
    logs = apps.get_model(LABEL, "ErrorLog").objects
    logs.update(host_name=models.F("server_name"))


class NextRelease(migrations.Migration):
    """
    A release that adds, renames and removes a column while the release before still runs.

    The steps are those of CONTRIBUTING.md. New columns have a default in the database, for
    the old release does not name them. A rename is a new column and a copy of the old. A
    removed column stays one more release, with a default, for the new release does not
    name it.
    """

    operations = [
        migrations.AddField(
            "errorlog", "shade", models.CharField(max_length=9, db_default="grey")
        ),
        migrations.AddField(
            "errorlog", "host_name", models.CharField(max_length=100, db_default="")
        ),
        migrations.RunPython(copy_server_names, migrations.RunPython.noop),
        *(
            migrations.AlterField(
                "errorlog", name, models.CharField(max_length=length, db_default="")
            )
            for name, length in (("server_name", 100), ("mechanism", 20))
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("errorlog", "server_name"),
                migrations.RemoveField("errorlog", "mechanism"),
            ]
        ),
    ]


def found_by_the_check():
    messages = run_checks(databases=["default"], tags=["database"])
    return [each for each in messages if each.id == "error_tracking.W015"]


def names_after_the_first():
    return [f"{LABEL}.{name}" for name in names_of_migrations()[1:]]


def drop_message_of_groups():
    with connection.schema_editor() as editor:
        editor.remove_field(ErrorGroup, ErrorGroup._meta.get_field("message"))


class TestIncompleteTables:
    """Those of a checkout that stopped on its way to the last of the 18 migrations."""

    @pytest.fixture(autouse=True)
    def made_again(self, transactional_db):
        """Make the tables again after the test."""
        yield
        # To migrate backwards drops all tables, or none if none are left.
        missing = set(schema.missing_columns("default")) if our_tables() else set()
        with connection.schema_editor() as editor:
            for model in (Activity, DailyCount, PullRequest):
                if model._meta.db_table in missing:
                    editor.create_model(model)
        migrate(None)
        migrate(names_of_migrations()[-1])

    def test_complete_ones_are_no_problem(self):
        assert found_by_the_check() == []

    def test_missing_column_is_named(self):
        drop_message_of_groups()
        [message] = found_by_the_check()
        assert "Missing: error_tracking_errorgroup.message." in message.msg
        assert "do not run migrate --prune" in message.hint

    def test_missing_tables_and_indexes_are_named_and_counted(self):
        indexes = {index.name: index for index in ErrorLog._meta.indexes}
        with connection.schema_editor() as editor:
            for model in (Activity, DailyCount, PullRequest):
                editor.delete_model(model)
            editor.remove_index(ErrorLog, indexes["et_log_user"])
        [message] = found_by_the_check()
        tables = [
            f"{LABEL}_{name}" for name in ("activity", "dailycount", "pullrequest")
        ]
        assert sorted(schema.missing_columns("default")) == tables
        assert schema.missing_indexes("default") == ["et_log_user"]
        assert "and 1 more." in message.msg

    def test_they_are_named_also_while_newer_migrations_wait(self):
        migrate(names_of_migrations()[0])
        assert schema.unapplied_migrations("default") == names_after_the_first()
        assert found_by_the_check() == []
        drop_message_of_groups()
        [message] = found_by_the_check()
        assert message.msg.endswith("Missing: error_tracking_errorgroup.message.")

    def test_tables_are_not_expected_before_they_are_migrated(self):
        migrate(None)
        assert found_by_the_check() == []

    def test_migrate_says_so_to_whoever_was_told_to_run_it(self):
        drop_message_of_groups()
        stderr = StringIO()
        output_of("migrate", skip_checks=False, stderr=stderr)
        assert "error_tracking.W015" in stderr.getvalue()

    def test_broken_migration_of_the_project_is_for_others_to_report(self, monkeypatch):
        def explode(alias):
            raise NodeNotFoundError("no such parent", ("shop", "0002"))

        drop_message_of_groups()
        monkeypatch.setattr(schema, "missing_after_migrations", explode)
        assert found_by_the_check() == []


@contextlib.contextmanager
def next_release():
    """Give the models of a later release, on its tables; take the tables back in the end."""
    migration = NextRelease("9999_next_release", LABEL)
    executor = MigrationExecutor(connection)
    before = executor.loader.project_state()
    with connection.schema_editor() as editor:
        after = migration.apply(before.clone(), editor)
    try:
        yield after.apps
    finally:
        with connection.schema_editor() as editor:
            migration.unapply(before, editor)


def test_data_survives_every_migration_and_the_next_release(at_last):
    names = names_of_migrations()
    apps = migrate(names[0])
    fill(apps)
    before = contents(apps)
    assert all(len(rows) == 1 for rows in before.values())
    for name in names[1:]:
        after = contents(migrate(name))
        assert_same_rows(before, after, name)
        before = after
    with next_release() as apps:
        after = contents(apps)
    assert_same_rows(before, after, "the next release")
    [old], [new] = before["errorlog"], after["errorlog"]
    assert new["host_name"] == old["server_name"]


def test_data_survives_the_way_back(at_last):
    names = names_of_migrations()
    apps = migrate(names[-1])
    fill(apps)
    before = contents(apps)
    with next_release():
        pass
    for name in reversed(names):
        after = contents(migrate(name))
        assert all(len(rows) == 1 for rows in after.values())
        assert_same_rows(after, before, f"back to {name}")
        before = after


def our_tables():
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    return {name for name in tables if name.startswith(f"{LABEL}_")}


def recorded_names():
    rows = MigrationRecorder(connection).migration_qs.filter(app=LABEL)
    return set(rows.values_list("name", flat=True))


def output_of(*command, **options):
    stdout = StringIO()
    call_command(*command, stdout=stdout, no_color=True, **options)
    return stdout.getvalue()


def test_tables_go_and_come_back(at_last):
    newest = names_of_migrations()[-1]
    before = our_tables()
    fill(migrate(newest))
    migrate(None)
    assert our_tables() == set()
    apps = migrate(newest)
    assert our_tables() == before
    assert all(rows == [] for rows in contents(apps).values())
    fill(apps)
    assert all(len(rows) == 1 for rows in contents(apps).values())


@pytest.fixture
def of_a_first_checkout(transactional_db):
    """A database that the migrations before 0.1.0 have made, with a bug in it."""
    recorder = MigrationRecorder(connection)
    for name in REPLACED:
        recorder.record_applied(LABEL, name)
    yield KnownBug.objects.create(title="It broke")
    recorder.migration_qs.filter(app=LABEL, name__in=REPLACED).delete()


def assert_that_nothing_is_to_be_done():
    assert "No migrations to apply." in output_of("migrate")
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_database_of_a_first_checkout_is_migrated_from_the_first_and_pruned(
    of_a_first_checkout,
):
    migrate(names_of_migrations()[0])
    assert schema.unapplied_migrations("default") == names_after_the_first()
    output_of("migrate")
    assert_that_nothing_is_to_be_done()
    assert recorded_names() == {*REPLACED, *names_of_migrations()}
    output_of("migrate", LABEL, prune=True)
    assert recorded_names() == set(names_of_migrations())
    assert_that_nothing_is_to_be_done()
    assert KnownBug.objects.get() == of_a_first_checkout


def test_servers_of_the_release_before_work_with_the_newest_tables(at_last):
    older = migrate(names_of_migrations()[0]).get_model(LABEL, "KnownBug")
    migrate(names_of_migrations()[-1])
    made = older._base_manager.create(number=1, bug_id="B-001", title="It broke")
    assert KnownBug.objects.get().muted_until_people is None
    KnownBug.objects.mute(people=10)
    read = older._base_manager.get(pk=made.pk)
    assert (read.status, read.muted_until_count) == ("muted", None)
    read.status = "open"
    read.save()
    bug = KnownBug.objects.get()
    assert (bug.status, bug.muted_until_people) == ("open", 10)
    assert bug.mute(events=5)
    assert bug.muted_until_people is None


@pytest.fixture
def of_the_next_release(transactional_db):
    with next_release() as apps:
        yield apps


def test_two_releases_share_the_tables_during_a_deploy(of_the_next_release):
    """The old one is the code as it is; the new one has a column more, one renamed, one less."""
    new_logs = of_the_next_release.get_model(LABEL, "ErrorLog").objects
    for _ in range(3):
        store.store([make_event(server_name="web1")])
        group = of_the_next_release.get_model(LABEL, "ErrorGroup").objects.get()
        new_logs.create(
            event_id=uuid.uuid4(),
            created=MOMENT,
            group=group,
            error_type="exception",
            host_name="web2",
            shade="blue",
        )
    of_the_old = new_logs.filter(shade="grey")
    assert [log.host_name for log in of_the_old] == [""] * 3
    assert (
        ErrorLog.objects.filter(server_name="web1", mechanism="middleware").count() == 3
    )
    assert ErrorLog.objects.filter(server_name="", mechanism="").count() == 3
    assert [*new_logs.values_list("shade", flat=True).distinct().order_by("shade")] == [
        "blue",
        "grey",
    ]
    assert ErrorGroup.objects.get().times_seen == 3


PROJECT = """
    import sys, types
    from django.conf import settings
    folder = sys.argv[1]
    sys.path.insert(0, folder)
    values = dict(
        SECRET_KEY="x", USE_TZ=True, BASE_DIR=folder,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "error_tracking"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder + "/a.sqlite3"}},
        ERROR_TRACKING={"JOURNAL_DIR": folder + "/journals"},
    )
    CHANGES
    settings.configure(**values)
    import django
    django.setup()
    from django.core.management import call_command
    for label in MADE_FIRST:
        call_command("makemigrations", label, verbosity=0)
    call_command("makemigrations", check=True, dry_run=True)
    call_command("migrate", verbosity=0, run_syncdb=True)
    call_command("makemigrations", check=True, dry_run=True)
    from error_tracking.models import KnownBug
    bug = KnownBug.objects.create(title="It broke")
    print(bug.bug_id, KnownBug.objects.get(pk=bug.pk).title)
"""

CUSTOM_USER = """
    import pathlib
    shop = pathlib.Path(folder, "shop"); shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "models.py").write_text(
        "import uuid\\n"
        "from django.contrib.auth.models import AbstractUser\\n"
        "from django.db import models\\n"
        "class Member(AbstractUser):\\n"
        "    id = models.UUIDField(primary_key=True, default=uuid.uuid4)\\n"
    )
    (shop / "migrations").mkdir(); (shop / "migrations" / "__init__.py").write_text("")
    values["INSTALLED_APPS"].append("shop")
    values["AUTH_USER_MODEL"] = "shop.Member"
    MADE_FIRST = ["shop"]
"""

OWN_FOLDER = """
    import pathlib
    for name in ("ours", "ours/et"):
        pathlib.Path(folder, name).mkdir(); pathlib.Path(folder, name, "__init__.py").write_text("")
    values["MIGRATION_MODULES"] = {"error_tracking": "ours.et"}
    MADE_FIRST = ["error_tracking"]
"""

PROJECTS = {
    "defaults": "pass",
    "AutoField": "values['DEFAULT_AUTO_FIELD'] = 'django.db.models.AutoField'",
    "SmallAutoField": "values['DEFAULT_AUTO_FIELD'] = 'django.db.models.SmallAutoField'",
    "without time zones": "values['USE_TZ'] = False; values['TIME_ZONE'] = 'Asia/Kathmandu'",
    "another language": "values['LANGUAGE_CODE'] = 'de'",
    "without translations": "values['USE_I18N'] = False",
    "a user of its own": CUSTOM_USER,
    "migrations in its own folder": OWN_FOLDER,
    "apps of Django without migrations": """
        values["MIGRATION_MODULES"] = {"auth": None, "contenttypes": None}
    """,
    "other settings of ours": """
        values["ERROR_TRACKING"] |= {"BUG_PREFIX": "SHOP", "ENVIRONMENT": "staging"}
    """,
    "a database of its own": """
        values["DATABASES"]["errors"] = {**values["DATABASES"]["default"], "NAME": folder + "/b.sqlite3"}
        values["ERROR_TRACKING"]["DATABASE"] = "default"
        values["DATABASE_ROUTERS"] = ["error_tracking.routers.ErrorTrackingRouter"]
    """,
    "tablespaces": "values['DEFAULT_TABLESPACE'] = 'a'; values['DEFAULT_INDEX_TABLESPACE'] = 'b'",
}


@pytest.mark.parametrize("name", PROJECTS)
def test_no_setting_of_a_project_needs_a_migration(tmp_path, name):
    changes = textwrap.dedent(PROJECTS[name])
    code = textwrap.dedent(PROJECT).replace("CHANGES", f"MADE_FIRST = []\n{changes}")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("001 It broke")


NOW = fingerprint.VERSION
NEXT = NOW + 1


def explode():
    raise ValueError("the pet is gone")


def fail():
    try:
        explode()
    except ValueError as error:
        return capture_exception(error)


@pytest.fixture
def use_rules(monkeypatch, configure):
    """A function that makes this process one with the grouping rules of another version."""

    def use(version):
        monkeypatch.setattr(fingerprint, "VERSION", version)
        configure()  # drops the fingerprints that this process remembers

    return use


@pytest.mark.usefixtures("immediate")
class TestNewGroupingRules:
    def test_they_leave_the_groups_and_bugs_that_exist(self, use_rules):
        fail()
        [old] = ErrorGroup.objects.all()
        use_rules(NEXT)
        fail()
        fail()
        old.refresh_from_db()
        assert (old.times_seen, old.fingerprint_version) == (1, NOW)
        new = ErrorGroup.objects.exclude(pk=old.pk).get()
        assert (new.times_seen, new.fingerprint_version) == (2, NEXT)
        assert new.fingerprint != old.fingerprint
        assert [bug.status for bug in KnownBug.objects.all()] == ["open", "open"]

    def test_a_bug_keeps_its_history_when_its_new_group_is_merged_into_it(
        self, use_rules
    ):
        fail()
        old = KnownBug.objects.get()
        use_rules(NEXT)
        fail()
        new = KnownBug.objects.exclude(pk=old.pk)
        new.merge_into(old)
        fail()
        old.refresh_from_db()
        assert old.occurrence_count == 3
        assert {group.bug_id for group in ErrorGroup.objects.all()} == {old.pk}
        assert KnownBug.objects.unresolved().get() == old

    def test_processes_of_both_releases_count_beside_each_other(self, use_rules):
        """During a deploy some processes still have the old rules."""
        for version in (NOW, NEXT, NOW, NEXT, NEXT):
            use_rules(version)
            fail()
        groups = ErrorGroup.objects.order_by("fingerprint_version")
        assert [*groups.values_list("fingerprint_version", "times_seen")] == [
            (NOW, 2),
            (NEXT, 3),
        ]
        assert KnownBug.objects.count() == 2
