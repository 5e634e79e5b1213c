"""How a command begins: its settings are composed, and mistakes printed with exit code 2."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genrefusion.core.disks import disk_mistake, disks_in_words
from genrefusion.core.errors import UserError
from genrefusion.core.files import note
from genrefusion.core.folders import forgotten_unless_begun, places_of, typed_places
from genrefusion.core.interrupts import interrupt_on_sigterm, interrupted_code, keep_interrupts
from genrefusion.core.processes import LAUNCHER_GRACE, process_count, process_number
from genrefusion.core.streams import escape_what_does_not_fit
from genrefusion.settings.composing import (
    as_override,
    configs_directory,
    given_twice,
    own_configs,
    require_once,
    take_folders,
    to_settings,
)
from genrefusion.settings.fields import is_there
from genrefusion.settings.help import help_text
from genrefusion.settings.mistakes import in_words
from genrefusion.settings.registry import require_plugins


def run_command(name: str, *, usage: str | None, names: tuple[str, ...] = ()) -> None:
    """Compose the settings of a command, run it, and print mistakes.

    Parameters
    ----------
    name : str
        Of the command, of its primary config, and of the module of `genrefusion.commands` whose ``run`` gets the
        settings; ``run_one_of_several`` there gets what is composed for one of several runs.
    usage : str
        How it is called, for ``--help``.
    names : tuple of str
        Settings that are names of files and not left to Hydra: see `_take_names`. None is given twice then, as one
        file would be lost; other commands take the last, so that one can go on from a list of settings.
    """
    escape_what_does_not_fit()
    keep_interrupts()
    if not _is_beside():  # whom a launcher ends without a word
        interrupt_on_sigterm()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here instead of being printed by Hydra
    try:
        if not sys.argv[1:] and name in _QUESTIONS:
            raise UserError(_QUESTIONS[name])
        require_plugins()
        _check_options()
        if names:
            require_once(sys.argv[1:])
        given = _take_names(*names)
        for *before, last in given_twice(sys.argv[1:]).values():
            note(f"given twice: {last} counts, not {', '.join(before)}")
        _quote_values()
        if {"--help", "-h"} & set(sys.argv[1:]):
            print(help_text(name, str(usage)))  # noqa: T201
        else:
            _run(name, given)
    except UserError as error:
        _fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        _fail(in_words(error, name))
    except BrokenPipeError:  # who reads the output has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:  # of a folder that Hydra was to make
        mistake = disk_mistake(error, typed_places())
        if mistake is None:
            raise
        _fail(str(mistake))
    except KeyboardInterrupt:
        several = {"-m", "--multirun"} & set(sys.argv) and not any(word.startswith("sweep=") for word in sys.argv)
        advice = " What had begun to train goes on with the same command and resume=true."
        _fail("Interrupted." + (advice if name == "train" and not several else ""), code=interrupted_code())


_QUESTIONS = {
    "train": "train needs an experiment, such as train experiment=multiframe; without more it is trained on the demo "
    "corpus.\nAll experiments and settings: train --help.",
    "reproduce": "reproduce needs a table: table=paper, which trains all of its rows that are not there yet, "
    "table=ablation,\ntable=leakage or table=cost.",
    "corpus": "corpus needs an action or a corpus: action=describe or action=validate, with data=manifest\n"
    "data.root=FOLDER or another data=NAME; or action=build source=FOLDER out=DIR. All settings: corpus --help.",
}
"""What a command answers that is typed alone, where its defaults would begin something long."""


def _run(name: str, given: dict[str, str]) -> None:
    if process_count() > 1:
        _check_launched(name)
    if process_number():
        _keep_aside()

    def checked(config: DictConfig) -> None:
        command = importlib.import_module(f"genrefusion.commands.{name}")
        if name == "train" and not OmegaConf.is_missing(HydraConfig.get().job, "num"):
            command.run_one_of_several(config)
            return
        try:
            with forgotten_unless_begun(Path(HydraConfig.get().runtime.output_dir)):
                settings = to_settings(config)
            directory = Path(HydraConfig.get().runtime.output_dir) if name == "train" else None
            with disks_in_words([*places_of(vars(settings)), *typed_places()], run=directory):
                command.run(replace(settings, **given))
        except UserError as error:
            _fail(str(error))  # here, where Hydra does not yet add lines of its own
        except (HydraException, OmegaConfBaseException) as error:  # of an experiment that is composed on the way
            _fail(in_words(error, "train"))

    if not _SHOWING & {word.partition("=")[0] for word in sys.argv[1:]}:
        take_folders()
    hydra.main(version_base="1.3", config_path=str(configs_directory()), config_name=name)(checked)()


def _check_options() -> None:
    """Refuse options that Hydra does not have, which it would take for others that begin alike, and no folder."""
    known = [option for action in get_args_parser()._actions for option in action.option_strings]
    for word in sys.argv[1:]:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known:
            setting = name.lstrip("-")
            raise UserError(f"{word}: settings are written without dashes, as {setting}=VALUE (see --help).")
    own_configs()


def _take_names(*settings: str) -> dict[str, str]:
    """Take names of files out of what was typed: Hydra would read the quotes, brackets, commas and ``${`` in them.

    Quotes and a list are left to it, but for a list that is the name of a file.
    """
    names = {}
    for argument in sys.argv[1:]:
        setting, _, value = argument.partition("=")
        quoted = value[:1] == value[-1:] and value[:1] in ("'", '"')  # as Hydra wants it
        listed = value[:1] + value[-1:] == "[]" and not is_there(value)
        if setting in settings and value not in ("", "null") and not quoted and not listed:
            names[setting] = value
            sys.argv.remove(argument)
    return names


def _quote_values() -> None:
    """Let what was typed be read as `as_override` says."""
    several = bool({"-m", "--multirun"} & set(sys.argv))
    sys.argv[1:] = [as_override(word, several=several) for word in sys.argv[1:]]


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


def _is_beside() -> bool:
    """Whether this is a process beside the main one; a mistake in what the launcher says is told elsewhere."""
    with contextlib.suppress(UserError):
        return process_number() > 0
    return False


_SHOWING = {"--cfg", "-c", "--info", "-i", "--hydra-help", "--version", "--shell-completion", "-sc"}
"""Options of Hydra with which a command begins nothing."""


def _fail(message: str, code: int = 2) -> None:
    from genrefusion.core.terminal import shown_lines

    if _is_beside():
        time.sleep(LAUNCHER_GRACE)  # the main process says the same
    if "debug=true" in map(str.lower, sys.argv) and sys.exc_info()[1] is not None:
        raise
    print(shown_lines(message), file=sys.stderr)  # noqa: T201 (the one place where mistakes are printed)
    sys.exit(code)
