"""Compose a song from a style, as a General MIDI score."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from genrefusion.core.errors import UserError
from genrefusion.demo.artists import Artist, Stream, generator, song_style
from genrefusion.demo.styles import Bass, Comping, Drums, Form, Groove, Harmony, Lead, Mix, Style

TICKS = 480
"""Ticks of a quarter note in the score."""

PARTS = ("drums", "bass", "comping", "colour", "lead")
"""Names of the tracks of a score, in the order of ``Mix.levels``."""

HIGHEST = 88
"""Highest pitch written: above 92 the synthesizer (symusic 0.5.9) never returns with some programs."""

UNREPEATABLE = frozenset({65})
"""General MIDI programs that no style may use: the synthesizer (symusic 0.5.9) renders the alto saxophone from memory
that nobody has set, so that two builds of the same song differ."""

VELOCITY = {"o": 48, "x": 84, "X": 116}
"""MIDI velocities of soft, normal and strong notes."""

DRUM_KEYS = {
    "K": 36, "S": 38, "R": 37, "C": 39, "H": 42, "P": 44, "O": 46, "Y": 51, "Z": 49, "L": 45, "M": 47, "T": 50,
    "A": 54, "N": 63, "Q": 70,
}  # fmt: skip
"""General MIDI percussion keys of the letters in drum patterns."""

NUMERALS = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
SCALES = {
    "blues": ((0, 3, 4, 5, 7, 9, 10), (0, 3, 5, 6, 7, 10)),
    "pent": ((0, 2, 4, 7, 9), (0, 3, 5, 7, 10)),
    "diatonic": ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)),
    "bebop": ((0, 2, 4, 5, 7, 8, 9, 11), (0, 2, 3, 5, 7, 8, 9, 11)),
    "harmonic": ((0, 2, 4, 5, 7, 8, 11), (0, 2, 3, 5, 7, 8, 11)),
}
"""Scale families: semitones above the key in major and in minor."""


class Chord(NamedTuple):
    """Root and tones in semitones above the key."""

    root: int
    tones: tuple[int, ...]


class Event(NamedTuple):
    """A note on the grid: start and length in sixteenths from the beginning of the song."""

    start: float
    length: float
    pitch: int
    velocity: int


class Bar(NamedTuple):
    """One bar: section letter, whether it opens or closes its section, chords of its first and second half."""

    section: str
    opens: bool
    closes: bool
    first: Chord
    second: Chord


@dataclass(frozen=True)
class Composition:
    """A composed song: the score, how to mix it, and its length in seconds."""

    score: Any
    mix: Mix
    tilt: float
    seconds: float


@dataclass(frozen=True)
class _Sheet:
    """What the players of one song agree on."""

    bars: list[Bar]
    steps: int
    key: int
    minor: bool


def compose_song(artist: Artist, song: int, *, seconds: float = 32.0, seed: int = 0) -> Composition:
    """Compose song number ``song`` of a genre in the manner of an artist.

    Parameters
    ----------
    artist : Artist
        Who plays; fixes the genre.
    song : int
        Number of the song within its genre.
    seconds : float
        Nominal length; songs last between 0.97 and 1.12 times as long.
    seed : int
        Seed of the corpus.

    Returns
    -------
    Composition
        With a ``symusic.Score`` of up to five tracks named after ``PARTS``; the drums are the one with ``is_drum``.
    """
    rng = generator(seed, Stream.AUDIO, artist.genre, artist.number, song)
    style = song_style(artist, rng)
    length = seconds * rng.uniform(0.97, 1.12)
    tempo = rng.uniform(*style.groove.tempo)
    swing = rng.uniform(*style.groove.swing)
    steps = 12 if rng.random() < style.groove.waltz else 16
    bars = int(np.ceil(length * tempo / 60 * 4 / steps)) + 1
    sheet = _write_sheet(style, bars, steps, int(rng.choice(artist.keys)), rng)
    tracks = {
        "drums": _play_drums(style.drums, sheet, rng),
        "bass": _play_bass(style.bass, sheet, rng),
        "comping": _play_chords(style.comping, sheet, "IVCBS", rng),
        "colour": _play_chords(style.colour, sheet, style.form.colour_in, rng),
        "lead": _play_lead(style.lead, sheet, style.form.lead_in, artist.lick, rng),
    }
    score = _write_score(tracks, tempo, swing, style.groove, rng)
    return Composition(score, style.mix, artist.tilt, length)


def parse_chord(text: str) -> Chord:
    """Read a Roman numeral such as ``bVImaj7``: lower case is minor, ``h`` half-diminished, ``5`` a power chord.

    Examples
    --------
    >>> parse_chord("V7")
    Chord(root=7, tones=(7, 11, 14, 17))
    """
    match = re.fullmatch(r"(b?)([ivIV]+)(maj7|7|5|h|)", text)
    if match is None:
        raise ValueError(f"not a chord: {text!r}")
    flat, numeral, quality = match.groups()
    root = NUMERALS[numeral.lower()] - len(flat)
    third = 4 if numeral.isupper() else 3
    intervals = {"": (0, third, 7), "7": (0, third, 7, 10), "maj7": (0, 4, 7, 11), "5": (0, 7), "h": (0, 3, 6, 10)}
    return Chord(root, tuple(root + interval for interval in intervals[quality]))


def _write_sheet(style: Style, bars: int, steps: int, key: int, rng: np.random.Generator) -> _Sheet:
    """Lay out the sections of the form and put chords to the bars."""
    verse, chorus = _two_progressions(style.harmony, rng)
    numerals = " ".join(verse).split()
    minor = any(re.fullmatch(r"i(7|5)?", numeral) for numeral in numerals)
    sections = _sections(style.form, bars, rng)
    written = []
    position = 0
    for number, section in enumerate(sections):
        opens = number == 0 or sections[number - 1] != section
        position = 0 if opens else position + 1
        progression = chorus if section in "CB" else verse
        halves = [parse_chord(text) for text in progression[position % len(progression)].split()]
        closes = number + 1 == len(sections) or sections[number + 1] != section
        written.append(Bar(section, opens, closes, halves[0], halves[-1]))
    return _Sheet(written, steps, key, minor)


def _two_progressions(harmony: Harmony, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Choose the progressions of verse and chorus; half of the songs have only one."""
    verse = str(rng.choice(harmony.progressions)).split("|")
    chorus = str(rng.choice(harmony.progressions)).split("|")
    return verse, verse if rng.random() < 0.5 else chorus


