"""The one exception for mistakes that a user can mend, and one for programs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """A mistake in the input or the settings, with a message that names it and its cure.

    It is raised where the fact is known and printed in one place, ``genrefusion.cli``, without a traceback and with
    exit code 2. A notebook shows the message alone too.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class NotFittedError(RuntimeError):
    """A pipeline was asked for what it knows only after its fit: a mistake in a program, not in its input."""


_MOST_NAMES = 20


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Build the error for a name that does not exist: the nearest one, then all if they are few.

    Examples
    --------
    >>> print(unknown_name("split", "kfolds", ["holdout", "kfold"]))
    No split 'kfolds'. Did you mean 'kfold'? There are: holdout, kfold.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f" Did you mean '{near[0]}'?" if near else ""
    if len(known) > _MOST_NAMES:
        return UserError(f"No {kind} '{name}'.{guess} --help lists all of them.")
    return UserError(f"No {kind} '{name}'.{guess} There are: {', '.join(known) or 'none'}.")


def among(names: Sequence[str]) -> str:
    """Names of which one is to be chosen, in words.

    Examples
    --------
    >>> among(["mel", "table", "none"])
    'mel, table or none'
    """
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def bullet_list(rows: Iterable[str], *, most: int = 8) -> str:
    """Indent rows under a message, each on one line, and count those beyond ``most``."""
    from genrefusion.core.terminal import shown  # only now: mistakes are rare, and it takes longer than all else here

    rows = list(rows)
    lines = [f"  {shown(row)}" for row in rows[:most]]
    if len(rows) > most:
        lines.append(f"  … and {len(rows) - most} more")
    return "\n".join(lines)
