"""
Reads the texts that source files have: names, string constants, and the fixed words of messages.

A message such as ``f"order {number} has no owner"`` has fixed words, which the source
has too, with gaps between them. Python is parsed and never run; templates are read by
their tags. A constant that is assigned to a secret name is no text of the source.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from stat import S_ISREG

# Parsing a file of this length takes about a second on a slow machine, once. Longer
# ones are generated.
FILE_CHARS = 512 * 1024
# Some milliseconds of parsing.
PIECE_CHARS = 16 * 1024
# A longer constant is a page of text, not the words of a message.
CONSTANT_CHARS = 500
# Gaps of one message: more belong to a text that is built, not raised.
GAPS = 12
# Fixed words with fewer letters fit any text: "%s: %s".
LETTERS = 4
# Libraries have many texts that are no messages. With one word, "ignore %s" or
# "replace", whatever a visitor wrote may fit.
LIBRARY_WORDS = 2
# What "%s", "%(name)r", "{}" and "{name!r:>10}" leave open. "%%" is a percent sign.
_GAP = re.compile(
    r"%(?:\(\w{1,60}\))?[-#0 +]{0,4}(?:\d{1,4}|\*)?(?:\.\d{1,4})?[sradiouxXeEfFgGc]"
    r"|\{[\w.\[\]]{0,60}(?:![rsa])?(?::[^{}]{0,30})?\}"
)
# Functions and classes stand apart by two blank lines.
_TOP_LEVEL = re.compile(r"\n\n\n(?=[A-Za-z@])")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]{2,}")
# Functions that translate a message, and variables that hold one.
_TRANSLATES = frozenset(
    {
        *("_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"),
        *("pgettext", "pgettext_lazy", "npgettext", "npgettext_lazy"),
    }
)
_HOLDS_MESSAGE = re.compile(
    r"msg|message|error|detail|reason|suggestion", re.IGNORECASE
)
# Strings and dotted names in the tags of Django's and Jinja's templates.
_TAG = re.compile(r"\{[{%](.{1,500}?)[%}]\}", re.DOTALL)
_TAG_STRING = re.compile(r"\"([^\"]{1,200})\"|'([^']{1,200})'")
_HIDING = frozenset({"sensitive_post_parameters", "sensitive_variables"})
# A statement whose words are names of tables and columns.
_SQL = re.compile(
    r"\s*(?:select|insert|update|delete|with|create|alter|drop|truncate)\s",
    re.IGNORECASE,
)
_NAMESPACED = re.compile(r"[\w-]{1,60}(?::[\w-]{1,60}){1,3}", re.ASCII)
_TAG_NAME = re.compile(r"[A-Za-z_]\w{0,60}", re.ASCII)

#: The fixed words of one message, with a gap between each two of them.
Sentence = tuple[str, ...]
IsSecret = Callable[[str], bool]


@dataclasses.dataclass(frozen=True, slots=True)
class SourceTexts:
    """
    The texts of one file or of several.

    Attributes:
        names: Names of variables, functions, classes, parameters and attributes.
        constants: String constants, each as a whole.
        sentences: Constants and formatted texts that can be the words of a message.
        messages: Those of them that are one by where they stand: they are raised,
            translated or called a message, and have several words.

    """

    names: frozenset[str] = frozenset()
    constants: frozenset[str] = frozenset()
    sentences: frozenset[Sentence] = frozenset()
    messages: frozenset[Sentence] = frozenset()

    def __or__(self, other: SourceTexts) -> SourceTexts:
        """Return the texts of both."""
        return SourceTexts(
            self.names | other.names,
            self.constants | other.constants,
            self.sentences | other.sentences,
            self.messages | other.messages,
        )


NO_TEXTS = SourceTexts()


def texts_in_file(path: str, is_secret: IsSecret) -> SourceTexts:
    """
    Return the texts of the file at *path*; none where it is missing or too long.

    Cached until the file changes. For filing bugs only: too slow for a request.

    Args:
        path: An absolute path.
        is_secret: Whether the value under a name is a secret.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return NO_TEXTS
    if not S_ISREG(status.st_mode) or status.st_size > FILE_CHARS:
        return NO_TEXTS
    return _read(path, status.st_mtime_ns, status.st_size, is_secret)


