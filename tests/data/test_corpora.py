from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import multiprocessing
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from genrefusion.core.errors import UserError
from genrefusion.core.files import extend_record, read_record
from genrefusion.core.terminal import Terminal
from genrefusion.data import formats
from genrefusion.data.audio import digest_audio
from genrefusion.data.checks import check_audio
from genrefusion.data.corpora import load_corpus, load_usable
from genrefusion.data.folder import load_folder
from genrefusion.data.table_files import NAMED_ENDINGS
from genrefusion.data.tracks import Tracks
from genrefusion.settings.data import DataSettings, FolderData, GtzanData, ManifestData
from genrefusion.settings.fields import Rule
from genrefusion.settings.registry import Entry, entries

WriteTone = Callable[..., Path]

QUIET = Terminal(quiet=True)


@pytest.fixture
def songs(tmp_path: Path, write_tone: WriteTone) -> Path:
    """Two genres of three songs, each of another pitch of silence-free audio, and so of other bytes."""
    for number, genre in enumerate(("jazz", "rock")):
        for song in range(3):
            write_tone(tmp_path / "songs" / genre / f"{song}.wav", level=0.1 + 0.05 * song + 0.3 * number)
    return tmp_path / "songs"


def load(settings: DataSettings, cache: Path) -> Tracks:
    return load_corpus(settings, cache=cache, workers=1, terminal=QUIET)


def usable(settings: DataSettings, cache: Path, *, divided: bool) -> Tracks:
    return load_usable(settings, ["audio"], cache=cache, workers=1, terminal=QUIET, divided=divided)


def check(tracks: Tracks, cache: Path, *, on_error: str = "raise", min_seconds: float = 1.0) -> Tracks:
    settings = FolderData(root="any", on_error=on_error, min_seconds=min_seconds)
    return check_audio(tracks, settings, cache=cache, workers=1, terminal=QUIET)


def verdict_files(cache: Path) -> list[Path]:
    return list((cache / "checks").glob("verdicts*"))


def write_table(folder: Path, rows: list[dict[str, str | None]]) -> Path:
    path = folder / "tracks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("entry", entries("data"), ids=lambda entry: entry.name)
def test_every_corpus_declares_its_facts(entry: Entry) -> None:
    module, _, name = entry.target.partition(":")
    facts = importlib.import_module(module).FACTS
    load = getattr(importlib.import_module(module), name)
    assert facts.layout
    assert bool(facts.citation) == bool(facts.licence) == bool(facts.address) == (facts.tracks is not None)
    assert re.fullmatch(r"([0-9a-f]{64})?", facts.sha256)
    assert next(iter(inspect.signature(load).parameters)) == "settings"


def test_a_folder_of_genres_is_a_corpus(songs: Path, tmp_path: Path) -> None:
    tracks = load(FolderData(root=str(songs)), tmp_path)
    assert tracks.ids == ["jazz/0", "jazz/1", "jazz/2", "rock/0", "rock/1", "rock/2"]
    assert tracks.table["genre"].tolist() == ["jazz"] * 3 + ["rock"] * 3
    assert tracks.corpus == "songs"
    assert not tracks.synthetic
    assert all(path.is_absolute() for path in tracks.paths().values())


