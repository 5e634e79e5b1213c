"""Training in two processes on the CPU, started as it is started on several GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from conftest import REPOSITORY, TINY
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.data.tracks import Tracks
from genrefusion.settings.commands import EvaluateConfig
from genrefusion.settings.trainer import TrainerSettings
from training.test_loop import fit, new_network

pytestmark = pytest.mark.long

ACCELERATE = ["accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--num_machines=1"]
ACCELERATE += ["--main_process_port=0", "--mixed_precision=no", "--dynamo_backend=no", "--module"]
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]

FIT = """
import os
from itertools import count
from pathlib import Path
from safetensors.torch import save_file
from training.test_loop import Killed, fit, new_network
from genrefusion.training.losses import classification_loss
from genrefusion.training.checkpoints import Checkpoint
from genrefusion.training.loop import leave_together

steps, loss = count(), classification_loss(mixup=0.2)

def dies(*batch):
    if next(steps) == 14:
        raise Killed
    return loss(*batch)

for name, resume, settings in (("whole", None, {}), ("killed", False, {"loss": dies}), ("resumed", True, {})):
    network = new_network()
    checkpoint = None if resume is None else Checkpoint(Path("state.safetensors"), resume)
    try:
        history = fit(network, checkpoint=checkpoint, **settings)
    except Killed:
        continue
    save_file(network.state_dict(), name + os.environ["RANK"] + ".safetensors")
    history.to_csv(name + os.environ["RANK"] + ".csv", index=False)
leave_together()
"""


def launch(launcher: list[str], *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY / "tests"), str(cwd)])}
    return subprocess.run(
        [sys.executable, "-m", *launcher, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )


def test_two_processes_leave_one_whole_run(demo: Tracks, tmp_path: Path) -> None:
    answer = launch(ACCELERATE, "genrefusion.cli", "train", *TINY, "pipeline.epochs=2", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("genrefusion 0") == answer.stdout.count("train  ") == answer.stdout.count("run  ") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    (run,) = (tmp_path / "outputs" / "multiframe" / "demo").iterdir()
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["processes"]) == ("finished", 2)
    assert not (run / "checkpoints").exists()
    assert len((run / "run.log").read_text().split("genrefusion 0")) == 2
    figures = json.loads((run / "metrics.json").read_text())
    evaluated = evaluate_run(EvaluateConfig(run=str(run), trainer=TrainerSettings()), quiet=True)
    assert evaluated["test"]["accuracy"] == figures["test"]["accuracy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "pipline.lr=1"], "No setting 'pipline.lr'. Did you mean 'pipeline.lr'?"),
        (["train", "data=folder", "data.root=nowhere"], "data.root=nowhere: no such folder."),
        (["evaluate", "run=nowhere"], "evaluate runs in one process"),
    ],
)
def test_a_mistake_is_told_once(arguments: list[str], message: str, tmp_path: Path) -> None:
    answer = launch(TORCHRUN, "genrefusion.cli", *arguments, cwd=tmp_path)
    assert answer.returncode != 0
    assert answer.stderr.count(message) == 1
    assert "[rank" not in answer.stderr, "no traceback of a process"
    assert not list(tmp_path.rglob("*.*")), "nothing is left behind"


def test_processes_end_with_the_same_weights_also_when_resumed(tmp_path: Path) -> None:
    (tmp_path / "fit_points.py").write_text(FIT)
    answer = launch(TORCHRUN, "fit_points", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    weights, history = load_file(tmp_path / "whole0.safetensors"), pd.read_csv(tmp_path / "whole0.csv")
    for name in ("whole1", "resumed0", "resumed1"):
        other = load_file(tmp_path / f"{name}.safetensors")
        assert all(torch.equal(other[key], value) for key, value in weights.items())
        table = pd.read_csv(tmp_path / f"{name}.csv")
        pd.testing.assert_frame_equal(table.drop(columns="seconds"), history.drop(columns="seconds"))
    alone = fit(new_network())
    assert history["lr"].tolist() == pytest.approx(alone["lr"].tolist()), "as many steps as one process"
