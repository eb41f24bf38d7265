"""
Makes the pattern of a message: its words, with kinds in the place of values.

"order 17 not found" and "order 18 not found" are one error, so numbers, identifiers,
paths and quoted values are replaced. What says which error it is stays: error codes,
HTTP statuses, and names of columns, modules or attributes, also in quotes.

The pattern of a pattern is itself, for log lines are read more than once.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .message_words import (
    is_status_and_phrase,
    text_before,
    without_values_in_words,
)

MESSAGE_CHARS = 1_000
PATTERN_CHARS = 300
# Lists in lists, objects in objects: what is nested deeper is hardly ever printed.
NESTED_LISTS = 10
NESTED_OBJECTS = 3
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

_DIGIT = re.compile(r"\d")
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
    text = without_values_in_words(text)
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
    if is_status_and_phrase(inner):
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
    return before.search(text_before(match)) is not None


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
