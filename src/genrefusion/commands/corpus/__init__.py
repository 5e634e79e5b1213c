"""Build, describe or validate a corpus."""

from __future__ import annotations

import shlex
import sys

from hydra.core.hydra_config import HydraConfig

from genrefusion.core.errors import UserError
from genrefusion.settings.commands import CorpusConfig


def run(config: CorpusConfig) -> None:
    """Do what ``action`` says; the process ends with 1 where a corpus has faults."""
    if not HydraConfig.get().overrides.task:  # a bare word is a question, and the demo corpus takes a while to compose
        raise UserError(
            "corpus needs an action or a corpus: action=describe or action=validate, with data=manifest\n"
            "data.root=FOLDER or another data=NAME; or action=build source=FOLDER out=DIR. All settings: corpus --help."
        )
    if config.action == "build":
        from genrefusion.commands.corpus.build import build_corpus

        sys.exit(build_corpus(config, command=shlex.join(HydraConfig.get().overrides.task)))
    from genrefusion.commands.corpus.describe import describe_corpus

    sys.exit(describe_corpus(config))
