"""The head on vectors of windows."""

from __future__ import annotations

import torch

from genrefusion.models.window_head import WindowHead


def test_logits_are_those_of_the_embedding_and_do_not_depend_on_the_scale_of_the_inputs() -> None:
    torch.manual_seed(0)
    head, vectors = WindowHead(5, 3, dropout=0.0), torch.randn(50, 5)
    logits = head(vectors)
    assert logits.shape == (50, 3)
    torch.testing.assert_close(head(1000 * vectors + 7), logits, atol=1e-3, rtol=1e-3)
    head.eval()
    torch.testing.assert_close(head.output(head.embed(vectors)), head(vectors))
