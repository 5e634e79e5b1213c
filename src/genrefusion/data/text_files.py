"""Texts of any encoding: what spreadsheets, players and old editors write beside UTF-8."""

from __future__ import annotations

import codecs
import contextlib
import functools
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_WESTERN = (
    *("éèêëàâùûüîïôçœæÿ", "äöüßé", "áéíóúñüªº", "ãõáâàéêíóôúüçªº", "àèéìíîòóùú"),  # French to Italian
    *("åäöéü", "æøåéôòó", "áðéíóúýþæö", "àçèéíïòóúü·", "áéíóúäëïöüè"),  # Swedish to Dutch
)
_CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšžäöü")  # Polish to Croatian
_RUSSIAN = ("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя")
_MIXED = ("".join(sorted(set("".join(_WESTERN)))),)
_HEBREW, _GREEK = "אבגדהוזחטיךכלםמןנסעףפץצקרשת", "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"
_ARABIC = "ءآأؤإئابةتثجحخدذرزسشصضطظعغـفقكلمنهوىيپچژگکھہےۃ،؛؟ًٌٍَُِّْ"
_THAI = "".join(map(chr, (*range(0xE01, 0xE3B), *range(0xE40, 0xE4F))))
_ALPHABETS = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "cp1254": ("çğıöşüâîûİ",),
    "cp1255": (_HEBREW,),  # before Russian, which has letters that are not there
    "cp1251": _RUSSIAN,
    "koi8_u": _RUSSIAN,
    "cp1253": (_GREEK,),
    "cp1257": ("āčēģīķļņšūž", "ąčęėįšųūž", "äõöüšž"),
    "iso8859_2": _CENTRAL,
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
    "cp866": _RUSSIAN,
    "cp1256": (_ARABIC,),
    "cp874": (_THAI,),
}
"""Letters beside ASCII of the languages that are written in each code page of one byte a character."""

_PLANES = {
    # First bytes of signs; of kana; of common characters
    "cp932": ((0x81,), (0x82, 0x83), range(0x88, 0x98)),
    "euc_jp": ((0xA1,), (0xA4, 0xA5), range(0xB0, 0xD0)),
    "cp949": (range(0xA1, 0xA4), (), range(0xB0, 0xC9)),  # before Chinese, where its syllables are characters too
    "gb18030": (range(0xA1, 0xA4), (), range(0xB0, 0xD8)),
    "big5": (range(0xA1, 0xA4), (), range(0xA4, 0xC7)),
}
_FEWEST_KANA = 0.1
_HIGH = ("euc_jp", "cp949", "gb18030")
"""Encodings in which the second byte of a common character is high as well."""

_SIGNS = "«»‹›“”„‘’‚–—…¿¡°€\xa0"
_WITHIN_WORDS = "’‘–—…"
_OF_CAPITAL = 0.95
_LATIN = frozenset(string.ascii_letters)
_LETTERS = re.compile(r"[^\x00-\x7f]")
_FITS = 0.9
"""Share of the characters beside ASCII that have to belong to one language."""


def read_text(path: Path) -> str:
    """Text of a file in whatever encoding, its lines ended by line feeds; errors are those of `decode_text`."""
    return decode_text(path.read_bytes())[0].replace("\r\n", "\n").replace("\r", "\n")


