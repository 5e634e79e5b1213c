"""What identifies a run, and what it was made with: signature, versions, commit."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically, write_json
from genrefusion.core.machine import machine
from genrefusion.core.processes import process_count
from genrefusion.core.version import __version__
from genrefusion.data.audio import sha256_of
from genrefusion.data.splits import Split, genres_without
from genrefusion.data.tracks import Tracks
from genrefusion.runs.trained_on import FILE as TRAINED_ON
from genrefusion.runs.trained_on import fitted_on, write_trained_on
from genrefusion.settings.commands import TrainConfig
from genrefusion.settings.fields import Rule, as_saved

RESULTS_VERSION = 4
"""Raised by hand with every change after which the same settings and data give other results.

1 was d8fd36f; 2 cea9ebd; 3 cleans lyrics by other rules and decodes more of some files.
"""

PACKAGES = (
    *("accelerate", "h5py", "hydra-core", "joblib", "librosa", "numpy", "omegaconf", "pandas", "safetensors"),
    *("scikit-learn", "scipy", "skops", "soundfile", "soxr", "tokenizers", "torch", "torchaudio", "transformers"),
    "xgboost",
)
"""Packages whose versions can move a result."""


def signature(config: TrainConfig, tracks: Tracks, split: Split) -> str:
    """Digest of all that changes a run's result: not of device, threads, workers, folders or logging.

    Device and number of threads change the order of sums, and with it the last digits from which a training can drift.
    A setting that has its default stays out, so that a setting that is added later leaves old signatures as they are.
    Of files and models that the settings name, the content counts and not the place.
    """
    identity: dict[str, Any] = {
        "results": RESULTS_VERSION,
        "pipeline": chosen(config.pipeline),
        "features": chosen(config.features),
        "seed": config.seed,
        "corpus": tracks.digest,
        "split": split.digest,
    }
    if config.trainer.mixed_precision != "no":
        identity["mixed_precision"] = config.trainer.mixed_precision
    if config.data.max_seconds != type(config.data).max_seconds:
        identity["max_seconds"] = config.data.max_seconds
    if process_count() > 1:  # each draws its own dropout, and batch normalisation sees its part of a batch
        identity["processes"] = process_count()
    return _digest(identity)


def ensemble_signature(config: TrainConfig, folders: Sequence[Path]) -> str:
    """Digest of what changes the result: how the members are joined, and their predictions."""
    joined = {name: value for name, value in chosen(config.pipeline).items() if name not in ("members", "runs")}
    predictions = [sha256_of(folder / "predictions" / f"{part}.csv") for folder in folders for part in ("val", "test")]
    return _digest({"results": RESULTS_VERSION, "pipeline": joined, "predictions": predictions})


def chosen(settings: Any) -> dict[str, Any]:
    """Settings that differ from their defaults, with the name of their class; files and models by their content.

    The ``name`` of a group of settings is not among them: what it stands for is told by the class and the others.
    """
    found: dict[str, Any] = {"schema": type(settings).__name__}
    for field in fields(settings):
        value = getattr(settings, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if field.name == "name" or value == default or Rule.of(field).noted:
            continue
        content = chosen(value) if is_dataclass(value) else _by_content(field, value)
        if not (Rule.of(field).names and content == _by_content(field, default)):
            found[field.name] = content
    return found


def code() -> dict[str, Any]:
    """What a run is made with, as part of its record: versions, the commit of a checkout, the machine."""
    commit, difference = git_state()
    return {
        "results_version": RESULTS_VERSION,
        "versions": versions(),
        "git_commit": commit,
        "git_difference": difference,
        "machine": machine(),
    }


def versions() -> dict[str, str]:
    """Versions of this package, of Python, and of the packages and libraries that can move a result."""
    import soundfile

    found = {"genrefusion": __version__, "python": platform.python_version()}
    found |= {package: importlib.metadata.version(package) for package in PACKAGES}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found["av"] = importlib.metadata.version("av")  # the extra that decodes what libsndfile does not
    return found | {"libsndfile": soundfile.__libsndfile_version__}


def git_commit() -> str | None:
    """Commit of the checkout that the package is imported from, if it is one; ``-dirty`` behind it says of changes."""
    return git_state()[0]


def git_state(package: Path = Path(__file__).parents[1]) -> tuple[str | None, str | None]:
    """Commit of the package's own checkout, and a digest of what differs from it; None where there is neither.

    A package that is installed somewhere inside another repository is not a checkout.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None, None
    commit = (_git(package, "rev-parse", "HEAD") or b"").decode().strip() or None
    difference = _git(package, "diff", "HEAD", "--no-ext-diff", "--", ".") or b""
    for path in sorted((_git(package, "ls-files", "--others", "--exclude-standard", "-z") or b"").split(b"\0")):
        if path:
            difference += path + (package / path.decode("utf-8", "surrogateescape")).read_bytes()
    if not difference:
        return commit, None
    return f"{commit}-dirty", hashlib.sha256(difference).hexdigest()


def _git(folder: Path, *words: str) -> bytes | None:
    """Answer of git, if it is there and knows one."""
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run([git, "-C", str(folder), *words], capture_output=True, check=False)  # noqa: S603
    return done.stdout if done.returncode == 0 else None


