"""Several runs of one command, as a person starts them: a mistake in one is not the end of the others."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import TINY_DATA, run_here
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.pipelines.lyrics import LyricsPipeline
from genrefusion.settings.composing import literal, quoted
from genrefusion.settings.mistakes import require_no_interrupt

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("unrendered")]

WORDS = ["-m", *TINY_DATA, "output=out", "workers=1"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from genrefusion.cli import train; train()", *arguments]


def train(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_here("train", *arguments, cwd=cwd)


def started(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """As `train`, in a process of its own, whose workers are of no other run."""
    return subprocess.run(command(*arguments), cwd=cwd, capture_output=True, text=True, check=False)


def pages(cwd: Path) -> list[str]:
    return sorted(str(path.parent.relative_to(cwd)) for path in cwd.rglob("report.html"))


def test_an_impossible_value_does_not_end_the_runs_beside_it(demo: Tracks, tmp_path: Path) -> None:
    answer = train(*WORDS, "experiment=lyrics_tfidf", "pipeline.c=-1,1,2", cwd=tmp_path)
    assert answer.returncode == 1
    assert "2 of 3 runs are finished:" in answer.stderr
    made = pages(tmp_path)
    assert [Path(page).name for page in made] == ["1", "2"], "folders have the numbers of the combinations"
    for number, page in zip((1, 2), made, strict=True):
        assert f"  {number}   pipeline.c={number}   {tmp_path / page}" in answer.stderr, "wherever the command stood"
    assert "1 failed:\n  0   pipeline.c=-1\n      pipeline.c=-1" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_combination_that_does_not_compose_and_one_that_fails_at_work_are_named(demo: Tracks, tmp_path: Path) -> None:
    broken = "experiment=lyrics_tfidf,nosuch,xgboost"
    named = ["pipeline.style=false", "features=table", f"features.path={tmp_path}/gone.csv"]
    answer = train(*WORDS, broken, *named[1:], "split.test_fraction=0.2", cwd=tmp_path)
    assert answer.returncode == 1
    assert "No experiment 'nosuch'." in answer.stderr
    assert "gone.csv: no such file." in answer.stderr
    assert "  1   experiment=nosuch\n" in answer.stderr
    assert len(pages(tmp_path)) == 1
    assert not list(tmp_path.glob("out/nosuch*"))


@pytest.mark.parametrize("debug", [False, True])
def test_a_crash_is_one_line_and_with_debug_its_traceback(
    debug: bool, demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = LyricsPipeline.fit

    def broken(pipeline: LyricsPipeline, *parts: Tracks) -> LyricsPipeline:
        if pipeline.settings.c == 1:
            raise RuntimeError("out of luck")
        return fit(pipeline, *parts)

    monkeypatch.setattr(LyricsPipeline, "fit", broken)
    words = [*WORDS, "experiment=lyrics_tfidf", "pipeline.c=1,2", f"debug={str(debug).lower()}"]
    answer = train(*words, cwd=tmp_path)
    assert answer.returncode == 1
    assert "  0   pipeline.c=1\n      RuntimeError: out of luck" in answer.stderr
    assert answer.stderr.count("Traceback") == debug
    assert len(pages(tmp_path)) == 1


def test_with_a_launcher_too(demo: Tracks, tmp_path: Path) -> None:
    if importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is None:
        pytest.skip("needs hydra-joblib-launcher")
    words = ["experiment=lyrics_tfidf,xgboost_97", "trainer.device=cpu", "launcher=joblib", "parallel=2"]
    table = ["data=manifest", "data.manifest=nowhere.csv"]
    answer = started("-m", *words, *table, "output=out", cwd=tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.count("nowhere.csv: no such file.") == 2
    answer = started(*WORDS, *words[:1], *words[2:], "seed=-1,0", cwd=tmp_path)
    assert answer.returncode == 1, answer.stderr
    assert len(pages(tmp_path)) == 2
    assert answer.stderr.count("seed=-1 is out of range") == 2


def test_where_nothing_can_run_the_mistake_is_said_once_and_nothing_is_left(demo: Tracks, tmp_path: Path) -> None:
    answer = train(*WORDS, "experiment=lyrics_tfidf", "seed=1,2", "workers=0", cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[1:] == ["workers=0 is out of range: from 1 to 1000."]
    assert list(tmp_path.iterdir()) == []


def test_one_run_twice_is_refused(tmp_path: Path) -> None:
    answer = train("-m", "experiment=lyrics_tfidf", "seed=0,1,0", cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.endswith("seed=0: this run twice. Give each value once.\n")
    assert not list(tmp_path.rglob("20*"))


def test_runs_of_several_experiments_lie_with_their_experiment(demo: Tracks, tmp_path: Path) -> None:
    answer = train(*WORDS, "experiment=lyrics_tfidf,xgboost_97", "++pipeline.rounds=2", "seed=0,1", cwd=tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.count("No setting 'pipeline.rounds'") == 2, "of the lyrics classifier"
    (folder,) = tmp_path.glob("out/*/*/*_sweep")
    assert folder.parts[-3] == "xgboost_97"
    assert [path.name for path in sorted(folder.glob("?"))] == ["2", "3"]


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_all_of_them_and_so_does_a_scheduler(
    sign: signal.Signals, code: int, demo: Tracks, tmp_path: Path
) -> None:
    words = command(*WORDS, "experiment=lyrics_tfidf", "seed=0,1,2,3,4,5,6,7,8,9")
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 200
    while not pages(tmp_path) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(sign)
    _, error = process.communicate(timeout=100)
    assert process.returncode == code, error
    assert error.endswith("Interrupted.\n")
    assert "of 10 runs are finished:" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("name", ["a b", "it's", "a,b", "${x}", "back\\slash", "end\\", "x=1", "[a]"])
def test_any_name_of_a_folder_is_read_again_as_it_is(name: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    (override,) = OverridesParser.create().parse_overrides([f"d={quoted(literal(Path(name)))}"])
    assert OmegaConf.create({"d": override.value()}).d == name


def test_a_ctrl_c_that_another_error_hides_is_one_all_the_same() -> None:
    hidden = AttributeError("flags")
    hidden.__context__ = KeyboardInterrupt()
    mistake = UserError("'NoneType' object has no attribute …")
    mistake.__cause__ = hidden
    with pytest.raises(KeyboardInterrupt):
        require_no_interrupt(mistake)
    require_no_interrupt(UserError("a mistake"))
