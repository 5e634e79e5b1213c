"""What a decoder hands over block by block: mixed to mono, held to what samples may be, and what the mix loses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

SILENCE = 1e-4
"""A file whose largest sample stays under this (-80 dBFS) is called silent."""

LOUDEST = 16.0
"""The largest sample that audio may have, 24 dB over full scale: beyond it are samples on the scale of integers."""

CANCELLED_DB = 40.0
"""Channels whose mono mix has so much less energy than they have cancel each other: what is left is no music."""

LOSS_DB = 10.0
"""A loss that is told: independent channels lose 3 dB where there are two of them, 9 dB where there are eight."""


class AudioError(Exception):
    """A file that cannot be used; the message says what is wrong with it, without its name."""


@dataclass(frozen=True)
class Sound:
    """A decoded file.

    Attributes
    ----------
    samples : Array, shape (samples,)
        The mean of the channels, nominally within [-1, 1].
    rate : int
        Samples a second.
    peak : float
        Largest sample of any channel.
    loss : float
        How many dB less energy the mix has than the channels have in the mean; infinite where it has none.
    """

    samples: Array
    rate: int
    peak: float
    loss: float

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.rate

    @property
    def silent(self) -> bool:
        """Whether the mix is."""
        return not len(self.samples) or float(np.max(np.abs(self.samples))) < SILENCE

    @property
    def cancelled(self) -> bool:
        """Whether the channels have sound and their mix next to none."""
        return self.peak >= SILENCE and self.loss > CANCELLED_DB

    @property
    def note(self) -> str:
        """What is to be known of a file that can be used; mostly nothing."""
        if self.loss <= LOSS_DB:
            return ""
        return f"mixed to mono it loses {self.loss:.0f} dB: its channels nearly cancel each other (opposite phase?)"


class Mixer:
    """Takes the blocks of one file, and keeps their mono mix.

    Parameters
    ----------
    limit : int
        Samples a channel that are wanted.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.done = 0
        self._blocks: list[Array] = []
        self._peak = self._channels = self._mix = 0.0

    def add(self, block: Array) -> None:
        """Take the next samples, shape (samples, channels); those beyond the limit are dropped.

        Raises
        ------
        AudioError
            Some are no numbers, or beyond `LOUDEST`.
        """
        block = block[: self.limit - self.done]
        if not block.size:
            return
        self._peak = max(self._peak, _peak(block))
        mono = _mono(block)
        self._blocks.append(mono)
        self.done += len(mono)
        if block.shape[1] > 1:
            self._channels += float(np.vdot(block, block)) / block.shape[1]
            self._mix += float(np.vdot(mono, mono))

    def sound(self, rate: int) -> Sound:
        """All that was taken.

        Raises
        ------
        AudioError
            Nothing was.
        """
        if not self.done:
            raise AudioError("holds no samples")
        samples = self._blocks[0] if len(self._blocks) == 1 else np.concatenate(self._blocks)
        loss = 0.0
        if self._channels:
            loss = 10 * math.log10(self._channels / self._mix) if self._mix else math.inf
        return Sound(samples, rate, self._peak, loss)


def _peak(block: Array) -> float:
    high, low = float(block.max()), float(block.min())
    peak = max(high, -low)
    if not (math.isfinite(high) and math.isfinite(low)):
        raise AudioError("holds samples that are no numbers (NaN or infinite)")
    if peak > LOUDEST:
        raise AudioError(
            f"holds samples up to {peak:,.4g}, where 1 is full scale (floats on the scale of integers, or damage)"
        )
    return peak


def _mono(block: Array) -> Array:
    if block.shape[1] == 2:
        # numpy's mean over two neighbours takes as long as decoding them
        return np.asarray((block[:, 0] + block[:, 1]) * np.float32(0.5))
    return np.asarray(block[:, 0] if block.shape[1] == 1 else block.mean(axis=1))