# The files of a bug's frames, and a few of Django's; each has some thousand short texts.
@lru_cache(maxsize=128)
def _read(path: str, _modified_at: int, _size: int, is_secret: IsSecret) -> SourceTexts:
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            text = file.read(FILE_CHARS)
    except OSError:
        return NO_TEXTS
    if path.endswith(".py"):
        return texts_in_python(text, is_secret)
    return texts_in_template(text)


def texts_in_python(text: str, is_secret: IsSecret) -> SourceTexts:
    """Return the texts in *text*, Python source; what cannot be parsed has none."""
    trees = list(_trees_in(text))
    sensitive: set[str] = set()
    for tree in trees:
        sensitive |= _sensitive_names(tree)
    reader = _Reader(lambda name: name in sensitive or is_secret(name))
    for tree in trees:
        reader.read(tree)
    return SourceTexts(
        frozenset(reader.names | _parts_of(reader.names, reader.constants)) - {""},
        frozenset(reader.constants),
        frozenset(reader.sentences),
        frozenset(reader.messages),
    )


def _trees_in(text: str) -> Iterator[ast.AST]:
    """
    Yield the parsed pieces of *text*.

    While Python parses, no other thread of the process runs: a large file would stop
    the requests that it serves for a tenth of a second.
    """
    piece = ""
    for part in _TOP_LEVEL.split(text):
        piece += f"\n\n\n{part}"
        if len(piece) >= PIECE_CHARS:
            yield from _parsed(piece)
            piece = ""
    yield from _parsed(piece)


def _parsed(text: str) -> Iterator[ast.AST]:
    try:
        yield ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        # SystemError: early releases of Python 3.11 and 3.12, where threads parse at
        # the same time (gh-106905).
        return


def texts_in_template(text: str) -> SourceTexts:
    """Return the names and strings in the tags of *text*, a template."""
    names: set[str] = set()
    constants: set[str] = set()
    for tag in _TAG.finditer(text):
        for string in _TAG_STRING.finditer(tag[1]):
            constants.add(string[1] or string[2])
        names.update(_TAG_NAME.findall(_TAG_STRING.sub(" ", tag[1])))
    return SourceTexts(
        frozenset(names | _parts_of(names, constants)), frozenset(constants)
    )


