"""Settings of corpora."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import compose_train
from genrefusion.settings.data import table_name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "demo"),
        (["data=folder", "data.root=music/songs"], "songs"),
        (["data=folder", "data.root=."], "here"),
        (["data=folder", "data.root=below/.."], "here"),
        (["data=folder", "data.root=/"], "corpus"),
        (["data=manifest", "data.root=music/own corpus"], "own corpus"),
        (["data=manifest", "data.manifest=music/tracks.csv"], "music"),
        (["data=manifest", "data.manifest=emotify.csv"], "emotify"),
        (["data=lyrics_audio", "data.root=music"], "lyrics_audio"),
        (["data=gtzan", "data.root=music"], "gtzan"),
    ],
)
def test_runs_lie_in_a_folder_that_is_called_as_the_corpus(
    words: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert compose_train("experiment=xgboost", *words).data.corpus_name == name


@pytest.mark.parametrize(("typed", "name"), [("..", "music"), (".", "work"), ("../work", "work"), ("/", "corpus")])
def test_a_corpus_is_called_by_the_folder_that_the_path_leads_to(
    typed: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "music" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    assert table_name(Path(typed) / "tracks.csv") == name