def _by_content(field: Field[Any], value: Any) -> Any:
    """Digest of a file or model that a setting names; any other value as it is."""
    if not (Rule.of(field).path and isinstance(value, str) and value):
        return value
    if value == "msd":
        from genrefusion.models.msd import SHA256  # with PyTorch, which a run with these weights needs

        return SHA256
    is_file = Path(value).is_file()
    if "musicnn" in Rule.of(field).names and (value == "musicnn" or is_file):
        from genrefusion.features.musicnn_weights import identity  # as above

        return identity(value)
    if is_file:
        return sha256_of(Path(value))
    if field.name == "model":
        from genrefusion.features.text_encoder import model_identity

        return model_identity(value)
    return value


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


RUN_FILES = (
    *("checkpoints", "config.yaml", "corpus.json", "costs.json", "figures", "frames", "history.csv", "importance.csv"),
    *("metrics.json", "model", "predictions", "report.html", "splits.csv", "tensorboard", "tracking.json"),
    *("tracks.csv", TRAINED_ON, "views"),
)
"""What a run leaves in its folder or has there on the way, beside ``run.json`` and ``run.log``."""


def open_record(
    config: TrainConfig, tracks: Tracks, split: Split, directory: Path, command: str, *, status: str
) -> dict[str, Any]:
    """Begin ``run.json``, ``config.yaml`` and ``trained_on.json``, or check that the folder holds the same run."""
    from omegaconf import OmegaConf

    sign = signature(config, tracks, split)
    old = begun_record(directory, resume=config.resume)
    if old is not None:
        _require_same_run(old, config, sign, (tracks.digest, split.digest), directory)
        if old["status"] == "finished":  # older versions wrote the page last
            if process_count() > 1:
                raise UserError(f"{directory}: lacks its page alone. Go on in one process, without a launcher.")
            return old
    record = {
        "status": status,
        "name": config.name,
        "command": command,
        "signature": sign,
        **_corpus(tracks, split),
        "caution": config.features.caution,
        "seed": config.seed,
        "processes": process_count(),
        **code(),
        "config": as_saved(config),
        "data_schema": type(config.data).__name__,
    }
    write_json(record, directory / "run.json")
    if status != "trial":  # of which nothing is left that could be asked
        write_trained_on(fitted_on(tracks, split), directory)
    (directory / "checkpoints").mkdir(exist_ok=True)
    write_atomically(directory / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(record["config"])).encode())
    return record


def begun_record(directory: Path, *, resume: bool) -> dict[str, Any] | None:
    """Read what was begun in a folder and is to be gone on with; None where there is nothing and a run may begin.

    Raises
    ------
    UserError
        There is nothing to resume; or something is there, of a run or not, that is not to be resumed.
    """
    path = directory / "run.json"
    if not path.is_file():
        if resume:
            raise UserError(f"{directory}: no run to resume there.")
        require_room(directory)
        return None
    if not resume:
        raise UserError(f"{directory}: holds a run already. Go on with resume=true, or take another folder.")
    old = dict(json.loads(path.read_text(encoding="utf-8")))
    if old["status"] == "trial":
        raise UserError(f"{directory}: a trial of a sweep. Go on with the sweep: the same command and resume=true.")
    if old["status"] == "finished" and (directory / "report.html").is_file():
        raise UserError(f"{directory}: finished already; there is nothing to resume.")
    return old


def require_same_code(record: Mapping[str, Any], directory: Path) -> None:
    """Refuse to go on with a run whose first part was made by code that gives other results.

    Raises
    ------
    UserError
        Says by which version it was begun.
    """
    if record.get("results_version", 1) != RESULTS_VERSION:
        version = record.get("versions", {}).get("genrefusion", "another version")
        raise UserError(
            f"{directory}: was begun by genrefusion {version}, since when results have changed, so that it cannot be "
            "resumed: train it anew, without resume=true."
        )


def require_room(directory: Path) -> None:
    """Refuse to begin a run where files lie that it would write over, or remove at its end.

    Raises
    ------
    UserError
        There are some.
    """
    there = [name for name in RUN_FILES if (directory / name).exists()]
    if there:
        raise UserError(
            f"{directory}: holds {', '.join(there)} of something else, which a run would write over. "
            "Take an empty folder."
        )


def _require_same_run(
    old: dict[str, Any], config: TrainConfig, sign: str, digests: tuple[str, str], directory: Path
) -> None:
    """Refuse to go on with a run of other settings or data, or of code that gives other results."""
    other = old["signature"] != sign
    if old["status"] != "finished":
        require_same_code(old, directory)
    elif old.get("results_version") != RESULTS_VERSION:  # signed by another rule
        other = (old["corpus_digest"], old["split_digest"]) != digests
    if other:
        raise UserError(f"{directory}: was begun with other settings or data:\n{_difference(old, config)}")


def _difference(old: dict[str, Any], config: TrainConfig) -> str:
    """Name the settings in which a run differs from the one in its folder."""
    before, now = pd.json_normalize(old["config"]).iloc[0], pd.json_normalize(as_saved(config)).iloc[0]
    rows = [
        f"  {k}: {before.get(k)} there, {now.get(k)} here"
        for k in now.index
        if str(before.get(k)) != str(now.get(k)) and k != "resume"
    ]
    if (count := old.get("processes", 1)) != process_count():
        rows.append(f"  processes: {count} there, {process_count()} here")
    return "\n".join(rows) or "  the corpus changed"


def _corpus(tracks: Tracks, split: Split) -> dict[str, Any]:
    """What a record says of corpus and split."""
    return {
        "corpus": tracks.corpus,
        "synthetic": tracks.synthetic,
        "corpus_digest": tracks.digest,
        "split_digest": split.digest,
        "protocol": split.protocol,
        "genres": tracks.genres,
        "skipped": tracks.skipped,
        "genres_without": genres_without(tracks, split),
    }
