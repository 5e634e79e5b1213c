"""What is typed reaches the settings whatever is in it, and what is printed can be typed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from conftest import TINY_DATA, run_here
from genrefusion.commands.start import _quote_values
from genrefusion.runs.store import to_resume

NAMES = ["~tilde", "音乐", "a & b", "a'b (1) [x]", r"C:\songs" + "\\", r"\'", "#1", "a=b", "été", 'say "so"']


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """Words of a command line as Hydra gets them."""
    monkeypatch.setattr(sys, "argv", ["train", *words])
    _quote_values()
    return sys.argv[1:]


@pytest.mark.parametrize("options", [[], ["-m"]], ids=["a run", "several"])
@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_value(name: str, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    *_, word = typed(monkeypatch, *options, f"data.root={name}")
    assert str(OverridesParser.create().parse_override(word).value()) == name


@pytest.mark.slow
@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("word", ["output=~/runs", "output='~/runs'", "hydra.run.dir=~/runs/a"])
def test_a_tilde_is_the_home_folder(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    words = [*TINY_DATA, "experiment=lyrics_tfidf", word]
    assert run_here("train", *words, cwd=tmp_path).returncode == 0
    assert list((tmp_path / "home" / "runs").glob("**/report.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_what_hydra_reads_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["experiment=xgboost", "seeds=[0,1]", "output='~/runs'", "~sweep", "--cfg", "x={a:1}", "seed=0,1"]
    assert typed(monkeypatch, *words) == words


def test_a_file_with_a_comma_is_one_value_but_with_several_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Simon, Garfunkel").mkdir()
    assert typed(monkeypatch, "data.root=Simon, Garfunkel") == ["data.root='Simon, Garfunkel'"]
    assert typed(monkeypatch, "-m", "data.root=Simon, Garfunkel") == ["-m", "data.root=Simon, Garfunkel"]


@pytest.mark.parametrize(
    ("command", "advice"), [("train", " train -m makes a run of each."), ("corpus", "")], ids=["train", "corpus"]
)
def test_several_values_where_one_is_taken(command: str, advice: str, tmp_path: Path) -> None:
    done = run_here(command, "data.root=a,b", "data=folder", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        f"data.root=a,b: several values.{advice} A value with a comma goes in quotes: data.root=\"'a,b'\"\n",
    )


@pytest.mark.parametrize(
    ("command", "word"), [("evaluate", "run=[a,b c]"), ("train", "output=[a]"), ("predict", "lyrics=[x]")]
)
def test_a_list_where_one_name_is_taken_is_told(command: str, word: str, tmp_path: Path) -> None:
    done = run_here(command, word, *(["experiment=lyrics"] if command == "train" else []), cwd=tmp_path)
    name, _, value = word.partition("=")
    assert (done.returncode, done.stderr) == (
        2,
        f"{word}: one value, not several. A name with brackets goes in quotes: {name}=\"'{value}'\"\n",
    )


def test_the_command_that_goes_on_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    import shlex

    command, *words = shlex.split(to_resume(shlex.join(["experiment=xgboost", "data.root='a b'"]), Path("/x/it's")))
    last = OverridesParser.create().parse_override(typed(monkeypatch, *words)[-1])
    assert (command, words[:3]) == ("train", ["experiment=xgboost", "data.root='a b'", "resume=true"])
    assert (last.key_or_group, last.value()) == ("hydra.run.dir", "/x/it's")


@pytest.mark.parametrize(
    ("command", "words", "said", "last"),
    [
        (
            "train",
            ["experiment=lyrics", "experiment=no"],
            "experiment=no counts, not experiment=lyrics",
            "No experiment 'no'",
        ),
        ("train", ["seed=1", "seed=2", "seed=-1"], "seed=-1 counts, not seed=1, seed=2", "seed=-1 is out of range"),
        ("train", ["seed=3", "++seed=-1"], "++seed=-1 counts, not seed=3", "seed=-1 is out of range"),
        ("evaluate", ["run=a", "run=b"], "run=b counts, not run=a", "run=b: no run there"),
    ],
)
def test_of_what_is_given_twice_the_last_counts_and_is_said(
    command: str, words: list[str], said: str, last: str, tmp_path: Path
) -> None:
    done = run_here(command, *words, cwd=tmp_path)
    assert done.stderr.splitlines()[0] == f"note     given twice: {said}"
    assert last in done.stderr.splitlines()[1]


def test_the_same_word_twice_is_no_news(tmp_path: Path) -> None:
    assert run_here("evaluate", "run=a", "run=a", cwd=tmp_path).stderr.startswith("run=a: ")


@pytest.mark.parametrize("words", [["audio=a", "audio=b, c.mp3"], ["run=a", "run=b"]])
def test_of_what_is_asked_nothing_is_lost(words: list[str], tmp_path: Path) -> None:
    done = run_here("predict", *words, cwd=tmp_path)
    setting, first, second = words[-2].partition("=")[0], *words[-2:]
    assert done.returncode == 2
    assert done.stderr == (
        f"{setting} is given twice, as {first} and as {second}: leave out one of them.\n"
        f'Where several are taken, they go into brackets: "{setting}=[A,B]".\n'
    )


def test_a_setting_of_another_choice_names_those_that_have_it(tmp_path: Path) -> None:
    done = run_here("train", "experiment=xgboost_97", "data.root=songs", cwd=tmp_path)
    assert done.stderr.startswith("No setting 'data.root' with this choice of data; these have it: data=gtzan,")


@pytest.mark.parametrize("command", ["train", "reproduce", "corpus"])
def test_a_bare_word_is_a_question(command: str, tmp_path: Path) -> None:
    done = run_here(command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{command} needs a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "path", "meant"),
    [
        ("predict", "song.mp3", "audio=song.mp3?"),
        ("predict", "run", "run=run?"),
        ("evaluate", "run", "run=run?"),
        ("train", "tracks.csv", "data=manifest data.manifest=tracks.csv?"),
        ("train", "songs", "data=manifest data.root=songs? Or data=folder data.root=songs with"),
    ],
)
def test_of_a_path_that_is_typed_alone_the_setting_is_named(
    command: str, path: str, meant: str, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "songs").mkdir()
    for file in ("song.mp3", "tracks.csv", "run/run.json"):
        (tmp_path / file).touch()
    done = run_here(command, path, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{path}: not of the form setting=value. Did you mean {meant}")
