"""What local variables hold: mappings, rows, objects, and their reprs."""

from __future__ import annotations

import collections
import dataclasses
import types

import pydantic
import requests
from rest_framework import serializers

from bench.secrets.planting import given, view


@view("local-password", "local", "password")
def local_password(request):
    password = given()
    raise ValueError(f"{len(password)} characters")


@view("local-prefixed", "local", "API key")
def local_prefixed(request):
    acme_apikey = given()
    raise ValueError(f"{len(acme_apikey)} characters")


@view("local-short", "local", "password")
def local_short(request):
    pw = given()
    raise ValueError(f"{len(pw)} characters")


@view("local-plural", "local, list", "password")
def local_plural(request):
    passwords = [given(), "another"]
    raise ValueError(f"{len(passwords)} words")


@view("local-credentials", "local, tuple", "credentials")
def local_credentials(request):
    credentials = ("fritz", given())
    raise ValueError(f"{len(credentials)} parts")


@view("local-bytes", "local, bytes", "password")
def local_bytes(request):
    passphrase = given().encode()
    raise ValueError(f"{len(passphrase)} bytes")


@view("local-bytes-key", "local, bytes", "encryption key")
def local_bytes_key(request):
    encryption_key = bytes.fromhex(given()).hex().encode()
    raise ValueError(f"{len(encryption_key)} bytes")


@view("local-nested", "local, nested dict", "password")
def local_nested(request):
    options = {"mail": {"smtp": {"user": "shop", "password": given()}}}
    raise ValueError(f"{len(options)} options")


@view("local-headers-dict", "local, dict", "token")
def local_headers(request):
    headers = {"Accept": "text/html", "Authorization": f"Bearer {given()}"}
    raise ValueError(f"{len(headers)} headers")


@view("local-headers-list", "local, list of pairs", "API key")
def local_headers_list(request):
    lines = [("accept", "*/*"), ("x-api-key", given())]
    raise ValueError(f"{len(lines)} lines")


@view("local-headers-bytes", "local, list of byte pairs", "token")
def local_asgi(request):
    scope = {
        "type": "http",
        "headers": [(b"host", b"x"), (b"authorization", b"Token " + given().encode())],
    }
    raise ValueError(f"{scope['type']} is not served")


@view("local-pairs", "local, list of pairs", "password")
def local_pairs(request):
    rows = [("username", "ann"), ("password", given())]
    raise ValueError(f"{len(rows)} rows")


@view("local-rows", "local, list of dicts", "password")
def local_rows(request):
    rows = [{"name": "ann", "password": given()}, {"name": "bob", "password": ""}]
    raise ValueError(f"{len(rows)} rows")


@view("local-name-value", "local, name and value", "password")
def local_name_value(request):
    setting = {"name": "smtp_password", "value": given()}
    raise ValueError(f"{len(setting)} parts")


@view("local-argv", "local, argv list", "password")
def local_argv(request):
    command = ["mysqldump", "--user=shop", f"--password={given()}", "shop"]
    raise ValueError(f"{command[0]} is not installed")


@view("local-argv-two", "local, argv list", "password")
def local_argv_two(request):
    command = ["restore", "--user", "shop", "--password", given(), "--force"]
    raise ValueError(f"{command[0]} is not installed")


@view("local-argv-short", "local, argv list", "password")
def local_argv_short(request):
    command = ["mysql", "-ushop", f"-p{given()}", "shop"]
    raise ValueError(f"{command[0]} is not installed")


@view("local-command-line", "local, command line", "password")
def local_command_line(request):
    line = f'pg_restore --dbname "host=db password={given()}" dump.bin'
    raise ValueError(f"{len(line)} characters")


@view("local-env", "local, environment", "password")
def local_env(request):
    env = {"PATH": "/usr/bin", "PGPASSWORD": given(), "PGHOST": "db"}
    raise ValueError(f"{len(env)} variables")


@view("local-env-list", "local, environment lines", "password")
def local_env_list(request):
    env = ["PATH=/usr/bin", f"MYSQL_ROOT_PASSWORD={given()}"]
    raise ValueError(f"{len(env)} variables")


@dataclasses.dataclass
class Mailbox:
    host: str
    user: str
    password: str


@view("dataclass", "local, dataclass", "password")
def local_dataclass(request):
    mailbox = Mailbox("imap.example", "shop", given())
    raise ValueError(f"{mailbox.host} does not answer")


@view("dataclass-repr", "exception, repr of a dataclass", "password")
def dataclass_repr(request):
    raise ValueError(f"cannot open {Mailbox('imap.example', 'shop', given())}")


@view("dataclass-list", "local, list of dataclasses", "password")
def dataclass_list(request):
    boxes = [Mailbox("a", "x", ""), Mailbox("b", "y", given())]
    raise ValueError(f"{len(boxes)} boxes")


Login = collections.namedtuple("Login", "user passwd")


@view("namedtuple", "local, namedtuple", "password")
def local_namedtuple(request):
    login = Login("ann", given())
    raise ValueError(f"no {login.user}")


