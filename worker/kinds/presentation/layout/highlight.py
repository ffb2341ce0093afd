"""Code in colours: which stretch of a line is a keyword, a string, a number, a comment or a name."""

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String, _TokenType
from pygments.util import ClassNotFound

from worker.kinds.presentation.deck import Code, Run, Text, Tone

_TONES: tuple[tuple[_TokenType, Tone], ...] = (
    (Comment, "comment"),
    (String, "string"),
    (Number, "number"),
    (Keyword, "keyword"),
    (Operator.Word, "keyword"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Tag, "name"),
    (Name.Decorator, "name"),
    (Name.Attribute, "name"),
    (Name.Builtin, "name"),
    (Generic.Inserted, "string"),
    (Generic.Deleted, "name"),
    (Generic.Heading, "comment"),
    (Generic.Subheading, "comment"),
)
MOST_COLOURED = 20_000
"""Longer code is shown in one colour: lexers are no match for it, and neither is a slide."""


def highlighted(code: Code) -> list[Text]:
    """The code's lines, each as runs in the tones of its language; without any when the language is not known."""
    text = "\n".join(code.lines)
    lexer = _lexer(code.language)
    if lexer is None or len(text) > MOST_COLOURED:
        return [(Run(line, code=True),) for line in code.lines]
    lines: list[list[Run]] = [[]]
    for kind, value in lexer.get_tokens(text):
        tone = next((tone for family, tone in _TONES if kind in family), None)
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if part and lines[-1] and lines[-1][-1].tone == tone:
                lines[-1][-1] = Run(lines[-1][-1].text + part, code=True, tone=tone)
            elif part:
                lines[-1].append(Run(part, code=True, tone=tone))
    coloured = [tuple(line) or (Run("", code=True),) for line in lines[: len(code.lines)]]
    # What a lexer leaves out or makes up must not be what is shown.
    if ["".join(run.text for run in line) for line in coloured] != list(code.lines):
        return [(Run(line, code=True),) for line in code.lines]
    return coloured


def _lexer(language: str) -> Lexer | None:
    name = language.split(maxsplit=1)[0].strip("{}.,").lower() if language.split() else ""
    try:
        return get_lexer_by_name(name, stripnl=False) if name else None
    except ClassNotFound:
        return None
