"""
Secrets in texts: every name in every syntax before every value, and what must stay.

The product has some 200,000 cases and takes half a minute, so the suite tries a sample
of each syntax; ``SCRUB_FULL=1 pytest tests/test_scrub_grammar.py`` tries all.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import json
import os
import random
import time
import urllib.parse
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest

from error_tracking.scrubbing.account_numbers import is_card
from error_tracking.scrubbing.keys import AS_KEY, BY_VALUE, Names, level_of
from error_tracking.scrubbing.scrubber import FILTERED, Scrubber

scrubber = Scrubber()

NAMES = """
    password passwd pwd pw psw userPassword db_password DB_PASSWORD admin-password
    passphrase secret client_secret clientSecret SECRET_KEY secret_keys token
    access_token accessToken refresh_token auth_token csrf_token csrfmiddlewaretoken
    api_key apiKey X-Api-Key api_keys private_key signing_key encryption_key otp
    totp one_time_code verification_code cvv cvc card_number credit_card session_id
    sessionid PHPSESSID connection_string dsn bearer code_verifier client_assertion
    SAMLResponse passwort kennwort geheimnis zugangsdaten mot_de_passe motdepasse
    contraseña contrasena clave_secreta senha palavra_passe parola_segreta
    wachtwoord toegangscode jeton user_password user-password PASSWD API-KEY
    x-api-key jwt AWS_SECRET_ACCESS_KEY pin DB_PASS recovery_code access_key
    stripe_secret_key webhook_secret bindpw rootpw
