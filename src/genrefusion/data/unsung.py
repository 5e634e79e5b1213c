"""What stands in texts of lyrics and is not sung: headings of sections, credits, and what web sites put around them.

Each rule takes what cannot be sung rather than all that might not be: a word that stays among hundreds does little, a
line that is lost is lost.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

_SECTIONS = frozenset(
    "verse verses chorus choruses prechorus postchorus refrain bridge intro outro hook interlude instrumental solo "
    "coda breakdown skit strophe couplet estribillo coro verso refrão refrao ritornello strofa refren zwrotka "
    "припев куплет 副歌 主歌 间奏".split()
)
_SAID_OF_SECTIONS = frozenset("repeat repeats repeated spoken".split())
_BESIDE_THEM = frozenset(
    "pre post first second third fourth last final one two three four five six a b c d i ii iii iv v vi vii viii "
    "guitar piano sax saxophone drum drums bass organ harmonica violin vocal musical short double part half all "
    "once twice times time and to till until fade fading fades out end ad lib only lines line break continue "
    "continues through x".split()
)
_AMBIGUOUS = frozenset("solo repeat repeats repeated breakdown".split())
"""Sung as lines of their own; headings only in parentheses, with a number or a colon."""

_WORDS = re.compile(r"[^\W_]+")
_COUNT = re.compile(r"x?\d{1,2}(?:x|st|nd|rd|th|e|º)?$")
_BARE = re.compile(r"((?:pre|post)[ -]?)?([^\W\d_]+)(?:\s+(\d{1,2}|(?-i:[IVX]{1,4})))?\s*(:?)$", re.I)
_AROUND = "*_=~#-–—()[]{}. "
_LONGEST_HEADING = 80


def is_heading(line: str) -> bool:
    """Whether a line is the heading of a section, such as ``(Chorus 2x)``, ``(Verse 1: Somebody)``, ``Chorus:``.

    In parentheses each word has to be one of headings, up to a colon or dash: "(Bridge over troubled water)" is sung.
    """
    if len(line) > _LONGEST_HEADING:
        return False
    if line[0] in "(（" and line[-1] in ")）":
        named, *by = re.split(r":|\s[-–—]\s", line[1:-1], maxsplit=1)
        words = _WORDS.findall(named.casefold())
        return _name_section(words) and (not by or not by[0].strip() or not _SAID_OF_SECTIONS & set(words))
    bare = _BARE.match(line.strip(_AROUND))
    if not bare:
        words = _WORDS.findall(line.casefold())
        return len(words) > 1 and words[0] == "repeat" and bool(_SECTIONS & set(words)) and _name_section(words)
    _, word, number, colon = bare.groups()
    word = word.casefold()
    return word in _SECTIONS | _SAID_OF_SECTIONS and bool(word not in _AMBIGUOUS or number or colon)


def without_repeat_mark(line: str) -> str:
    """A line without what says how often it is sung: ``(repeat 10x)``, ``(3 times)``, ``(repeat till fade)``."""
    begin = line.rfind("(")
    if not line.endswith(")") or begin < 1 or len(line) - begin > _LONGEST_HEADING:
        return line
    words = _WORDS.findall(line[begin:].casefold())
    counted = len(words) == 2 and words[0].isdecimal() and words[1] == "times"
    repeated = words[:1] in (["repeat"], ["repeats"]) and _name_section(words)
    return line[:begin].rstrip() if counted or repeated else line


def _name_section(words: list[str]) -> bool:
    """Whether words are those of headings, with a name of a section among them, none twice."""
    named = [word for word in words if word in _SECTIONS or word in _SAID_OF_SECTIONS]
    return len(named) == len(set(named)) > 0 and all(
        word in _SECTIONS or word in _SAID_OF_SECTIONS or word in _BESIDE_THEM or _COUNT.match(word) for word in words
    )


_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LINE_END = re.compile(r"\n?<(?:br|/?p|/?div|/?li)\b[^<>\n]{0,200}>\n?", re.I)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
_COMMENT = re.compile(r"<!--[^<>]{0,1000}-->")


def without_markup(text: str) -> str:
    """Text of HTML: entities decoded, line ends of it made such, tags and comments left out; "<3" and "R&B" stay."""
    for _ in range(3):  # what was put into a page twice is encoded twice
        if "&" not in text or not _ENTITY.search(text):
            break
        text = _ENTITY.sub(_decoded, text)
    if "<" not in text:
        return text
    return _TAG.sub("", _LINE_END.sub("\n", _COMMENT.sub("", text)))


def _decoded(entity: re.Match[str]) -> str:
    known = entity[0][1] == "#" or entity[0][1:] in html5
    return html.unescape(entity[0]) if known else entity[0]


_BLOCKS = tuple(
    (needed, re.compile(pattern))
    for needed, pattern in (
        # Genius: "27 ContributorsTranslationsDeutschMy Song Lyrics", and what it says of the song up to "Read More"
        (
            " Contributor",
            (
                r"\A\s*\d{1,5} Contributors?"
                r"(?:[^\n]{0,400}?|[^\n]{0,40}(?:\n(?!\[)[^\n]{1,30}){0,40}\n[^\n\[]{1,150}) Lyrics"
                r"(?![a-z ])(?:[^\[\]]{0,1500}?Read More\s)?"
            ),
        ),
        (" Contributor", r"\A\s*\d{1,5} Contributors?(?=\n|[A-Z\[])"),
        (" Lyrics", r"\A\s*[^\n\[]{1,150} Lyrics(?=\n?\[)"),
        ("tickets as low as", r"(?:See [^\n]{1,100}? Live\s{0,3})?Get tickets as low as [$€£]\d+"),
        ("Embed", r"(?:(?<![ \t\d])\d{1,4}(?:\.\d)?[KM]?|(?<=\S)|(?<=\n))Embed(?:Share URLCopyEmbedCopy)?\s*\Z"),
        (
            "You might also like",
            r"(?:(?<=\n)|(?<=[^\s,]))You might also like(?=[ \t]*\n|[A-Z\[“\"(]|\s*\Z)",
        ),
        # Musixmatch
        (
            "NOT for Commercial",
            (
                r"(?:\n\.\.\.)?\s{0,4}(?<!\*)\*{3,20}[^\n*]{1,80}NOT for Commercial [Uu]se[^\n*]{0,20}\*{0,20}"
                r"\s{0,4}(?:\(\d{6,20}\))?"
            ),
        ),
    )
)


def without_site_texts(text: str) -> str:
    """Text without what sites of lyrics glue to it: counts of contributors, tickets, "You might also like", "Embed"."""
    for needed, pattern in _BLOCKS:
        if needed in text:
            text = pattern.sub("\n", text)
    return text


_SITE_LINE = re.compile(
    r"\W*(?:"
    r"(?:song )?lyrics (?:are )?(?:licensed|provided|powered|courtesy|submitted|transcribed)\b.{0,20}\b(?:by|of)\b.*"
    r"|(?:.{1,100} )?lyrics © ?\S.*"
    r"|submit corrections|correct these lyrics|more on genius"
    r"|(?:powered|provided) by (?:musixmatch|lyricfind|genius|azlyrics).*"
    r"|(?:source|from|via|lyrics(?: from| at)?)\s?:?\s+(?:https?://|www\.|musixmatch|lyricfind|azlyrics|genius|metrolyrics).*"
    r"|(?:https?://|www\.)\S+"
    r"|(?:musixmatch|azlyrics|a-z lyrics|lyricfind|metrolyrics|songlyrics|lyricsfreak|genius lyrics)(?:\.com)?"
    r"|usage of azlyrics\.com content.*"
    r"|thanks to .{1,80} for (?:(?:these|the|correcting|submitting|sending|adding|providing).{0,30}) lyrics.*"
    r")\W*$",
    re.I,
)
_OF_SITES = ("lyric", "submit", "correct", "genius", "musixmatch", "http", "www.")


def names_site(text: str) -> bool:
    """Whether any line of a text can be of a site of lyrics: most texts have none."""
    text = text.casefold()
    return any(word in text for word in _OF_SITES)


def is_site_line(line: str) -> bool:
    """Whether a line is of a site of lyrics, wherever it stands, such as "Lyrics provided by …" or an address."""
    return bool(_SITE_LINE.match(line))


_ROLES = (
    r"(?:lyrics?|words?|music|written|composed|produced|arranged|performed|recorded|mixed|mastered|published|sung|submitted)"
    r"(?: (?:and|&) (?:lyrics?|words|music|composed|produced|arranged|performed|written))?(?: by)?"
    r"|(?:(?:song ?)?writer|composer|lyricist|arranger|publisher|engineer|(?:(?:executive|vocal) |co-?)?producer"
    r"|artist|singer)(?:s|[/(]s\)?)?|title|album|track|year|label|genre|language"
    r"|letra(?: y m[uú]sica)?|m[uú]sica|compositor(?:es)?|autor(?:es|i)?|testo|paroles(?: et musique)?|musique|auteurs?"
    r"|compositeurs?|text und musik|musik|komponist|interpret|слова|музыка|автор|исполнитель"
)
_ASIAN_ROLES = (
    r"作词|作詞|作曲|编曲|編曲|填词|填詞|词曲|詞曲|词|詞|曲|演唱|原唱|歌手|歌|唱|制作人|製作人|制作|製作|监制|監製|混音|母带|母帶"
    r"|录音|錄音|和声|和聲|吉他|贝斯|鼓|键盘|弦乐|出品|发行|發行|专辑|專輯|企划|统筹|OP|SP|작사|작곡|편곡|노래"
)
_CREDIT = re.compile(
    rf"\W*(?:(?:{_ROLES})\s*[:：]|(?:{_ASIAN_ROLES})(?:\s*[/、&]?\s*(?:{_ASIAN_ROLES}))*\s*[:：]"
    r"|(?:作词|作詞|作曲|编曲|編曲|작사|작곡|편곡)\s+\S"
    r"|paroles (?:de la chanson|et musique)\b|traduction (?:de la chanson|par)\b"
    r"|(?:©|\(c\)|℗|copyright(?: (?:©|\(c\)|by\b|\d)|:)|all rights reserved|lyrics ©).*"
    r"|(?:sony/atv|warner chappell|universal music|emi|kobalt|bmg)\b.*\b(?:publishing|music|inc|ltd|llc)\b)",
    re.I,
)
_FRENCH_CREDIT = re.compile(r"Paroles (?:de |d['’])[A-ZÀ-Ý]")
_LONGEST_CREDIT = 300


def is_credit(line: str) -> bool:
    """Whether a line names writers, performers or publishers, as the first and last lines do."""
    return len(line) <= _LONGEST_CREDIT and bool(_CREDIT.match(line) or _FRENCH_CREDIT.match(line))


def first_and_last_sung(lines: list[str]) -> tuple[int, int]:
    """Numbers of the first line that is no credit, and of the one after the last: credits stand before and after."""
    begin, end = 0, len(lines)
    while begin < end and (is_credit(lines[begin]) or _is_title(lines[begin : begin + 2])):
        begin += 1
    while end > begin and is_credit(lines[end - 1]):
        end -= 1
    return begin, end


def _is_title(lines: list[str]) -> bool:
    """Whether the first of two lines is "Title - Artist" before credits."""
    return len(lines) == 2 and " - " in lines[0] and is_credit(lines[1])
