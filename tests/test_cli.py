"""What a person at the terminal sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import TINY, TINY_DATA, run_here
from genrefusion.core import folders
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks

COMMANDS = ("train", "evaluate", "predict", "reproduce", "corpus")


def start(command: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    code = f"from genrefusion.cli import {command}; {command}()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, env=os.environ, check=False
    )


def test_a_mistake_in_a_process_of_its_own_ends_in_one_message(tmp_path: Path) -> None:
    """The others here are made in the process of the tests, for speed."""
    answer = start("train", "pipline.lr=1", cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr == "No setting 'pipline.lr'. Did you mean 'pipeline.lr'? --help lists all of them.\n"
    assert answer.stdout == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_usage_and_settings(command: str, tmp_path: Path) -> None:
    answer = run_here(command, "--help", cwd=tmp_path)
    assert answer.returncode == 0
    assert "Settings, as a.b=value:" in answer.stdout
    assert list(tmp_path.iterdir()) == []


def test_help_and_composing_import_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['train', '--help']; from genrefusion.cli import train; train(); "
        "print([m for m in ('torch', 'librosa', 'pandas', 'sklearn', 'matplotlib', 'xgboost', 'transformers') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pipline.lr=1"], "No setting 'pipline.lr'. Did you mean 'pipeline.lr'?"),
        (["experiment=xgboost", "pipeline.round=10"], "No setting 'pipeline.round'. Did you mean 'pipeline.rounds'?"),
        (["--experiment", "multiframe"], "settings are written without dashes, as experiment=VALUE"),
        (["parallel=2"], "parallel=2: needs train -m and a launcher"),
        (["experimnt=multiframe"], "No setting 'experimnt'. Did you mean 'experiment'?"),
        (["experiment=multifame"], "No experiment 'multifame'. Did you mean 'multiframe'?"),
        (["data=gtsan"], "No data 'gtsan'. Did you mean 'gtzan'?"),
        (["pipeline.lr=fast"], "pipeline.lr=fast: not a number."),
        (["pipeline.epochs=1.5"], "pipeline.epochs=1.5: not a whole number."),
        (["experiment=ensemble", "pipeline.members=x"], "pipeline.members=x: not a list. Write it in brackets:"),
        (["resume=perhaps"], "resume=perhaps: not true or false."),
        (["experiment=xgboost", "+pipeline.round=3"], "No setting 'pipeline.round'. Did you mean 'pipeline.rounds'?"),
        (["+data.on_eror=skip"], "No setting 'data.on_eror'. Did you mean 'data.on_error'?"),
        (["+foo=1"], "No setting 'foo'."),
        (["++pipline.lr=1"], "No setting 'pipline.lr'. Did you mean 'pipeline.lr'?"),
        (["++x={y: {z: 1}}"], "No setting 'x.y.z'."),
        (["workers=0"], "workers=0 is out of range: from 1 to 1000."),
        (["seed=-1"], "seed=-1 is out of range: from 0 to 4294967295."),
        (["trainer.threads=0"], "trainer.threads=0 is out of range: from 1 to 10000."),
        (["pipeline.vote=men"], "No pipeline.vote 'men'. Did you mean 'mean'?"),
        (["pipeline.dropout=2"], "pipeline.dropout=2 is out of range: from 0 to 0.95."),
        (["data=gtzan"], "data=gtzan needs data.root"),
        (["data=manifest"], "data=manifest needs data.manifest"),
        (["data=folder", "data.root=nowhere"], "data.root=nowhere: no such folder."),
        (["pipeline.lr=[1"], "pipeline.lr=[1"),
        (["just words"], "just words"),
        (["experiment=ensemble"], "pipeline=ensemble joins finished runs: name experiments"),
        (["experiment=ensemble", "pipeline.members=[lyrcs,xgboost]"], "No experiment 'lyrcs'. Did you mean 'lyrics'?"),
    ],
)
def test_a_mistake_ends_in_one_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    answer = run_here("train", *arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) <= 4
    assert not list(tmp_path.rglob("*.*")), "nothing is left behind"


def test_help_has_the_settings_of_the_experiment_that_is_typed(tmp_path: Path) -> None:
    assert "pipeline.rounds" in run_here("train", "experiment=xgboost", "--help", cwd=tmp_path).stdout
    assert "pipeline.rounds" not in run_here("train", "--help", cwd=tmp_path).stdout


def test_runs_that_begin_in_the_same_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_now", lambda: "now")
    for name in ("now", "now+2", "now+3"):
        folder = Path(folders.run_folder(str(tmp_path), "multiframe", "demo", False))
        assert folder == tmp_path / "multiframe" / "demo" / name
        assert folder.is_dir(), "the next one cannot take it"
    for name in ("now_sweep", "now_sweep+2"):
        assert Path(folders.sweep_folder(str(tmp_path), "multiframe", "demo", False)).name == name


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("evaluate", [], "evaluate needs run=DIR"),
        ("evaluate", ["run=nowhere"], "run=nowhere: no run there"),
        ("predict", [], "predict needs run=DIR"),
        ("predict", ["format=xml"], "No format 'xml'"),
        ("corpus", ["action=descibe"], "No action 'descibe'. Did you mean 'describe'?"),
        ("reproduce", ["table=papr"], "No table 'papr'. Did you mean 'paper'?"),
        ("predict", ["workers=-1"], "workers=-1 is out of range: from 1 to 1000."),
        ("evaluate", ["workers=1001"], "workers=1001 is out of range: from 1 to 1000."),
        ("evaluate", ["++data.root=here"], "No setting 'data.root'."),
        ("corpus", ["workers=0"], "workers=0 is out of range: from 1 to 1000."),
        ("reproduce", ["seeds=[0,-1]"], "seeds=-1 is out of range: from 0 to 4294967295."),
        ("reproduce", ["workers=0"], "workers=0 is out of range: from 1 to 1000."),
        ("reproduce", ["seeds=[]"], 'seeds=[]: one or more, each once, such as "seeds=[0,1,2]".'),
        ("reproduce", ["rows=[xgbost]"], "No row 'xgbost'. Did you mean 'xgboost'?"),
    ],
)
def test_mistakes_of_other_commands(command: str, arguments: list[str], message: str, tmp_path: Path) -> None:
    answer = run_here(command, *arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_resuming_where_nothing_was_begun_says_so_and_no_more(tmp_path: Path) -> None:
    answer = run_here("train", "resume=true", cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr == (
        "resume=true: no unfinished run in outputs/multiframe/demo. Leave out resume=true, or name a folder: "
        "hydra.run.dir=…\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where_a_mistake_was_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.root=nowhere: no such folder") as found:
        run_here("train", "data=folder", "data.root=nowhere", "debug=true", cwd=tmp_path)
    assert "load_folder" in [entry.name for entry in found.traceback]


def test_train_works_from_any_folder_and_names_its_run_last(demo: Tracks, tmp_path: Path) -> None:
    answer = run_here("train", *TINY, "pipeline.epochs=1", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "synthetic" in answer.stdout
    folder = tmp_path / answer.stdout.split()[-1]
    assert (folder / "metrics.json").is_file()
    assert folder.relative_to(tmp_path).parts[:3] == ("outputs", "multiframe", "demo")


def test_what_a_search_space_holds_is_free(tmp_path: Path) -> None:
    answer = run_here("train", "sweep=xgboost", "++sweep.space.pipeline.gamma=[1,2]", cwd=tmp_path)
    assert "makes several runs: train -m" in answer.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("WORLD_SIZE", ""), ("WORLD_SIZE", "two"), ("WORLD_SIZE", "0"), ("RANK", "-1"), ("RANK", "1")],
)
def test_an_environment_with_which_nothing_would_be_done_is_refused(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    answer = run_here("train", "experiment=lyrics", cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"The environment variable {variable} is {value!r}, not a whole number from ")
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.long
def test_two_runs_that_begin_at_once_are_both_made(demo: Tracks, tmp_path: Path) -> None:
    """Both are held until the other knows the time too, which stands still."""
    code = (
        "import os, time; from pathlib import Path; from genrefusion import cli; from genrefusion.core import folders\n"
        "def now():\n"
        "    Path(f'here{os.getpid()}').touch()\n"
        "    while len(list(Path().glob('here*'))) < 2: time.sleep(0.01)\n"
        "    return 'now'\n"
        "folders._now = now; cli.train()"
    )
    words = [sys.executable, "-c", code, *TINY_DATA, "experiment=lyrics_tfidf"]
    both = [subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.wait() == 0, process.stderr and process.stderr.read()
    assert {path.parent.name for path in tmp_path.rglob("report.html")} == {"now", "now+2"}


@pytest.mark.parametrize("words", [["--cfg", "job"], ["--cfg", "all", "--resolve"], ["--info", "defaults"], ["--help"]])
def test_whoever_looks_at_the_settings_makes_no_folder(words: list[str], tmp_path: Path) -> None:
    assert run_here("train", *words, cwd=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_refused_run_leaves_the_log_that_lay_there(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.log").write_text("mine")
    answer = run_here("train", "data=folder", "data.root=nowhere", "hydra.run.dir=mine", cwd=tmp_path)
    assert answer.returncode == 2
    assert (tmp_path / "mine" / "run.log").read_text().startswith("mine")


def test_of_the_runs_there_the_last_unfinished_one_is_resumed(tmp_path: Path) -> None:
    statuses = {"1": "running", "2": "running", "3": "finished", "4": "finished", "5": "damaged"}
    for name, status in statuses.items():
        folder = tmp_path / "multiframe" / "demo" / name
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "run.json").write_text("{" if status == "damaged" else f'{{"status": "{status}"}}')
        (folder / "report.html").touch()
    assert Path(folders.run_folder(str(tmp_path), "multiframe", "demo", True)).name == "2"
    (tmp_path / "multiframe" / "demo" / "4" / "report.html").unlink()
    assert Path(folders.run_folder(str(tmp_path), "multiframe", "demo", True)).name == "4", "its page is missing"


@pytest.mark.parametrize("mistake", ["workers=-1", "seed=-4", "data=folder", "pipeline.lr=1000"])
def test_a_mistake_in_the_settings_leaves_no_folder(mistake: str, tmp_path: Path) -> None:
    answer = run_here("train", mistake, cwd=tmp_path)
    assert answer.returncode == 2
    assert not [path for path in tmp_path.rglob("*") if not path.is_dir() or path.name[0].isdigit()], "of a run"


def test_who_has_read_enough_gets_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from genrefusion.cli import train; train()", "--help"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
