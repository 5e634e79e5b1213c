"""What goes in and what comes out: corpora and tables with something wrong in them, from the command to the message.

Every case of `FILES` is refused by ``train`` with the file, the reason and the cure, and listed by
``corpus action=validate``, which tells the rest all the same; every case of `TABLES` is refused by name. Those of `FINE`
look bad and are not. Elsewhere: each kind of damage in every format in ``data/test_audio.py``, rules of tables in
``data/test_tracks.py``, files that a build meets in ``commands/corpus/test_build.py``, lyrics with marks of all kinds in
``data/test_lyrics.py``, wrong settings in ``test_cli.py``.
"""

from __future__ import annotations

import json
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genrefusion import cli
from genrefusion.data.audio import load_audio

RATE = 8000
Row = dict[str, str]
Call = Callable[..., tuple[int, str, str]]


def noise(seconds: float = 2.0, seed: int = 0, channels: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * RATE), channels))


def save(path: Path, samples: np.ndarray, **settings: str) -> bytearray:
    """Write a song, and give its bytes to spoil."""
    soundfile.write(path, samples, RATE, **settings)
    return bytearray(path.read_bytes())


def claim(path: Path, size: int) -> None:
    """Change the size that the header of a WAV file promises."""
    content = save(path, noise(seed=99))
    place = content.index(b"data") + 4
    content[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    content = save(path, noise(8, seed=99))
    path.write_bytes(content[: len(content) // 2])


def untold_length(path: Path) -> None:
    """Take the number of samples out of the header of a FLAC file, as programs leave it that write to a pipe."""
    content = save(path, noise(seed=99))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)


def not_a_number(value: float) -> Callable[[Path], None]:
    samples = noise(seed=99)
    samples[100] = value
    return lambda path: soundfile.write(path, samples, RATE, subtype="FLOAT")


def without_permission(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    save(path, noise(seed=99))
    path.chmod(0)


def files_left() -> list[Path]:
    return [path for path in Path().rglob("*") if path.is_file()]


FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "zero bytes": ("bad.mp3", Path.touch, "empty"),
    "text named .mp3": ("bad.mp3", lambda p: p.write_text("Not found"), 'not an audio file (starts with "Not foun")'),
    "a page named .wav": ("bad.wav", lambda p: p.write_text("<html>"), 'not an audio file (starts with "<html>")'),
    "a pickle named .wav": ("bad.wav", lambda p: p.write_bytes(b"\x80\x04cos\nsystem\n."), "not an audio file"),
    "MP3 cut off": ("bad.mp3", cut_off, " s of 8.0 s"),
    "FLAC cut off": ("bad.flac", cut_off, "cut off at "),
    "OGG cut off": ("bad.ogg", cut_off, "(it has no last page)"),
    "WAV cut off": ("bad.wav", cut_off, "cut off at 4.0 s of 8.0 s"),
    "WAV header claiming an hour": ("bad.wav", lambda p: claim(p, 2 * RATE * 3600), "cut off at 2.0 s of 3600.0 s"),
    "FLAC header without a length": ("bad.flac", untold_length, "its header does not tell its length: write it again"),
    "NaN samples": ("bad.wav", not_a_number(np.nan), "holds samples that are no numbers (NaN or infinite)"),
    "infinite samples": ("bad.wav", not_a_number(np.inf), "holds samples that are no numbers (NaN or infinite)"),
    "silence": ("bad.wav", lambda p: save(p, np.zeros(2 * RATE)), "silent"),
    "0.1 s": ("bad.wav", lambda p: save(p, noise(0.1)), "too short: 0.10 s (data.min_seconds is 1)"),
    "a folder": ("song.mp3", Path.mkdir, "a folder, not a file"),
    "no permission": ("bad.wav", without_permission, "no permission to read it"),
    "missing": ("bad.wav", lambda _: None, "missing"),
}
"""Name of a file, how it is made, and what is said of it."""


def rows(folder: Path) -> list[Row]:
    """Two genres of three whole songs."""
    found = []
    for number in range(6):
        save(folder / f"{number}.wav", noise(seed=number))
        found.append({"track_id": f"song {number}", "genre": ("jazz", "rock")[number % 2], "audio": f"{number}.wav"})
    return found


def write_table(folder: Path, found: list[Row]) -> str:
    path = folder / "tracks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return f"data.manifest={path}"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command in an empty folder: its exit code, and what it printed to both streams."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def run(command: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [command, *arguments, f"cache={tmp_path / 'cache'}", "workers=1"])
        code = 0
        try:
            getattr(cli, command)()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_used_is_refused_or_listed(case: str, call: Call, tmp_path: Path) -> None:
    name, make, message = FILES[case]
    make(tmp_path / name)
    table = write_table(tmp_path, [*rows(tmp_path), {"track_id": "the bad one", "genre": "jazz", "audio": name}])

    code, _, error = call("train", "experiment=xgboost_97", "data=manifest", table)
    assert code == 2
    assert name in error
    assert message in error
    assert "data.on_error=skip" in error
    assert not files_left(), "nothing is left behind"

    code, printed, _ = call("corpus", "action=validate", "data=manifest", table)
    assert code == 1
    [problem] = [line for line in printed.splitlines() if line.startswith("problem")]
    assert problem.startswith("problem  the bad one   ")
    assert name in problem
    assert message in problem
    assert "6 tracks can be used, 1 cannot" in printed
    assert "\nlength   0:12 in all" in printed, "the rest is told"


def a_table(name: str, content: str, encoding: str = "utf-8") -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content, encoding=encoding)


HEAD = "track_id,genre,audio\n"
SONGS = "".join(f"song {i},{('jazz', 'rock')[i % 2]},{i}.wav\n" for i in range(6))

TABLES: dict[str, tuple[str, Callable[[Path], object], list[str]]] = {
    "duplicate ids": (
        "t.csv",
        a_table("t.csv", HEAD + SONGS + "song 0,jazz,1.wav\n"),
        ["row 8  song 0  track_id is there twice", "data.on_error=skip"],
    ),
    "a broken line of JSON": (
        "t.jsonl",
        a_table("t.jsonl", '{"track_id": "1", "genre": "jazz"}\n{"track_id": "2", "genre": \n'),
        ["t.jsonl, line 2: not JSON"],
    ),
    "a song that is not there": (
        "t.csv",
        a_table("t.csv", HEAD + SONGS + "song 6,jazz,../gone.wav\n"),
        ["song 6", "../gone.wav", "Paths are relative to the table's folder", "data.on_error=skip"],
    ),
    "a picture": ("t.csv", lambda folder: (folder / "t.csv").write_bytes(b"\x89PNG\r\n\x1a\n"), ["t.csv: no text"]),
    "text without columns": ("t.csv", a_table("t.csv", "words\nand more\n"), ["no column track_id or genre"]),
}
"""Name of a table, how it is made, and what the message holds."""


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_breaks_a_rule_is_refused_by_name(case: str, call: Call, tmp_path: Path) -> None:
    name, make, messages = TABLES[case]
    rows(tmp_path)
    make(tmp_path)
    code, _, error = call("train", "experiment=xgboost_97", "data=manifest", f"data.manifest={tmp_path / name}")
    assert code == 2
    for message in [name, *messages]:
        assert message in error
    assert "Traceback" not in error
    assert not files_left(), "nothing is left behind"


def test_yaml_that_would_run_code_is_refused_and_does_not_run(call: Call, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"synonyms:\n  rock: !!python/object/apply:os.system ['touch {ran}']\n")
    rows(tmp_path)
    build = ["action=build", f"source={tmp_path}", "out=made"]
    code, _, error = call("corpus", *build, "genres=file", f"genres.path={mine}")
    assert code == 2
    assert f"{mine}, line 2: not plain YAML (could not determine a constructor for the tag" in error
    assert not ran.exists()
    assert not files_left(), "nothing is left behind"


def long_wav(path: Path, hours: int = 3) -> None:
    """Two seconds of noise, and hours of zeros that take no room on the disk."""
    content = save(path, noise(seed=99))
    place, size = content.index(b"data") + 4, 2 * RATE * 3600 * hours
    content[4:8] = (size + place - 4).to_bytes(4, "little")
    content[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)
    os.truncate(path, size + place + 4)


FINE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "WAV header claiming 4 GB": ("fine.wav", lambda p: claim(p, 0xFFFFFFFF)),
    "8 channels": ("fine.wav", lambda p: save(p, noise(seed=99, channels=8))),
    "3 hours": ("fine.wav", long_wav),
    "quotes in the name": ('it\'s "live" `x`.wav', lambda p: save(p, noise(seed=99))),
    "a line end in the name": ("two\nlines.wav", lambda p: save(p, noise(seed=99))),
    "Unicode in the name": ("Étude № 3 – 夜曲 🎹.wav", lambda p: save(p, noise(seed=99))),
    "brackets of markup in the name": ("[red] [bold] a.wav", lambda p: save(p, noise(seed=99))),
    "../ in the path": ("../fine.wav", lambda p: save(p, noise(seed=99))),
}
"""Name of a file that can be used, and how it is made."""


