"""Corpora that are built of a small folder of music: three seconds of noise a song, tags and lyrics as people keep them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pandas as pd
import pytest
import soundfile

from conftest import compose_train
from genrefusion.commands.corpus import build as building
from genrefusion.commands.corpus.build import build_corpus, choose
from genrefusion.commands.corpus.music_folder import SourceSong
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.corpora import load_usable
from genrefusion.data.tracks import Tracks, load_table
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import CorpusConfig
from genrefusion.settings.data import DataSettings, GenreNames, ManifestData

SYNONYMS = {"jazz": ["bebop"], "rock": ["hard rock", "punk"], "pop": []}
LYRICS = "one two three four five six"

Write = Callable[..., Path]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return tmp_path / "music"


@pytest.fixture
def write(music: Path) -> Write:
    """Write a song of bytes of its own below the source, with tags and a file of lyrics beside it."""
    written = 0

    def write(name: str, *, lyrics: str = "", seconds: float = 1.5, **tags: str) -> Path:
        nonlocal written
        written += 1
        path = music / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(written).standard_normal(round(8000 * seconds))
        soundfile.write(path, 0.1 * noise, 8000, format={".mp3": "MP3", ".ogg": "OGG"}.get(path.suffix))
        if tags:
            file = mutagen.File(path, easy=True)
            if file.tags is None:
                file.add_tags()
            file.update(tags)
            file.save()
        if lyrics:
            path.with_suffix(".txt").write_text(lyrics)
        return path

    return write


@pytest.fixture
def fill(write: Write) -> None:
    """Two whole genres, so that a corpus can be made whatever else is there."""
    for genre in ("jazz", "rock"):
        for song in range(6):
            write(f"{genre}/{genre} artist {song % 4} - Song {song}.ogg")


def build(music: Path, **settings: Any) -> Tracks:
    """Build a corpus and read it back."""
    defaults = {
        "source": str(music),
        "out": str(music.parent / "out"),
        "genres": GenreNames(name="mine", synonyms=SYNONYMS),
        "data": DataSettings(name="any"),
        "cache": str(music.parent / "cache"),
        "workers": 1,
    }
    config = CorpusConfig(action="build", **defaults | settings)
    assert build_corpus(config, command="action=build") == 0
    return load_table(Path(str(config.out)) / "tracks.csv", corpus="built")


def left_out(music: Path) -> dict[str, tuple[str, str]]:
    table = pd.read_csv(music.parent / "out" / "left_out.csv", keep_default_na=False)
    return {row["file"]: (row["reason"], row["detail"]) for row in table.to_dict("records")}


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        ("jazz/Ann - Blue.ogg", {}, ("jazz", "Ann", "Blue")),
        ("Jazz/01 - Ann - Blue - Live.ogg", {}, ("jazz", "Ann", "Blue - Live")),
        ("bebop/Ann/03. Blue.ogg", {}, ("jazz", "Ann", "Blue")),
        ("jazz/Ann/Album/Blue.ogg", {}, ("jazz", "Ann", "Blue")),
        ("jazz/Ann/Ann - Blue.ogg", {}, ("jazz", "Ann", "Blue")),
        ("jazz/99 Luftballons.ogg", {}, ("jazz", None, "99 Luftballons")),
        ("jazz/song.ogg", {}, ("jazz", None, "song")),
        ("Ann/Album/Blue.ogg", {"genre": "Hard-Rock"}, ("rock", "Ann", "Blue")),
        ("Blue.ogg", {"genre": "POP", "artist": "Ann"}, ("pop", "Ann", "Blue")),
        ("jazz/Ann - Blue.ogg", {"artist": "Bob", "title": "Red", "genre": "punk"}, ("rock", "Bob", "Red")),
        ("jazz/Ann - Blue.ogg", {"genre": "Other"}, ("jazz", "Ann", "Blue")),
        ("jazz/Ann - Blue.mp3", {"artist": "B\nb", "title": " Red "}, ("jazz", "B b", "Red")),
    ],
)
@pytest.mark.usefixtures("fill")
def test_tags_tell_what_a_song_is_and_otherwise_its_name_and_folders(
    write: Write, music: Path, name: str, tags: dict[str, str], expected: tuple[str | None, ...]
) -> None:
    write(name, **tags)
    write("pop/Eve - One.ogg")
    write("pop/Eve - Two.ogg")
    row = build(music).table.loc[name.rpartition(".")[0]]
    assert (row["genre"], row["artist"], row["title"]) == expected


@pytest.mark.usefixtures("fill")
def test_artists_that_names_alone_tell_are_told(write: Write, music: Path, capsys: Any) -> None:
    write("jazz/Ann - Blue.ogg", artist="Ann")
    write("jazz/Eve/Green.ogg")
    build(music)
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "artists of 12 of 14 songs are from names of files, without a tag: are they artists, like 'jazz artist" in said
    )


@pytest.mark.usefixtures("fill")
def test_a_song_that_tag_and_folder_call_differently_is_listed(write: Write, music: Path) -> None:
    write("jazz/Ann - Blue.ogg", genre="punk")
    build(music)
    sheet = (music.parent / "out" / "README.md").read_text()
    assert "## Tag and folder disagree" in sheet
    assert "`jazz/Ann - Blue.ogg  jazz by its folder, punk by its tag`" in sheet


def test_genres_may_be_taken_as_they_are(write: Write, music: Path) -> None:
    for song in range(2):
        write(f"Trip-Hop/Ann - {song}.ogg")
        write(f"Eve/Album/{song}.ogg", genre="Goa")
    tracks = build(music, genres=GenreNames(name="none"))
    assert tracks.table["genre"].value_counts().to_dict() == {"Trip-Hop": 2, "Goa": 2}
    assert tracks.table.loc["Eve/Album/0", "artist"] == "Eve"


@pytest.mark.usefixtures("fill")
def test_genres_without_a_name_are_counted_and_left_out(write: Write, music: Path, capsys: Any) -> None:
    write("polka/a.ogg")
    write("polka/b.ogg")
    write("Ann/Album/c.ogg", genre="Zouk")
    assert len(build(music)) == 12
    printed = capsys.readouterr().out
    assert "left out 3 of genres that have no name here\n           polka (2)\n           Zouk (1)\n" in printed
    assert "genres=file genres.path=FILE" in printed
    assert left_out(music)["Ann/Album/c.ogg"] == ("of genres that have no name here", "Zouk")


@pytest.mark.usefixtures("fill")
def test_a_song_without_any_genre_is_left_out(write: Write, music: Path) -> None:
    write("song.ogg")
    build(music)
    assert left_out(music) == {"song.ogg": ("without a genre in tags or folders", "")}


@pytest.mark.usefixtures("fill")
def test_the_first_of_two_with_the_same_bytes_is_kept(music: Path) -> None:
    (music / "rock" / "copy.ogg").write_bytes((music / "jazz" / "jazz artist 0 - Song 0.ogg").read_bytes())
    tracks = build(music)
    assert "jazz/jazz artist 0 - Song 0" in tracks.ids
    assert left_out(music) == {
        "rock/copy.ogg": (
            "of the same bytes as another",
            "jazz/jazz artist 0 - Song 0.ogg, which is jazz and this one rock",
        )
    }


@pytest.mark.parametrize(
    ("title", "same"), [("SONG 0", True), ("Song-0", True), ("Song 0 (live)", False), ("Song 0 - Remastered", False)]
)
@pytest.mark.usefixtures("fill")
def test_the_first_of_two_of_the_same_artist_and_title_is_kept(
    write: Write, music: Path, title: str, same: bool
) -> None:
    write("jazz/z.ogg", artist="Jazz  Artist 0", title=title)
    assert ("jazz/z" not in build(music).ids) is same


@pytest.mark.usefixtures("fill")
def test_a_broken_copy_does_not_take_the_place_of_a_whole_song(write: Write, music: Path) -> None:
    write("jazz/jazz artist 0 - Song 0.flac").write_bytes(b"")
    tracks = build(music)
    assert len(tracks) == 12
    assert left_out(music) == {"jazz/jazz artist 0 - Song 0.flac": ("that cannot be used", "empty")}


@pytest.mark.usefixtures("fill")
def test_files_that_cannot_be_used_are_listed_and_the_rest_goes_on(write: Write, music: Path) -> None:
    soundfile.write(music / "rock" / "silent.wav", np.zeros(16000), 8000)
    write("rock/short.wav", seconds=0.1)
    cut = write("rock/cut.wav", seconds=3)
    cut.write_bytes(cut.read_bytes()[:20000])
    (music / "rock" / "page.mp3").write_bytes(b"<html>")
    (music / "rock" / "folder.mp3").mkdir()
    (music / "rock" / "other.m4a").touch()
    (music / "rock" / "._hidden.mp3").touch()
    (music / "rock" / "cover.jpg").touch()
    assert len(build(music)) == 12
    assert {file: detail for file, (_, detail) in left_out(music).items()} == {
        "rock/silent.wav": "silent",
        "rock/short.wav": "too short: 0.10 s (data.min_seconds is 1)",
        "rock/cut.wav": "cut off at 1.2 s of 3.0 s",
        "rock/page.mp3": 'not an audio file (starts with "<html>")',
        "rock/folder.mp3": "a folder, not a file",
        "rock/other.m4a": "empty",
    }


@pytest.mark.usefixtures("fill")
def test_the_table_names_the_songs_where_they_are_with_their_digests_and_lengths(music: Path) -> None:
    tracks = build(music)
    assert len(tracks) == 12
    for track, path in tracks.paths().items():
        assert path.resolve() == music / f"{track}.ogg"
        assert tracks.table.loc[track, "sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert float(tracks.table.loc[track, "seconds"]) == pytest.approx(1.5, abs=0.01)
    stored = pd.read_csv(music.parent / "out" / "tracks.csv")["audio"]
    assert stored.str.startswith("../music/").all()


@pytest.mark.usefixtures("fill")
def test_a_corpus_that_moves_with_its_songs_still_finds_them(music: Path) -> None:
    build(music)
    (music.parent / "elsewhere").mkdir()
    for name in ("music", "out"):
        (music.parent / name).rename(music.parent / "elsewhere" / name)
    assert len(load_table(music.parent / "elsewhere" / "out" / "tracks.csv", corpus="moved")) == 12


@pytest.mark.usefixtures("fill")
def test_lyrics_of_sidecars_and_tags_are_written_beside_the_table(write: Write, music: Path) -> None:
    write("rock/Eve - side.ogg", lyrics="[Chorus]\n" + LYRICS)
    tagged = write("rock/Eve - tag.ogg")
    file = mutagen.File(tagged)
    file["lyrics"] = LYRICS
    file.save()
    write("rock/Eve - marks.ogg", lyrics="[Chorus]")
    tracks = build(music)
    lyrics = dict(zip(tracks.ids, tracks.lyrics, strict=True))
    assert lyrics["rock/Eve - side"] == lyrics["rock/Eve - tag"] == LYRICS
    assert sum(map(bool, lyrics.values())) == 2
    assert (music.parent / "out" / "lyrics" / "rock" / "Eve - tag.txt").read_text() == LYRICS


@pytest.mark.usefixtures("fill")
def test_a_song_whose_lyrics_are_no_text_is_taken_without_them_and_named(
    write: Write, music: Path, capsys: Any
) -> None:
    write("rock/Eve - odd.ogg").with_suffix(".txt").write_bytes(b"\xff\xfe\x00")
    assert "rock/Eve - odd" in build(music).ids
    assert "Eve - odd.txt   lyrics cannot be read (no text" in capsys.readouterr().out


def test_songs_without_lyrics_are_left_out_where_both_sides_are_needed(write: Write, music: Path) -> None:
    for genre in ("jazz", "rock"):
        for song in range(4):
            write(f"{genre}/{genre} {song} - x.ogg", lyrics=LYRICS if song else "")
    tracks = build(music, needs="both")
    assert len(tracks) == 6
    assert all(tracks.lyrics)
    assert set(left_out(music).values()) == {("without lyrics", "")}


def songs(artists: list[str | None]) -> list[SourceSong]:
    return [
        SourceSong(Path(f"{i}.mp3"), f"{i}.mp3", "rock", "rock", artist, f"title {i}", "")
        for i, artist in enumerate(artists)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_as_many_artists_as_possible_are_chosen(seed: int) -> None:
    members = songs(["Ann"] * 20 + ["Bob"] * 3 + ["Eve"])
    assert {song.artist for song in choose(members, 3, seed)} == {"Ann", "Bob", "Eve"}
    chosen = [song.artist for song in choose(members, 8, seed)]
    assert {artist: chosen.count(artist) for artist in set(chosen)} == {"Ann": 4, "Bob": 3, "Eve": 1}


def test_songs_of_unknown_artists_are_chosen_as_if_each_had_its_own() -> None:
    chosen = [song.artist for song in choose(songs(["Ann"] * 5 + [None] * 5), 6, 0)]
    assert (chosen.count("Ann"), chosen.count(None)) == (1, 5)


def test_the_seed_decides_which_songs_are_chosen_and_other_genres_do_not() -> None:
    members = songs([f"artist {i}" for i in range(20)])
    others = [SourceSong(Path("p"), f"p{i}", "pop", "pop", None, None, "") for i in range(9)]
    assert choose(members, 5, 0) == choose(members, 5, 0) != choose(members, 5, 1)
    assert [song for song in choose([*others, *members], 5, 0) if song.genre == "rock"] == choose(members, 5, 0)


@pytest.mark.usefixtures("fill")
def test_a_genre_with_fewer_songs_than_asked_for_is_named(write: Write, music: Path, capsys: Any) -> None:
    write("pop/Eve - 1.ogg")
    write("pop/Eve - 2.ogg")
    tracks = build(music, per_genre=4)
    assert tracks.table["genre"].value_counts().to_dict() == {"jazz": 4, "rock": 4, "pop": 2}
    assert "note     pop has 2 songs of 4" in capsys.readouterr().out


@pytest.mark.usefixtures("fill")
def test_the_only_song_of_a_genre_is_left_out(write: Write, music: Path) -> None:
    write("pop/Eve - 1.ogg")
    assert build(music).genres == ["jazz", "rock"]
    assert list(left_out(music)) == ["pop/Eve - 1.ogg"]


@pytest.mark.usefixtures("fill")
def test_no_artist_is_on_two_sides_of_the_split(music: Path) -> None:
    table = build(music).table
    assert set(table["split"]) == {"train", "val", "test"}
    assert len(table[["artist", "split"]].drop_duplicates()) == len(table["artist"].unique())
    assert "holdout by artist, seed 0" in (music.parent / "out" / "README.md").read_text()


def test_a_corpus_that_cannot_be_divided_goes_without_a_split_and_says_why(
    write: Write, music: Path, capsys: Any
) -> None:
    for genre in ("jazz", "rock"):
        for song in range(3):
            write(f"{genre}/Ann - {genre} {song}.ogg")
    assert "split" not in build(music).table
    assert "note     no split in the table: out has 1 artist for 2 shares" in capsys.readouterr().out
    assert "Split: none: out has 1 artist for 2 shares" in (music.parent / "out" / "README.md").read_text()


@pytest.mark.usefixtures("fill")
def test_the_same_songs_settings_and_seed_give_the_same_table(music: Path) -> None:
    outs = [music.parent / name for name in ("one", "two", "three")]
    for out, seed in zip(outs, (0, 0, 1), strict=True):
        build(music, out=str(out), per_genre=3, seed=seed)
    one, two, three = ((out / "tracks.csv").read_bytes() for out in outs)
    assert one == two != three


@pytest.mark.usefixtures("fill")
def test_the_data_sheet_says_what_is_in_it_and_how_it_was_made(write: Write, music: Path) -> None:
    write("rock/Eve - [x](y) `z`.ogg", lyrics=LYRICS)
    (music / "rock" / "`a`|<b>.ogg").touch()
    build(music, per_genre=30)
    sheet = (music.parent / "out" / "README.md").read_text()
    assert sheet.startswith("# out\n\n13 songs of 2 genres.\n")
    assert "| rock | 7 | 5 | 7 | 0 | 1 | 6 |" in sheet
    assert "- lyrics: of 1 of 13 tracks (8%), 6 words in the median, 6 to 6" in sheet
    assert "`corpus action=build`" in sheet
    assert "At most 30 songs of a genre" in sheet
    assert "The songs were not copied" in sheet
    assert "`` rock/`a`|<b>.ogg   empty ``" in sheet


@pytest.mark.usefixtures("fill")
def test_a_folder_that_is_not_empty_is_refused_and_stays_as_it_is(music: Path) -> None:
    (music.parent / "out").mkdir()
    (music.parent / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"out=.*: is there already. Name a folder that does not exist yet"):
        build(music)
    assert [path.name for path in (music.parent / "out").iterdir()] == ["mine.txt"]


@pytest.mark.usefixtures("fill")
def test_of_two_builds_at_once_one_makes_the_corpus_and_the_other_is_refused(music: Path) -> None:
    def attempt(_: int) -> str:
        try:
            return str(len(build(music)))
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(attempt, range(2)))
    assert said[0] == "12"
    assert "is there already" in said[1]
    assert sorted(path.name for path in music.parent.iterdir()) == ["cache", "music", "out"]


@pytest.mark.usefixtures("fill")
def test_an_empty_folder_is_filled(music: Path) -> None:
    (music.parent / "out").mkdir()
    assert len(build(music)) == 12


@pytest.mark.usefixtures("fill")
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_build_that_fails_at_the_end_leaves_nothing(
    music: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: Any) -> str:
        raise error

    monkeypatch.setattr(building, "data_sheet", fail)
    with pytest.raises((UserError, KeyboardInterrupt)) as caught:
        build(music)
    assert isinstance(caught.value, KeyboardInterrupt) or "cannot be written (No space left" in str(caught.value)
    assert sorted(path.name for path in music.parent.iterdir()) == ["cache", "music"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"no songs. Files that end in .*\.mp3"),
        (
            ["polka/a.ogg", "polka/b.ogg"],
            r"fewer than two genres .*\n  2 of genres that have no name here: polka \(2\)\n",
        ),
        (["rock/a.ogg", "rock/b.ogg"], "fewer than two genres"),
    ],
)
def test_a_folder_that_makes_no_corpus_is_refused_with_the_cure(
    write: Write, music: Path, names: list[str], message: str
) -> None:
    music.mkdir()
    for name in names:
        write(name)
    with pytest.raises(UserError, match=message):
        build(music)
    assert not (music.parent / "out").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": None}, "action=build needs source"),
        ({"source": "nowhere"}, "source=nowhere: no such folder."),
        ({"per_genre": 1}, "per_genre=1 is out of range"),
        ({"needs": "lyrics"}, "No needs 'lyrics'"),
        ({"seed": -1}, "seed=-1 is out of range"),
    ],
)
def test_impossible_settings_are_refused(music: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(music, **settings)


@pytest.mark.usefixtures("unrendered")
def test_a_built_corpus_of_both_sides_is_trained_on_by_its_folder(write: Write, music: Path, tmp_path: Path) -> None:
    for genre in ("jazz", "rock"):
        for song in range(8):
            write(f"{genre}/{genre} {song % 6} - {song}.ogg", lyrics=f"{LYRICS} {genre}")
    build(music, needs="both")
    data = ["data=lyrics_audio", f"data.root={tmp_path / 'out'}", "split=predefined", "workers=1"]
    config = compose_train("experiment=xgboost_97", *data, "pipeline.rounds=5", f"cache={tmp_path / 'cache'}")
    run_experiment(config, tmp_path / "run", quiet=True)
    predictions = pd.read_csv(tmp_path / "run" / "predictions" / "test.csv")
    usable = load_usable(
        ManifestData(root=str(tmp_path / "out")),
        ["audio"],
        cache=tmp_path / "cache",
        workers=1,
        terminal=Terminal(quiet=True),
    )
    assert set(predictions["track_id"]) == set(usable.table.index[usable.table["split"] == "test"])
