from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from conftest import compose_train
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.corpora import load_usable
from genrefusion.data.splits import split_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.runs.record import signature
from genrefusion.settings.data import FolderData, ManifestData, SplitSettings

RATE = 8000
LENGTHS = {"even": 6.0, "rest": 5.2, "crumb": 4.9, "short": 1.5, "half": 5.0}
"""Seconds of each song; a piece has 2."""


def noise(seconds: float, seed: int, *, channels: int = 1) -> np.ndarray:
    """16 bits over their whole range, so that any rescaling shows."""
    rng = np.random.default_rng(seed)
    return rng.integers(-32768, 32768, (round(seconds * RATE), channels)).astype(np.int16)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Five songs of two genres, with everything that a table can know."""
    rows = []
    for number, (name, seconds) in enumerate(LENGTHS.items()):
        soundfile.write(tmp_path / f"{name}.wav", noise(seconds, number), RATE, subtype="PCM_16")
        rows.append(
            {"track_id": name, "genre": ("jazz", "rock")[number % 2], "audio": f"{name}.wav", "artist": f"by {name}"}
            | {"title": f"the {name}", "lyrics": f"la {name}", "seconds": seconds, "mood": "blue"}
        )
    return write_table(tmp_path, rows)


def write_table(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "tracks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(
    manifest: Path, *, sides: tuple[str, ...] = ("audio",), piece_seconds: float | None = 2.0, **more: Any
) -> Tracks:
    settings = ManifestData(manifest=str(manifest), piece_seconds=piece_seconds, **more)
    cache = manifest.parent / "cache"
    return load_usable(settings, sides, cache=cache, workers=2, terminal=Terminal(quiet=True))


def counts(tracks: Tracks) -> dict[str, int]:
    return dict(tracks.table["song"].value_counts())


def files(manifest: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (manifest.parent / "cache" / "pieces").rglob("*.*")}


def test_pieces_add_up_to_the_song_sample_by_sample(manifest: Path) -> None:
    tracks = load(manifest)
    for number, (song, seconds) in enumerate(LENGTHS.items()):
        read = [soundfile.read(path, dtype="int16") for path in tracks.table["audio"][tracks.table["song"] == song]]
        assert {rate for _, rate in read} == {RATE}
        together = np.concatenate([samples for samples, _ in read])
        np.testing.assert_array_equal(together, noise(seconds, number)[: len(together), 0])
        assert round(seconds * RATE) - len(together) < RATE  # half a piece


def test_a_rest_is_kept_from_half_a_piece_on_and_a_short_song_whole(manifest: Path) -> None:
    tracks = load(manifest)
    assert counts(tracks) == {"even": 3, "rest": 3, "half": 3, "crumb": 2, "short": 1}
    lengths = {track: soundfile.info(str(path)).duration for track, path in tracks.paths().items()}
    assert lengths["rest#2"] == pytest.approx(1.2)
    assert lengths["half#2"] == pytest.approx(1.0)
    assert lengths["short#0"] == pytest.approx(1.5)
    assert set(lengths.values()) == {1.0, 1.2, 1.5, 2.0}


def test_pieces_are_mono_flac_files_of_16_bits_in_the_cache_with_their_own_digests(manifest: Path) -> None:
    tracks = load(manifest)
    for track, path in tracks.paths().items():
        info = soundfile.info(str(path))
        assert (info.format, info.subtype, info.channels) == ("FLAC", "PCM_16", 1)
        assert path.is_relative_to(manifest.parent / "cache" / "pieces")
        assert tracks.table["sha256"][track] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert tracks.table["sha256"].is_unique


def test_the_rows_of_pieces_keep_what_is_known_of_the_song(manifest: Path) -> None:
    songs, tracks = load(manifest, piece_seconds=None), load(manifest)
    assert tracks.ids[:5] == ["even#0", "even#1", "even#2", "rest#0", "rest#1"]
    assert (tracks.corpus, tracks.piece_seconds, songs.piece_seconds) == (songs.corpus, 2.0, None)
    assert "seconds" not in tracks.table
    for track, row in tracks.table.iterrows():
        song = songs.table.loc[row["song"]]
        assert str(track).startswith(f"{row['song']}#")
        assert all(row[column] == song[column] for column in ("genre", "artist", "title", "lyrics", "mood"))
        assert row["song_sha256"] == song["sha256"]


def test_tracks_that_are_parts_of_a_song_themselves_keep_its_name(
    tmp_path: Path, write_tone: Callable[..., Path]
) -> None:
    rows: list[dict[str, Any]] = []
    for number in range(3):
        write_tone(tmp_path / f"{number}.wav", seconds=4, level=0.1 + 0.1 * number)
        rows.append(
            {"track_id": str(number), "genre": "jazz", "audio": f"{number}.wav"} | ({"song": "long"} if number else {})
        )
    assert counts(load(write_table(tmp_path, rows))) == {"long": 4, "0": 2}


def test_channels_are_mixed_and_loud_sums_are_clipped(tmp_path: Path) -> None:
    rows = []
    for number in range(2):
        stereo = noise(2, number, channels=2) / np.float32(20000)  # beyond full scale here and there
        soundfile.write(tmp_path / f"{number}.wav", stereo, RATE, subtype="FLOAT")
        rows.append({"track_id": str(number), "genre": "jazz", "audio": f"{number}.wav"})
    tracks = load(write_table(tmp_path, rows))
    for number, path in enumerate(tracks.paths().values()):
        mixed = (noise(2, number, channels=2) / np.float32(20000)).mean(axis=1, dtype=np.float32)
        samples, _ = soundfile.read(path, dtype="float32")
        np.testing.assert_allclose(samples, np.clip(mixed, -1, 32767 / 32768), atol=0.51 / 32768)


def test_only_the_first_max_seconds_are_cut(manifest: Path) -> None:
    assert counts(load(manifest)) == {"even": 3, "rest": 3, "half": 3, "crumb": 2, "short": 1}
    tracks = load(manifest, max_seconds=3.0)
    assert counts(tracks) == {"even": 2, "rest": 2, "half": 2, "crumb": 2, "short": 1}
    assert soundfile.info(tracks.table["audio"]["even#1"]).duration == 1.0
    assert soundfile.info(load(manifest).table["audio"]["even#1"]).duration == 2.0


def test_the_second_time_nothing_is_written_and_the_pieces_are_the_same(manifest: Path) -> None:
    first, before = load(manifest), files(manifest)
    second = load(manifest)
    assert files(manifest) == before
    assert second.digest == first.digest
    assert list(second.table["audio"]) == list(first.table["audio"])


def test_pieces_that_did_not_change_are_not_read_again(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(manifest)
    for path in manifest.parent.rglob("*.*"):
        os.utime(path, ns=(0, path.stat().st_mtime_ns - 86400 * 10**9))  # of new files nothing is remembered
    first = load(manifest)
    monkeypatch.setattr("genrefusion.data.digests.digest_audio", None)
    assert load(manifest).digest == first.digest


@pytest.mark.parametrize("damage", ["cut", "gone", "other", "list cut", "list empty", "list of nonsense"])
def test_a_damaged_piece_is_made_again(manifest: Path, damage: str) -> None:
    tracks = load(manifest)
    piece = Path(tracks.table["audio"]["even#1"])
    content, record = piece.read_bytes(), piece.with_name("pieces.json")
    if damage == "gone":
        piece.unlink()
    elif damage in ("cut", "other"):
        piece.write_bytes(content[:-100] if damage == "cut" else Path(tracks.table["audio"]["even#0"]).read_bytes())
    else:
        record.write_text({"list cut": record.read_text()[:70], "list empty": "[]", "list of nonsense": "7"}[damage])
    again = load(manifest)
    assert piece.read_bytes() == content
    assert again.digest == tracks.digest


def test_songs_of_the_same_bytes_share_their_pieces(tmp_path: Path) -> None:
    rows = [{"track_id": name, "genre": "jazz", "audio": f"{name}.wav"} for name in ("one", "two")]
    for row in rows:
        soundfile.write(tmp_path / row["audio"], noise(4, 0), RATE, subtype="PCM_16")
    tracks = load(write_table(tmp_path, rows))
    assert tracks.ids == ["one#0", "one#1", "two#0", "two#1"]
    assert tracks.table["audio"]["one#1"] == tracks.table["audio"]["two#1"]


def test_a_piece_counts_as_its_song_where_trained_tracks_are_looked_for(manifest: Path) -> None:
    songs, tracks = load(manifest, piece_seconds=None), load(manifest)
    assert set(tracks.content_digests()) == set(songs.content_digests())


def test_a_corpus_without_audio_is_refused(tmp_path: Path) -> None:
    manifest = write_table(tmp_path, [{"track_id": t, "genre": "jazz", "lyrics": "la"} for t in ("1", "2")])
    with pytest.raises(UserError, match=r"2 of 2 tracks of .* have no audio, which is needed here:\n  1\n  2"):
        load(manifest, sides=("audio", "lyrics"), on_error="skip")


def test_a_track_without_audio_is_refused_by_name_or_skipped(manifest: Path) -> None:
    with manifest.open("a") as file:
        file.write(json.dumps({"track_id": "words", "genre": "jazz", "lyrics": "la"}) + "\n")
    with pytest.raises(UserError, match=r"1 of 6 tracks of .* have no audio, which is needed here:\n  words"):
        load(manifest, sides=("audio", "lyrics"))
    tracks = load(manifest, sides=("audio", "lyrics"), on_error="skip")
    assert tracks.skipped == {"words": "no audio"}
    assert set(counts(tracks)) == set(LENGTHS)


def test_pieces_for_a_pipeline_that_reads_no_audio_are_refused(manifest: Path) -> None:
    with pytest.raises(UserError, match=r"data.piece_seconds=2: cuts audio, which is not read here.*Leave it out"):
        load(manifest, sides=("lyrics",))


@pytest.mark.parametrize(("piece_seconds", "least"), [(0.1, 0.5), (1.5, 2), (700, 2)])
def test_an_impossible_length_is_refused(piece_seconds: float, least: float) -> None:
    with pytest.raises(
        UserError, match=rf"data.piece_seconds={piece_seconds:g} is out of range: from {least:g} to 600"
    ):
        FolderData(root="any", piece_seconds=piece_seconds, min_seconds=0.1 if least < 1 else least)


def test_the_length_of_the_pieces_and_the_protocol_are_part_of_a_runs_signature(
    tmp_path: Path, write_tone: Callable[..., Path]
) -> None:
    for number in range(12):
        folder = tmp_path / "songs" / ("jazz", "rock")[number % 2]
        write_tone(folder / f"{number}.wav", seconds=6, level=0.1 + 0.05 * number)

    def sign(piece_seconds: float | None, **split: Any) -> str:
        data = FolderData(root=str(tmp_path / "songs"), piece_seconds=piece_seconds)
        tracks = load_usable(data, ["audio"], cache=tmp_path / "cache", workers=1, terminal=Terminal(quiet=True))
        config = compose_train("experiment=xgboost_97", "data=folder", f"data.root={tmp_path}")
        return signature(config, tracks, split_tracks(tracks, SplitSettings(kind="kfold", **split), seed=0))

    leaking = {"by_artist": False, "by_song": False}
    assert len({sign(None), sign(2), sign(3), sign(2, **leaking)}) == 4
    assert sign(2) == sign(2)


def test_the_setting_is_kept_with_a_run() -> None:
    assert asdict(compose_train("data.piece_seconds=12"))["data"]["piece_seconds"] == 12.0
