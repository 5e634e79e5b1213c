"""What a co-attention run looked at: words, seconds, the deletion test, the files that are left."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from conftest import TINY_DATA, compose_train
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.tracks import Tracks
from genrefusion.features.audio_encoder import window_starts
from genrefusion.features.cache import FeatureCache
from genrefusion.features.mel import frame_columns, frame_starts
from genrefusion.features.text_encoder import TokenEncoder
from genrefusion.models.crnn import Trunk
from genrefusion.pipelines.audio_side import step_seconds
from genrefusion.pipelines.base import Context
from genrefusion.reports.attention_plots import on_time, plot_words
from genrefusion.runs.explain import deletion as deletion_test
from genrefusion.runs.explain import explain as explaining
from genrefusion.runs.explain import songs as explained
from genrefusion.runs.explain.deletion import REMOVED
from genrefusion.runs.explain.explain import file_name, of_positions
from genrefusion.runs.explain.songs import AttendedSong, Part, position_times, spread, word_shares, words_table
from genrefusion.runs.explain.words import words_of
from genrefusion.runs.store import open_run
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig
from genrefusion.settings.composing import configs_directory, register
from genrefusion.settings.features import MelFeatures
from genrefusion.settings.mistakes import in_words
from genrefusion.settings.pipelines import TextEncoderSettings
from genrefusion.settings.trainer import TrainerSettings
from pages import Page

pytestmark = pytest.mark.long

QUICK = [
    *TINY_DATA,
    "experiment=coattention",
    "features.frame_seconds=3",
    "pipeline.trunk.width=4",
    "pipeline.trunk.epochs=1",
    "pipeline.epochs=2",
    "pipeline.width=16",
]
QUIET = Terminal(quiet=True)


@pytest.fixture(scope="module")
def run(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "coattention"
    run_experiment(compose_train(*QUICK, "pipeline.members=2"), folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def part(run: Path, demo: Tracks, cache: Path) -> Part:
    opened = open_run(run)
    pipelines = opened.pipelines(Context(FeatureCache(cache / "features")))
    return explained.parts_to_explain([(pipelines, demo.subset(opened.split.folds[0].test))])[0]


@pytest.fixture(scope="module")
def songs(part: Part) -> list[AttendedSong]:
    return list(explained.read_songs(part, keep=set(part.tracks.ids), terminal=QUIET))


@pytest.fixture(scope="module")
def deletion(part: Part, songs: list[AttendedSong]) -> pd.DataFrame:
    return deletion_test.deletion_table([part], songs[:3], terminal=QUIET)


@pytest.fixture
def few_songs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "MOST_SONGS", 2)
    monkeypatch.setattr(explaining, "DRAWS", 1)


def settings(run: Path, explain: int) -> EvaluateConfig:
    return EvaluateConfig(run=str(run), explain=explain, trainer=TrainerSettings())


def test_explaining_leaves_whole_files_and_nothing_in_the_cache(run: Path, cache: Path, few_songs: None) -> None:
    evaluate_run(settings(run, 0), quiet=True)
    assert not (run / "explanations").exists()
    before = sorted(cache.rglob("*.npy"))
    evaluate_run(settings(run, 2), quiet=True)
    assert sorted(cache.rglob("*.npy")) == before
    folder = run / "explanations"
    pictures = [path for path in folder.glob("*.png") if path.stem not in ("words", "deletion")]
    assert len(pictures) == 2
    for path in folder.glob("*.png"):
        assert min(plt.imread(path).shape[:2]) > 200
    assert {path.name for path in folder.iterdir()} - {path.name for path in pictures} == {
        "words.csv",
        "words.png",
        "words.svg",
        "deletion.csv",
        "deletion.png",
        "deletion.svg",
        "deletion.json",
        "songs.json",
        "audio",
    }
    names = {path.with_suffix(kind).name for path in pictures for kind in (".png", ".svg")}
    assert {path.name for path in (folder / "audio").iterdir()} == names
    assert json.loads((folder / "deletion.json").read_text())["songs"] == 2
    assert pd.read_csv(folder / "deletion.csv")["track_id"].nunique() == 2


def test_explanations_of_another_corpus_lie_beside_its_figures(
    run: Path, demo: Tracks, tmp_path: Path, few_songs: None
) -> None:
    test = pd.read_csv(run / "splits.csv").query("part == 'test'")["track_id"]
    hostile = ["../../escaped", "a/b$c$", "words"]
    table = demo.table.loc[list(test)[:3], ["genre", "audio", "lyrics"]].assign(track_id=hostile)
    table = pd.concat([table, table.assign(track_id=["x", "y", "z"])])
    table.to_csv(tmp_path / "tracks.csv", index=False)
    config = settings(run, 6)
    config.data = compose_train("data=manifest", f"data.manifest={tmp_path / 'tracks.csv'}").data
    before = set(run.parent.rglob("*.png"))
    evaluate_run(config, quiet=True)
    (folder,) = (run / "evaluations").glob("*/explanations")
    names = [*map(file_name, [*hostile, "x", "y", "z"])]
    written = {path for path in set(run.parent.rglob("*.png")) - before if path.parent.name != "figures"}
    expected = {folder / name for name in (*names, "words.png", "deletion.png")}
    assert written == expected | {folder / "audio" / name for name in names}
    evaluate_run(replace(config, explain=0), quiet=True)
    assert "What was looked at" in Page(folder.parent / "report.html").text, "what was explained before stays"


def test_reports_show_the_songs_that_were_explained(run: Path, demo: Tracks, few_songs: None) -> None:
    evaluate_run(settings(run, 2), quiet=True)
    saved = json.loads((run / "explanations" / "songs.json").read_text())["songs"]
    for page in (Page(run / "report.html"), Page(run / "evaluations" / "demo" / "report.html")):
        assert len(page.all("article")) == len(saved) == 2
        for song in saved:
            lyrics = "".join(itertools.chain(*zip(song["before"], song["words"], strict=True)))
            assert [lyrics] == demo.subset([song["track_id"]]).lyrics
            assert lyrics in page.text
            assert str(demo.table.loc[song["track_id"], "title"]) in page.text
            np.testing.assert_allclose(
                song["times"], np.array(song["shares"]) * sum(song["tokens"]) / song["tokens"], atol=1e-3
            )


@pytest.mark.parametrize("track", ["../../etc/x", "a/b", "..", "", "$x$", "words", "deletion", "é" * 300, "a b", ".a"])
def test_a_file_name_stays_in_its_folder(tmp_path: Path, track: str) -> None:
    path = tmp_path / file_name(track)
    assert path.resolve().parent == tmp_path.resolve()
    path.write_bytes(b"")
    assert path.name not in ("words.png", "deletion.png")


def test_file_names_of_different_ids_differ() -> None:
    ids = ["a/b", "a_b", "a b", "A/b", "../a_b", "words", "Words", "words_"]
    assert len({file_name(track) for track in ids}) == len(ids)
    assert file_name("blues.00001") == "blues.00001.png"


def test_shares_of_a_song_sum_to_1(songs: list[AttendedSong]) -> None:
    for song in songs:
        assert song.shares.sum() == pytest.approx(1)
        assert (song.shares >= 0).all()
        assert len(song.shares) == len(song.words.spans)
        assert song.attention is not None
        assert song.attention.audio_weights.sum() == pytest.approx(1, abs=1e-5)
        assert (song.attention.over_words.sum(axis=1) <= 1 + 1e-5).all()


def test_what_was_looked_at_belongs_to_the_prediction(part: Part, songs: list[AttendedSong]) -> None:
    table = part.pipelines[0].predict_proba(part.tracks).tracks
    assert [song.track for song in songs] == list(table.index)
    np.testing.assert_allclose([song.probability for song in songs], table.max(axis=1), atol=1e-6)


def test_positions_lie_where_their_frames_were_cut() -> None:
    features = MelFeatures(frame_seconds=10, frame_hop_seconds=6)
    columns = 1200
    spans = step_seconds(columns, features, Trunk(width=4))
    starts, length = frame_starts(columns, features), frame_columns(features)
    assert (length, len(spans)) == (469, 4 * len(starts))
    assert starts[1] == 281
    # The second frame's third of four steps.
    np.testing.assert_allclose(spans[6], [(281 + 2 * 469 / 4) * 256 / 12000, (281 + 3 * 469 / 4) * 256 / 12000])
    assert spans[0, 0] == 0


def test_positions_of_the_published_network_leave_out_its_padding() -> None:
    spans = step_seconds(1366, MelFeatures(), Trunk(column_norm=True))
    second = 12000 / 256
    assert spans.shape == (15, 2)
    np.testing.assert_allclose(spans[[0, 1, -1]] * second, [[0, 59], [59, 155], [1307, 1366]])


@pytest.mark.parametrize("samples", [480000, 480003, 480200, 480500, 400000, 399999, 79999, 80001])
def test_each_window_has_a_place_in_time_whatever_is_left_over(samples: int) -> None:
    heard = window_starts(samples, 80000, 80000)
    columns = 1 + round(samples * 12000 / 16000) // 256
    known = np.array(window_starts(int((columns - 1) * 256 / 12000 * 16000), 80000, 80000))
    spans = of_positions(np.stack([known, known + 80000], axis=1) / 16000, len(heard))
    np.testing.assert_allclose(spans[:, 0], np.array(heard) / 16000, atol=0.025)


def test_timelines_have_a_span_for_each_position(part: Part, songs: list[AttendedSong]) -> None:
    found = part.pipelines[0].timelines(part.tracks)
    for song in songs:
        assert song.attention is not None
        assert len(found[song.track].spans) == len(song.attention.audio_weights)
        seconds = soundfile.info(part.tracks.table.loc[song.track, "audio"]).duration
        assert found[song.track].mel.shape[1] * found[song.track].column_seconds == pytest.approx(seconds, abs=0.05)


def test_overlapping_frames_are_averaged_and_keep_their_shares() -> None:
    spans = np.array([[0.0, 2.0], [1.0, 3.0], [5.0, 6.0]])
    edges, attention, density = on_time(spans, np.array([[0.2, 0.6, 1.0]]), np.array([0.5, 0.3, 0.2]))
    assert edges.tolist() == [0, 1, 2, 3, 5, 6]
    np.testing.assert_allclose(attention[0], [0.2, 0.4, 0.6, np.nan, 1.0])
    assert (density * np.diff(edges)).sum() == pytest.approx(1)


def test_tokens_are_merged_into_words_across_windows(cache: Path) -> None:
    text = "Don't  unbelievably\nsupercalifragilistic, love!"
    encoder = TokenEncoder(TextEncoderSettings(window=8, overlap=1), FeatureCache(cache), QUIET)
    offsets = encoder.offsets(text)
    words = words_of(text, offsets)
    assert words.forms == ["Don't", "unbelievably", "supercalifragilistic,", "love!"]
    assert len(words.of_token) == len(encoder.embed_anew([text])[0]) > 8  # several windows of 6 tokens
    assert word_shares(np.ones(len(offsets)), words).sum() == len(offsets)


def test_tokens_of_one_place_are_one_word_and_unspaced_scripts_are_parted() -> None:
    assert words_of("a \U0001f3b5 b", [(0, 1), (2, 3), (2, 3), (2, 3), (3, 5)]).of_token.tolist() == [0, 1, 1, 1, 2]
    assert words_of("愛の歌", [(0, 1), (1, 2), (2, 3)]).forms == ["愛", "の", "歌"]
    assert words_of("", []).forms == []


def test_words_and_what_stands_before_them_are_the_lyrics(cache: Path) -> None:
    text = " Don't  unbelievably\n\nsupercalifragilistic, 愛の歌 love!"
    words = words_of(
        text, TokenEncoder(TextEncoderSettings(window=8, overlap=1), FeatureCache(cache), QUIET).offsets(text)
    )
    assert "".join(itertools.chain(*zip(words.before, words.forms, strict=True))) == text


def test_what_positions_give_words_agrees_with_a_slow_loop() -> None:
    words = words_of("unbelievable love of mine", [(0, 2), (2, 6), (6, 12), (13, 17), (18, 20), (21, 25)])
    over_words = np.random.default_rng(0).dirichlet(np.ones(7), 4)[:, 1:]  # a part goes to what stands for nothing
    expected = np.empty((4, 4))
    for position in range(4):
        for word, tokens in enumerate([[0, 1, 2], [3], [4], [5]]):
            share = sum(over_words[position, token] for token in tokens) / sum(over_words[position])
            expected[word, position] = share / (len(tokens) / 6)
    np.testing.assert_allclose(position_times(over_words, words), expected)


def test_a_word_of_several_tokens_is_neutral_where_attention_is_even() -> None:
    words = words_of("unbelievable love", [(0, 2), (2, 6), (6, 12), (13, 17)])
    np.testing.assert_allclose(position_times(np.full((3, 4), 0.2), words), 1)
    np.testing.assert_allclose(word_shares(np.full(4, 0.25), words) / words.even, 1)


def test_words_that_are_cut_off_come_in_no_other_way(cache: Path) -> None:
    encoder = TokenEncoder(TextEncoderSettings(max_tokens=3), FeatureCache(cache), QUIET)
    words = words_of("one two three four", encoder.offsets("one two three four"))
    assert words.without([]) == "one two three"
    assert words.without([0, 2]).split() == ["two"]


def test_words_are_compared_with_an_even_spread() -> None:
    words = words_of("Love, the love", [(0, 4), (4, 5), (6, 9), (10, 14)])
    song = AttendedSong("a", "pop", "pop", 0.9, 0, words, np.array([0.5, 0.2, 0.3]), None)
    twice = [song, replace(song, track="b"), replace(song, track="c", genre="rock")]
    table = words_table(twice, fewest=2)
    assert table[["genre", "word", "songs"]].to_numpy().tolist() == [["pop", "love", 2], ["pop", "the", 2]]
    np.testing.assert_allclose(table["times"], [0.8 / (3 / 4), 0.2 * 4])


def test_songs_are_spread_over_genres() -> None:
    genres = pd.Series({"a2": "a", "a1": "a", "b1": "b", "c1": "c", "a3": "a"})
    assert spread(genres, 4) == ["a1", "b1", "c1", "a2"]
    assert len(spread(genres, 99)) == 5


def test_deletion_removes_as_many_words_of_the_same_songs(deletion: pd.DataFrame, songs: list[AttendedSong]) -> None:
    counts = deletion.groupby(["kind", "track_id", "removed"])["words"].agg(["min", "max"])
    assert (counts["min"] == counts["max"]).all()
    pd.testing.assert_frame_equal(counts.loc["attended"], counts.loc["random"])
    assert sorted(deletion["removed"].unique()) == [0, *REMOVED]
    assert (counts.loc["attended"]["min"].groupby("track_id").is_monotonic_increasing).all()
    half = deletion.query("removed == 0.5 and kind == 'attended'").set_index("track_id")["words"]
    assert half[songs[0].track] == round(len(songs[0].shares) / 2)


def test_removing_nothing_changes_nothing(deletion: pd.DataFrame, songs: list[AttendedSong]) -> None:
    whole = deletion[deletion["removed"] == 0].set_index("track_id")["probability"]
    for song in songs[:3]:
        np.testing.assert_allclose(whole[song.track], song.probability, atol=2e-3)


def test_deletion_does_not_depend_on_the_other_songs(
    part: Part, songs: list[AttendedSong], deletion: pd.DataFrame
) -> None:
    alone = deletion_test.deletion_table([part], songs[2:3], terminal=QUIET)
    expected = deletion[deletion["track_id"] == songs[2].track].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected, atol=1e-5)


def test_deletion_of_several_pipelines_is_their_mean(
    part: Part, songs: list[AttendedSong], deletion: pd.DataFrame
) -> None:
    twice = replace(part, pipelines=part.pipelines * 2)
    table = deletion_test.deletion_table([twice], songs[:1], terminal=QUIET)
    expected = deletion[deletion["track_id"] == songs[0].track]["probability"]
    np.testing.assert_allclose(table["probability"], expected, atol=1e-6)


def test_deletion_figures_are_the_means_of_the_table(deletion: pd.DataFrame) -> None:
    figures = deletion_test.deletion_metrics(deletion)
    rows = deletion[deletion["removed"] > 0].groupby("kind")["probability"].mean()
    assert figures["mean_difference"] == pytest.approx(rows["attended"] - rows["random"])
    low, high = figures["mean_difference_ci95"]
    assert low <= figures["mean_difference"] <= high
    assert figures["tokens"]["attended"] >= 1
    assert figures["difference"][0] == {"probability": 0, "ci95": [0, 0]}


@pytest.mark.parametrize("words", [["$\\bad{", "_x_", "50%"], ["שלום", "愛", "👩‍👧", "\u0e40"], ["x" * 500]])
def test_words_of_any_kind_are_drawn(tmp_path: Path, words: list[str], recwarn: pytest.WarningsRecorder) -> None:
    table = pd.DataFrame({"genre": "$a", "word": words, "songs": 3, "times": 2.0})
    plot_words(table, ["$a", "b"], tmp_path / "words.png", title="$x_")
    assert plt.imread(tmp_path / "words.png").size
    assert not [w for w in recwarn if "lyph" in str(w.message)]


def test_a_run_of_another_pipeline_is_refused_before_it_is_scored(demo: Tracks, tmp_path: Path) -> None:
    run_experiment(compose_train(*TINY_DATA, "experiment=lyrics"), tmp_path / "run", quiet=True)
    with pytest.raises(UserError, match=r"pipeline=lyrics, which has no attention"):
        evaluate_run(settings(tmp_path / "run", 2), quiet=True)
    assert not (tmp_path / "run" / "evaluations").exists()


@pytest.mark.parametrize("side", ["audio", "lyrics"])
def test_a_run_of_one_side_is_refused(part: Part, side: str) -> None:
    pipeline = copy.copy(part.pipelines[0])
    pipeline.settings = replace(pipeline.settings, sides=side)
    with pytest.raises(UserError, match=rf"reads one side only \(pipeline\.sides={side}\)"):
        pipeline.require_attention()


def test_a_corpus_without_lyrics_is_refused_before_it_is_scored(run: Path, demo: Tracks, tmp_path: Path) -> None:
    test = pd.read_csv(run / "splits.csv").query("part == 'test'")["track_id"]
    table = demo.table.loc[list(test), ["genre", "audio"]].reset_index()
    table = table[table["genre"].duplicated(keep=False)]
    table.to_csv(tmp_path / "silent.csv", index=False)
    config = settings(run, 2)
    config.data = compose_train("data=manifest", f"data.manifest={tmp_path / 'silent.csv'}").data
    with pytest.raises(UserError, match=rf"both audio and lyrics \(0 of {len(table)} have lyrics\)"):
        evaluate_run(config, quiet=True)


def test_a_number_below_0_is_refused(run: Path) -> None:
    with pytest.raises(UserError, match=r"explain=-1: a number of songs"):
        settings(run, -1)


def test_what_is_no_number_is_refused() -> None:
    register()
    composed = initialize_config_dir(str(configs_directory()), version_base="1.3")
    with composed, pytest.raises((HydraException, OmegaConfBaseException)) as caught:
        compose("evaluate", ["explain=many"])
    assert in_words(caught.value, "evaluate") == "explain=many: not a whole number."
