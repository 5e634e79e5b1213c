"""What grows with a corpus: time and memory of each step at several sizes, of corpora that are made here.

    python scripts/benchmark.py scale
    python scripts/benchmark.py scale --tracks 1000 10000 100000 --json scale.json

Each step has a process of its own, which may hold 1,024 files open. It first does the same with a corpus of 400 tracks,
so that imports and other fixed costs are no part of its time; what it needs from the steps before is loaded before the
clock begins. Peak memory is that of the whole process, with Python and the libraries. Times under a tenth of a second
are compared as if they were one.

Features and embeddings of lyrics are made up, and written and read as computed ones are. `predict` is given a tenth of
the files, as its time is that of decoding and of the network.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import itertools
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import write_record

Work = Callable[[], object]

OPEN_FILES = 1024
WARM_UP = 400
WORKERS = 2
MOST_TIMES = 12
"""A tenfold corpus may take so many times as long."""
SHORTEST = 0.1
"""Seconds; what takes less is too short to be compared."""
MOST_MIB = 2000
MOST_MS = 1.0
"""Of a start with cached features, for each song."""


def folder_first(corpus: Path) -> Work:
    """Find the songs of a folder of genres, and check all files."""
    config = _train(corpus, "experiment=xgboost_97", "data=folder", f"data.root={corpus / 'songs'}")
    shutil.rmtree(corpus / "cache" / "checks", ignore_errors=True)
    return lambda: _load(config, corpus)


def folder_again(corpus: Path) -> Work:
    """The same where each file is known."""
    config = _train(corpus, "experiment=xgboost_97", "data=folder", f"data.root={corpus / 'songs'}")
    return lambda: _load(config, corpus)


def table(corpus: Path) -> Work:
    """Read a tracks table with lyrics whose files are known, and clean the lyrics."""
    config = _train(corpus, "experiment=xgboost_97")
    return lambda: _load(config, corpus).lyrics


def splits(corpus: Path) -> Work:
    """Divide by artist: a holdout, and five folds."""
    from genrefusion.data.splits import split_tracks

    config, folds = _train(corpus, "experiment=xgboost_97"), _train(corpus, "experiment=xgboost_97", "split=kfold")
    tracks = _load(config, corpus)
    return lambda: [split_tracks(tracks, each.split, seed=0) for each in (config, folds)]


def signature(corpus: Path) -> Work:
    """Sign a run, know its tracks again, and write its record."""
    from genrefusion.data.splits import split_tracks
    from genrefusion.runs.record import open_record

    config = _train(corpus, "experiment=xgboost_97")
    tracks = _load(config, corpus)
    split = split_tracks(tracks, config.split, seed=0)
    run = Path(tempfile.mkdtemp(dir=corpus))
    return lambda: open_record(config, tracks, split, run, "", status="running")


def features_first(corpus: Path) -> Work:
    """Write 97 numbers of each song to the cache."""
    from genrefusion.features.cache import FeatureCache, Recipe, decoders
    from genrefusion.features.vectors import HandcraftedExtractor

    config = _train(corpus, "experiment=xgboost_97")
    digests = list(_load(config, corpus).table["sha256"])
    extractor = HandcraftedExtractor(config.features, max_seconds=config.data.max_seconds)
    cache = FeatureCache(corpus / "cache" / "features")
    shutil.rmtree(cache.directory / "handcrafted", ignore_errors=True)
    store = cache.store(Recipe(extractor.name, extractor.version, extractor.parameters(), decoders()))
    rng = np.random.default_rng(0)
    made = {"handcrafted": rng.normal(size=(1, 97)).astype(np.float32)}
    return lambda: list(store.fill(digests, ["handcrafted"], lambda _: made, workers=WORKERS))


def features_again(corpus: Path) -> Work:
    """Read them."""
    config = _train(corpus, "experiment=xgboost_97")
    tracks = _load(config, corpus)
    return lambda: _pipeline(config, corpus).prepare(tracks)


def spectrograms_first(corpus: Path) -> Work:
    """Compute a spectrogram of each song."""
    config = _train(corpus, "experiment=multiframe")
    tracks = _load(config, corpus)
    shutil.rmtree(corpus / "cache" / "features" / "mel", ignore_errors=True)
    return lambda: _pipeline(config, corpus).prepare(tracks)


def spectrograms_again(corpus: Path) -> Work:
    """Find them."""
    config = _train(corpus, "experiment=multiframe")
    tracks = _load(config, corpus)
    return lambda: _pipeline(config, corpus).prepare(tracks)


def start(corpus: Path) -> Work:
    """All that `train` does before it fits, where features are in the cache."""
    from genrefusion.core.terminal import Terminal
    from genrefusion.runs.record import open_record
    from genrefusion.runs.training import prepare

    config = _train(corpus, "experiment=xgboost_97")
    run = Path(tempfile.mkdtemp(dir=corpus))

    def work() -> None:
        tracks, split = prepare(config, Terminal(quiet=True))
        open_record(config, tracks, split, run, "", status="running")
        _pipeline(config, corpus).prepare(tracks)

    return work


def coattention(corpus: Path) -> Work:
    """One epoch on ready vectors and cached embeddings of the lyrics."""
    config = _ready_sequences(corpus)
    train, val, _ = _parts(config, corpus)
    _embed(config, corpus)
    pipeline = _pipeline(config, corpus)

    def work() -> None:
        pipeline.fit(train, val)

    return _then(work, lambda: pipeline.save(corpus / "coattention"))


def coattention_answers(corpus: Path) -> Work:
    """Predict all tracks by it, with both sides and with each alone."""
    from genrefusion.pipelines.saved import read_pipeline

    config = _ready_sequences(corpus)
    tracks = _load(config, corpus)
    pipeline = read_pipeline(corpus / "coattention", _context(config))
    return lambda: pipeline.predict_proba(tracks)


def boosting(corpus: Path) -> Work:
    """Fit ten rounds of XGBoost on a ready table, and predict."""
    config = _ready_table(corpus)
    train, val, test = _parts(config, corpus)
    pipeline = _pipeline(config, corpus)
    return lambda: pipeline.fit(train, val).predict_proba(test)


def figures(corpus: Path) -> Work:
    """Scores with their intervals, pictures and page of a run that has predicted all tracks."""
    from genrefusion.core.terminal import Terminal
    from genrefusion.data.splits import Fold, Split, split_tracks
    from genrefusion.metrics.predictions import with_truth, write_predictions
    from genrefusion.reports.run_page import write_report
    from genrefusion.reports.summary import show_metrics, summarise, write_names
    from genrefusion.runs.record import open_record

    config = _ready_table(corpus)
    tracks = _load(config, corpus)
    split = split_tracks(tracks, config.split, seed=0)
    run = Path(tempfile.mkdtemp(dir=corpus))
    record = open_record(config, tracks, split, run, "", status="running")
    record |= {"parameters": 1, "wall_seconds": 1.0}
    everything = Split([Fold([], [], tracks.ids)], split.protocol)
    write_names(tracks, run, of=everything.tracks)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(tracks.genres)), len(tracks))
    probabilities[np.arange(len(tracks)), tracks.labels(tracks.genres)] += 0.3
    answer = _frame(probabilities / 1.3, tracks)
    for part in ("val", "test"):
        write_predictions(with_truth(answer, tracks.table["genre"]), run / "predictions" / f"{part}.csv")

    def work() -> None:
        terminal = Terminal(quiet=True)
        show_metrics(summarise(run, tracks.table["genre"], title="made", terminal=terminal), terminal)
        write_report(run, record)

    return work


def whole(corpus: Path) -> Work:
    """`train` from its start to its page: ten rounds of XGBoost on a ready table."""
    from genrefusion.runs.training import run_experiment

    config = _ready_table(corpus)
    run = Path(tempfile.mkdtemp(dir=corpus))
    return lambda: run_experiment(config, run, quiet=True)


def predict(corpus: Path) -> Work:
    """`predict` on a tenth of the files."""
    from genrefusion.commands.predict import predict_files
    from genrefusion.runs.training import run_experiment

    run = corpus.parent / "network"
    if not run.is_dir():
        warm = corpus.parent / str(WARM_UP)
        words = ("experiment=multiframe", "pipeline.width=4", "pipeline.epochs=1", "features.frame_seconds=3")
        run_experiment(_train(warm, *words), run, quiet=True)
    chosen = corpus / "tenth"
    if not chosen.is_dir():
        chosen.mkdir()
        for number, song in enumerate(sorted((corpus / "songs").rglob("*.wav"))):
            if number % 10 == 0:
                (chosen / f"{number}.wav").hardlink_to(song)
    config = _compose("predict", f"run={run}", f"audio={chosen}", "format=csv", "trainer.device=cpu")

    def work() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            predict_files(config)

    return work


STEPS: dict[str, tuple[str, Callable[[Path], Work]]] = {
    "folder_first": ("folder of songs, first start", folder_first),
    "folder_again": ("folder of songs, second start", folder_again),
    "table": ("tracks table with files and lyrics", table),
    "splits": ("splits: holdout and 5 folds", splits),
    "signature": ("signature and record", signature),
    "features_first": ("97 features written", features_first),
    "features_again": ("97 features read", features_again),
    "spectrograms_first": ("spectrograms computed", spectrograms_first),
    "spectrograms_again": ("spectrograms found", spectrograms_again),
    "start": ("start of train, all cached", start),
    "coattention": ("co-attention, one epoch", coattention),
    "coattention_answers": ("co-attention, predicting", coattention_answers),
    "boosting": ("XGBoost, 10 rounds and predict", boosting),
    "figures": ("scores, intervals, page", figures),
    "whole": ("train XGBoost, start to page", whole),
    "predict": ("predict, a tenth of the files", predict),
}


def measure(request: Mapping[str, Any]) -> dict[str, float]:
    """Do one step on the corpus of the warm-up, then on the one that is asked for; what a process of its own does."""
    from genrefusion.core.machine import peak_memory_mb

    prepare = STEPS[request["step"]][1]
    folder = Path(request["folder"])
    for corpus in (folder / str(WARM_UP), folder / str(request["tracks"])):
        os.environ["GENREFUSION_CACHE"] = str(corpus / "cache")
        work = prepare(corpus)
        gc.collect()
        gc.freeze()  # what is there before is no part of what is measured
        began, worked = time.perf_counter(), time.process_time()
        work()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - worked
        if isinstance(work, _Then):
            work.after()
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_memory_mb()}


class _Then:
    """Work, and what is left to do when the clock has stopped."""

    def __init__(self, work: Work, after: Work) -> None:
        self.work = work
        self.after = after

    def __call__(self) -> object:
        return self.work()


def _then(work: Work, after: Work) -> Work:
    return _Then(work, after)


def _compose(command: str, *words: str) -> Any:
    from hydra import compose, initialize_config_dir

    from genrefusion.settings.composing import configs_directory, register, to_settings

    register()
    with initialize_config_dir(str(configs_directory()), version_base="1.3"):
        return to_settings(compose(command, list(words)))


def _train(corpus: Path, *words: str) -> Any:
    on_table = [] if any(word == "data=folder" for word in words) else [f"data.manifest={corpus / 'tracks.csv'}"]
    given = ["data=manifest", *on_table] if on_table else []
    return _compose(
        "train", "name=scale", *words, *given, "trainer.device=cpu", f"workers={WORKERS}", f"cache={corpus / 'cache'}"
    )


def _ready_table(corpus: Path) -> Any:
    words = ("features=table", f"features.path={corpus / 'table.csv'}", "pipeline.rounds=10", "pipeline.colsample=1")
    return _train(corpus, "experiment=xgboost", *words)


def _ready_sequences(corpus: Path) -> Any:
    network = ("pipeline.epochs=1", "pipeline.width=16", "pipeline.heads=2", "pipeline.layers=1", "pipeline.members=1")
    text = (f"text_encoder.model={corpus / 'encoder'}", "text_encoder.max_tokens=64", "text_encoder.window=66")
    ready = ("features=precomputed", f"features.path={corpus / 'vectors.npz'}")
    return _train(corpus, "experiment=coattention", *ready, *network, *text)


def _load(config: Any, corpus: Path) -> Any:
    from genrefusion.core.terminal import Terminal
    from genrefusion.data.corpora import load_usable

    uses = _pipeline(config, corpus).uses
    return load_usable(config.data, uses, cache=corpus / "cache", workers=WORKERS, terminal=Terminal(quiet=True))


def _context(config: Any) -> Any:
    from genrefusion.core.terminal import Terminal
    from genrefusion.runs.training import train_context

    return train_context(config, Terminal(quiet=True))


def _pipeline(config: Any, corpus: Path) -> Any:
    from genrefusion.pipelines.base import make_pipeline

    return make_pipeline(config.pipeline, config.features, _context(config))


def _parts(config: Any, corpus: Path) -> Iterator[Any]:
    from genrefusion.data.splits import split_tracks

    tracks = _load(config, corpus)
    fold = split_tracks(tracks, config.split, seed=0).folds[0]
    return (tracks.subset(ids) for ids in (fold.train, fold.val, fold.test))


def _embed(config: Any, corpus: Path) -> None:
    """Embeddings of the lyrics, made up and kept as those of a transformer are."""
    from genrefusion.features.text_encoder import TokenEncoder

    class Made:
        tokens = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)

        def encode(self, texts: Sequence[str]) -> list[tuple[Any, int]]:
            return [(self.tokens, 300)] * len(texts)

    context = _context(config)
    encoder = TokenEncoder(config.pipeline.encoder, context.cache, context.terminal)
    vars(encoder)["transformer"] = Made()
    encoder.embed(_load(config, corpus).lyrics)


def _frame(probabilities: np.ndarray, tracks: Any) -> Any:
    import pandas as pd

    index = pd.Index(tracks.ids, name="track_id")
    return pd.DataFrame(probabilities, index=index, columns=tracks.genres)


def main(words: list[str]) -> None:
    """Make the corpora, measure all steps, print the table and the verdict."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, nargs="+", default=[1000, 10_000], metavar="N", help="sizes")
    parser.add_argument(
        "--steps",
        nargs="+",
        choices=STEPS,
        default=list(STEPS),
        metavar="STEP",
        help=f"some need what earlier ones leave: {', '.join(STEPS)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="make the corpora there, and leave them")
    arguments = parser.parse_args(words)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with _place(arguments.folder) as folder:
        rows = _measure_all(folder, sorted(arguments.tracks), arguments.steps)
    verdict = _verdict(rows)
    print("\n".join(verdict))
    if arguments.json:
        write_record(arguments.json, "scale", rows, open_files=OPEN_FILES, verdict=verdict)


@contextlib.contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def _measure_all(folder: Path, sizes: list[int], steps: list[str]) -> dict[str, dict[int, dict[str, float]]]:
    """Figures of each step at each size; a line is printed as soon as it is known."""
    from benchmarks.made_corpus import make_corpus
    from genrefusion.core.alone import run_alone

    for size in (WARM_UP, *sizes):
        if not (folder / str(size)).is_dir():
            make_corpus(folder / f"{size}.part", size)
            (folder / f"{size}.part").rename(folder / str(size))
    print(f"each step in a process of its own, {OPEN_FILES} open files; load {os.getloadavg()[0]:.1f}")
    print(f"{'':34}" + "".join(f"{f'{size:,} tracks':>24}" for size in sizes), flush=True)
    rows: dict[str, dict[int, dict[str, float]]] = {}
    for step in steps:
        rows[step] = {}
        line = f"{STEPS[step][0]:34}"
        for size in sizes:
            request = {"step": step, "folder": str(folder), "tracks": size}
            found = rows[step][size] = run_alone("benchmarks.scale:measure", request)
            line += f"{found['seconds']:12.2f} s {found['peak_mib']:6.0f} MiB"
        line += "".join(f"  {times:5.1f}x" for times in _times(rows[step]))
        print(line, flush=True)
    return rows


def _times(row: dict[int, dict[str, float]]) -> list[float]:
    """How many times as long each size takes as the one before."""
    seconds = [max(found["seconds"], SHORTEST) for found in row.values()]
    return [after / before for before, after in itertools.pairwise(seconds)]


def _verdict(rows: dict[str, dict[int, dict[str, float]]]) -> list[str]:
    """What was promised, and whether it is kept."""
    lines = []
    growth = {
        (STEPS[step][0], size): times / (size / before) * 10
        for step, row in rows.items()
        for times, (before, size) in zip(_times(row), itertools.pairwise(row), strict=True)
    }
    if growth:
        (step, size), worst = max(growth.items(), key=lambda item: item[1])
        lines.append(
            f"{_kept(worst <= MOST_TIMES)}  ten times the tracks take at most {MOST_TIMES} times as long: "
            f"{worst:.1f} times ({step}, {size:,} tracks)"
        )
    (step, size), most = max(
        (((STEPS[step][0], size), found["peak_mib"]) for step, row in rows.items() for size, found in row.items()),
        key=lambda item: item[1],
    )
    lines.append(f"{_kept(most < MOST_MIB)}  memory under {MOST_MIB:,} MiB: {most:,.0f} MiB ({step}, {size:,} tracks)")
    for size, found in rows.get("start", {}).items():
        each = 1000 * found["seconds"] / size
        lines.append(f"{_kept(each < MOST_MS)}  a start under {MOST_MS:g} ms a song: {each:.2f} ms ({size:,} tracks)")
    return lines


def _kept(kept: bool) -> str:
    return "kept  " if kept else "BROKEN"


if __name__ == "__main__":
    main(sys.argv[1:])
