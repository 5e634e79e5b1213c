"""What a co-attention network looked at in a song, and what it makes of the song with other lyrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import extract
from genrefusion.features.mel import MelExtractor, frame_starts
from genrefusion.models.coattention import Pairs, Reading
from genrefusion.pipelines.coattention import CoattentionPipeline
from genrefusion.pipelines.frames import on_device
from genrefusion.pipelines.sequences import Sequences, ids_with_audio
from genrefusion.settings import AudioEncoderFeatures, MelFeatures
from genrefusion.terminal import Terminal

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spectrogram:
    """Log mel-spectrogram of a song, shape (bands, columns), and its length in seconds."""

    bands: npt.NDArray[np.float32]
    seconds: float


@dataclass(frozen=True)
class Attended:
    """What the networks looked at in a song that has both sides.

    Attributes
    ----------
    track, genre, predicted : str
        Track id, true and predicted genre.
    probability : float
        Of the predicted genre.
    text : str
        The cleaned lyrics.
    offsets : list of (int, int)
        First character of each token in them, and the one behind it.
    seconds : ndarray, shape (positions,)
        Middle of each position of the audio; its number where a file of vectors does not tell the time.
    unit : str
        ``s``, or empty for numbers.
    over_words : ndarray, shape (positions, tokens)
        Attention of each position over the words in the last layer; what is missing to 1 went to the "none" vectors.
    moment_shares, token_shares : ndarray, shapes (positions,) and (tokens,)
        Share of each position and of each token in what the prediction is made of; each sums to 1.
    """

    track: str
    genre: str
    predicted: str
    probability: float
    text: str
    offsets: list[tuple[int, int]]
    seconds: Array
    unit: str
    over_words: Array
    moment_shares: Array
    token_shares: Array


def with_both_sides(pipeline: CoattentionPipeline, tracks: Tracks) -> Tracks:
    """Tracks that have audio and lyrics."""
    both = set(ids_with_audio(pipeline.features, tracks)) - set(tracks.lacking("lyrics"))
    return tracks.subset([track for track in tracks.ids if track in both])


def attend(pipeline: CoattentionPipeline, tracks: Tracks) -> dict[str, Attended]:
    """What the networks looked at in tracks that have both sides, by track id; the mean of several networks."""
    songs = pipeline.songs(tracks)
    found = {}
    for number, (track, text) in enumerate(zip(tracks.ids, tracks.lyrics, strict=True)):
        pairs, _ = songs.collate([songs[number]])
        chances, over_words, moments, tokens = _mean_reading(pipeline, pairs)
        seconds, unit = _times(pipeline, tracks.subset([track]), songs.audio[track].shape[1], pairs.places[0].numpy())
        found[track] = Attended(
            track=track,
            genre=str(tracks.table.loc[track, "genre"]),
            predicted=pipeline.classes_[int(chances.argmax())],
            probability=float(chances.max()),
            text=text,
            offsets=pipeline.encoder.transformer.offsets(text)[: len(tokens)],
            seconds=seconds,
            unit=unit,
            over_words=over_words,
            moment_shares=moments,
            token_shares=tokens,
        )
    return found


def with_other_lyrics(pipeline: CoattentionPipeline, track: Tracks, lyrics: Sequence[str]) -> pd.DataFrame:
    """Probabilities of one track with each of other lyrics, which are embedded anew and not cached."""
    songs = pipeline.songs(track)
    (song,) = songs.ids
    names = [str(number) for number in range(len(lyrics))]
    text = {name: pipeline.encoder.transformer.encode(words)[0] for name, words in zip(names, lyrics, strict=True)}
    return pipeline.table(Sequences(names, dict.fromkeys(names, songs.audio[song]), text, [-1] * len(names)))


def spectrogram(pipeline: CoattentionPipeline, track: Tracks) -> Spectrogram | None:
    """Spectrogram of one track, where the audio is read from one."""
    features, bench = pipeline.features, pipeline.bench
    if not isinstance(features, MelFeatures):
        return None
    extractor = MelExtractor(features, max_seconds=bench.max_seconds)
    (mel,) = extract(track, extractor, bench.cache, workers=1, terminal=Terminal(quiet=True)).values()
    return Spectrogram(mel, mel.shape[1] * features.hop / features.sample_rate)


def shares_of(reading: Reading, none: int) -> tuple[Tensor, Tensor, Tensor]:
    """Attention of positions over words, and share of each position and token, for a batch of songs with both sides.

    A position's share is its weight in the pooled audio. A token's is the mean of its weight in the pooled text and of
    the attention that the pooled audio paid to it, ``sum over positions of weight x attention``, each scaled to sum 1.
    """
    over_words = reading.over_words[:, :, none:]
    heard = (reading.audio_weights[:, None] @ over_words).squeeze(1)
    heard = heard / heard.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return over_words, reading.audio_weights, (heard + reading.text_weights) / 2


@torch.inference_mode()
def _mean_reading(pipeline: CoattentionPipeline, pairs: Pairs) -> list[Array]:
    """Probabilities, and what `shares_of` gives, of a batch of one song: the mean over the networks."""
    readings = []
    for network in pipeline.networks_:
        model = on_device(network, pipeline.bench)
        device = next(model.parameters()).device
        reading = network.read(Pairs(*(side.to(device) for side in pairs)))
        values = (reading.logits.softmax(dim=1), *shares_of(reading, pipeline.settings.none))
        readings.append([value[0].double().cpu().numpy() for value in values])
    return [np.mean(each, axis=0) for each in zip(*readings, strict=True)]


def _times(pipeline: CoattentionPipeline, track: Tracks, positions: int, places: Array) -> tuple[Array, str]:
    """Middle of each position in seconds, and their unit; numbers where a file of vectors does not tell the time."""
    features = pipeline.features
    if isinstance(features, AudioEncoderFeatures):
        return places[:, 1] * features.hop_seconds + features.window_seconds / 2, "s"
    mel = spectrogram(pipeline, track)
    if mel is None or not isinstance(features, MelFeatures):
        return places[:, 1], ""
    starts = np.array(frame_starts(mel.bands.shape[1], features)) * features.hop / features.sample_rate
    return starts[places[:, 0].astype(int)] + (places[:, 1] + 0.5) * features.frame_seconds / positions, "s"