def _sensitive_names(tree: ast.AST) -> set[str]:
    """Return what ``sensitive_variables`` and ``sensitive_post_parameters`` name."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name_of(node.func) in _HIDING:
            found.update(_name_of(each) for each in node.args)
    return found


class _Reader:
    """Collects the texts of one module."""

    def __init__(self, is_secret: IsSecret) -> None:
        self.names: set[str] = set()
        self.constants: set[str] = set()
        self.sentences: set[Sentence] = set()
        self.messages: set[Sentence] = set()
        self._is_secret = is_secret

    def read(self, tree: ast.AST) -> None:
        """Read *tree* without recursion: an expression may be nested very deeply."""
        # Each node with whether it stands where messages do.
        waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
        while waiting:
            node, is_message = waiting.pop()
            is_message = is_message or _has_messages(node)
            self._take_name(node)
            hidden = self._hidden_values(node)
            sentence = _sentence_of(node)
            if sentence is not None:
                self._add_sentence(sentence, is_message=is_message)
            if isinstance(node, ast.Constant):
                if isinstance(node.value, str) and len(node.value) <= CONSTANT_CHARS:
                    self.constants.add(node.value)
                continue
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                # A docstring is prose, and no code.
                continue
            children = ast.iter_child_nodes(node)
            shown = [child for child in children if not _is_among(child, hidden)]
            waiting += [(child, is_message) for child in shown]

    def _take_name(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            self.names.add(node.id)
        elif isinstance(node, ast.Attribute):
            self.names.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword):
            self.names.add(node.arg or "")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.names.add(node.name)
        elif isinstance(node, ast.alias):
            self.names.update(node.name.split("."))
            self.constants.add(node.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            self.names.update(node.module.split("."))
            self.constants.add(node.module)

    def _hidden_values(self, node: ast.AST) -> list[ast.AST]:
        """Return the values that *node* gives to names that are secret."""
        pairs: list[tuple[ast.AST | None, ast.AST | None]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            pairs = [(node.target, node.value)]
        elif isinstance(node, ast.Dict):
            pairs = list(zip(node.keys, node.values, strict=True))
        elif isinstance(node, ast.keyword):
            pairs = [(node, node.value)]
        elif isinstance(node, ast.arguments):
            pairs = _defaults_of(node)
        elif isinstance(node, ast.Compare):
            values = [node.left, *node.comparators]
            pairs = [*pairwise(values), *((b, a) for a, b in pairwise(values))]
        return [
            value
            for name, value in pairs
            if value is not None and self._is_secret(_name_of(name))
        ]

    def _add_sentence(self, sentence: Sentence, *, is_message: bool) -> None:
        is_short = sum(map(len, sentence)) <= CONSTANT_CHARS
        letters = sum(len(_LETTER.findall(piece)) for piece in sentence)
        if not is_short or letters < LETTERS or len(sentence) > GAPS + 1:
            return
        self.sentences.add(sentence)
        words = sum(len(_WORD.findall(piece)) for piece in sentence)
        if is_message and words >= LIBRARY_WORDS:
            self.messages.add(sentence)


def _has_messages(node: ast.AST) -> bool:
    """Return whether the texts below *node* are messages by where they stand."""
    if isinstance(node, ast.Raise | ast.Assert):
        return True
    if isinstance(node, ast.Call):
        return _name_of(node.func) in _TRANSLATES
    if isinstance(node, ast.Assign):
        return any(_HOLDS_MESSAGE.search(_name_of(each)) for each in node.targets)
    if isinstance(node, ast.AnnAssign | ast.keyword):
        target = node if isinstance(node, ast.keyword) else node.target
        return _HOLDS_MESSAGE.search(_name_of(target)) is not None
    return False


def _parts_of(names: set[str], constants: set[str]) -> set[str]:
    """Return the names in others: ``order__customer``, ``shop:pay``, in SQL."""
    parts: set[str] = set()
    for name in names:
        if "__" in name:
            parts.update(name.split("__"))
    for constant in constants:
        if _NAMESPACED.fullmatch(constant):
            parts.update(constant.split(":"))
        elif _SQL.match(constant):
            parts.update(_TAG_NAME.findall(constant))
    return parts


def _is_among(node: ast.AST, nodes: list[ast.AST]) -> bool:
    return any(node is each for each in nodes)


def _defaults_of(
    arguments: ast.arguments,
) -> list[tuple[ast.AST | None, ast.AST | None]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    # Defaults belong to the last parameters.
    with_default = positional[len(positional) - len(arguments.defaults) :]
    return [
        *zip(with_default, arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]


def _name_of(node: ast.AST | None) -> str:
    """Return the last word of the name that *node* stands for, ``""`` for none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.arg | ast.keyword):
        return node.arg or ""
    if isinstance(node, ast.Subscript):
        return _name_of(node.slice)
    if isinstance(node, ast.Call):
        # settings.get("API_KEY") == "…"
        return _name_of(node.args[0]) if node.args else _name_of(node.func)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


def _sentence_of(node: ast.AST) -> Sentence | None:
    """Return the fixed words of the text that *node* makes, None if it makes none."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        pieces = list(_pieces_of(node))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        # "a %s " % x + "b": each side may be a text, or anything.
        pieces = [*_pieces_of(node.left), *_pieces_of(node.right)]
    else:
        return None
    return _with_single_gaps(pieces)


def _pieces_of(node: ast.AST) -> Iterator[str | None]:
    """Yield the fixed words that *node* makes, and None for each gap."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        # A placeholder for a value of the text, if it is formatted later.
        words = _GAP.split(node.value[: CONSTANT_CHARS + 1])
        for number, piece in enumerate(words):
            if number:
                yield None
            yield piece.replace("%%", "%").replace("{{", "{").replace("}}", "}")
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value
            else:
                yield None
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        yield from _pieces_of(node.left)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        if isinstance(node.left, ast.BinOp) and isinstance(node.left.left, ast.BinOp):
            # Sums of many texts are not messages, and would recurse deeply.
            yield None
        else:
            yield from _pieces_of(node.left)
        yield from _pieces_of(node.right)
    else:
        yield None


def _with_single_gaps(pieces: list[str | None]) -> Sentence | None:
    """Return the words between gaps; neighbours without a gap are one."""
    words = [""]
    was_gap = False
    has_words = False
    for piece in pieces:
        if piece is None:
            if not was_gap:
                words.append("")
            was_gap = True
            continue
        if piece:
            words[-1] += piece
            was_gap = False
            has_words = True
    return tuple(words) if has_words else None