""".split()

CORE = "Zq7xKw93Vt"
#: Human and generated passwords, one for each sign that some syntax ends a value with, and some with spaces.
VALUES = [
    *("hunter2", "Zq7xKw93VtLm42Rd", "p@ss,w0rd;x", "Tr0ub4dor&3", "a/b+c=d=="),
    *("ends)with]brackets}", "it's", 'quo"te', "back\\slash", "ünïcödé", "{curly}"),
    *("<angle>", "#hash?query&amp", "100%sure"),
    CORE,
    *(f"Ab{sign}{CORE}" for sign in "'\",;&)(@/\\}]%=:#$!|<"),
    f"correct {CORE} staple",
    "in;i = other",
    "plain words only",
]


def xml(value):
    return value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def sql(value):
    return value.replace("'", "''")


def ado(value):
    return '"' + value.replace('"', '""') + '"'


def odbc(value):
    return "{" + value.replace("}", "}}") + "}"


def in_quotes(value):
    return f'"{value}"' if "'" in value else f"'{value}'"


def in_bytes(text):
    return repr(text.encode())


def percent(value):
    return quote(value, safe="")


def identifier(name):
    return name.replace("-", "_")


@dataclasses.dataclass(frozen=True)
class Syntax:
    """
    How a name and its value are written.

    Attributes:
        write: Makes the text.

        unfit: Signs that a value cannot have here: they would end it for every reader.

        names: Names that this syntax has, where it has its own.

        is_bare: Whether a value has no quotes here.

    """

    write: Callable[[str, str], str]
    unfit: str = ""
    names: tuple[str, ...] = tuple(NAMES)
    is_bare: bool = False

    def cases(self):
        for name in self.names:
            for value in VALUES:
                # Without quotes "{curly}" stands for a value that a template puts there.
                is_placeholder = self.is_bare and value in {"{curly}", "<angle>"}
                if not is_placeholder and not set(value) & set(self.unfit):
                    yield name, value


Bare = functools.partial(Syntax, is_bare=True)


# What ends a word, and what ends one in a sentence or a line of a log.
WORD = " \"'<>{\\"
PROSE = " ;"
PLAIN = tuple(name for name in NAMES if "-" not in name)

SYNTAXES = {
    # Pairs without quotes.
    "assignment": Bare(lambda n, v: f"{n}={v} next", WORD),
    "assignment in a sentence": Bare(lambda n, v: f"connect {n}={v} failed", PROSE),
    "spaced": Bare(lambda n, v: f"{n}      = {v}\n", WORD),
    "aligned": Bare(lambda n, v: f"{n}       = {v}", PROSE),
    "environment file": Bare(lambda n, v: f"DEBUG=1\n{n}={v}\nHOST=x"),
    "INI": Bare(lambda n, v: f"[client]\nuser=shop\n{n} = {v}\nhost=x"),
    "properties": Bare(lambda n, v: f"a.port=1\na.mail.{n}={v}\na.host=x"),
    "export": Bare(lambda n, v: f"export A=1\nexport {n}={v}\nexport B=2"),
    "colon": Bare(lambda n, v: f"{n}: {v}\nnext: 1"),
    "colon alone": Bare(lambda n, v: f"{n}: {v}", PROSE),
    "fat arrow": Bare(lambda n, v: f"{n} => {v}", WORD),
    "arrow": Bare(lambda n, v: f"plugin.{n} -> {v}", WORD),
    "YAML": Bare(lambda n, v: f"db:\n  host: x\n  {n}: {v}\n  port: 1"),
    "YAML, first": Bare(lambda n, v: f"db:\n  {n}: {v}\n  port: 1"),
    "YAML, next line": Bare(lambda n, v: f"db:\n  {n}:\n    {v}\n  port: 1"),
    "YAML, block": Bare(lambda n, v: f"{n}: |\n  {v}\nport: 1"),
    "YAML, deep block": Bare(lambda n, v: f"db:\n  {n}: |\n    {v}\n  port: 1"),
    "YAML, folded": Bare(lambda n, v: f"db:\n  {n}: >-\n    {v}\n  port: 1"),
    "YAML, typed": Bare(lambda n, v: f"db: 1\n{n}: !!str {v}\nport: 1"),
    "header": Bare(lambda n, v: f"Host: x\nX-{n}: {v}\nAccept: y"),
    "PHP": Bare(lambda n, v: f"[{n}] => {v}\n"),
    "Go": Bare(lambda n, v: f"&{{User:ann {n}:{v} Age:3}}", PROSE),
    "Cookie": Bare(lambda n, v: f"Cookie: a=b; {n}={v}; c=d", PROSE),
    "Cookie, plain": Bare(lambda n, v: f"Cookie: page=3; {n}={v}; b=2", WORD),
    "Set-Cookie": Bare(lambda n, v: f"Set-Cookie: {n}={v}; Path=/; HttpOnly", PROSE),
    # Pairs in quotes.
    "quoted": Syntax(lambda n, v: f"{n} = '{v}'", "'\\"),
    "JSON": Syntax(lambda n, v: json.dumps({"a": 1, n: v, "b": 2})),
    "JSON, first": Syntax(lambda n, v: json.dumps({n: v, "page": 3})),
    "JSON in JSON": Syntax(lambda n, v: json.dumps(json.dumps({n: v, "b": 2}))),
    "JSON in a field": Syntax(lambda n, v: json.dumps({"body": json.dumps({n: v})})),
    "JSON in CSV": Syntax(lambda n, v: json.dumps({n: v}).replace('"', '""'), '"\\'),
    "JSON in HTML": Syntax(lambda n, v: html.escape(json.dumps({n: v, "b": 2})), "&<"),
    "repr": Syntax(lambda n, v: repr({n: v, "b": 2})),
    "repr in repr": Syntax(lambda n, v: repr([repr({n: v})])),
    "environ": Syntax(lambda n, v: f"environ({{{n!r}: {v!r}}})"),
    "bytes": Syntax(lambda n, v: in_bytes(f"page=3&{n}={percent(v)}&b=2")),
    "JSON in bytes": Syntax(lambda n, v: in_bytes(json.dumps({n: v}))),
    "subscript": Syntax(lambda n, v: f"settings[{n!r}] = {v!r}"),
    "keyword": Syntax(lambda n, v: f"Login(user='ann', {identifier(n)}={v!r}, x=1)"),
    "dataclass": Syntax(lambda n, v: f"Login(user='ann', {identifier(n)}={v!r})"),
    "SecretStr": Syntax(lambda n, v: f"Login({identifier(n)}=SecretStr({v!r}))"),
    "list": Syntax(lambda n, v: repr({"a": [{n: [v, v]}]})),
    "pairs": Syntax(lambda n, v: repr([("a", "b"), (n, v)])),
    "pairs, first": Syntax(lambda n, v: repr([(n, v), ("page", "3")])),
    "pairs in JSON": Syntax(lambda n, v: json.dumps([[n, v]])),
    "tuple of Erlang": Syntax(lambda n, v: f'{{{n}, "{v}"}}', '"\\', PLAIN),
    "Ruby": Syntax(lambda n, v: f":{n}=>{in_quotes(v)}", "\\\"'"),
    "Ruby, text": Syntax(lambda n, v: f'{{"{n}"=>{json.dumps(v)}, "x"=>1}}'),
    "PHP's var_dump": Syntax(lambda n, v: f'["{n}"]=>\n  string(9) "{v}"\n', '"\\'),
    "TOML": Syntax(lambda n, v: f'[db]\n{n} = """{v}"""\nport = 1', '"\\'),
    "logfmt": Syntax(lambda n, v: f'msg="x y" {n}={json.dumps(v)} ip=1'),
    "Terraform": Syntax(lambda n, v: f'db {{\n  {n} = {json.dumps(v)}\n}}'),
    "row": Syntax(lambda n, v: json.dumps({"name": n, "value": v})),
    "row in a list": Syntax(lambda n, v: json.dumps([{"name": n, "value": v}])),
    "row, value first": Syntax(lambda n, v: json.dumps({"value": v, "name": n})),
    "row with more": Syntax(lambda n, v: repr({"key": n, "type": "x", "value": v})),
    "ADO": Syntax(lambda n, v: f"Server=db;{n}={ado(v)};Encrypt=true", "\\"),
    "ODBC": Syntax(lambda n, v: f"Driver={{x}};{n}={odbc(v)};x=1"),
    "Pydantic": Syntax(lambda n, v: f"1 error for L\n{n}\n  bad [type=value_error, input_value={v!r}, input_type=str]"),
    "http.cookies": Syntax(lambda n, v: f"<SimpleCookie: {n}={v!r}>"),
    # Markup.
    "XML": Syntax(lambda n, v: f"<a><{n}>{xml(v)}</{n}></a>"),
    "XML alone": Syntax(lambda n, v: f"<{n}>{xml(v)}</{n}>"),
    "XML with attributes": Syntax(lambda n, v: f'<w:{n} Type="http://x#y">{xml(v)}</w:{n}>'),
    "CDATA": Syntax(lambda n, v: f"<{n}><![CDATA[{v}]]></{n}>"),
    "attribute": Syntax(lambda n, v: f'<user {n}="{xml(v)}" id="3">'),
    "attribute, as it is": Syntax(lambda n, v: f'<user {n}="{v}" id="3">', '"\\'),
    "empty element": Syntax(lambda n, v: f'<user {n}="{xml(v)}" />'),
    "input": Syntax(lambda n, v: f'<input type="text" name="{n}" value="{xml(v)}">'),
    "input, as it is": Syntax(lambda n, v: f'<input name="{n}" value="{v}">', '"\\'),
    # The web.
    "query": Syntax(lambda n, v: f"GET /x?a=1&{quote(n)}={quote(v)}&b=2 HTTP/1.1"),
    "query of a URL": Syntax(lambda n, v: f"GET https://x.example/a?page=3&{n}={percent(v)}&b=2"),
    "form": Syntax(lambda n, v: urlencode({n: v, "b": 2})),
    "form, last": Syntax(lambda n, v: f"page=3&{n}={percent(v)}"),
    "query in query": Syntax(lambda n, v: "next=" + percent(f"/x?{urlencode({n: v, 'b': 2})}")),
    "multipart": Syntax(lambda n, v: f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n--b--'),
    "multipart, cut": Syntax(lambda n, v: f'Content-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n--x'),
    # Command lines.
    "option": Syntax(lambda n, v: f"tool --{n} {v} shop", WORD),
    "option in quotes": Syntax(lambda n, v: f"tool --{n} {in_quotes(v)} x", "\\\"'"),
    "option with =": Syntax(lambda n, v: f"tool --{n}={v} shop", WORD),
    "argument list": Syntax(lambda n, v: repr(["tool", f"--{n}", v, "x"])),
    "argument list with =": Bare(lambda n, v: repr(["tool", f"--{n}={v}", "x"])),
    "argument list in a sentence": Syntax(lambda n, v: f"Command {['tool', f'--{n}', v, 'shop']} returned 1"),
    "curl -H": Bare(lambda n, v: f"curl -H {in_quotes(f'X-{n}: {v}')} http://x", "'\""),
    "curl --data": Bare(lambda n, v: f"curl http://x --data 'user=ann&{n}={v}' failed", "'&"),
    "curl --data, only": Bare(lambda n, v: f"curl http://x --data '{n}={v}' failed", "'"),
    # What databases say.
    "PostgreSQL": Syntax(lambda n, v: f"DETAIL:  Key ({n})=({v}) already exists.", "", PLAIN),
    "MySQL": Syntax(lambda n, v: f"Duplicate entry '{v}' for key 'users.{n}'"),
    "UPDATE": Syntax(lambda n, v: f"UPDATE t SET {n} = '{sql(v)}' WHERE 1"),
    "INSERT": Syntax(lambda n, v: f"INSERT INTO u (id, {n}) VALUES (1, '{sql(v)}')"),
}  # fmt: skip

# Sentences, whose names are words: "Ihr neues Passwort lautet: x".
SENTENCES = [
    "Your new password is",
    "The API key is now",
    "The password has been changed to",
    "The PIN was reset to",
    "Das Kennwort ist",
    "Ihr neues Passwort lautet",
    "Die Geheimzahl lautet jetzt",
    "Das Passwort wurde geändert auf",
    "Votre mot de passe est",
    "La clé d'API est maintenant",
    "Su contraseña es",
    "A sua senha é",
    "La tua password è",
    "Uw wachtwoord is nu",
    "Het wachtwoord luidt",
]
SYNTAXES["sentence"] = Bare(lambda n, v: f"{n}: {v}", PROSE, tuple(SENTENCES))


ALL = [
    (syntax, name, value)
    for syntax, written in SYNTAXES.items()
    for name, value in written.cases()
]
SAMPLE = 30_000
CASES = ALL
if not os.environ.get("SCRUB_FULL"):
    CASES = random.Random(11).sample(ALL, SAMPLE)


def is_left(value, text):
    """Return whether *value* or six characters of it in a row stand in *text*, also URL-encoded."""
    decoded = urllib.parse.unquote(urllib.parse.unquote(text))
    parts = [value[start : start + 6] for start in range(max(1, len(value) - 5))]
    return any(part in text or part in decoded for part in parts)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_value_goes_to_its_end(syntax):
    kept = []
    for chosen, name, value in CASES:
        if chosen != syntax:
            continue
        text = SYNTAXES[syntax].write(name, value)
        scrubbed = scrubber.text(text, 5_000)
        if FILTERED not in scrubbed or is_left(value, scrubbed):
            kept.append((text, scrubbed))
    assert not kept


def test_every_syntax_is_in_the_sample():
    assert {syntax for syntax, _name, _value in CASES} == set(SYNTAXES)
    assert len(ALL) > 200_000


@pytest.mark.parametrize(
    "text",
    [
        f"invalid password '{CORE}' for ann",
        f"password is {CORE}",
        f"the token {CORE}{CORE} has expired",
        f"ALTER USER app WITH PASSWORD '{CORE}'",
        f"CREATE USER 'app'@'%' IDENTIFIED WITH mysql_native_password BY '{CORE}'",
        f"mysql -u app -p{CORE} shop",
        f"mysqldump -h db -p '{CORE}' shop",
        f"['mysql', '-uroot', '-p{CORE}', 'shop']",
        f"curl -u ann:{CORE} https://x.example/",
        f"['curl', '--user', 'ann:{CORE}', 'https://x.example/']",
        f"sshpass -p {CORE} ssh host",
        f"redis-cli -h x -a {CORE} ping",
        f"openssl enc -aes256 -pass pass:{CORE}",
        f"amqp://app:Ab/{CORE}@mq/x",
        f"amqp://app:Ab@{CORE}@mq/x?heartbeat=30",
        f"Failing row contains (7, ann, (x), {CORE}).",
        f"[SQL: INSERT INTO u (name, password) VALUES (%s, %s)]\n[parameters: ('ann', '{CORE}')]",
        f"the user_password '{CORE}' was refused",
        f"mot de passe : {CORE}",
        f"clé d'API : {CORE}",
        f"parola d'ordine: {CORE}",
        f"requests.get(url, auth=('ann', '{CORE}'))",
        f"HTTPBasicAuth('ann', '{CORE}')",
        f"<RequestsCookieJar[<Cookie own={CORE} for .x.example/>]>",
        f"<Morsel: own={CORE}; Path=/>",
        f"AuthenticationError: AUTH default {CORE} called without a password",
        f'<input type="password" value="{CORE}">',
        f"[password] => {CORE} and more",
        f"- name: DB_PASSWORD\n  value: {CORE}\n- name: X",
        f"machine api.example login ann password {CORE}",
        f"{{SSHA}}{CORE}W6ph5Mm5Pz8GgiULb",
        f"argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ${CORE}",
        f"https://x.example/unsub/YW5uQHg:1rAbCd:{CORE}{CORE}abcdefg/",
        f"https://{CORE}{CORE}@o1.ingest.example/1",
        f"API key: {CORE}",
        f"one-time code: {CORE}",
        f"seed phrase: correct horse {CORE} staple\nnext",
        f"<dict><key>password</key><string>{CORE}</string></dict>",
        f"<tr><th>Password</th><td>{CORE}</td></tr>",
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{CORE}",
        f"Authorization: Digest username=\"ann\", response=\"{CORE}\"",
        f"token=Bearer {CORE}",
        f"1 error for L\nx\n  bad [input_value={{'user': 'ann', 'passw...{CORE}'}}, input_type=dict]",
        # Files of configuration and of credentials.
        f'{{"auths": {{"r.example": {{"auth": "{CORE}{CORE}=="}}}}}}',
        f"machine mail login shop password {CORE} macdef",
        f"machine a\n  login b\n  account c\n  password {CORE}\n",
        f"default login anonymous password {CORE}",
        f"bad line: db.internal:5432:shop:shop:Ab:{CORE} {CORE}",
        f"*:*:*:postgres:{CORE}",
        f"/var/run/postgresql:5432:shop:ann:{CORE}",
        f"bind_dn cn=ann,dc=x\nbindpw {CORE}\nbase dc=x",
        f"rootpw {CORE}",
        f"requirepass {CORE}\nport 6379",
        f"//registry.example/:_authToken={CORE}",
        f"apiVersion: v1\nkind: Secret\ndata:\n  password: {CORE}==\n  username: YW5u",
        f"dn: cn=ann\nuserPassword:: {CORE}==\ncn: ann",
        f'network={{\n  ssid="x"\n  psk="{CORE}"\n}}',
        f'<add name="x" connectionString="Data Source=db;User ID=ann;Password={CORE};" />',
        # Oracle.
        f'ORA-12154: sqlplus shop/"{CORE}/Scott"@//db:1521/XE',
        f"ORA-12154: shop/{CORE}@orcl",
        f"sqlplus -S scott/{CORE}",
        f"conn sys/{CORE}@orcl as sysdba",
        f"jdbc:oracle:thin:scott/{CORE}@//h:1521/x",
        f"cannot reach scott/{CORE}@db:1521/XE",
        # Other commands.
        f"curl -u 'ann:{CORE} {CORE}' https://x.example/",
        f"redis-cli -a 'Ab {CORE}' ping",
        f"htpasswd -b .htpasswd ann {CORE}",
        f"snmpwalk -v3 -u ann -A {CORE} -X {CORE} host",
        f"az login --service-principal -u x -p {CORE} --tenant y",
        f"net use X: \\\\srv\\share {CORE} /user:ann",
        f"net use X: \\\\srv\\share /user:ann {CORE}",
        f"kubectl create secret generic db --from-literal=password={CORE}",
        f'terraform apply -var="db_password=Ab {CORE}" -auto-approve',
        f"PGPASSWORD='Ab {CORE}' psql -h db",
        # Statements.
        f"SET PASSWORD FOR 'ann'@'x' = PASSWORD('{CORE}')",
        f"CREATE LOGIN ann WITH PASSWORD = N'{CORE}'",
        f"EXEC sp_addlogin 'ann', '{CORE}'",
        f"make_password('{CORE}') failed",
        # Dialogues.
        f"send: 'AUTH PLAIN {CORE}{CORE}=='",
        f"reply: b'334 UGFzc3dvcmQ6'\nsend: b'{CORE}==\\r\\n'",
        f"334 UGFzc3dvcmQ6\n{CORE}==\n235 ok",
        f'"AUTH" "default" "{CORE}"',
        f"USER ann\nPASS {CORE}\n230 ok",
        f"*cmd* 'PASS {CORE}'",
        f"b'A001 LOGIN ann {CORE}'",
        f'a1 LOGIN ann "Ab {CORE}"',
        f"[sudo] password for ann: {CORE}",
        f"Password (again): {CORE}",
        "Votre code de vérification est 483920",
        "Su código de verificación es 483920",
        "Il tuo codice di verifica è 483920",
        "O seu código de verificação é 483920",
        "Uw verificatiecode is 483920",
        "Ihr Einmalcode lautet 483920",
        # Names whose letters are escaped.
        rf"b'contrase\xc3\xb1a={CORE}'",
        rf"b'contrase\xf1a={CORE}'",
        rf'{{"contrase\u00f1a": "{CORE}"}}',
        rf'"{{\"contrase\\u00f1a\": \"{CORE}\"}}"',
        rf"{{&quot;password&quot;: &quot;Ab\&quot;{CORE}&quot;}}",
    ],
)  # fmt: skip
def test_a_value_goes_from_other_texts(text):
    scrubbed = scrubber.text(text, 5_000)
    assert CORE not in scrubbed
    assert "483920" not in scrubbed


HARMLESS = r"""
user 17 not found
column "password" of relation "auth_user" does not exist
invalid token
Unexpected token '<', "<!DOCTYPE "... is not valid JSON
Unexpected token } in JSON at position 42
expected token 'end of print statement', got 'name'
KeyError: 'password'
KeyError: 'token'
'NoneType' object has no attribute 'password'
Field 'session_key' expected a number but got 'abc'.
password: must be at least 8 characters
{'password': ['This field is required.']}
{"password1": ["This password is too short. It must contain at least 8 characters."]}
{'non_field_errors': [ErrorDetail(string='Unable to log in with provided credentials.', code='authorization')]}
status_code=404
error code: 1045
HTTP status code 500
errcode=E11000 duplicate key error collection
exit code 137
country_code=DE postal_code: 80331
author: ann, page 3
keyboard: us, monkey=3
design=modern sort_key=name primary_key=3
cache_key=cart:17
foreign key constraint fails (`shop`.`order`, CONSTRAINT `order_customer_id_8f3e2a1b_fk` FOREIGN KEY (`customer_id`))
duplicate key value violates unique constraint "auth_user_username_6821ab7c_uniq"
DETAIL:  Key (order_id, day)=(7, 2030-01-31) is not present in table "shop_order".
UNIQUE constraint failed: shop_order.number
null value in column "email" of relation "auth_user" violates not-null constraint
Duplicate entry '7' for key 'PRIMARY'
Duplicate entry 'blue-shirt' for key 'shop_product.slug'
password = form.cleaned_data["password"]
user = authenticate(request, username=username, password=password)
token = request.headers.get("Authorization")
token = get_token(request)
self.api_key = settings.STRIPE_API_KEY
secret = os.environ["SECRET_KEY"]
def login(self, username: str, password: str) -> None:
def check(token: Optional[str] = None):
password=None token=None
if not token:
for key, value in items.items():
fields = ['password', 'email', 'name']
return JsonResponse({"token_type": "bearer", "expires_in": 3600})
max_tokens=4096 prompt_tokens: 812
This model's maximum context length is 8192 tokens, however you requested 9001 tokens
session: closed
no such session
csrf token missing
CSRF cookie not set.
Origin checking failed - https://shop.example does not match any trusted origins.
0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e not found
commit 2433dba9f1c0b7a6d5e4f3a2b1c0d9e8f7a6b5c4 is broken
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 missing
release 4a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7
django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.
rest_framework.authentication.TokenAuthentication
django.contrib.auth.middleware.AuthenticationMiddleware
File "/usr/lib/python3.11/site-packages/django/contrib/auth/backends.py", line 42, in authenticate
/srv/shop/releases/20260102-120000-abcdefg/manage.py
Migration shop.0042_auto_20230101_1234 dependencies reference nonexistent parent node ('shop', '0041_token')
relation "django_celery_beat_periodictask_crontab_id_d3cba168" does not exist
Donaudampfschifffahrtsgesellschaftskapitaen ist kein Wort
OAuth2AuthorizationCodeGrantSerializerFactory failed
btn-outline-primary--disabled__icon2x
connection to server at "127.0.0.1", port 5432 failed: FATAL:  password authentication failed for user "shop"
could not connect to redis://cache:6379/0
https://shop.example/orders?page=2&sort=name
http://testserver:8000/@ann/profile
see https://docs.djangoproject.com/en/5.2/ref/settings/#std-setting-SECRET_KEY
2026-01-02T12:00:00.000000+00:00
1764291000000 ms
order 4111111111111112 is late
ISBN 978-3-16-148410-0
phone +49 89 1234567
version 4.2.1 at 10:30:45, items[1::2]
aa:bb:cc:dd:ee:ff
ratio 3:4 at 10:30
Basic arithmetic failed
basic understanding of Token objects
the pin is loose
PIN must have 4 digits
unknown option --token-file, see --password --help
usage: prog [-h] [--password PASSWORD] --user USER
pip install --upgrade tokenizers==0.15.2
[Errno 13] Permission denied: '/var/lib/secrets/app.env'
No module named 'tokenizer'
Key 'name' not found in 'Order'. Choices are: id, total
secret santa list: ann, bob
passenger: 3 compass: north
monkeypatch.setattr(module, "token", None)
{"key": "name", "value": "Ann"}
{"name": "color", "value": "blue"}
<input type="text" name="color" value="blue">
<th>Author</th><td>Ann</td>
TypeError: login() missing 1 required positional argument: 'password'
TypeError: __init__() got an unexpected keyword argument 'api_key'
ValueError: invalid literal for int() with base 10: 'abc'
AttributeError: 'WSGIRequest' object has no attribute 'session'
Template error: {% csrf_token %} is missing
Invalid HTTP_HOST header: 'shop.example'. You may need to add 'shop.example' to ALLOWED_HOSTS.
user ann (id=17) has no access to group editors
access: denied
reset: true
private: false
[type=int_parsing, input_value='abc', input_type=str]
Celery task shop.tasks.send_mail[0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e] raised unexpected
X-Frame-Options: DENY
Content-Type: application/json; charset=utf-8
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet
s3://shop-media/products/2026/01/blue-shirt-large.jpg
static/css/main.4f3a2b1c.chunk.css
TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
cpu 12.5% of 3 cores; 4.2 GB
GET /orders/17/ 200 in 0.12s
SELECT "shop_order"."id" FROM "shop_order" WHERE "shop_order"."id" = 17
permission shop.change_order
ticket 4711 was closed
code review by ann
discount code SUMMER
voucher: SPRING-SALE
state=pending
hash mismatch
signature does not match
key error
the api key is missing
no token given
tokens expire after 3600 seconds
password reset for user 17
Password changed successfully
Your password can't be too similar to your other personal information.
auth backend returned None
auth: failed for user 17
LDAP bind failed: invalid credentials (49)
x-request-id=0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e
trace_id=4bf92f3577b34da6a3ce929d0e0e4736
object at 0x7f3b2c1d4e5f
<Order: Order object (17)>
<QuerySet [<Pet: Rex>]>
AssertionError: 3 != 4
%d items of %(name)s
price: 12.50 EUR, tax=19%
lat=48.137154, lon=11.576124
cron: */5 * * * *
uuid=0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e&page=3
shop_order_customer_id_8f3e2a1b_fk_auth_user_id
ERROR: relation "auth_user_groups_user_id_group_id_94350c0c_uniq" already exists
could not translate host name "db-primary-0.postgres.svc.cluster.local" to address
kubernetes pod web-7d9f8b6c5d-x2x4z restarted
Max retries exceeded with url: /api/v1/orders?limit=10 (Caused by NewConnectionError('<HTTPConnection object>: failed'))
keyboard: de
design = flat
passenger_count: 3
the compass: north
token_count=17
max_tokens: 4096
primary_key=id
foreign_key: order_id
secretary: Ann
pinned = true
shipping=express
passport_office
monkey: 7
authors=3
cache_key=page-3
sort_key: name
code 200
no such column: shop_order.total
relation "shop_order" does not exist
shop_order_user_id_1a2b3c4d_fk_auth_user_id
duplicate key value violates unique constraint "shop_order_number_key"
'NoneType' object has no attribute 'total'
list index out of range
division by zero
shop.views.checkout.confirm_order
django.core.exceptions.ImproperlyConfigured
HttpResponsePermanentRedirectBase
ModelMultipleChoiceFieldRenderer
test_user_can_pay_twice
/srv/site/shop/templates/shop/order_detail.html
0007_alter_order_total_and_more
6f1c0f0e-3f4e-4f0b-9a55-0d5a3c1b2e4f
commit 2433dba1f0c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
release 3f2a9c1b7d8e4f60a1b2
2026-11-28T01:26:54.123456+00:00
version 4.2.1 at 10:30:45
SELECT "shop_order"."id" FROM "shop_order" WHERE "shop_order"."status" = 'open'
Geschwindigkeitsbegrenzung
Donaudampfschifffahrtsgesellschaft
anticonstitutionnellement
col-md-6 d-flex justify-content-between
btn-outline-secondary
app.55e7cbb9ba48.js
Connection to localhost:8000 refused
http://localhost:8000/shop/orders/7/?page=2
refused (token): it is over
bearer of bad news
basic arithmetic failed
the secret is out
IMG_20261128_012654.jpg
invoice-2026-000123.pdf
tel 555-0142
order #20261128-0007
<Order: Order object (7)>
<QuerySet [<Order: 7>]>
0x7f3a2b1c4d50
functools.partial
password: str
def login(username, password):
ValueError: invalid literal for int() with base 10
docker: Error response from daemon: pull access denied for shop/web, repository does not exist
kubectl get secret db-credentials -n shop: not found
Error from server (NotFound): secrets "db-credentials" not found
terraform plan: 3 to add, 1 to change, 0 to destroy
Error: Invalid value for variable "db_password": must have at least 12 characters
535 5.7.8 Authentication credentials invalid
SMTP AUTH extension not supported by server
530 Must issue a STARTTLS command first
LDAP: error code 49 - 80090308: LdapErr: DSID-0C090446, comment: AcceptSecurityContext error, data 52e
WRONGPASS invalid username-password pair or user is disabled.
NOAUTH Authentication required.
FATAL: password authentication failed for user "ann"
Access denied for user 'ann'@'localhost' (using password: YES)
ORA-01017: invalid username/password; logon denied
ORA-28001: the password has expired
password is too short, use at least 8 characters
Passwort ist zu kurz: mindestens 8 Zeichen
Das Passwort lautet nicht wie das alte
Le mot de passe est trop court
La contraseña es demasiado corta
A senha é muito comum
La password è troppo corta
Het wachtwoord is te kort
Passwort wurde geändert
Password changed for user ann
token is invalid
the token has expired
Token is blacklisted
session is closed
The key is not in the dictionary
key is: missing
The primary key is: id
sort key is now: name
secret is not set
The requested scope is: read write
status code is: 404
the error code was: E501
Your order number is: 20261128
The page is: 3 of 7
total is: 17
The country code is: DE
Token count is: 812 of 4096
machine learning model failed to load
no default password policy configured
default login view is accounts:login
npm ERR! code E404 left-pad@1.3.0
uses: actions/checkout@v4
docker.io/library/python@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
git@github.com:shop/web.git
pip install git+https://github.com/shop/web.git@main
src/shop/views.py:120:12: E501 line too long
src/shop/views.py:1200:error:E501:line too long
10.0.0.0/8 is private
tests/test_x.py::test_login[ann-3] FAILED
2026-11-28 01:26:54,123 ERROR shop.views: no stock
Connection to db.internal:5432 refused
dial tcp: lookup redis on 127.0.0.11:53: no such host
memcached:11211:stats:items:17
curl: (7) Failed to connect to x.example port 443
curl --data 'user=ann&page=3' failed
wget: unable to resolve host address 'x.example'
mysql: command not found
psql: error: connection to server on socket failed
"GET /orders/?page=2&sort=name HTTP/1.1" 200 512
'page=3' is not a valid value
{"detail": "Authentication credentials were not provided."}
{'password': ['Ensure this field has at least 8 characters.']}
password: This field may not be blank.
KeyError: "contrase"
b'caf\xc3\xa9'
{"name": "caf\u00e9", "page": 3}
&quot;name&quot;: &quot;Ann&quot;
x = {"a": {"b": 1}}
array(2) { ["name"]=> string(3) "Ann" }
[0] => 17
[info] passing 3 arguments
Traceback of pw_dir: /home/ann
pwm value 17 out of range
The cookie banner is: visible
shop.models.Password.DoesNotExist: Password matching query does not exist.
Cannot resolve keyword 'password' into field. Choices are: id, name
column users.passwd does not exist
no such table: auth_token
Field "token" must not be empty
Unknown argument "token" on field "Query.login".
Cannot query field 'accessToken' on type 'Login'.
unexpected token: '}' at line 3 column 7
Token name is: identifier
expected a token but found EOF
CSRF verification failed. Request aborted.
session id is missing
""".strip().splitlines()


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_as_it_was(text):
    assert scrubber.text(text, 5_000) == text


SECRETS = """
    password contraseña motDePasse wachtwoord senha parola passwort kennwort psw pwd pw pass
    api_keys API-KEY apikey otp totp pin cvc cvv2 code_verifier client_assertion PHPSESSID
    sessionid csrftoken seedPhrase mnemonic recovery_codes verificationCode
    código_de_verificación api-schlüssel clé_api chave_secreta llave_privada DB_PASS dbpass
    PGPASSWORD SECRET_KEY AccountKey hashed_password session_key
