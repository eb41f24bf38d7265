"""A permission of its own for request data, given to whoever could see it until now."""

from django.apps import apps as current_apps
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, migrations, router

PERMISSION = ("view_request_data", "Can view request data, local variables and people")


def grant(apps, schema_editor):
    """
    Give the permission to the users and groups that may view error logs.

    Users may be in another database than ours, or in none, and a new site has no
    permissions yet: then nobody has anything to lose.
    """
    try:
        permission_model = apps.get_model("auth", "Permission")
        type_model = apps.get_model("contenttypes", "ContentType")
        permission_model._meta.get_field("content_type")
    except LookupError:
        return
    except FieldDoesNotExist:
        # Apps without migrations (MIGRATION_MODULES) have no relations in *apps*, and
        # their tables are always those of the current models.
        permission_model = current_apps.get_model("auth", "Permission")
        type_model = current_apps.get_model("contenttypes", "ContentType")
    alias = router.db_for_write(permission_model)
    tables = connections[alias].introspection.table_names()
    needed = {permission_model._meta.db_table, type_model._meta.db_table}
    if not needed <= set(tables):
        return
    types = type_model.objects.using(alias)
    permissions = permission_model.objects.using(alias)
    kind = types.filter(app_label="error_tracking", model="errorlog").first()
    view = permissions.filter(content_type=kind, codename="view_errorlog").first()
    if kind is None or view is None:
        return
    codename, name = PERMISSION
    new, _ = permissions.get_or_create(
        content_type=kind, codename=codename, defaults={"name": name}
    )
    for group in view.group_set.all():
        group.permissions.add(new)
    for user in view.user_set.all():
        user.user_permissions.add(new)


class Migration(migrations.Migration):

    dependencies = [
        ('error_tracking', '0007_what_visitors_are_told'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='errorlog',
            options={
                'get_latest_by': 'created',
                'ordering': ['-created', '-id'],
                'permissions': [('export_errorlog', 'Can export error logs'), PERMISSION],
                'verbose_name': 'error log',
                'verbose_name_plural': 'error logs',
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop, elidable=True),
    ]
