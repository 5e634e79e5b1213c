"""One name for each genre: synonyms from a YAML file, whatever the case and punctuation of a tag or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genrefusion.core.errors import UserError
from genrefusion.data.names import plain
from genrefusion.data.tracks import RESERVED
from genrefusion.settings.data import GenreNames


class GenreMap:
    """Finds the genre that a name means.

    Parameters
    ----------
    synonyms : mapping of str to list of str, optional
        Names of each genre beside its own. Without it every name is a genre, called as it stands.

    Raises
    ------
    UserError
        A name belongs to two genres, or a genre cannot be called so.

    Examples
    --------
    >>> genres = GenreMap({"hiphop": ["rap", "hip hop/rap"], "rock": ["rock 'n' roll"]})
    >>> [genres.find(name) for name in ("Hip-Hop", "RAP", "Rock'n'Roll", "polka")]
    ['hiphop', 'hiphop', 'rock', None]
    >>> [genres.find(tag) for tag in ("Hip Hop/Rap", "Polka; Rap/Rock", "Polka, Rock")]
    ['hiphop', 'hiphop', 'rock']
    """

    def __init__(self, synonyms: Mapping[str, list[str]] | None) -> None:
        self.named = synonyms is not None
        self._genres: dict[str, str] = {}
        for genre, names in (synonyms or {}).items():
            if genre in RESERVED:
                raise UserError(f"genres: no genre can be called '{genre}': tables of predictions use it.")
            for name in (genre, *names):
                other = self._genres.setdefault(plain(name), genre)
                if other != genre:
                    raise UserError(f"genres: '{name}' belongs to {other} and to {genre}. Leave it in one of them.")

    def find(self, tag: str | None) -> str | None:
        """Genre that a tag means, where several names may stand: the first one that means a genre; None if none does.

        Between semicolons stand names of genres. With synonyms each is looked up whole and then in its parts, between
        commas and slashes.
        """
        names = _parts(tag or "") if self.named else _AMONG[0].split(tag or "")
        return next(filter(None, map(self.find_one, names)), None)

    def find_one(self, name: str | None) -> str | None:
        """Genre that a whole name means, such as that of a folder; None if it means none."""
        name = (name or "").strip()
        if not name:
            return None
        if self.named:
            return self._genres.get(plain(name))
        return None if name in RESERVED else name


_AMONG = tuple(map(re.compile, (r"[;；|\0\n]", "[,，、]", r"[/／\\]")))
"""What divides names of genres, the surest sign first."""


def _parts(name: str, signs: tuple[re.Pattern[str], ...] = _AMONG) -> Iterator[str]:
    """A name, and what each of the signs makes of it in turn."""
    yield name
    if signs:
        for part in signs[0].split(name):
            yield from _parts(part, signs[1:])


def read_genre_map(settings: GenreNames) -> GenreMap:
    """Take the synonyms of the settings, or of the file that they name.

    The file is read as plain data: a tag that would make an object or run code is an error.

    Raises
    ------
    UserError
        The file is missing, is not YAML, or holds something else than lists of names.
    """
    if settings.path is None:
        return GenreMap(settings.synonyms)
    path = Path(settings.path).expanduser()
    if not path.is_file():
        raise UserError(f"genres.path={path}: no such file.")
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (OSError, ValueError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: cannot be read ({error}).") from error
    except Exception as error:  # of PyYAML, which is OmegaConf's and not ours to import
        if type(error).__module__.partition(".")[0] != "yaml":
            raise
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{path}{line}: not plain YAML ({problem or error}). Mend it there; nothing was read."
        ) from error
    return GenreMap(_checked(content, path))


def _checked(content: Any, path: Path) -> dict[str, list[str]]:
    synonyms = content.get("synonyms") if isinstance(content, dict) else None
    if not isinstance(synonyms, dict) or not synonyms:
        raise UserError(f"{path}: needs 'synonyms:' and below it lines such as 'rock: [hard rock, grunge]'.")
    for genre, names in synonyms.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in (genre, *names)):
            raise UserError(
                f"{path}: the synonyms of '{genre}' are no list of names. Write '{genre}: [one name, another]', and\n"
                "put names that YAML takes for something else (no, 1980) in quotes."
            )
    return synonyms
