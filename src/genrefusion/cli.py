"""Console commands: train, evaluate, predict, reproduce, corpus.

Thin: each composes its settings with Hydra and calls one function. Everything heavy is imported inside the functions,
so that ``--help`` and mistakes answer at once. Mistakes end in one message and exit code 2.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genrefusion.config import configs_directory, register, to_settings
from genrefusion.errors import UserError, unknown_name
from genrefusion.settings import process_count, process_number


def train() -> None:
    """Train and evaluate an experiment: ``train experiment=NAME``.

    Several runs: ``train -m experiment=NAME pipeline.lr=1e-3,3e-4``. A search for the best settings by the validation
    figure: ``train -m experiment=NAME sweep=NAME``; if it was killed, the same with ``resume=true`` runs the trials
    that are missing. Several runs at once: ``launcher=joblib parallel=2``, or another launcher.
    """
    _command("train", _train)


def evaluate() -> None:
    """Score a saved run: ``evaluate run=DIR [data=…]``."""
    _command("evaluate", _evaluate)


def predict() -> None:
    """Name the genre of songs: ``predict run=DIR audio=PATH``."""
    names = _take_names("audio", "lyrics")
    _command("predict", lambda config: _predict(replace(config, **names)))


def reproduce() -> None:
    """Make a table of results beside what was claimed: ``reproduce table=paper``."""
    _command("reproduce", _reproduce)


def corpus() -> None:
    """Build, describe or validate a corpus: ``corpus action=build source=FOLDER out=DIR``, ``action=validate``."""
    _command("corpus", _corpus)


def _train(config: Any) -> None:
    if config.sweep is not None:
        raise UserError("sweep=… makes several runs: train -m experiment=… sweep=…")
    from genrefusion.experiment import run_experiment, take_part

    if process_number():
        try:
            take_part(config)
        except RuntimeError:  # of a connection that broke off, as a rule, because the main process ended
            time.sleep(_GRACE)
            raise
        return
    settings = HydraConfig.get()
    directory = Path(settings.runtime.output_dir)
    typed = list(settings.overrides.task)
    with forgotten_unless_begun(directory):
        require_launcher(settings)
        if config.pipeline.name == "ensemble":
            _join(config, directory, typed)
        else:
            run_experiment(config, directory, command=" ".join(typed))


def require_launcher(settings: Any) -> None:
    """Refuse ``parallel=`` where runs go one after the other."""
    typed = [word for word in settings.overrides.task if word.startswith("parallel=")]
    if typed and settings.runtime.choices["hydra/launcher"] == "basic":
        raise UserError(
            f"{typed[0]}: needs train -m and a launcher that runs several at once, such as launcher=joblib."
        )


def _try(config: DictConfig) -> None:
    from genrefusion.sweeping import run_trial

    run_trial(config, Path(HydraConfig.get().runtime.output_dir))


def _train_one_of_several(config: DictConfig) -> None:
    """Make one of several runs; what goes wrong is put into words, for a list at the end, and the others go on."""
    try:
        _train(to_settings(config))
    except Exception as error:  # whatever it is, it is this run's own
        if OmegaConf.select(config, "debug"):
            traceback.print_exc()
        raise UserError(say_why(error)) from error


def say_why(error: Exception) -> str:
    """What went wrong in a training, in words."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return explain(error, "train")
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _join(config: Any, directory: Path, typed: list[str]) -> None:
    from genrefusion.ensembles import run_ensemble
    from genrefusion.finding import Finder, shared_overrides
    from genrefusion.terminal import Terminal

    finder = Finder(config.output, shared_overrides(typed), Terminal(quiet=True))
    members = [finder.member(experiment, config.seed) for experiment in config.pipeline.members]
    run_ensemble(config, directory, members or [Path(run) for run in config.pipeline.runs], command=" ".join(typed))


def _evaluate(config: Any) -> None:
    from genrefusion.runs import evaluate_run

    evaluate_run(config)


def _predict(config: Any) -> None:
    from genrefusion.prediction import predict_files

    try:
        sys.exit(predict_files(config))
    except BrokenPipeError:  # `predict … | head`: who read the answer has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _reproduce(config: Any) -> None:
    from genrefusion.reproduction import reproduce_table

    sys.exit(reproduce_table(config, list(HydraConfig.get().overrides.task)))


