"""Secrets in lists of arguments, tuples, labels, protocols and lists of codes."""

from __future__ import annotations

import json

import pytest

from error_tracking.scrubbing.scrubber import FILTERED, Scrubber

scrubber = Scrubber()

COMMANDS = [
    "openssl enc -k {}",
    "openssl enc -K {}",
    "openssl rsa -in k.pem -passin pass:{}",
    "openssl pkcs12 -passout pass:{} -out k.p12",
    "mysql -uroot -p{} shop",
    "/usr/bin/mysqldump -u root -p{} shop",
    "mariadb -p{}",
    "sudo mysql -p {}",
    "curl -u ann:{} https://shop.example",
    "curl -uann:{} https://shop.example",
    "curl --user ann:{} https://shop.example",
    "sshpass -p {} ssh shop.example",
    "sshpass -p{} ssh shop.example",
    "redis-cli -a {} ping",
    "docker login -u ann -p {} registry.example",
    "zip -P {} a.zip b",
    "unzip -P {} a.zip",
    "7z x -p{} a.7z",
    "htpasswd -b users ann {}",
    "ldapsearch -D cn=ann -w {}",
    "smbclient //host/share -U ann%{}",
    "gpg --batch --passphrase {} -d a.gpg",
    "keytool -list -storepass {}",
]


def as_json_in_json(words):
    return json.dumps(json.dumps(words))


LISTS = {
    "json": json.dumps,
    "dense json": lambda words: json.dumps(words, separators=(",", ":")),
    "json on lines": lambda words: json.dumps(words, indent=2),
    "json in json": as_json_in_json,
    "repr": repr,
    "repr of a tuple": lambda words: repr(tuple(words)),
    "error": lambda words: f"Command '{words}' returned non-zero exit status 1.",
    "process": lambda words: f"CompletedProcess(args={words}, returncode=1)",
    "repr on lines": lambda words: repr(words).replace(", ", ",\n "),
}


@pytest.mark.parametrize("value", ["x7qq", "swordfish", "Zq7x-Kw93!"])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", LISTS)
def test_argument_in_a_list(form, command, value):
    words = command.format(value).split()
    scrubbed = scrubber.text(LISTS[form](words), 5_000)
    assert value not in scrubbed
    assert words[0].rpartition("/")[2] in scrubbed


@pytest.mark.parametrize("option", ["-p", "-P"])
def test_argument_with_spaces_goes_to_its_end(option):
    command = "mysql" if option == "-p" else "zip"
    text = json.dumps([command, option, "x 7qq zz", "b"])
    assert scrubber.text(text) == json.dumps([command, option, FILTERED, "b"])


TUPLES = [
    '{{{}, "{}", 1}}',
    '{{{}, "{}", [], []}}',
    '{{:{}, "{}", 1}}',
    '{{:{},"{}",true}}',
    '{{{}, <<"{}">>}}',
    '{{{}, <<"{}"/utf8>>, 1}}',
    '[{{user, "ann"}}, {{{}, "{}", 1}}]',
    "{{'{}', '{}', 1}}",
    '{{"{}", "{}", null}}',
    "('{}', '{}', 1)",
    "('{}', '{}', None, True)",
    '["{}", "{}", 1]',
    '["{}","{}",{{"age": 30}}]',
]


@pytest.mark.parametrize("value", ["q", "swordfish", "hunter2", "two words"])
@pytest.mark.parametrize("name", ["password", "api_key", "passwort", "senha", "token"])
@pytest.mark.parametrize("form", TUPLES)
def test_second_of_several_items(form, name, value):
    text = form.format(name, value)
    scrubbed = scrubber.text(text)
    assert f'{value}"' not in scrubbed
    assert f"{value}'" not in scrubbed
    assert FILTERED in scrubbed


LABELS = """
código de seguridad|codigo de verificación|Código PIN|contraseña|clave|PIN|senha
clave de acceso|clave secreta|clave temporal|código de acceso|código de confirmación
código de un solo uso|código de inicio de sesión|token de acceso|código OTP
número secreto|códigos de recuperación|Nueva contraseña
mot de passe|code de sécurité|code de vérification|code secret|code confidentiel
code à usage unique|code de connexion|code de récupération|codes de secours|code d'accès
clé API|clé secrète|clé privée|jeton d'accès|Nouveau mot de passe
Sicherheitscode|Passwort|Kennwort|Geheimzahl|Einmalpasswort|Bestätigungscode
Zugangscode|Freischaltcode|Aktivierungscode|Wiederherstellungscode|Anmeldecode
Wiederherstellungscodes|Ersatzcodes|Notfallcodes|Sicherungscodes|Kartenprüfnummer
Sicherheitsantwort|API-Schlüssel|PIN-Code|TAN
código de segurança|código de verificação|chave de API|palavra-passe|senha de acesso
codice di sicurezza|codice di verifica|codice di conferma|codice segreto|chiave API
wachtwoord|beveiligingscode|verificatiecode|inlogcode|herstelcode|pincode
recovery code|backup codes|one-time code|security answer|scratch codes
""".strip().replace("\n", "|")


