"""Speed, memory and cost of the parts, each against its alternatives, side by side in one run.

    python scripts/benchmark.py extraction
    python scripts/benchmark.py training --json training.json
    python scripts/benchmark.py inference --weights msd_crnn.hdf5
    python scripts/benchmark.py encoder
    python scripts/benchmark.py kill --seed 0
    python scripts/benchmark.py scale --tracks 1000 10000 100000

Alternatives take turns, so that a slow moment of the machine meets all of them; medians are compared as ratios.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from benchmarks.timing import REPEATS, Rows, Work, compare, write_record

if TYPE_CHECKING:
    from genrefusion.features.cache import FeatureCache

SONG_SECONDS = 180


def extraction() -> Rows:
    """Log mel-spectrogram of a 30 s clip from the file, and of eight clips with one and two threads.

    Of the latter BLAS has one thread: with its own two it multiplies by the mel filters on both cores for one clip.
    """
    import librosa
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from genrefusion.features.mel import MelExtractor
    from genrefusion.settings.features import MelFeatures

    extractor = MelExtractor(MelFeatures())

    def with_librosa(path: Path) -> None:
        audio, _ = librosa.load(path, sr=12000)
        mel = librosa.feature.melspectrogram(y=audio, sr=12000, n_fft=512, hop_length=256, n_mels=96)
        librosa.power_to_db(mel**2, top_db=None)

    def with_threads(paths: list[Path], n: int) -> None:
        Parallel(n_jobs=n, prefer="threads")(delayed(extractor)(path) for path in paths)

    with tempfile.TemporaryDirectory() as folder:
        clips = [_write_clip(Path(folder) / f"{i}.flac", seed=i) for i in range(8)]
        one = compare(
            {"librosa, one clip": lambda: with_librosa(clips[0]), "genrefusion, one clip": lambda: extractor(clips[0])}
        )
        with threadpool_limits(1):
            many = compare(
                {
                    "eight clips, one thread": lambda: with_threads(clips, 1),
                    "eight clips, two threads": lambda: with_threads(clips, 2),
                }
            )
    return one | many


def training() -> Rows:
    """Training steps of the networks, and the lyrics that are embedded before; see ``benchmarks/training.py``."""
    from benchmarks import training as steps

    return steps.training()


def features() -> Rows:
    """The 97 published features of a 30 s clip, one core each: plain librosa calls, essentia, here; and the floor.

    The floor is decoding and one short-time Fourier transform. essentia's MusicExtractor computes other values, and
    more of them; it is the usual choice for such a table. It takes part where it is installed (extra ``benchmark``).
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    from genrefusion.data.audio import load_audio
    from genrefusion.features.handcrafted import handcrafted_features
    from genrefusion.features.handcrafted_wide import wide_features

    with tempfile.TemporaryDirectory() as folder:
        clip = _write_clip(Path(folder) / "clip.wav", seed=0)
        audio = load_audio(clip, sample_rate=22050)
        rows = compare(
            {
                "97 features, separate librosa calls": lambda: _separate_librosa_calls(audio),
                "97 features, genrefusion": lambda: handcrafted_features(audio),
                "1,123 features, genrefusion": lambda: wide_features(audio),
                "decoding and one STFT (the floor)": lambda: _floor(clip),
                "decoding and 97 features, genrefusion": lambda: handcrafted_features(
                    load_audio(clip, sample_rate=22050)
                ),
            }
        )
        extractor = _essentia_extractor()
        if extractor is not None:
            rows |= compare(
                {
                    "essentia MusicExtractor, with decoding": lambda: extractor(str(clip)),
                    "97 features, genrefusion, with decoding": lambda: handcrafted_features(
                        load_audio(clip, sample_rate=22050)
                    ),
                }
            )
    os.sched_setaffinity(0, cores)
    return rows | _processes()


def boosting() -> Rows:
    """Train 500 rounds on 38,500 rows of 97 random features and 7 classes, the published size (18.5 minutes there)."""
    from genrefusion.models.tabular import TabularModel
    from genrefusion.settings.pipelines import XgboostSettings

    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(38_500, 97)).astype(np.float32), rng.integers(0, 7, 38_500)
    settings = XgboostSettings(rounds=500)
    deep = XgboostSettings(rounds=500, max_depth=6, colsample=1.0, subsample=1.0)
    return compare(
        {
            "XGBoost's own defaults (depth 6, all columns)": lambda: TabularModel(
                "xgboost", deep, 7, seed=0, device="cpu"
            ).fit(rows, labels),
            "default settings here (depth 2, 5 % of the columns)": lambda: TabularModel(
                "xgboost", settings, 7, seed=0, device="cpu"
            ).fit(rows, labels),
        },
        repeats=1,
        warm_up=False,
    )