def test_a_genre_whose_files_are_all_left_out_is_named_first(
    songs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(formats, "has_ffmpeg", lambda: False)
    (songs / "pop").mkdir()
    for name in ("pop/0.m4a", "pop/1.m4a", "jazz/9.m4a", "stray.wav"):
        (songs / name).touch()
    (songs / "rock" / "round").symlink_to(songs)
    tracks = load_folder(songs, Terminal())
    cure = "of a format that needs an extra (.m4a): pip install 'genrefusion[ffmpeg]'"
    assert capsys.readouterr().out.splitlines() == [
        f"left out the whole genre pop: 2 files {cure}",
        "left out rock/round   behind links in a circle (to the whole folder, in which it lies)",
    ]
    assert tracks.genres == ["jazz", "rock"]
    assert tracks.skipped == dict.fromkeys(("jazz/9.m4a", "pop/0.m4a", "pop/1.m4a"), cure) | {
        "stray.wav": "beside the folders of genres, in none of them"
    }


def test_songs_may_lie_in_folders_of_artists_and_have_any_name(songs: Path, write_tone: WriteTone) -> None:
    for name in ("it's.wav", "Étude № 3.WAV", "two words.flac", "a.b.wav"):
        write_tone(songs / "jazz" / "Ann" / name)
    tracks = load_folder(songs)
    assert {"jazz/Ann/it's", "jazz/Ann/Étude № 3", "jazz/Ann/two words", "jazz/Ann/a.b"} < set(tracks.ids)
    assert (tracks.table.loc["jazz/Ann/it's", "genre"]) == "jazz"


def test_two_encodings_of_a_song_have_ids_of_their_own(songs: Path, write_tone: WriteTone) -> None:
    write_tone(songs / "jazz" / "0.flac")
    assert {"jazz/0.flac", "jazz/0.wav", "jazz/1"} < set(load_folder(songs).ids)


def test_files_that_are_no_songs_are_passed_over(songs: Path) -> None:
    (songs / "jazz" / "cover.jpg").touch()
    (songs / "readme.txt").touch()
    assert len(load_folder(songs)) == 6


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        load_folder(tmp_path / "nowhere")


def test_a_folder_without_songs_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "jazz").mkdir()
    with pytest.raises(UserError, match=r"no songs. It needs one folder for each genre.*\.mp3"):
        load_folder(tmp_path)


def test_a_genre_with_one_song_is_refused_by_name_where_it_is_divided(songs: Path, write_tone: WriteTone) -> None:
    write_tone(songs / "polka" / "0.wav")
    settings = FolderData(root=str(songs))
    with pytest.raises(
        UserError, match=r"songs: 1 of 7 tracks cannot be used:\n  polka/0  the only track of its genre"
    ):
        usable(settings, songs.parent, divided=True)
    assert len(usable(settings, songs.parent, divided=False)) == 7, "one is enough to evaluate"


def test_a_genre_with_one_song_is_left_out_where_that_is_asked_for(songs: Path, write_tone: WriteTone) -> None:
    write_tone(songs / "polka" / "0.wav")
    tracks = usable(FolderData(root=str(songs), on_error="skip"), songs.parent, divided=True)
    assert (tracks.genres, list(tracks.skipped)) == (["jazz", "rock"], ["polka/0"])
    assert tracks.skipped["polka/0"].startswith("the only track of its genre")
    assert usable(FolderData(root=str(songs), min_tracks=2), songs.parent, divided=True).genres == ["jazz", "rock"]


def test_a_folder_whose_name_no_genre_can_have_is_left_out_where_that_is_asked_for(
    songs: Path, write_tone: WriteTone
) -> None:
    write_tone(songs / "fold" / "0.wav")
    with pytest.raises(UserError, match=r"fold/0  not a name for a genre.*\n.*data.on_error=skip"):
        load(FolderData(root=str(songs)), songs.parent)
    tracks = load(FolderData(root=str(songs), on_error="skip"), songs.parent)
    assert (tracks.genres, list(tracks.skipped)) == (["jazz", "rock"], ["fold/0"])