def _corpus(config: Any) -> None:
    if config.action == "build":
        from genrefusion.data.building import build_corpus

        sys.exit(build_corpus(config, command=shlex.join(HydraConfig.get().overrides.task)))
    from genrefusion.data.description import describe_corpus

    sys.exit(describe_corpus(config))


def _command(name: str, task: Callable[[Any], None]) -> None:
    """Compose the settings of a command, run it, and print mistakes."""
    try:
        if process_count() > 1:
            _check_launched(name)
        if process_number():
            _keep_aside()
    except UserError as error:
        _fail(str(error))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here instead of being printed by Hydra

    def checked(config: DictConfig) -> None:
        if OmegaConf.select(config, "sweep.trial") is not None:
            return _try(config)
        if name == "train" and not OmegaConf.is_missing(HydraConfig.get().job, "num"):
            return _train_one_of_several(config)
        try:
            with forgotten_unless_begun(Path(HydraConfig.get().runtime.output_dir)):
                settings = to_settings(config)
            task(settings)
        except UserError as error:
            _fail(str(error))  # here, where Hydra does not yet add lines of its own
        except (HydraException, OmegaConfBaseException) as error:  # of an experiment that is composed on the way
            _fail(explain(error, "train"))

    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text(name))  # noqa: T201
        return
    try:
        _check_options()
        if not _SHOWING & {word.partition("=")[0] for word in sys.argv[1:]}:
            OmegaConf.register_new_resolver("run_folder", run_folder, replace=True, use_cache=True)
            OmegaConf.register_new_resolver("sweep_folder", sweep_folder, replace=True, use_cache=True)
        hydra.main(version_base="1.3", config_path=str(configs_directory()), config_name=name)(checked)()
    except UserError as error:
        _fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        _fail(explain(error, name))
    except KeyboardInterrupt:
        several = {"-m", "--multirun"} & set(sys.argv) and not any(word.startswith("sweep=") for word in sys.argv)
        advice = " What had begun to train goes on with the same command and resume=true."
        _fail("Interrupted." + (advice if name == "train" and not several else ""), code=130)


def _check_options() -> None:
    """Refuse options that Hydra does not have, which it would take for others that begin alike."""
    known = [option for action in get_args_parser()._actions for option in action.option_strings]
    for word in sys.argv[1:]:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known:
            setting = name.lstrip("-")
            raise UserError(f"{word}: settings are written without dashes, as {setting}=VALUE (see --help).")


def _take_names(*settings: str) -> dict[str, str]:
    """Take names of files out of what was typed: Hydra would read the quotes, brackets, commas and ``${`` in them."""
    names = {}
    for argument in sys.argv[1:]:
        setting, _, value = argument.partition("=")
        quoted = value[:1] == value[-1:] and value[:1] in ("'", '"')  # as Hydra wants it
        if setting in settings and value not in ("", "null") and not quoted:
            names[setting] = value
            sys.argv.remove(argument)
    return names


def _check_launched(name: str) -> None:
    """Refuse what makes no sense in several processes."""
    if name != "train":
        _fail(f"{name} runs in one process: start it without a launcher.")
    if {"-m", "--multirun"} & set(sys.argv):
        _fail("train -m runs in one process: with a launcher, start one run after the other.")


def _keep_aside() -> None:
    """Keep a process beside the main one from printing, from making a run folder, and from a word at Ctrl-C."""
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (for as long as the process lives)
    sys.argv.append("hydra.run.dir=.")
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_folder(output: str, name: str, corpus: str, resume: bool) -> str:
    """Take a folder for a run: a new one by the time, or with `resume` the last one that is not finished.

    Raises
    ------
    UserError
        There is nothing to resume.
    """
    return resumed_run(output, name, corpus) if resume else str(_taken(Path(output) / name / corpus / _now()))


def sweep_folder(output: str, name: str, corpus: str, resume: bool) -> str:
    """Take a folder for several runs: a new one by the time, or with `resume` that of the last search.

    Raises
    ------
    UserError
        There is nothing to resume.
    """
    return resumed_sweep(output, name, corpus) if resume else str(_taken(_sweep_place(output, name, corpus)))


