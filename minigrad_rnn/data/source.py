"""Python source, and what each of its characters is."""

from __future__ import annotations

import ast
import io
import tokenize
from itertools import accumulate
from pathlib import Path

from .text import TextError, read_text, stdlib_text

CODE, STRING, COMMENT = KINDS = ".s#"
TOKENS = {"COMMENT": COMMENT, "STRING": STRING} | dict.fromkeys(
    ("FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END"), STRING
)


def tagged_source(path: str | Path | None = None, size: int = 300_000) -> tuple[str, str]:
    """The first `size` characters of Python source, and a text as long that says what each is: one of `KINDS`.

    By Python's own tokenizer; quotes belong to their string, and spaces to the code. The source is the user's file, or
    the standard library's. Raises TextError for a file that is no Python source, or has neither strings nor
    comments.
    """
    if path is None:
        source = stdlib_text(size)
    else:
        source = read_text(path)
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise TextError(f"{path} is no Python source ({error}): give a file that Python can read") from None
        source = source[:size]
    lines = [0, *accumulate(map(len, io.StringIO(source)))]  # where each begins
    kinds, end = [CODE] * len(source), 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            (first, first_column), (last, last_column) = token.start, token.end
            if last > len(lines) - 1:
                break
            start, end = lines[first - 1] + first_column, lines[last - 1] + last_column
            kind = TOKENS.get(tokenize.tok_name[token.type], CODE)
            kinds[start:end] = kind * (end - start)
    except (tokenize.TokenError, SyntaxError):  # where the text is cut off, inside of a string say
        pass
    if len(set(kinds[:end])) < 2:
        raise TextError(f"{path} has no strings and no comments: give Python source that has some")
    return source[:end], "".join(kinds[:end])
