"""Searching for settings: trials that are run, watched and recorded, so that a sweep that was killed can go on.

A sweep's folder holds ``study.db`` (Optuna's record of all trials, SQLite), a folder for each trial, ``sweep.csv``,
``experiment/best.yaml`` and ``figures/``. What decides is the validation log loss, with folds its mean over them. The
test tracks are not predicted in a trial.

`run_sweep` asks for settings, `run_trial` trains with them, in the same process or where a launcher starts it, and
records the outcome itself: what is finished is not lost with the process that started it. Trials at once go in batches,
as Hydra's launchers have it.
"""

from __future__ import annotations

import json
import shlex
import shutil
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf, read_write

from genrefusion.commands import sweep_results
from genrefusion.core.disks import disk_mistake
from genrefusion.core.errors import UserError
from genrefusion.core.files import alone_in, has_record_locks
from genrefusion.core.folders import age, forget_empty, places_of
from genrefusion.core.terminal import Terminal
from genrefusion.runs.record import RESULTS_VERSION, require_same_code
from genrefusion.runs.training import prepare, run_experiment
from genrefusion.settings.commands import TrainConfig
from genrefusion.settings.composing import literal, quoted, to_settings
from genrefusion.settings.mistakes import require_launcher
from genrefusion.settings.sweep import SweepSettings

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

STUDY = "study.db"
_WAIT = 120  # seconds for another process that writes to the study
_CAN_CHANGE = (
    *("resume=", "parallel=", "launcher=", "workers=", "trainer=", "trainer.", "tracking=", "tracking."),
    *("sweep.trials=", "debug="),
)


def import_optuna() -> Any:
    """Import Optuna.

    Raises
    ------
    UserError
        It is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError("sweep=… needs an extra: pip install 'genrefusion[sweep]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def run_sweep(config: DictConfig, typed: Sequence[str], launcher: Launcher) -> None:
    """Run the trials that a sweep still lacks, and leave what they found in its folder.

    Parameters
    ----------
    config : DictConfig
        Everything that `train` takes, with ``hydra``.
    typed : sequence of str
        The overrides that were typed, without Hydra's own.
    launcher : Launcher
        Starts the runs.

    Raises
    ------
    UserError
        A mistake in settings or data, another process that runs the sweep, or no trial that ended well.
    """
    import_optuna()
    settings = checked(config)
    space = distributions(settings.sweep.space)
    _check_typed(typed, space, config)
    require_launcher(config.hydra)
    free = {name: values for name, values in space.items() if name not in _names(typed)}
    terminal = Terminal()
    directory = Path(config.hydra.sweep.dir)
    if settings.resume and not any(word.startswith("hydra.sweep.dir=") for word in config.hydra.overrides.hydra):
        directory = _begun_so(directory, typed, settings) or directory
        with read_write(config.hydra):
            config.hydra.sweep.dir = literal(directory)
    with _emptied(directory):
        prepare(settings, terminal)  # a mistake in the data shows here and not in every trial
        _run_trials(config, settings, typed, free, directory, launcher, terminal)


def _run_trials(
    config: DictConfig,
    settings: TrainConfig,
    typed: Sequence[str],
    free: dict[str, BaseDistribution],
    directory: Path,
    launcher: Launcher,
    terminal: Terminal,
) -> None:
    with alone_in(directory, "runs this sweep"):
        study = _open_sweep(directory, settings, typed)
        terminal.say("sweep", f"{settings.name}: {settings.sweep.trials} trials, of which {count_done(study)} are done")
        one_by_one = config.hydra.runtime.choices["hydra/launcher"] == "basic"
        while (missing := settings.sweep.trials - count_done(study)) > 0:
            size = min(missing, 1 if one_by_one else settings.parallel)
            batch = [_ask(study, settings.sweep, free, done=count_done(study) + k) for k in range(size)]
            _launch(launcher, study, batch, [*typed, f"hydra.sweep.dir={quoted(literal(directory))}"])
            sweep_results.write_table(study, directory)
            for trial in batch:
                terminal.say("trial", sweep_results.trial_line(study, trial.number))
        sweep_results.finish(study, directory, settings.name, typed, terminal)


def _begun_so(directory: Path, typed: Sequence[str], settings: TrainConfig) -> Path | None:
    """The newest of the sweeps beside one, and itself, that was begun with the same words."""
    begun = sorted((path.parent for path in directory.parent.glob(f"*/{STUDY}")), key=age, reverse=True)
    return next((folder for folder in begun if _typed_of(folder, settings) == _lasting(typed)), None)


def _typed_of(folder: Path, settings: TrainConfig) -> list[str] | None:
    """Words that a sweep was begun with; None if that cannot be read, as of another user's or a damaged one."""
    try:
        return open_study(folder, settings.sweep).user_attrs.get("typed")
    except Exception:  # of Optuna, its database, or the disk
        return None


