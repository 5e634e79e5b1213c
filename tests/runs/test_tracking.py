"""What trackers hold of runs, read back from their own stores: TensorBoard's events, MLflow's database, W&B's log."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import TINY, TINY_DATA, run_here
from genrefusion.data.tracks import Tracks
from genrefusion.runs import trackers
from genrefusion.training import loop

pytestmark = pytest.mark.long

TRACKERS = ("tensorboard", "mlflow", "wandb")
NETWORK = ["experiment=multiframe", *TINY, "pipeline.epochs=2"]


@dataclass
class Shown:
    """What a tracker shows of one run."""

    curves: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, float] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    texts: str = ""
    pictures: set[str] = field(default_factory=set)
    report: bytes = b""
    model: set[str] = field(default_factory=set)
    group: str | None = None
    failed: bool = False


def read_tensorboard(outputs: Path) -> dict[str, Shown]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for folder in outputs.rglob("tensorboard"):
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()
        shown = found[folder.parent.name] = Shown(group=folder.parent.parent.name)
        for name in events.Tags()["scalars"]:
            points = [(each.step, each.value) for each in events.Scalars(name)]
            if "/member" in name:
                shown.curves[name] = points
            else:
                ((_, shown.figures[name]),) = points
        texts = {
            name.removesuffix("/text_summary"): events.Tensors(name)[0].tensor_proto.string_val[0].decode()
            for name in events.Tags()["tensors"]
        }
        shown.settings = dict(line.strip().split(": ", 1) for line in texts["settings"].splitlines())
        shown.texts = f"{texts['run']} {texts.get('notes')}"
        shown.pictures = {
            n for n in events.Tags()["images"] if events.Images(n)[0].encoded_image_string[:4] == b"\x89PNG"
        }
        if "report.html" in texts:
            shown.report = Path(texts["report.html"]).read_bytes()
            shown.model = names_below(Path(texts["model"]))
        shown.failed = "ended" in texts
    return found


def read_mlflow(outputs: Path) -> dict[str, Shown]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    (project,) = [each for each in client.search_experiments() if each.name != "Default"]
    assert project.name == "genrefusion"
    runs = {run.info.run_id: run for run in client.search_runs([project.experiment_id])}
    found = {}
    for identity, run in runs.items():
        assert run.info.status in ("FINISHED", "FAILED")
        shown = found[run.info.run_name] = Shown(settings=run.data.params, failed=run.info.status == "FAILED")
        for name in run.data.metrics:
            points = [(point.step, point.value) for point in client.get_metric_history(identity, name)]
            if "/member" in name:
                shown.curves[name] = points
            else:
                ((_, shown.figures[name]),) = points
        shown.texts = f"{run.data.tags.get('mlflow.note.content')} {run.data.tags.get('notes')}"
        files = Path(run.info.artifact_uri.removeprefix("file://"))
        shown.pictures = {f"figures/{path.stem}" for path in files.glob("figures/*.png")}
        if (files / "report.html").is_file():
            shown.report, shown.model = (files / "report.html").read_bytes(), names_below(files / "model")
        if parent := run.data.tags.get("mlflow.parentRunId"):
            shown.group = runs[parent].info.run_name
    return found


def read_wandb(outputs: Path) -> dict[str, Shown]:
    """Read the logs of offline runs, as ``wandb sync`` would send them."""
    import wandb

    wandb.teardown()  # its service writes what it still holds
    found: dict[str, Shown] = {}
    for path in (outputs / "wandb").glob("offline-run-*/*.wandb"):
        shown, files = Shown(), path.parent / "files"
        for record in wandb_records(path):
            if record.HasField("run"):
                name = record.run.display_name
                assert name not in found, "one run in two logs"
                assert record.run.project == "genrefusion"
                settings = {item.key: json.loads(item.value_json) for item in record.run.config.update}
                shown.settings = {n: v if isinstance(v, str) else json.dumps(v) for n, v in settings.items()}
                shown.texts, shown.group = record.run.notes, record.run.run_group or None
            elif record.HasField("history"):
                row = values_of(record.history.item)
                for key in row:
                    if "/member" in key and not key.endswith("/epoch"):
                        shown.curves[key].append((row[f"{key.rpartition('/')[0]}/epoch"], row[key]))
                    elif key.startswith("figures/"):
                        assert (files / row[key]["path"]).read_bytes()[:4] == b"\x89PNG"
                        shown.pictures.add(key)
                    elif key == "report":
                        shown.report = (files / row[key]["path"]).read_bytes()
            elif record.HasField("summary"):
                summary = values_of(record.summary.update)
                shown.texts += str(summary.get("notes", ""))
                shown.figures |= {n: v for n, v in summary.items() if n.startswith(("val", "test", "folds"))}
            elif record.HasField("artifact"):
                assert record.artifact.type == "model"
                assert all(Path(entry.local_path).is_file() for entry in record.artifact.manifest.contents)
                shown.model = {entry.path for entry in record.artifact.manifest.contents}
            elif record.HasField("exit"):
                shown.failed = record.exit.exit_code != 0
        found[name] = shown
    return found


def values_of(items: Any) -> dict[str, Any]:
    """Values of a record by name; what belongs together comes in parts, each with the way to it."""
    found: dict[str, Any] = {}
    for item in items:
        *way, last = item.nested_key or [item.key]
        place = found
        for key in way:
            place = place.setdefault(key, {})
        place[last] = json.loads(item.value_json)
    return found


def wandb_records(path: Path) -> Iterator[Any]:
    """Records of W&B's log: after seven bytes of its own the format of LevelDB, in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, whole = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def names_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def read(tracker: str, outputs: Path) -> dict[str, Shown]:
    return {"tensorboard": read_tensorboard, "mlflow": read_mlflow, "wandb": read_wandb}[tracker](outputs)