@pytest.mark.parametrize("label", LABELS.split("|"))
@pytest.mark.parametrize(
    "form", ["{}: {}", "{} : {}", "Hallo, {}: {}. Merci", "{} = {}", "Votre {}: {}"]
)
def test_label_before_a_code(form, label):
    for name in (label, label.lower(), label.upper()):
        text = form.format(name, "471123")
        assert scrubber.text(text) == text.replace("471123", FILTERED)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("WIFI:S:net;T:WPA;P:secret7;;", "secret7"),
        ("WIFI:T:WPA;S:mynetwork;P:swordfish;;", "swordfish"),
        ("WIFI:P:sword\\;fish and;S:net;;", "fish and"),
        ('WIFI:S:"net";T:WPA;P:"sword fish";H:true;;', "sword fish"),
        ("scanned wifi:S:net;P:swordfish;;", "swordfish"),
        ("WIFI:T:WPA2-EAP;S:n;E:PEAP;I:ann;PH2:MSCHAPV2;P:swordfish;;", "swordfish"),
        ("WIFI:S:net;P:swordfish", "swordfish"),
        ("> PASS swordfish", "swordfish"),
        ("<-- PASS swordfish", "swordfish"),
        ("---> PASS swordfish\r\n<--- 230 ok", "swordfish"),
        ("C: PASS swordfish", "swordfish"),
        ("DEBUG ftp: PASS swordfish\r\n", "swordfish"),
        ("irc client sent: PASS swordfish", "swordfish"),
        ("NICK ann\nPASS swordfish\nUSER ann", "swordfish"),
        ("331 Password required\nPASS swordfish", "swordfish"),
        ("+OK ready\nPASS swordfish\n-ERR no", "swordfish"),
        ("AUTH PLAIN AGFubgB4N3Fx", "AGFubgB4N3Fx"),
        ("C: AUTH PLAIN YWFhYWFhYWFh", "YWFhYWFhYWFh"),
        ("AUTH LOGIN c3dvcmRmaXNoYQ==", "c3dvcmRmaXNo"),
        ("a1 AUTHENTICATE PLAIN YWFhYWFhYWFh", "YWFhYWFhYWFh"),
        ("AUTHENTICATE PLAIN AGFubgB4N3Fx", "AGFubgB4N3Fx"),
        ("a1 LOGIN ann swordfish", "swordfish"),
        ("a1 login ann swordfish", "swordfish"),
        ("C: . LOGIN ann swordfish", "swordfish"),
        ("otpauth://totp/Shop:ann?secret=JBSWY3DP&issuer=Shop", "JBSWY3DP"),
        ("otpauth-migration://offline?data=CjEKCkhlbGxvIAAA", "CjEKCkhlbGxvIAAA"),
        ("otpauth-migration://offline?data=CjE%2BCkhl%3D", "Ckhl"),
        (
            "BEGIN:VCARD\nKEY;ENCODING=b:MIICajCCAdOgAwIBAgICBEUwDQ\nEND:VCARD",
            "MIICajCC",
        ),
        ("BEGIN:VCARD\nX-PASSWORD:swordfish\nEND:VCARD", "swordfish"),
    ],
)
def test_secret_of_a_protocol_or_a_link(text, secret):
    scrubbed = scrubber.text(text)
    assert secret not in scrubbed
    assert FILTERED in scrubbed