def _lasting(typed: Sequence[str]) -> list[str]:
    return sorted(override for override in typed if not override.startswith(_CAN_CHANGE))


@contextmanager
def _emptied(directory: Path) -> Iterator[None]:
    """Remove a sweep's folder again if the block leaves nothing there."""
    try:
        yield
    finally:
        forget_empty(directory)


def run_trial(config: DictConfig, directory: Path) -> None:
    """Train with the settings of one trial, and record how it ended; no mistake but of a disk leaves this function.

    A trial that broke off because a disk was full, or could not be written, is run again when the sweep is resumed.

    Parameters
    ----------
    config : DictConfig
        Everything that `train` takes; ``sweep.trial`` is the number.
    directory : Path
        Folder of the trial, in that of the sweep.
    """
    optuna = import_optuna()
    study = open_study(directory.parent, config.sweep)
    number = int(config.sweep.trial)
    trial = optuna.trial.Trial(study, study.trials[number]._trial_id)
    trial.set_user_attr("folder", directory.name)

    def watch(epoch: int, log_loss: float) -> None:
        trial.report(log_loss, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned(f"epoch {epoch}: log loss {log_loss:.3f} is worse than the median")

    state = directory / "checkpoints"
    own_state = not state.exists()
    try:
        settings = replace(checked(config), sweep=None)
        metrics = run_experiment(settings, directory, quiet=True, trial=watch)
    except optuna.TrialPruned as reason:
        trial.set_user_attr("reason", str(reason))
        study.tell(number, state=optuna.trial.TrialState.PRUNED)
    except Exception as error:  # whatever it is, other trials may do better
        if (mistake := disk_mistake(error, places_of({"output": config.output, "cache": config.cache}))) is not None:
            raise mistake from error
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        trial.set_user_attr("reason", f"{kind}{error}")
        study.tell(number, state=optuna.trial.TrialState.FAIL)
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "run.log").open("a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
    else:
        found = validation_metrics(metrics)
        for name, value in found.items():
            trial.set_user_attr(f"val_{name}", value)
        study.tell(number, found["log_loss"])
    if own_state:
        shutil.rmtree(state, ignore_errors=True)


def validation_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Figures by which trials are compared: over the validation tracks, with folds the mean of the folds'."""
    folds = metrics.get("folds") or [metrics["val"]]
    names = ("log_loss", "accuracy", "macro_f1")
    return {name: sum(fold[name] for fold in folds) / len(folds) for name in names}


def checked(config: DictConfig) -> TrainConfig:
    """Turn composed settings into their dataclass, which refuses impossible ones."""
    settings = to_settings(config)
    assert isinstance(settings, TrainConfig)
    return settings


def distributions(space: Mapping[str, Any], prefix: str = "") -> dict[str, BaseDistribution]:
    """Read a search space: by setting, ``[choice, …]`` or ``{low, high, log, step}``, whole numbers if both ends are.

    Examples
    --------
    >>> distributions({"pipeline": {"width": [8, 16], "dropout": {"low": 0.0, "high": 0.5}}})
    {'pipeline.width': CategoricalDistribution(choices=(8, 16)), 'pipeline.dropout': FloatDistribution(high=0.5, ...)}
    """
    found: dict[str, BaseDistribution] = {}
    for key, values in space.items():
        name = f"{prefix}{key}"
        if isinstance(values, Mapping) and not {"low", "high"} & set(values):
            found |= distributions(values, f"{name}.")
        else:
            found[name] = _distribution(name, values)
    return found


def _distribution(name: str, values: Any) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    try:
        if isinstance(values, Sequence) and not isinstance(values, str):
            return CategoricalDistribution(values)
        whole = isinstance(values["low"], int) and isinstance(values["high"], int)
        return IntDistribution(**values) if whole else FloatDistribution(**values)
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(
            f"sweep.space.{name}={values}: not [choice, …] or {{low: …, high: …, log: true}} ({error})."
        ) from error


def open_study(directory: Path, settings: Any) -> Study:
    """Open the record of a sweep, or begin it.

    Parameters
    ----------
    directory : Path
        Folder of the sweep.
    settings : SweepSettings or DictConfig
        Pruner.
    """
    import optuna

    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if settings.pruner == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=settings.startup, n_warmup_steps=settings.warmup)
    path = (directory / STUDY).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    address = f"sqlite:///file:{quote(str(path))}?uri=true"
    if not has_record_locks(path.parent):
        address += "&nolock=1"  # else it would wait for a lock for ever
    storage = optuna.storages.RDBStorage(address, engine_kwargs={"connect_args": {"timeout": _WAIT}})
    return optuna.create_study(
        storage=storage, study_name="sweep", pruner=pruner, direction="minimize", load_if_exists=True
    )