def decode_text(content: bytes) -> tuple[str, str]:
    r"""Text of a file, and the encoding that it is in.

    Known by the mark at the beginning (UTF-8, UTF-16, UTF-32), by being UTF-8 or UTF-16 without a mark, and otherwise
    by what makes words of the bytes: the alphabet of a European language in a code page of one byte a character, or
    else what charset-normalizer finds. A UTF-8 text with few damaged characters has U+FFFD in their places.

    Raises
    ------
    ValueError
        It is no text; with the reason.

    Examples
    --------
    >>> decode_text(b"o\xf9"), decode_text("où".encode("utf-16"))
    (('où', 'cp1252'), ('où', 'utf-16'))
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decoded(content, encoding), encoding
    if encoding := _unmarked_utf_16(content):
        return _decoded(content, encoding), encoding
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        damaged = content.decode("utf-8", "replace")
    lost = damaged.count("\ufffd")
    if lost <= (1 - _FITS) * (len(_LETTERS.findall(damaged)) - lost):
        return damaged, "utf-8"
    text, encoding = _guessed(content)
    return _readable(text), encoding


def _unmarked_utf_16(content: bytes) -> str:
    """Which UTF-16 a text is in, by the zero bytes beside its spaces and line ends; empty for none."""
    zeros = content.rstrip(b"\0").count(b"\0")
    if zeros < 2 or len(content) % 2:
        return ""
    little = content[1::2].count(0)
    return "utf-16-le" if little >= _FITS * zeros else "utf-16-be" if little <= (1 - _FITS) * zeros else ""


def _decoded(content: bytes, encoding: str) -> str:
    try:
        return _readable(content.decode(encoding))
    except UnicodeDecodeError as error:
        raise ValueError(f"no text: not {encoding.upper()} at byte {error.start}") from error


def _readable(text: str) -> str:
    strange = sum(unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs") and not c.isspace() for c in text)
    if strange > 0.01 * len(text):
        raise ValueError("no text: it holds characters that no text has")
    return text


def _guessed(content: bytes) -> tuple[str, str]:
    asian = ((encoding, functools.partial(_asian_share, encoding=encoding)) for encoding in _PLANES)
    european = (
        (encoding, functools.partial(_european_share, alphabets=_ALPHABETS[encoding])) for encoding in _ALPHABETS
    )
    mixed = (("cp1252", functools.partial(_european_share, alphabets=_MIXED)),)
    for candidates in (asian, european, mixed):
        fits = []
        for encoding, share in candidates:
            with contextlib.suppress(UnicodeDecodeError):
                text = content.decode(encoding)
                fits.append((share(text), text, encoding))
        best, text, encoding = max(fits, key=itemgetter(0), default=(0.0, "", ""))  # the first of those alike
        if best >= _FITS:
            return text, encoding
    from charset_normalizer import from_bytes  # rarely: it has tables of its own to load

    match = from_bytes(content).best()
    if match is None:
        raise ValueError("no text: in no encoding that is known")
    return str(match), match.encoding


def _asian_share(text: str, encoding: str) -> float:
    """Share of the characters beside ASCII that are common ones; of Japanese some have to be kana."""
    signs, kana, common = _PLANES[encoding]
    leads: Counter[int] = Counter()
    for character, count in Counter(_LETTERS.findall(text)).items():
        code = character.encode(encoding)
        if len(code) > 1:  # not of the half-width kana
            leads[code[0] if len(code) == 2 and (encoding not in _HIGH or code[1] > 0xA0) else 0] += count
    total, in_kana = leads.total(), sum(leads[lead] for lead in kana)
    if not total or (kana and in_kana < _FEWEST_KANA * total):
        return 0.0
    return (in_kana + sum(leads[lead] for lead in (*signs, *common))) / total


def _european_share(text: str, alphabets: Iterable[str]) -> float:
    """Share of the characters beside ASCII that one language has, in places where they can be.

    No capital follows a small letter, no sign is within a word, no letter of another script is beside a Latin one.
    Capitals and signs count a little less: read as the other Cyrillic code page, small letters are capitals.
    """
    total, signs, letters = 0, 0.0, Counter[str]()
    for match in _LETTERS.finditer(text):
        total, character = total + 1, match[0]
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if character in _SIGNS:
            signs += _OF_CAPITAL * (character in _WITHIN_WORDS or not (before.isalpha() and after.isalpha()))
        elif not (character.isupper() and before.islower()) and (_is_latin(character) or not _LATIN & {before, after}):
            letters[character] += 1
    shares = [
        sum(letters[c] + _OF_CAPITAL * (letters[c.upper()] if c.upper() != c else 0) for c in alphabet)
        for alphabet in alphabets
    ]
    return (signs + max(shares)) / total if total else 0.0


def _is_latin(letter: str) -> bool:
    return letter < "\u0370" or "\u1e00" <= letter < "\u1f00"