@pytest.mark.parametrize("case", FINE)
def test_a_file_that_only_looks_bad_is_used(case: str, call: Call, tmp_path: Path) -> None:
    name, make = FINE[case]
    folder = tmp_path / "corpus"
    folder.mkdir()
    make(folder / name)
    table = write_table(folder, [*rows(folder), {"track_id": name, "genre": "jazz", "audio": name}])
    code, printed, _ = call("corpus", "action=validate", "data=manifest", table)
    assert code == 0
    assert "7 tracks can be used, 0 cannot; problems: 0" in printed


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_table_as_a_spreadsheet_saves_it_is_used(separator: str, call: Call, tmp_path: Path) -> None:
    rows(tmp_path)
    content = (HEAD + SONGS).replace(",", separator).replace("\n", "\r\n")
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + content.encode())
    code, printed, _ = call("corpus", "action=validate", "data=manifest", f"data.manifest={tmp_path / 't.csv'}")
    assert code == 0
    assert "6 tracks can be used, 0 cannot; problems: 0" in printed


def test_of_three_hours_only_the_beginning_is_decoded_and_memory_stays_flat(tmp_path: Path) -> None:
    long_wav(tmp_path / "long.wav")
    tracemalloc.start()
    audio = load_audio(tmp_path / "long.wav", max_seconds=600)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(audio) == 600 * RATE
    assert peak < 3 * audio.nbytes < 4 * 3 * 3600 * RATE / 5


