"""Databases, brokers and caches, and configuration that does not parse."""

from __future__ import annotations

import html
import sqlite3

from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError

from bench.secrets.planting import given, view

SINGLE, DOUBLE = "'", '"'


# These return before something fails: none of their variables is in an event.
def doubled(mark):
    return given().replace(mark, mark * 2)


def in_toml():
    return given().replace(DOUBLE, f"\\{DOUBLE}")


@view("sql-failing-row", "exception, SQL failing row", "token")
def failing_row(request):
    raise IntegrityError(
        'null value in column "user_id" of relation "shop_token" violates not-null constraint\n'
        f"DETAIL:  Failing row contains (4, {given()}, 2026-01-01 00:00:00+00, null)."
    )


@view("sql-failing-row-comma", "exception, SQL failing row", "password")
def failing_row_comma(request):
    raise IntegrityError(
        'new row for relation "shop_ftp" violates check constraint "port"\n'
        f"DETAIL:  Failing row contains (9, ftp.example, shop, {given()}, -1)."
    )


@view("sql-key-exists", "exception, SQL detail", "token")
def key_exists(request):
    raise IntegrityError(
        'duplicate key value violates unique constraint "authtoken_token_pkey"\n'
        f"DETAIL:  Key (key)=({given()}) already exists."
    )


@view("sql-key-two", "exception, SQL detail", "password")
def key_two(request):
    raise IntegrityError(
        'duplicate key value violates unique constraint "shop_ftp_user_password"\n'
        f"DETAIL:  Key (username, password)=(shop, {given()}) already exists."
    )


@view("sql-duplicate-entry", "exception, MySQL", "session id")
def duplicate_entry(request):
    raise IntegrityError(
        1062, f"Duplicate entry '{given()}' for key 'django_session.PRIMARY'"
    )


@view("sql-insert", "exception, SQL text", "password")
def sql_insert(request):
    raise ProgrammingError(
        f"syntax error in INSERT INTO shop_ftp (host, password) VALUES ('x', '{doubled(SINGLE)}')"
    )


@view("sql-update", "exception, SQL text", "password")
def sql_update(request):
    raise ProgrammingError(
        f'no such column: UPDATE "shop_ftp" SET "password" = \'{given()}\' WHERE "id" = 3'
    )


@view("sql-where", "exception, SQL text", "token")
def sql_where(request):
    raise OperationalError(
        f"canceling statement: SELECT 1 FROM shop_token WHERE api_token = '{given()}' LIMIT 21"
    )


@view("sql-parameters", "exception, SQLAlchemy", "token")
def sql_parameters(request):
    raise RuntimeError(
        "(sqlite3.OperationalError) database is locked\n[SQL: INSERT INTO t (id, refresh_token) VALUES (?, ?)]\n"
        f"[parameters: (7, '{given()}')]"
    )


@view("sql-parameters-named", "exception, SQLAlchemy", "password")
def sql_parameters_named(request):
    raise RuntimeError(
        "(psycopg.errors.UndefinedTable) relation does not exist\n[SQL: INSERT INTO ftp VALUES (%(host)s, %(password)s)]\n"
        f"[parameters: { ({'host': 'x', 'password': given()}) }]"
    )


@view("sql-local", "local, SQL text", "token")
def sql_local(request):
    statement = f"SELECT * FROM tokens WHERE access_token = '{given()}'"
    sqlite3.connect(":memory:").execute(statement)


@view("sql-alter-role", "exception, SQL text", "password")
def alter_role(request):
    raise ProgrammingError(
        f"role \"shop\" does not exist: ALTER ROLE shop WITH PASSWORD '{given()}'"
    )


@view("sql-too-long", "exception, SQL text", "token")
def too_long(request):
    raise DataError(f"value too long for type character varying(40): '{given()}'")


@view("database-url", "exception, URL with userinfo", "password")
def database_url(request):
    raise ImproperlyConfigured(
        f"cannot read postgres://shop:{given()}@db.internal:5432/shop"
    )


@view("database-url-odd", "exception, URL with userinfo", "password")
def database_url_odd(request):
    raise ImproperlyConfigured(
        f"Port could not be cast: mysql://shop:{given()}@db/shop"
    )


@view("redis-url", "exception, URL with userinfo", "password")
def redis_url(request):
    raise ConnectionError(f"Error 111 connecting to redis://:{given()}@cache:6379/0")


@view("amqp-url", "local", "password")
def amqp_url(request):
    broker = f"amqp://shop:{given()}@rabbit:5672//"
    raise ConnectionError(f"{len(broker)} characters")


@view("mongo-url", "exception, URL with userinfo", "password")
def mongo_url(request):
    raise ConnectionError(
        f"No replica set members in mongodb+srv://shop:{given()}@c0.example.net/?retryWrites=true"
    )


@view("smtp-url", "exception, URL with userinfo", "password")
def smtp_url(request):
    raise ConnectionError(f"EMAIL_URL=smtp+tls://mail:{given()}@smtp.example:587")


@view("libpq", "exception, connection string", "password")
def libpq(request):
    raise OperationalError(
        f"connection failed: host=db dbname=shop user=shop password='{given()}' sslmode=require"
    )


@view("libpq-bare", "exception, connection string", "password")
def libpq_bare(request):
    raise OperationalError(f"bad dsn: host=db user=shop password={given()} port=5432")