""".split()


@pytest.mark.parametrize("name", SECRETS)
def test_a_secrets_name_is_known(name):
    assert level_of(name) >= AS_KEY


FALSE_FRIENDS = """
    author keyboard status_code design passenger compass tokenize monkey primary_key
    foreign_key secretary pinned shipping sort_key cache_key country_code postal_code
    error_code assign access_log accessed_at preset passport bypass signal wildcard
    authorized_users commit_hash unauthorized spinner pattern username
""".split()


@pytest.mark.parametrize("name", FALSE_FRIENDS)
def test_a_false_friend_is_no_secrets_name(name):
    assert level_of(name) < BY_VALUE


@pytest.mark.parametrize(
    "text",
    [
        "password=%(password)s", "token=%s", "password={password}", "token: {{ token }}",
        "PASSWORD=${DB_PASSWORD}", "--password=$PASSWORD", "password: <hidden>",
        "password: ********", "(using password: YES)", "token = Token.objects.get(key=key)",
        "see http://localhost:8000.", "http://[::1]:8000", "http://x.example/@ann:x",
    ],
)  # fmt: skip
def test_what_stands_for_a_value_stays(text):
    assert scrubber.text(text) == text


BY_THEIR_VALUE = """
    token_count max_tokens token_type cookie_name password_changed_at code ticket
