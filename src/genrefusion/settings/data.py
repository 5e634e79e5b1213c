"""Settings of a corpus, of its split and of the names of its genres."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING

from genrefusion.core.errors import UserError
from genrefusion.settings.checks import check_choice, check_range, check_seed


@dataclass
class DataSettings:
    """What every corpus has."""

    name: str = MISSING
    on_error: str = "raise"  # raise | skip: what a file that cannot be used does to the run
    min_seconds: float = 1.0  # shorter audio is a problem
    max_seconds: float = 600.0  # only the beginning of longer audio is used
    min_tracks: int = 2  # genres with fewer tracks are left out
    piece_seconds: float | None = None  # songs are cut into pieces of this length, each a track of its own

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("data.on_error", self.on_error, ("raise", "skip"))
        check_range("data.min_tracks", self.min_tracks, 2, 1_000_000)
        check_range("data.min_seconds", self.min_seconds, 0, self.max_seconds)
        if self.piece_seconds is not None:
            check_range("data.piece_seconds", self.piece_seconds, max(0.5, self.min_seconds), self.max_seconds)


@dataclass
class DemoData(DataSettings):
    """The composed corpus."""

    name: str = "demo"
    songs_per_genre: int = 30
    seconds: float = 32.0
    seed: int = 0
    test_fraction: float = 0.34  # what split=holdout tests of it: enough that the first figure says something
    val_fraction: float = 0.12  # and what it validates on: some songs of every genre

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        super().__post_init__()
        check_range("data.songs_per_genre", self.songs_per_genre, 4, 1000)
        check_range("data.seconds", self.seconds, 5, 300)
        check_range("data.test_fraction", self.test_fraction, 0.01, 0.5)
        check_range("data.val_fraction", self.val_fraction, 0.01, 0.5)
        check_seed("data.seed", self.seed)


@dataclass
class GtzanData(DataSettings):
    """GTZAN in its own layout."""

    name: str = "gtzan"
    root: str | None = None
    artist_index: str | None = None  # Sturm's GTZANindex.txt

    def __post_init__(self) -> None:
        """Refuse a missing root."""
        super().__post_init__()
        if not self.root:
            raise UserError(
                "data=gtzan needs data.root: the folder that holds genres_original/ or genres/ (1,000 clips, 1.2 GB),\n"
                "or any part of it. data/README.md says where to get it."
            )


@dataclass
class FolderData(DataSettings):
    """A folder of genres."""

    name: str = "folder"
    root: str | None = None

    def __post_init__(self) -> None:
        """Refuse a missing root."""
        super().__post_init__()
        if not self.root:
            raise UserError("data=folder needs data.root: a folder with one folder of songs for each genre.")


@dataclass
class ManifestData(DataSettings):
    """A tracks table."""

    name: str = "manifest"
    manifest: str | None = None
    root: str | None = None  # or the folder of a table that is called tracks.csv or tracks.jsonl
    needs: str = "any"  # any | audio | lyrics | both: what every track must have; others are refused, or skipped

    def __post_init__(self) -> None:
        """Refuse a missing table, and two."""
        super().__post_init__()
        check_choice("data.needs", self.needs, ("any", "audio", "lyrics", "both"))
        if self.manifest and self.root:
            raise UserError("data.manifest and data.root both name a tracks table. Leave out one of them.")
        if not self.manifest and not self.root:
            raise UserError(
                f"data={self.name} needs data.manifest: a tracks table (.csv or .jsonl) with the columns track_id,\n"
                "genre and audio, lyrics or lyrics_path; artist, title and split if they are known. Or data.root: the\n"
                "folder of one, as 'corpus action=build' makes it."
            )


@dataclass
class SplitSettings:
    """How tracks are divided; artists stay on one side unless `by_artist` is false, songs unless `by_song` is too."""

    kind: str = MISSING
    by_artist: bool = True
    by_song: bool = True  # pieces of a song (data.piece_seconds) stay on one side
    val_fraction: float = 0.1  # of all tracks
    test_fraction: float = 0.2  # holdout
    folds: int = 5  # kfold
    val_from_train: bool = False  # predefined: leave out the table's val tracks, and hold others out of train

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("split.kind", self.kind, ("holdout", "kfold", "predefined"))
        if self.by_artist and not self.by_song:
            raise UserError(
                "split.by_song=false: pieces of a song on both sides would have its artist there too.\n"
                "Add split.by_artist=false, or leave out split.by_song=false."
            )
        check_range("split.val_fraction", self.val_fraction, 0.01, 0.5)
        check_range("split.test_fraction", self.test_fraction, 0.01, 0.5)
        check_range("split.folds", self.folds, 2, 100)


@dataclass
class GenreNames:
    """What the genres of a corpus that is built are called, and the names in tags and folders that mean them."""

    name: str = MISSING
    synonyms: dict[str, list[str]] | None = None  # null: genres are called as the tags and folders call them
    path: str | None = None  # a YAML file that holds `synonyms`, in the place of the above

    def __post_init__(self) -> None:
        """Refuse a missing file."""
        if self.name == "file" and not self.path:
            raise UserError("genres=file needs genres.path: a YAML file like configs/genres/gtzan10.yaml.")
