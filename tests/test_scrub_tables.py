"""Secrets in tables: beside and below their names, however the table is drawn."""

from __future__ import annotations

import csv
import io

import pytest

from error_tracking.scrubbing.scrubber import FILTERED, Scrubber

scrubber = Scrubber()

NAMES = """
    password Password PASSWORD db_password DB_PASSWORD client_secret api_key
    Passwort Kennwort Geheimzahl Sicherheitscode Wiederherstellungscode
    contraseña clave senha PIN CVV wachtwoord
""".split()

PHRASES = """
    API key|Your password|One-time code|Security code
    Neues Passwort|Ihr Passwort|API-Schlüssel
    mot de passe|Code de vérification|Code confidentiel|Clé API|Clé secrète|Jeton d'accès
    código de seguridad|Código de un solo uso|Clave secreta|Clave de acceso
    código de verificação|Chave de API|codice di sicurezza|La tua password
""".replace("\n", "|").split("|")
PHRASES = [phrase.strip() for phrase in PHRASES if phrase.strip()]

# A word, a number and what people make of both.
VALUES = ["swordfish", "471123", "hunter2", "Zq7x-Kw93", "p@ss!"]


def markdown(rows, *, rule=True):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    if rule:
        lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def grid(rows):
    line = "+" + "------------+" * len(rows[0])
    body = ["|" + "|".join(f" {cell:<11}" for cell in row) + "|" for row in rows]
    return "\n".join([line, body[0], line, *body[1:], line])


def psql(rows):
    body = [" " + " | ".join(f"{cell:<11}" for cell in row) for row in rows]
    rule = "+".join("-" * 13 for _cell in rows[0])
    return "\n".join([body[0], rule, *body[1:], "(2 rows)"])


def unicode_lines(rows):
    body = ["│" + "│".join(f" {cell:<11}" for cell in row) + "│" for row in rows]
    rule = "├" + "┼".join("─" * 12 for _cell in rows[0]) + "┤"
    return "\n".join([body[0], rule, *body[1:]])


def rich(rows):
    head = "┃" + "┃".join(f" {cell:<11}" for cell in rows[0]) + "┃"
    rule = "┡" + "╇".join("━" * 12 for _cell in rows[0]) + "┩"
    body = ["│" + "│".join(f" {cell:<11}" for cell in row) + "│" for row in rows[1:]]
    return "\n".join([head, rule, *body])


def jira(rows):
    body = ["|" + "|".join(row) + "|" for row in rows[1:]]
    return "\n".join(["||" + "||".join(rows[0]) + "||", *body])


def with_tabs(rows):
    return "\n".join("\t".join(row) for row in rows)


def with_commas(rows):
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()


def with_semicolons(rows):
    return "\r\n".join(";".join(row) for row in rows)


DRAWN = [markdown, grid, psql, unicode_lines, rich]


@pytest.mark.parametrize("name", [*NAMES, *PHRASES])
@pytest.mark.parametrize("draw", DRAWN)
def test_cell_below_a_name(draw, name):
    for value in VALUES:
        text = draw([["user", name, "age"], ["ann", value, "30"], ["bob", value, "31"]])
        scrubbed = scrubber.text(text, 5_000)
        assert scrubbed.count(FILTERED) == 2
        assert scrubbed.replace(FILTERED, value) == text


@pytest.mark.parametrize(
    "name", [name for name in NAMES if len(name) > 3 and name.isascii()]
)
@pytest.mark.parametrize("draw", [jira, with_tabs, with_commas, with_semicolons])
def test_cell_below_a_field(draw, name):
    for value in VALUES:
        text = draw([["user", name, "age"], ["ann", value, "30"], ["bob", value, "31"]])
        scrubbed = scrubber.text(text, 5_000)
        assert value not in scrubbed
        assert "ann" in scrubbed
        assert "31" in scrubbed


ROWS = {
    "bars": "| {} | {} |",
    "narrow bars": "|{}|{}|",
    "bold and code": "| **{}** | `{}` |",
    "double bars": "|| {} || {} ||",
    "lines": "│ {} │ {} │",
    "box": "+-----+-----+\n| {} | {} |\n+-----+-----+",
    "tab": "{}\t{}",
    "several tabs": "host\tdb1\n{}\t{}\nport\t5432",
    "several bars": "| host | db1 |\n| {} | {} |\n| port | 5432 |",
    "header of values": "| Name | Value | Note |\n|---|---|---|\n| {} | {} | old |",
    "header abroad": "| Feld | Wert |\n|---|---|\n| {} | {} |",
    "number before": "| 7 | {} | {} |",
}