def inference(weights: Path | None = None) -> Rows:
    """A 3-minute stereo MP3: from the start of `predict` to its answer, and warm on one thread.

    Warm are decoding, spectrogram, network and decision. The published way, which answers first, is librosa's `load`
    and `melspectrogram` and the network frame by frame. A run of the narrow network is trained for it, and with the
    published weights one of the full network.
    """
    import torch

    from genrefusion.features.cache import FeatureCache

    rows: Rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        song = _write_song(folder / "song.mp3")
        runs = {"narrow network": _train(folder / "narrow", folder, ["features.frame_seconds=4"])}
        if weights is not None:
            words = [f"pipeline.weights={weights.resolve()}", "pipeline.members=1"]
            runs["published network"] = _train(folder / "full", folder, words)
        rows |= compare({f"predict, from process start, {name}": _predict(run, song) for name, run in runs.items()})
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        for name, run in runs.items():
            rows |= compare(
                {
                    f"librosa, frame by frame, {name}": _published_way(run, song),
                    f"genrefusion, {name}": _warm(run, song, FeatureCache(folder / "features")),
                }
            )
        torch.set_num_threads(threads)
    for row in rows.values():
        row["times_real_time"] = SONG_SECONDS / row["median_seconds"]
    return rows


BENCHMARKS: dict[str, Callable[..., Rows]] = {
    "extraction": extraction,
    "training": training,
    "features": features,
    "boosting": boosting,
    "inference": inference,
}


APART = {"encoder": "benchmarks.encoder", "kill": "benchmarks.kill", "scale": "benchmarks.scale"}
"""Benchmarks with a table, and options, of their own."""


def _write_song(path: Path) -> Path:
    """Write 3 minutes of notes over noise, two channels at 44.1 kHz."""
    rng = np.random.default_rng(0)
    t = np.arange(SONG_SECONDS * 44100) / 44100
    pitch = 110 * 2 ** (rng.integers(0, 36, 2 * SONG_SECONDS) / 12)
    tone = np.sin(2 * np.pi * np.repeat(pitch, 22050) * t) * np.exp(-4 * (t % 0.5))
    sides = np.stack([0.4 * tone, 0.3 * tone]) + 0.02 * rng.normal(size=(2, len(t)))
    soundfile.write(path, sides.T.astype(np.float32), 44100)
    return path


def _train(run: Path, cache: Path, words: list[str]) -> Path:
    """Train a run for one epoch on a small demo corpus: how well it does is not asked."""
    small = ["data.songs_per_genre=8", "data.seconds=12", "pipeline.epochs=1"]
    _command("train", ["experiment=multiframe", *small, *words, f"cache={cache / 'cache'}", f"hydra.run.dir={run}"])
    return run


def _predict(run: Path, song: Path) -> Work:
    return lambda: _command("predict", [f"run={run}", f"audio={song}", "format=json"])


def _command(name: str, words: list[str]) -> None:
    code = f"from genrefusion.cli import {name}; {name}()"
    subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)  # noqa: S603 (our own words)


def _warm(run: Path, song: Path, cache: FeatureCache) -> Work:
    """One song after another with a pipeline that is loaded once; its features are forgotten each time."""
    import pandas as pd

    from genrefusion import load_pipeline
    from genrefusion.data.audio import sha256_of
    from genrefusion.data.tracks import Tracks

    pipeline = load_pipeline(run, cache=str(cache.directory), workers=1)

    def work() -> None:
        shutil.rmtree(cache.directory, ignore_errors=True)
        table = pd.DataFrame({"audio": [str(song)], "sha256": [sha256_of(song)], "genre": ""}, index=["song"])
        pipeline.predict_proba(Tracks(table, "songs"))

    return work


def _published_way(run: Path, song: Path) -> Work:
    """Decode and transform with librosa, the network frame by frame, then the mean."""
    import librosa
    import torch

    from genrefusion import load_pipeline
    from genrefusion.features.mel import cut_frame, frame_columns, frame_starts
    from genrefusion.pipelines.multiframe import MultiframePipeline
    from genrefusion.settings.features import MelFeatures

    pipeline = load_pipeline(run)
    assert isinstance(pipeline, MultiframePipeline)
    assert isinstance(pipeline.features, MelFeatures)
    s, networks = pipeline.features, [network.eval() for network in pipeline.networks_]

    @torch.inference_mode()
    def work() -> None:
        audio, _ = librosa.load(song, sr=s.sample_rate)
        mel = librosa.feature.melspectrogram(
            y=audio, sr=s.sample_rate, n_fft=s.n_fft, hop_length=s.hop, n_mels=s.n_mels
        )
        decibels = librosa.power_to_db(mel**2, top_db=None)
        frames = [cut_frame(decibels, start, frame_columns(s)) for start in frame_starts(mel.shape[1], s)]
        rows = [network(torch.from_numpy(frame)[None]).softmax(dim=1) for frame in frames for network in networks]
        torch.cat(rows).mean(dim=0)

    return work


