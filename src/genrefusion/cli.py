"""Console commands: train, evaluate, predict, reproduce, corpus.

What each does is in the module of `genrefusion.commands` that is called like it. Nothing heavy is imported until the
settings are composed, so that ``--help`` and mistakes answer at once.
"""

from __future__ import annotations

import sys

from genrefusion.commands.start import run_command


def train() -> None:
    """Train and evaluate an experiment: ``train experiment=NAME``.

    Several runs: ``train -m experiment=NAME pipeline.lr=1e-3,3e-4``. A search for the best settings by the validation
    figure: ``train -m experiment=NAME sweep=NAME``; if it was killed, the same with ``resume=true`` runs the trials
    that are missing. Several runs at once: ``launcher=joblib parallel=2``, or another launcher.
    """
    run_command("train", usage=train.__doc__)


def evaluate() -> None:
    """Score a saved run: ``evaluate run=DIR [data=…]``."""
    run_command("evaluate", usage=evaluate.__doc__)


def predict() -> None:
    """Name the genre of songs: ``predict run=DIR audio=PATH``.

    Without training, of seven genres: ``predict model=musicnn audio=PATH``.
    """
    run_command("predict", usage=predict.__doc__, names=("audio", "lyrics"))


def reproduce() -> None:
    """Make a table of results beside what was claimed: ``reproduce table=paper``."""
    run_command("reproduce", usage=reproduce.__doc__)


def corpus() -> None:
    """Build, describe or validate a corpus: ``corpus action=build source=FOLDER out=DIR``, ``action=validate``."""
    run_command("corpus", usage=corpus.__doc__)


if __name__ == "__main__":
    # accelerate launch --module genrefusion.cli train …
    from genrefusion import cli  # not this module, which is __main__ and unknown to the processes of a launcher

    getattr(cli, sys.argv.pop(1))()
