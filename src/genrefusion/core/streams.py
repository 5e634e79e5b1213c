"""What is printed fits the encoding of the terminal or of the pipe."""

from __future__ import annotations

import codecs
import io
import sys

_ESCAPING = "genrefusion.escaping"
_SIGNS = {
    **dict.fromkeys("–—‐−─━╸╺", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("’‘", "'"),
    **dict.fromkeys("“”„", '"'),
    **dict(zip("…×±→≤≥·•\xa0", ("...", "x", "+-", "->", "<=", ">=", ".", "*", " "), strict=True)),
}


def escape_what_does_not_fit() -> None:
    """Let what the encoding of an output stream lacks be escaped there, where it would be an error."""
    codecs.register_error(_ESCAPING, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors=_ESCAPING)


def write_utf_8_to_pipes() -> None:
    """Let other programs, or a file, get UTF-8 from the standard output, whatever the terminal's encoding is."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")


def fitting(text: str, encoding: str) -> str:
    """Text in which is escaped what an encoding lacks, so that its width is known before it is printed."""
    return text.encode(encoding, _ESCAPING).decode(encoding)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_SIGNS.get(c) or escaped(c) for c in lacking), error.end


def escaped(character: str) -> str:
    r"""A character as Python writes it, such as ``\u4e2d``; a byte of a file's name that is no UTF-8 as that byte."""
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
