"""Execute the notebooks on small runs of the demo corpus, and keep what they show: ``python scripts/notebooks.py``.

Pictures become small; sounds (who executes a notebook hears them), warnings of the machine and its paths are left out.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

import genrefusion as gf

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
DATA = "data.songs_per_genre=8 data.seconds=12"
RUNS: dict[str, dict[str, Any]] = {
    "coattention": {
        "data.val_fraction": 0.25,  # of so few songs, or they would not tell the epochs apart
        "data.test_fraction": 0.25,
        "features.frame_seconds": 4,
        "pipeline.width": 64,
        "pipeline.trunk.width": 8,
        "pipeline.trunk.epochs": 6,
        "pipeline.epochs": 20,
        "pipeline.patience": 20,
        "pipeline.batch_size": 8,
        "pipeline.lr": 0.001,
    },
    "lyrics_tfidf": {},
    "xgboost_97": {"pipeline.rounds": 50},
}
"""Runs that the notebooks read, the newest last, and the settings that make them small."""

WIDTH, COLOURS = 760, 96
"""Of pictures, at most."""


def main() -> None:
    """Make the runs, execute the notebooks beside them, and write what is left of their outputs."""
    chosen = sys.argv[1:] or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"GENREFUSION_CACHE": str(folder / "cache"), "GENREFUSION_DATA": DATA}
        work = shutil.copytree(NOTEBOOKS, folder / "notebooks")
        os.chdir(work)
        tracks = gf.open_corpus(*DATA.split())
        for experiment, settings in RUNS.items():
            print(gf.train(experiment, tracks, settings={"output": "../outputs"} | settings, quiet=True))
        for stem in chosen:
            notebook = nbformat.read(work / f"{stem}.ipynb", as_version=4)
            NotebookClient(notebook, timeout=600, record_timing=False, coalesce_streams=True).execute()
            for cell in notebook.cells:
                if cell["cell_type"] == "code":
                    said = [output for output in cell["outputs"] if output.get("name") != "stderr"]
                    cell["outputs"] = [small(output, folder) for output in said]
            nbformat.write(notebook, NOTEBOOKS / f"{stem}.ipynb")
            print(stem)


def small(output: Any, folder: Path) -> Any:
    """An output with small pictures, without sounds, and with the folder's name left out of texts."""
    data = output.get("data", {})
    if "<audio" in data.get("text/html", ""):
        del data["text/html"]
    if "image/png" in data:
        data["image/png"] = small_picture(data["image/png"])
    for holder, key in places(output):
        holder[key] = holder[key].replace(f"{folder}/", "../")
    return output


def places(output: Any) -> Iterator[tuple[Any, str]]:
    """Where an output has text."""
    if "text" in output:
        yield output, "text"
    for kind in ("text/plain", "text/html"):
        if kind in output.get("data", {}):
            yield output["data"], kind


def small_picture(encoded: str) -> str:
    """A picture of few colours that is not wider than `WIDTH`, as base64."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    picture.thumbnail((WIDTH, 10 * WIDTH))
    content = io.BytesIO()
    picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


if __name__ == "__main__":
    main()