@view("namespace", "local, SimpleNamespace", "password")
def local_namespace(request):
    options = types.SimpleNamespace(user="ann", senha=given())
    raise ValueError(f"no {options.user}")


class Gateway:
    def __init__(self, token):
        self.token = token

    def __repr__(self):
        return f"<Gateway https://pay.example token={self.token}>"


@view("object-repr", "local, object", "token")
def object_repr(request):
    gateway = Gateway(given())
    raise ValueError(f"{type(gateway).__name__} is down")


@view("object-repr-message", "exception, repr of an object", "token")
def object_repr_message(request):
    raise ValueError(f"{Gateway(given())!r} is down")


class Client:
    def __init__(self, user, secret):
        self._auth = (user, secret)

    def __repr__(self):
        return f"Client(auth={self._auth!r})"


@view("object-auth", "local, object", "password")
def object_auth(request):
    client = Client("shop", given())
    raise ValueError(f"{type(client).__name__} is closed")


@view("auth-tuple", "local, tuple", "password")
def auth_tuple(request):
    auth = ("shop", given())
    raise ValueError(f"{len(auth)} parts")


class Account(pydantic.BaseModel):
    name: str
    api_key: str


@view("pydantic-local", "local, pydantic", "API key")
def pydantic_local(request):
    account = Account(name="ann", api_key=given())
    raise ValueError(f"{account.name} is locked")


@view("pydantic-error", "exception, pydantic", "API key")
def pydantic_error(request):
    Account.model_validate({"api_key": given()})


class Registration(pydantic.BaseModel):
    password: str = pydantic.Field(min_length=40)


@view("pydantic-error-input", "exception, pydantic", "password")
def pydantic_input(request):
    Registration.model_validate({"password": given()})


class LoginSerializer(serializers.Serializer):
    username = serializers.CharField()
    password = serializers.ChoiceField(choices=["x"])


@view("drf-error", "exception, DRF", "password")
def drf_error(request):
    serializer = LoginSerializer(data={"username": "ann", "password": given()})
    serializer.is_valid(raise_exception=True)


@view("drf-initial-data", "exception, DRF", "password")
def drf_initial(request):
    serializer = LoginSerializer(data={"username": "ann", "password": given()})
    raise ValueError(f"cannot save {serializer!r}")


@view("prepared-request", "local, requests", "token")
def prepared(request):
    prepared = requests.Request(
        "GET", "https://x.example/", params={"access_token": given()}
    ).prepare()
    raise ValueError(f"{prepared.method} is not allowed: {prepared.url}")


@view("requests-error", "exception, requests", "token")
def requests_error(request):
    requests.get("https://127.0.0.1:9/x", params={"token": given()}, timeout=1)


@view("key-error", "exception, KeyError of a pair", "password")
def key_error(request):
    {}[("password", given())]


@view("set-of-tokens", "local, set", "token")
def set_of_tokens(request):
    valid_tokens = {given()}
    raise ValueError(f"{len(valid_tokens)} tokens")


@view("cause", "cause of the exception", "token")
def cause(request):
    try:
        raise ConnectionError(f"GET /x?auth_token={given()} timed out")
    except ConnectionError as error:
        raise RuntimeError("could not sync") from error


@view("context", "context of the exception", "password")
def context(request):
    try:
        raise KeyError(f"login=ann password={given()}")
    except KeyError:
        raise RuntimeError("could not sign in")  # noqa: B904


@view("note", "note of the exception", "password")
def note(request):
    error = RuntimeError("could not sign in")
    error.add_note(f"tried with password={given()}")
    raise error


@view("group", "member of an exception group", "password")
def group(request):
    raise ExceptionGroup(
        "two failed", [ValueError(f"password: {given()}"), KeyError("x")]
    )


@view("exception-args", "arguments of the exception", "password")
def exception_args(request):
    raise RuntimeError("login failed", {"user": "ann", "password": given()})


@view("class-name", "attribute named by a class", "token")
def class_name(request):
    class Token(str):
        __slots__ = ()

        def __repr__(self):
            return f"<Token: {self}>"

    raise ValueError(f"{Token(given())!r} has expired")


@view("uuid-key", "local", "API key")
def uuid_key(request):
    import uuid

    api_key = uuid.UUID(given())
    raise ValueError(f"version {api_key.version}")


@view("integer-secret", "local, integer", "one-time code")
def integer_secret(request):
    access_code = int(given())
    raise ValueError(f"{access_code.bit_length()} bits")


@view("long-text", "exception, after 3,000 characters", "password")
def long_text(request):
    rows = "\n".join(f"row {number}: ordinary words" for number in range(100))
    raise ValueError(f"{rows}\npassword={given()}")


@view("long-value", "local, in a long dict", "token")
def long_value(request):
    settings = {f"option_{number}": number for number in range(40)} | {
        "refresh_token": given()
    }
    raise ValueError(f"{len(settings)} options")
