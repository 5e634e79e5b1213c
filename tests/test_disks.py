"""Commands whose folders cannot be written, or are full: a file is in the place of a folder, or files cannot grow.

As for a disk that is mounted for reading only, the system refuses to write there whoever runs the tests.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from conftest import run_here
from genrefusion import api
from genrefusion.core import files

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unrendered")]

PLAIN = ["experiment=xgboost_97", "pipeline.rounds=3", "workers=1"]


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three genres of six songs, and the words that name them."""
    import numpy as np
    import soundfile

    folder = tmp_path_factory.mktemp("songs")
    rows = []
    for number in range(18):
        genre = ("jazz", "pop", "rock")[number % 3]
        sound = 0.1 * np.random.default_rng(number).standard_normal(3 * 8000)
        soundfile.write(folder / f"{number}.wav", sound, 8000)
        rows.append({"track_id": number, "genre": genre, "artist": f"artist {number}", "audio": f"{number}.wav"})
    pd.DataFrame(rows).to_csv(folder / "tracks.csv", index=False)
    return f"data.manifest={folder / 'tracks.csv'}"


@pytest.fixture(scope="module")
def run(songs: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    answer = run_here("train", *PLAIN, "data=manifest", songs, f"hydra.run.dir={folder}/run", cwd=folder)
    assert answer.returncode == 0, answer.stderr
    return folder / "run"


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that cannot be made."""
    monkeypatch.setattr(files, "_said_not_kept", set())
    (tmp_path / "file").write_bytes(b"")
    return tmp_path / "file" / "folder"


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file can grow beyond 20 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(
    ("words", "setting"),
    [
        (["output={closed}"], "output=FOLDER"),
        (["cache={closed}"], "cache=FOLDER, or GENREFUSION_CACHE=FOLDER"),
        (["hydra.run.dir={closed}"], "hydra.run.dir=FOLDER"),
        (["-m", "seed=0,1", "output={closed}"], "output=FOLDER"),
        (["-m", "seed=0,1", "cache={closed}"], "cache=FOLDER"),
        (["-m", "sweep=xgboost", "sweep.trials=1", "cache={closed}"], "cache=FOLDER"),
        (["-m", "sweep=xgboost", "sweep.trials=1", "hydra.sweep.dir={closed}"], "hydra.sweep.dir=FOLDER"),
    ],
)
def test_train_says_which_setting_takes_another_folder(
    words: list[str], setting: str, songs: str, closed: Path, tmp_path: Path
) -> None:
    typed = [word.format(closed=closed) for word in words]
    answer = run_here("train", *typed, *PLAIN, "data=manifest", songs, cwd=tmp_path)
    assert answer.returncode in (1, 2)
    said = rf"{re.escape(str(closed))}: Not a directory( \(.*\))?\. Take another folder: {re.escape(setting)}"
    assert re.search(said, answer.stderr)
    assert "Traceback" not in answer.stderr
    assert not list(tmp_path.rglob("run.json"))


def test_what_only_reads_needs_no_cache(songs: str, run: Path, closed: Path, tmp_path: Path) -> None:
    song = Path(songs.removeprefix("data.manifest=")).with_name("0.wav")
    for command, *words in (
        ("corpus", "action=validate", "data=manifest", songs),
        ("corpus", "action=describe", "data=manifest", songs),
        ("evaluate", f"run={run}"),
        ("predict", f"run={run}", f"audio={song}", "format=csv"),
    ):
        answer = run_here(command, *words, f"cache={closed}", "workers=1", cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr.count("not kept") <= 1
    assert api.load_pipeline(run, cache=str(closed)).classes_ == ["jazz", "pop", "rock"]


def test_of_a_run_that_cannot_be_written_the_figures_are_shown(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(copy / "evaluations", ignore_errors=True)
    (copy / "evaluations").write_bytes(b"")
    answer = run_here("evaluate", f"run={copy}", "calibrate=true", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "test, songs" in answer.stdout
    assert f"note     {copy}: Not a directory. The figures are not kept" in answer.stdout


def test_a_run_on_a_full_disk_says_so_and_goes_on_where_there_is_room(
    songs: str, run: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    typed = [*PLAIN, "pipeline.rounds=30"]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    request.getfixturevalue("small_files")
    answer = run_here("train", *typed, "data=manifest", songs, cwd=tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert answer.returncode == 2
    _twice, said = answer.stderr.splitlines()
    assert said.startswith(f"output {tmp_path}/outputs: File too large (")
    assert said.endswith("another folder: output=FOLDER. What is done is kept: resume=true goes on with it.")
    assert not list(tmp_path.rglob("*.part"))
    answer = run_here("train", *typed, "data=manifest", songs, "resume=true", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr


def test_resume_takes_the_run_of_the_same_corpus(songs: str, tmp_path: Path) -> None:
    table = Path(songs.removeprefix("data.manifest="))
    other = shutil.copy(table, table.with_name("manifest.csv"))  # of the same corpus, as its name says
    for manifest, time in ((table, "2026-01-01_00-00-00"), (other, "2026-01-01_00-00-01")):
        folder = tmp_path / "outputs" / "xgboost_97" / table.parent.name / time
        typed = [*PLAIN, "data=manifest", f"data.manifest={manifest}"]
        assert run_here("train", *typed, f"hydra.run.dir={folder}", cwd=tmp_path).returncode == 0
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(record | {"status": "running"}))  # as it is when it is killed
    answer = run_here("train", *PLAIN, "data=manifest", songs, "resume=true", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    states = {
        path.parent.name: json.loads(path.read_text())["status"]
        for path in tmp_path.glob(f"outputs/xgboost_97/{table.parent.name}/*/run.json")
    }
    assert states == {"2026-01-01_00-00-00": "finished", "2026-01-01_00-00-01": "running"}


@pytest.mark.long
def test_resume_takes_the_sweep_of_the_same_corpus(songs: str, tmp_path: Path) -> None:
    table = Path(songs.removeprefix("data.manifest="))
    other = f"data.manifest={shutil.copy(table, table.with_name('manifest.csv'))}"
    for manifest, words in (
        (songs, ["sweep.trials=1"]),
        (other, ["sweep.trials=1"]),
        (songs, ["sweep.trials=2", "resume=true"]),
    ):
        answer = run_here("train", "-m", "sweep=xgboost", *words, *PLAIN, "data=manifest", manifest, cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr
    first, second = sorted(tmp_path.glob(f"outputs/xgboost_97/{table.parent.name}/*_sweep*"))
    assert [len(pd.read_csv(folder / "sweep.csv")) for folder in (first, second)] == [2, 1]
    assert (first / "1" / "run.json").is_file()