def _separate_librosa_calls(audio: np.ndarray) -> None:
    """Each of the published values by a call of its own, as the published script has it."""
    import librosa
    import scipy.stats

    feature, rate = librosa.feature, 22050
    np.mean(np.abs(audio)), np.std(audio), scipy.stats.skew(np.abs(audio)), scipy.stats.kurtosis(audio)
    feature.zero_crossing_rate(audio + 0.0001, frame_length=2048, hop_length=512)
    feature.rms(y=audio + 0.0001)
    feature.tempo(y=audio, sr=rate)
    feature.spectral_centroid(y=audio + 0.01, sr=rate)
    for order in (2, 3, 4):
        feature.spectral_bandwidth(y=audio + 0.01, sr=rate, p=order)
    feature.spectral_contrast(y=audio, sr=rate, n_bands=6, fmin=200.0)
    feature.spectral_rolloff(y=audio + 0.01, sr=rate, roll_percent=0.85)
    feature.mfcc(y=audio, sr=rate, n_mfcc=20)
    feature.chroma_stft(y=audio, sr=rate, hop_length=1024)


def _floor(clip: Path) -> None:
    import scipy.fft
    import scipy.signal

    from genrefusion.data.audio import load_audio

    window = scipy.signal.get_window("hann", 2048).astype(np.float32)
    padded = np.pad(load_audio(clip, sample_rate=22050), 1024)
    np.abs(scipy.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, 2048)[::512] * window, axis=1))


def _essentia_extractor() -> Callable[[str], object] | None:
    try:
        import essentia
        from essentia.standard import MusicExtractor
    except ImportError:
        return None
    essentia.log.infoActive = essentia.log.warningActive = False
    return MusicExtractor(lowlevelStats=["mean", "stdev"])  # type: ignore[no-any-return]


def _processes() -> Rows:
    """Sixty-four clips, decoded and described, with one process and with two, each of one thread."""
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    pools = {n: Parallel(n_jobs=n) for n in (1, 2)}
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        clips = [_write_clip(Path(folder) / f"{i}.wav", seed=i) for i in range(16)] * 4
        return compare(
            {
                f"64 clips with decoding, {n} process{'es' if n > 1 else ''}": lambda n=n: pools[n](  # type: ignore[misc]
                    delayed(_describe)(clip) for clip in clips
                )
                for n in pools
            }
        )


def _describe(clip: Path) -> np.ndarray:
    from genrefusion.data.audio import load_audio
    from genrefusion.features.handcrafted import handcrafted_features

    return handcrafted_features(load_audio(clip, sample_rate=22050))


def _write_clip(path: Path, *, seed: int) -> Path:
    """30 s of decaying notes over noise at 22 050 Hz."""
    rng = np.random.default_rng(seed)
    t = np.arange(30 * 22050) / 22050
    pitch = 110 * 2 ** (rng.integers(0, 36, 60) / 12)
    tone = np.sin(2 * np.pi * np.repeat(pitch, len(t) // 60) * t) * np.exp(-4 * (t % 0.5))
    soundfile.write(path, (0.4 * tone + 0.02 * rng.normal(size=len(t))).astype(np.float32), 22050)
    return path


def main() -> None:
    """Run one benchmark, print it, and write it where asked."""
    if sys.argv[1:2] and sys.argv[1] in APART:
        importlib.import_module(APART[sys.argv[1]]).main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*BENCHMARKS, *APART])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of inference: published weights of the network")
    arguments = parser.parse_args()
    named = {"weights": arguments.weights} if arguments.weights else {}
    if named and arguments.name != "inference":
        parser.error("--weights is for inference")
    rows = BENCHMARKS[arguments.name](**named)
    width = max(map(len, rows))
    for name, row in rows.items():
        speed = f"  {row['times_real_time']:6.1f}x real time" if "times_real_time" in row else ""
        print(f"{name:<{width}}  {1000 * row['median_seconds']:9.1f} ms  {row['times_faster']:6.2f}x{speed}")
    if arguments.json:
        write_record(arguments.json, arguments.name, rows, repeats=REPEATS)


if __name__ == "__main__":
    main()
