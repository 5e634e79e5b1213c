"""Songs as two sequences, one of the audio and one of the words, and how they are batched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from genrefusion.features.cache import LazyArray
from genrefusion.models.coattention import Pairs

Array = npt.NDArray[Any]
Item = tuple[tuple[Tensor, Tensor, Tensor], Tensor]

_BATCH = 32  # songs that are predicted at once
_BATCH_PAIRS = 4_000_000  # of a position and a word in them, some 75 bytes each: long songs come in smaller batches


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

    @property
    def lengths(self) -> list[int]:
        """Words of each song, which are read one after another: what a step takes goes by the longest lyrics."""
        return [len(self.text[song]) for song in self.ids]

    @property
    def positions(self) -> list[int]:
        """Positions of the audio of each song; 0 without audio."""
        shapes = (self.audio[song].shape if song in self.audio else (0, 0) for song in self.ids)
        return [int(frames * steps) for frames, steps, *_ in shapes]

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

    @property
    def both(self) -> list[str]:
        """Ids of the songs that have audio and lyrics."""
        return [song for song in self.ids if song in self.audio and len(self.text[song])]

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


def batches(songs: Sequences, order: Sequence[int], device: torch.device) -> Iterator[Pairs]:
    """Songs in an order, padded in groups, on a device."""
    for group in _groups(songs, order):
        pairs, _ = songs.collate([songs[i] for i in group])
        yield Pairs(*(tensor.to(device) for tensor in pairs))


def _groups(songs: Sequences, order: Sequence[int]) -> Iterator[list[int]]:
    """Neighbours in an order, as many as memory takes when all are padded to the longest."""
    positions, words = songs.positions, songs.lengths
    group: list[int] = []
    most = [1, 1]
    for number in order:
        grown = [max(most[0], positions[number]), max(most[1], words[number])]
        if group and (len(group) == _BATCH or (len(group) + 1) * grown[0] * grown[1] > _BATCH_PAIRS):
            yield group
            group, grown = [], [max(1, positions[number]), max(1, words[number])]
        group.append(number)
        most = grown
    if group:
        yield group


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


def in_parts(pairs: Pairs) -> list[tuple[Pairs, Tensor]]:
    """A batch in up to three parts, and the places of their songs: without lyrics, with shorter and with longer ones.

    Each part is as long as the longest lyrics in it. Padding takes as long to read as words do, and in training is most
    of a batch; the loss over the parts is the same.
    """
    words = pairs.text_mask.sum(dim=1)
    order = words.argsort(stable=True)
    silent, sung = order.tensor_split([int((words == 0).sum())])
    return [(_shortened(pairs, places), places) for places in (silent, *sung.tensor_split(2)) if len(places)]


def heard_alone(pairs: Pairs) -> list[tuple[Pairs, Tensor]]:
    """Those of the songs that have both sides, without their lyrics, and their places in the batch; or nothing."""
    (places,) = (pairs.audio_mask.any(dim=1) & pairs.text_mask.any(dim=1)).nonzero(as_tuple=True)
    silent = pairs._replace(text_mask=torch.zeros_like(pairs.text_mask))
    return [(_shortened(silent, places), places)] if len(places) else []


def _shortened(pairs: Pairs, places: Tensor) -> Pairs:
    """Some songs of a batch, without the padding that follows the longest lyrics; one token stays at least."""
    part = Pairs(*(tensor[places] for tensor in pairs))
    longest = max(1, int(part.text_mask.sum(dim=1).max()))
    return part._replace(text=part.text[:, :longest], text_mask=part.text_mask[:, :longest])


def _pad(rows: list[Tensor]) -> Tensor:
    """One batch of at least one position."""
    padded = pad_sequence(rows, batch_first=True)
    return padded if padded.shape[1] else padded.new_zeros(len(rows), 1, padded.shape[2])


def _mask(rows: list[Tensor]) -> Tensor:
    lengths = torch.tensor([len(row) for row in rows])
    return torch.arange(max(1, int(lengths.max()))) < lengths[:, None]
