"""
Finds secrets by their place: in a URL before its host, in a call, in a protocol's line.

They have no name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .ends import read_opened
from .keys import words
from .values import FILTERED, Span, is_mixed, is_token_like

if TYPE_CHECKING:
    from collections.abc import Iterator


def nameless_spans(text: str, *, is_cut: bool) -> Iterator[Span]:
    """
    Yield the secrets of *text* that only their place gives away.

    *is_cut* says that a longer text begins so.
    """
    if "://" in text:
        yield from _url_passwords(text, is_cut=is_cut)
        if "otpauth-" in text:
            for export in _AUTHENTICATOR_EXPORT.finditer(text):
                yield export.start(1), export.end(1), FILTERED
    if ":" in text:
        if "P:" in text and _WIFI_SIGN.search(text):
            yield from _wifi_passwords(text)
        if "@" in text:
            yield from _bare_passwords(text)
        if text.count(":") > 3:
            yield from _pgpass_spans(text)
    if "uth" in text or "AUTH" in text or "ookie" in text or "Morsel" in text:
        yield from _credentials(text)
    if "LOGIN" in text or "PASS " in text or "334 " in text:
        yield from _dialogues(text)
    if " login " in text:
        yield from _typed_logins(text)
    if "pw " in text or "pass " in text:
        yield from _directives(text)
    if "/" in text and ("@" in text or _has_oracle_tool(text)):
        yield from _oracle_spans(text)
    if "machine" in text or "default" in text:
        yield from _netrc_spans(text)


#: ``auth=('ann', 'x')``, ``HTTPBasicAuth('ann', 'x')``, ``authenticate(request, 'ann',
#: 'x')``.
_AUTH_CALL = re.compile(
    r"[Aa]uth\w{0,20}=?\((?:\w{1,40}, ?)?b?([\"'])[^\"'\n]{0,100}\1, ?(?=b?[\"'])"
)

#: What ``http.cookiejar`` and ``http.cookies`` print, and ``AUTH x`` of Redis and SMTP.
_COOKIE = re.compile(r"<(?:Cookie |Morsel: )[^=>\s]{1,100}=([^>]*?)(?= for |;|>)")

_AUTH_COMMAND = re.compile(
    r"\bAUTH[\"']?,? (?:[\"']?[A-Za-z]{1,40}[\"']?,? )?(\"[^\"\n]{4,200}\""
    r"|'[^'\n]{4,200}'|[^\s\"']{6,200})"
)


def _credentials(text: str) -> Iterator[Span]:
    """Yield credentials without a name, by where code and protocols have them."""
    for call in _AUTH_CALL.finditer(text):
        found = read_opened(text, call.end())
        if found:
            yield (*found, FILTERED)
    for cookie in _COOKIE.finditer(text):
        yield cookie.start(1), cookie.end(1), FILTERED
    for command in _AUTH_COMMAND.finditer(text):
        if is_mixed(command[1]):
            yield command.start(1), command.end(1), FILTERED
    for answer in _SASL.finditer(text):
        if _is_base64(answer[1]):
            yield answer.start(1), answer.end(1), FILTERED


#: ``AUTH`` of SMTP and POP3, ``AUTHENTICATE`` of IMAP and IRC, with what proves who it
#: is (RFC 4954, RFC 9051): Base64 of any letters.
_SASL = re.compile(
    r"AUTH(?:ENTICATE)? [\"']?"
    r"(?:PLAIN|LOGIN|XOAUTH2?|OAUTHBEARER|EXTERNAL|NTLM|GSSAPI|CRAM-MD5|DIGEST-MD5"
    r"|SCRAM-SHA-\d{1,3}(?:-PLUS)?)[\"']?,? [\"']?([A-Za-z0-9+/]{4,2000}+=*+)"
)


def _is_base64(value: str) -> bool:
    """Return whether *value* is no word and no other mechanism: ``AUTH PLAIN LOGIN``."""
    if len(value) % 4:
        return False
    letters = value.rstrip("=")
    is_word = letters.islower() or letters.isupper() or letters.istitle()
    return not is_word or letters != value


#: What an authenticator app exports: the keys of all accounts, in one parameter.
_AUTHENTICATOR_EXPORT = re.compile(
    r"otpauth-migration://[^\s?]{0,100}\?data=([^\s\"'<>&]++)"
)

#: What a QR code has that connects a telephone: ``WIFI:S:name;T:WPA;P:password;;``. A
#: backslash stands before a sign that is the value's own.
_WIFI_SIGN = re.compile(r"\bWIFI:(?=[A-Z]\w{0,3}:)", re.IGNORECASE)
_WIFI_FIELD = re.compile(r"([A-Za-z]\w{0,3}):((?:[^;\\\n]|\\.)*+)(?:;|(?=\n)|\Z)")


def _wifi_passwords(text: str) -> Iterator[Span]:
    position = 0
    while sign := _WIFI_SIGN.search(text, position):
        position = sign.end()
        while field := _WIFI_FIELD.match(text, position):
            position = field.end()
            if field[1] in {"P", "p"} and field[2]:
                yield field.start(2), field.end(2), FILTERED


_SCHEME = re.compile(r"://")

_USERINFO = re.compile(r"[^\s/?#@<>\"]*+")

_RUN_TO_SPACE = re.compile(r"(?:(?!://)[^\s<>])*+")

_PORT = re.compile(r":\d{1,5}(?:[/?#\s\"',;)\]}>]|\Z)")


def _url_passwords(text: str, *, is_cut: bool) -> Iterator[Span]:
    """
    Yield the user information of URLs (RFC 3986, 3.2.1).

    Whatever signs the password has in it.
    """
    for scheme in _SCHEME.finditer(text):
        start = scheme.end()
        run = _RUN_TO_SPACE.match(text, start)
        end = run.end() if run else start
        last = _at_sign(text, start, end)
        if last < 0:
            if _is_open_password(text, start, end):
                # Of a URL that the cut split, or whose host somebody left out.
                is_split = is_cut and end == len(text)
                if is_split or is_mixed(text[text.find(":", start) + 1 : end]):
                    yield start, end, FILTERED
            continue
        head = _USERINFO.match(text, start)
        name_end = text.find(":", start, last)
        if name_end < 0:
            user = text[start:last]
            if "/" not in user and (is_token_like(user) or len(user) > 20):
                yield start, last, FILTERED
            continue
        if "/" in text[start:name_end] or "?" in text[start:name_end]:
            continue  # the "@" is one of the path's
        if head and _PORT.match(text, name_end):
            continue
        yield start, last, FILTERED


_URL_END = re.compile(r"[\"'](?=[,)\]}])|\",|',")


def _at_sign(text: str, start: int, end: int) -> int:
    """Return where the "@" before the host is: the last one, if any before a query."""
    closing = _URL_END.search(text, start, end)
    if closing:
        end = closing.start()
    query = text.find("?", start, end)
    if query >= 0:
        before = text.rfind("@", start, query)
        if before >= 0:
            return before
    return text.rfind("@", start, end)


def _is_open_password(text: str, start: int, end: int) -> bool:
    """
    Return whether the text ends within what may be a password.

    Its "@" was then not read.
    """
    colon = text.find(":", start, end)
    if colon < 0 or "/" in text[start:colon]:
        return False
    return not _PORT.match(text, colon) and end - colon > 6


USERINFO_CHARS = 260

_BARE_USERINFO = re.compile(
    r"(?<![\w.+/:@%-])([\w.+-]{1,64}+):([^\s:@/\"'<>,]{3,200}+)\Z"
)

_ADDRESS_SCHEMES = frozenset(
    ("mailto", "sip", "sips", "xmpp", "acct", "im", "email", "mail")
)

_HOST_BEGINS = re.compile(r"[A-Za-z0-9\[]")

_HAS_DOT = re.compile(r"[\w-]{1,63}\.")


def _bare_passwords(text: str) -> Iterator[Span]:
    """Yield name and password before a host without a scheme: ``user:x@site``."""
    at = text.find("@")
    last = 0
    while at >= 0:
        found = _BARE_USERINFO.search(text, max(last, at - USERINFO_CHARS), at)
        if found and _HOST_BEGINS.match(text, at + 1):
            is_address = found[1].lower() in _ADDRESS_SCHEMES
            is_local = not is_mixed(found[2]) and not any(map(str.isdigit, found[2]))
            if not is_address and not (is_local and _HAS_DOT.match(text, at + 1)):
                yield found.start(1), at, FILTERED
        last = at + 1
        at = text.find("@", last)


#: ``machine x login y password z`` of .netrc, in any order, on one line or several.
_NETRC = re.compile(
    r"\b(?:machine\s+\S+\s+(?=(?:login|account|password)\s)|default\s+(?=login\s))"
)
_NETRC_PAIR = re.compile(
    r"\s*+(?:(password|account)|login)\s++(\"(?:[^\"\\\n]|\\.)*+\"|\S++)"
)


def _netrc_spans(text: str) -> Iterator[Span]:
    position = 0
    while entry := _NETRC.search(text, position):
        position = entry.end()
        while pair := _NETRC_PAIR.match(text, position):
            position = pair.end()
            if pair[1]:
                yield pair.start(2), pair.end(2), FILTERED


#: ``host:port:database:user:password`` of .pgpass; "*" stands for any, a backslash
#: before ":".
_PGPASS = re.compile(
    r":(\d{2,5}|\*):(?:\\.|[^:\s\\/]){1,64}:(?:\\.|[^:\s\\/]){1,64}:(?=[^\s:])"
)
_PGPASS_HOST = re.compile(r"(?<![^\s\"'=(\[])(?:\\:|[\w.*/-])++\Z")
_SOURCE_FILE = re.compile(r"\.[a-z]{1,5}\Z")
_PGPASS_END = re.compile(r"\n|\\n|[\"'](?=[,)\]}\s]|\Z)")
HOST_CHARS = 255


def _pgpass_spans(text: str) -> Iterator[Span]:
    is_named = "pgpass" in text.lower()
    position = 0
    while line := _PGPASS.search(text, position):
        position, start = line.end(), line.start()
        host = _PGPASS_HOST.search(text, max(0, start - HOST_CHARS), start)
        if host is None:
            continue
        # "shop/views.py:1200:error:E501:line too long" is of a linter,
        # "cache:11211:stats:items:7" of a counter.
        is_server = line[1] == "*" or len(line[1]) > 3
        is_path = "/" in host[0] and host[0][0] != "/"
        is_source = is_path or _SOURCE_FILE.search(host[0])
        is_number = text[position : position + 4].strip().isdigit()
        if is_named or (is_server and not is_source and not is_number):
            end = _PGPASS_END.search(text, position)
            last = end.start() if end else len(text)
            yield position, last, FILTERED
            position = last


#: Oracle's ``user/password@service``, also ``user[proxied]/"pass word"``.
_ORACLE = re.compile(
    r"/(\"[^\"\n]{1,128}\"|[^\s@/\"'(),;<>]{1,128}+)(?=(@)|[\s\"';]|\Z)"
)
_ORACLE_USER = re.compile(r"(?<![\w./@\\-])[A-Za-z][\w$#]{0,30}(?:\[\w{1,30}\])?\Z")
ORACLE_USER_CHARS = 70
_ORACLE_BEFORE = re.compile(
    r"(?:\b(?:sqlplus|sqlcl|sqlldr|expdp|impdp|exp|imp|rman|conn|connect|target"
    r"|catalog|auxiliary|userid=?)"
    r"(?:\s+-\w+)*\s*[\"']?|jdbc:oracle:\w{1,10}:)\Z",
    re.IGNORECASE,
)
_ORACLE_TOOLS = ("sqlplus", "sqlcl ", "sqlldr ", "expdp ", "impdp ", "rman ", "conn ")
_ORACLE_SERVICE = re.compile(r"@(?://|[\w.-]{1,255}:\d{2,5}/)")
_ORACLE_MESSAGE = re.compile(r"\b(?:ORA|TNS|DPI|DPY|SP2)-\d{4,5}\b")
ORACLE_COMMAND_CHARS = 60


def _has_oracle_tool(text: str) -> bool:
    for tool in _ORACLE_TOOLS:  # noqa: SIM110
        # A generator would cost more than the search
        if tool in text:
            return True
    return False


def _oracle_spans(text: str) -> Iterator[Span]:
    is_message = _ORACLE_MESSAGE.search(text) is not None
    has_tool = _has_oracle_tool(text)
    for found in _ORACLE.finditer(text):
        if not (found[2] or has_tool):
            continue
        slash = found.start()
        first = max(0, slash - ORACLE_USER_CHARS)
        user = _ORACLE_USER.search(text, first, slash)
        if user is None:
            continue
        start = user.start()
        is_of_command = _ORACLE_BEFORE.search(
            text, max(0, start - ORACLE_COMMAND_CHARS), start
        )
        is_of_service = found[2] and (
            is_message
            or found[1][0] == '"'
            or _ORACLE_SERVICE.match(text, found.end(1))
        )
        if is_of_command or is_of_service:
            yield found.start(1), found.end(1), FILTERED


#: What clients of IMAP and FTP send: ``a1 LOGIN ann x``, ``USER ann``, ``PASS x``.
_LOGIN = re.compile(
    r"(?:\b[A-Za-z]{0,5}\d{1,5}|(?<![^\s>\"'])[.*])"
    r" LOGIN [\"']?[\w.@+-]{1,100}[\"']? (\"[^\"\n]{1,200}\""
    r"|[^\s\"'\\]{1,200})"
)
_PASS = re.compile(
    r"[\"']PASS ([^\"'\n\\]{1,200})"
    r"|\bUSER [^\n]{1,200}+\n(?:[^\n]{0,200}+\n)??[>\s]{0,3}PASS ([^\n]{1,200}+)"
)
#: The answer to SMTP's "334", in Base64: as ``smtplib`` prints what it sends, and on a
#: line of its own.
_ANSWER = re.compile(
    r"(?:\bsend: b?[\"']|\b334 [^\n]{0,100}+\n)([A-Za-z0-9+/]{4,200}+={0,2})(?=\\r"
    r"|[\"'\s]|\Z)"
)


#: The same in small letters, as people type it: the tag is a number of "a" then, and
#: nothing follows.
_TYPED_TAG = re.compile(r"(?<![^\s>\"'])a\d{1,5}\Z")
_TYPED_LOGIN = re.compile(
    r" login [\"']?[\w.@+-]{1,100}[\"']? "
    r"([^\s\"'\\]{1,200}+)[\"']?(?=\s*+(?:\\r|\n|\Z))"
)
TAG_CHARS = 7
#: "Step a1 login page ok"
_OF_LOGIN_PAGES = words(
    "ok loaded works opened shown tested again page form screen failed failure succeeded "
    "successful passes passed fails times out"
)
#: ``PASS x`` alone on the rest of its line, behind what a client's log has before a
#: command. Test runners write "PASS" and a name too.
_PASS_LINE = re.compile(r"PASS ([^\s\"'\\]{1,200}+)(?=[ \t\r]*+(?:\n|\\[rn]|\Z))")
_CLIENT_BEFORE = re.compile(
    r"(?:(?:\A|[\n>])[ \t]{0,8}(?:>|-->|---->|<--|<<|C:)"
    r"|\b(?:ftps?|ftplib|pop3?|poplib|irc)\b[^\n:>]{0,12}[:>]) ?\Z",
    re.IGNORECASE,
)
#: Or what a test runner may have before it as well: only what is no word counts then.
_SOMETHING_SENT = re.compile(
    r"\b(?:client|command|cmd|sent|send|sending|request)\b[^\n:>]{0,12}[:>] ?\Z",
    re.IGNORECASE,
)
CLIENT_CHARS = 40
#: How far it is looked for what a dialogue has.
DIALOGUE_CHARS = 2_000
#: What such a dialogue has on its other lines: a name, an answer.
_DIALOGUE_LINE = re.compile(
    r"^[ \t]{0,8}(?:[<>CS:-]{1,5} ?)?"
    r"(?:(?:USER|NICK) \S"
    r"|(?:220|230|331|530)[ -](?!(?:tests?|items?|passed|failed|collected)\b)\S"
    r"|\+OK\b)",
    re.MULTILINE,
)


def _dialogues(text: str) -> Iterator[Span]:
    for pattern in (_LOGIN, _PASS):
        for found in pattern.finditer(text):
            group = 1 if found[1] else 2
            yield found.start(group), found.end(group), FILTERED
    if "PASS " in text:
        yield from _lines_of_clients(text)
    asked = text.find("334 ")
    if asked >= 0:
        for answer in _ANSWER.finditer(text, asked):
            yield answer.start(1), answer.end(1), FILTERED


def _typed_logins(text: str) -> Iterator[Span]:
    for login in _TYPED_LOGIN.finditer(text):
        if login[1].lower() in _OF_LOGIN_PAGES:
            continue
        at = login.start()
        if _TYPED_TAG.search(text, max(0, at - TAG_CHARS), at):
            yield login.start(1), login.end(1), FILTERED


def _lines_of_clients(text: str) -> Iterator[Span]:
    is_dialogue = _DIALOGUE_LINE.search(text[:DIALOGUE_CHARS]) is not None
    for line in _PASS_LINE.finditer(text):
        start = line.start()
        if text[start - 1 : start].isalnum():
            continue
        first = max(0, start - CLIENT_CHARS)
        is_sent = is_dialogue or _CLIENT_BEFORE.search(text, first, start)
        if not is_sent and is_mixed(line[1]):
            is_sent = _SOMETHING_SENT.search(text, first, start)
        if is_sent:
            yield line.start(1), line.end(1), FILTERED


#: Lines of configuration whose names are no words: ``requirepass x``, ``bindpw x``.
_DIRECTIVE = re.compile(
    r"\b(?:requirepass|masterauth|(?:bind|root|rootdn|olcroot|admin|user|db|ldap|smtp"
    r"|store|key)(?:pw|pass))[ \t]+"
    r"(\"[^\"\n]{1,200}\"|[^\s\"'=:]\S{0,200})",
    re.IGNORECASE,
)


def _directives(text: str) -> Iterator[Span]:
    for found in _DIRECTIVE.finditer(text):
        yield found.start(1), found.end(1), FILTERED
