"""Tables of tracks: reading, validating, checking the files they name.

A table is a file that `genrefusion.data.table_files` reads, with one row a track. Columns: ``track_id`` (unique),
``genre``, and any of ``audio`` (path relative to the table), ``lyrics`` (text) or ``lyrics_path`` (.txt or .lrc),
``artist``, ``title``, ``song`` (where several tracks are pieces of one song: its name), ``split``, ``sha256``,
``license``, ``seconds``, ``synthetic``. Other columns are kept, unless they look like a misspelt one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.data.groups import lyrics_keys
from genrefusion.data.lyrics import clean_lyrics
from genrefusion.data.missing_files import missing_files, require_files
from genrefusion.data.names import joined_names, one_spelling, plain, plain_artist, same_name
from genrefusion.data.old_lyrics import lyrics_cleaned_before
from genrefusion.data.table_files import read_table
from genrefusion.data.table_rules import check_columns, row_faults, with_known_names
from genrefusion.data.text_files import read_text


@dataclass(frozen=True, repr=False)
class Tracks:
    """Tracks of one corpus.

    Genres that differ in case, spaces or Unicode form alone are one, in its most frequent spelling.

    Attributes
    ----------
    table : DataFrame
        One row a track, indexed by ``track_id``; ``audio`` holds absolute paths. Text columns hold None where a value
        is missing.
    corpus : str
        Name of the corpus.
    synthetic : bool
        Whether the music was composed by a program; said wherever figures are shown.
    skipped : dict of str to str
        Tracks that were left out, with the reason.
    piece_seconds : float, optional
        Length of the pieces, where the tracks were cut from songs (`genrefusion.data.pieces`).
    cleaned : dict of str to str
        Lyrics that were cleaned so far, by the text of the table: tracks that are made of others share them, so that
        each text is parsed once for a corpus, however large it is.
    notes : tuple of str
        What is to be said once of how the table was read.
    opened_as : tuple of str
        What is typed to open the corpus again; empty where it was made in memory. Tracks that were made of others keep
        it: whether they are still the same is told by the digest.
    """

    table: pd.DataFrame
    corpus: str
    synthetic: bool = False
    skipped: dict[str, str] = field(default_factory=dict)
    piece_seconds: float | None = None
    cleaned: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    notes: tuple[str, ...] = ()
    opened_as: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        """Spell each genre in one way."""
        if "genre" in self.table and (joined := joined_names(self.table["genre"])):
            genres = self.table["genre"].map(one_spelling(self.table["genre"]))
            object.__setattr__(self, "table", self.table.assign(genre=genres))
            object.__setattr__(self, "notes", (*self.notes, f"one genre, spelt in several ways: {joined}"))

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        """Name of the corpus, and how many tracks of how many genres it has, with which sides."""
        sides = " and ".join(side for side in ("audio", "lyrics") if self.has(side)) or "neither audio nor lyrics"
        kind = " (synthetic)" if self.synthetic else ""
        return f"<Tracks of {self.corpus}{kind}: {len(self)} tracks, {len(self.genres)} genres, {sides}>"

    @property
    def ids(self) -> list[str]:
        """Track ids in the order of the table."""
        return [str(track) for track in self.table.index.tolist()]

    @property
    def genres(self) -> list[str]:
        """Sorted genre names."""
        return sorted(self.table["genre"].unique())

    @property
    def digest(self) -> str:
        """SHA-256 over everything that can change a result: ids, genres, artists, songs, parts, lyrics, audio bytes."""
        columns = [c for c in ("genre", "artist", "song", "split", "lyrics", "sha256") if c in self.table]
        rows = self.table[columns].sort_index().reset_index().to_json(orient="values")
        return hashlib.sha256(rows.encode()).hexdigest()

    def content_digests(self) -> list[frozenset[str]]:
        """Digests by which each track is known again.

        They are of its audio, its decoded samples, its lyrics, ready features, and of artist and title. For a piece
        they are those of its whole song: who has heard one piece has heard the song. How lyrics are cleaned does not
        change theirs, and a placeholder has none (`genrefusion.data.groups.lyrics_keys`). A track that has none of them
        has that of corpus and track id.
        """
        found = []
        for row, track, text in zip(self.table.to_dict("records"), self.ids, lyrics_keys(self.table), strict=True):
            own = {row.get("song_sha256") or row.get("sha256"), row.get("samples_sha256"), text, _title_digest(row)}
            own |= set(str(row.get("features_sha256") or "").split())
            found.append(frozenset(filter(None, own)) or frozenset({_name_digest(f"{self.corpus}\0{track}")}))
        return found

    def all_digests(self) -> list[frozenset[str]]:
        """Digests of each track by today's rule and by that of runs of version 0.1, to look for among a run's own."""
        found = []
        before = map(lyrics_cleaned_before, self._texts("lyrics"))
        rows = zip(self.table.to_dict("records"), self.ids, before, self.content_digests(), strict=True)
        for row, track, text, today in rows:
            audio = row.get("song_sha256") or row.get("sha256")
            name = text or ("" if audio else f"{self.corpus}\0{track}")
            found.append(today | frozenset(filter(None, [audio, name and _name_digest(name)])))
        return found

    def artist_digests(self) -> list[str]:
        """Digest of each track's artist; empty where it is unknown."""
        artists = map(plain_artist, self.table.get("artist", [None] * len(self)))
        return [_name_digest(artist) if artist else "" for artist in artists]

    def has(self, column: str) -> bool:
        """Whether any track has a value in the column."""
        return column in self.table and bool(self.table[column].notna().any())

    def labels(self, classes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Place of each track's genre among the classes, shape (tracks,); -1 where it is none of them."""
        return pd.Index(classes).get_indexer(pd.Index(self.table["genre"])).astype(np.int64)

    def subset(self, ids: Sequence[str]) -> Tracks:
        """The tracks with these ids, in this order.

        Raises
        ------
        UserError
            There is no track with one of them.
        """
        ids = list(ids)
        try:
            return replace(self, table=self.table.loc[ids])
        except KeyError:
            unknown = [str(track) for track in ids if track not in self.table.index]
            raise UserError(f"{self.corpus} has no tracks with these ids:\n{bullet_list(unknown)}") from None

    def called_as(self, genres: Iterable[str]) -> Tracks:
        """The tracks with genres called as in a list, where they differ from one there as those of a corpus may."""
        known = {same_name(genre): genre for genre in genres} | {genre: genre for genre in genres}
        names = {genre: known.get(genre, known.get(same_name(genre), genre)) for genre in self.genres}
        return replace(self, table=self.table.assign(genre=self.table["genre"].map(names)))

    def require(self, *sides: str) -> None:
        """Refuse tracks that have none of the sides ``audio``, ``lyrics``.

        Raises
        ------
        UserError
            There are some; the first ones are named.
        """
        without = self.lacking(*sides)
        if without:
            raise UserError(
                f"{len(without)} of {len(self)} tracks of {self.corpus} have no {' and no '.join(sides)}, which is "
                f"needed here:\n{bullet_list(without)}\nAdd it, or go on without them: data.on_error=skip"
            )

    def lacking(self, *sides: str) -> list[str]:
        """Ids of the tracks that have none of the sides ``audio``, ``lyrics``."""
        columns = [self.lyrics if side == "lyrics" else self._texts(side) for side in sides]
        return [track for track, *texts in zip(self.ids, *columns, strict=True) if not any(texts)]

    @property
    def lyrics(self) -> list[str]:
        """Lyrics of each track without section marks and time stamps; an empty text where there are none."""
        texts = self._texts("lyrics")
        for text in texts:
            if text not in self.cleaned:
                self.cleaned[text] = clean_lyrics(text)
        return [self.cleaned[text] for text in texts]

    def _texts(self, column: str) -> list[str]:
        if column not in self.table:
            return [""] * len(self)
        return [text.strip() if isinstance(text, str) else "" for text in self.table[column].tolist()]

    def paths(self) -> dict[str, Path]:
        """Audio file of each track.

        Raises
        ------
        UserError
            A track has no audio.
        """
        self.require("audio")
        return {str(track): Path(path) for track, path in self.table["audio"].items()}


def only_tracks(tracks: Tracks) -> dict[str, str]:
    """Tracks whose genre has no other, each with its genre."""
    counts = tracks.table["genre"].value_counts()
    only = tracks.table["genre"][tracks.table["genre"].map(counts) == 1]
    return {str(track): str(genre) for track, genre in only.items()}


def load_table(path: Path, *, corpus: str, skip: bool = False) -> Tracks:
    """Read and validate a table of tracks, and resolve the paths in it.

    Paths may lead out of the table's folder, as songs may stay where they are; `corpus action=validate` counts those.

    Parameters
    ----------
    path : Path
        A file that `genrefusion.data.table_files.read_table` reads.
    corpus : str
        Name to go by.
    skip : bool
        Leave out rows that break a rule or name a file that is missing or no text, and list them in `skipped`.

    Returns
    -------
    Tracks

    Raises
    ------
    UserError
        The table breaks a rule; the first rows at fault are listed.
    """
    table = with_known_names(read_table(path))
    notes = tuple(filter(None, [table.attrs["note"]]))
    folder = path.parent.absolute()
    for column in ("audio", "lyrics_path"):
        if column in table:
            paths = [None if name is None else str(folder / name) for name in table[column].tolist()]
            table[column] = pd.Series(paths, index=table.index, dtype=object)  # a list with None would turn to NaN
    skipped: dict[str, str] = {}
    if skip:
        check_columns(list(table.columns), str(path))
        table, unread = _with_lyrics(table)
        missing = {row: f"{file} is missing" for row, file in missing_files(table).items()}
        table, skipped = usable_rows(table, str(path), row_faults(table) | unread | missing)
    table = validate_table(table, where=str(path))
    require_files(table, path)
    if not skip:
        table, unread = _with_lyrics(table)
        if unread:
            raise UserError(next(iter(unread.values())))
    synthetic = "synthetic" in table and (table["synthetic"].astype(str).str.lower() == "true").any()
    return Tracks(table.set_index("track_id"), corpus, bool(synthetic), skipped, notes=notes)


def require_tracks(tracks: object, name: str) -> None:
    """Refuse what is no `Tracks` where some are taken, such as the path of a corpus that was not opened.

    Raises
    ------
    UserError
        Says what was given to what is called so, and what opens a corpus.
    """
    if not isinstance(tracks, Tracks):
        given = f"({tracks!r}) opens one" if isinstance(tracks, str) else f" opens one; not a {type(tracks).__name__}"
        raise UserError(f"{name} takes the tracks of a corpus: open_corpus{given}.")
    if "track_id" in tracks.table:
        raise UserError(f'{name}: tracks have their ids as index: Tracks(table.set_index("track_id"), "name").')


def _title_digest(row: Mapping[Any, Any]) -> str:
    """Digest of artist and title, where both are known."""
    artist, title = plain_artist(row.get("artist")), row.get("title")
    return _name_digest(f"{artist}/{plain(title)}") if artist and isinstance(title, str) and title.strip() else ""


def _name_digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def validate_table(table: pd.DataFrame, *, where: str) -> pd.DataFrame:
    """Check the rules of a tracks table with pandera.

    Parameters
    ----------
    table : DataFrame
        With the columns of a tracks table.
    where : str
        What to call the table in an error.

    Returns
    -------
    DataFrame
        The table, ids and genres as text.

    Raises
    ------
    UserError
        Missing or misspelt columns, missing or doubled ids, empty genres, unknown parts.
    """
    check_columns(list(table.columns), where)
    faults = row_faults(table)
    if not faults:
        return table
    in_file = Path(where).is_file()  # otherwise the table was made of a folder of songs
    doubled = any(fault.startswith("track_id is there twice") for fault in faults.values())
    without = "take the first row of each" if doubled else "go on without them"
    rows = [
        # Counted as in an editor: line 1 is the header.
        f"{f'row {row + 2}  ' if in_file else ''}{table['track_id'].iloc[row] or '(no id)'}  {fault}"
        for row, fault in sorted(faults.items())
    ]
    count = f"{len(rows)} of {len(table)} {'rows' if in_file else 'songs'}"
    raise UserError(f"{where}: {count} break a rule:\n{bullet_list(rows)}\nMend them, or {without}: data.on_error=skip")


def usable_rows(table: pd.DataFrame, where: str, faults: Mapping[int, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Leave out the rows at fault, and list them by their tracks, or as rows, which are counted as in an editor."""
    skipped = {str(table["track_id"].iloc[row] or f"row {row + 2}"): fault for row, fault in sorted(faults.items())}
    kept = [row for row in range(len(table)) if row not in faults]
    if not kept:
        raise UserError(
            f"{where}: not one of its rows can be used:\n" + bullet_list(f"{t}  {f}" for t, f in skipped.items())
        )
    return table.iloc[kept].reset_index(drop=True), skipped


def _with_lyrics(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[int, str]]:
    """The table with the lyrics that are in files of their own, and which rows name one that cannot be read."""
    if "lyrics_path" not in table:
        return table, {}
    texts: list[str | None] = table["lyrics"].tolist() if "lyrics" in table else [None] * len(table)
    unread: dict[int, str] = {}
    for row, file in enumerate(table["lyrics_path"].tolist()):
        if not file or texts[row]:
            continue
        try:
            texts[row] = read_text(Path(file))
        except (OSError, ValueError) as error:
            unread[row] = f"{file}: lyrics cannot be read ({getattr(error, 'strerror', None) or error})."
    return table.assign(lyrics=pd.Series(texts, index=table.index, dtype=object)), unread
