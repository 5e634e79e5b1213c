from __future__ import annotations

import sys
from pathlib import Path

import pytest

from genrefusion.core.errors import UserError
from genrefusion.features.audio_encoder import load_audio_model
from genrefusion.features.text_encoder import load_pretrained


@pytest.mark.parametrize("error", ["OSError", "ImportError", "RuntimeError"])
@pytest.mark.parametrize("load", [load_pretrained, load_audio_model])
def test_a_torchaudio_of_another_pytorch_is_named_with_its_cure(
    load: object, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchaudio.py").write_text(f"raise {error}('libcudart.so.13: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    with pytest.raises(UserError, match=r"torchaudio .*\(libcudart.so.13: no such file\).* pip uninstall torchaudio"):
        load.__wrapped__("minilm")