@pytest.mark.parametrize("name", [*NAMES, *PHRASES])
@pytest.mark.parametrize("row", ROWS)
def test_cell_beside_a_name(row, name):
    values = VALUES
    if row == "number before":
        # Three cells without a header: a word may be of any kind.
        values = VALUES[1:]
    # Behind "Clave", what has no space in it is read as a word with signs: it goes.
    is_glued = row in {"narrow bars", "bold and code"} and name == "Clave secreta"
    for value in values:
        text = ROWS[row].format(name, value)
        scrubbed = scrubber.text(text, 5_000)
        assert value not in scrubbed
        assert is_glued or scrubbed.replace(FILTERED, value) == text


HARMLESS = r"""
| password fields | 3 |
| Password | Required |
| Password | required |
| password | string | The password of the user |
| password | the new password |
| password | must have 8 characters |
| password | varchar(128) | NO | | NULL | |
| password | character varying(128) | | not null | |
| token count | 5 |
| token count | 4096 |
token count | 5
max_tokens | 4096
| primary_key | id |
| sort key | name |
| status code | 404 |
| author | ann |
| keyboard | us |
| PASS | test_login_works1 |
| pass | 12 |
| Passed | 12 | Failed | 3 |
PASS	shop/auth	0.3s
ok	shop/auth	0.3s
| token | IDENT |
| cookie | sessionid |
| Cookies | yes |
| password reset | user17 |
| Password reset | 17 times |
| invalid password | 17 |
| Missing token | 4711 |
| password | - |
| password | ******** |
| password | {password} |
| password | None |
| Passwort | ist erforderlich |
| mot de passe | est obligatoire |
| La contraseña | es demasiado corta |
echo password | sha256sum
cat secrets | base64 -d
grep password settings.py | wc -l
def check(password: str | None) -> bool | int:
password: str | bytes
token | None
kubectl get secrets | grep db2
if a | b or password is None:
SELECT a || password || b FROM users
the password is required	see the manual
	password is required
step	password	is checked
name, password, email
fields: name, password, email
user,name,email
choose user;password;email
""".strip("\n").splitlines()

HARMLESS_TABLES = [
    "| Password | Required |\n|---|---|\n| min length | yes |",
    "| Field | Type | Null |\n|---|---|---|\n| password | varchar(128) | NO |",
    "| Column | Type |\n|---|---|\n| password | text |\n| token | uuid |",
    "| Endpoint | Token |\n|---|---|\n| /login | no |\n| /orders | bearer |",
    "| Token | Meaning |\n|---|---|\n| IF | keyword |\n| ID | name |",
    "| Cookie | Purpose |\n|---|---|\n| sessionid | login |\n| lang | language |",
    "| Test | Result |\n|---|---|\n| test_password | PASS |\n| test_token | FAIL |",
    "| Result | Test |\n|---|---|\n| PASS | test_login2 |",
    "| Error code | Meaning |\n|---|---|\n| 1045 | access denied |",
    "| Step | Password |\n|---|---|\n| 1 | must be set |\n| 2 | is checked |",
    "| user | password |\n|---|---|\n| ann | [Filtered] |\n| bob | ******** |",
    "| user | password |\n|---|---|\n| ann | ✓ |\n| bob | ✗ |",
    "| user | password changed |\n|---|---|\n| ann | 2026-01-02 |",
    "| user | password hint |\n|---|---|\n| ann | first dog |",
    "| Model | max_tokens | tokens used |\n|---|---|---|\n| small | 4096 | 812 |",
    "| Passwort | Pflicht |\n|---|---|\n| min. Länge | ja |",
    "# Password\n\nThe password is required.\n",
    "## Recovery codes\n\nYou can print the codes.\n",
    "Password | Confirm\n\nBoth are required.",
    "name,email\nann,a1\nbob,b2",
    "The fields are\nname, password, email\nand nothing, really, else",
    "id\tname\n1\tann\n2\tbob",
    "PASS\ttest_one\nPASS\ttest_two\nFAIL\ttest_three",
    "token\tcount\nthe\t12\nand\t7",
    "a | b\n--+--\n1 | 2\n(1 row)",
]


