"""The musical grammar of each genre, as data.

A ``Style`` is nine layers; the composer reads nothing else. An artist keeps a few entries of each layer, and a song may
take a whole layer from a neighbouring genre, which is why a layer never refers to another.

Rhythms are written one character for a sixteenth note (16 in a 4/4 bar, the first 12 of them in a 3/4 bar, shorter
rows repeat): ``X`` strong, ``x`` normal, ``o`` soft, ``.`` no new note. Bass rows name the chord degree instead
(``1 3 5 6 7``, ``8`` the octave, ``a`` a semitone below the next root, ``w`` walking), arpeggios the chord tone counted
from below. Programs are those of General MIDI, counted from 0; their names are in any table of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

AUDIO_OVERLAP = 0.08
"""Mean probability with which a song takes a layer (drums, bass, tempo ...) from a neighbouring genre."""

AUDIO_OVERLAP_SPREAD = 5.0
"""Concentration of the Beta law of that probability over songs: low makes most songs pure and some half and half."""

PRODUCTION_SPREAD = 2.0
"""Standard deviation over artists, in dB, of the spectral tilt of their recordings: a nuisance, as in real corpora."""

LAYERS = ("groove", "drums", "bass", "harmony", "comping", "colour", "lead", "form", "mix")


class Range(NamedTuple):
    """An interval from which a value is drawn evenly."""

    low: float
    high: float


STRAIGHT = Range(0.5, 0.5)
USUAL_PEAK = Range(0.6, 0.95)
USUAL_HISS = Range(-75.0, -62.0)


@dataclass(frozen=True)
class Groove:
    """Tempo in beats per minute, place of the off-beat (0.5 straight, 0.67 triplets), share of songs in 3/4."""

    tempo: Range
    swing: Range = STRAIGHT
    swing_unit: float = 1.0
    waltz: float = 0.0


@dataclass(frozen=True)
class Drums:
    """General MIDI kits and patterns; an empty pattern is a song without drums."""

    kits: tuple[int, ...]
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Bass:
    """Programs and rows of chord degrees; ``gate`` is the sounding share of each note, ``low`` the lowest pitch."""

    programs: tuple[int, ...]
    patterns: tuple[str, ...]
    gate: float = 0.9
    low: int = 28


@dataclass(frozen=True)
class Comping:
    """Accompanying chords. ``voicing`` is close, shell, open or power; ``gate`` the longest note in sixteenths."""

    programs: tuple[int, ...]
    patterns: tuple[str, ...]
    voicing: str = "close"
    gate: float = 4.0
    low: int = 52
    share: float = 1.0


@dataclass(frozen=True)
class Harmony:
    """Chord progressions in Roman numerals: ``|`` between bars, a space between two chords of one bar."""

    progressions: tuple[str, ...]


@dataclass(frozen=True)
class Lead:
    """Melody: rhythm cells of one bar, scale family, lowest pitch and span in semitones, share of silent phrases."""

    programs: tuple[int, ...]
    cells: tuple[str, ...]
    scale: str
    low: int = 62
    span: int = 19
    rest: float = 0.2
    grace: float = 0.0
    gate: float = 0.9


@dataclass(frozen=True)
class Form:
    """Plans of sections (I intro, V verse, C chorus, B bridge, S solo) with their bars; sections with colour, lead."""

    plans: tuple[str, ...]
    colour_in: str = "CBS"
    lead_in: str = "VCBS"


@dataclass(frozen=True)
class Mix:
    """Levels of drums, bass, comping, colour, lead in dB; saturation, tilt in dB, share of reverb, peak, hiss in dB."""

    levels: tuple[float, float, float, float, float]
    drive: Range
    tilt: Range
    reverb: Range
    peak: Range = USUAL_PEAK
    hiss: Range = USUAL_HISS


@dataclass(frozen=True)
class Style:
    """The grammar of one genre and the genres from which its songs borrow layers."""

    neighbours: tuple[str, ...]
    groove: Groove
    drums: Drums
    bass: Bass
    harmony: Harmony
    comping: Comping
    colour: Comping
    lead: Lead
    form: Form
    mix: Mix


_POP_FORMS = ("I2 V4 C4 V4 C4 B4 C8", "I2 V8 C8 V4 C8", "C4 V4 C4 V4 B4 C8")

STYLES: dict[str, Style] = {
    "blues": Style(
        ("jazz", "rock"),
        Groove(Range(72, 118), Range(0.62, 0.67)),
        Drums(
            (0, 8, 40),
            (
                "K:x.......x....... S:....X.......X... H:x.o.x.o.x.o.x.o.",
                "K:x.....x.x.....x. S:....X.......X... Y:x.o.x.o.x.o.x.o.",
                "K:x.......x.x..... S:....X..o....X.o. H:x...x...x...x...",
            ),
        ),
        Bass((32, 33, 34), ("1...3...5...6...", "1.1.3.3.5.5.6.6.", "1...1...5...6.5.", "1.8.7.5.1.8.7.5.")),
        Harmony(
            (
                "I7|I7|I7|I7|IV7|IV7|I7|I7|V7|IV7|I7|V7",
                "I7|IV7|I7|I7|IV7|IV7|I7|I7|V7|IV7|I7 IV7|I7 V7",
                "I7|V7|IV7|IV7|I7|V7|I7 IV7|I7 V7",
                "i7|i7|i7|i7|iv7|iv7|i7|i7|bVI7|V7|i7|V7",
            )
        ),
        Comping(
            (0, 3, 25, 27),
            ("X.o.x.o.X.o.x.o.", "....x.......x...", "x.....x...x.....", "..x...x...x...x."),
            "close",
            3,
            50,
        ),
        Comping((16, 17, 16), ("x...............", "x.......x......."), "close", 14, 57, 0.5),
        Lead(
            (22, 27, 29, 66),
            ("x.x.x...x.......", "..x.x.x.x...x...", "x...x.x...x.x.x.", "x.xxx.x.....x.x."),
            "blues",
            60,
            20,
            0.3,
            0.3,
        ),
        Form(("I2 V12 S12 V12", "V12 V12 S12", "I4 V8 S8 V8 S8")),
        Mix((0, -1, -3, -8, 1), Range(0.5, 1.4), Range(-2, 0), Range(0.08, 0.2), Range(0.45, 0.9), Range(-62, -48)),
    ),
    "classical": Style(
        ("jazz", "pop"),
        Groove(Range(66, 128), waltz=0.35),
        Drums((48, 48, 48), ("", "", "", "")),
        Bass(
            (42, 43, 0, 70), ("1...............", "1.......5.......", "1...5...3...5...", "1.......3...5..."), 0.97, 36
        ),
        Harmony(
            (
                "I|V|I|IV|I|ii|V|I",
                "I|vi|IV|V",
                "i|iv|V7|i",
                "I|IV|ii|V7|iii|vi|V7|I",
                "i|bVI|iv|V7|i|V7|i|i",
                "I V|vi iii|IV I|IV V",
            )
        ),
        Comping(
            (0, 46, 6, 24),
            ("1323132313231323", "1.3.2.3.1.3.2.3.", "1.2.3.4.3.2.1.2.", "1...3.2.3...2.3."),
            "close",
            4,
            52,
        ),
        Comping(
            (48, 49, 60, 52), ("x...............", "x.......x.......", "x...x...x...x..."), "close", 15.5, 55, 0.75
        ),
        Lead(
            (40, 73, 68, 71, 48),
            ("x...x.x.x...x...", "x.....x.x...x.x.", "x.x.x.x.x...x...", "x.......x.x.x.x."),
            "diatonic",
            64,
            22,
            0.1,
            0.08,
            0.97,
        ),
        Form(("V8 C8 V8 C8", "V4 V4 C8 V8", "I2 V8 B8 V8"), "IVCBS", "VCBS"),
        Mix((-8, -4, -1, -4, 0), Range(0.0, 0.1), Range(-2, 1), Range(0.25, 0.45), Range(0.3, 0.8), Range(-75, -60)),
    ),
    "country": Style(
        ("rock", "pop"),
        Groove(Range(88, 132), Range(0.5, 0.58), waltz=0.15),
        Drums(
            (0, 40, 8),
            (
                "K:x.......x....... S:o.Xoo.Xoo.Xoo.Xo",
                "K:x.......x....... R:....x.......x... H:o.x.o.x.o.x.o.x.",
                "K:x.......x....... S:..x...x...x...x. A:....x.......x...",
                "K:x.......x.x..... S:....X.......X... H:x.x.x.x.x.x.x.x.",
            ),
        ),
        Bass((32, 33, 34), ("1.......5.......", "1.......5.....a.", "1...1...5...5...", "1.......5...3...")),
        Harmony(
            (
                "I|I|IV|I|I|I|V|V",
                "I|IV|V|I",
                "I|I|IV|IV|V|V|I|I",
                "I|V|IV|I|I|V|I|I",
                "I|vi|IV|V",
            )
        ),
        Comping(
            (25, 24, 105),
            ("..x...x...x...x.", "..x.o.x...x.oxx.", "1.2.3.2.1.2.3.2.", "1231231212312312"),
            "open",
            3,
            48,
        ),
        Comping((110, 21, 25), ("x...............", "....x.......x...", "1232123212321232"), "close", 10, 60, 0.6),
        Lead(
            (110, 22, 25, 105),
            ("x.x.x.x.x...x...", "x...x.x.x.x.x...", "x.xxx.x.x...x...", "x.....x.x.x.x..."),
            "pent",
            62,
            19,
            0.15,
            0.2,
        ),
        Form(_POP_FORMS, "VCBS"),
        Mix((-3, -2, 0, -5, 1), Range(0.1, 0.5), Range(0, 2), Range(0.06, 0.16)),
    ),
    "disco": Style(
        ("pop", "hiphop"),
        Groove(Range(110, 128)),
        Drums(
            (0, 8, 25),
            (
                "K:X...X...X...X... S:....x.......x... O:..x...x...x...x. H:x...x...x...x...",
                "K:X...X...X...X... C:....X.......X... H:xoxoxoxoxoxoxoxo O:..x...x...x...x.",
                "K:X...X...X...X... S:....X.......X..o O:..x...x...x...x. A:x.xxx.xxx.xxx.xx",
                "K:X...X...X...X... C:....x.......x... O:..X...X...X...X. N:..x..x....x..xx.",
            ),
        ),
        Bass((33, 36, 38), ("1.8.1.8.1.8.1.8.", "1..81.8.1..81.8.", "1.8.1.8.1.8.5.7.", "1...1.8...1.8.5.")),
        Harmony(
            (
                "i7|iv7|bVII|bIIImaj7",
                "i7|i7|bVImaj7|bVII",
                "Imaj7|vi7|ii7|V7",
                "i7|iv7|i7|bVII",
                "ii7|V7|Imaj7|IVmaj7",
            )
        ),
        Comping(
            (27, 28, 7, 5),
            ("x.xxx.xxx.xxx.xx", "..x...x...x..xx.", "x..x..x.x..x..x.", "....x..x....x.xx"),
            "close",
            1.2,
            57,
        ),
        Comping((48, 50, 49), ("X...............", "X.......x.......", "X.....x.x...x..."), "close", 14, 67, 0.95),
        Lead(
            (61, 53, 65, 62),
            ("x..x..x.x.......", "x.x...x.x..x....", "..x.x.x..xx.....", "x.......x..x.x.."),
            "diatonic",
            62,
            17,
            0.25,
        ),
        Form(_POP_FORMS, "IVCBS"),
        Mix((1, 0, -3, -3, 0), Range(0.3, 0.8), Range(0, 3), Range(0.06, 0.15), Range(0.7, 0.98)),
    ),
    "hiphop": Style(
        ("reggae", "disco"),
        Groove(Range(80, 102), Range(0.53, 0.62), 0.5),
        Drums(
            (25, 24, 16),
            (
                "K:X..x......X..... S:....X.......X... H:x.x.x.x.x.x.x.x.",
                "K:X.....x..xX..... S:....X.......X..o H:xoxoxoxoxoxoxoxo",
                "K:X......xX..x.... C:....X.......X... H:x.xxx.x.x.xxx.xx",
                "K:X..x..X...x..... S:....X.......X... H:x.x.x.x.x.x.xxxx",
            ),
        ),
        Bass((38, 39, 33), ("1..1......1.....", "1.....1...5.....", "1......11..3....", "1.........1.7..."), 0.97, 26),
        Harmony(("i7|i7|bVImaj7|bVImaj7", "i7|iv7", "i|bVI", "i7|i7", "ii7|V7", "i|bVII|bVI|V7")),
        Comping(
            (4, 0, 11, 46),
            ("X.......x..x....", "X.....x.........", "1..2..3...2.....", "..x..x....x....."),
            "close",
            6,
            57,
        ),
        Comping((88, 48, 52), ("x...............", "x.......x......."), "close", 15, 55, 0.5),
        Lead(
            (53, 85, 80),
            ("x.xxx.xxx.xxx.x.", "xx.xx.xxx.x.x...", "x.x.xxx.xx.xx.x.", "..xxx.x.x.xxxxx."),
            "pent",
            55,
            6,
            0.1,
            0.0,
            0.6,
        ),
        Form(("I2 V8 C4 V8 C4", "V8 C4 V8 C4", "I1 V4 C4 V4 C4"), "VC", "VCS"),
        Mix((3, 3, -4, -8, -3), Range(0.5, 1.2), Range(-4, -1), Range(0.02, 0.08), Range(0.8, 0.98), Range(-60, -46)),
    ),
    "jazz": Style(
        ("blues", "classical"),
        Groove(Range(112, 190), Range(0.6, 0.67)),
        Drums(
            (32, 40, 0),
            (
                "Y:X...x.o.X...x.o. P:....x.......x... K:o...o...o...o...",
                "Y:x...x.x.x...x.x. P:....x.......x... S:.......o......o.",
                "Y:x...X.o.x...X.o. P:....x.......x... K:x.........x..... R:....o.......o...",
                "S:x.o.x.o.x.o.x.o. P:....x.......x... K:o.......o.......",
            ),
        ),
        Bass((32, 32, 35), ("w...w...w...w...", "w...w...w...w.w.", "1.....1.5.....5.", "w...w.w.w...w...")),
        Harmony(
            (
                "ii7|V7|Imaj7|vi7",
                "Imaj7|vi7|ii7|V7",
                "ii7|V7|Imaj7|Imaj7|iih|V7|i7|i7",
                "i7|iv7|iih|V7",
                "Imaj7|IV7|iii7 VI7|ii7 V7",
            )
        ),
        Comping(
            (0, 26, 4, 11),
            ("x.....x.........", "......x.......x.", "..x...x.......x.", "x.........x....."),
            "shell",
            3.5,
            52,
        ),
        Comping((61, 26, 11), ("......x.........", "x.....x........."), "close", 4, 57, 0.3),
        Lead(
            (66, 65, 56, 59, 11),
            ("x.x.x.x.x.x.x...", "..x.x.x.x.x.x.x.", "x.x.xxx.x...x.x.", "x...x.x.x.x.x.x."),
            "bebop",
            58,
            24,
            0.15,
            0.15,
        ),
        Form(("V8 V8 B8 V8", "I4 V8 S16 V8", "V8 S8 S8 V8"), "B", "VCBS"),
        Mix((-4, 0, -3, -8, 1), Range(0.0, 0.4), Range(-2, 0), Range(0.08, 0.22), Range(0.35, 0.85), Range(-66, -50)),
    ),
    "metal": Style(
        ("rock", "blues"),
        Groove(Range(132, 196)),
        Drums(
            (16, 0, 8),
            (
                "K:xxxxxxxxxxxxxxxx S:....X.......X... Y:x...x...x...x...",
                "K:x.xxx.xxx.xxx.xx S:....X.......X... H:x.x.x.x.x.x.x.x.",
                "K:x.x.x.x.x.x.x.x. S:.x.x.x.x.x.x.x.x Z:x...x...x...x...",
                "K:xx..xxxxxx..xxxx S:....X.......X... Z:x...x...x...x...",
            ),
        ),
        Bass((34, 33, 34), ("1.1.1.1.1.1.1.1.", "1.111.111.111.11", "1111111111111111", "1.....1.....1.1.")),
        Harmony(
            (
                "i5|i5|bVI5|bVII5",
                "i5|bII5|i5|bVII5",
                "i5|i5|bIII5 iv5|bVI5",
                "i5|bVI5|bIII5|bVII5",
                "i5|i5|i5|bII5 bIII5",
            )
        ),
        Comping(
            (30, 29, 30),
            ("X.xxX.xxX.xxX.xx", "xxxxxxxxxxxxxxxx", "X.x.x.X.x.x.X.x.", "X.....X.....X.xx"),
            "power",
            3,
            40,
        ),
        Comping((30, 52, 48), ("X...............", "X.......X......."), "power", 15, 52, 0.5),
        Lead(
            (30, 29, 81),
            ("xxxxx.x.xxxxx.x.", "x.x.xxxxx.x.xxxx", "x.......x.x.x.x.", "xx.xxx.xxx.xxx.x"),
            "harmonic",
            62,
            24,
            0.35,
            0.1,
        ),
        Form(("I4 V8 C8 V8 C8", "V8 C4 V8 S8 C4", "I4 V8 S8 C8"), "C", "CBS"),
        Mix((1, -1, 2, -5, 0), Range(1.5, 3.0), Range(0, 3), Range(0.02, 0.1), Range(0.85, 0.98)),
    ),
    "pop": Style(
        ("disco", "country"),
        Groove(Range(92, 124)),
        Drums(
            (0, 24, 25),
            (
                "K:X.....x.x....... S:....X.......X... H:x.x.x.x.x.x.x.x.",
                "K:X...x...X...x... C:....X.......X... H:..x...x...x...x.",
                "K:X..x..x.X..x..x. S:....X.......X... Q:xoxoxoxoxoxoxoxo",
                "K:X.......x.x..... C:....X.......X... H:xoxoxoxoxoxoxoxo",
            ),
        ),
        Bass((33, 38, 39), ("1.1.1.1.1.1.1.1.", "1.....1.1.....5.", "1..1..1.1..1..1.", "1...............")),
        Harmony(("I|V|vi|IV", "vi|IV|I|V", "I|vi|IV|V", "IV|V|iii|vi", "I|iii|IV|V")),
        Comping(
            (0, 1, 4, 0),
            ("X...x...x...x...", "X..x..x.X..x..x.", "1.2.3.2.1.2.3.2.", "x.x.x.x.x.x.x.x."),
            "close",
            4,
            55,
        ),
        Comping((89, 50, 90), ("x...............", "x.......x.......", "1.3.2.3.1.3.2.3."), "close", 15, 60, 0.85),
        Lead(
            (53, 80, 81, 54),
            ("x.x.x...x.x.....", "x..x..x.x...x...", "..x.x.x.x.x.x...", "x...x.x.x......."),
            "diatonic",
            62,
            14,
            0.1,
        ),
        Form(_POP_FORMS, "VCBS"),
        Mix((0, -1, -2, -4, 1), Range(0.3, 0.8), Range(0, 3), Range(0.08, 0.2), Range(0.75, 0.98)),
    ),
    "reggae": Style(
        ("hiphop", "pop"),
        Groove(Range(66, 88), Range(0.5, 0.57), 0.5),
        Drums(
            (0, 8, 0),
            (
                "K:........X....... R:........X....... H:x.x.x.x.x.x.x.x.",
                "K:x...x...X...x... R:........X....... H:xoxoxoxoxoxoxoxo",
                "K:........X....... R:...x....X.....x. H:x.xxx.xxx.xxx.xx",
                "K:x.......X....... S:........X....... H:..x...x...x...x. R:......x......x..",
            ),
        ),
        Bass((33, 32, 39), ("1...1..3..5.....", "..1.1.3.5...3.1.", "1.....5.1.3.....", "....1.1.3.5....."), 0.85, 26),
        Harmony(("I|IV", "i|bVII", "I|ii|IV|I", "i|iv|i|bVII", "I|V|vi|IV", "ii|I")),
        Comping((27, 28, 0), ("..X...X...X...X.", "..X...X...X...X.", "..Xx..X...Xx..X."), "close", 1.1, 59),
        Comping((16, 17, 18), (".xx..xx..xx..xx.", "o.xxo.xxo.xxo.xx"), "close", 1, 55, 0.85),
        Lead(
            (56, 57, 53, 22),
            ("x...x.x.x.......", "..x.x...x.x.....", "x.....x.x.......", "x.x.x.......x..."),
            "pent",
            58,
            15,
            0.35,
        ),
        Form(("I2 V4 C4 V4", "V4 C4 V4 C4", "I1 V8 C4"), "IVCBS", "VCS"),
        Mix((-1, 4, -1, -5, -2), Range(0.2, 0.7), Range(-4, -1), Range(0.08, 0.25), Range(0.6, 0.95)),
    ),
    "rock": Style(
        ("metal", "country"),
        Groove(Range(104, 148)),
        Drums(
            (0, 8, 16),
            (
                "K:X.......X.x..... S:....X.......X... H:x.x.x.x.x.x.x.x.",
                "K:X.....x.X.x..... S:....X.......X... O:x.x.x.x.x.x.x.x.",
                "K:X..x....X.x....x S:....X.......X... Y:x...x...x...x...",
                "K:X.......X....... S:....X.......X... H:x.x.x.x.x.x.x.x. A:....x.......x...",
            ),
        ),
        Bass((34, 33, 33), ("1.1.1.1.1.1.1.1.", "1.1.1.1.5.5.1.1.", "1.....1.1.1.....", "1.11..1.1.11..5.")),
        Harmony(("I|bVII|IV|I", "I|IV|V|IV", "i|bVII|bVI|bVII", "I|V|vi|IV", "I|I|bIII|IV")),
        Comping(
            (29, 29, 27),
            ("X.x.x.x.X.x.x.xx", "X..x..x.X..x..x.", "x.x.x.x.x.x.x.x.", "X...x.xx..x.x.xx"),
            "power",
            4,
            43,
        ),
        Comping((18, 29, 27), ("X...............", "X..x..x.X..x..x."), "open", 14, 48, 0.6),
        Lead(
            (29, 27, 30, 53),
            ("x...x.x.x...x...", "x.x.x...x.x.x.x.", "..x.x.xxx.......", "x..x..x.x.x....."),
            "pent",
            60,
            19,
            0.2,
            0.2,
        ),
        Form(_POP_FORMS, "CBS"),
        Mix((0, -1, 0, -4, 0), Range(0.8, 1.8), Range(-1, 2), Range(0.04, 0.12), Range(0.75, 0.98)),
    ),
}
