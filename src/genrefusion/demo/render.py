"""Turn a composed song into sound."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve, lfilter

from genrefusion.core.errors import UserError
from genrefusion.demo.artists import Artist, Stream, generator
from genrefusion.demo.music import PARTS, TICKS, Composition, import_symusic

SAMPLE_RATE = 22_050
"""Sample rate of the corpus in Hz, that of GTZAN."""

Audio = npt.NDArray[np.float64]


def render_song(song: Composition, artist: Artist, number: int, *, seed: int = 0) -> Audio:
    """Render and mix a song.

    Parameters
    ----------
    song : Composition
        From ``compose_song``.
    artist : Artist
        Who plays it; with ``number`` and ``seed`` it selects the random generator of the production.
    number : int
        Number of the song within its genre.
    seed : int
        Seed of the corpus.

    Returns
    -------
    Audio, shape (samples,)
        Mono at ``SAMPLE_RATE``, peak between 0 and 1.
    """
    rng = generator(seed, Stream.AUDIO, artist.genre, artist.number, number, 1)
    mix, samples = song.mix, round(song.seconds * SAMPLE_RATE)
    levels = dict(zip(PARTS, mix.levels, strict=True))
    sound = np.zeros(samples)
    for track in song.score.tracks:
        stem = _render_track(track, song.score.tempos, samples)
        gain = 10 ** ((levels[track.name] + rng.normal(0.0, 1.5)) / 20)
        sound += stem * gain / (_loudness(stem) + 1e-9)
    sound = _saturate(sound / (_loudness(sound) + 1e-9), rng.uniform(*mix.drive))
    sound = _tilt(sound, rng.uniform(*mix.tilt) + song.tilt)
    sound = _reverberate(sound, rng.uniform(*mix.reverb), rng)
    sound += rng.normal(0.0, _loudness(sound) * 10 ** (rng.uniform(*mix.hiss) / 20), samples)
    return np.asarray(_fade(sound) * (rng.uniform(*mix.peak) / np.abs(sound).max()))


def sound_font() -> Path:
    """Find the General MIDI sound font that the pretty_midi wheel carries, without importing pretty_midi."""
    spec = importlib.util.find_spec("pretty_midi")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / "TimGM6mb.sf2"
        if path.is_file():
            return path
    raise UserError(
        "The demo corpus needs the sound font TimGM6mb.sf2 of the pretty_midi package, which is not there.\n"
        "Install it with: pip install 'pretty_midi>=0.2.10,<0.3'"
    )


def _render_track(track: Any, tempos: Any, samples: int) -> Audio:
    """Render one track.

    The synthesizer (symusic 0.5.9) ignores velocities, so the notes of each velocity are rendered on their own and
    scaled. It stops at the end of the last note, hence the silence appended. And it confuses the notes of some programs
    with those that another program played before, so every rendering gets a synthesizer of its own (0.6 ms): otherwise
    a song would depend on the songs that the same process rendered before it.
    """
    symusic = import_symusic()
    font = str(sound_font())
    by_velocity: dict[int, list[Any]] = defaultdict(list)
    for note in track.notes:
        by_velocity[note.velocity].append(note)
    stem = np.zeros(samples)
    for velocity, notes in sorted(by_velocity.items()):
        score = symusic.Score(TICKS)
        score.tempos = tempos
        layer = symusic.Track(track.name, track.program, track.is_drum)
        for note in notes:
            layer.notes.append(note)
        score.tracks.append(layer)
        sound = np.asarray(symusic.Synthesizer(font, SAMPLE_RATE).render(score, stereo=False), dtype=np.float64)[0][
            :samples
        ]
        stem[: len(sound)] += sound * (velocity / 127) ** 1.5
    return stem


def _loudness(sound: Audio) -> float:
    """Root mean square of a sound over its loud half, so that pauses do not make a part louder."""
    power = np.sort(np.square(sound[: len(sound) // 512 * 512]).reshape(-1, 512).mean(axis=1))
    return float(np.sqrt(power[len(power) // 2 :].mean()))


def _saturate(sound: Audio, drive: float) -> Audio:
    """Bend loud peaks softly, as amplifiers and tape do."""
    return np.asarray(np.tanh(sound * drive / 2)) if drive > 0.01 else sound


def _tilt(sound: Audio, decibels: float) -> Audio:
    """Raise what lies above 800 Hz by half of ``decibels`` and lower the rest by as much."""
    pole = np.exp(-2 * np.pi * 800 / SAMPLE_RATE)
    low = lfilter([1 - pole], [1, -pole], sound)
    return np.asarray(low * 10 ** (-decibels / 40) + (sound - low) * 10 ** (decibels / 40))


def _reverberate(sound: Audio, share: float, rng: np.random.Generator) -> Audio:
    """Add the sound of a room: decaying noise, one second long at most."""
    times = np.arange(int(0.9 * SAMPLE_RATE)) / SAMPLE_RATE
    room = rng.normal(size=len(times)) * np.exp(-times * rng.uniform(5, 10))
    room /= np.sqrt(np.square(room).sum())
    return np.asarray((1 - share) * sound + share * fftconvolve(sound, room)[: len(sound)])


def _fade(sound: Audio) -> Audio:
    """Fade the last second out, so that no song ends with a click."""
    tail = min(SAMPLE_RATE, len(sound) // 4)
    sound[-tail:] *= np.linspace(1, 0, tail)
    return sound