def test_lyrics_with_markup_count_as_the_words_that_are_sung(call: Call, tmp_path: Path) -> None:
    songs = rows(tmp_path)
    songs[0]["lyrics"] = "[Chorus] {x2}\n[00:12.00]la [bold red]la[/] la\n[ar:Ann]"
    code, printed, _ = call("corpus", "action=describe", "data=manifest", write_table(tmp_path, songs))
    assert code == 0
    assert "lyrics   of 1 of 6 tracks (17%), 3 words in the median" in printed


def test_one_bad_file_of_each_kind_at_once_takes_nothing_from_the_others(call: Call, tmp_path: Path) -> None:
    found = rows(tmp_path)
    for number, (case, (name, make, _)) in enumerate(FILES.items()):
        if case in ("a folder", "no permission", "missing"):
            continue
        make(tmp_path / f"{number}-{name}")
        found.append({"track_id": case, "genre": "jazz", "audio": f"{number}-{name}"})
    code, printed, _ = call("corpus", "action=validate", "data=manifest", write_table(tmp_path, found))
    assert code == 1
    assert "6 tracks can be used, 14 cannot" in printed
    assert printed.count("\nproblem ") == 14


ESCAPE = "\x1b[31m"


@pytest.mark.usefixtures("unrendered")
def test_names_cannot_steer_the_terminal(call: Call, tmp_path: Path) -> None:
    found = rows(tmp_path)
    for number, row in enumerate(found):
        row |= {"track_id": f"{number}{ESCAPE}\n\u202ered", "artist": f"{ESCAPE}{number}", "title": "\x07\x9b1m"}
    found[5]["audio"] = f"{ESCAPE}gone.wav"
    table = write_table(tmp_path, found)
    said = [call("corpus", "action=validate", "data=manifest", table)]
    said.append(call("train", "experiment=xgboost_97", "data=manifest", table))
    found[5]["audio"] = "bad.wav"
    (tmp_path / "bad.wav").touch()
    write_table(tmp_path, found)
    words = ["experiment=xgboost_97", "data=manifest", table, "pipeline.rounds=2", "split.val_fraction=0.2"]
    said.append(call("train", *words))
    said.append(call("train", *words, "data.on_error=skip", "split.test_fraction=0.4"))
    logs = [path.read_text() for path in Path().rglob("run.log")]
    for text in [*logs, *(text for _, out, error in said for text in (out, error))]:
        assert not set("\x1b\x07\x9b\u202e") & set(text)
        assert "\nred" not in text
    assert "5\\x1b[31m\\n\\u202ered" in said[1][2]
    assert "5\\x1b[31m\\n\\u202ered   empty" in said[3][1], "among those that were skipped"


@pytest.mark.parametrize("genre", [f"ja{ESCAPE}zz", "\u202ezzaj", "ja\x00zz"])
def test_a_genre_that_would_is_refused(genre: str, call: Call, tmp_path: Path) -> None:
    found = [row | {"genre": genre} if row["genre"] == "jazz" else row for row in rows(tmp_path)]
    code, _, error = call("train", "experiment=xgboost_97", "data=manifest", write_table(tmp_path, found))
    assert code == 2
    assert "song 0  genre has characters that are not shown" in error
    assert repr(genre) in error
    assert not set("\x1b\u202e\x00") & set(error)


def test_a_folder_that_is_called_so_is_refused_as_a_genre(call: Call, tmp_path: Path) -> None:
    for genre in ("rock", f"ja{ESCAPE}zz"):
        for number in range(2):
            (tmp_path / "songs" / genre).mkdir(parents=True, exist_ok=True)
            save(tmp_path / "songs" / genre / f"{number}.wav", noise(seed=number))
    code, _, error = call("train", "experiment=xgboost_97", "data=folder", f"data.root={tmp_path / 'songs'}")
    assert code == 2
    assert "genre has characters that are not shown" in error
    assert ESCAPE not in error
