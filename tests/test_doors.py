"""An answer is the same by every door: evaluate, predict, and Python, for every pipeline.

The runs hear 2 s of each song, and are asked about a corpus whose settings would let them hear all of it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from conftest import REPOSITORY, compose_train
from genrefusion.api import load_pipeline, open_corpus
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.commands.predict import predict_files
from genrefusion.metrics.predictions import genre_columns, read_predictions
from genrefusion.runs.ensembles import run_ensemble
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig, PredictConfig
from genrefusion.settings.data import ManifestData
from genrefusion.settings.registry import entries
from genrefusion.settings.trainer import TrainerSettings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unrendered")]

CORPUS = REPOSITORY / "tests" / "fixtures" / "d8fd36f" / "corpus"
NETWORK = ["features.frame_seconds=3", "pipeline.width=2", "pipeline.epochs=1", "pipeline.batch_size=4"]
TREES = ["pipeline.rounds=8", "pipeline.lr=0.3", "pipeline.colsample=0.3"]
EXPERIMENTS = {
    "multiframe": ["experiment=multiframe", *NETWORK, "features.frame_hop_seconds=0.5"],
    "multiframe, vote": ["experiment=multiframe_knn", *NETWORK, "pipeline.knn.neighbours=3"],
    "xgboost, segments": ["experiment=xgboost_97", "features.segment_seconds=1", *TREES],
    "xgboost with text": ["experiment=xgboost_text", "features.kind=published", "pipeline.text.svd=4", *TREES],
    "lyrics": ["experiment=lyrics"],
    "lyrics, frozen": ["experiment=lyrics_frozen", "pipeline.epochs=2", "text_encoder.model={tiny}"],
    "coattention": [
        *("experiment=coattention", "features.frame_seconds=3", "pipeline.width=8", "pipeline.heads=2"),
        *("pipeline.trunk.width=2", "pipeline.trunk.epochs=1", "pipeline.epochs=2", "pipeline.batch_size=4"),
        "text_encoder.model={tiny}",
    ],
    "ensemble": ["experiment=ensemble", "pipeline.runs=[a,b]"],
}
DATA = ["data=manifest", f"data.manifest={CORPUS / 'tracks.csv'}", "data.max_seconds=2", "split=predefined"]
MEMBERS = ("xgboost, segments", "lyrics")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test songs and their lyrics in another corpus, which knows nothing of 2 s."""
    folder = tmp_path_factory.mktemp("elsewhere")
    table = pd.read_csv(CORPUS / "tracks.csv", dtype=str)
    table = table[table["split"] == "test"].drop(columns=["split"])
    for row in table.to_dict("records"):
        shutil.copy(CORPUS / row["audio"], folder)
        (folder / f"{row['track_id']}.txt").write_text(row["lyrics"])
    table.assign(audio=table["track_id"] + ".flac").to_csv(folder / "tracks.csv", index=False)
    return folder


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_evaluate_predict_and_python_agree(
    name: str, elsewhere: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(name, tiny_encoder, tmp_path / "run")
    own = probabilities(run / "predictions" / "test.csv")
    data = ManifestData(manifest=str(elsewhere / "tracks.csv"))
    evaluate_run(EvaluateConfig(run=str(run), data=data, trainer=TrainerSettings()), quiet=True)
    (evaluated,) = (run / "evaluations").iterdir()
    sides = {"lyrics": str(elsewhere)} if name.startswith("lyrics") else {"audio": str(elsewhere)}
    capsys.readouterr()
    assert predict_files(PredictConfig(run=str(run), format="json", trainer=TrainerSettings(), **sides)) == 0
    answers = json.loads(capsys.readouterr().out)
    predicted = pd.DataFrame([answer["probabilities"] for answer in answers], index=own.index)
    tracks = open_corpus("data=manifest", f"data.manifest={elsewhere / 'tracks.csv'}")
    in_python = load_pipeline(run).predict_proba(tracks).tracks.sort_index()
    for found in (probabilities(evaluated / "predictions" / "test.csv"), predicted, in_python):
        pd.testing.assert_frame_equal(found, own, atol=2e-6, check_names=False)


def test_every_pipeline_is_asked() -> None:
    asked = {words[0].removeprefix("experiment=").split("_")[0] for words in EXPERIMENTS.values()}
    assert asked == {entry.name for entry in entries("pipeline")}


def train(name: str, tiny: Path, directory: Path) -> Path:
    words = [word.format(tiny=tiny) for word in EXPERIMENTS[name]]
    if name == "ensemble":
        members = [train(member, tiny, directory.with_name(member)) for member in MEMBERS]
        run_ensemble(compose_train(*words), directory, members, quiet=True)
    else:
        run_experiment(compose_train(*words, *DATA), directory, quiet=True)
    return directory


def probabilities(path: Path) -> pd.DataFrame:
    table = read_predictions(path)
    return table.set_index("track_id")[genre_columns(table)].sort_index().astype(float)
