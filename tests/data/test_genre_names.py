from __future__ import annotations

from pathlib import Path

import pytest

from genrefusion.core.errors import UserError
from genrefusion.data.genre_names import GenreMap, read_genre_map
from genrefusion.data.names import plain
from genrefusion.settings.composing import configs_directory
from genrefusion.settings.data import GenreNames

TEN = "blues classical country disco hiphop jazz metal pop reggae rock".split()
GTZAN = read_genre_map(GenreNames(name="file", path=str(configs_directory() / "genres" / "gtzan10.yaml")))


def test_the_ten_genres_of_gtzan_mean_themselves() -> None:
    assert [GTZAN.find(genre) for genre in TEN] == TEN


@pytest.mark.parametrize(
    ("name", "genre"),
    [
        ("Hip-Hop", "hiphop"),
        ("HIP HOP", "hiphop"),
        ("Rap/Hip Hop", "hiphop"),
        ("Rap & Hip-Hop", "hiphop"),
        ("Rock'n'Roll", "rock"),
        ("Heavy  Metal.", "metal"),
        ("Delta_Blues", "blues"),
        ("polka", None),
        ("Rock; Blues", "rock"),
        ("Polka; Blues; Rock", "blues"),
        ("Soul, Hip-Hop", "hiphop"),
        ("World/Jazz", "jazz"),
        ("Soul; Hip-Hop/Rap, Jazz", "hiphop"),
        ("Soul\0Jazz", "jazz"),
        ("World|Reggae", "reggae"),
        ("歌謡曲／ジャズ、Jazz", "jazz"),
        ("Rhythm & Blues", None),
        ("R&B/Soul", None),
        ("Singer/Songwriter", None),
        (" ; /", None),
        ("", None),
        (None, None),
    ],
)
def test_a_name_is_found_whatever_its_case_and_punctuation(name: str | None, genre: str | None) -> None:
    assert GTZAN.find(name) == genre


def test_without_synonyms_names_are_taken_as_they_are() -> None:
    assert GenreMap(None).find("Hip-Hop/Rap") == "Hip-Hop/Rap"
    assert GenreMap(None).find("Soul; Jazz") == "Soul"
    assert GenreMap(None).find("fold") is None, "tables of predictions use it"


def test_names_of_every_script_and_of_signs_alone_are_told_apart() -> None:
    assert plain("演歌") != plain("民謡")
    assert plain("ｒｏｃｋ") == "rock"
    assert plain("♥") != plain("★")


def test_the_name_of_a_folder_is_looked_up_whole() -> None:
    assert GTZAN.find_one("Pop, Iggy") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"rock: [grunge]", "needs 'synonyms:' and below it lines such as"),
        (b"", "needs 'synonyms:'"),
        (b"synonyms: {rock: grunge}", "the synonyms of 'rock' are no list of names"),
        (b"synonyms: {rock: [no]}", "put names that YAML takes for something else"),
        (b"synonyms: {rock: [grunge], pop: [Grunge!]}", "'Grunge!' belongs to rock and to pop. Leave it in one of"),
        (b"synonyms: {rock: [a], rock: [b]}", "not plain YAML"),
        (b"synonyms: {fold: [a]}", "no genre can be called 'fold'"),
        (b"synonyms:\n\t rock: [a", "line 2: not plain YAML"),
        (b"synonyms: {caf\xe9: [a]}", "cannot be read"),
    ],
)
def test_a_file_that_is_no_list_of_synonyms_is_refused_with_the_cure(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_genre_map(GenreNames(name="file", path=str(tmp_path / "mine.yaml")))
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"genres.path=.*mine.yaml: no such file"):
        read_genre_map(GenreNames(name="file", path=str(tmp_path / "mine.yaml")))
    with pytest.raises(UserError, match=r"genres=file needs genres.path"):
        GenreNames(name="file")