def resumed_run(output: str, name: str, corpus: str) -> str:
    """Folder of the last run that is not finished."""
    parent = Path(output) / name / corpus
    begun = [path.parent for path in parent.glob("*/run.json") if _is_unfinished(path)]
    return _last(begun, f"no unfinished run in {parent}", "hydra.run.dir")


def resumed_sweep(output: str, name: str, corpus: str) -> str:
    """Folder of the last search."""
    parent = Path(output) / name / corpus
    return _last([path.parent for path in parent.glob("*/study.db")], f"no sweep in {parent}", "hydra.sweep.dir")


def _is_unfinished(record: Path) -> bool:
    """Whether a run was broken off; older versions wrote its page when they had called it finished."""
    try:
        status = json.loads(record.read_text(encoding="utf-8"))["status"]
    except (OSError, ValueError, KeyError, TypeError):  # damaged
        return False
    return status == "running" or (status == "finished" and not (record.parent / "report.html").is_file())


def _sweep_place(output: str, name: str, corpus: str) -> Path:
    return Path(output) / name / corpus / f"{_now()}_sweep"


def _taken(folder: Path) -> Path:
    """Make the folder, or one with a number where it is there: two runs of one experiment may begin at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(2):
        try:
            folder.mkdir()
        except FileExistsError:
            folder = folder.with_name(f"{folder.name.partition('+')[0]}+{number}")
        else:
            break
    return folder


def _now() -> str:
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


def _last(begun: list[Path], none: str, setting: str) -> str:
    """The newest of the folders, which are called by the time."""
    if not begun:
        raise UserError(f"resume=true: {none}. Leave out resume=true, or name a folder: {setting}=…")
    return str(max(begun, key=_age))


def _age(folder: Path) -> tuple[str, int]:
    """Time and number in the name of a folder: the 10th of a second comes after the 9th."""
    time_of, _, number = folder.name.partition("+")
    return time_of, int(number) if number.isdecimal() else 0


def _named_run(output: str, name: str, corpus: str, resume: bool) -> str:
    return resumed_run(output, name, corpus) if resume else str(Path(output) / name / corpus / _now())


def _named_sweep(output: str, name: str, corpus: str, resume: bool) -> str:
    return resumed_sweep(output, name, corpus) if resume else str(_sweep_place(output, name, corpus))


# Here, because a process that a launcher starts for one run knows this module and has not called a command. Whoever
# composes settings to look at them names folders; a command that begins takes them (`_command`).
register()
OmegaConf.register_new_resolver("run_folder", _named_run, replace=True, use_cache=True)
OmegaConf.register_new_resolver("sweep_folder", _named_sweep, replace=True, use_cache=True)


def explain(error: Exception, command: str) -> str:
    """Turn an error of Hydra or OmegaConf into one message that names the nearest setting.

    Parameters
    ----------
    error : Exception
        What composing the settings raised.
    command : str
        Name of the primary config.
    """
    mistakes = [e for e in _chain(error) if isinstance(e, UserError)]
    if mistakes:  # raised in a resolver
        return str(mistakes[0])
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        launcher = error.missing_cfg_file.removeprefix("hydra/launcher/")
        if (configs_directory() / "launcher" / f"{launcher}.yaml").is_file():
            return f"launcher={launcher} needs an extra: pip install 'genrefusion[{launcher}]'"
        group, _, choice = error.missing_cfg_file.partition("/")
        options = [path.stem for path in (configs_directory() / group).glob("*.yaml")]
        return str(unknown_name(group, choice, options))
    text = "\n".join(str(e) for e in _chain(error))
    if found := re.search(r"Could not override '([^']+)'", text):
        if (wrong := re.search(r"Value '(.*)' of type '\w+' could not be converted to (\w+)", text)) is None:
            known = known_settings(command)
            if found[1] in known:
                return f"No setting '{found[1]}' with these choices: another choice of {found[1].split('.')[0]} has it."
            return str(unknown_name("setting", found[1], known))
        return f"{found[1]}={wrong[1]}: not {_KINDS.get(wrong[2], wrong[2])}."
    if wrong := re.search(r"Value '(.*)' of type '\w+' could not be converted to (\w+)[\s\S]*?full_key: (\S+)", text):
        return f"{wrong[3]}={wrong[1]}: not {_KINDS.get(wrong[2], wrong[2])}."
    if unknown := re.search(r"Key '([^']+)' (?:is )?not in '?\w+'?[\s\S]*?full_key: (\S+)", text):
        return str(unknown_name("setting", unknown[2], known_settings(command)))
    if wrong := re.search(r"Error merging override (\S+)=(\S+)\n.* is not a ListConfig", text):
        return f"{wrong[1]}={wrong[2]}: not a list. Write it in brackets: '{wrong[1]}=[{wrong[2]}]'."
    if wrong := re.search(r"Error merging override (\S+)\nValue '.*' is not a valid (\w+)", text):
        return f"{wrong[1]}: not {_KINDS.get(wrong[2], wrong[2])}."
    if isinstance(error, OverrideParseException):
        return f"{error.override}: not of the form setting=value (see --help). Quote values with spaces or brackets."
    return "\n".join([line for line in text.splitlines() if line.strip()][:3])


_SHOWING = {"--cfg", "-c", "--info", "-i", "--hydra-help", "--version", "--shell-completion", "-sc"}
"""Options of Hydra with which a command begins nothing."""

_GRACE = 30
"""Seconds in which the launcher ends this process, if what went wrong here has ended the main process too."""

_CHOICE = re.compile(r"(experiment|data|split|features|text_encoder|pipeline|trainer|table|genres|sweep)=\w+$")
"""Typed words that decide which settings there are."""

_KINDS = {"Integer": "a whole number", "Float": "a number", "bool": "true or false"}


def help_text(command: str) -> str:
    """How a command is called, what can be chosen, and every setting with its default."""
    groups = {
        folder.name: ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        for folder in sorted(configs_directory().iterdir())
        if folder.is_dir()
    }
    config = _compose(command)
    rows = [
        f"  {name:<8} {choices}"
        for name, choices in groups.items()
        if name in config or (name in ("experiment", "launcher") and command == "train")
    ]
    settings = OmegaConf.to_yaml(config).rstrip().replace("\n", "\n  ")
    usage = str(globals()[command].__doc__).replace("``", "").strip()
    return "\n".join([usage, "", "Choices, as group=choice:", *rows, "", "Settings, as a.b=value:", f"  {settings}"])


def _compose(command: str) -> DictConfig:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(configs_directory()), version_base="1.3"):
        try:
            return compose(command, [word for word in sys.argv[1:] if _CHOICE.match(word)])
        except (HydraException, OmegaConfBaseException):
            return compose(command)


def known_settings(command: str) -> list[str]:
    """All settings of a command with the typed choices, or else the default ones, dotted, and its groups."""
    config = _compose(command)
    groups = [path.name for path in configs_directory().iterdir() if path.is_dir()]
    return sorted({*_dotted(config), *groups})


def _dotted(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in config:
        name = f"{prefix}{key!s}"
        value = config._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing():
            yield from _dotted(value, f"{name}.")
        else:
            yield name


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextlib.contextmanager
def forgotten_unless_begun(directory: Path) -> Iterator[None]:
    """Remove a run folder again if the block breaks off before anything is begun there."""
    had_log = (directory / "run.log").exists()
    try:
        yield
    except BaseException:
        if not (directory / "run.json").exists() and not (directory / ".lock").exists():  # of another process
            if not had_log:
                (directory / "run.log").unlink(missing_ok=True)
            forget_empty(directory)
        raise


def forget_empty(directory: Path) -> None:
    """Remove a folder in which there is nothing."""
    if directory.is_dir() and not directory.samefile(Path.cwd()):
        with contextlib.suppress(OSError):
            directory.rmdir()


def _fail(message: str, code: int = 2) -> None:
    from genrefusion.terminal import shown_lines

    with contextlib.suppress(UserError):  # of the environment, which may be what is said here
        if process_number():
            time.sleep(_GRACE)  # the main process says the same
    if "debug=true" in sys.argv and sys.exc_info()[1] is not None:
        raise
    print(shown_lines(message), file=sys.stderr)  # noqa: T201 (the one place where mistakes are printed)
    sys.exit(code)


if __name__ == "__main__":
    # accelerate launch --module genrefusion.cli train …
    from genrefusion import cli  # not this module, which is __main__ and unknown to the processes of a launcher

    getattr(cli, sys.argv.pop(1))()