@pytest.mark.parametrize("text", HARMLESS + HARMLESS_TABLES)
def test_table_without_a_secret_stays(text):
    assert scrubber.text(text, 5_000) == text


def test_secret_behind_many_lines_and_in_a_wide_table():
    rows = "".join(f"| row{number} | a | b |\n" for number in range(200))
    assert "swordfish" not in scrubber.text(f"{rows}\n| password | swordfish |", 9_000)
    wide = "| a " * 200 + "|\n| password | swordfish |"
    assert "swordfish" not in scrubber.text(wide, 9_000)


@pytest.mark.parametrize(
    "text",
    [
        "| password | two words |",
        "| password | swordfish | old |",
        "API key | 8fk2k9",
        "user, password\nann, swordfish",
        "PASS swordfish",
        "{password, swordfish}",
        '{user, "ann", password, "x"}',
        "Backup codes\n1234 5678",
        "X-PASSWORD;TYPE=home:swordfish",
    ],
)
def test_what_cannot_be_told_from_harmless_text_stays(text):
    assert scrubber.text(text) == text


@pytest.mark.parametrize("dash", ["-", "--", "\u2013", "\u2014"])
@pytest.mark.parametrize("name", NAMES + PHRASES)
def test_value_behind_a_dash_is_removed(name, dash):
    for value in ("471123", "hunter2", "p@ss!7"):
        for text in (
            f"{name} {dash} {value}",
            f"Hello Ann,\n{name} {dash} {value}\nRegards",
            f"Login failed: {name} {dash} {value}.",
            f"  * {name} {dash} {value}\n  * User {dash} ann",
        ):
            cleaned = scrubber.text(text)
            assert value not in cleaned
            assert cleaned == text.replace(value, FILTERED)


@pytest.mark.parametrize(
    "text",
    [
        "Password - required",
        "PIN \u2014 four digits",
        "Password reset - 12345 requests today",
        "2026-11-28 12:00:01 - INFO - password changed for user 471123",
        "password - must have 12 characters",
        "Token - 2026 edition",
        "Chapter 4: Passwords - 120 pages",
        "token count - 4711",
        "error code - 5012",
        "Error code \u2014 E5012",
        "zip code - 90210",
        "invalid password - 3021 attempts",
        "pip install - password2",
    ],
)
def test_headings_and_counts_behind_a_dash_stay(text):
    assert scrubber.text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "('password', 'varchar', False)",
        "('password', 'VARCHAR(128)', None, None)",
        '("password", "CharField", {"max_length": 128})',
        "ValidationError: ('password', 'too_short', {'min': 8})",
        "KeyError: ('password', 'user', 12)",
        "AlterField('token', 'key', 12)",
        '("token", "bearer", 3600)',
        '["token", "uuid", None]',
        '{"password", "min_length", 8}',
        "| API keys | 12 |\n| Users | 4 |",
        "| Name | Count |\n|---|---|\n| Password resets | 1234 |",
        "| Login tokens | 4200 |",
        "user_id,login_tokens,password_resets\n1,2,30",
        "password_reset,token_refresh\n1200,3100",
        "| step | took |\n|---|---|\n| password | 0.12s |",
        "| step | password | code |\n|---|---|---|\n| locked | correct | 423 |",
        "| Field | Done |\n|---|---|\n| password | ✅ |",
        "Step a1 login page ok",
        "a1 login attempt failed",
        "INFO a2 login page loaded",
        "220 passed in 3.1s\nPASS test_a",
        "331 tests collected\nPASS test_login",
        "request: PASS through",
        "command: PASS all",
        "Job client: PASS unit",
        "Missing secrets:\nDB1\nAWS2",
        "API keys:\nkey1\nkey2",
        "backup codes:\nthis that\nhave been\nused already",
        "Código de acceso: inválido",
        "Código de verificación: incorrecto",
        "Code d'accès : refusé",
        "Freischaltcode: ungültig",
        "codice di conferma: scaduto",
        "Jira: Change password - AB-1234",
        "metrics: api_keys - 1200",
        "API key - https://x.org/a1",
    ],
)
def test_what_only_looks_like_a_secret_stays(text):
    assert scrubber.text(text) == text
