"""Tells a secret in a sentence or in code from the next word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .ends import read_opened
from .keys import ALWAYS, AS_KEY, NAME_CHARS, NO, Names, words
from .values import FILTERED, Span, is_mixed, is_token_like

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMES = words(
    "bearer basic token digest apikey api-key negotiate hawk ntlm aws4-hmac-sha256 key "
    "plain oauth "
    "signature jwt sso-key"
)

# What follows a name in prose or in code, and is no value of it.
NO_VALUES = words(
    "none null nil yes true false undefined nan must is was are were be been being has "
    "have had too not no "
    "the it its a an cannot can could should required may might will would this that "
    "these those invalid "
    "expired missing optional str int bool bytes float list dict tuple set object any "
    "string integer "
    "boolean text number empty blank unset of for from with without in on at to and or "
    "if when because "
    "already does did do doesn't didn't isn't can't won't mustn't shouldn't please use "
    "using see your you we our by "
    "as only at least "
    "more less than ok okay unknown default failed error wrong incorrect mismatch "
    "changed reset type "
    "found sent created updated deleted revoked disabled enabled [filtered] filtered "
    "*** **** ***** "
    "****** ******** redacted hidden masked provided given supplied specified length "
    "contains field value "
    "ensure enter "
    "der die das ist le la est el es il non nicht pas charfield textfield emailfield "
    "varchar char duplicate "
    "ungültig falsch abgelaufen fehlt fehlgeschlagen erforderlich "
    "invalide incorrecte refusé refusée expiré expirée manquant manquante requis requise "
    "inválido inválida incorrecto incorrecta caducado caducada vencido requerido obligatorio "
    "incorreto incorreta expirado expirada obrigatório "
    "errato errata scaduto scaduta mancante richiesto "
    "ongeldig onjuist verlopen verplicht"
)

# What stands between a name and its value in a sentence, in the languages of the names:
# "is now", "lautet jetzt".
COPULAS = words(
    "is are was were now ist sind war lautet lauten heißt jetzt nun est sont était "
    "maintenant désormais "
    "es son era ahora é são agora è sono adesso ora luidt luiden nu"
)
# And what may stand before or behind: "has been changed to", "wurde geändert auf".
PARTICIPLES = words(
    "has have been will be set changed reset updated wurde wird geändert gesetzt a été "
    "sera changé modifié ha sido "
    "será cambiada foi alterada sarà stata cambiata werd wordt gewijzigd ingesteld"
)
TO = words("to as zu auf à en para su in naar op")

IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*+")

QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*+)\"|'((?:[^'\\]|\\.)*+)'")

SENTENCE = re.compile(r"[A-Z«¡¿][^\"\n]{8,400}[.!?»]")

LAST_WORD = re.compile(r"[\w-]+\Z")

#: What stands for a value in templates, formats and shells: ``%(password)s``,
#: ``{token}``, ``$PASSWORD``.
PLACEHOLDER = re.compile(
    r"%(?:\([a-zA-Z_]{1,60}\))?[a-z](?!\w)|\{[a-zA-Z_.]{0,60}\}|\{\{[^{}\n]{0,100}\}\}"
    r"|\$[A-Z_]{2,60}(?!\w)|"
    r"\$\{[A-Za-z_]{1,60}\}|\$\([^()\n]{0,200}\)|<[a-z_ ]{2,40}>"
)

# The nouns of ``_PHRASE_OF_NOUN``, as short as tells them.
_NOUN_PARTS = (
    *("pass", "pw", "wort", "contrase", "senha", "wacht", "parola", "clave", "pin "),
    *("otp ", "tan ", "secret", "token", "key", "bearer", "basic", "code", "digo d"),
    *("codice d", "session", "credential", "identified", "cv", "geheimzahl"),
    *("ssn", "social sec"),
)


def has_noun(lowered: str) -> bool:
    """Return whether *lowered* may have a noun that a secret follows."""
    for part in _NOUN_PARTS:  # noqa: SIM110
        # A generator would cost more than the search
        if part in lowered:
            return True
    return False


_VERBS = "|".join(sorted(COPULAS | PARTICIPLES | {"to", "auf", "zu", "naar"}))
# Each alternative begins with a letter, not with a group: so the search skips to one of
# these letters.
_PHRASE_OF_NOUN = re.compile(
    r"(pass(?:word|wd|code|phrase|wort)?|pwd|kennwort|contrase[n\u00f1]a|senha"
    r"|wachtwoord|mot de passe|parola|"
    r"geheimzahl|palavra-passe|clave|pincode|"
    r"c[o\u00f3]digo d[aei] \w{3,20}|codice d[aei] \w{3,20}|code d[aei] \w{3,20}|"
    r"pin|otp|tan|secret|token|api[ _-]?key|key|bearer|basic|code|session(?: id| key)?"
    r"|credentials?|"
    r"identified(?: with \w{1,40})? (?:by|as)|encrypted password|security code"
    r"|verification code|cvv|cvc)"
    rf"\\*[\"'`]?\s++(?:(?:for|of|f\u00fcr|von|pour|de|para|per|di|voor"
    rf"|van)\s\S{{1,80}}\s(?=(?:{_VERBS}|=)\s))?"
    rf"(?:(?:{_VERBS}|=)\s{{1,9}}+){{0,4}}+"
    r"[(\[<{]?(\\*[\"'`](?=[^\s\"'`])|[^\s\"'`(){}\[\]<>]{4,400}+)"
)

_LOOSE_NOUNS = (
    "tok",
    "key",
    "code",
    "codi",
    "c\u00f3di",
    "sess",
    "secret",
    "auth",
    "bearer",
    "basic",
    "api",
)

_DOTTED = re.compile(r"[A-Za-z_]+(?:[._-][A-Za-z_]+)*[.,:;-]?")


# More than any text of a site has; each costs some microseconds. What comes behind
# so many goes unread.
MOST_NOUNS = 30


def phrases(text: str, lowered: str, names: Names) -> Iterator[Span]:
    """
    Yield what prose puts right behind a secret's name.

    ``password 'x'``, ``IDENTIFIED BY 'x'``.
    """
    if "(" in lowered:
        yield from _calls(text, lowered, names)
    if ":" in lowered:
        yield from _answers(lowered)
    if "cv" in lowered or "ssn" in lowered or "social" in lowered:
        for number in _NUMBER.finditer(lowered):
            yield (*number.span(1), FILTERED)
    left = MOST_NOUNS
    for found in _PHRASE_OF_NOUN.finditer(lowered):
        left -= 1
        if left < 0:
            yield found.start(2), len(text), FILTERED
            return
        start = found.start()
        if start and not _is_name_before(text, start, found.end(1), names):
            continue
        first = found.start(2)
        end = found.end(2)
        if text[end - 1] in "\"'`":
            quoted = read_opened(text, first)
            if quoted is None:
                continue
            end = quoted[1]
        if _is_said(found[1], text[first:end], names):
            value = text[first:end]
            yield first, first + len(value.rstrip(",.;:)\"'")), FILTERED


#: Numbers of a card and of a person, which have no letters: ``CVV 123``.
_NUMBER = re.compile(
    r"\b(?:cv[vc]2?|ssn|social security (?:number|no\.?))\s{1,3}(?:is )?"
    r"([0-9]{3,4}|[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4})(?![\w-])"
)

#: A question for a password, and what was answered: ``Password for ann: x``, ``Password
#: (again): x``.
_PROMPT = re.compile(
    r"(?:pass(?:word|phrase|wort)|kennwort|contrase\u00f1a|senha|wachtwoord"
    r"|mot de passe|clave)"
    r"(?: (?:for|of|f\u00fcr|pour|para|per|voor|von|de) (?:key )?[^\s:]{1,80}"
    r"| \([^()\n]{1,40}\))"
    r" ?: ?([^\s:][^\s]{0,200})"
)


def _answers(lowered: str) -> Iterator[Span]:
    """Yield what was typed where a password was asked for."""
    for prompt in _PROMPT.finditer(lowered):
        value = prompt[1].rstrip(",.;:)\"'")
        start = prompt.start(1)
        if value and value.strip("\"'") not in NO_VALUES:
            yield start, start + len(value), FILTERED


#: ``SecretStr('x')``, ``make_password('x')``, SQL's ``PASSWORD('x')``.
_CALL = re.compile(
    r"\b(?:(?:old_|make_|set_|check_|hash_)?password|secret(?:str|bytes)"
    r"|hashpw)\(b?(?=[\"'])"
)


def _calls(text: str, lowered: str, names: Names) -> Iterator[Span]:
    """Yield the first argument of functions that take a password."""
    position = 0
    while call := _CALL.search(lowered, position):
        position = call.end()
        found = read_opened(text, position)
        if found is None:
            continue
        position = found[1]
        bare = text[found[0] : found[1]].strip("\"'")
        is_text = PLACEHOLDER.fullmatch(bare) or SENTENCE.fullmatch(bare)
        if bare and not is_text and not is_field_name(bare, names):
            yield (*found, FILTERED)


def _is_name_before(text: str, start: int, end: int, names: Names) -> bool:
    """
    Return whether the noun from *start* to *end* is a word of its own.

    Or the end of a longer secret's name.
    """
    before = text[start - 1]
    is_glued = before == "-" and start > 1 and text[start - 2].isalnum()
    if before in "-=/." and not is_glued:
        return False
    if before.isalnum() or before in "_-":
        word = LAST_WORD.search(text, max(0, start - NAME_CHARS), end)
        return word is not None and names.level(word[0]) >= ALWAYS
    return True


def _is_said(noun: str, value: str, names: Names) -> bool:
    """Return whether *value* behind *noun* is a secret, not just the next word."""
    bare = value.strip("\\\"'`,.;:)(")
    if bare.lower() in NO_VALUES or value.startswith("-"):
        return False
    if noun in SCHEMES:
        has_sign = any(char in "0123456789=._-" for char in bare[:200])
        return has_sign and len(bare) >= 8 and not _DOTTED.fullmatch(bare)
    is_lock = not noun.startswith(_LOOSE_NOUNS)
    if value[:1] in "'\"`\\" and is_lock:
        return not is_field_name(bare, names)
    return is_token_like(bare) or (is_lock and is_mixed(bare))


_CODE_OWNERS = words(
    "self cls request settings os environ config conf env form kwargs args data params "
    "options obj user "
    "instance validated_data cleaned_data serializer response session headers super "
    "getpass django "
    "secrets"
)

_IDENTIFIERS = re.compile(r"(?:[a-z_][\w.]*+(?:=[a-z_][\w.]*+)?(?:\(\))?(?:,\s?)?)*+")


def is_code(value: str, name: str, names: Names) -> bool:
    """
    Return whether *value* is an expression that names its source.

    Such an expression has no text of its own in it.
    """
    found = IDENTIFIER.match(value)
    if found is None:
        return False
    path = found[0].rstrip(".")
    rest = value[found.end() :].rstrip(",;:")
    root = path.partition(".")[0]
    if not rest:
        return path == name or _leads_to_secret(path, names)
    is_subscript_or_call = rest[0] in "(["
    is_plain_path = path.replace(".", "").replace("_", "").isalnum()
    if not is_subscript_or_call or not is_plain_path:
        return False
    texts = [double or single for double, single in QUOTED.findall(rest)]
    if texts:
        # os.environ["SECRET"], request.POST.get("password")
        has_source = root in _CODE_OWNERS or root == "getenv"
        return has_source and all(is_field_name(each, names) for each in texts)
    if any(map(str.isdigit, rest)) or rest[-1] not in ")]":
        return False
    has_keyword_only = "=" in rest and "." not in path
    return not has_keyword_only and _IDENTIFIERS.fullmatch(rest[1:-1]) is not None


def _leads_to_secret(path: str, names: Names) -> bool:
    """Return whether *path* is an attribute that has a secret: ``self.password``."""
    if "." not in path or any(map(str.isdigit, path)):
        return False
    root = path.partition(".")[0]
    last = path.rpartition(".")[2]
    return root in _CODE_OWNERS or names.level(last) >= AS_KEY


def is_field_name(text: str, names: Names) -> bool:
    """
    Return whether *text* is itself a secret's name, and no value.

    Such as that of a form's field or of an environment variable.
    """
    has_only_letters = text.replace("_", "").replace("-", "").isalpha()
    # People use these two as passwords.
    is_itself_a_value = text.lower() in {"secret", "pass"}
    if has_only_letters and not is_itself_a_value and names.level(text) > NO:
        return True
    return text.isidentifier() and text.isupper() and "_" in text
