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