""".split()


@pytest.mark.parametrize("name", BY_THEIR_VALUE)
def test_some_names_decide_by_the_value(name):
    assert level_of(name) == BY_VALUE
    assert scrubber.tree({name: "bearer"}) == {name: "bearer"}
    assert scrubber.tree({name: "k9Zx81qQwErTyU77"}) == {name: FILTERED}


@pytest.mark.parametrize(
    "digits", ["1764291000000", "1234567890123456", "0000000000000000"]
)
def test_a_long_number_is_no_card(digits):
    assert not is_card(digits)
    assert scrubber.tree([int(digits), digits]) == [int(digits), digits]


TOKENS = [
    "4eC39HqLyjWDarjtT1zdp7dcAb",
    "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawQ",
    "user_ghp_Zq7xKw93VtLm42Rd8sYbQe5TnJ6uHa1cFg0X",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "5d41402abc4b2a76b9719d911017c592",
    "wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY",
    "pbkdf2_sha256$600000$SaltSalt12$Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6",
    "$2b$12$KIXQjFmC0t1pY5xJ8Qh6UuW9q3v7z",
    "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9gZx1yK",
    "4111 1111 1111 1111",
    "5500-0000-0000-0004",
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "failed for {}", "/a/{}/b", "({})", "url?x={}&y=1", '"{}"']
)
def test_random_token_needs_no_name(token, around):
    found = scrubber.text(around.format(token))
    secret = token[-12:]  # what stands in front may say whose it is
    assert not any(secret[i : i + 6] in found for i in range(6)), found


@pytest.mark.parametrize(
    "value",
    [4111111111111111, 5500000000000004, "4111111111111111", 4111111111111111.0],
)
def test_card_number_is_a_secret_of_any_type(value):
    assert scrubber.tree({"paid": value}) == {"paid": FILTERED}


@pytest.mark.parametrize(
    ("tree", "kept"),
    [
        ({"cmd": ["pg_dump", "--password", "hunter2", "shop"]}, ["pg_dump", "--password", FILTERED, "shop"]),
        ({"cmd": ["tool", "--token=hunter2"]}, ["tool", f"--token={FILTERED}"]),
        ({"cmd": ["tool", "--pin", 4711, "x"]}, ["tool", "--pin", FILTERED, "x"]),
        ({"cmd": ["tool", "--password", "--all"]}, ["tool", "--password", "--all"]),
        ({"cmd": ["tool", 5, "--password"]}, ["tool", 5, "--password"]),
        ({"cmd": ["/usr/bin/mysql", "-phunter2", "shop"]}, ["/usr/bin/mysql", f"-p{FILTERED}", "shop"]),
        ({"cmd": ["mysql", "-p", "hunter2", "-v"]}, ["mysql", "-p", FILTERED, "-v"]),
        ({"cmd": ["mysql", "--protocol=tcp"]}, ["mysql", "--protocol=tcp"]),
        ({"cmd": ["curl", "-u", "ann:hunter2", "x"]}, ["curl", "-u", FILTERED, "x"]),
        ({"cmd": ["curl", "--user=ann:hunter2", "x"]}, ["curl", f"--user={FILTERED}", "x"]),
        ({"cmd": ["psql", "-p", "5432"]}, ["psql", "-p", "5432"]),
        ({"cmd": ["ls", "-phunter2"]}, ["ls", "-phunter2"]),
    ],
)  # fmt: skip
def test_argument_list_in_a_tree(tree, kept):
    assert scrubber.tree(tree) == {"cmd": kept}


@pytest.mark.parametrize("key", ["commit", "sha256", "etag"])
def test_digest_of_data_stays(key):
    digest = "9f86d081884c7d659a2feaa0c55ad015"
    assert scrubber.tree({key: digest, "x": digest}) == {key: digest, "x": FILTERED}


def test_release_stays_however_random_it_looks():
    release = "Zq7xKw93VtLm42RdSbQe"
    text = f"{release} and Lm42RdSbQeZq7xKw93Vt"
    assert Scrubber(release=release).text(text) == f"{release} and {FILTERED}"


def test_memory_of_names_starts_again_when_it_is_full(monkeypatch):
    monkeypatch.setattr(Names, "CACHED", 2)
    own = Scrubber()
    text = "password=x1 code=5 colour=red token=y2 password=z3"
    expected = "password=* code=5 colour=red token=* password=*"
    assert own.text(text) == expected.replace("*", FILTERED)
    names = Names()
    assert [names.level(name) > 0 for name in ("pin", "a", "b", "c", "pin")] == [
        *(True, False, False, False, True),
    ]


@pytest.mark.parametrize("key", ["name", "key", "field", "header"])
def test_rows_of_name_and_value(key):
    row = {key: "X-Api-Key", "value": "hunter2"}
    assert scrubber.tree([row]) == [{key: "X-Api-Key", "value": FILTERED}]


@pytest.mark.parametrize(
    "text",
    [
        # In other languages and scripts.
        *("lösenord=Basilikum42", "adgangskode: Basilikum42", "hasło=Basilikum42"),
        *("şifre=Basilikum42", "heslo: Basilikum42", "salasana=Basilikum42"),
        *("пароль: Basilikum42", "ПАРОЛЬ=Basilikum42", "密码\uff1aBasilikum42"),
        *(
            '{"パスワード": "Basilikum42"}',
            "비밀번호=Basilikum42",
            "κωδικός=Basilikum42",
        ),
        # In brackets behind its noun, and compared in code.
        *("wrong password (Basilikum42)", "Password [Basilikum42] is short"),
        *("password <Basilikum42> refused", "password != 'Basilikum42'"),
        'secret !== "Basilikum42"',
        # XML-RPC.
        "<member><name>password</name><value><string>Basilikum42</string></value>",
        # Commands.
        *("unrar x -pBasilikum42 a.rar", "pdftotext -upw Basilikum42 a.pdf"),
        *("pdftoppm -opw 'Basilikum42' a.pdf", "openssl enc -k Basilikum42 -in a"),
        "['openssl', 'enc', '-k', 'Basilikum42']",
    ],
)
def test_secret_is_found_behind_more_names_and_signs(text):
    kept = scrubber.text(text)
    assert "Basilikum42" not in kept
    assert FILTERED in kept


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("CVV 123", "123"),
        ("ssn 078-05-1120 is taken", "078-05-1120"),
        ("Social Security Number 078051120", "078051120"),
        ("4111.1111.1111.1111", "1111"),
        ("4111_1111_1111_1111", "1111"),
        ("de89370400440532013000", "370400440532013000"),
        ("gb29 nwbk 6016 1331 9268 19", "6016"),
    ],
)
def test_number_of_a_card_an_account_or_a_person(text, secret):
    assert secret not in scrubber.text(text)


@pytest.mark.parametrize(
    "text",
    [
        "{'token': [ErrorDetail(string='This field is required.', code='required')]}",
        "password: Ensure this field has no more than 128 characters.",
        "password (optional)",
        "password [required]",
        "def login(password: str | None = None) -> Token | None:",
        "if password != password2:",
        'if token != "":',
        'if token == "":',
        "cvv 12 px",
        "version 2024.1101.1200.0001",
        "kommando de12abcd",
        "hasOwner=True",
        "the_slow_query=3",
        "has_loaded: yes1",
        "kode_order=A12345",
    ],
)
def test_text_without_a_secret_stays(text):
    assert scrubber.text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Entities of HTML as separators and as quotes.
        ("password&#61;Zq7xKw93 end", "password&#61;* end"),
        ("password: &quot;a\\&quot;b", "password: *"),
        # Braces of a connection string, and what only looks like one.
        ("password={a b} ;", "password=* ;"),
        # Nothing behind the separator.
        ("key: ,", "key: ,"),
        ("password: ;", "password: ;"),
        ('["--password", 5]', '["--password", 5]'),
        # Several words or codes.
        ("mail password: abcd efgh ijkl mnop ok", "mail password: * ok"),
        ("password: must be longer\nx=1", "password: must be longer\nx=1"),
        ("A=1\npassword=Zq7xKw93Vt user=ann\n", "A=1\npassword=* user=ann\n"),
        ("backup codes: 12345678, 23456789", "backup codes: *"),
        ("recovery codes: 1234-5678, 2345-6789, and so on", "recovery codes: *, and so on"),
        ("tokens: a1b2c3d4, e5f6g7h8", "tokens: *"),
        # A form in quotes, which may have spaces in its values.
        ("data='user=ann&password=Ann Lee&'", "data='user=ann&password=*&'"),
        ("data='?user=ann&password=Ann Lee&'", "data='?user=ann&password=* Lee&'"),
        ("data='user=ann&password=Ann\n", "data='user=ann&password=*\n"),
        # Names that are too long to be read whole, or written in an encoding.
        ("a" * 300 + "_password=Zq7xKw93", "a" * 300 + "_password=*"),
        ("%FFpassword=hunter2", "%FFpassword=*"),
        ("%E2%82%AC=5x", "%E2%82%AC=5x"),
        # Names with the words before them, and a verb without its subject.
        ("a copy of key: Zq7xKw93Vt4Lm", "a copy of key: *"),
        ("password mail to: ann", "password mail to: ann"),
        ("is: x", "is: x"),
        # Names that decide by the form of the value.
        ("key: !x [abc]", "key: !x [abc]"),
        ("?code=abc12", "?code=abc12"),
        ("?state=a1b2c3d4", "?state=*"),
        ("A=1\nkey=Zq7xKw93\nB=2", "A=1\nkey=*\nB=2"),
        ("access: " + "Zq7xKw93Vt" * 12 + " x", "access: * x"),
        # A row whose value comes before its name, with a quoted word between.
        ("{'value': 'hunter2', 'data', 'name': 'password'}", "{'value': *, 'data', 'name': 'password'}"),
        ('{user, "ann"}', '{user, "ann"}'),
        (
            'form-data; name="title"\n\nx\n--b\nform-data; name="pin"\n\n4711\n--b--',
            'form-data; name="title"\n\nx\n--b\nform-data; name="pin"\n\n*\n--b--',
        ),
        # Addresses.
        ("=x.org@lists.example.org", "=[email]"),
        ("a10-0-0-1.example.org", "a10-0-0-1.example.org"),
        # What databases quote.
        ("Failing row contains (1, a", "Failing row contains (*"),
        ("INSERT INTO a (x) VALUES (1)", "INSERT INTO a (x) VALUES (1)"),
        ("INSERT INTO t (token) VALUES x", "INSERT INTO t (token) VALUES x"),
        # Values on the next line, in cells, in elements.
        ("password:\nZq7xKw93Vt\n", "password:\n*\n"),
        ("<td>password</td> x", "<td>password</td> x"),
        ("<pin>hunter2</pin> </", "<pin>*</pin> </"),
        # Places of credentials.
        ("https://x/a:b@c", "https://x/a:b@c"),
        ("mailto:ann@example.org", "mailto:[email]"),
        ("Password for ann: none", "Password for ann: none"),
        # Cards of pages are none of a bank.
        ("card_header=a1b2c3", "card_header=a1b2c3"),
        # Random words behind words.
        ("words-for-a-prefix-Zq7xKw93VtLm42RdSbQe==", "words-for-a-prefix-*"),
    ],
)  # fmt: skip
def test_rare_text_becomes_exactly_this(text, expected):
    assert scrubber.text(text) == expected.replace("*", FILTERED)


def test_quotes_around_an_address_stay():
    text = "{'ann@example.org': (550, b'no such user'), \"o'brien@example.org\": 1}"
    assert scrubber.text(text) == "{'[email]': (550, b'no such user'), \"[email]\": 1}"


@pytest.mark.parametrize("limit", [20, 200, 1_000])
@pytest.mark.parametrize("before", range(0, 40, 3))
def test_secret_at_the_cut_is_not_kept_in_part(limit, before):
    secret = "Zq7xKw93VtLm42Rd" * 3
    for text in (
        f"{'x' * (limit - before)} postgres://app:{secret}@db/x",
        f"{'x ' * ((limit - before) // 2)}password={secret}",
        f"{'x ' * ((limit - before) // 2)}{secret}",
    ):
        assert "Zq7xKw" not in scrubber.text(text, limit)


EVIL = [
    "key=",
    "]key=",
    "code: f(",
    "value=name=pw ",
    "<pw></",
    "form-data; name=",
    'form-data; name="pw"\n\n',
    "'code': [",
    "pw=['A bcdefgh ij.', ",
    "1.1.1.1 ",
    "a=a=",
    '\\"',
    "('pw','x'],",
    "key:x ",
    "a1B2",
    "::",
    "\\",
    "\\\\\"pw='",
    "pw=\\",
    "machine a login ",
    "a:5432:b:c:d ",
    "*:*:*:a:",
    "a/b@c:1/",
    "sqlplus a/b ",
    "USER a\nPASS ",
    "334 a\n",
    "a1 LOGIN b c ",
    "net use \\\\ /user:a ",
    "password for a ",
    "password is now set changed ",
    "password has been ",
    "code de ab ",
    "{pw, '",
    "pw=>\n string(1) ",
    "pw={",
    "pw={}}",
    "x=1;pw={",
    "&quot;pw&quot;:&quot;\\",
    "a&pw=",
    "'pw=a b&",
    "contrase\\xf1a",
    "\\xc3\\xb1a",
    "a\\u00f1b",
    "sp_password ",
    "hashpw('",
    "requirepass ",
    "a=b.c@d ",
    "a@b.c%2E",
    "%C3%BC@a.",
    "1-2-3-4.a.",
    "1.2.3.4.in-addr.arpa ",
    "a.b.c.d.e.f.0.1.ip6.arpa",
    "2001%3A",
    "[password] => ",
    "pw: !!a ",
    "password 'x' is ",
    '""pw"": ""',
    "a=a=a=",
    "((((",
    '"\\"\\"',
    "1234567",
    "-----BEGIN",
    "-----BEGIN A-----",
    '{"a":{"b":[',
    "pw=a&",
    "pw=(",
    "pw='a ",
    "password ",
    "://a:",
    "a@",
    "a@b.c ",
    "token    ",
    "mysql -p ",
    "<pw>a</b>",
    "<a ",
    "a%3D",
    '"name": "pw", ',
    '"value": "x", ',
    "1::2 ",
    "a:b:",
    "ailing row contains (",
    "Key (a)=(",
    "INSERT a (password) VALUES (",
    "code=(",
    "uplicate entry 'a' for key 'b' ",
    "cookie: a=",
    "pw:\n",
    "-x ",
    "--pw 'a ",
    "/a1",
    "$2b$a",
    "4111 ",
    "['pw',",
    "value=(",
    "token\\",
    "{SHA}abc",
    "curl -u ",
    "cookies: <",
    "token%25",
    "--a ",
    "name=",
    "&lt;pw&gt;",
    "key=[",
    "'pw','",
    "| pw | x |\n",
    "|pw|",
    "| ",
    "|",
    "-|",
    "\u2502 pw ",
    "+--",
    "pw\tx\n",
    "pw\t",
    "a,pw\n1,2\n",
    "pw,",
    "a;pw;",
    "WIFI:P:a;",
    "WIFI:P:a",
    "WIFI:P:\\;",
    "> PASS a\n",
    "PASS ",
    "PASS a\n",
    "pw - a1b2\n",
    "pw - ",
    "a: a ",
    "USER a\n",
    "a1 login b c\n",
    "AUTH PLAIN abcd",
    "AUTH PLAIN ",
    "otpauth-migration://",
    "otpauth-migration://offline?data=",
    "recovery codes:\n",
    "pw:\n1234-5678\n",
    "pw:\n1234 ",
    "codes de a: b",
    "pws: 1234-5678, ",
    "['openssl', '-k', 'x', ",
    "['openssl', ",
    '[\\"mysql\\",\\"-p\\",',
    "htpasswd -b ",
    "docker login -p",
    "docker login ",
    '{pw, "x", ',
    "{'pw', 'x'",
    "code code code de ",
    "code de verification: ",
    'password "a',
    "securitycode",
]


@pytest.mark.parametrize("evil", EVIL)
def test_time_is_linear_in_the_text(evil):
    """Eight times the text may take 32 times as long on a busy machine; a square would take 64 times."""
    text = (evil * 20_000)[:20_000]
    took = [min(seconds_for(text * size) for _ in range(3)) for size in (1, 8)]
    assert took[1] < 32 * took[0] + 0.05


@pytest.mark.parametrize("sign", ["-", "\u2500", "-|", " |", "=", ": "])
def test_time_is_linear_in_a_line_of_a_table(sign):
    """The line is nearly one that only separates rows, to its last sign."""

    def line(length):
        return "pw|\n" + (sign * length)[:length] + "x|"

    took = [
        min(seconds_for(line(size)) for _ in range(3)) for size in (20_000, 160_000)
    ]
    assert took[1] < 32 * took[0] + 0.05


def seconds_for(text):
    start = time.thread_time()
    scrubber.text(text, len(text))
    return time.thread_time() - start
