"""Sweeps as a person starts them, from the terminal, on the demo corpus."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from conftest import TINY, TINY_DATA, run_here
from genrefusion.core.files import locked
from genrefusion.settings.composing import configs_directory, register

optuna = pytest.importorskip("optuna", reason="needs optuna: pip install 'genrefusion[sweep]'")

from genrefusion.commands.sweep import checked, distributions, open_study, run_trial  # noqa: E402 (imports optuna)
from genrefusion.commands.sweep_results import retrain_command  # noqa: E402

pytestmark = pytest.mark.long

# Naive Bayes with style statistics is refused: a bad combination among good ones.
SPACE = ["+sweep.space.pipeline.classifier=[logistic,naive_bayes]", "pipeline.embedding=false"]
SWEEP = ["experiment=lyrics_tfidf", "sweep=lyrics", *SPACE, *TINY_DATA, "sweep.trials=6"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from genrefusion.cli import train; train()", *arguments]


def train(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_here("train", *arguments, cwd=cwd)


def sweep_folder(cwd: Path) -> Path:
    (folder,) = cwd.glob("outputs/*/*/*_sweep")
    return folder


def read_table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "sweep.csv", keep_default_na=False, dtype={"folder": str})


@pytest.fixture(scope="module")
def answer(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    cwd = tmp_path_factory.mktemp("sweep")
    answer = train("-m", *SWEEP, cwd=cwd)
    assert answer.returncode == 0, answer.stderr
    answer.args = cwd
    return answer


@pytest.fixture(scope="module")
def folder(answer: subprocess.CompletedProcess[str]) -> Path:
    return sweep_folder(Path(str(answer.args)))


def test_several_values_on_the_command_line_make_several_runs(cache: Path, tmp_path: Path) -> None:
    answer = train("-m", "experiment=lyrics_tfidf", "pipeline.c=1,8", *TINY_DATA, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    values = {OmegaConf.load(path).pipeline.c for path in sweep_folder(tmp_path).glob("*/config.yaml")}
    assert values == {1, 8}


def test_what_is_typed_is_not_searched(folder: Path) -> None:
    table = read_table(folder)
    assert "pipeline.embedding" not in table
    assert {"pipeline.c", "pipeline.classifier", "text_encoder.characters"} < set(table)
    assert not any(OmegaConf.load(path).pipeline.embedding for path in folder.glob("*/config.yaml"))


def test_a_failing_trial_is_recorded_with_its_reason_and_the_sweep_goes_on(folder: Path) -> None:
    table = read_table(folder)
    refused = (table["pipeline.classifier"] == "naive_bayes") & table["pipeline.style"].astype(str).eq("True")
    assert refused.any(), "choose another sampler seed"
    assert list(table["state"] == "failed") == list(refused)
    assert table.loc[refused, "reason"].str.startswith("pipeline.classifier=naive_bayes counts words").all()
    assert (table.loc[~refused, "state"] == "finished").all()
    assert len(table) == 6


def test_a_trial_is_judged_by_the_log_loss_over_validation_songs(folder: Path) -> None:
    for row in read_table(folder).query("state == 'finished'").itertuples():
        predictions = pd.read_csv(folder / row.folder / "predictions" / "val.csv")
        metrics = json.loads((folder / row.folder / "metrics.json").read_text())
        assert float(row.val_log_loss) == pytest.approx(metrics["val"]["log_loss"])
        assert metrics["val"]["n"] == len(predictions)


def test_no_file_of_a_sweep_holds_a_prediction_of_a_test_track(folder: Path) -> None:
    splits = pd.concat([pd.read_csv(path, dtype=str) for path in folder.glob("*/splits.csv")])
    test = set(splits.loc[splits["part"] == "test", "track_id"])
    assert test
    assert not list(folder.rglob("test*"))
    assert not list(folder.rglob("report.html"))
    assert not list(folder.rglob("model"))
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "splits.csv":
            content = path.read_bytes()
            assert not [track for track in test if track.encode() in content], path
    for path in folder.glob("*/metrics.json"):
        assert "test" not in json.loads(path.read_text())


def test_figures_and_the_best_experiment_are_left(folder: Path) -> None:
    for name in ("history", "importance"):
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    best = OmegaConf.load(folder / "experiment" / "best.yaml")
    finished = read_table(folder).query("state == 'finished'").astype({"val_log_loss": float})
    row = finished.loc[finished["val_log_loss"].idxmin()]
    assert best.pipeline.c == pytest.approx(float(row["pipeline.c"]))
    assert best.pipeline.classifier == row["pipeline.classifier"]


def test_the_last_line_trains_the_best_trial_again_and_scores_the_test_songs(
    answer: subprocess.CompletedProcess[str], folder: Path
) -> None:
    words = shlex.split(answer.stdout.splitlines()[-1].removeprefix("test it"))
    assert words[:2] == ["train", "experiment=best"]
    cwd = Path(str(answer.args))
    again = train(*words[1:], cwd=cwd)
    assert again.returncode == 0, again.stderr
    (run,) = cwd.glob("outputs/lyrics_tfidf_best/demo/*")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["n"] > 0
    assert metrics["val"]["log_loss"] == pytest.approx(
        read_table(folder)["val_log_loss"].replace("", 9).astype(float).min()
    )


def test_a_killed_sweep_that_is_resumed_ends_as_one_that_ran_through(folder: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(command("-m", *SWEEP), cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("outputs/*/*/*_sweep/2/run.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    resumed = train("-m", *SWEEP, "resume=true", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    table = read_table(sweep_folder(tmp_path))
    counted = table[table["state"] != "interrupted"].drop(columns=["trial", "seconds", "folder"])
    expected = read_table(folder).drop(columns=["trial", "seconds", "folder"])
    assert len(table) - len(counted) <= 1
    pd.testing.assert_frame_equal(counted.reset_index(drop=True), expected)


def test_a_resumed_sweep_can_have_more_trials_but_no_other_settings(
    answer: subprocess.CompletedProcess[str], folder: Path
) -> None:
    cwd = Path(str(answer.args))
    other = train("-m", *SWEEP, "resume=true", "pipeline.balanced=false", cwd=cwd)
    assert other.returncode == 2
    assert "was begun with other settings" in other.stderr
    before = read_table(folder)
    more = train("-m", *SWEEP, "resume=true", f"sweep.trials={len(before) + 1}", cwd=cwd)
    assert more.returncode == 0, more.stderr
    assert len(read_table(folder)) == len(before) + 1


def test_a_sweep_is_run_by_one_process(answer: subprocess.CompletedProcess[str], folder: Path) -> None:
    with locked(folder / ".lock"):
        second = train("-m", *SWEEP, "resume=true", cwd=Path(str(answer.args)))
    assert second.returncode == 2
    assert "another process runs this sweep" in second.stderr


def compose_trial(*overrides: str) -> DictConfig:
    register()
    OmegaConf.register_new_resolver("run_folder", lambda *_: "", replace=True)
    OmegaConf.register_new_resolver("sweep_folder", lambda *_: "", replace=True)
    with initialize_config_dir(str(configs_directory()), version_base="1.3"):
        config = compose("train", list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return config


def test_a_trial_worse_than_the_median_is_ended_early(cache: Path, tmp_path: Path) -> None:
    typed = [
        "experiment=multiframe",
        "sweep=multiframe",
        *TINY,
        "pipeline.epochs=2",
        "sweep.startup=1",
        "sweep.warmup=1",
    ]
    states = []
    for number, rate in enumerate([1e-9, 0.3]):  # one leaves the weights as they are, the other drives them away
        config = compose_trial(*typed, f"sweep.trial={number}", f"pipeline.lr={rate}")
        open_study(tmp_path, config.sweep).ask()
        run_trial(config, tmp_path / str(number))
        states.append(open_study(tmp_path, config.sweep).trials[number])
    assert [trial.state.name for trial in states] == ["COMPLETE", "PRUNED"]
    assert len(states[0].intermediate_values) == 2
    assert len(states[1].intermediate_values) == 1
    assert states[1].user_attrs["reason"].startswith("epoch 1: log loss")
    assert not list(tmp_path.rglob("checkpoints"))


def test_with_folds_a_trial_is_judged_by_their_mean(cache: Path, tmp_path: Path) -> None:
    config = compose_trial(
        "experiment=lyrics_tfidf", "sweep=lyrics", *TINY_DATA, "split=kfold", "split.folds=3", "sweep.trial=0"
    )
    open_study(tmp_path, config.sweep).ask()
    run_trial(config, tmp_path / "0")
    (trial,) = open_study(tmp_path, config.sweep).trials
    folds = json.loads((tmp_path / "0" / "metrics.json").read_text())["folds"]
    assert trial.value == pytest.approx(sum(fold["log_loss"] for fold in folds) / 3)
    assert not list(tmp_path.rglob("test.csv"))


@pytest.mark.parametrize("path", sorted(configs_directory().glob("sweep/*.yaml")), ids=lambda path: path.stem)
def test_every_search_space_goes_with_the_experiment_that_it_names(path: Path) -> None:
    words = shlex.split(path.read_text().splitlines()[0].split("(")[0])
    assert words[1:3] == ["train", "-m"]
    space = distributions(checked(compose_trial(*words[3:])).sweep.space)
    for end in (0, -1):
        values = {name: d.choices[end] if hasattr(d, "choices") else (d.low, d.high)[end] for name, d in space.items()}
        config = checked(compose_trial(*words[3:], *(f"{name}={json.dumps(value)}" for name, value in values.items())))
        for name, value in values.items():
            assert OmegaConf.select(OmegaConf.structured(config), name) == value


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_two_trials_at_once(launcher: str, cache: Path, tmp_path: Path) -> None:
    plugin = f"hydra_plugins.hydra_{launcher.removesuffix('_local')}_launcher"
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"needs {plugin}")
    words = command("-m", *SWEEP[:-1], "sweep.trials=3", f"launcher={launcher}", "parallel=2")
    answer = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert len(read_table(sweep_folder(tmp_path))) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep=multiframe"], "sweep=… makes several runs: train -m"),
        (["-m", "experiment=lyrics", "sweep=multiframe"], "which experiment=lyrics does not have"),
        (["-m", "sweep=multiframe", "pipeline.lr=1,2"], "a setting has one value"),
        (["-m", "sweep=multiframe", "sweep.space.pipeline.lr.high=1e-9"], "sweep.space.pipeline.lr={"),
        (["-m", "sweep=multifame"], "No sweep 'multifame'. Did you mean 'multiframe'?"),
        (["-m", "sweep=multiframe", "resume=true"], "resume=true: no sweep in outputs/multiframe/demo"),
        (["-m", "sweep=multiframe", "data=gtzan"], "data=gtzan needs data.root"),
        (["-m", "sweep=multiframe", "sweep.pruner=mean"], "No sweep.pruner 'mean'"),
    ],
)
def test_a_mistake_ends_in_one_message(arguments: list[str], message: str, cache: Path, tmp_path: Path) -> None:
    answer = train(*arguments, *TINY_DATA[: 0 if "data=gtzan" in arguments else None], cwd=tmp_path)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    ("hidden", "arguments", "message"),
    [
        ("optuna", ["sweep=multiframe"], "sweep=… needs an extra: pip install 'genrefusion[sweep]'"),
        ("hydra_plugins.hydra_joblib_launcher", ["launcher=joblib"], "pip install 'genrefusion[joblib]'"),
    ],
)
def test_a_missing_extra_is_named(hidden: str, arguments: list[str], message: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules['{hidden}'] = None; from genrefusion.cli import train; train()"
    call = [sys.executable, "-c", code, "-m", *arguments]
    answer = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["songs", "a'b $x", "mü sic"])
def test_the_folder_of_a_sweep_may_have_any_name(name: str) -> None:
    *_, place = retrain_command([], "xgboost", Path("/runs") / name)
    assert OverridesParser.create().parse_override(place).value() == [f"file:///runs/{name}"]
