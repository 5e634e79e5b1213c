"""Texts in the encodings that spreadsheets, players and editors write."""

from __future__ import annotations

import random

import pytest

from genrefusion.data.text_files import decode_text

RUSSIAN = "Я тебя люблю и жду\nкаждый вечер у окна\nПОЙ со мной\n"
POLISH = "Zażółć gęślą jaźń, kiedyś wrócę do ciebie\nJesteś moją miłością\n"
GERMAN = "Über den Wolken\nmuss die Freiheit wohl grenzenlos sein, schöne Grüße\n"
FRENCH = "Où vas-tu ?\nÇa déjà été l'été, à Noël\nMÊME si\n"
JAPANESE = "さくらさくら\n弥生の空は見渡すかぎり\n"
CHINESE = "我爱你 baby\nI love you\n心爱的母亲\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("où", "utf-8"),
        ("où", "utf-8-sig"),
        ("où\nça", "utf-16"),
        ("où\nça va", "utf-16-le"),
        ("我爱你\n中国 我爱你\n", "utf-16-be"),
        ("où", "utf-32"),
        ("où", "cp1252"),
        ("I don’t know – you’re so “cruel”…\nat the café", "cp1252"),
        (FRENCH, "cp1252"),
        (FRENCH, "mac_roman"),
        (GERMAN, "cp1252"),
        (GERMAN, "cp437"),
        ("ÉTÉ À LA PLAGE\nÇA VA", "latin-1"),
        ("¿Dónde estás, corazón?\n¡Mañana!", "latin-1"),
        ("Coração não é tão simples", "cp1252"),
        ("Björk, Beyoncé, Motörhead, Céline, Rosalía, Røyksopp, Ñengo, João, Måneskin", "cp1252"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859_2"),
        ("Když se načančám, žlutý kůň běží přes řeku", "cp1250"),
        ("Şarkı söyle bana güzelim\nİstanbul’da ağlıyorum", "cp1254"),
        ("Aš tave myliu, šąla žemė", "cp1257"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (RUSSIAN, "cp866"),
        ("Σ'αγαπώ και πονάω\nη νύχτα", "cp1253"),
        ("שלום עליכם\nאני אוהב אותך", "cp1255"),
        ("أحبك يا حبيبي\nليل يا ليل", "cp1256"),
        ("ฉันรักเธอ\nตลอดไป", "cp874"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
        ("我愛你\n你問我愛你有多深", "big5"),
        ("사랑해 당신을\n정말로", "cp949"),
    ],
)
def test_a_text_is_read_in_the_encoding_that_it_was_written_in(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding))[0] == text


def test_few_damaged_characters_do_not_make_it_another_encoding() -> None:
    content = RUSSIAN.encode()
    assert decode_text(content[:21] + content[22:]) == ((content[:21] + content[22:]).decode(errors="replace"), "utf-8")


def test_zero_bytes_at_the_end_of_utf_8_stay_there() -> None:
    assert decode_text(b"la la\0") == ("la la\0", "utf-8")


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe0", b"\xff\xfe", b"PK\x03\x04"])
def test_what_is_no_text_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match="no text"):
        decode_text(head + random.Random(0).randbytes(4001))
