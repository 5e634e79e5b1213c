from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import shared
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import inspect_sound
from genrefusion.data.gtzan import GENRES, fault_filtered_split, load_gtzan, read_artist_index
from genrefusion.settings.data import GtzanData

CLIPS = ("blues/blues.00000", "blues/blues.00012", "jazz/jazz.00000", "jazz/jazz.00029")

INDEX = """\
## Bob L. Sturm, 2012
## ## ## ##

blues.00000.wav ::: John Lee Hooker ::: One Bourbon: One Scotch
blues.00012.wav ::: ::: ?
jazz.00000.wav ::: Ella & Louis ::: -
jazz.00029.wav ::: Étude
"""

WriteTone = Callable[..., Path]


def write_corpus(root: Path, write_tone: WriteTone, *, ending: str = "wav") -> Path:
    for clip in CLIPS:
        write_tone(root / f"{clip}.{ending}")
    return root


@pytest.mark.parametrize("layout", ["genres_original", "genres", "."])
@pytest.mark.parametrize("ending", ["wav", "au"])
def test_each_layout_of_the_corpus_is_found(tmp_path: Path, write_tone: WriteTone, layout: str, ending: str) -> None:
    write_corpus(tmp_path / layout, write_tone, ending=ending)
    tracks = load_gtzan(tmp_path)
    assert tracks.ids == ["blues.00000", "blues.00012", "jazz.00000", "jazz.00029"]
    assert tracks.table["genre"].tolist() == ["blues", "blues", "jazz", "jazz"]
    assert all(path.is_file() and path.is_absolute() for path in tracks.paths().values())


def test_other_folders_and_files_are_passed_over(tmp_path: Path, write_tone: WriteTone) -> None:
    root = write_corpus(tmp_path / "genres_original", write_tone)
    for name in ("jazz/notes.wav", "images/blues.00001.wav", "polka/polka.00000.wav"):
        write_tone(root / name)
    (root / "jazz" / "jazz.00001.png").touch()
    assert len(load_gtzan(tmp_path)) == len(CLIPS)


def test_of_a_clip_in_both_formats_the_wav_is_taken_and_the_other_named(
    tmp_path: Path, write_tone: WriteTone, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corpus(tmp_path, write_tone, ending="au")
    write_tone(tmp_path / "jazz" / "jazz.00000.WAV")
    tracks = load_gtzan(tmp_path, terminal=Terminal())
    assert len(tracks) == len(CLIPS)
    assert tracks.paths()["jazz.00000"].name == "jazz.00000.WAV"
    assert capsys.readouterr().out == "left out jazz/jazz.00000.au   beside the .wav of the same clip, which is taken\n"


def test_the_fault_filtered_split_has_its_published_sizes() -> None:
    assert Counter(fault_filtered_split().values()) == {"train": 443, "val": 197, "test": 290}


def test_clips_carry_their_part_of_the_fault_filtered_split(tmp_path: Path, write_tone: WriteTone) -> None:
    write_tone(tmp_path / "jazz" / "jazz.00042.wav")  # on no list
    tracks = load_gtzan(write_corpus(tmp_path, write_tone))
    assert tracks.table["split"].to_dict() == {
        "blues.00000": "val",
        "blues.00012": "test",
        "jazz.00000": "train",
        "jazz.00029": "val",
        "jazz.00042": None,
    }


def test_the_fault_filtered_split_is_the_published_one() -> None:
    lists = {"train": "train_filtered.txt", "val": "valid_filtered.txt", "test": "test_filtered.txt"}
    published = {
        Path(line.strip()).stem: part
        for part, name in lists.items()
        for line in shared(f"gtzan_meta/{name}").read_text().splitlines()
        if line.strip()
    }
    assert fault_filtered_split() == published


def test_the_artist_index_is_read(tmp_path: Path) -> None:
    (tmp_path / "index.txt").write_text(INDEX, encoding="utf-8")
    assert read_artist_index(tmp_path / "index.txt") == {
        "blues.00000": ("John Lee Hooker", "One Bourbon: One Scotch"),
        "blues.00012": (None, None),
        "jazz.00000": ("Ella & Louis", None),
        "jazz.00029": ("Étude", None),
    }


def test_artists_and_titles_come_from_the_index(tmp_path: Path, write_tone: WriteTone) -> None:
    (tmp_path / "index.txt").write_text(INDEX, encoding="utf-8")
    tracks = load_gtzan(write_corpus(tmp_path, write_tone), artist_index=tmp_path / "index.txt")
    assert tracks.table["artist"].tolist() == ["John Lee Hooker", None, "Ella & Louis", "Étude"]
    assert tracks.table["title"].tolist() == ["One Bourbon: One Scotch", None, None, None]


def test_a_file_that_is_no_index_is_named_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / "index.txt").write_text(INDEX + "jazz.00041.wav, Ann\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"not an artist index .*\n  line 8: jazz.00041.wav, Ann"):
        read_artist_index(tmp_path / "index.txt")


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.artist_index=.*index.txt: no such file. It is Sturm's GTZANindex.txt"):
        read_artist_index(tmp_path / "index.txt")


@pytest.mark.parametrize("root", [".", "nowhere"])
def test_a_folder_without_clips_is_refused_with_the_layout(tmp_path: Path, root: str) -> None:
    with pytest.raises(UserError, match=r"no GTZAN clips. It must hold genres_original/<genre>/<genre>.00000.wav"):
        load_gtzan(tmp_path / root)


def test_a_missing_root_is_refused() -> None:
    with pytest.raises(UserError, match=r"data=gtzan needs data.root"):
        GtzanData()


def test_the_real_clips_are_found_and_can_be_read() -> None:
    tracks = load_gtzan(shared("gtzan_mini"))
    assert tracks.table["genre"].value_counts().to_dict() == dict.fromkeys(GENRES, 10)
    assert [problem for path in tracks.paths().values() if (problem := inspect_sound(path)[0])] == []


def test_the_real_index_names_a_thousand_clips() -> None:
    index = read_artist_index(shared("gtzan_meta/GTZANindex.txt"))
    assert Counter(clip.split(".")[0] for clip in index) == dict.fromkeys(GENRES, 100)
    assert index["blues.00000"] == ("John Lee Hooker", "One Bourbon, One Scotch And One Beer")


def test_the_fault_filtered_split_keeps_the_artists_of_the_index_apart() -> None:
    index = read_artist_index(shared("gtzan_meta/GTZANindex.txt"))
    sides: dict[str, set[str]] = {}
    for clip, part in fault_filtered_split().items():
        if (artist := index[clip][0]) is not None:
            sides.setdefault(artist, set()).add(part)
    assert {artist for artist, found in sides.items() if len(found) > 1} == set()
