"""
The pattern of a message: its words, with kinds in the place of values.

"order 17 not found" and "order 18 not found" are one error, so numbers, identifiers,
paths and quoted values are replaced. What says which error it is stays: error codes,
HTTP statuses, and names of columns, modules or attributes, also in quotes.

The pattern of a pattern is itself, for log lines are read more than once.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus

MESSAGE_CHARS = 1_000
PATTERN_CHARS = 300
# Lists in lists, objects in objects: what is nested deeper is hardly ever printed.
NESTED_LISTS = 10
NESTED_OBJECTS = 3
# Characters around a value that say what it is.
NEARBY_CHARS = 32
# Messages whose pattern is remembered: the format strings of a project's log calls.
REMEMBERED = 512

#: What tools put into the names that they generate: functions, classes, constraints.
GENERATED = re.compile(
    r"0x[0-9a-f]{4,}|(?=[0-9a-f]{0,40}\d)[0-9a-f]{8,40}|\d{4,40}", re.IGNORECASE
)

# Text in which there is nothing to replace: most messages of a project's own.
_WORDS_ONLY = re.compile(r"[A-Za-z ,.;:!?]*")
_MIXED_CASE = re.compile(r"[a-z][A-Z]")

# --- what is kept

_IDENTIFIER = re.compile(r"[A-Za-z_][\w.${}-]{0,80}")
#: Words before a quoted name of the project's code or set-up.
_NAMED_THINGS = "|".join(
    (
        "algorithm|app|application|argument|attribute|backend|charset|class|codec",
        "collation|column|command|constraint|converter|database|dependency|directive",
        "driver|encoding|engine|exchange|extension|field|filter|for key",
        "format|function",
        "import name|index|installed app|key field|keyword|library|lookup|method",
        "middleware|migration|model|module|module named|namespace|operator|option",
        "package|parameter|plugin|procedure|property|queue|relation|reverse for",
        "routing key|schema|sequence|setting|table|template|trigger|variable|view",
    )
)
#: Words after one.
_SAID_OF_NAMES = "|".join(
    (
        "attribute|object has no|object does not|object is not|object cannot",
        "has no attribute",
        "codec can|setting|is not a registered|is not a valid view|is not defined",
        "is not installed|is not callable|column|table|module|middleware|field",
        "backend|relation|is an invalid keyword|is not supported between",
    )
)
_BEFORE_A_NAME = re.compile(rf"\b(?:{_NAMED_THINGS})s?:? $", re.IGNORECASE)
_AFTER_A_NAME = re.compile(rf" (?:{_SAID_OF_NAMES})", re.IGNORECASE)
_BUILT_IN = frozenset(
    {
        *("NoneType", "str", "int", "float", "bool", "bytes", "list", "dict", "tuple"),
        *("set", "datetime", "date", "Decimal"),
    }
)

_PHRASES = "|".join(re.escape(status.phrase) for status in HTTPStatus)
# "404 Client Error" of requests, "404 Not Found" of httpx, "404: Not Found" of urllib.
_AFTER_A_STATUS = re.compile(
    rf" (?:Client|Server) Error\b|(?:: |, message=['\"]?| )(?:{_PHRASES})\b"
)
_STATUS_AND_PHRASE = re.compile(rf"[1-5]\d\d (?:{_PHRASES})")
#: Words before an HTTP status, in small letters: "status code 503", "HTTP 404".
_STATUS_WORDS = (
    "http",
    "http error",
    "http code",
    "http response",
    "http/1.0",
    "http/1.1",
    "http/2",
    "status",
    "status code",
    "status-code",
    "status_code",
    "statuscode",
)
_BEFORE_AN_ANSWER = re.compile(
    r"\b(?:returned|responded(?: with)?|answered(?: with)?|replied(?: with)?) $"
)
_AFTER_AN_ANSWER = re.compile(r"[.,;:)\]]|\Z| (?:for|from|on|at|to|in|after|instead)\b")
#: Words before an error code: "errno 111", "error code: E1001", "SQLSTATE[23000]".
_CODE_WORDS = (
    "errno",
    "winerror",
    "sqlcode",
    "sqlstate",
    "exitcode",
    "exit code",
    "exit_code",
    "exit status",
    "signal",
    *(
        f"{word}{separator}{kind}"
        for word in ("return", "error", "result", "response", "reason", "close")
        for separator in (" ", "_", "-", "")
        for kind in ("code", "number", "no", "no.")
    ),
)
# What may stand between such a word and its code.
_JOINERS = " =:#(['\"-"
_CODE = re.compile(
    r"\b(?:errno|winerror|sqlcode|sqlstate|exit ?code|exit ?status|signal"
    r"|(?:return|error|result|response|reason|close|reply|fault)[ _-]?(?:code|number"
    r"|no\.?))"
    r"['\"]?(?:[ =:#(\[]{1,3}| is | was )['\"]?-?$"
    r"|\berror $|\bMsg $|\[[0-9A-Z]{5}\] \[$",
    re.IGNORECASE,
)
_CODE = re.compile(r"-?\d{1,5}|(?=[A-Z-]{0,11}\d)[A-Z0-9-]{2,12}")
# Oracle, Azure, DB2
_VENDOR_CODE = re.compile(
    r"(?:ORA|TNS|PLS|DPI|DPY|NJS|RMAN|SP2)-\d{3,6}|(?:AADSTS|SQL)\d{3,6}[A-Z]?"
)
_CHECK_ID = re.compile(r"[EWCID]\d{3}")  # "fields.E300" of Django's system checks
_ODBC_STATE = re.compile(r"(?=[0-9A-Z]{0,4}[A-Z])[0-9A-Z]{5}")  # "[42S02]"
_AFTER_AMQP_CODE = re.compile(r"\) [A-Z]{2,20}[_ ]")  # "(403) ACCESS_REFUSED"
#: Encodings, digests, protocols and types: their number is part of the name.
_TECHNICAL = re.compile(
    r"(?:utf|ucs|iso|cp|windows|latin|koi)[-_]?\d{1,5}(?:-\d{1,2})?"
    r"|(?:sha|md|crc|blake|aes|rsa|base|ipv|u?int|float|oauth|https?|tls"
    r"|ssl)[-_]?\d{1,4}",
    re.IGNORECASE,
)

# --- what is left out or unwrapped

# Lists and texts longer than what is read, so that what follows them is read too.
_LONG_LIST = re.compile(r"\[[^\[\]]{100,8000}+\]|\{[^{}]{100,8000}+\}")
LONG_CHARS = 8_000
# The excerpt of a document below a message, with a mark where it is wrong.
_EXCERPT = re.compile(r"\n[^\n]*\n[ \t\d|]*[\^~]+[ \t]*(?=\n|\Z)")
# pydantic counts what is wrong and lists it: the first of it names the field.
_VALIDATION = re.compile(
    r"\A\d{1,6} (validation error)s?( for [^\n]{1,200}\n[^\n]{0,200}\n[^\n]{0,400}).*",
    re.DOTALL,
)
# Messages of Python, dateutil and urllib3 that end with what was given, without quotes.
_BARE_VALUE = re.compile(
    r"((?:unconverted data remains|Unknown string format|String does not contain a date"
    r"|Failed to parse|unknown url type): )(?![{'\"])[^\n]+"
)

# The arguments of an exception as one text: (1045, "Access denied for user 'a'@'b'").
_CODE_AND_TEXT = re.compile(
    r"\((?:(\d{2,5})|'([0-9A-Z]{5})'), b?(['\"])(.*?)\3\)", re.DOTALL
)
_CLASS_AND_TEXT = re.compile(
    r"\b((?:[A-Za-z_]\w{0,60})?(?:Error|Exception|Warning|Timeout|Failure|Refused)\()"
    r"b?(?:'([^'\n]*+)'|\"([^\"\n]*+)\")(?=[,)])"
)

# --- what is replaced

# An apostrophe inside a word ends no quotation: 'O'Brien', can't.
_QUOTED = re.compile(
    r"(?<!\w)[bBrRuU]{0,2}(?:"
    r"'(?:[^'\n\\]|\\.|(?<=\w)'(?=\w)){0,1000}+'(?!\w)"
    r'|"(?:[^"\n\\]|\\.){0,1000}+"'
    r")"
    r"|`[^`\n]{0,200}+`"
    r"|\u201c[^\u201d\n]{0,200}+\u201d|\u201e[^\u201c\u201d\n]{0,200}+[\u201c\u201d]"
    r"|\u2018[^\u2019\n]{0,200}+\u2019(?!\w)"
    r"|\u00ab[^\u00bb\n]{0,200}+\u00bb|\u00bb[^\u00ab\n]{0,200}+\u00ab"
)
# A text that was cut may end inside a quotation.
_OPEN_QUOTE = re.compile(r"(?<!\w)(?:'[^'\n]*+|\"[^\"\n]*+)\Z")
CUT_CHARS = MESSAGE_CHARS - 50
# subprocess: Command '['convert', 'a.png']' returned …
_QUOTED_LIST = re.compile(r"(?<!\w)'(\[[^\[\]\n]{0,1000}+\])'(?!\w)")
# <User: anna>, <Task pending name='Task-17'>; not <class 'int'>, which is a name.
_OBJECT = re.compile(
    r"<(?!class\b|module\b|function\b|bound\b)([A-Za-z_][\w.]{0,80})"
    r"(?:\(\)|[ :][^<>\n]{0,300})?>"
)
_ROW_VALUES = re.compile(r"\)=\([^()\n]{0,300}\)")  # PostgreSQL: Key (name)=(anna)
_IDENTITY = re.compile(
    r"\b(user|username|user_name|login|email|host|hostname|name|session|client|customer"
    r"|account|path|file|filename|url|uri|ip|addr|address)"
    r"=(?![{\[\ue000-\uf8ff])[^\s,;&()\[\]{}'\"]{1,200}"
)

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_TIME = (
    r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?[aApP][mM]\b)?"
    r"(?: ?(?:[zZ]|UTC|GMT|CEST|CET|[+-]\d{2}:?\d{2})(?!\w))?"
)
_AND_TIME = rf"(?:(?:[tT_]|,? ){_TIME}(?: \d{{4}}(?![\w:]))?)?"
_ISO_DATE = re.compile(rf"\d(?<![\w-]\d)\d{{3}}-\d{{2}}-\d{{2}}{_AND_TIME}(?!\d)")
_DATE = re.compile(
    rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{{0,6}},? )?(?<!\w)(?:"
    rf"\d{{1,2}}\.?[ -]{_MONTH}[ -]\d{{2,4}}"
    rf"|{_MONTH} {{1,2}}\d{{1,2}}(?:,? \d{{4}}(?!:)|(?= \d{{1,2}}:\d{{2}})))"
    rf"{_AND_TIME}"
)
_HAS_MONTH = re.compile("Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec")
_CLOCK = re.compile(rf"(?<![\w:.]){_TIME}(?![\w:])")
_DURATION = re.compile(
    # 1m30s, 1d 4h
    r"\b\d{1,6}(?:d|h|min|m|s)(?: ?\d{1,6}(?:h|min|ms|m|s)){1,3}(?!\w)"
    r"|\bP(?=\w*\d)(?:\d{1,9}[YMWD]){0,4}"
    r"(?:T(?:\d{1,9}(?:\.\d{1,9})?[HMS]){1,3})?(?!\w)"
)

_UUID = re.compile(
    r"(?<![0-9a-f-])\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"(?![0-9a-f])\}?",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}+@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s'\"<>]{1,500}", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]\d)")
_MAC = re.compile(r"\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b", re.IGNORECASE)
_IPV6 = re.compile(
    r"(?<![\w:.])\[?(?=[0-9a-f:]{0,39}\d)(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}"
    r"|(?:[0-9a-f]{1,4}:){0,6}[0-9a-f]{0,4}::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?)"
    r"(?:%\w{1,16})?(?:/\d{1,3})?(?:\]|(?![\w:\]]))",
    re.IGNORECASE,
)

# Absolute paths: what is below a temporary or release folder differs each time.
_PATH = re.compile(
    r"(?<![\w./\\}-])(?:"
    r"(?:[A-Za-z]:|~\w{0,32}|\.{1,2})(?:[/\\][\w.@+~%=-]++)++"
    r"|(?:[/\\]{1,2}[\w.@+~%=-]++){2,}+"
    r")[/\\]?(?:\?[^\s'\"<>]{0,300})?"
)
# What follows "url:" or "GET" is a path, however short.
_PATH_OF_REQUEST = re.compile(
    r"/(?:(?<=url: /)|(?<=path: /)|(?<=uri: /)|(?<=GET /)|(?<=POST /)|(?<=PUT /)"
    r"|(?<=PATCH /)|(?<=DELETE /)|(?<=HEAD /)|(?<=OPTIONS /))[^\s'\",)<>]{0,300}"
)
# Files that people upload or that reports are written to. A template, a module or a
# file of settings has a name that somebody chose.
_DATA_FILE = re.compile(
    r"(?<![\w/.}-])[\w@+~/-]++(?:\.[\w@+~/-]++){1,8}+"
    r"(?:(?<=\.csv|\.tsv|\.pdf|\.png|\.jpg|\.gif|\.svg|\.bmp|\.tif|\.xls|\.doc|\.odt"
    r"|\.ods"
    r"|\.zip|\.tar|\.bz2|\.tgz|\.mp3|\.mp4|\.mov|\.wav|\.avi|\.eml|\.ics|\.vcf|\.tmp"
    r"|\.bak)"
    r"|(?<=\.jpeg|\.tiff|\.webp|\.heic|\.xlsx|\.docx|\.pptx|\.part)|(?<=\.gz|\.7z))",
    re.IGNORECASE,
)

_HEX = re.compile(r"\b0x[0-9a-f]{1,64}(?!\w)", re.IGNORECASE)
# A commit is written with seven digits or with all of them; they may be no letters.
_COMMIT = re.compile(
    r"\b([cC]ommit|[cC]hangeset|[rR]evision|rev|sha)([ :=#]{1,2})[0-9a-f]{7,64}(?!\w)"
)
_COLOUR = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
# A signed token of three parts, and base64 of any length with its padding.
_DOTTED_TOKEN = re.compile(r"\beyJ[\w-]{5,}+(?:\.[\w-]{3,}+){1,4}")
_BASE64 = re.compile(
    r"(?<![\w+/=])(?:(?=[a-z+/_-]{0,40}[0-9A-Z])"
    r"[A-Za-z0-9+/_-]{3,400}+={1,2}(?![\w={\[(<'\"\ue000-\uf8ff])"
    r"|(?=[A-Za-z0-9+/]{0,200}[0-9+])(?=[A-Za-z0-9+/]{0,200}[a-z])"
    r"(?=[A-Za-z0-9+/]{0,200}[A-Z])"
    r"[A-Za-z0-9+/]{24,400}+)(?![\w-])"
)
_TEMPORARY = re.compile(r"\btmp(?=[a-z0-9_]{0,12}[0-9_])?[a-z0-9_]{8}\b")
_CONSTRUCTED = re.compile(
    r"\b(?:Decimal|UUID|ObjectId|PosixPath|WindowsPath|Timestamp"
    r"|datetime\.\w{4,9})\((?:\{\w{1,40}\}(?:, )?){1,8}\)"
)

_CURRENCY = (
    "EUR|USD|GBP|CHF|JPY|CNY|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|INR|BRL"
    "|MXN|ZAR|KRW|SGD|HKD|ILS|AED|SAR|THB|UAH"
)
_UNIT = "|".join(
    (
        "[kKMGTP]i?[bB]|bytes?|[bB]|[kKMG]?bit/s|[kMGT]?Hz|[kKMG]?bits?",
        "ms|us|\u00b5s|ns|s|m|h|d|secs?|seconds?|milliseconds?|minutes?|mins?|hours?",
        "hrs?|days?|weeks?|months?|years?|percent|px|km|cm|mm|kg",
        "[$\u20ac\u00a3\u00a5%\u2030\u00b0]",
        _CURRENCY,
    )
)
_SIGN = "[-+\u2212]"
_NUMBER = (
    rf"(?:(?:{_CURRENCY})\s?(?=[-+\u2212\d]))?{_SIGN}?"
    rf"(?:[$\u20ac\u00a3\u00a5]\s?)?{_SIGN}?"
    # 1,234.56 · 1.234,56 · 1'234.50
    r"\d{1,60}+(?:[.,'\u2019\u00a0\u202f_]\d{1,40}+){0,8}+(?:[eE][-+]?\d{1,4})?"
    rf"(?:\s?(?:{_UNIT})(?!\w))?"
)
_RELEASE = r"(?:[-.]?(?:a|b|c|rc|alpha|beta|dev|post|pre|final)[-.]?\d{0,9})"
_VERSION = (
    rf"(?:v\d{{1,9}}(?:\.\d{{1,9}}){{1,4}}{_RELEASE}{{0,3}}"
    rf"|\d{{1,9}}(?:\.\d{{1,9}}){{2,4}}{_RELEASE}{{0,3}}"
    rf"|\d{{1,9}}\.\d{{1,9}}{_RELEASE}{{1,3}})(?:\+[\w.]{{1,40}})?"
)
#: Words with a digit, and long ones that may be random.
_WORD = re.compile(
    rf"(?<![\w.}}])(?P<version>{_VERSION})(?![\w-]|\.\d)"
    rf"|(?<![\w}}])(?P<number>{_NUMBER})(?![\w-])"
    r"|(?P<word>(?<![^\W_])(?=[A-Za-z_-]{0,200}\d"
    r"|[A-Za-z]{12})[A-Za-z0-9_]++(?:-[A-Za-z0-9_]++)*+)"
)
_PIECES = re.compile(r"([-_])")
_DIGIT = re.compile(r"\d")
_LIKE_A_WORD = re.compile(r"[a-z]+|[A-Z]?[a-z]{2,}(?:[A-Z][a-z]{2,})*|[A-Z]{2,}")
_NAME_AND_NUMBER = re.compile(r"([A-Za-z]{1,40})\d{1,40}")
_SHORT_HEX = re.compile(r"[0-9a-f]{7,12}|[0-9A-F]{7,12}")
_CHANGES = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")
_DIGIT_GROUPS = re.compile(r"\d+")

# A random letter follows one of another class (small, capital, digit) far more often
# than the words of a name do: getElementById changes every 3.5 letters.
LETTERS_PER_CHANGE = 3.4
# A shorter word is no identifier unless it has several groups of digits.
RANDOM_CHARS = 10
RANDOM_LETTERS = 12

# --- what is one value

_KIND = r"\{[A-Za-z]\w{0,80}\}|\[email\]"
_NOTHING = "None|True|False|null|true|false|nan|inf"
_ITEM = rf"(?:{_KIND}|\b(?:{_NOTHING})\b)"
_BETWEEN = r"(?: ?[,;:/|._=\u2013+-] ?|,? and |,? or | )?"
_MORE = rf"(?:{_BETWEEN}{_ITEM})"
_RUN = re.compile(
    rf"(?:\b(?:{_NOTHING})(?:, |: ))++(?:{_KIND}){_MORE}*(?!\w)"
    rf"|(?:{_KIND}){_MORE}+(?!\w)"
)
_KINDS = re.compile(_KIND)
# A text that was cut may end inside of a list.
_LEFT_OUT = r"(?:\u2026|\.\.\.)"
_LIST = re.compile(
    rf"\[\s?(?:\]|{_ITEM}[,\s]{{0,2}}(?:{_LEFT_OUT}[^\[\]]{{0,60}})?(?:\]|\Z))"
)
_DICT = re.compile(
    rf"\{{\s?(?:\}}|{_ITEM}[,\s]{{0,2}}(?:{_LEFT_OUT}[^{{}}]{{0,60}})?(?:\}}|\Z))"
)


@lru_cache(maxsize=REMEMBERED)
def message_pattern(message: str) -> str:
    """
    Return *message* with kinds in the place of its values.

    ``order {number} not found``.

    Args:
        message: What was logged or raised; its first 1,000 characters are read.

    Returns:
        At most 300 characters.
    """
    text = without_long_lists(message)[:MESSAGE_CHARS]
    if ": " in text:
        text = _BARE_VALUE.sub(r"\1{value}", text)
    if _WORDS_ONLY.fullmatch(text) and not _MIXED_CASE.search(text):
        return text[:PATTERN_CHARS]
    text = _unwrapped(text)
    text = _without_shapes(text)
    text = _WORD.sub(_kind_of_word, text)
    text = _without_lists(text)
    return text[:PATTERN_CHARS]


def without_long_lists(text: str) -> str:
    """Return a long *text* with its long lists cut, so that the rest is read."""
    if len(text) <= MESSAGE_CHARS:
        return text
    return _LONG_LIST.sub("[0]", text[:LONG_CHARS])


def _unwrapped(text: str) -> str:
    """
    Return *text* without the quotes around texts of exceptions.

    Those are sentences and no values.
    """
    if " validation error" in text:
        text = _VALIDATION.sub(r"\1\2", text)
    if "^" in text or "~" in text:
        text = _EXCERPT.sub("", text)
    if "(" not in text:
        return text
    found = _CODE_AND_TEXT.fullmatch(text)
    if found:
        text = f"error code {found[1] or found[2]}: {found[4]}"
    return _CLASS_AND_TEXT.sub(_class_and_bare_text, text)


def _class_and_bare_text(match: re.Match[str]) -> str:
    text = match[2] if match[2] is not None else match[3]
    return f"{match[1]}{text}"


def _without_shapes(text: str) -> str:
    """
    Return *text* with a kind for each value that has a form of its own.

    Such a value may contain spaces.
    """
    text = text.replace("[Filtered]", "{token}")
    if "://" in text:
        text = _URL.sub("{url}", text)
    is_cut = len(text) >= CUT_CHARS
    if "'[" in text:
        text = _QUOTED_LIST.sub(r"\1", text)
    text = _QUOTED.sub(_kind_of_quoted, text)
    if is_cut:
        text = _OPEN_QUOTE.sub("{value}", text)
    if "=" in text:
        text = _ROW_VALUES.sub(")=({value})", text)
        text = _IDENTITY.sub(r"\1={value}", text)
    if "@" in text:
        text = _EMAIL.sub("{email}", text)
    if "/" in text or "\\" in text:
        text = _PATH_OF_REQUEST.sub("{path}", text)
        text = _PATH.sub("{path}", text)
    if "." in text:
        text = _DATA_FILE.sub("{path}", text)
    if "<" in text:
        for _ in range(NESTED_OBJECTS):
            text = _OBJECT.sub(r"{\1}", text)
    if "tmp" in text:
        text = _TEMPORARY.sub("{token}", text)
    if "=" in text or "+" in text or "/" in text:
        text = _BASE64.sub("{token}", text)
    return _without_numeric_shapes(text)


def _without_numeric_shapes(text: str) -> str:
    """Return *text* with a kind for each value that has digits and separators."""
    if not _DIGIT.search(text):
        return text
    if "-" in text:
        text = _UUID.sub("{uuid}", text)
        text = _ISO_DATE.sub("{date}", text)
    if _HAS_MONTH.search(text):
        text = _DATE.sub("{date}", text)
    if ":" in text or "-" in text:
        text = _MAC.sub("{hex}", text)
    if ":" in text:
        text = _IPV6.sub("{ip}", text)
        text = _CLOCK.sub("{number}", text)
    if "." in text:
        text = _IPV4.sub("{ip}", text)
    if "eyJ" in text:
        text = _DOTTED_TOKEN.sub("{token}", text)
    if "0x" in text or "0X" in text:
        text = _HEX.sub("{hex}", text)
    text = _COMMIT.sub(r"\1\2{token}", text)
    if "#" in text:
        text = _COLOUR.sub("#{number}", text)
    return _DURATION.sub("{number}", text)


def _kind_of_quoted(match: re.Match[str]) -> str:
    """Return a quoted name of the project's code as it is, else a value's kind."""
    inner = match[0][1:-1]
    if _STATUS_AND_PHRASE.fullmatch(inner):
        return match[0]
    if not _IDENTIFIER.fullmatch(inner):
        return "{value}"
    if inner in _BUILT_IN or _is_near(match, _BEFORE_A_NAME, _AFTER_A_NAME):
        return match[0]
    return "{value}"


def _is_near(
    match: re.Match[str], before: re.Pattern[str], after: re.Pattern[str]
) -> bool:
    """Return whether *before* ends or *after* begins at *match*."""
    if after.match(match.string, match.end()):
        return True
    return before.search(_text_before(match)) is not None


def _text_before(match: re.Match[str]) -> str:
    start = match.start()
    return match.string[max(0, start - NEARBY_CHARS) : start]


def _kind_of_word(match: re.Match[str]) -> str:
    """Return the kind of a number or of a word with digits; error codes as they are."""
    word = match["word"]
    if _is_code(match):
        return match[0]
    if word is None:
        return "{number}"
    return _pattern_of_word(word)


def _is_code(match: re.Match[str]) -> bool:
    """
    Return whether *match* is an error code or a status.

    By itself, or by what is around it.
    """
    text = match[0]
    if _CODE.fullmatch(text) is None:
        return _TECHNICAL.fullmatch(text) is not None
    before = _text_before(match)
    if _is_after_code_word(before) or _VENDOR_CODE.fullmatch(text):
        return True
    if text.isdigit():
        return len(text) == 3 and _is_status(match, before)
    if before.endswith(".") and _CHECK_ID.fullmatch(text):
        return True
    if before.endswith("[") and _ODBC_STATE.fullmatch(text):
        return match.string[match.end() : match.end() + 1] == "]"
    return _TECHNICAL.fullmatch(text) is not None


def _is_after_code_word(before: str) -> bool:
    if before.endswith(("rror ", "Msg ")):
        return True
    words = before.rstrip(_JOINERS).removesuffix(" is").removesuffix(" was")
    if words.endswith("]"):  # SQLSTATE[HY000] [2002]
        return before.endswith("[") and words[-7:-6] == "["
    return words != before and words.lower().endswith(_CODE_WORDS)


def _is_status(match: re.Match[str], before: str) -> bool:
    """Return whether three digits are an HTTP status or a reply code of AMQP."""
    if _AFTER_A_STATUS.match(match.string, match.end()):
        return True
    if before.endswith("(") and _AFTER_AMQP_CODE.match(match.string, match.end()):
        return True
    words = before.rstrip(_JOINERS).removesuffix(" is").removesuffix(" was")
    if words != before and words.lower().endswith(_STATUS_WORDS):
        return "1" <= match[0][0] <= "5"
    if match[0][0] not in "45" or not _BEFORE_AN_ANSWER.search(before):
        return False
    return _AFTER_AN_ANSWER.match(match.string, match.end()) is not None


def _pattern_of_word(word: str) -> str:
    """
    Return *word* without what is generated in it.

    It may have hyphens and underscores.

    ``cus_9s6XKzkNRiz8i3`` is ``cus_{token}``, ``INV-2026-00017`` is ``INV-{number}``.
    """
    if word.isalpha():
        return "{token}" if _is_random(word) else word
    pieces = _PIECES.split(word)
    found: list[str] = []
    for position, piece in enumerate(pieces):
        if _is_generated(piece):
            # Of a random text with hyphens in it, what follows is random too.
            rest_is_words = all(
                _LIKE_A_WORD.fullmatch(each) for each in pieces[position + 2 :: 2]
            )
            before = found if _are_words(found) else []
            after = pieces[position + 1 :] if rest_is_words and len(before) > 3 else []
            return "".join([*before, "{token}", *after])
        found.append(piece)
    return "".join(_without_digits(piece) for piece in found)


def _are_words(pieces: list[str]) -> bool:
    return all(_LIKE_A_WORD.fullmatch(each) for each in pieces[::2] if each)


def _without_digits(piece: str) -> str:
    return _DIGIT_GROUPS.sub("{number}", piece)


def _is_generated(piece: str) -> bool:
    """Return whether *piece* mixes letters and digits as no name does."""
    if piece.isdigit() or _NAME_AND_NUMBER.fullmatch(piece):
        return False
    if not _DIGIT.search(piece):
        return _is_random(piece)
    if _SHORT_HEX.fullmatch(piece) or piece[0].isdigit():
        return True
    if len(_DIGIT_GROUPS.findall(piece)) > 1:
        return True
    if len(piece) < RANDOM_CHARS:
        return False
    return piece.islower() or piece.isupper() or _changes_often(piece)


def _is_random(letters: str) -> bool:
    """Return whether small and capital *letters* follow each other as in no word."""
    if len(letters) < RANDOM_LETTERS:
        return False
    return _changes_often(letters)


def _changes_often(text: str) -> bool:
    changes = len(_CHANGES.findall(text))
    return len(text) / (changes + 1) < LETTERS_PER_CHANGE


def _without_lists(text: str) -> str:
    """
    Return *text* with one kind for lists of them, however long.

    ``[1, 2]``, ``{'a': 1}``, ``1, 2 and 3``.
    """
    for _ in range(NESTED_LISTS):
        before = text
        if "(" in text:
            text = _CONSTRUCTED.sub("{value}", text)
        text = _RUN.sub(_kind_of_run, text)
        if "[" in text:
            text = _LIST.sub("{list}", text)
        if "{" in text:
            text = _DICT.sub("{dict}", text)
        if text == before:
            break
    return text


def _kind_of_run(match: re.Match[str]) -> str:
    """Return the kind of values in a row: theirs, if it is one."""
    kinds = set(_KINDS.findall(match[0]))
    return kinds.pop() if len(kinds) == 1 else "{value}"