def count_done(study: Study) -> int:
    """Trials that count: they ended, well or with a mistake of their own."""
    return sum(trial.state.is_finished() and not trial.user_attrs.get("interrupted") for trial in study.trials)


def _open_sweep(directory: Path, settings: TrainConfig, typed: Sequence[str]) -> Study:
    """Begin a sweep; or open one that was, and put trials in line again that were running when it was killed."""
    import optuna

    there = (directory / STUDY).is_file()
    if there and not settings.resume:
        raise UserError(f"{directory}: holds a sweep already. Go on with resume=true, or take another folder.")
    if settings.resume and not there:
        raise UserError(f"{directory}: no sweep to resume there.")
    study = open_study(directory, settings.sweep)
    if study.trials:  # a sweep that was killed before its first trial has nothing to mix with
        require_same_code(study.user_attrs, directory)
    study.set_user_attr("results_version", RESULTS_VERSION)
    begun = study.user_attrs.get("typed")
    lasting = _lasting(typed)
    if begun is None:
        study.set_user_attr("typed", lasting)
    elif begun != lasting:
        raise UserError(f"{directory}: was begun with other settings: train -m {shlex.join(begun)}")
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        if "folder" in trial.user_attrs:  # it is run again in another one
            begun = directory / trial.user_attrs["folder"]
            shutil.rmtree(begun / "checkpoints", ignore_errors=True)
            (begun / ".lock").unlink(missing_ok=True)
        _end(study, trial.number, "the sweep was ended while it ran; run again", interrupted=True)
        study.enqueue_trial(trial.params)
    return study


def _ask(study: Study, settings: SweepSettings, space: dict[str, BaseDistribution], *, done: int) -> Trial:
    """Choose settings. The sampler begins anew with each trial: a sweep that is resumed chooses what it would have."""
    import optuna

    study.sampler = optuna.samplers.TPESampler(seed=settings.seed * 1_000_003 + done)
    return study.ask(space)


def _launch(launcher: Launcher, study: Study, batch: Sequence[Trial], typed: Sequence[str]) -> None:
    """Run trials at once; those whose process died are recorded as failed."""
    jobs = [
        [
            *typed,
            "resume=false",
            f"sweep.trial={trial.number}",
            f"hydra.sweep.subdir={trial.number}",
            *_overrides(trial),
        ]
        for trial in batch
    ]
    reason = "its process ended before it did"
    try:
        for returned in launcher.launch(jobs, initial_job_idx=batch[0].number):
            if returned.status != JobStatus.COMPLETED:
                raise returned._return_value  # `return_value` would print a line of its own
    except UserError:  # of a disk
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        if not any("folder" in study.trials[trial.number].user_attrs for trial in batch):
            for trial in batch:
                _end(study, trial.number, reason, interrupted=True)
            raise UserError(f"The launcher could not start a trial: {reason}") from error
    for trial in batch:
        if not study.trials[trial.number].state.is_finished():
            _end(study, trial.number, reason)


def _overrides(trial: Trial) -> list[str]:
    return [f"{name}={json.dumps(value)}" for name, value in trial.params.items()]


def _end(study: Study, number: int, reason: str, *, interrupted: bool = False) -> None:
    import optuna

    trial = optuna.trial.Trial(study, study.trials[number]._trial_id)
    trial.set_user_attr("reason", reason)
    trial.set_user_attr("interrupted", interrupted)
    study.tell(number, state=optuna.trial.TrialState.FAIL)


def _names(typed: Sequence[str]) -> Iterator[str]:
    for override in OverridesParser.create().parse_overrides(list(typed)):
        yield override.key_or_group


def _check_typed(typed: Sequence[str], space: Mapping[str, Any], config: DictConfig) -> None:
    """Refuse what does not go with a sweep."""
    for override in OverridesParser.create().parse_overrides(list(typed)):
        if override.is_sweep_override():
            raise UserError(
                f"{override.input_line}: with sweep=… a setting has one value. "
                f"To search it: '++sweep.space.{override.key_or_group}=[…]'"
            )
    choices = config.hydra.runtime.choices
    for name in space:
        group, _, setting = name.rpartition(".")
        node = OmegaConf.select(config, group)
        if not (isinstance(node, DictConfig) and setting in node):
            raise UserError(
                f"sweep={choices.sweep} searches {name}, which experiment={choices.experiment} does not have."
            )