def test_genres_that_differ_in_case_are_one_and_that_is_said_once(
    songs: Path, write_tone: WriteTone, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("Jazz", "ro\u0301ck", "r\u00f3ck"):
        write_tone(songs / name / "0.wav", level=0.05)
    tracks = load_corpus(FolderData(root=str(songs)), cache=songs.parent, workers=1, terminal=Terminal())
    assert tracks.genres == ["jazz", "rock", "r\u00f3ck"]
    told = [line for line in capsys.readouterr().out.splitlines() if "spelt in several ways" in line]
    assert told == [
        "note     one genre, spelt in several ways: jazz (3) with 'Jazz' (1); r\u00f3ck (1) with 'ro\u0301ck' (1)"
    ]
    assert tracks.subset(tracks.ids[:2]).called_as(["JAZZ", "pop"]).genres == ["JAZZ"]


@pytest.mark.parametrize("name", ["tracks.csv", "Tracks.TSV", "tracks.json", "tracks.ndjson"])
def test_the_table_of_a_folder_has_any_ending(tmp_path: Path, name: str) -> None:
    rows = pd.DataFrame({"track_id": ["1", "2"], "genre": ["jazz", "rock"], "lyrics": ["la", "lo"]})
    path = tmp_path / "corpus" / name
    path.parent.mkdir()
    if "json" in name:
        rows.to_json(path, orient="records", lines=name.endswith("ndjson"))
    else:
        rows.to_csv(path, index=False, sep="\t")
    tracks = load(ManifestData(root=str(path.parent)), tmp_path)
    assert (tracks.corpus, tracks.ids) == ("corpus", ["1", "2"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("corpus/Songs.csv", r"Songs\.csv: no such file\. Did you mean .*/corpus/songs\.jsonl\?"),
        ("corpus/sogns.jsonl", r"Did you mean .*/corpus/songs\.jsonl\?"),
        ("corups/songs.jsonl", r"no such file\. There is no folder .*/corups\."),
        ("corpus", r"data\.manifest=.*/corpus: a folder, where a file is needed\. .*data\.root=FOLDER"),
    ],
)
def test_a_table_that_is_not_there_is_refused_with_what_may_be_meant(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "songs.jsonl").touch()
    with pytest.raises(UserError, match=message):
        load(ManifestData(manifest=str(tmp_path / path)), tmp_path)


def test_what_skipping_leaves_too_small_is_left_out_too(songs: Path, write_tone: WriteTone) -> None:
    """Both settings count what can be used."""
    for number in range(4):
        write_tone(songs / "polka" / f"{number}.wav", level=0.05 + 0.02 * number)
    for name in ("rock/0.wav", "rock/1.wav", "polka/0.wav"):
        (songs / name).write_bytes(b"")
    tracks = usable(FolderData(root=str(songs), on_error="skip"), songs.parent, divided=True)
    assert (tracks.genres, sorted(tracks.skipped)) == (["jazz", "polka"], ["polka/0", "rock/0", "rock/1", "rock/2"])
    with pytest.raises(UserError, match=r"data.min_tracks=4: leaves 1 genres of 3"):
        usable(FolderData(root=str(songs), on_error="skip", min_tracks=4), songs.parent, divided=True)
    tracks = usable(FolderData(root=str(songs), on_error="skip", min_tracks=3), songs.parent, divided=True)
    assert (tracks.genres, sorted(tracks.skipped)) == (["jazz", "polka"], ["polka/0", "rock/0", "rock/1"])


def test_checked_tracks_carry_the_digests_of_their_bytes(songs: Path, tmp_path: Path) -> None:
    tracks = check(load_folder(songs), tmp_path)
    expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in tracks.paths().values()]
    assert tracks.table["sha256"].tolist() == expected
    assert tracks.skipped == {}


def spoil(songs: Path) -> None:
    """Three files that cannot be used, each for another reason."""
    (songs / "jazz" / "page.mp3").write_bytes(b"<html><body>")
    (songs / "rock" / "empty.wav").touch()
    soundfile.write(songs / "rock" / "still.wav", np.zeros(44100), 22050)