@view("ado", "exception, connection string", "password")
def ado(request):
    raise OperationalError(
        f'Server=db;Database=shop;User Id=shop;Password="{doubled(DOUBLE)}";Encrypt=true'
    )


@view("oracle", "exception, connection string", "password")
def oracle(request):
    raise OperationalError(f'ORA-12154: sqlplus shop/"{given()}"@//db:1521/XE')


@view("jdbc", "exception, URL", "password")
def jdbc(request):
    raise OperationalError(
        f"jdbc:postgresql://db/shop?user=shop&password={given()}&ssl=true"
    )


@view("secret-key-env", "exception, environment", "Django SECRET_KEY")
def secret_key_env(request):
    raise ImproperlyConfigured(f"DEBUG=off\nDJANGO_SECRET_KEY={given()}\nSITE_ID=one")


@view("secret-key-local", "local", "Django SECRET_KEY")
def secret_key_local(request):
    SECRET_KEY = given()
    raise ImproperlyConfigured(f"{len(SECRET_KEY)} characters")


@view("databases-setting", "local, dict", "password")
def databases(request):
    database = {"ENGINE": "postgresql", "USER": "shop", "PASSWORD": given(), "PORT": ""}
    raise ImproperlyConfigured(f"PORT is {database['PORT']!r}")


@view("yaml", "exception, YAML", "password")
def yaml(request):
    raise ValueError(
        f"mapping values are not allowed here\nsmtp:\n  host: mail\n  password: '{given()}'\n  port: 25"
    )


@view("yaml-plain", "exception, YAML", "password")
def yaml_plain(request):
    raise ValueError(f"line 3:\nftp:\n  passwd: {given()}\n  passive: true\n")


@view("yaml-block", "exception, YAML block", "client secret")
def yaml_block(request):
    raise ValueError(f"oauth:\n  client_secret: |\n    {given()}\n  scope: all\n")


@view("yaml-list", "exception, YAML list", "password")
def yaml_list(request):
    raise ValueError(
        f"env:\n- name: HOST\n  value: x\n- name: MAIL_PASSWORD\n  value: {given()}\n"
    )


@view("toml", "exception, TOML", "password")
def toml(request):
    raise ValueError(
        f'Expected "=" after a key:\n[mail]\npassword = "{in_toml()}"\nport 25'
    )


@view("ini", "exception, INI", "password")
def ini(request):
    raise ValueError(
        f"File contains parsing errors: [client]\nuser=shop\npassword={given()}\nhost"
    )


@view("properties", "exception, properties", "password")
def properties(request):
    raise ValueError(
        f"mail.smtp.host=x\nmail.smtp.password={given()}\nmail.smtp.port=y"
    )


@view("xml-element", "exception, XML", "password")
def xml_element(request):
    raise ValueError(
        f"mismatched tag: <mail><host>x</host><password>{html.escape(given())}</password></mai>"
    )


@view("xml-attribute", "exception, XML attribute", "password")
def xml_attribute(request):
    raise ValueError(
        f'line 2: <server host="x" password="{html.escape(given())}" port="25">'
    )


@view("plist", "exception, XML key and string", "API key")
def plist(request):
    raise ValueError(
        f"<dict><key>ApiKey</key><string>{given()}</string></dict> ends early"
    )


@view("json-text", "exception, JSON", "password")
def json_text(request):
    import json

    text = json.dumps({"host": "x", "password": given(), "port": 25})
    raise ValueError(f"Extra data: {text}]")


@view("json-text-list", "exception, JSON list", "one-time codes")
def json_text_list(request):
    raise ValueError(f'cannot store {{"backup_codes": {given()}, "user": 7}}')


@view("netrc", "exception, netrc", "password")
def netrc(request):
    raise ValueError(
        f"bad follower token: machine mail login shop password {given()} macdef"
    )


@view("pgpass", "exception, pgpass", "password")
def pgpass(request):
    raise ValueError(f"cannot parse .pgpass line: db.internal:5432:shop:shop:{given()}")


@view("cookie-jar", "exception, Set-Cookie", "session id")
def cookie_jar(request):
    raise ValueError(f"Set-Cookie: sessionid={given()}; HttpOnly; Path=/; SameSite=Lax")


@view("html-input", "exception, HTML", "token")
def html_input(request):
    raise ValueError(
        f'unexpected page: <form><input type="hidden" name="authenticity_token" value="{given()}"></form>'
    )


@view("html-meta", "exception, HTML", "CSRF token")
def html_meta(request):
    raise ValueError(f'<meta name="csrf-token" content="{given()}"> has no charset')


@view("ldap", "exception, dict", "password")
def ldap(request):
    raise ConnectionError(f"{ ({'desc': 'Invalid credentials', 'bindpw': given()}) }")


@view("multiline-prompt", "exception, text", "password")
def prompt(request):
    raise ValueError(
        f"expected prompt, saw: Username: shop\nPassword: {given()}\nLogin incorrect"
    )


@view("sentence-is", "exception, sentence", "password")
def sentence(request):
    raise ValueError(f"Your new password is {given()}")


@view("sentence-german", "exception, sentence", "password")
def sentence_german(request):
    raise ValueError(f"Ihr neues Passwort lautet: {given()}")


@view("sentence-french", "exception, sentence", "password")
def sentence_french(request):
    raise ValueError(f"Mot de passe : {given()}")


@view("sentence-code", "exception, sentence", "one-time code")
def sentence_code(request):
    raise ValueError(f"SMS could not be sent: Your verification code is {given()}.")
