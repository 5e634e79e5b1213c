"""What ``--help`` says, also of experiments and choices of one's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from genrefusion import cli

Call = Callable[..., tuple[int, str, str]]

MINE = """\
# @package _global_
defaults: [override /features: none, override /text_encoder: tfidf, override /pipeline: lyrics]
pipeline: {c: 2.5}
"""


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command beside a folder `my_configs`: its exit code, and what it printed to both streams."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    for path, text in {
        "experiment/mine.yaml": MINE,
        "data/mine.yaml": "defaults: [schema/demo@_here_]\nsongs_per_genre: 7\n",
        "table/mine.yaml": "defaults: [schema/table@_here_]\nname: mine\ntitle: Mine\n",
        "trainer/mine.yaml": "defaults: [schema/trainer@_here_]\ndevice: cpu\nthreads: 3\n",
    }.items():
        (tmp_path / "my_configs" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my_configs" / path).write_text(text)

    def run(command: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [command, *arguments])
        try:
            getattr(cli, command)()
        except SystemExit as ended:
            return int(ended.code or 0), *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "reproduce", "corpus"])
def test_every_setting_has_its_line_within_the_width_of_a_terminal(command: str, call: Call) -> None:
    code, printed, _ = call(command, "--help")
    assert code == 0
    choices, settings = printed.split("Settings, as a.b=value:\n")
    assert max(map(len, (choices.split("Choices,")[1] + settings).splitlines())) <= 100
    assert "  workers                     2           1 to 1000; threads or processes that read songs" in settings


def test_a_line_has_default_what_is_possible_and_words(call: Call) -> None:
    _, printed, _ = call("train", "experiment=lyrics", "--help")
    lines = printed.splitlines()
    for line in (
        "  pipeline.style              true        lengths, repetition, vocabulary, rhyme beside the vectors",
        "  pipeline.lr                 0.001       1e-09 to 10; learning rate",
        "  data.on_error               raise       raise | skip: what a file that cannot be used does to the",
        "  pipeline.encoder            ${text_encoder}",
        "  pipeline=lyrics: The lyrics alone.",
    ):
        assert line in lines


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["experiment=lyrcs"], "No experiment 'lyrcs'. Did you mean 'lyrics'? "),
        (["data=demos", "experiment=lyrics"], "No data 'demos'. Did you mean 'demo'? There are: demo, folder, "),
        (["launcher=slurm"], "No launcher 'slurm'."),
        (["--config-dir", "my_configs", "experiment=min"], "No experiment 'min'. Did you mean 'mine'?"),
        (["hydra.searchpath=[my_configs]", "experiment=min"], "No experiment 'min'. Did you mean 'mine'?"),
        (["--config-dir=nowhere"], "--config-dir nowhere: no such folder."),
        (["--config-dir"], "--config-dir: no such folder."),
    ],
)
@pytest.mark.parametrize("wants_help", [["--help"], []], ids=["help", "train"])
def test_a_choice_that_is_none_is_refused_with_the_nearest(
    words: list[str], message: str, wants_help: list[str], call: Call
) -> None:
    code, printed, error = call("train", *wants_help, *words)
    assert (code, printed) == (2, "")
    assert error.startswith(message)


@pytest.mark.parametrize("place", [["--config-dir", "my_configs"], ["hydra.searchpath=[my_configs]"]])
def test_own_experiments_are_listed_and_shown(place: list[str], call: Call) -> None:
    _, printed, _ = call("train", *place, "experiment=mine", "--help")
    assert " mine, " in printed.split("Settings,")[0]
    assert "  pipeline.c                  2.5         1e-06 to 1e+06; of logistic and linear_svm" in printed
    _, printed, _ = call("train", "--help")
    assert " mine, " not in printed


@pytest.mark.parametrize(
    ("command", "words", "found"),
    [
        ("train", ["experiment=mine", "data=mine"], ["c: 2.5", "songs_per_genre: 7"]),
        ("evaluate", ["data=mine", "trainer=mine"], ["songs_per_genre: 7", "threads: 3"]),
        ("predict", ["trainer=mine"], ["threads: 3"]),
        ("reproduce", ["table=mine", "data=mine"], ["title: Mine", "songs_per_genre: 7"]),
        ("corpus", ["data=mine"], ["songs_per_genre: 7"]),
    ],
)
def test_every_command_takes_own_configs(command: str, words: list[str], found: list[str], call: Call) -> None:
    code, printed, error = call(command, "--config-dir", "my_configs", *words, "--cfg", "job")
    assert (code, error) == (0, "")
    assert [text for text in found if text not in printed] == []


def test_a_mistake_in_an_own_experiment_names_the_nearest_setting(call: Call, tmp_path: Path) -> None:
    (tmp_path / "my_configs" / "experiment" / "wrong.yaml").write_text(MINE.replace("c: 2.5", "stile: true"))
    code, _, error = call("train", "--config-dir", "my_configs", "experiment=wrong")
    assert code == 2
    assert error.startswith("No setting 'pipeline.stile'. Did you mean 'pipeline.style'?")