def train(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_here("train", *words, cwd=cwd)


@pytest.fixture(params=TRACKERS)
def tracker(request: pytest.FixtureRequest) -> str:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"needs {request.param}: pip install 'genrefusion[{request.param}]'")
    return str(request.param)


def curves_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Curves by name, as the run folder has them."""
    found: dict[str, list[tuple[int, float]]] = {}
    for (fold, member), rows in pd.read_csv(folder / "history.csv").groupby(["fold", "member"]):
        for name in set(rows) - {"fold", "member", "epoch", "best"}:
            found[f"fold{fold}/member{member}/{name}"] = list(zip(rows["epoch"], rows[name], strict=True))
    return found


def assert_same_curves(found: dict[str, list[tuple[int, float]]], expected: dict[str, list[tuple[int, float]]]) -> None:
    assert set(found) == set(expected)
    for name, points in expected.items():
        assert [step for step, _ in found[name]] == [step for step, _ in points], name
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in points], rel=1e-5), name


def test_a_run_is_shown_whole(tracker: str, demo: Tracks, tmp_path: Path) -> None:
    answer = train(*NETWORK, f"tracking={tracker}", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "warning" not in answer.stdout
    (folder,) = tmp_path.glob("outputs/multiframe/demo/*")
    assert answer.stdout.splitlines()[-1].split() == ["run", str(folder)]
    assert next(line for line in answer.stdout.splitlines() if line.startswith("tracking")).split()[1] == tracker
    (shown,) = read(tracker, tmp_path / "outputs").values()
    assert_same_curves(shown.curves, curves_of(folder))
    test = json.loads((folder / "metrics.json").read_text())["test"]
    assert shown.figures["test/accuracy"] == pytest.approx(test["accuracy"])
    ends = [shown.figures[f"test/macro_f1_ci95_{end}"] for end in ("low", "high")]
    assert ends == pytest.approx(test["macro_f1_ci95"])
    assert shown.figures["test/frames/n"] == test["frames"]["n"]
    assert shown.settings["pipeline.width"] == "4"
    assert shown.settings["text_encoder"] == "null"
    assert "multiframe on demo (synthetic), holdout" in shown.texts
    assert "95 % intervals draw artists" in shown.texts
    assert shown.pictures == {f"figures/{path.stem}" for path in (folder / "figures").glob("*.png")}
    assert shown.report == (folder / "report.html").read_bytes()
    assert shown.model == names_below(folder / "model")
    assert not shown.failed


def test_a_run_that_was_broken_off_and_resumed_is_shown_once(
    tracker: str, demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*NETWORK, "split=kfold", "split.folds=2", f"tracking={tracker}", f"hydra.run.dir={tmp_path / 'run'}"]
    done, validated = [], loop._validated

    def break_off(*given: Any) -> dict[str, float]:
        done.append(0)
        if len(done) == 4:  # the second epoch of the second fold
            raise KeyboardInterrupt
        return validated(*given)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_validated", break_off)
        assert train(*words, cwd=tmp_path).returncode == 130
    place = tmp_path / "run" if tracker == "tensorboard" else tmp_path / "outputs"
    (shown,) = read(tracker, place).values()
    assert shown.failed
    assert len(shown.curves["fold0/member0/loss"]) == 2
    assert len(shown.curves["fold1/member0/loss"]) == 1

    answer = train(*words, "resume=true", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    (shown,) = read(tracker, place).values()
    assert_same_curves(shown.curves, curves_of(tmp_path / "run"))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert shown.figures["folds/1/accuracy"] == pytest.approx(metrics["folds"][1]["accuracy"])
    assert shown.figures["folds_accuracy_ci95_low"] == pytest.approx(metrics["folds_accuracy_ci95"][0])
    assert not shown.failed


def test_runs_of_a_sweep_are_children_of_one(tracker: str, demo: Tracks, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="needs optuna: pip install 'genrefusion[sweep]'")
    words = ["experiment=lyrics_tfidf", "sweep=lyrics", "sweep.trials=2", *TINY_DATA, f"tracking={tracker}"]
    answer = train("-m", *words, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    (folder,) = tmp_path.glob("outputs/lyrics_tfidf/demo/*_sweep")
    table = pd.read_csv(folder / "sweep.csv").set_index("trial")
    shown = read(tracker, tmp_path / "outputs")
    if tracker == "mlflow":
        assert shown.pop(folder.name).group is None
    assert set(shown) == {"0", "1"}
    for number, trial in shown.items():
        assert trial.group == folder.name
        assert trial.figures["val/log_loss"] == pytest.approx(table["val_log_loss"][int(number)])
        assert float(trial.settings["pipeline.c"]) == pytest.approx(table["pipeline.c"][int(number)])
        assert not [name for name in trial.figures if "test" in name]


def test_several_runs_of_one_command_are_children_of_one(tracker: str, demo: Tracks, tmp_path: Path) -> None:
    words = ["experiment=lyrics_tfidf", "seed=0,1", *TINY_DATA, f"tracking={tracker}"]
    answer = train("-m", *words, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    shown = read(tracker, tmp_path / "outputs")
    (folder,) = tmp_path.glob("outputs/lyrics_tfidf/demo/*_sweep")
    assert {shown[number].group for number in ("0", "1")} == {folder.name}
    assert [shown[number].settings["seed"] for number in ("0", "1")] == ["0", "1"]


@pytest.mark.parametrize("where", ["__init__", "epoch", "finish"])
def test_a_server_that_is_gone_costs_a_line_and_not_the_run(
    where: str, demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*given: Any) -> None:
        raise ConnectionError("the server is gone")

    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install 'genrefusion[tensorboard]'")
    monkeypatch.setattr(trackers.TensorBoard, where, gone)
    answer = train(*NETWORK, "pipeline.epochs=1", "tracking=tensorboard", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("warning")]
    assert "tensorboard is told nothing more of this run: ConnectionError: the server is gone" in line
    (folder,) = tmp_path.glob("outputs/multiframe/demo/*")
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"
    assert (folder / "report.html").is_file()


def test_a_server_that_does_not_answer_costs_a_line(demo: Tracks, tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs mlflow: pip install 'genrefusion[mlflow]'")
    words = ["experiment=lyrics_tfidf", *TINY_DATA, "tracking=mlflow", "tracking.uri=http://127.0.0.1:9"]
    answer = train(*words, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("warning")]
    assert "mlflow is told nothing more of this run: MlflowException: API request to http://127.0.0.1:9" in line
    assert list(tmp_path.glob("outputs/lyrics_tfidf/demo/*/report.html"))


def test_a_password_is_refused_as_a_setting(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs mlflow: pip install 'genrefusion[mlflow]'")
    answer = train("tracking=mlflow", "tracking.uri=http://me:secret@host:5000", cwd=tmp_path)
    assert answer.returncode == 2
    assert "MLFLOW_TRACKING_URI" in answer.stderr
    assert "secret" not in answer.stderr


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_that_is_not_installed_is_named_before_anything_begins(name: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules['{name}'] = None; from genrefusion.cli import train; train()"
    call = [sys.executable, "-c", code, "experiment=lyrics_tfidf", f"tracking={name}"]
    answer = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False)
    assert answer.returncode == 2
    assert answer.stderr.strip() == f"tracking={name} needs an extra: pip install 'genrefusion[{name}]'"
    assert not list(tmp_path.rglob("*.*"))
