"""Build, describe or validate a corpus."""

from __future__ import annotations

import shlex
import sys

from hydra.core.hydra_config import HydraConfig

from genrefusion.settings.commands import CorpusConfig


def run(config: CorpusConfig) -> None:
    """Do what ``action`` says; the process ends with 1 where a corpus has faults."""
    if config.action == "build":
        from genrefusion.commands.corpus.build import build_corpus

        sys.exit(build_corpus(config, command=shlex.join(HydraConfig.get().overrides.task)))
    from genrefusion.commands.corpus.describe import describe_corpus

    sys.exit(describe_corpus(config))
