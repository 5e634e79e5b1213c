"""A frozen transformer on texts of any length, in overlapping windows, of which those of like lengths go together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from genrefusion.core.errors import UserError
from genrefusion.settings.pipelines import TextEncoderSettings

Array = npt.NDArray[np.float32]

_BATCH_TOKENS = 4096
"""Of the windows that pass the network at once, padding counted; one window may be longer."""


class Transformer:
    """Tokenizer and network of an encoder.

    Parameters
    ----------
    settings : TextEncoderSettings
        How texts are cut into windows.
    tokenizer, network
        As `load_pretrained` gives them.
    bfloat16 : bool
        Compute products of matrices in bfloat16.
    """

    def __init__(self, settings: TextEncoderSettings, tokenizer: Any, network: Any, *, bfloat16: bool = False) -> None:
        self.settings = settings
        self.bfloat16 = bfloat16
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

    def encode(self, texts: Sequence[str]) -> list[tuple[Array, int]]:
        """Embed texts, whose windows are read together.

        Parameters
        ----------
        texts : sequence of str
            All their vectors are in memory at once.

        Returns
        -------
        list of (Array, int)
            Of each text the embeddings of the tokens that are used, shape (tokens, width), and the number of all
            tokens.
        """
        tokens = [self.tokens(text) for text in texts]
        used = [each[: self.settings.max_tokens] for each in tokens]
        spans = [
            window_spans(len(each), self.settings.window - 2, self.settings.overlap) if each else [] for each in used
        ]
        states = iter(self._states([each[a:b] for each, cut in zip(used, spans, strict=True) for a, b in cut]))
        nothing = np.zeros((0, int(self.network.config.hidden_size)), np.float32)
        vectors = [stitch(list(itertools.islice(states, len(cut))), cut) if cut else nothing for cut in spans]
        return [(found, len(each)) for found, each in zip(vectors, tokens, strict=True)]

    def _states(self, windows: Sequence[Sequence[int]]) -> list[Array]:
        """Last hidden states of the tokens of each window, shape (tokens, width)."""
        import torch

        device = self.network.device
        states: dict[int, Array] = {}
        order = sorted(range(len(windows)), key=lambda number: -len(windows[number]))
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16):
            while order:
                count = max(1, _BATCH_TOKENS // (len(windows[order[0]]) + 2))
                batch, order = order[:count], order[count:]
                ids, mask = (each.to(device) for each in self.pad([windows[number] for number in batch]))
                found = self.network(input_ids=ids, attention_mask=mask).last_hidden_state.float().cpu().numpy()
                # Copies, so that no padding stays in memory.
                states |= {n: row[1 : len(windows[n]) + 1].copy() for n, row in zip(batch, found, strict=True)}
        return [states[number] for number in range(len(windows))]

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


def stitch(states: Sequence[Array], spans: Sequence[tuple[int, int]]) -> Array:
    """Join the windows: of what two of them share, each gives the half that lies deeper in it.

    Parameters
    ----------
    states : sequence of Array, shape (positions, width)
        Outputs of the network for each window; positions behind a window's end are padding.
    spans : sequence of (int, int)
        Tokens of each window, as `window_spans` gives them.
    """
    parts = []
    begin = 0
    for number, (start, stop) in enumerate(spans):
        last = number + 1 == len(spans)
        end = stop if last else (spans[number + 1][0] + stop + 1) // 2
        parts.append(states[number][begin - start : end - start])
        begin = end
    return np.concatenate(parts)
