"""Choi's weights of the CRNN, trained on the tags of the Million Song Dataset, ported to PyTorch.

The weights are published under the MIT licence with Keras 1 / Theano in mind. Two things differ from what their names
say: Theano's convolution flips its kernels in both directions, and ``running_std`` holds variances.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from genrefusion.core.errors import UserError
from genrefusion.core.files import require_file
from genrefusion.data.audio import sha256_of
from genrefusion.models.crnn import Crnn
from genrefusion.settings.features import MelFeatures

SHA256 = "783d8198417fd5d6ceee551dea5ec3e7f0210ec743af4819172b5c943044081c"
URL = (
    "https://raw.githubusercontent.com/keunwoochoi/music-auto_tagging-keras/master/"
    "data/music_tagger_crnn_weights_theano.h5"
)
FRAME_SECONDS = 29.12
WIDTH = 64
TAGS = (
    "rock/pop/alternative/indie/electronic/female vocalists/dance/00s/alternative rock/jazz/beautiful/metal/chillout/"
    "male vocalists/classic rock/soul/indie rock/Mellow/electronica/80s/folk/90s/chill/instrumental/punk/oldies/blues/"
    "hard rock/ambient/acoustic/experimental/female vocalist/guitar/Hip-Hop/70s/party/country/easy listening/sexy/"
    "catchy/funk/electro/heavy metal/Progressive rock/60s/rnb/indie pop/sad/House/happy"
).split("/")
"""The 50 tags in the order of the published network's outputs."""


def find_weights(weights: str, cache: Path) -> Path:
    """Locate the file of weights.

    Parameters
    ----------
    weights : str
        ``"msd"`` fetches the file from its public address into `cache` once; anything else is a path.
    cache : Path
        Where the fetched file is kept.

    Returns
    -------
    Path
        An existing file; for ``"msd"`` its SHA-256 is checked.

    Raises
    ------
    UserError
        The file does not exist, cannot be fetched, or is not the published one.
    """
    if weights != "msd":
        path = Path(weights).expanduser()
        require_file(path, "pipeline.weights", f"Give the path of {Path(URL).name}, or msd.")
        return path
    import pooch

    try:
        return Path(pooch.retrieve(URL, known_hash=f"sha256:{SHA256}", path=cache, progressbar=False))
    except (OSError, ValueError) as error:
        raise UserError(
            f"pipeline.weights=msd: the file cannot be fetched ({type(error).__name__}).\n"
            f"Fetch {URL}\nwhere there is a network, and give its path: pipeline.weights=PATH"
        ) from error


def require_published_frames(features: MelFeatures) -> None:
    """Refuse frames of another length, or on another scale, than the weights were trained on."""
    if abs(features.frame_seconds - FRAME_SECONDS) > 0.02:
        raise UserError(
            f"features.frame_seconds={features.frame_seconds:g}: the published weights read frames of "
            f"{FRAME_SECONDS} s."
        )
    if (features.sample_rate, features.n_fft, features.hop, features.n_mels) != (12000, 512, 256, 96):
        raise UserError("The published weights read mel-spectrograms with the default features.* settings only.")


def load_msd_crnn(path: Path) -> Crnn:
    """Build the published network with its 50 tag outputs (logits; their logistic sigmoid is the tag's probability).

    Raises
    ------
    UserError
        The file does not hold the weights.
    """
    import h5py  # only here: a trained run has its weights in another format

    network = Crnn(len(TAGS), width=WIDTH, column_norm=True)
    try:
        with h5py.File(path) as file:
            _copy(network, {name: np.asarray(array) for group in file.values() for name, array in group.items()})
    except (OSError, KeyError, RuntimeError) as error:
        known = sha256_of(path) == SHA256
        reason = str(error) if known else "not the published file"
        raise UserError(f"{path}: no weights of the MSD network could be read ({reason}).") from error
    return network.eval()


def _copy(network: Crnn, arrays: dict[str, np.ndarray]) -> None:
    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(arrays[name], dtype=np.float32))

    state: dict[str, torch.Tensor] = {}
    norms = {"trunk.input_norm": "bn_0_freq"} | {f"trunk.blocks.{i}.1": f"bn{i + 1}" for i in range(4)}
    for module, layer in norms.items():
        state |= {
            f"{module}.weight": tensor(f"{layer}_gamma"),
            f"{module}.bias": tensor(f"{layer}_beta"),
            f"{module}.running_mean": tensor(f"{layer}_running_mean"),
            f"{module}.running_var": tensor(f"{layer}_running_std"),
            f"{module}.num_batches_tracked": torch.tensor(0),
        }
    for i in range(4):
        state[f"trunk.blocks.{i}.0.weight"] = tensor(f"conv{i + 1}_W").flip(2, 3)
        state[f"trunk.blocks.{i}.0.bias"] = tensor(f"conv{i + 1}_b")
    for layer in ("gru1", "gru2"):
        # The order of the gates here is KerasGru's: update, reset, candidate.
        state[f"head.{layer}.kernel"] = torch.cat([tensor(f"{layer}_W_{gate}") for gate in "zrh"], dim=1)
        state[f"head.{layer}.recurrent"] = torch.cat([tensor(f"{layer}_U_{gate}") for gate in "zrh"], dim=1)
        state[f"head.{layer}.bias"] = torch.cat([tensor(f"{layer}_b_{gate}") for gate in "zrh"])
    state["head.output.weight"] = tensor("output_W").T.contiguous()
    state["head.output.bias"] = tensor("output_b")
    network.load_state_dict(state)
