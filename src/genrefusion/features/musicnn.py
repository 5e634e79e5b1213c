"""Vectors of songs by the tag network musicnn, whose published weights are fetched once.

The weights lie in the wheel ``musicnn`` 0.1.0 on PyPI, under the ISC licence. It cannot be installed beside this
package, as it wants TensorFlow and an old numpy; nothing of its code is run.
"""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from genrefusion.core.errors import UserError
from genrefusion.core.files import atomic_path, locked, write_atomically
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import load_audio, sha256_of
from genrefusion.features.descriptors import hann, mel_filters
from genrefusion.features.sources import AudioSource
from genrefusion.features.text_encoder import MADE_ON, Device, on_cpu
from genrefusion.models.msd import TAGS
from genrefusion.models.musicnn import BANDS, COLUMNS, Musicnn, from_published
from genrefusion.models.tensor_bundle import read_tensors
from genrefusion.settings.features import MusicnnFeatures

Array = npt.NDArray[np.float32]

RATE, N_FFT, HOP = 16_000, 512, 256
REQUIREMENT = "musicnn==0.1.0"
_INDEX, _DATA = "musicnn/MSD_musicnn/.index", "musicnn/MSD_musicnn/.data-00000-of-00001"
_SHA256 = {
    _INDEX: "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
    _DATA: "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
}
_LICENCE = "musicnn-0.1.0.dist-info/LICENSE.md"
_AT_ONCE = 24  # patches: bounds the memory, however long a song is