def test_files_that_cannot_be_used_are_refused_with_reason_and_cure(
    songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(songs)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        check(load_folder(songs), tmp_path)
    assert str(caught.value).splitlines() == [
        "3 of 9 files cannot be used:",
        '  songs/jazz/page.mp3   not an audio file (starts with "<html><b")',
        "  songs/rock/empty.wav   empty",
        "  songs/rock/still.wav   silent",
        "Remove them, or go on without them: data.on_error=skip",
    ]


def test_files_that_cannot_be_used_are_skipped_and_listed(songs: Path, tmp_path: Path) -> None:
    whole = check(load_folder(songs), tmp_path)
    spoil(songs)
    tracks = check(load_folder(songs), tmp_path, on_error="skip")
    assert tracks.skipped == {
        "jazz/page": 'not an audio file (starts with "<html><b")',
        "rock/empty": "empty",
        "rock/still": "silent",
    }
    assert tracks.ids == whole.ids
    assert tracks.digest == whole.digest


def test_a_file_that_went_away_is_named(songs: Path, tmp_path: Path) -> None:
    tracks = load_folder(songs)
    (songs / "jazz" / "1.wav").unlink()
    assert check(tracks, tmp_path, on_error="skip").skipped == {"jazz/1": "missing"}


def test_many_bad_files_are_counted_and_the_first_are_listed(songs: Path, tmp_path: Path) -> None:
    for number in range(30):
        (songs / "jazz" / f"bad {number:02}.wav").touch()
    with pytest.raises(UserError, match=r"30 of 36 files cannot be used") as caught:
        check(load_folder(songs), tmp_path)
    assert "and 22 more" in str(caught.value)


def test_a_file_name_with_a_newline_takes_one_line_of_the_message(songs: Path, tmp_path: Path) -> None:
    (songs / "jazz" / "two\nlines \x1b[31m.wav").touch()
    with pytest.raises(UserError) as caught:
        check(load_folder(songs), tmp_path)
    assert len(str(caught.value).splitlines()) == 3
    assert "\x1b" not in str(caught.value)


def test_a_corpus_of_bad_files_is_refused(tmp_path: Path) -> None:
    for number in range(2):
        path = tmp_path / "songs" / "jazz" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(UserError, match="songs: not one of its 2 files can be used"):
        check(load_folder(tmp_path / "songs"), tmp_path, on_error="skip")


def test_the_broken_clip_of_gtzan_is_skipped_by_name(songs: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted((songs / "jazz").iterdir())):
        path.rename(songs / "jazz" / f"jazz.0005{number + 4}.wav")
    broken = songs / "jazz" / "jazz.00054.wav"
    broken.write_bytes(bytes(1000))
    settings = GtzanData(root=str(songs), on_error="skip")
    tracks = load(settings, tmp_path)
    checked = check_audio(tracks, settings, cache=tmp_path, workers=1, terminal=QUIET)
    assert checked.ids == ["jazz.00055", "jazz.00056"]
    assert list(checked.skipped) == ["jazz.00054"]
    assert checked.skipped["jazz.00054"].startswith("not an audio file")


def test_the_broken_clip_of_gtzan_is_refused_by_name_unless_skipped(songs: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted((songs / "jazz").iterdir())):
        path.rename(songs / "jazz" / f"jazz.0005{number + 4}.wav")
    (songs / "jazz" / "jazz.00054.wav").write_bytes(bytes(1000))
    with pytest.raises(UserError, match=r"1 of 3 files cannot be used:\n  .*jazz/jazz.00054.wav   not an audio file"):
        check(load(GtzanData(root=str(songs)), tmp_path), tmp_path)


def test_a_verdict_is_kept_under_the_digest_of_the_bytes(songs: Path, tmp_path: Path) -> None:
    spoil(songs)
    check(load_folder(songs), tmp_path, on_error="skip")
    (record,) = verdict_files(tmp_path)
    record.write_text(json.dumps({digest: ["seen before", "", ""] for digest in json.loads(record.read_text())}))
    (songs / "jazz" / "0.wav").rename(songs / "jazz" / "renamed.wav")
    with pytest.raises(UserError, match=r"jazz/renamed.wav   seen before"):
        check(load_folder(songs), tmp_path)


def test_changed_bytes_are_decoded_again(songs: Path, tmp_path: Path) -> None:
    check(load_folder(songs), tmp_path)
    soundfile.write(songs / "jazz" / "0.wav", np.zeros(44100), 22050)
    assert check(load_folder(songs), tmp_path, on_error="skip").skipped == {"jazz/0": "silent"}


def test_other_limits_are_judged_again(songs: Path, tmp_path: Path) -> None:
    tracks = load_folder(songs)
    assert len(check(tracks, tmp_path, min_seconds=1)) == 6
    with pytest.raises(UserError, match=r"too short: 2.00 s \(data.min_seconds is 3\)"):
        check(tracks, tmp_path, min_seconds=3)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '"text"', '{"a": 3}'])
