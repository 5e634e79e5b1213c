"""Settings of a corpus, of its split and of the names of its genres."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omegaconf import MISSING

from genrefusion.core.errors import UserError
from genrefusion.core.paths import folder_name
from genrefusion.settings.fields import LARGEST_SEED, Settings, check_range, setting
from genrefusion.settings.registry import registered

_TABLES = ".csv, .tsv, .txt, .jsonl, .ndjson or .json"


@dataclass
class DataSettings(Settings):
    """What every corpus has."""

    settings_group = "data"

    name: str = MISSING
    on_error: str = setting("raise", choices=("raise", "skip"), help="what a file that cannot be used does to the run")
    min_seconds: float = setting(1.0, help="0 to data.max_seconds; shorter audio is a problem")
    max_seconds: float = setting(600.0, low=0.1, high=1_000_000, help="only the beginning of longer audio is used")
    min_tracks: int | None = setting(
        None, low=2, high=1_000_000, help="genres with fewer tracks are left out; null: none"
    )
    piece_seconds: float | None = setting(
        None,
        help="0.5 or data.min_seconds to data.max_seconds; songs are cut into pieces of this length, each a "
        "track of its own",
    )

    @property
    def corpus_name(self) -> str:
        """What the folder of its runs is called: as the corpus itself where that is somebody's own."""
        return self.name

    def __post_init__(self) -> None:
        """Refuse lengths that no song could have."""
        super().__post_init__()
        check_range("data.min_seconds", self.min_seconds, 0, self.max_seconds)
        if self.piece_seconds is not None:
            check_range("data.piece_seconds", self.piece_seconds, max(0.5, self.min_seconds), self.max_seconds)


@registered("data", "demo", "genrefusion.data.demo:load")
@dataclass
class DemoData(DataSettings):
    """The composed corpus."""

    name: str = "demo"
    songs_per_genre: int = setting(30, low=4, high=1000, help="that are composed")
    seconds: float = setting(32.0, low=5, high=300, help="length of each song")
    seed: int = setting(0, low=0, high=LARGEST_SEED, help="of the composer")
    test_fraction: float = setting(
        0.34, low=0.01, high=0.5, help="what split=holdout tests of it: enough that the first figure says something"
    )
    val_fraction: float = setting(0.12, low=0.01, high=0.5, help="and what it validates on: some songs of every genre")


@registered("data", "gtzan", "genrefusion.data.gtzan:load")
@dataclass
class GtzanData(DataSettings):
    """GTZAN in its own layout."""

    name: str = "gtzan"
    root: str | None = setting(
        None,
        path=True,
        needed="the folder that holds genres_original/ or genres/ (1,000 clips, 1.2 GB),\n"
        "or any part of it. data/README.md says where to get it.",
    )
    artist_index: str | None = setting(None, path=True, help="Sturm's GTZANindex.txt; null: artists are unknown")


@registered("data", "folder", "genrefusion.data.folder:load")
@dataclass
class FolderData(DataSettings):
    """A folder of genres."""

    name: str = "folder"
    root: str | None = setting(None, path=True, needed="a folder with one folder of songs for each genre.")

    @property
    def corpus_name(self) -> str:
        """That of the folder, but for a corpus with a choice of its own (``configs/data``)."""
        return folder_name(Path(str(self.root))) if self.name == FolderData.name else self.name


@registered("data", "manifest", "genrefusion.data.manifest:load")
@dataclass
class ManifestData(DataSettings):
    """A tracks table."""

    name: str = "manifest"
    manifest: str | None = setting(None, path=True, help=f"a tracks table, {_TABLES}")
    root: str | None = setting(
        None, path=True, help="or the folder of a table that is called tracks, with one of these endings"
    )
    needs: str = setting(
        "any",
        choices=("any", "audio", "lyrics", "both"),
        help="what every track must have; others are refused, or skipped",
    )

    @property
    def corpus_name(self) -> str:
        """That of the folder or table, but for a corpus with a choice of its own (``configs/data``)."""
        if self.name != ManifestData.name:
            return self.name
        return folder_name(Path(self.root)) if self.root else table_name(Path(str(self.manifest)))

    def __post_init__(self) -> None:
        """Refuse a missing table, and two."""
        super().__post_init__()
        if self.manifest and self.root:
            raise UserError("data.manifest and data.root both name a tracks table. Leave out one of them.")
        if not self.manifest and not self.root:
            raise UserError(
                f"data={self.name} needs data.manifest: a tracks table ({_TABLES}) with the\n"
                "columns track_id, genre and audio, lyrics or lyrics_path; artist, title and split if they are known.\n"
                "Or data.root: the folder of one, as 'corpus action=build' makes it."
            )


def table_name(path: Path) -> str:
    """Name of the table's folder when the file is called something like tracks.csv, else of the file."""
    return folder_name(path.parent) if path.stem.lower() in ("tracks", "manifest", "index") else path.stem


@registered("split", "split")
@dataclass
class SplitSettings(Settings):
    """How tracks are divided; artists stay on one side unless `by_artist` is false, songs unless `by_song` is too."""

    kind: str = setting(MISSING, choices=("holdout", "kfold", "predefined"), help="what split=… chooses")
    by_artist: bool = setting(True, help="tracks of an artist stay on one side")
    by_song: bool = setting(True, help="pieces of a song (data.piece_seconds) stay on one side")
    val_fraction: float = setting(0.1, low=0.01, high=0.5, help="of all tracks")
    test_fraction: float = setting(0.2, low=0.01, high=0.5, help="of all tracks, of holdout")
    folds: int = setting(5, low=2, high=100, help="of kfold")
    val_from_train: bool = setting(
        False, help="of predefined: leave out the table's val tracks, and hold others out of train"
    )

    def __post_init__(self) -> None:
        """Refuse pieces that go their own way where artists do not."""
        super().__post_init__()
        if self.by_artist and not self.by_song:
            raise UserError(
                "split.by_song=false: pieces of a song on both sides would have its artist there too.\n"
                "Add split.by_artist=false, or leave out split.by_song=false."
            )


@registered("genres", "genres")
@dataclass
class GenreNames(Settings):
    """What the genres of a corpus that is built are called, and the names in tags and folders that mean them."""

    name: str = MISSING
    synonyms: dict[str, list[str]] | None = setting(
        None, help="names of each genre; null: genres are called as the tags and folders call them"
    )
    path: str | None = setting(
        None, path=True, help="of genres=file: a YAML file that holds synonyms, in the place of the above"
    )

    def __post_init__(self) -> None:
        """Refuse a missing file."""
        super().__post_init__()
        if self.name == "file" and not self.path:
            raise UserError("genres=file needs genres.path: a YAML file like configs/genres/gtzan10.yaml.")