@pytest.mark.parametrize("chars", [200, 990, 1_010, 1_500, 3_000])
@pytest.mark.parametrize("form", ['password "{}"', "the password is '{}'", 'PIN "{}"'])
def test_quoted_value_of_any_length_goes_to_its_end(form, chars):
    text = form.format("ab cd " * (chars // 6) + "end")
    scrubbed = scrubber.text(text + " and more", 5_000)
    assert "ab cd" not in scrubbed
    assert "end" not in scrubbed
    assert scrubbed.endswith(" and more")


CODES = {
    "numbers": ["12345678", "23456789", "34567890"],
    "groups": ["1234-5678", "2345-6789", "3456-7890"],
    "letters": ["abcde-fghij", "klmno-pqrst", "uvwxy-zabcd"],
    "mixed": ["a1b2c-d3e4f", "b1b2c-d3e4g", "c1b2c-d3e4h"],
    "spaces": ["1234 5678", "2345 6789", "3456 7890"],
}
TITLES = """
Recovery codes:|Backup codes:|Your backup codes are:|Codes de récupération :
Wiederherstellungscodes:|Códigos de recuperación:|Códigos de recuperação:
""".strip().replace("\n", "|")


@pytest.mark.parametrize("before", ["", "  ", "- ", "* ", "  • ", "1. "])
@pytest.mark.parametrize("title", TITLES.split("|"))
@pytest.mark.parametrize("kind", CODES)
def test_codes_below_a_title(kind, title, before):
    lines = "\n".join(before + code for code in CODES[kind])
    for text in (f"{title}\n{lines}", f"{title}\n\n{lines}\n\nKeep them safe."):
        scrubbed = scrubber.text(text)
        assert not [code for code in CODES[kind] if code in scrubbed], scrubbed
        assert title in scrubbed
        assert ("Keep them safe." in text) == ("Keep them safe." in scrubbed)


@pytest.mark.parametrize("between", [", ", ",", "; ", " "])
@pytest.mark.parametrize("kind", ["numbers", "groups", "mixed"])
def test_codes_on_a_line(kind, between):
    text = f"recovery codes: {between.join(CODES[kind])}"
    scrubbed = scrubber.text(text)
    assert not [code for code in CODES[kind] if code in scrubbed], scrubbed


HARMLESS = r"""
PASS: 12 tests
PASS tests/test_login.py
PASS test_login
--- PASS: TestLogin (0.00s)
result: PASS test_login
Status: PASS test_login
12 passed, 3 failed
250-AUTH PLAIN LOGIN
250-AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2
AUTH PLAIN mechanism not supported
AUTH LOGIN failed
AUTHENTICATE PLAIN rejected by server
CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN
a1 NO LOGIN failed
a1 OK LOGIN completed
step 1 login ann failed
v2 login page works
test1 login user fails
USER ann
331 Please specify the password.
530 Login incorrect.
WIFI: connected to net
WIFI:disconnected
wifi: P: 3 of 4
no wifi; P:3
otpauth is a scheme
BEGIN:VCARD
["openssl", "version"]
["mysql", "--version"]
["curl", "-X", "POST", "https://shop.example"]
["docker", "run", "-p", "8000:8000", "web"]
["python", "manage.py", "-v", "2"]
['git', 'push', '-u', 'origin', 'main']
["redis-cli", "ping"]
["zip", "-r", "a.zip", "b"]
{"password", "email", "name"}
{'password', 'email'}
('password', 'email', 'name')
["password", "email", "name"]
{:password, "is too short", []}
{:password, "can't be blank", [validation: :required]}
{:password, "must be longer", 8}
{user, "ann", 1}
{ok, "done", 1}
{name, "Ann", 30}
fields = {"password", "token"}
código de estado: 404
código de error: 1045
código postal: 28001
code postal : 75001
code d'erreur : 1045
code de retour : 137
Statuscode: 404
Fehlercode: 1045
Barcode: 4711
Unicode: 1234
Quellcode: siehe unten
Postcode: 80331
opcode: 137
codice di errore: 1045
codice di stato: 404
código de usuario: ann
La seguridad: importante
sécurité : élevée
acceso: denegado
accès : refusé
confirmación: pendiente
vérification : en cours
uso: manage.py migrate
usage: manage.py migrate
Sicherheit: hoch
privé : oui
secret santa: ann
Status codes: 200, 404
Error codes: 1045, 2003
country codes: DE, FR
the recovery codes are on the next page
backup codes are required
Token count is: 812 of 4096
the password is required
le mot de passe est obligatoire
das Passwort ist erforderlich
la contraseña es obligatoria
Le code de vérification est expiré
Der Sicherheitscode ist abgelaufen
El código de seguridad ha caducado
Bestätigungscode wurde gesendet
código de verificación enviado
""".strip().splitlines()

HARMLESS_TEXTS = [
    "Error codes:\n1045\n2003",
    "Status codes:\n200\n404\n500",
    "Recovery codes:\nYou can print the codes.\nKeep them safe.",
    "Recovery codes\n==============\n\nThey are shown once.",
    "PASS tests/a.test.js\nPASS tests/b.test.js\nTests: 2 passed",
    "test_login ... PASS\ntest_logout ... PASS",
    "The password is required.\n\n- at least 8 characters\n- a number",
    "Prices:\n1234\n2345",
    "Orders:\n1234-5678\n2345-6789",
]


@pytest.mark.parametrize("text", HARMLESS + HARMLESS_TEXTS)
def test_text_without_a_secret_stays(text):
    assert scrubber.text(text, 5_000) == text
