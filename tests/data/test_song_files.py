from __future__ import annotations

import os
from pathlib import Path

import pytest

from genrefusion.data import formats
from genrefusion.data.song_files import find_songs, grouped, songs_at, track_ids


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path) -> tuple[list[str], dict[str, str]]:
    """Songs and what was left out, by their paths below a folder."""
    songs = find_songs(root)
    reasons = {str(one.path.relative_to(root)): one.problem for one in songs.left_out}
    return [str(path.relative_to(root)) for path in songs.songs], reasons


def test_songs_are_found_by_their_endings_in_any_case_and_sorted(tmp_path: Path) -> None:
    make(tmp_path, "b/2.MP3", "b/1.opus", "a b/x.Wav", "a/deep/er/y.flac", "cover.jpg", "notes.txt")
    assert found(tmp_path) == (["a/deep/er/y.flac", "a b/x.Wav", "b/1.opus", "b/2.MP3"], {})


def test_companions_of_macos_and_hidden_files_are_no_songs(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "._a.wav", ".hidden/b.wav", "__MACOSX/rock/._a.wav", "__MACOSX/c.wav", "rock/.c.wav")
    assert found(tmp_path) == (["a.wav"], {})


def test_a_pattern_means_no_hidden_files_but_those_that_it_names(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", ".hidden/b.wav", "rock/@eaDir/c.wav", "rock/._d.wav", "rock/e.wav")

    def meant(pattern: str) -> list[str]:
        return [str(song.relative_to(tmp_path)) for song in songs_at(str(tmp_path / pattern)).songs]

    assert meant("**/*.wav") == ["a.wav", "rock/e.wav"]
    assert meant(".hidden/*.wav") == [".hidden/b.wav"]


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/album/1.wav", "elsewhere/2.wav")
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "album").symlink_to(tmp_path / "elsewhere" / "album")
    (tmp_path / "songs" / "two.wav").symlink_to("../elsewhere/2.wav")
    assert found(tmp_path / "songs") == (["album/1.wav", "two.wav"], {})


def test_a_folder_is_read_once_and_where_no_link_leads(tmp_path: Path) -> None:
    make(tmp_path, "rock/1.wav")
    (tmp_path / "best").symlink_to("rock")  # comes first by its name
    assert found(tmp_path) == (["rock/1.wav"], {"best": "in folders that are read already (as rock)"})


@pytest.mark.parametrize(("target", "named"), [(".", "rock"), ("..", "the whole folder")])
def test_links_in_a_circle_end_and_are_named(tmp_path: Path, target: str, named: str) -> None:
    make(tmp_path, "rock/1.wav")
    (tmp_path / "rock" / "round").symlink_to(target)
    assert found(tmp_path) == (
        ["rock/1.wav"],
        {"rock/round": f"behind links in a circle (to {named}, in which it lies)"},
    )


def test_what_cannot_be_a_song_is_named(tmp_path: Path) -> None:
    make(tmp_path, "1.wav", "song.mid", "folder.mp3/2.wav")
    (tmp_path / "gone.mp3").symlink_to("nowhere")
    (tmp_path / "self.mp3").symlink_to("self.mp3")
    os.mkfifo(tmp_path / "pipe.wav")
    songs, reasons = found(tmp_path)
    assert songs == ["1.wav", "folder.mp3/2.wav"]
    assert reasons == {
        "folder.mp3": "a folder, not a file",
        "gone.mp3": "behind links that lead nowhere",
        "pipe.wav": "a pipe or a device, not a file",
        "self.mp3": "that cannot be opened (Too many levels of symbolic links)",
        "song.mid": "of a format that is not read (.mid): convert them",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    make(tmp_path, "1.wav", "closed/2.wav")
    (tmp_path / "closed").chmod(0)
    assert found(tmp_path)[1] == {"closed": "in folders that cannot be read (Permission denied)"}
    (tmp_path / "closed").chmod(0o700)


def test_formats_of_the_extra_are_songs_with_it_and_are_left_out_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "1.m4a", "2.wma", "3.wav")
    monkeypatch.setattr(formats, "has_ffmpeg", lambda: True)
    assert found(tmp_path) == (["1.m4a", "2.wma", "3.wav"], {})
    monkeypatch.setattr(formats, "has_ffmpeg", lambda: False)
    songs, reasons = found(tmp_path)
    assert songs == ["3.wav"]
    assert reasons["1.m4a"] == "of a format that needs an extra (.m4a): pip install 'genrefusion[ffmpeg]'"


def test_many_files_of_one_reason_are_told_on_one_line() -> None:
    reasons = dict.fromkeys(("a", "b", "c", "d"), "silent") | {"e": "empty"}
    assert grouped(reasons) == ["a, b, c, … (4 in all)   silent", "e   empty"]


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["rock/1.mp3", "rock/2.x.mp3", "pop/1.mp3"], ["rock/1", "rock/2.x", "pop/1"]),
        (["x.mp3", "x.wav"], ["x.mp3", "x.wav"]),
        (["x.mp3", "x.mp3.flac"], ["x", "x.mp3"]),
        (["x.mp3.flac.ogg", "x.mp3", "x.wav", "x.mp3.flac"], ["x.mp3.flac.ogg", "x.mp3", "x.wav", "x.mp3.flac"]),
        (["x.mp3", "x.mp3.flac", "x.mp3.wav"], ["x", "x.mp3.flac", "x.mp3.wav"]),
    ],
)
def test_an_id_is_a_path_without_its_ending_unless_that_is_anothers(names: list[str], ids: list[str]) -> None:
    assert track_ids(names) == ids
