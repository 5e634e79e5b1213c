"""A torchaudio that does not import is told in a sentence where it is needed, and stands in nothing else's way."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import TINY_DATA
from genrefusion.core.errors import UserError
from genrefusion.core.torchaudio_parts import hide_broken_torchaudio
from genrefusion.training.losses import classification_loss

BROKEN = "raise OSError('libtorch_cuda.so: cannot open shared object file')\n"
SENTENCE = (
    r"The masks of pipeline.specaugment come with torchaudio, which does not import here "
    r"\(libtorch_cuda.so: cannot open shared object file\)\.\n.*pip install"
)


@pytest.mark.long
def test_a_network_trains_beside_a_broken_torchaudio(tmp_path: Path) -> None:
    (tmp_path / "torchaudio.py").write_text(BROKEN)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    words = [*TINY_DATA, "experiment=lyrics_frozen", "pipeline.epochs=1"]  # its reader comes with transformers
    command = [sys.executable, "-c", "from genrefusion.cli import train; train()", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("report.html"))


@pytest.fixture
def broken_torchaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchaudio.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("torchaudio.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchaudio", None)  # so that what the test leaves there is taken away
    del sys.modules["torchaudio"]


@pytest.mark.usefixtures("broken_torchaudio")
def test_masks_beside_a_broken_torchaudio_are_a_sentence() -> None:
    with pytest.raises(UserError, match=SENTENCE):
        classification_loss(specaugment=True)


@pytest.mark.usefixtures("broken_torchaudio")
def test_a_broken_torchaudio_is_hidden_from_others_and_still_told_to_who_needs_it() -> None:
    assert importlib.util.find_spec("torchaudio") is not None
    hide_broken_torchaudio()
    assert importlib.util.find_spec("torchaudio") is None
    with pytest.raises(UserError, match=SENTENCE):
        classification_loss(specaugment=True)
