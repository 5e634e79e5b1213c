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


_MOST_NAMES = 25


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Build the error for a name that does not exist: the nearest one, then all if they are few.

    Examples
    --------
    >>> print(unknown_name("split", "kfolds", ["holdout", "kfold"]))
    No split 'kfolds'. Did you mean 'kfold'? There are: holdout, kfold.
    """
    known = sorted(known)
    near = _nearest(name, known)
    guess = f" Did you mean '{near}'?" if near else ""
    if len(known) > _MOST_NAMES:
        return UserError(f"No {kind} '{name}'.{guess} --help lists all of them.")
    return UserError(f"No {kind} '{name}'.{guess} There are: {', '.join(known) or 'none'}.")


def _nearest(name: str, known: Sequence[str]) -> str:
    """The known name that is most like it: in its own group first, then by the last part in any, then as a whole."""
    group, _, last = name.rpartition(".")
    parts = [each.rpartition(".") for each in known]
    for others, cutoff in (
        ([part[2] for part in parts if part[0] == group], 0.6),
        ([part[2] for part in parts], 0.75),
    ):
        if near := difflib.get_close_matches(last, others, n=1, cutoff=cutoff):
            found = [each for each, part in zip(known, parts, strict=True) if part[2] == near[0]]
            return next((each for each in found if each.rpartition(".")[0] == group), found[0])
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), "")


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
