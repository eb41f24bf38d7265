"""
Decides how surely a name stands before a secret: ``password``, ``clientSecret``.

A name is read word by word, so that ``author``, ``keyboard`` and ``status_code`` are
not taken for secrets. The words are those of OWASP's logging cheat sheet and of
Django's ``SafeExceptionReporterFilter``, in seven languages (English, German, French,
Spanish, Portuguese, Italian, Dutch) and in the usual short forms.

The module reads from top to bottom: the levels, the lists of words, then
``level_of()`` with one small function per rule.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# How sure a name is. A larger number includes what a smaller one means.
NO = 0
#: Secret if the value looks like a credential: ``code``, ``ticket``, ``token_type``.
BY_VALUE = 1
#: Secret as a key of a mapping or of a URL's query; in a text only by its value:
#: ``key``, ``access``.
AS_KEY = 2
#: Secret wherever it stands before a value.
ALWAYS = 3
#: Secret, and its value has several words: a seed phrase.
PHRASE = 4

#: Longer names are judged by their end, where the noun stands. A client may choose the
#: names in its query, so the cost of reading one needs a bound.
NAME_CHARS = 100


def words(text: str) -> frozenset[str]:
    """Return the words of *text*, for lists that people read and edit."""
    return frozenset(text.split())


def _any_of(text: str) -> re.Pattern[str]:
    """Return a pattern that finds each of the words of *text*."""
    return re.compile("|".join(text.split()))


# ---- Words that make a name secret ----

# Found anywhere in a name from which the separators were removed, so each has to be
# long enough that no other word contains it.
_ALWAYS_PARTS = _any_of(
    # Passwords and login data.
    "password passwd passwort passwrd passcode passphrase passwrt pswrd "
    "kennwort geheimnis geheimwort geheimzahl zugangsdaten zugangscode "
    "zugangsschluessel anmeldedaten motdepasse motpasse contrasen contrasin "
    "palavrapasse palavradepasse parolaordine parolasegreta paroladordine "
    "wachtwoord toegangscode inloggegevens "
    # Secrets, tokens, keys, sessions.
    "secret segredo segreto geheime credential credenc credenz identifiants "
    "token jeton apikey accesskey privatekey signingkey encryptionkey authkey "
    "licensekey sshkey cryptkey masterkey cookie csrf xsrf signature bearer "
    "jwt sessionid sessionkey sesskey sessid phpsess connectionstring connstr "
    # Second factors and single sign-on.
    "twofactor securitycode verificationcode einmalcode einmalkennwort "
    "sicherheitscode bestaetigungscode bestatigungscode verificatiecode "
    "beveiligingscode codeverifier samlresponse samlrequest samlart "
    "clientassertion "
    # Payment cards and numbers of a person.
    "creditcard debitcard cardnumber cardnum kreditkart kartennummer kartennr "
    "cartebancaire cartecredit cartacredito cartadicredito tarjetacredito "
    "tarjetadecredito numerotarjeta numerodetarjeta cartaocredito "
    "cartaodecredito numerocarte numerodecarte kaartnummer creditkaart "
    "mnemonic socialsecurity passportn authorization signedrequest "
    # API keys and private keys in other languages.
    "schluesselapi apischluessel apischlussel privaterschlussel "
    "privaterschluessel geheimerschlussel cleapi clavesecreta claveapi "
    "claveprivada chaveapi chavesecreta chavesegreta chaveprivada chiaveapi "
    "chiavesegreta chiaveprivata apisleutel privesleutel geheimesleutel "
    "kartenpruf securityanswer sicherheitsantwort "
    "clesecrete cleprivee accesstok refreshtok secretaccess sharedaccess "
    # The word for a password in more languages.
    "losenord adgangskode salasana lozinka"
)

# "Password", and what else says no less, in other scripts: names of a site's forms, and
# what its sentences speak of.
_IN_OTHER_SCRIPTS = _any_of(
    "парол секрет токен пинкод 密码 密碼 口令 密钥 密鑰 令牌 验证码 驗證碼 パスワード "
    "暗証番号 秘密鍵 トークン 비밀번호 암호 토큰 κωδικός συνθηματικό סיסמה סיסמא"
)
# Letters that have no accent to take off.
_WITHOUT_STROKE = str.maketrans("łŁøØıđĐ", "lLoOidD")

# Whole words of a name, secret wherever they stand.
_ALWAYS_WORDS = words(
    "pw pwd psw pswd pword passw pass psk tok tokens otp totp hotp pin pins cvv cvv2 "
    "cvc cvc2 csc ssn dsn iban salt secrets cred creds mdp motpasse senha senhas clave "
    "claves geheim contrasena passkey pincode codepin nip jws jwe cookies passwords "
    "card pan sas pkcs12 keytab htpasswd pgpass netrc geheimwort pac tan mtan salz "
    "losung palabraclave wpa psks seedphrase passes oauthtoken sessionid parola "
    "wachtwoorden passord kodeord heslo haslo jelszo sifre"
)

# Whole words that are secret as the key of a mapping or of a query. In prose they
# usually mean something else: "access", "private", "session".
_AS_KEY_WORDS = words(
    "auth oauth oauth2 authn authz authentication private access reset refresh session "
    "sessions sesion sessao sessione sessie sitzung sid sig sign signed key keys hash "
    "hmac seed pat verifier nonce_secret schluessel schlussel cle chave chiave llave "
    "sleutel nonce hashed digest_auth relaystate magic"
)

# Last words of names whose values are sometimes credentials: the value decides.
_BY_VALUE_WORDS = words(
    "code codes ticket tickets assertion challenge codigo codice link proof state "
    "credit karte grant invite verify license licence lizenz licencia licenca voucher"
)

# ``verification_code``: a word for a code, and what such codes are for.
_CODE_WORDS = words(
    "code codes codigo codigos codice codici number no num pins key keys"
)
_OF_CODES = re.compile(
    r"verif|secur|segur|sicur|sicher|securit|confirm|bestat|bestaet|backup|recover|"
    r"reset|access|auth|otp|user|onetime|unico|unique|usage|eenmal|einmal|login|logon|"
    r"mfa|2fa|tfa|sms|activat|aktiv|unlock|pairing|pass|pin|device|emergency|"
    r"wiederherst|recup|herstel|beveilig|zugang|acceso|acesso|accesso|acces|toegang|"
    r"oauth|exchange|tan|freischalt|ersatz|notfall|anmelde|inlog|scratch|secours"
    r"|confiden|conferm|connexion|inicio|uso"
)
# "Freischaltcode": the same in one word, as German and Dutch write it.
_CODE_IN_ONE_WORD = re.compile(r"(\w{3,60})codes?")
# What follows the noun in French, Spanish, Portuguese and Italian: "code de
# vérification", "clé privée". Such a word is read with those before it.
_FOLLOWS_NOUN = re.compile(
    r"verif|secur|segur|sicur|confirm|conferm|recup|acc?es|secours|confiden|connexion"
    r"|sesi|sess|uso$|uni[cq]|usag|usuari|activa|ativac|attiva|priv[ae]|secret|segret"
    r"|tempor|tempora|provis"
)
# ``card_number``: the same, but here the code's kind is the whole rest of the name.
_WHOLE_KINDS_OF_CODES = words("card cc security passport pass")

# ``recovery_phrase``: words for a secret of several words, and their kinds.
_PHRASE_WORDS = words(
    "phrase phrases words mnemonic mnemonics passphrase seedphrase frase frases"
)
_OF_PHRASES = re.compile(
    r"seed|recover|backup|secret|wallet|pass|mnemonic|semilla|recup|seme|semente|"
    r"wieder|herstel|ricup"
)

# "userpass", "dbpwd": short words that people glue to the end of a longer one.
_GLUED = ("pass", "pwd", "pw", "passw", "passwd", "psw", "token", "secret")

# "key" in other languages: what precedes it is the lock it is for.
_KEYS_ABROAD = words("schluessel schlussel cle chave chiave llave sleutel")

# ---- Words that make a name harmless ----

# ``primary_key``, ``sort_key``: keys that open nothing.
_KEYS_OF_DATA = words(
    "primary foreign sort cache unique public partition lookup dict group order "
    "natural translation message i18n field candidate composite index routing object "
    "map context idempotency row lang language json yaml config setting hot arrow "
    "enter return escape function shift pub sorting dedup dedupe grouping label parent "
    "child related through surrogate business join query route template missing "
    "unknown invalid duplicate wrong bad same external first last next previous any "
    "each other page item unexpected"
)

# ``commit_hash``: hashes of something public.
_HASHES_OF_DATA = words(
    "commit git content file image build release cache tree block url page query html "
    "css js asset bundle body source path perceptual geo data etag md5 sha sha1 sha256"
)

# ``card_title``: a card on a page.
_CARDS_OF_PAGES = words(
    "type brand count layout title width height view index class style dash dashboard "
    "html body header footer image list grid icon color colour position business"
)

# ``status_code``: codes that open nothing.
_CODES_OF_DATA = words(
    "status error err exit return response country postal post zip zipcode product "
    "currency language lang locale qr bar area http reason result promo discount color "
    "colour airport state region city item order source byte op key char machine type "
    "stop sql sqlstate errno iso department branch tax category"
)

# ``access_log``, ``reset_button``: beside another word, these are about something else
# than access to an account.
_SECRET_ONLY_ALONE = words("access reset refresh signed sign seed nonce magic")
# Unless the other word says that the value is what gives the access: ``access_url``.
_GIVES_ACCESS = words("url link uri id value")

# ``token_count``: what the word after the secret's makes of it is a number, a setting
# or a function, not a secret.
_ABOUT = words(
    "count counts type types length len limit limits endpoint ttl expires expire "
    "expiry expiration expired lifetime age max min policy policies field fields form "
    "forms label placeholder help validator validators hasher hashers required enabled "
    "disabled valid invalid verified changed updated created at on in rate rates ok "
    "status error errors strength present exists name names algorithm algorithms alg "
    "scheme schemes backend backends class classes model models serializer view views "
    "format version attempts retries attempt timeout duration engine domain path "
    "samesite secure httponly middleware file files stdin usage used total size limit "
    "level levels score date time timestamp method methods index position set needed "
    "missing template permission permissions group groups user users callback "
    "processor processors provider providers manager service factory storage handler "
    "parser generator checker test tests view viewset list detail page pages dialog "
    "icon color kind prefix suffix width height change changes rotation days hours "
    "minutes seconds store loader reader writer mode ratio budget window cost interval "
    "holder brand last4 exp year month flow server dir shell uid gid gecos"
)

# ``max_tokens``: the same for the first word.
_ABOUT_BEFORE = words(
    "num n max min total count prompt completion input output used remaining cached "
    "reasoning has is no needs requires allow allows with without show hide min next "
    "expected unexpected vocab special per"
)

# Ordinary words that contain a part of a secret's name: "compass" contains "pass".
_FALSE_FRIENDS = re.compile(
    r"tokeni[sz]|secretar|secretion|passeng|compass|bypass|trespass|encompass|surpass|"
    r"overpass|underpass|passiv|passage|passion|passport(?!n)|design|cookiecutter|"
    r"cookiebanner|cookieconsent|cookiepolicy|cookielaw|discard|cardinal|cardiff|"
    r"cardio|wildcard|scorecard|flashcard|vcard|postcard|dashboardcard|"
    r"authoris?e?d?users?$|authorship|coauthor|hashtag|hashmap|hashable|pinterest|"
    r"wordpass(?!w)|jetons?(?=queue)"
)

# ---- Reading a name ----

# A name without one of these is not read any further, so every new word of the lists
# above must contain one, or add its own. Most names of a site contain none, and this one
# search is all that they cost.
_HAS_ANY = re.compile(
    r"pass|pw|psw|psk|secret|segre|geheim|tok|key|auth|cred|sess|sesi|siti|sitz|cook|"
    r"csrf|xsrf|sig|card|carte|carta|karte|tarjeta|kaart|bear|jw[tse]|otp|pin|cv[vc]|"
    r"csc|ssn|dsn|iban|salt|salz|cod|ticket|saml|assert|mnemo|seed|phrase|frase|words|"
    r"verif|wort|woord|clave|senha|contras|sleutel|schl|chiave|chave|llave|cle|jeton|"
    r"mdp|mot|sid|pat|priv|acc|reset|refresh|link|hash|hmac|nonce|code|challenge|proof|"
    r"state|invite|licen|lizen|voucher|conn|factor|social|identifiants|zugang|anmelde|"
    r"inlog|toegang|beveilig|bestat|bestaet|sicher|relay|magic|grant|pan|nip|tan|wpa|"
    r"sas|losung|palab|palavra|parola|cartao|pkcs|keytab|pgpass|netrc|pac|credit|"
    r"numero|remember|answer|losenord|kode|salasana|heslo|haslo|jelszo|sifre|lozinka"
)
_SPLIT = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TAIL_DIGITS = re.compile(r"(?<=[a-z])\d{1,3}$")
_DASHES = {"-", " ", "."}
# As much as is read of a SCRUB_KEYS entry, and of a name compared with one.
_NORMALIZED_CHARS = 200


def normalize_key(key: str) -> str:
    """Return *key* in lower case with ``_`` between words: ``client_secret``."""
    text = _CAMEL.sub("_", key[-_NORMALIZED_CHARS:]).lower()
    for dash in _DASHES:
        text = text.replace(dash, "_")
    return text


class Names:
    """
    The shipped names and the project's own *extra* ones.

    Extra names are plain text and match anywhere in a name.
    """

    #: A site has few names and meets each many times. A client may choose names too, so
    #: there is a bound; beyond it the memory starts again from nothing.
    CACHED = 4_096

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self._extra = tuple(normalize_key(name) for name in extra if name)
        self._levels: dict[str, int] = {}

    def level(self, name: str) -> int:
        """Return how surely the value of *name* is secret: one of our constants."""
        level = self._levels.get(name)
        if level is None:
            level = self._judge(name)
            if len(self._levels) >= self.CACHED:
                self._levels.clear()
            self._levels[name] = level
        return level

    def _judge(self, name: str) -> int:
        if self._extra:
            normalized = normalize_key(name)
            for extra in self._extra:
                if extra in normalized:
                    return ALWAYS
        return level_of(name)


def level_of(name: str) -> int:
    """Return how surely the value of *name* is secret by the shipped words alone."""
    short = name[-NAME_CHARS:]
    lowered = short.lower()
    if not lowered.isascii():
        if _IN_OTHER_SCRIPTS.search(unicodedata.normalize("NFC", lowered)):
            return ALWAYS
        # "contraseña" is compared as "contrasena".
        short = without_accents(short)
        lowered = short.lower()
    if not _HAS_ANY.search(lowered.replace("_", "").replace("-", "")):
        return NO
    return _level_of_words(_words_of(short))


def without_accents(text: str) -> str:
    """Return *text* with the ASCII letters that its letters are made from."""
    decomposed = unicodedata.normalize("NFD", text).translate(_WITHOUT_STROKE)
    return "".join(char for char in decomposed if char.isascii())


def may_follow_noun(lowered: str) -> bool:
    """Return whether *lowered* may say of the noun before it what it is for."""
    return _FOLLOWS_NOUN.match(without_accents(lowered)) is not None


def _words_of(name: str) -> list[str]:
    """Return the words of *name* in lower case, without a number at their end."""
    found: list[str] = []
    for piece in _SPLIT.findall(name):
        words_of_piece = _CAMEL.sub(" ", piece).lower().split()
        found += [_TAIL_DIGITS.sub("", word) for word in words_of_piece]
    if len(found) == 1 and name.isupper():
        # In capitals a digit looks like the end of a word, as in camel case.
        return [_TAIL_DIGITS.sub("", name.lower().strip("_-"))]
    return found


def _level_of_words(parts: list[str]) -> int:
    joined = "".join(parts)
    level = NO
    if _ALWAYS_PARTS.search(_FALSE_FRIENDS.sub("-", joined)):
        level = ALWAYS
    for index, text in enumerate(parts):
        if text in _WORDS_WITH_RULES:
            level = max(level, _level_of_word(_word_at(parts, index)))
        elif _is_glued(text) or _is_code_in_one_word(text):
            # In no list, as most words are: only its end can say something.
            level = max(level, ALWAYS)
    if level >= AS_KEY and _is_about_a_secret(parts):
        # "token_count" is a number. A value that looks like a token still goes.
        return BY_VALUE
    return level


def _is_about_a_secret(parts: list[str]) -> bool:
    """Return whether the name says something of a secret, and is not its name."""
    if len(parts) == 1:
        return False
    if parts[0] in _ABOUT_BEFORE:
        return True
    last = parts[-1]
    is_secret = last in _ALWAYS_WORDS or _ALWAYS_PARTS.search(last)
    return last in _ABOUT and not is_secret


class _Word(NamedTuple):
    """One word of a name, and the words around it."""

    text: str
    before: str
    others: list[str]
    parts: list[str]
    is_last: bool


def _word_at(parts: list[str], index: int) -> _Word:
    before = ""
    if index > 0:
        before = parts[index - 1]
    others = parts[:index] + parts[index + 1 :]
    is_last = index == len(parts) - 1
    return _Word(parts[index], before, others, parts, is_last)


def _level_of_word(word: _Word) -> int:
    """Return what one *word* says about the whole name: the first rule that applies."""
    for rule in _RULES:
        level = rule(word)
        if level is not None:
            return level
    return NO


def _by_key(word: _Word) -> int | None:
    """``key`` at the end: its lock is the word before."""
    if not word.is_last or word.text not in {"key", "keys"}:
        return None
    if word.before in _KEYS_OF_DATA:
        return NO
    if word.others:
        return ALWAYS
    return AS_KEY


def _by_public_noun(word: _Word) -> int | None:
    """``commit_hash`` and ``card_title`` are no secrets."""
    if word.text in {"hash", "hashes"} and word.before in _HASHES_OF_DATA:
        return NO
    if word.text == "card" and not _CARDS_OF_PAGES.isdisjoint(word.others):
        return NO
    return None


def _by_phrase(word: _Word) -> int | None:
    if word.text in _PHRASE_WORDS and _OF_PHRASES.search("".join(word.parts)):
        return PHRASE
    return None


def _by_code(word: _Word) -> int | None:
    """``verification_code`` is a secret, ``status_code`` is not."""
    if word.text not in _CODE_WORDS or not word.others:
        return None
    for start in range(len(word.others)):
        # "X-One-Time-Code": the kind is "one" and "time" here, and stands behind "x".
        if _OF_CODES.match("".join(word.others[start:])):
            return ALWAYS
    if word.before in _CODES_OF_DATA:
        return NO
    if "".join(word.others) in _WHOLE_KINDS_OF_CODES:
        return ALWAYS
    return None


def _by_foreign_key(word: _Word) -> int | None:
    if word.text in _KEYS_ABROAD and word.others:
        return ALWAYS
    return None


def _by_whole_word(word: _Word) -> int | None:
    if word.text in _ALWAYS_WORDS:
        return ALWAYS
    return None


def _by_glued_end(word: _Word) -> int | None:
    if _is_glued(word.text):
        return ALWAYS
    return None


def _is_code_in_one_word(text: str) -> bool:
    found = _CODE_IN_ONE_WORD.fullmatch(text)
    return found is not None and _OF_CODES.match(found[1]) is not None


def _is_glued(text: str) -> bool:
    """Return whether a short secret word ends a longer one: ``userpass``, ``dbpwd``."""
    has_end = len(text) > 3 and text.endswith(_GLUED)
    return has_end and not _FALSE_FRIENDS.search(text)


def _by_key_word(word: _Word) -> int | None:
    if word.text not in _AS_KEY_WORDS:
        return None
    if word.text in {"key", "keys"}:
        # At the end of a name it was read above; elsewhere it says nothing.
        return NO
    is_beside_others = word.text in _SECRET_ONLY_ALONE and bool(word.others)
    if is_beside_others and _GIVES_ACCESS.isdisjoint(word.others):
        return NO
    return AS_KEY


def _by_value_word(word: _Word) -> int | None:
    if word.is_last and word.text in _BY_VALUE_WORDS:
        return BY_VALUE
    return None


# The order matters: the exceptions come before the lists that they are exceptions from.
_RULES: tuple[Callable[[_Word], int | None], ...] = (
    _by_key,
    _by_public_noun,
    _by_phrase,
    _by_code,
    _by_foreign_key,
    _by_whole_word,
    _by_glued_end,
    _by_key_word,
    _by_value_word,
)

# The lists that the rules look a word up in.
_WORDS_WITH_RULES = frozenset().union(
    words("hash hashes card"),
    _ALWAYS_WORDS,
    _AS_KEY_WORDS,
    _BY_VALUE_WORDS,
    _CODE_WORDS,
    _PHRASE_WORDS,
    _KEYS_ABROAD,
)
