from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from conftest import shared
from genrefusion.core.errors import UserError
from genrefusion.models import msd

WEIGHTS = "weights/music_tagger_crnn_weights_theano.h5"

PUBLISHED = {
    "cute": {"jazz": 0.444, "instrumental": 0.151, "folk": 0.103, "Hip-Hop": 0.103, "ambient": 0.077},
    "actionable": {"jazz": 0.416, "instrumental": 0.181, "Hip-Hop": 0.085, "folk": 0.085, "rock": 0.081},
    "dubstep": {"Hip-Hop": 0.245, "rock": 0.183, "alternative": 0.081, "electronic": 0.076},
    "thejazzpiano": {"jazz": 0.299, "instrumental": 0.174, "electronic": 0.089, "ambient": 0.061, "chillout": 0.052},
}


@torch.no_grad()
@pytest.mark.parametrize("clip", PUBLISHED)
def test_ported_network_gives_the_published_tags(clip: str) -> None:
    network = msd.load_msd_crnn(shared(WEIGHTS))
    mel = np.load(shared(f"bensound/{clip}.melgram.npy"))[0]
    tags = torch.sigmoid(network(torch.from_numpy(mel).float()))[0].numpy()
    found = dict(zip(msd.TAGS, tags, strict=True))
    # The published values are given to three decimals; 0.0005 is half of the last one.
    for tag, value in PUBLISHED[clip].items():
        assert found[tag] == pytest.approx(value, abs=0.00051)
    order = sorted(found, key=lambda tag: -found[tag])[: len(PUBLISHED[clip])]
    assert set(order) == set(PUBLISHED[clip])


def test_there_are_50_tags() -> None:
    assert len(msd.TAGS) == len(set(msd.TAGS)) == 50


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.h5: no such file"):
        msd.find_weights(str(tmp_path / "nowhere.h5"), tmp_path)


def test_a_file_without_weights_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("conv1").create_dataset("conv1_W", data=np.zeros(3))
    with pytest.raises(UserError, match=r"other\.h5: no weights of the MSD network"):
        msd.load_msd_crnn(tmp_path / "other.h5")


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(b"\x80\x04\x95not really")
    with pytest.raises(UserError, match="not the published file"):
        msd.load_msd_crnn(tmp_path / "weights.h5")


def test_without_a_network_the_message_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msd, "URL", "http://127.0.0.1:9/weights.h5")  # the discard port: refused at once
    with pytest.raises(UserError, match=r"pipeline\.weights=PATH"):
        msd.find_weights("msd", tmp_path)
