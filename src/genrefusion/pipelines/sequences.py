"""Songs as two sequences, one of the audio and one of the words: where they come from, and how they are batched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache, LazyArray, LazyView, extract
from genrefusion.features.mel import MelExtractor, frame_columns, frame_starts
from genrefusion.features.precomputed import read_sequences
from genrefusion.models import msd
from genrefusion.models.coattention import Pairs
from genrefusion.models.crnn import Trunk
from genrefusion.pipelines.base import Workbench
from genrefusion.pipelines.frames import trunk_outputs
from genrefusion.settings.features import AudioEncoderFeatures, MelFeatures, NoFeatures, PrecomputedFeatures

Array = npt.NDArray[Any]
Item = tuple[tuple[Tensor, Tensor, Tensor], Tensor]

_BATCH = 32  # songs that are predicted at once


class Sequences(torch.utils.data.Dataset[Item]):
    """Songs in order.

    Parameters
    ----------
    ids : list of str
        Track ids.
    audio : dict of str to LazyArray
        Shape (frames, positions, channels); songs without audio are not there.
    text : dict of str to LazyArray
        Token embeddings, shape (tokens, width); without rows for songs without lyrics.
    labels : list of int
        Class of each song.
    """

    def __init__(
        self, ids: list[str], audio: Mapping[str, LazyArray], text: Mapping[str, LazyArray], labels: list[int]
    ) -> None:
        self.ids = ids
        self.audio = audio
        self.text = text
        self.labels = labels
        self.channels = next(iter(audio.values())).shape[2] if audio else 1

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> Item:
        """Audio, shape (positions, channels), their places, words, and the class."""
        song = self.ids[number]
        audio = self.audio.get(song)
        if audio is None:
            audio = np.zeros((0, 0, self.channels), np.float32)
        frames, steps, channels = audio.shape
        places = np.stack(np.meshgrid(np.arange(frames), np.arange(steps), indexing="ij"), axis=2)
        parts = (
            torch.from_numpy(np.array(audio, np.float32).reshape(-1, channels)),
            torch.from_numpy(places.reshape(-1, 2).astype(np.float32)),
            torch.from_numpy(np.array(self.text[song], np.float32)),
        )
        return parts, torch.tensor(self.labels[number])

    @staticmethod
    def collate(items: Sequence[Item]) -> tuple[Pairs, Tensor]:
        """Pad songs to the longest one; a side that all lack has one position of padding."""
        audio, places, text = ([item[0][side] for item in items] for side in range(3))
        audio_mask, text_mask = _mask(audio), _mask(text)
        pairs = Pairs(_pad(audio), _pad(places), audio_mask, _pad(text), text_mask)
        return pairs, torch.stack([item[1] for item in items])

    def part(self, ids: list[str], *, without: str) -> Sequences:
        """Some of the songs, without their ``audio`` or their ``lyrics``."""
        label = dict(zip(self.ids, self.labels, strict=True))
        empty = {song: self.text[song][:0] for song in ids}
        audio = {} if without == "audio" else self.audio
        part = Sequences(ids, audio, empty if without == "lyrics" else self.text, [label[song] for song in ids])
        part.channels = self.channels
        return part

    def audio_scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel over all positions, shape (channels,)."""
        if not self.audio:
            return torch.zeros(self.channels), torch.ones(self.channels)
        count, mean, squares = 0, np.zeros(self.channels), np.zeros(self.channels)
        for array in self.audio.values():
            # Song by song (Chan, Golub and LeVeque 1983): a corpus does not fit into memory.
            rows = np.asarray(array, np.float64).reshape(-1, self.channels)
            if not len(rows):
                continue
            shift = rows.mean(axis=0) - mean
            share = len(rows) / (count + len(rows))
            squares += ((rows - rows.mean(axis=0)) ** 2).sum(axis=0) + shift**2 * count * share
            mean += shift * share
            count += len(rows)
        return torch.from_numpy(mean).float(), torch.from_numpy(np.sqrt(squares / max(1, count))).float()


def ids_with_audio(features: object, tracks: Tracks) -> list[str]:
    """Tracks that have an audio side: a file, or vectors where they are ready."""
    if isinstance(features, PrecomputedFeatures):
        known = set(read_sequences(Path(str(features.path))))
        return [track for track in tracks.ids if track in known]
    without = set(tracks.lacking("audio"))
    return [track for track in tracks.ids if track not in without]


def batches(songs: Sequences, device: torch.device) -> Iterator[Pairs]:
    """Songs in order, padded in groups, on a device."""
    for first in range(0, len(songs), _BATCH):
        pairs, _ = songs.collate([songs[i] for i in range(first, min(first + _BATCH, len(songs)))])
        yield Pairs(*(tensor.to(device) for tensor in pairs))


def drop_sides(pairs: Pairs, probability: float) -> Pairs:
    """Hide one side, by chance the audio or the lyrics, of some of the songs that have both."""
    if not probability:
        return pairs
    both = pairs.audio_mask.any(dim=1) & pairs.text_mask.any(dim=1)
    drawn = torch.rand(len(both), device=both.device)
    no_audio = both & (drawn < probability / 2)
    no_text = both & (drawn >= probability / 2) & (drawn < probability)
    return pairs._replace(
        audio_mask=pairs.audio_mask & ~no_audio[:, None], text_mask=pairs.text_mask & ~no_text[:, None]
    )


