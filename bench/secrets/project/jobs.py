"""Celery tasks and management commands."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from bench.secrets.planting import SECRET, command, given, task


@task("task-kwarg", "Celery keyword argument", "password", user="ann", password=SECRET)
def reset_password(user, password):
    raise ValueError(f"no {user}")


@task(
    "task-kwarg-token",
    "Celery keyword argument",
    "token",
    order=3,
    gateway_token=SECRET,
)
def settle(order, gateway_token):
    raise ValueError(f"order {order}")


@task("task-arg", "Celery positional argument", "password", "ann", SECRET)
def set_password(user, new_password):
    raise ValueError(f"no {user}")


@task("task-arg-jwt", "Celery positional argument", "JWT", 7, SECRET)
def verify(user_id, assertion):
    raise ValueError(f"no {user_id}")


@task(
    "task-nested",
    "Celery argument, dict",
    "password",
    {"smtp": {"user": "shop", "password": SECRET}},
)
def send_mail(configuration):
    raise ConnectionError(f"{len(configuration)} servers")


@task(
    "task-headers",
    "Celery argument, list of pairs",
    "API key",
    [["accept", "*/*"], ["x-api-key", SECRET]],
)
def fetch(pairs):
    raise ConnectionError(f"{len(pairs)} pairs")


@task(
    "task-url",
    "Celery argument, URL",
    "password",
    f"ftp://shop:{SECRET}@ftp.example/in",
)
def download(url):
    raise ConnectionError("ftp is down")


@task("task-card", "Celery argument", "card number", 3, SECRET)
def charge(order_id, number):
    raise ValueError(f"order {order_id}")


@task(
    "task-webhook",
    "Celery argument, signed URL",
    "signed URL",
    url=f"https://x.example/hook?v=1&signature={SECRET}",
)
def call_webhook(url):
    raise ConnectionError("hook is down")


@task(
    "task-french", "Celery keyword argument", "password", motdepasse=SECRET, nom="luc"
)
def creer(nom, motdepasse):
    raise ValueError(f"{nom} existe")


@task("task-message", "exception of a task", "API key")
def sync():
    raise RuntimeError(f"vendor refused apikey={given()} for stocks")


@task(
    "task-otp", "Celery keyword argument", "one-time code", phone_id=4, otp_code=SECRET
)
def text_code(phone_id, otp_code):
    raise ConnectionError(f"phone {phone_id}")


@command(
    "command-equals",
    "argv, --option=value",
    "password",
    "sync_ftp",
    f"--password={SECRET}",
)
class SyncFtp(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--password")

    def handle(self, *args, **options):
        raise ConnectionError("ftp is down")


@command(
    "command-two",
    "argv, --option value",
    "API key",
    "sync_stock",
    "--api-key",
    SECRET,
    "--fast",
)
class SyncStock(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--api-key")
        parser.add_argument("--fast", action="store_true")

    def handle(self, *args, **options):
        raise ConnectionError("stock is down")


@command(
    "command-short", "argv, -p value", "password", "dump", "-u", "shop", "-p", SECRET
)
class Dump(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("-u", dest="user")
        parser.add_argument("-p", dest="password")

    def handle(self, *args, **options):
        raise ConnectionError(f"{options['user']} may not dump")


@command(
    "command-url",
    "argv, URL with userinfo",
    "password",
    "copy",
    f"postgres://shop:{SECRET}@db/shop",
)
class Copy(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("source")

    def handle(self, *args, **options):
        raise ConnectionError("source is down")


@command("command-positional", "argv, positional", "API key", "login", SECRET)
class Login(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("grafana_token")

    def handle(self, *args, **options):
        raise ConnectionError("grafana is down")


@command(
    "command-define",
    "argv, NAME=value",
    "password",
    "deploy",
    "--set",
    f"db.password={SECRET}",
)
class Deploy(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--set", action="append")

    def handle(self, *args, **options):
        raise RuntimeError(f"{len(options['set'])} values")


@command(
    "command-header",
    "argv, header",
    "token",
    "fetch",
    "-H",
    f"Authorization: Bearer {SECRET}",
)
class Fetch(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("-H", dest="header")

    def handle(self, *args, **options):
        raise ConnectionError("nothing to fetch")


@command(
    "command-json",
    "argv, JSON",
    "password",
    "configure",
    f'--options={{"user": "x", "password": "{SECRET}"}}',
)
class Configure(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--options")

    def handle(self, *args, **options):
        raise ValueError("options do not parse")


@command(
    "command-wachtwoord",
    "argv, Dutch option",
    "password",
    "koppel",
    "--wachtwoord",
    SECRET,
)
class Koppel(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--wachtwoord")

    def handle(self, *args, **options):
        raise ValueError("koppelen mislukt")


@command("command-message", "exception of a command", "password", "probe")
class Probe(BaseCommand):
    def handle(self, *args, **options):
        raise ConnectionError(f"ldap://cn=shop:{given()}@ldap.internal does not answer")