def _sections(form: Form, bars: int, rng: np.random.Generator) -> list[str]:
    """Spell out a plan, one letter a bar, repeated without its introduction until the song is full."""
    letters = "".join(block[0] * int(block[1:]) for block in str(rng.choice(form.plans)).split())
    body = letters.replace("I", "")
    return list((letters + body * (bars // len(body) + 1))[:bars])


def _row(pattern: str, steps: int) -> str:
    """Fit a rhythm to a bar of ``steps`` sixteenths."""
    return (pattern * (steps // len(pattern) + 1))[:steps] if pattern else ""


def _play_drums(drums: Drums, sheet: _Sheet, rng: np.random.Generator) -> tuple[int, list[Event]]:
    """Play the pattern, with fills where a section ends and cymbals where one begins."""
    kit, pattern = int(rng.choice(drums.kits)), str(rng.choice(drums.patterns))
    rows = [(DRUM_KEYS[row[0]], _row(row[2:], sheet.steps)) for row in pattern.split()]
    events: list[Event] = []
    for number, bar in enumerate(sheet.bars if rows else []):
        start = number * sheet.steps
        fill_from = sheet.steps - 4 if bar.closes and rng.random() < 0.6 else sheet.steps
        for key, row in rows:
            events += [
                Event(start + step, 3, key, VELOCITY[mark])
                for step, mark in enumerate(row)
                if mark != "." and (step < fill_from or key in (36, 44))
            ]
        for step in range(fill_from, sheet.steps):
            if rng.random() < 0.7:
                events.append(Event(start + step, 2, int(rng.choice((38, 45, 47, 50))), VELOCITY["x"]))
        if bar.opens and rng.random() < 0.5:
            events.append(Event(start, 12, DRUM_KEYS["Z"], VELOCITY["x"]))
    return kit, events


def _play_bass(bass: Bass, sheet: _Sheet, rng: np.random.Generator) -> tuple[int, list[Event]]:
    """Play the bass row on the chord of each half bar."""
    program, row = int(rng.choice(bass.programs)), _row(str(rng.choice(bass.patterns)), sheet.steps)
    events: list[Event] = []
    for number, bar in enumerate(sheet.bars):
        following = sheet.bars[min(number + 1, len(sheet.bars) - 1)].first
        onsets = [step for step, mark in enumerate(row) if mark != "."]
        for step, until in zip(onsets, [*onsets[1:], sheet.steps], strict=True):
            chord = bar.first if step < sheet.steps / 2 else bar.second
            root = bass.low + (sheet.key + chord.root - bass.low) % 12
            target = bass.low + (sheet.key + following.root - bass.low) % 12
            pitch = _bass_pitch(row[step], root, target, chord, last=until == sheet.steps, first=step == 0, rng=rng)
            events.append(Event(number * sheet.steps + step, (until - step) * bass.gate, pitch, VELOCITY["x"]))
    return program, events


def _bass_pitch(
    mark: str, root: int, target: int, chord: Chord, *, last: bool, first: bool, rng: np.random.Generator
) -> int:
    """Turn one mark of a bass row into a pitch."""
    third = 7 if len(chord.tones) < 3 else chord.tones[1] - chord.root
    if mark == "w":
        if first:
            return root
        if last:
            return target + int(rng.choice((-1, 1)))
        return root + int(rng.choice((third, 7, 9, 12, 2)))
    if mark == "a":
        return target - 1
    return root + {"1": 0, "3": third, "5": 7, "6": 9, "7": 10, "8": 12}[mark]


def _play_chords(comping: Comping, sheet: _Sheet, heard_in: str, rng: np.random.Generator) -> tuple[int, list[Event]]:
    """Strike or break the chords in rhythm, in the sections where the part is heard."""
    program, row = int(rng.choice(comping.programs)), _row(str(rng.choice(comping.patterns)), sheet.steps)
    events: list[Event] = []
    if rng.random() >= comping.share:
        return program, events
    onsets = [step for step, mark in enumerate(row) if mark != "."]
    for number, bar in enumerate(sheet.bars):
        if bar.section not in heard_in:
            continue
        for step, until in zip(onsets, [*onsets[1:], sheet.steps], strict=True):
            pitches = _voice(bar.first if step < sheet.steps / 2 else bar.second, sheet.key, comping)
            length = min(until - step, comping.gate)
            mark = row[step]
            if mark.isdigit():
                tone = int(mark) - 1
                pitches, mark = [pitches[tone % len(pitches)] + 12 * (tone // len(pitches))], "x"
            for string, pitch in enumerate(pitches):
                strum = 0.06 * string if comping.voicing == "open" else 0.0
                events.append(Event(number * sheet.steps + step + strum, length, pitch, VELOCITY[mark]))
    return program, events


def _voice(chord: Chord, key: int, comping: Comping) -> list[int]:
    """Place the tones of a chord above the lowest pitch of the part, from below."""
    low = comping.low
    root = low + (key + chord.root - low) % 12
    if comping.voicing == "power":
        return [root, root + 7, root + 12]
    tones = chord.tones if len(chord.tones) > 2 else (*chord.tones, chord.root + 16)
    if comping.voicing == "open":
        return [root, root + 7, root + 12, root + 12 + (tones[1] - chord.root) % 12]
    if comping.voicing == "shell" and len(tones) > 3:
        tones = (tones[1], tones[3], chord.root + 14)
    return sorted(low + (key + tone - low) % 12 for tone in tones)


def _play_lead(
    lead: Lead, sheet: _Sheet, heard_in: str, lick: tuple[int, ...], rng: np.random.Generator
) -> tuple[int, list[Event]]:
    """Sing a two-bar motif over the chords: repeated, varied, and silent now and then."""
    program = int(rng.choice(lead.programs))
    scale = SCALES[lead.scale][sheet.minor]
    ladder = [pitch for pitch in range(lead.low, lead.low + lead.span + 1) if (pitch - sheet.key) % 12 in scale]
    motifs = {section: _motif(lead, sheet.steps, lick, rng) for section in "IVCBS"}
    events: list[Event] = []
    place = len(ladder) // 2
    for number, bar in enumerate(sheet.bars):
        if number % 2 == 0:
            motif = motifs[bar.section] if rng.random() < 0.75 else _motif(lead, sheet.steps, lick, rng)
            silent = rng.random() < lead.rest
            place = (place + len(ladder) // 2) // 2
        if silent or bar.section not in heard_in:
            continue
        onsets = motif[number % 2]
        for (step, move), until in zip(onsets, [*(onset[0] for onset in onsets[1:]), sheet.steps], strict=True):
            place = _reflect(place + move, len(ladder))
            chord = bar.first if step < sheet.steps / 2 else bar.second
            pitch = _nearest_tone(ladder[place], chord, sheet.key) if step % 8 == 0 else ladder[place]
            start = number * sheet.steps + step
            if rng.random() < lead.grace:
                events.append(Event(start - 0.35, 0.35, pitch - 1, VELOCITY["o"]))
            events.append(Event(start, min(until - step, 8) * lead.gate, pitch, VELOCITY["x" if step % 4 else "X"]))
    return program, events


def _motif(
    lead: Lead, steps: int, lick: tuple[int, ...], rng: np.random.Generator
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Invent two bars of (step, move along the scale); half of the moves are the artist's lick."""
    bars = []
    for _ in range(2):
        onsets = [step for step, mark in enumerate(_row(str(rng.choice(lead.cells)), steps)) if mark != "."]
        moves = [
            lick[number % len(lick)] if rng.random() < 0.5 else int(rng.integers(-2, 3))
            for number in range(len(onsets))
        ]
        bars.append(list(zip(onsets, moves, strict=True)))
    return bars[0], bars[1]


def _reflect(place: int, size: int) -> int:
    """Turn a melody back at the ends of its range."""
    place = abs(place)
    return place if place < size else max(0, 2 * (size - 1) - place)


def _nearest_tone(pitch: int, chord: Chord, key: int) -> int:
    """Return the chord tone nearest to a pitch."""
    classes = {(key + tone) % 12 for tone in chord.tones}
    return min(range(pitch - 6, pitch + 7), key=lambda other: (other % 12 not in classes, abs(other - pitch), other))


def _write_score(
    tracks: dict[str, tuple[int, list[Event]]], tempo: float, swing: float, groove: Groove, rng: np.random.Generator
) -> Any:
    """Write the events as a symusic score, swung and with the small unevenness of players."""
    symusic = import_symusic()
    score = symusic.Score(TICKS)
    score.tempos.append(symusic.Tempo(0, qpm=tempo))
    for name, (program, events) in tracks.items():
        track = symusic.Track(name, program, name == "drums")
        jitter = np.clip(rng.normal(0.0, 0.05, len(events)), -0.12, 0.12)
        for event, offset in zip(events, jitter, strict=True):
            start = swing_time(event.start, swing, groove.swing_unit)
            end = swing_time(event.start + event.length, swing, groove.swing_unit)
            start, end = (max(0, round((time + offset) * TICKS / 4)) for time in (start, end))
            pitch = event.pitch if event.pitch <= HIGHEST else event.pitch - 12
            track.notes.append(symusic.Note(start, max(end - start, 20), pitch, event.velocity))
        if events:
            score.tracks.append(track)
    return score


def swing_time(step: float, swing: float, unit: float) -> float:
    """Delay the middle of each ``unit`` (in beats, four steps each) from half to the share ``swing`` of it.

    Examples
    --------
    >>> swing_time(2.0, 0.75, 1.0), swing_time(4.0, 0.75, 1.0)
    (3.0, 4.0)
    """
    size = 4 * unit
    whole, part = divmod(step / size, 1)
    part = part * 2 * swing if part < 0.5 else swing + (part - 0.5) * 2 * (1 - swing)
    return (whole + part) * size


def import_symusic() -> Any:
    """Import symusic, or say how to get it."""
    try:
        import symusic
    except ImportError as error:
        raise UserError(
            "The demo corpus needs symusic, which cannot be imported here "
            f"({error}).\nInstall it with: pip install 'symusic==0.5.9'"
        ) from error
    return symusic
