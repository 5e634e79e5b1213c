from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genrefusion.data.audio import sha256_of
from genrefusion.data.tracks import Tracks
from genrefusion.features.sources import audio_source
from genrefusion.models.msd import TAGS
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.ready import TAG_OF, frames_of, genres_of, reference, tag_table
from genrefusion.settings.features import MusicnnFeatures


def heard(patches: int, **times: float) -> pd.DataFrame:
    """Tags that are the reference's, but for some that are so many times as high, every 3 s."""
    tags = reference().copy()
    for tag, factor in times.items():
        tags[tag] *= factor
    return tag_table(np.log(np.tile(tags.to_numpy(), (patches, 1))), [(3.0 * i, 3.0 * i + 3) for i in range(patches)])


def test_a_tag_of_its_own_name_stands_for_each_genre() -> None:
    assert set(TAG_OF.values()) <= set(TAGS)
    assert [tag.lower().replace("-", "") for tag in TAG_OF.values()] == list(TAG_OF) == sorted(TAG_OF)


def test_every_tag_has_a_mean_in_the_reference() -> None:
    assert list(reference().index) == list(TAGS)
    assert reference().between(1e-4, 0.9).all(), "probabilities, not their logarithms"


def test_a_song_like_the_reference_is_of_no_genre_more_than_of_others() -> None:
    np.testing.assert_allclose(genres_of(heard(3)), 1 / 7)


def test_probabilities_are_ratios_to_the_reference_over_their_sum() -> None:
    genres = genres_of(heard(3, jazz=6, blues=3, guitar=100))
    assert dict(genres) == pytest.approx({genre: {"jazz": 6, "blues": 3}.get(genre, 1) / 14 for genre in TAG_OF})


def test_frames_of_half_a_minute_cover_the_song() -> None:
    tags = heard(34)
    tags.iloc[:11] = heard(11, metal=9)
    frames = frames_of(tags)
    assert [span for span, _ in frames] == [(0, 36), (36, 69), (69, 102)]
    assert [genres["metal"] > 0.2 for _, genres in frames] == [True, False, False]
    assert [len(frames_of(heard(patches))) for patches in (1, 14, 16)] == [1, 1, 2]


def test_the_encoder_gives_logarithms_of_probabilities_as_the_table_takes_them(
    musicnn_weights: Path, context: Context, write_tone: Callable[..., Path], tmp_path: Path
) -> None:
    song = write_tone(tmp_path / "song.wav", seconds=7)
    table = pd.DataFrame({"track_id": ["a"], "genre": "", "audio": str(song), "sha256": sha256_of(song)}, dtype=object)
    source = audio_source(MusicnnFeatures(weights=str(musicnn_weights)), context.surroundings())
    tags = np.asarray(source.sequences(Tracks(table.set_index("track_id"), "songs"))["a"])
    assert source.channels == list(TAGS)
    assert (tags < 0).all()
    assert tag_table(tags, source.spans(7)).loc[:, "rock"].between(0.001, 0.999).all()