def log_mel(audio: Array) -> Array:
    """Spectrogram as the network reads it: ``log10(10000 M + 1)`` of the mel power.

    Windows of 512 samples every 256 at 16 kHz, centred, with zeros outside the signal, and 96 bands of Slaney's scale.
    The published code rounds the power to half precision first, where loud bands become infinite; that is left out.

    Parameters
    ----------
    audio : Array, shape (samples,)
        Mono, at 16 kHz.

    Returns
    -------
    Array, shape (1 + samples // 256, 96)
    """
    return _mel_of_padded(np.pad(audio, N_FFT // 2))


def _mel_of_padded(padded: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    spectrum = scipy.fft.rfft(windows * hann(N_FFT), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    mel: Array = np.log10(10_000 * (power @ mel_filters(RATE, N_FFT, BANDS).T) + 1).astype(np.float32)
    return mel


def patch_starts(columns: int, hop_seconds: float | None) -> list[int]:
    """First column of each patch: so far apart, or side by side; one more is flush with the end if half a hop is left.

    A song that is shorter than a patch has one, which reaches past its end.
    """
    hop = COLUMNS if hop_seconds is None else max(1, round(hop_seconds * RATE / HOP))
    starts = list(range(0, max(1, columns - COLUMNS + 1), hop))
    if columns - (starts[-1] + COLUMNS) >= hop / 2:
        starts.append(columns - COLUMNS)
    return starts


class MusicnnExtractor:
    """What the network makes of each patch of a song; see `genrefusion.features.cache.Extractor`.

    Parameters
    ----------
    settings : MusicnnFeatures
        Layers and distance of the patches.
    weights : Path
        See `find_weights`.
    max_seconds : float
        Only the beginning of a longer song is read.
    device : callable
        Where the network computes; asked once, when the first song is.
    """

    name = "musicnn"
    version = 1

    def __init__(
        self, settings: MusicnnFeatures, weights: Path, *, max_seconds: float, device: Device = on_cpu
    ) -> None:
        self.settings = settings
        self.max_seconds = max_seconds
        self._device = device
        self.weights = weights

    def parameters(self) -> Mapping[str, Any]:
        """What decides the result beside the audio."""
        return {
            "layers": list(self.settings.layers),
            "hop_seconds": self.settings.hop_seconds,
            "weights": sha256_of(self.weights),
            "max_seconds": self.max_seconds,
        } | MADE_ON

    @functools.cached_property
    def device(self) -> Any:
        """Where the network computes."""
        return self._device()

    @functools.cached_property
    def network(self) -> Musicnn:
        """The network on its device; loaded when a song is not in the cache."""
        return load_musicnn(self.weights).to(self.device)

    def __call__(self, path: Path) -> Array:
        """Decode and encode; shape (patches, channels of the layers side by side)."""
        audio = load_audio(path, sample_rate=RATE, max_seconds=self.max_seconds)
        return np.concatenate(list(self._vectors(audio)))

    def _vectors(self, audio: Array) -> Iterator[Array]:
        """A few patches at once: neither spectrogram nor maps of a long song are in memory as a whole."""
        import torch

        columns = 1 + len(audio) // HOP
        padded = np.pad(audio, (N_FFT // 2, N_FFT // 2 + max(0, COLUMNS - columns) * HOP))
        starts = patch_starts(columns, self.settings.hop_seconds)
        for first in range(0, len(starts), _AT_ONCE):
            some = starts[first : first + _AT_ONCE]
            mel = _mel_of_padded(padded[some[0] * HOP : (some[-1] + COLUMNS - 1) * HOP + N_FFT])
            with torch.inference_mode():
                answers = self.network(torch.from_numpy(mel).to(self.device), [start - some[0] for start in some])
            layers = [getattr(answers, layer) for layer in self.settings.layers]
            yield torch.cat(layers, dim=1).cpu().numpy()


class TagSequences(AudioSource):
    """A vector for each patch of a song: what the network makes of three seconds."""

    features: MusicnnFeatures

    @property
    def channels(self) -> Sequence[str]:
        """Tags by their names, other values by layer and number."""
        names = {
            "tags": list(TAGS),
            "penultimate": [f"penultimate_{unit}" for unit in range(200)],
            "pooled": [f"pooled_{unit}" for unit in range(1506)],
        }
        return [name for layer in self.features.layers for name in names[layer]]

    def spans(self, seconds: float) -> list[tuple[float, float]]:
        """Beginning and end of each patch; see `patch_starts`."""
        starts = patch_starts(1 + int(seconds * RATE + 0.5) // HOP, self.features.hop_seconds)  # as soxr rounds
        return [(start * HOP / RATE, min((start + COLUMNS) * HOP / RATE, seconds)) for start in starts]

    def parameters(self) -> int:
        """Values of the network, with the statistics that its normalisations apply."""
        return sum(value.numel() for value in Musicnn().state_dict().values() if value.is_floating_point())

    def extractor(self) -> MusicnnExtractor:
        """The network; its weights are fetched here, if they were not before."""
        around = self.surroundings
        weights = find_weights(self.features.weights, around.cache.directory / "weights", around.terminal)
        return MusicnnExtractor(self.features, weights, max_seconds=around.max_seconds, device=around.device)


def find_weights(weights: str, folder: Path, terminal: Terminal) -> Path:
    """Locate the weights as safetensors; they are fetched and converted where that was not done before.

    Parameters
    ----------
    weights : str
        ``"musicnn"``, or the path of the wheel or of what it was converted to.
    folder : Path
        Where they are kept, with their licence beside them.
    terminal : Terminal
        Told what is fetched.

    Raises
    ------
    UserError
        There is no such file, it is another one, or nothing can be fetched.
    """
    given = Path(weights).expanduser()
    if weights != "musicnn" and not given.is_file():
        raise UserError(f"features.weights={weights}: no such file. Give the path of the wheel or of safetensors.")
    if weights != "musicnn" and given.suffix != ".whl":
        return given
    ready = folder / "musicnn.safetensors"
    if ready.is_file():
        return ready
    with locked(folder / "musicnn.lock"), tempfile.TemporaryDirectory() as temporary:
        if not ready.is_file():  # no other process was faster
            if weights == "musicnn":
                terminal.say("fetch", f"{REQUIREMENT} (PyPI, 29 MB, ISC licence), for the weights of features=musicnn")
                given = _fetch(Path(temporary))
            _convert(given, ready)
    return ready


def _fetch(folder: Path) -> Path:
    """Fetch the wheel with pip, which knows the user's index, proxy and mirrors."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    done = subprocess.run(  # noqa: S603 (this interpreter's pip)
        [*command, "--disable-pip-version-check", "--dest", str(folder), REQUIREMENT],
        capture_output=True,
        text=True,
        check=False,
    )
    found = sorted(folder.glob("*.whl"))
    if not found:
        said = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise UserError(
            f"features.weights=musicnn: {REQUIREMENT} cannot be fetched ({said[-1].removeprefix('ERROR: ')}).\n"
            f"Where there is a network: pip download --no-deps {REQUIREMENT}\n"
            "and give the path of the file that it leaves: features.weights=PATH"
        )
    return found[0]


def _convert(wheel: Path, to: Path) -> None:
    """Write the weights of a wheel as safetensors, and the licence beside them."""
    from safetensors.torch import save_file

    try:
        with zipfile.ZipFile(wheel) as archive:
            index, data, licence = (archive.read(name) for name in (_INDEX, _DATA, _LICENCE))
    except (zipfile.BadZipFile, KeyError) as error:
        raise UserError(f"{wheel}: not the wheel {REQUIREMENT} ({error}).") from error
    for name, content in ((_INDEX, index), (_DATA, data)):
        if hashlib.sha256(content).hexdigest() != _SHA256[name]:
            raise UserError(f"{wheel}: {name} is not that of {REQUIREMENT} (its SHA-256 differs). Fetch it anew.")
    write_atomically(to.with_name("musicnn.LICENSE.md"), licence)
    with atomic_path(to) as temporary:
        save_file(from_published(read_tensors(index, data)).state_dict(), temporary)


def load_musicnn(weights: Path) -> Musicnn:
    """Read the network.

    Raises
    ------
    UserError
        The file holds other weights.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    network = Musicnn()
    try:
        network.load_state_dict(load_file(weights))
    except (OSError, RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"features.weights={weights}: not the weights of {REQUIREMENT} ({first}).") from error
    return network
