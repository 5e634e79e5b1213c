from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
from mutagen.id3 import APIC, ID3

from conftest import shared
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import (
    AudioError,
    audio_problem,
    decode,
    decoded_once,
    digest_audio,
    header_seconds,
    inspect_sound,
    load_audio,
    samples_in,
    sha256_of,
    usable_sound,
)
from genrefusion.data.checks import inspect_files
from genrefusion.settings.data import DataSettings

RATE = 22050
EXACT = {"wav": "WAV", "au": "AU", "flac": "FLAC", "aiff": "AIFF"}
LOSSY = {"ogg": "OGG", "mp3": "MP3"}
RARER = {"aifc": "AIFF", "w64": "W64", "caf": "CAF", "rf64": "RF64", "snd": "AU", "oga": "OGG", "opus": "OGG"}
FFMPEG = {  # container, codec, bits a second
    "m4a": ("ipod", "aac", 128_000),
    "m4b": ("ipod", "alac", None),
    "mp4": ("mp4", "aac", 128_000),
    "aac": ("adts", "aac", 128_000),
    "wma": ("asf", "wmav2", 128_000),
    "mka": ("matroska", "flac", None),
    "webm": ("webm", "libopus", 128_000),
    "wv": ("wv", "wavpack", None),
    "tta": ("tta", "tta", None),
}
FORMATS = EXACT | LOSSY

WriteTone = Callable[..., Path]


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    """6 s of a tone in noise, so that a lossy encoder has something to keep."""
    time = np.arange(6 * RATE) / RATE
    noise = np.random.default_rng(0).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * 440 * time) + 0.05 * noise).astype(np.float32)


def write(folder: Path, song: np.ndarray, ending: str) -> Path:
    path = folder / f"song.{ending}"
    soundfile.write(path, song, RATE, format=FORMATS[ending])
    return path


def write_with_ffmpeg(path: Path, samples: np.ndarray, rate: int, ending: str) -> Path:
    """Encode samples, shape (samples, channels), as files with this ending are."""
    av = pytest.importorskip("av")
    container, codec, bits = FFMPEG[ending]
    layout = ("mono", "stereo")[samples.shape[1] - 1]
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        if bits:
            stream.bit_rate = bits
        stream.codec_context.open()
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=size)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T, np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            file.mux(stream.encode(part))
    return path


