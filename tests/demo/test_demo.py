"""Promises of the demo corpus, on small corpora that are really composed and rendered."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import sys
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genrefusion.core.errors import UserError
from genrefusion.demo import DEMO_VERSION, GENRES, SAMPLE_RATE, build_demo, compose_song, make_artist, write_lyrics
from genrefusion.demo import build as build_module
from genrefusion.demo.artists import artist_name, places
from genrefusion.demo.genres import STYLES
from genrefusion.demo.lexicons import ARTIST_NAMES, COMMON, LEXICONS
from genrefusion.demo.music import UNREPEATABLE, parse_chord

COLUMNS = ["track_id", "audio", "genre", "artist", "title", "lyrics", "seconds", "sha256", "license", "synthetic"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_demo(
        tmp_path_factory.mktemp("demo") / "corpus", songs_per_genre=6, seconds=6, workers=2, progress=False
    ).parent


@pytest.fixture(scope="module")
def table(corpus: Path) -> pd.DataFrame:
    return pd.read_csv(corpus / "tracks.csv")


TINY = {"songs_per_genre": 1, "seconds": 2, "workers": 1, "progress": False}


def tiny(directory: Path, **settings: int) -> Path:
    return build_demo(directory, **(TINY | settings))


def test_genres_are_the_ten_of_gtzan_sorted():
    assert tuple(sorted(STYLES)) == GENRES == tuple(sorted(LEXICONS)) == tuple(sorted(ARTIST_NAMES))
    assert len(GENRES) == 10


def test_table_has_the_promised_columns_and_counts(table):
    assert list(table.columns) == COLUMNS
    assert table["track_id"].is_unique
    assert table["genre"].value_counts().to_dict() == dict.fromkeys(GENRES, 6)
    assert set(table["license"]) == {"CC0-1.0"}
    assert table["synthetic"].all()
    assert not table.isna().any().any()


def test_audio_is_where_the_table_says_with_its_checksum(corpus, table):
    for row in table.itertuples():
        assert row.audio == f"audio/{row.genre}/{row.track_id}.flac"
        assert hashlib.sha256((corpus / row.audio).read_bytes()).hexdigest() == row.sha256


def test_audio_is_mono_of_the_right_length_and_not_silent(corpus, table):
    for row in table.itertuples():
        sound, rate = soundfile.read(corpus / row.audio)
        assert (rate, sound.ndim) == (SAMPLE_RATE, 1)
        assert 0.97 * 6 - 0.01 <= len(sound) / rate == pytest.approx(row.seconds, abs=1e-3)
        assert row.seconds <= 1.12 * 6 + 0.01
        assert 0.2 < np.abs(sound).max() < 1.0
        seconds = [sound[start : start + rate] for start in range(0, len(sound) - 2 * rate, rate)]
        assert min(np.sqrt(np.square(second).mean()) for second in seconds) > 1e-3


def test_no_artist_is_in_two_genres(table):
    assert table.groupby("artist")["genre"].nunique().max() == 1
    assert table.groupby("genre")["artist"].nunique().min() >= 3


def test_full_corpus_has_more_than_eighty_artists_of_two_to_six_songs():
    songs = Counter((place.genre, place.artist) for genre in GENRES for place in places(genre, 30, seed=0))
    names = {artist_name(genre, number, seed=0) for genre, number in songs}
    assert len(names) == len(songs) >= 80
    assert set(songs.values()) <= set(range(2, 7))


def test_artist_names_never_repeat():
    names = [artist_name(genre, number, seed=3) for genre in GENRES for number in range(150)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("songs", [3, 4, 6, 30])
def test_every_genre_has_three_artists_at_least(songs):
    for genre in GENRES:
        assert len({place.artist for place in places(genre, songs, seed=1)}) >= 3
        assert places(genre, songs, seed=1) == places(genre, 60, seed=1)[:songs]


def test_build_depends_on_neither_workers_nor_size_of_the_corpus(tmp_path, corpus, table):
    small = build_demo(tmp_path / "small", songs_per_genre=2, seconds=6, workers=1, progress=False)
    both = pd.read_csv(small).merge(table, on="track_id", suffixes=("", "_large"))
    assert len(both) == 20
    for column in COLUMNS[1:]:
        assert (both[column] == both[f"{column}_large"]).all()
    assert (small.parent / both["audio"][0]).read_bytes() == (corpus / both["audio"][0]).read_bytes()


def test_another_seed_is_another_corpus(tmp_path):
    tables = [pd.read_csv(tiny(tmp_path / str(seed), seed=seed)) for seed in (1, 2)]
    assert not set(tables[0]["sha256"]) & set(tables[1]["sha256"])
    assert not set(tables[0]["lyrics"]) & set(tables[1]["lyrics"])


def test_lyrics_repeat_lines_and_have_stanzas():
    for genre in GENRES:
        for place in places(genre, 30, seed=0):
            text = write_lyrics(make_artist(genre, place.artist, seed=0), place.song).text
            lines = [line for line in text.splitlines() if line]
            assert len(text.split("\n\n")) >= 3
            assert len(set(lines)) < len(lines), f"{genre}.{place.song} has no line twice:\n{text}"
            assert 60 <= len(text.split()) <= 230
            assert "{" not in text
            assert "~" not in text


def test_lyrics_and_titles_differ_between_songs(table):
    assert table["lyrics"].is_unique
    assert table["title"].nunique() > 0.9 * len(table)


@pytest.mark.parametrize("genre", GENRES)
def test_drums_are_drums_and_notes_are_playable(genre):
    tempos = []
    for place in places(genre, 6, seed=0):
        song = compose_song(make_artist(genre, place.artist, seed=0), place.song, seconds=30)
        tempos.append(song.score.tempos[0].qpm)
        for track in song.score.tracks:
            assert track.is_drum == (track.name == "drums")
            assert all(20 <= note.pitch <= 88 and note.duration > 0 for note in track.notes)
            assert 0.2 < len(track.notes) / song.seconds < 60
    assert min(tempos) >= 60
    assert max(tempos) <= 200


def test_no_style_plays_an_instrument_that_sounds_different_each_time():
    parts = [part for style in STYLES.values() for part in vars(style).values() if hasattr(part, "programs")]
    assert len(parts) >= 2 * len(STYLES)
    assert not UNREPEATABLE.intersection(program for part in parts for program in part.programs)


def test_vocabularies_fit_the_grammar():
    slots = {"noun": "x", "adj": "x", "action": "x", "place": "x", "who": "x"}
    for lexicon in (COMMON, *LEXICONS.values()):
        for template in (*lexicon.openings, *lexicon.hooks):
            assert "{" not in template.format(**slots)
        for family, phrases in lexicon.closings.items():
            assert len(phrases) + len(COMMON.closings.get(family, ())) >= 2


def test_neighbours_in_sound_are_not_neighbours_in_words():
    for genre in GENRES:
        assert not set(STYLES[genre].neighbours) & set(LEXICONS[genre].neighbours)
        for progression in STYLES[genre].harmony.progressions:
            for chord in progression.replace("|", " ").split():
                parse_chord(chord)


def test_genres_can_be_learned_from_sound_and_from_words(corpus, table):
    features = [spectral_shape(soundfile.read(corpus / audio)[0]) for audio in table["audio"]]
    folds = StratifiedGroupKFold(3)
    chance = 1 / len(GENRES)
    by_sound = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    by_words = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000))
    for model, inputs in ((by_sound, features), (by_words, table["lyrics"])):
        scores = cross_val_score(model, inputs, table["genre"], groups=table["artist"], cv=folds)
        assert scores.mean() > 3 * chance


def spectral_shape(sound: np.ndarray) -> np.ndarray:
    """Mean and deviation of the logarithmic spectrum in 24 bands."""
    frames = sound[: len(sound) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
    power = np.square(np.abs(np.fft.rfft(frames)))
    edges = np.unique(np.geomspace(1, power.shape[1] - 1, 25).astype(int))
    bands = np.log(np.add.reduceat(power, edges, axis=1) + 1e-6)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0), np.diff(bands, axis=0).std(axis=0)])


def test_finished_corpus_is_used_and_not_built_again(tmp_path, monkeypatch):
    first = tiny(tmp_path / "demo")
    monkeypatch.setattr(build_module, "make_song", None)
    assert tiny(tmp_path / "demo") == first


def test_failed_build_leaves_nothing(tmp_path, monkeypatch):
    def fail(directory: Path, place: object, **settings: object) -> None:
        (directory / "half.flac").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(build_module, "make_song", fail)
    with pytest.raises(KeyboardInterrupt):
        tiny(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []


def test_two_builds_at_once_end_well(tmp_path):
    paths = joblib.Parallel(n_jobs=2)(joblib.delayed(build_demo)(tmp_path / "demo", **TINY) for _ in range(2))
    assert paths[0] == paths[1]
    assert len(pd.read_csv(paths[0])) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_slower_of_two_builds_takes_the_corpus_of_the_faster(tmp_path, monkeypatch):
    make_songs = build_module._make_songs

    def no_lock(*_: object) -> None:  # with one, the faster would be waited for
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_lock)

    def overtaken(*args: object, **settings: object) -> object:
        monkeypatch.setattr(build_module, "_make_songs", make_songs)
        rows = make_songs(*args, **settings)
        tiny(tmp_path / "demo")
        return rows

    monkeypatch.setattr(build_module, "_make_songs", overtaken)
    assert tiny(tmp_path / "demo").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_another_corpus_in_the_way_is_named(tmp_path):
    tiny(tmp_path / "demo")
    with pytest.raises(UserError, match=f"version {DEMO_VERSION}.*Remove that directory"):
        tiny(tmp_path / "demo", seed=5)


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no demo corpus"):
        tiny(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("settings", [{"songs_per_genre": 0}, {"seconds": 0}, {"workers": 0}, {"seed": -1}])
def test_senseless_settings_are_refused(tmp_path, settings):
    with pytest.raises(UserError, match="demo corpus needs"):
        tiny(tmp_path / "demo", **settings)


def test_missing_symusic_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "symusic", None)
    with pytest.raises(UserError, match="pip install 'symusic"):
        tiny(tmp_path / "demo")