def test_a_damaged_record_of_verdicts_is_made_again(songs: Path, tmp_path: Path, content: str) -> None:
    check(load_folder(songs), tmp_path)
    (record,) = verdict_files(tmp_path)
    for path in (record, record.with_name("files.json")):
        path.write_text(content)
    assert len(check(load_folder(songs), tmp_path)) == 6
    assert sum(isinstance(verdict, list) for verdict in json.loads(record.read_text()).values()) == 6


def age(songs: Path) -> None:
    """Make files that were written in a test look a day old: of new ones nothing is remembered."""
    for path in songs.rglob("*.wav"):
        os.utime(path, ns=(0, path.stat().st_mtime_ns - 86400 * 10**9))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose bytes are read."""
    names: list[str] = []

    def digest(path: Path) -> tuple[str, str]:
        names.append(path.name)
        return digest_audio(path)

    monkeypatch.setattr("genrefusion.data.digests.digest_audio", digest)
    return names


def test_files_that_did_not_change_are_not_read_again(songs: Path, tmp_path: Path, hashed: list[str]) -> None:
    age(songs)
    first = check(load_folder(songs), tmp_path)
    hashed.clear()
    pd.testing.assert_frame_equal(check(load_folder(songs), tmp_path).table, first.table)
    assert hashed == []


def test_a_file_of_the_same_size_that_is_newer_is_read_again(songs: Path, tmp_path: Path, hashed: list[str]) -> None:
    age(songs)
    first = check(load_folder(songs), tmp_path)
    hashed.clear()
    changed = songs / "jazz" / "1.wav"
    content = changed.read_bytes()
    changed.write_bytes(content[:-2] + b"\1\1")
    second = check(load_folder(songs), tmp_path)
    assert hashed == ["1.wav"]
    differing = first.table["sha256"] != second.table["sha256"]
    assert first.table.index[differing].tolist() == ["jazz/1"]


def test_of_files_that_were_changed_just_now_nothing_is_remembered(
    songs: Path, tmp_path: Path, hashed: list[str]
) -> None:
    for path in songs.rglob("*.wav"):
        path.touch()
    for _ in range(2):
        hashed.clear()
        check(load_folder(songs), tmp_path)
        assert len(hashed) == 6


def check_alone(songs: Path, cache: Path, start: Any) -> None:
    start.wait()
    check(load_folder(songs), cache)


def test_processes_that_check_at_once_keep_the_verdicts_of_each_other(
    songs: Path, tmp_path: Path, write_tone: WriteTone
) -> None:
    folders = [songs]
    for number in range(2):
        for genre in ("jazz", "rock"):
            for song in range(3):
                level = 0.11 + 0.05 * song + 0.3 * (genre == "rock") + 0.01 * number
                write_tone(tmp_path / f"more{number}" / genre / f"{song}.wav", level=level)
        folders.append(tmp_path / f"more{number}")
    for folder in folders:
        age(folder)
    context = multiprocessing.get_context("fork")
    start = context.Barrier(3)
    processes = [context.Process(target=check_alone, args=(folder, tmp_path, start)) for folder in folders]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    (record,) = verdict_files(tmp_path)
    assert len(json.loads(record.read_text())) == len(json.loads(record.with_name("files.json").read_text())) == 18


def test_two_formats_of_one_recording_have_the_same_samples(songs: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(songs / "jazz" / "0.wav", dtype="int16")
    soundfile.write(songs / "jazz" / "0.flac", samples, rate)
    table = check(load_folder(songs), tmp_path).table
    copies = table.loc[["jazz/0.wav", "jazz/0.flac"]]
    assert copies["sha256"].nunique() == 2
    assert len(set(copies["samples_sha256"])) == 1
    assert table["samples_sha256"].nunique() == 6


def test_the_digest_of_samples_is_no_part_of_the_corpus_digest(songs: Path, tmp_path: Path) -> None:
    tracks = check(load_folder(songs), tmp_path)
    without = replace(tracks, table=tracks.table.drop(columns="samples_sha256"))
    assert tracks.digest == without.digest


def test_another_decoder_judges_again(songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(load_folder(songs), tmp_path)
    monkeypatch.setattr("soundfile.__libsndfile_version__", "99.0")
    check(load_folder(songs), tmp_path)
    assert len(verdict_files(tmp_path)) == 2


@pytest.mark.long
def test_a_record_of_many_files_is_read_and_merged_in_a_moment(tmp_path: Path) -> None:
    many = {f"/music/{n:06}/a song with a name.mp3": [n, n, n, f"{n:064x}"] for n in range(100_000)}
    record = tmp_path / "files.json"
    extend_record(record, many)
    began = time.process_time()
    assert len(read_record(record)) == 100_000
    extend_record(record, {"/music/new.mp3": [1, 1, 1, "0" * 64]})
    assert time.process_time() - began < 4
    assert len(read_record(record)) == 100_001


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(songs: Path, tmp_path: Path) -> None:
    (songs / "jazz" / "0.wav").chmod(0)
    assert check(load_folder(songs), tmp_path, on_error="skip").skipped == {"jazz/0": "no permission to read it"}


def test_bytes_that_differ_from_the_digest_of_the_table_are_named(songs: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((songs / "jazz" / "0.wav").read_bytes()).hexdigest()
    rows: list[dict[str, str | None]] = [
        {"track_id": "right", "genre": "jazz", "audio": "jazz/0.wav", "sha256": digest},
        {"track_id": "none", "genre": "jazz", "audio": "jazz/1.wav", "sha256": None},
        {"track_id": "wrong", "genre": "jazz", "audio": "jazz/2.wav", "sha256": digest},
    ]
    tracks = load(ManifestData(manifest=str(write_table(songs, rows))), tmp_path)
    with pytest.raises(
        UserError, match=r"1 of 3 files.*\n  .*jazz/2.wav   changed since the table was made \(its SHA-256"
    ):
        check(tracks, tmp_path)


def test_tracks_without_audio_pass_the_check(songs: Path, tmp_path: Path) -> None:
    rows: list[dict[str, str | None]] = [
        {"track_id": "both", "genre": "jazz", "audio": "jazz/0.wav", "lyrics": "la"},
        {"track_id": "words", "genre": "jazz", "audio": None, "lyrics": "lo"},
    ]
    tracks = check(load(ManifestData(manifest=str(write_table(songs, rows))), tmp_path), tmp_path)
    assert tracks.ids == ["both", "words"]
    assert tracks.table.loc["words", "sha256"] is None


def test_a_corpus_of_lyrics_is_left_as_it_is(tmp_path: Path) -> None:
    rows: list[dict[str, str | None]] = [{"track_id": t, "genre": "jazz", "lyrics": "la"} for t in ("1", "2")]
    tracks = load(ManifestData(manifest=str(write_table(tmp_path, rows))), tmp_path)
    assert check(tracks, tmp_path) is tracks


@pytest.mark.parametrize(
    ("row", "lack"),
    [
        ({"lyrics": "la"}, "no audio"),
        ({"audio": "jazz/0.wav"}, "no lyrics"),
        ({"audio": "jazz/0.wav", "lyrics": " \n"}, "no lyrics"),
        ({}, "no audio"),
    ],
)
def test_lyrics_and_audio_needs_both_sides_of_each_track(
    songs: Path, tmp_path: Path, row: dict[str, str | None], lack: str
) -> None:
    both: dict[str, str | None] = {"track_id": "1", "genre": "jazz", "audio": "jazz/1.wav", "lyrics": "la"}
    table = write_table(songs, [both, {"track_id": "2", "genre": "jazz"} | row])
    with pytest.raises(UserError, match=rf"1 of 2 tracks of songs have {lack}, which is needed here:\n  2\n"):
        load(ManifestData(manifest=str(table), needs="both"), tmp_path)
    assert len(load(ManifestData(manifest=str(table)), tmp_path)) == 2


def test_tracks_without_the_side_that_is_needed_are_skipped_and_listed(songs: Path, tmp_path: Path) -> None:
    rows = [{"track_id": str(i), "genre": "jazz", "lyrics": "la" if i else None} for i in range(3)]
    tracks = load(ManifestData(manifest=str(write_table(songs, rows)), needs="lyrics", on_error="skip"), tmp_path)
    assert tracks.ids == ["1", "2"]
    assert tracks.skipped == {"0": "no lyrics"}


@pytest.mark.parametrize(("name", "corpus"), [("tracks.jsonl", "folder"), ("blues.jsonl", "blues")])
def test_a_corpus_is_called_after_its_table_or_folder(tmp_path: Path, name: str, corpus: str) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / name
    path.write_text('{"track_id": 1, "genre": "jazz"}\n{"track_id": 2, "genre": "jazz"}\n')
    assert load(ManifestData(manifest=str(path)), tmp_path).corpus == corpus


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tracks.csv", "track_id,genre\n1,jazz\n2,jazz\n"),
        ("tracks.jsonl", '{"track_id": 1, "genre": "jazz"}\n{"track_id": 2, "genre": "jazz"}\n'),
    ],
)
def test_a_table_can_be_named_by_its_folder(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text(content)
    tracks = load(ManifestData(root=str(tmp_path / "mine")), tmp_path)
    assert tracks.corpus == "mine"
    assert len(tracks) == 2


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], r"holds no table that is called tracks \(\.csv, .*\.json\)\.\n'corpus action=build source="),
        (["tracks.csv", "tracks.jsonl"], r"holds tracks.csv and tracks.jsonl. Name one: data.manifest=.*tracks.csv"),
        (["tracks.tsv", "tracks.txt"], r"holds tracks.tsv and tracks.txt. Name one: data.manifest=.*tracks.tsv"),
    ],
)
def test_a_folder_that_holds_no_table_or_two_is_refused_with_the_cure(
    tmp_path: Path, files: list[str], message: str
) -> None:
    for file in files:
        (tmp_path / file).touch()
    with pytest.raises(UserError, match=message):
        load(ManifestData(root=str(tmp_path)), tmp_path)


@pytest.mark.parametrize("beside", ["tracks.txt", "tracks.json", "Tracks.TSV"])
def test_what_lies_beside_a_csv_is_not_taken_for_another_table(tmp_path: Path, beside: str) -> None:
    (tmp_path / "tracks.csv").write_text("track_id,genre\n1,jazz\n2,jazz\n")
    (tmp_path / beside).write_text("these songs are mine\n")
    assert len(load(ManifestData(root=str(tmp_path)), tmp_path)) == 2


def test_what_a_table_may_be_called_is_said_as_it_is_read() -> None:
    assert NAMED_ENDINGS in Rule.of(ManifestData.__dataclass_fields__["manifest"]).help
    with pytest.raises(UserError, match=re.escape(f"({NAMED_ENDINGS})")):
        ManifestData()


def test_a_table_and_a_folder_at_once_are_refused() -> None:
    with pytest.raises(UserError, match=r"data.manifest and data.root both name a tracks table"):
        ManifestData(root="here", manifest="there.csv")
