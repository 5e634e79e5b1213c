"""The 97 values against plain librosa calls, their parts, and the wide set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from genrefusion.core.errors import UserError
from genrefusion.features import descriptors as single
from genrefusion.features import handcrafted as hc
from genrefusion.features import handcrafted_wide as wide

librosa = pytest.importorskip("librosa")

DATA = Path(__file__).parents[3] / "shared" / "data"
CLIPS = (
    "gtzan_mini/genres_original/blues/blues.00000.wav",
    "gtzan_mini/genres_original/classical/classical.00004.wav",
    "gtzan_mini/genres_original/metal/metal.00007.wav",
    "bensound/dubstep.mp3",
)
RATE = 22050
TIME = np.arange(3 * RATE) / RATE


def chord_with_beats() -> np.ndarray:
    beats = np.exp(-20 * (TIME % 0.5)) * np.random.default_rng(1).standard_normal(len(TIME))
    chord = sum(np.sin(2 * np.pi * hertz * TIME) / k for hertz in (261.6, 329.6, 392.0) for k in (1, 2, 3))
    return 0.05 * chord + 0.2 * beats


SYNTHETIC = {
    "silence": np.zeros(3 * RATE),
    "impulse": np.eye(1, 3 * RATE, RATE)[0],
    "tone": 0.5 * np.sin(2 * np.pi * 440 * TIME),
    "clipped tone": np.clip(3 * np.sin(2 * np.pi * 440 * TIME), -1, 1),
    "noise": 0.1 * np.random.default_rng(0).standard_normal(3 * RATE),
    "one second": 0.1 * np.random.default_rng(2).standard_normal(RATE),
    "chord with beats": chord_with_beats(),
    "constant": np.full(RATE, 0.25),
    "negative offset": np.full(RATE, -0.01),
}
SYNTHETIC = {name: audio.astype(np.float32) for name, audio in SYNTHETIC.items()}
SHORT = {
    f"{n} samples": 0.1 * np.random.default_rng(n).standard_normal(n).astype(np.float32) for n in (1, 2, 511, 2047)
}


def load(path: str) -> np.ndarray:
    if not (DATA / path).exists():
        pytest.skip(f"shared/data/{path} is not beside this repository")
    return librosa.load(DATA / path, sr=RATE)[0]


def published_way(audio: np.ndarray) -> dict[str, float]:
    """Each descriptor from its own librosa call, as the published script asks for it."""
    feature, loudness, offset = librosa.feature, np.abs(audio), audio + 0.01
    values = [loudness.mean(), audio.std(), scipy.stats.skew(loudness), scipy.stats.kurtosis(audio)]

    def add(rows: np.ndarray) -> None:
        values.extend([*rows.mean(axis=1), *rows.std(axis=1)])

    add(feature.zero_crossing_rate(audio + 0.0001, frame_length=2048, hop_length=512))
    add(feature.rms(y=audio + 0.0001))
    values.extend(feature.tempo(y=audio, sr=RATE))
    add(feature.spectral_centroid(y=offset, sr=RATE))
    for order in (2, 3, 4):
        add(feature.spectral_bandwidth(y=offset, sr=RATE, p=order))
    add(feature.spectral_contrast(y=audio, sr=RATE, n_bands=6, fmin=200.0))
    add(feature.spectral_rolloff(y=offset, sr=RATE, roll_percent=0.85))
    add(feature.mfcc(y=audio, sr=RATE, n_mfcc=20))
    add(feature.chroma_stft(y=audio, sr=RATE, hop_length=1024))
    # scipy has no skew or kurtosis of constant audio; here they are 0.
    return dict(zip(hc.FEATURE_NAMES, np.nan_to_num(np.array(values, np.float64)), strict=True))


# Where a spectrum is empty (tones, constants, the stop band of a resampler), librosa's float64 transform shows the
# window's side lobes and this one the rounding of float32, 1e-7 of the largest bin: the valleys of the contrast, which
# are in dB, and high orders of bandwidth see it. An impulse has a flat spectrum: the peaks that tune chroma are
# rounding.
EMPTY_BINS = {
    "tone": {"spectral_contrast": 3.0, "spectral_bandwidth": 50.0},
    "clipped tone": {"spectral_contrast": 0.1},
    "constant": {"spectral_contrast": 3.0, "spectral_bandwidth": 200.0},
    "impulse": {"chroma_stft": 0.03},
    "bensound/dubstep.mp3": {"spectral_contrast_7": 0.2},
}


def assert_agree(found: np.ndarray, expected: dict[str, float], *, case: str = "") -> None:
    """Compare to 1e-3 of the value, of the unit for values near 0, or to the bound that the case names."""
    for name, value in zip(hc.FEATURE_NAMES, found.tolist(), strict=True):
        bounds = [bound for start, bound in EMPTY_BINS.get(case, {}).items() if name.startswith(start)]
        assert value == pytest.approx(expected[name], rel=1e-3, abs=max(bounds, default=1e-3)), name


@pytest.mark.parametrize("path", CLIPS)
def test_the_97_values_of_a_song_agree_with_librosa(path):
    audio = load(path)
    assert_agree(hc.handcrafted_features(audio), published_way(audio), case=path)


@pytest.mark.parametrize("genre", ["classical", "metal"])
def test_the_97_values_of_a_composed_song_agree_with_librosa(genre, demo):
    (song, *_) = demo.table.index[demo.table["genre"] == genre]
    audio = librosa.load(demo.paths()[song], sr=RATE)[0]
    assert_agree(hc.handcrafted_features(audio), published_way(audio))


# librosa answers 0 where audio + 0.01 is 0 in all samples, which is no spectrum at all.
@pytest.mark.parametrize("case", [case for case in {**SYNTHETIC, **SHORT} if case != "negative offset"])
@pytest.mark.filterwarnings("ignore:n_fft=:UserWarning", "ignore:Trying to estimate:UserWarning")
@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
def test_the_97_values_of_synthetic_audio_agree_with_librosa(case):
    audio = {**SYNTHETIC, **SHORT}[case]
    assert_agree(hc.handcrafted_features(audio), published_way(audio), case=case)


def test_there_are_97_published_names_each_once():
    assert len(hc.FEATURE_NAMES) == len(set(hc.FEATURE_NAMES)) == 97
    assert (*hc.TIME_DOMAIN, *hc.FREQUENCY_DOMAIN) == hc.FEATURE_NAMES
    assert (len(hc.TIME_DOMAIN), len(hc.FREQUENCY_DOMAIN)) == (9, 88)


@pytest.mark.parametrize("case", [*SYNTHETIC, *SHORT])
def test_all_features_are_finite_without_a_warning(case):
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        features = wide.wide_features({**SYNTHETIC, **SHORT}[case])
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 32768, 1e6])
def test_features_are_finite_at_any_level(scale):
    audio = SYNTHETIC["chord with beats"] / np.abs(SYNTHETIC["chord with beats"]).max()
    assert np.isfinite(wide.wide_features((scale * audio).astype(np.float32))).all()


@pytest.mark.parametrize(
    ("audio", "rate", "words"),
    [
        (np.zeros(0), RATE, "at least one sample"),
        (np.zeros((2, RATE)), RATE, "mono"),
        (np.full(RATE, np.nan), RATE, "not finite"),
        (np.full(RATE, -np.inf), RATE, "not finite"),
        (np.full(RATE, 1e9), RATE, "beyond 1e6"),
        (np.zeros(8000), 8000, "sample rate"),
    ],
)
@pytest.mark.parametrize("extract", [hc.handcrafted_features, wide.wide_features])
def test_unusable_audio_gets_a_sentence(extract, audio, rate, words):
    with pytest.raises(UserError, match=words):
        extract(audio.astype(np.float32), sample_rate=rate)


def test_another_sample_rate_agrees_with_librosa():
    audio, magnitude = SYNTHETIC["chord with beats"], np.abs(librosa.stft(SYNTHETIC["chord with beats"]))
    found = hc.describe(audio, sample_rate=44100)
    assert found.contrast == pytest.approx(librosa.feature.spectral_contrast(S=magnitude, sr=44100), abs=0.05)
    assert found.tempo == pytest.approx(librosa.feature.tempo(y=audio, sr=44100)[0])


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_bandwidth_agrees_with_a_loop(order):
    magnitude = np.random.default_rng(3).random((1025, 3)).astype(np.float32) ** 4
    frequencies, centroid = single.bin_frequencies(RATE), np.array([500, 3000, 9000], np.float32)
    expected = []
    for frame in range(3):
        weights = magnitude[:, frame].astype(float) / magnitude[:, frame].sum(dtype=float)
        moment = sum(weights[k] * abs(float(frequencies[k]) - float(centroid[frame])) ** order for k in range(1025))
        expected.append(moment ** (1 / order))
    assert single.spectral_bandwidth(magnitude, frequencies, centroid, order=order) == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def audio():
    return SYNTHETIC["chord with beats"]


@pytest.fixture(scope="module")
def magnitude(audio):
    return np.abs(librosa.stft(audio))


def test_spectral_parts_agree_with_librosa(magnitude):
    frequencies = single.bin_frequencies(RATE)
    centroid = single.spectral_centroid(magnitude, frequencies)
    assert centroid == pytest.approx(librosa.feature.spectral_centroid(S=magnitude)[0], rel=1e-5)
    for order in (2, 3, 4):
        bandwidth = single.spectral_bandwidth(magnitude, frequencies, centroid, order=order)
        assert bandwidth == pytest.approx(librosa.feature.spectral_bandwidth(S=magnitude, p=order)[0], rel=1e-4)
    for share in (0.01, 0.5, 0.85, 0.99):
        bins = (single.rolloff(magnitude, frequencies, share=share) * 2048 / RATE).round()
        expected = librosa.feature.spectral_rolloff(S=magnitude, roll_percent=share)[0] * 2048 / RATE
        assert np.abs(bins - expected.round()).max() <= 1  # a sum that meets the threshold may round to either side
    assert single.spectral_contrast(magnitude) == pytest.approx(
        librosa.feature.spectral_contrast(S=magnitude), abs=1e-3
    )


def test_silent_frames_have_centroid_bandwidth_and_rolloff_0():
    silence, frequencies = np.zeros((1025, 2), np.float32), single.bin_frequencies(RATE)
    assert not single.spectral_centroid(silence, frequencies).any()
    assert not single.spectral_bandwidth(silence, frequencies, np.zeros(2, np.float32), order=3).any()
    assert not single.rolloff(silence, frequencies).any()


def test_mel_and_mfcc_agree_with_librosa(magnitude):
    mel = single.mel_spectrogram(magnitude**2)
    assert mel == pytest.approx(librosa.feature.melspectrogram(S=magnitude**2), rel=1e-4)
    decibels = single.power_to_db(mel)
    assert decibels == pytest.approx(librosa.power_to_db(mel), abs=1e-4)
    assert single.mfcc(decibels) == pytest.approx(librosa.feature.mfcc(S=decibels, n_mfcc=20), abs=1e-2)


@pytest.mark.parametrize("cents", [-40, 0, 27])
def test_chroma_agrees_with_librosa_whatever_the_tuning(cents):
    notes = sum(np.sin(2 * np.pi * 440 * 2 ** ((step + cents / 100) / 12) * TIME) for step in (0, 4, 7, 14))
    power = np.abs(librosa.stft(notes.astype(np.float32), hop_length=1024)) ** 2
    assert single.estimate_tuning(power) == pytest.approx(
        librosa.estimate_tuning(S=power, bins_per_octave=12), abs=1e-9
    )
    assert single.chroma(power) == pytest.approx(librosa.feature.chroma_stft(S=power, sr=RATE), abs=1e-4)


def test_time_domain_parts_agree_with_librosa(audio):
    assert single.zero_crossing_rate(audio) == pytest.approx(librosa.feature.zero_crossing_rate(audio)[0])
    assert single.rms(audio) == pytest.approx(librosa.feature.rms(y=audio)[0], rel=1e-4)


def test_onset_and_tempo_agree_with_librosa(audio, magnitude):
    mel = librosa.power_to_db(librosa.feature.melspectrogram(S=magnitude**2))
    onset = single.onset_strength(mel)
    assert onset == pytest.approx(librosa.onset.onset_strength(S=mel), abs=1e-4)
    autocorrelation = single.onset_autocorrelation(onset)
    tempogram = librosa.feature.tempogram(onset_envelope=onset, sr=RATE, win_length=344)
    assert autocorrelation == pytest.approx(tempogram.mean(axis=1), abs=1e-5)
    assert single.tempo(autocorrelation) == pytest.approx(librosa.feature.tempo(onset_envelope=onset, sr=RATE)[0])
    assert single.tempo(autocorrelation) == pytest.approx(120, rel=0.03)


def test_the_wide_set_begins_with_the_97(audio):
    features = wide.wide_features(audio)
    assert wide.WIDE_FEATURE_NAMES[:97] == hc.FEATURE_NAMES
    assert len(set(wide.WIDE_FEATURE_NAMES)) == len(wide.WIDE_FEATURE_NAMES) == len(features)
    assert np.array_equal(features[:97], hc.handcrafted_features(audio))


def test_every_family_has_a_value_for_each_name(audio):
    found = hc.describe(audio)
    for names, family in wide._FAMILIES.values():
        assert family(found, RATE / single.HOP).shape == (len(names),)


def test_wide_parts_agree_with_librosa(audio, magnitude):
    flatness = librosa.feature.spectral_flatness(S=magnitude)[0]
    assert wide.spectral_flatness(magnitude**2) == pytest.approx(flatness, rel=1e-3)
    chroma = hc.describe(audio).chroma
    assert wide.tonnetz(chroma) == pytest.approx(librosa.feature.tonnetz(chroma=chroma), abs=1e-5)
    rows = np.random.default_rng(4).random((3, 40)).astype(np.float32)
    assert wide.slope(rows) == pytest.approx(librosa.feature.delta(rows, mode="nearest"), abs=1e-5)


def test_modulation_shows_its_rate_and_amplitude():
    time = np.arange(1000) * single.HOP / RATE
    spectrum = wide.modulation_spectrum((3 * np.sin(2 * np.pi * 4 * time))[np.newaxis].astype(np.float32))[0]
    assert np.argmax(spectrum) == round(4 * wide.SEGMENT * single.HOP / RATE)
    assert spectrum.max() == pytest.approx(3, rel=0.2)


def test_beats_are_percussive_and_a_chord_is_not():
    name = "percussive_share"
    noise, steady = np.random.default_rng(5).standard_normal(len(TIME)), np.sin(2 * np.pi * 440 * TIME)
    shares = [
        dict(zip(wide.WIDE_FEATURE_NAMES, wide.wide_features(sound.astype(np.float32)), strict=True))[name]
        for sound in (0.2 * np.exp(-60 * (TIME % 0.5)) * noise, 0.2 * steady)
    ]
    assert shares[0] > 0.7
    assert shares[1] < 0.3