def audio_sequences(
    features: object,
    trunk: Trunk | None,
    tracks: Tracks,
    bench: Workbench,
    *,
    levels: str = "all",
    outputs: FeatureCache | None = None,
) -> dict[str, LazyArray]:
    """Compute or look up the audio side of the tracks that have one, shape (frames, positions, channels) each.

    Parameters
    ----------
    features : MelFeatures, PrecomputedFeatures, AudioEncoderFeatures or NoFeatures
        Where it comes from.
    trunk : Trunk, optional
        Convolutions for mel-spectrograms.
    tracks : Tracks
        Some may have no audio.
    bench : Workbench
        Cache, device, terminal.
    levels : str
        ``all`` levels of the convolutions side by side, or the ``last`` alone. The cache has all of them.
    outputs : FeatureCache, optional
        Where the outputs of convolutions are kept; by default in the cache of the bench.

    Raises
    ------
    UserError
        The features are no sequences, or there are no convolutions whose last level could be chosen.
    """
    if levels == "last" and not isinstance(features, MelFeatures):
        raise UserError(
            f"pipeline.levels=last: the audio of features={getattr(features, 'name', features)} has one level. Leave "
            "the setting out, or choose features=mel."
        )
    known = tracks.subset(ids_with_audio(features, tracks))
    if isinstance(features, NoFeatures) or not len(known):
        return {}
    if isinstance(features, MelFeatures) and trunk is not None:
        found = trunk_outputs(trunk, known, features, bench, outputs=outputs)
        if levels == "all":
            return found
        return {track: LazyView(array, np.s_[:, :, -trunk.channels[-1] :]) for track, array in found.items()}
    if isinstance(features, PrecomputedFeatures):
        sequences = read_sequences(Path(str(features.path)))
        return {track: sequences[track][None] for track in known.ids}
    if isinstance(features, AudioEncoderFeatures):
        from genrefusion.features.audio_encoder import AudioEncoder

        extractor = AudioEncoder(features, max_seconds=bench.max_seconds)
        # One worker: the encoder itself takes all cores.
        arrays = extract(known, extractor, bench.cache, workers=1, terminal=bench.terminal)
        return {track: LazyView(arrays[track], np.s_[None]) for track in known.ids}
    name = getattr(features, "name", features)
    raise UserError(f"features={name} gives no sequences: choose mel, precomputed or audio_encoder.")


@dataclass(frozen=True)
class Timeline:
    """A song's spectrogram, and where in it the positions of its audio side lie.

    Attributes
    ----------
    mel : Array, shape (bands, columns)
        In dB.
    column_seconds : float
        From one column to the next.
    spans : Array, shape (positions, 2)
        Beginning and end of each position in seconds; a frame may reach past the end of the song.
    """

    mel: Array
    column_seconds: float
    spans: Array


def timelines(features: object, trunk: Trunk | None, tracks: Tracks, bench: Workbench) -> dict[str, Timeline]:
    """When the positions of `audio_sequences` are heard.

    Parameters
    ----------
    features, trunk, tracks, bench
        As for `audio_sequences`; each track with audio.

    Returns
    -------
    dict of str to Timeline
        By track id; empty for ready vectors, which do not say when they are heard.
    """
    if not isinstance(features, MelFeatures | AudioEncoderFeatures):
        return {}
    settings = features if isinstance(features, MelFeatures) else MelFeatures()
    extractor = MelExtractor(settings, max_seconds=bench.max_seconds)
    mels = extract(tracks, extractor, bench.cache, workers=bench.workers, terminal=bench.terminal)
    column = settings.hop / settings.sample_rate
    found = {}
    for track, mel in mels.items():
        if isinstance(features, AudioEncoderFeatures):
            spans = window_seconds((mel.shape[1] - 1) * column, features)
        else:
            assert trunk is not None
            spans = step_seconds(mel.shape[1], features, trunk)
        found[track] = Timeline(np.asarray(mel), column, spans)
    return found


def step_seconds(columns: int, features: MelFeatures, trunk: Trunk) -> Array:
    """Beginning and end of each step of each frame of a song in seconds, shape (frames x steps, 2)."""
    edges = np.array(trunk.step_edges(frame_columns(features)))
    steps = np.stack([edges[:-1], edges[1:]], axis=1)
    spans = np.array(frame_starts(columns, features))[:, None, None] + steps
    seconds: Array = spans.reshape(-1, 2) * features.hop / features.sample_rate
    return seconds


def window_seconds(seconds: float, features: AudioEncoderFeatures) -> Array:
    """Beginning and end of each window of a song of that length, shape (windows, 2); see `cut_windows`."""
    from genrefusion.features.audio_encoder import cut_windows

    milliseconds = np.arange(round(1000 * seconds), dtype=np.float32)
    length, hop = round(1000 * features.window_seconds), round(1000 * features.hop_seconds)
    starts = np.array([window[0] for window in cut_windows(milliseconds, length, hop)]) / 1000
    return np.stack([starts, starts + features.window_seconds], axis=1)


def published_trunk(weights: str, features: MelFeatures, bench: Workbench) -> Trunk:
    """Convolutions with the published weights, for the frames that they were trained on."""
    msd.require_published_frames(features)
    return msd.load_msd_crnn(msd.find_weights(weights, bench.cache.directory / "weights")).trunk


def _pad(rows: list[Tensor]) -> Tensor:
    """One batch of at least one position."""
    padded = pad_sequence(rows, batch_first=True)
    return padded if padded.shape[1] else padded.new_zeros(len(rows), 1, padded.shape[2])


def _mask(rows: list[Tensor]) -> Tensor:
    lengths = torch.tensor([len(row) for row in rows])
    return torch.arange(max(1, int(lengths.max()))) < lengths[:, None]