def cut(path: Path, share: float) -> Path:
    """Keep the first part of a file's bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


def strongest_frequency(audio: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(audio * scipy.signal.get_window("hann", len(audio))))
    return float(spectrum.argmax() * rate / len(audio))


@pytest.mark.parametrize("ending", EXACT)
def test_a_lossless_format_decodes_to_what_was_written(tmp_path: Path, song: np.ndarray, ending: str) -> None:
    audio = load_audio(write(tmp_path, song, ending))
    assert audio.dtype == np.float32
    np.testing.assert_allclose(audio, song, atol=1 / 32768)


@pytest.mark.parametrize("ending", LOSSY)
def test_a_lossy_format_decodes_to_the_same_length_and_tone(tmp_path: Path, song: np.ndarray, ending: str) -> None:
    audio = load_audio(write(tmp_path, song, ending))
    assert abs(len(audio) - len(song)) < 0.1 * RATE
    assert strongest_frequency(audio, RATE) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_whole_file_has_no_problem(tmp_path: Path, song: np.ndarray, ending: str) -> None:
    assert audio_problem(write(tmp_path, song, ending)) == ""


@pytest.mark.parametrize("channels", [2, 8])
def test_channels_are_mixed_to_their_mean(tmp_path: Path, channels: int) -> None:
    samples = np.random.default_rng(channels).uniform(-0.9, 0.9, (RATE, channels))
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), samples.mean(axis=1), atol=1e-6)


def test_a_song_longer_than_a_block_decodes_to_what_was_written(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, 300_001).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav"), samples)


@pytest.mark.parametrize(("rate", "target"), [(44100, 12000), (22050, 12000), (8000, 22050), (48000, 16000)])
def test_resampling_keeps_duration_and_pitch(write_tone: WriteTone, tmp_path: Path, rate: int, target: int) -> None:
    audio = load_audio(write_tone(tmp_path / "a.wav", rate=rate), sample_rate=target)
    assert audio.dtype == np.float32
    assert abs(len(audio) - 2 * target) <= 1
    assert strongest_frequency(audio, target) == pytest.approx(440, abs=1)


def test_resampling_agrees_with_a_polyphase_filter_of_scipy(write_tone: WriteTone, tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", rate=48000)
    expected = scipy.signal.resample_poly(load_audio(path), 1, 4)
    middle = slice(1000, -1000)
    np.testing.assert_allclose(load_audio(path, sample_rate=12000)[middle], expected[middle], atol=1e-3)


def test_resampling_lets_nothing_fold_back(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 9000 * np.arange(44100) / 44100)
    soundfile.write(tmp_path / "a.wav", tone, 44100)
    assert np.abs(load_audio(tmp_path / "a.wav", sample_rate=12000)[500:-500]).max() < 1e-4


@pytest.mark.parametrize(
    ("samples", "rate", "target"),
    [
        pytest.param(262_143, 32_000, 16_000, id="a half"),
        pytest.param(30_027, 96_000, 16_000, id="a half of other rates"),
        (44_101, 44_100, 16_000),
        (50_000, 48_000, 22_050),
    ],
)
def test_the_seconds_of_a_file_tell_how_many_samples_it_has_at_another_rate(
    tmp_path: Path, samples: int, rate: int, target: int
) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(samples, 0.1), rate)
    seconds = usable_sound(tmp_path / "a.wav", min_seconds=0.1).seconds
    assert samples_in(seconds, target) == len(load_audio(tmp_path / "a.wav", sample_rate=target))


def test_the_own_rate_resamples_nothing(write_tone: WriteTone, tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav")
    np.testing.assert_array_equal(load_audio(path, sample_rate=RATE), load_audio(path))


@pytest.mark.parametrize("ending", FORMATS)
def test_only_the_beginning_of_a_longer_file_is_decoded(tmp_path: Path, song: np.ndarray, ending: str) -> None:
    path = write(tmp_path, song, ending)
    whole = load_audio(path)
    np.testing.assert_array_equal(load_audio(path, max_seconds=1.5), whole[: int(1.5 * RATE)])


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_was_cut_off_says_where(tmp_path: Path, song: np.ndarray, ending: str) -> None:
    problem = audio_problem(cut(write(tmp_path, song, ending), 0.5))
    assert problem.startswith("cut off at ")
    assert float(problem.split()[3]) == pytest.approx(3, abs=1.1)  # an Ogg page holds a second of this song


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3"])
def test_a_file_that_was_cut_off_says_its_whole_length(tmp_path: Path, song: np.ndarray, ending: str) -> None:
    assert audio_problem(cut(write(tmp_path, song, ending), 0.5)).endswith("of 6.0 s")


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_cut_beyond_what_is_decoded_does_no_harm(tmp_path: Path, song: np.ndarray, ending: str) -> None:
    path = cut(write(tmp_path, song, ending), 0.7)
    assert len(load_audio(path, max_seconds=1.5)) == int(1.5 * RATE)


def test_samples_missing_that_nobody_hears_are_no_problem(tmp_path: Path, song: np.ndarray) -> None:
    assert audio_problem(cut(write(tmp_path, song, "wav"), 0.97)) == ""


@pytest.mark.parametrize("ending", ["flac", "mp3"])
def test_damage_in_the_middle_is_a_problem(tmp_path: Path, song: np.ndarray, ending: str) -> None:
    path = write(tmp_path, song, ending)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    assert audio_problem(path).startswith("damaged at ")
    assert audio_problem(path).endswith(" s of 6.0 s")


@pytest.mark.parametrize("claim", [0xFFFFFFFF, 4_000_000_000, 0x7FFFF000])
def test_a_header_of_unknown_length_is_read_to_the_end_of_the_file(
    tmp_path: Path, song: np.ndarray, claim: int
) -> None:
    """Programs that write to a pipe claim 2 or 4 GB."""
    path = write(tmp_path, song, "wav")
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[4:8] = content[place : place + 4] = claim.to_bytes(4, "little")
    path.write_bytes(content)
    assert audio_problem(path) == ""
    np.testing.assert_allclose(load_audio(path), song, atol=1 / 32768)


def test_a_header_that_claims_an_hour_more_is_cut_off(tmp_path: Path, song: np.ndarray) -> None:
    path = write(tmp_path, song, "wav")
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = (2 * RATE * 3606).to_bytes(4, "little")
    path.write_bytes(content)
    assert audio_problem(path) == "cut off at 6.0 s of 3606.0 s"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_named(tmp_path: Path, song: np.ndarray, value: float) -> None:
    samples = song.copy()
    samples[1000] = value
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    assert audio_problem(tmp_path / "a.wav") == "holds samples that are no numbers (NaN or infinite)"


@pytest.mark.parametrize(("level", "problem"), [(0, "silent"), (1e-5, "silent"), (1e-3, "")])
def test_silence_is_named_and_a_quiet_song_is_none(
    write_tone: WriteTone, tmp_path: Path, level: float, problem: str
) -> None:
    assert audio_problem(write_tone(tmp_path / "a.wav", level=level)) == problem


def test_too_short_says_how_short_and_which_setting(write_tone: WriteTone, tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", seconds=0.5)
    assert audio_problem(path) == "too short: 0.50 s (data.min_seconds is 1)"
    assert audio_problem(path, min_seconds=0.4) == ""


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("empty.wav", b"", "empty"),
        ("page.mp3", b"<html><body>404</body></html>", 'not an audio file (starts with "<html><b")'),
        ("tiny.mp3", b"<html>", 'not an audio file (starts with "<html>")'),
        ("zeros.wav", bytes(5000), "not an audio file"),
        ("picture.ogg", b"\x89PNG\r\n\x1a\n" + bytes(100), "not an audio file"),
        ("start.wav", b"RIFF\x00\x00\x01\x00WAVE", "damaged"),
        ("start.flac", b"fLaC" + bytes(50), "damaged"),
        ("start.ogg", b"OggS" + bytes(50), "damaged"),
    ],
)
def test_a_file_that_is_no_audio_is_named(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert audio_problem(path).startswith(problem)


@pytest.mark.parametrize("name", ["page.mp3", "PAGE.MP3"])
@pytest.mark.parametrize("content", [b"<html><body>404</body></html>", "<html>Étude № 3</html>".encode() * 5000])
def test_a_text_named_like_an_mp3_is_refused_in_silence(
    tmp_path: Path, name: str, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert audio_problem(tmp_path / name).startswith('not an audio file (starts with "<html>')
    assert capfd.readouterr() == ("", ""), "libmpg123 writes to the terminal by itself"


def test_a_header_without_samples_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE)
    assert audio_problem(tmp_path / "a.wav") == "holds no samples"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert audio_problem(tmp_path / "a.wav") == "missing"
    assert digest_audio(tmp_path / "a.wav") == ("", "missing")


def test_a_folder_named_like_a_song_is_named(tmp_path: Path) -> None:
    (tmp_path / "song.mp3").mkdir()
    assert audio_problem(tmp_path / "song.mp3") == "a folder, not a file"
    assert digest_audio(tmp_path / "song.mp3") == ("", "a folder, not a file")


def test_a_problem_is_one_line_of_printable_text(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"\n\r\t\x00\xfe\x1b[1")
    problem = audio_problem(tmp_path / "a.mp3")
    assert problem.isprintable()
    assert "Traceback" not in problem


def test_loading_raises_what_is_wrong_without_the_name(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"")
    with pytest.raises(AudioError, match=r"^empty$"):
        load_audio(tmp_path / "secret.wav")


@pytest.mark.parametrize(
    "name", ['it\'s "live".wav', "two\nlines.wav", "Étude № 3 – 夜曲 🎹.wav", "-rf *.wav", " .wav"]
)
def test_any_file_name_can_be_read(write_tone: WriteTone, tmp_path: Path, name: str) -> None:
    path = write_tone(tmp_path / name)
    assert audio_problem(path) == ""
    assert len(load_audio(path)) == 2 * RATE


def test_the_digest_is_that_of_the_bytes(write_tone: WriteTone, tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav")
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sha256_of(path) == expected
    assert digest_audio(path) == (expected, "")


def test_the_length_of_a_usable_song_is_measured(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tone(tmp_path / "song.wav", seconds=2.5)
    assert usable_sound(song).seconds == 2.5
    assert usable_sound(song, max_seconds=1.5).seconds == 1.5
    with pytest.raises(AudioError, match="too short"):
        usable_sound(song, min_seconds=3)


def test_within_the_block_a_file_is_decoded_once(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tone(tmp_path / "song.wav")
    with decoded_once():
        samples = decode(song, 600)[0]
        song.unlink()
        np.testing.assert_array_equal(load_audio(song), samples)
        with pytest.raises(AudioError, match="missing"):
            decode(song, 1)  # another part of it is another thing
    with pytest.raises(AudioError, match="missing"):
        decode(song, 600)


@pytest.mark.parametrize("ending", ["flac", "aiff", "au"])
def test_a_lossless_copy_has_the_samples_of_the_original(write_tone: WriteTone, tmp_path: Path, ending: str) -> None:
    samples, rate = soundfile.read(write_tone(tmp_path / "a.wav", channels=2), dtype="int16")
    soundfile.write(tmp_path / f"b.{ending}", samples, rate, subtype="PCM_16")
    first, second = inspect_sound(tmp_path / "a.wav"), inspect_sound(tmp_path / f"b.{ending}")
    assert first == second
    assert first[0] == ""
    assert len(first[1]) == 64


def test_other_samples_another_rate_and_another_length_have_another_digest(
    write_tone: WriteTone, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(write_tone(tmp_path / "a.wav"), dtype="int16")
    soundfile.write(tmp_path / "rate.wav", samples, rate * 2)
    soundfile.write(tmp_path / "short.wav", samples[:-1], rate)
    samples[0] += 1
    soundfile.write(tmp_path / "other.wav", samples, rate)
    digests = {inspect_sound(tmp_path / f"{name}.wav")[1] for name in ("a", "rate", "short", "other")}
    assert len(digests - {""}) == 4


def test_a_file_that_cannot_be_used_has_no_digest_of_samples(write_tone: WriteTone, tmp_path: Path) -> None:
    assert inspect_sound(write_tone(tmp_path / "a.wav", level=0)) == ("silent", "", "")


@pytest.mark.parametrize("ending", RARER)
def test_other_formats_of_libsndfile_are_read(tmp_path: Path, ending: str) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (2 * 48000, 2))
    opus = {"subtype": "OPUS"} if ending == "opus" else {}
    soundfile.write(tmp_path / f"a.{ending}", samples, 48000, format=RARER[ending], **opus)
    assert audio_problem(tmp_path / f"a.{ending}") == ""
    assert len(load_audio(tmp_path / f"a.{ending}")) == len(samples)
    assert header_seconds(tmp_path / f"a.{ending}") == 2


@pytest.fixture(scope="module")
def stereo() -> np.ndarray:
    """4 s of a tone in noise at 48 kHz, on two channels."""
    time = np.arange(4 * 48000) / 48000
    noise = np.random.default_rng(0).standard_normal((len(time), 2))
    return 0.3 * np.sin(2 * np.pi * 440 * time)[:, None] + 0.05 * noise


@pytest.mark.parametrize("ending", FFMPEG)
def test_formats_of_the_extra_are_read_by_the_same_rules(tmp_path: Path, stereo: np.ndarray, ending: str) -> None:
    path = write_with_ffmpeg(tmp_path / f"a.{ending}", stereo, 48000, ending)
    assert audio_problem(path) == ""
    audio, rate = decode(path, 600)
    assert rate == 48000
    assert audio.dtype == np.float32
    assert len(audio) == pytest.approx(len(stereo), abs=2400)
    assert strongest_frequency(audio, rate) == pytest.approx(440, abs=1)
    np.testing.assert_array_equal(load_audio(path, max_seconds=1.5), audio[: int(1.5 * rate)])
    assert header_seconds(path) in (None, pytest.approx(4, abs=0.05))
    assert audio_problem(cut(path, 0.5)).startswith(("cut off at ", "damaged or cut off"))


@pytest.mark.parametrize("ending", ["m4b", "mka"])
def test_a_lossless_format_of_the_extra_decodes_to_what_was_written(
    tmp_path: Path, stereo: np.ndarray, ending: str
) -> None:
    path = write_with_ffmpeg(tmp_path / f"a.{ending}", stereo, 48000, ending)
    np.testing.assert_allclose(load_audio(path), stereo.mean(axis=1), atol=1 / 32768)


def test_without_the_extra_its_name_is_told(
    tmp_path: Path, stereo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_with_ffmpeg(tmp_path / "a.m4a", stereo, 48000, "m4a")
    renamed = path.with_suffix(".mp3")
    renamed.write_bytes(path.read_bytes())
    assert audio_problem(renamed) == "", "it is read as what it is"
    monkeypatch.setitem(sys.modules, "av", None)
    cure = "which needs an extra: pip install 'genrefusion[ffmpeg]'"
    assert audio_problem(path) == f"an MPEG-4 file, {cure}"
    assert audio_problem(renamed) == f"an MPEG-4 file called .mp3, {cure}"
    assert header_seconds(path) is None


def test_a_file_is_decoded_once_the_extra_is_there(
    tmp_path: Path, stereo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_with_ffmpeg(tmp_path / "a.m4a", stereo, 48000, "m4a")

    def problem() -> str:
        return inspect_files([path], DataSettings(name="test"), tmp_path / "cache", 1, Terminal(quiet=True))[0].problem

    with monkeypatch.context() as without:
        without.setitem(sys.modules, "av", None)
        assert "needs an extra" in problem()
    assert problem() == ""


def test_a_video_without_sound_is_called_so(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=25, width=16, height=16, pix_fmt="yuv420p")
        for _ in range(5):
            file.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        file.mux(stream.encode(None))
    assert audio_problem(tmp_path / "a.mp4") == "an MPEG-4 file without audio, a video"


def mp3(path: Path, *, told: bool, seconds: int = 12) -> Path:
    """An MP3 file of variable bitrate, loud and then quiet; its length is told by its first frame or not at all."""
    time = np.arange(seconds * RATE) / RATE
    loud, quiet = np.random.default_rng(0).uniform(-0.9, 0.9, len(time) // 3), 0.02 * np.sin(2 * np.pi * 220 * time)
    samples = np.concatenate([loud, quiet[len(loud) :]])
    soundfile.write(path, samples, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.2)
    content = path.read_bytes()
    if not told:
        second = content.index(content[:2], 4)  # the second frame begins with the same bits
        path.write_bytes(content[second:])
    return path


def test_of_an_mp3_without_a_told_length_all_is_read(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3", told=False)
    assert soundfile.info(path).duration < 8, "what libsndfile takes it for"
    assert audio_problem(path) == ""
    assert len(load_audio(path)) / RATE == pytest.approx(12, abs=0.1)
    assert header_seconds(path) == pytest.approx(12, abs=0.1)
    whole = load_audio(path)
    np.testing.assert_array_equal(load_audio(path, max_seconds=9), whole[: 9 * RATE])
    assert np.abs(whole[10 * RATE : 11 * RATE]).max() == pytest.approx(0.02, abs=0.005)


def test_of_mp3_files_that_were_joined_all_is_read(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3", told=True)
    path.write_bytes(path.read_bytes() + b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + path.read_bytes())
    assert audio_problem(path) == ""
    assert len(load_audio(path)) / RATE == pytest.approx(24, abs=0.3)
    assert header_seconds(path) == pytest.approx(24, abs=0.3)


def test_an_mp3_whose_told_length_is_not_there_is_cut_off(tmp_path: Path) -> None:
    assert audio_problem(cut(mp3(tmp_path / "a.mp3", told=True), 0.5)).endswith(" s of 12.0 s")


def test_of_ogg_streams_in_a_row_not_the_first_alone_is_taken_in_silence(tmp_path: Path, song: np.ndarray) -> None:
    first = write(tmp_path, song, "ogg").read_bytes()
    second = write(tmp_path, song[::-1], "ogg").read_bytes()
    (tmp_path / "both.ogg").write_bytes(first + second)
    assert audio_problem(tmp_path / "both.ogg").startswith("holds several Ogg streams in a row")


@pytest.mark.parametrize("scale", [2.0**15, 2.0**31, 1e30])
def test_samples_on_the_scale_of_integers_are_refused(tmp_path: Path, song: np.ndarray, scale: float) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, song * scale, RATE, subtype="FLOAT")
    assert audio_problem(path).startswith("holds samples up to ")
    with pytest.raises(AudioError, match="where 1 is full scale"):
        load_audio(path)


def test_samples_somewhat_over_full_scale_are_music(tmp_path: Path, song: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", song * 15 / np.abs(song).max(), RATE, subtype="FLOAT")
    assert audio_problem(tmp_path / "a.wav") == ""


@pytest.mark.parametrize(
    ("right", "problem", "note"),
    [
        (-1.0, "its channels cancel each other when mixed to mono (opposite phase): invert one of them", ""),
        (-0.999, "its channels cancel each other when mixed to mono (opposite phase): invert one of them", ""),
        (-0.8, "", "mixed to mono it loses 19 dB: its channels nearly cancel each other (opposite phase?)"),
        (0.0, "", ""),
        (1.0, "", ""),
    ],
)
def test_what_the_mix_to_mono_loses_is_told(
    tmp_path: Path, song: np.ndarray, right: float, problem: str, note: str
) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([song, right * song], axis=1), RATE, subtype="FLOAT")
    assert inspect_sound(tmp_path / "a.wav")[::2] == (problem, note)


def test_independent_channels_lose_nothing_worth_a_note(tmp_path: Path) -> None:
    for channels in (2, 8):
        samples = np.random.default_rng(channels).uniform(-0.5, 0.5, (2 * RATE, channels))
        soundfile.write(tmp_path / "a.wav", samples, RATE)
        assert inspect_sound(tmp_path / "a.wav")[::2] == ("", "")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        (b"%PDF-1.4\n" + bytes(100), "a PDF"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a picture"),
        (b"#EXTM3U\nsong.mp3\n", "a playlist"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\x00\x05\x16\x07" + bytes(100), "what macOS keeps beside a file"),
    ],
)
@pytest.mark.parametrize("ending", ["mp3", "wav", "m4a"])
def test_another_file_with_the_name_of_a_song_is_called_what_it_is(
    tmp_path: Path, content: bytes, what: str, ending: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"a.{ending}").write_bytes(content)
    assert what in audio_problem(tmp_path / f"a.{ending}")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("ending", ["mp3", "wav", "flac", "m4a"])
def test_a_file_of_zeros_is_called_so(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a.{ending}").write_bytes(bytes(5000))
    assert audio_problem(tmp_path / f"a.{ending}") == "not an audio file: its first 5000 bytes are zeros"


def test_a_download_that_broke_off_is_called_so(tmp_path: Path, song: np.ndarray) -> None:
    path = write(tmp_path, song, "flac")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) // 2))
    assert re.fullmatch(r"damaged: from [23]\.\d s of 6\.0 s on it holds zeros", audio_problem(path))


@pytest.mark.parametrize("ending", ["flac", "mp3", "ogg", "opus", "m4a"])
def test_a_header_before_noise_is_damaged(tmp_path: Path, stereo: np.ndarray, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "m4a":
        write_with_ffmpeg(path, stereo, 48000, ending)
    else:
        opus = {"subtype": "OPUS"} if ending == "opus" else {}
        soundfile.write(path, stereo, 48000, format=FORMATS.get(ending, "OGG"), **opus)
    content = path.read_bytes()
    path.write_bytes(content[:2000] + np.random.default_rng(0).bytes(len(content) - 2000))
    assert audio_problem(path).startswith("damaged")


def test_a_page_called_au_is_no_noise(tmp_path: Path) -> None:
    (tmp_path / "a.au").write_bytes(b"<html>" * 20_000)
    assert audio_problem(tmp_path / "a.au").startswith('not an audio file (starts with "<html><h")')


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    assert audio_problem(tmp_path / "a.wav") == "a pipe or a device, not a file"
    assert digest_audio(tmp_path / "a.wav") == ("", "a pipe or a device, not a file")


@pytest.mark.parametrize("companion", [False, True], ids=["alone", "beside a companion"])
@pytest.mark.parametrize("tag", [0, 100, 10_000, 500_000], ids=lambda size: f"tag of {size}")
@pytest.mark.parametrize("name", ["a.mp3", "A.MP3", "a.wav", "a"])
def test_mp3_is_read_whatever_tag_name_and_companion_it_has(
    name: str, tag: int, companion: bool, tmp_path: Path, song: np.ndarray
) -> None:
    soundfile.write(tmp_path / "plain.mp3", song, 22050)
    if tag:
        with_cover = ID3()
        with_cover.add(APIC(mime="image/png", data=np.random.default_rng(0).bytes(tag)))
        with_cover.save(tmp_path / "plain.mp3")
    (tmp_path / "plain.mp3").rename(tmp_path / name)
    if companion:
        (tmp_path / f"._{name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    assert audio_problem(tmp_path / name) == ""
    assert header_seconds(tmp_path / name) == pytest.approx(6, abs=0.1)
    heard = load_audio(tmp_path / name)
    assert np.corrcoef(heard[: len(song)], song)[0, 1] > 0.98


@pytest.mark.parametrize("clip", ["actionable", "cute", "dubstep", "thejazzpiano"])
def test_published_mp3_is_decoded_as_by_another_program(clip: str) -> None:
    path = shared(f"bensound/{clip}.mp3")
    heard, expected = load_audio(path), soundfile.read(path, dtype="float32")[0]
    np.testing.assert_allclose(heard, expected if expected.ndim == 1 else expected.mean(axis=1), atol=1e-6)
