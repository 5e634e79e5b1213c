"""What a training knows after an epoch, and the file from which it goes on where it was interrupted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from genrefusion.core.errors import UserError
from genrefusion.core.files import atomic_path


@dataclass(frozen=True)
class Checkpoint:
    """Where the state is left after each epoch, and whether to go on from it."""

    path: Path
    resume: bool = False


class Progress:
    """What a training knows after an epoch: the history, and the weights of the best epoch."""

    def __init__(self) -> None:
        self.epoch = 0
        self.best_epoch = 0
        self.best_loss = math.inf
        self.best: dict[str, Tensor] = {}
        self.rows: list[dict[str, float]] = []

    def note(self, network: nn.Module, loss: float, lr: float, seconds: float, metrics: dict[str, float]) -> None:
        """Add an epoch; its weights are kept if it has the lowest log loss so far."""
        self.epoch += 1
        row = {"epoch": self.epoch, "loss": loss, "lr": lr, "seconds": seconds}
        self.rows.append(row | {f"val_{name}": value for name, value in metrics.items()})
        if metrics["log_loss"] < self.best_loss:
            self.best_epoch, self.best_loss = self.epoch, metrics["log_loss"]
            self.best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}

    def table(self) -> pd.DataFrame:
        """One row an epoch; ``best`` marks the one that was kept."""
        table = pd.DataFrame(self.rows)
        return table.assign(best=table["epoch"] == self.best_epoch)

    @property
    def seconds_an_epoch(self) -> float:
        """Mean over all epochs."""
        return sum(row["seconds"] for row in self.rows) / len(self.rows)

    def begun(self, epochs: int) -> str:
        """The epoch that is under way, and the last one in a line."""
        return f"epoch {min(self.epoch + 1, epochs)}/{epochs}" + (f"   {self.line}" if self.rows else "")

    @property
    def line(self) -> str:
        """The last epoch in a line, and the best one."""
        last, best = self.rows[-1], self.rows[self.best_epoch - 1]
        return (
            f"loss {last['loss']:.2f}   val accuracy {last['val_accuracy']:.2f} "
            f"(kept: {best['val_accuracy']:.2f}, log loss {best['val_log_loss']:.2f}, epoch {self.best_epoch})"
        )


def write_checkpoint(path: Path, network: nn.Module, optimizer: Any, progress: Progress) -> None:
    """Write weights, best weights, moments of the optimiser and the history as one safetensors file."""
    tensors = {f"last.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in progress.best.items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    known = {
        "epoch": progress.epoch,
        "best_epoch": progress.best_epoch,
        "best_loss": progress.best_loss,
        "rows": progress.rows,
    }
    with atomic_path(path) as temporary:
        contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        save_file(contiguous, temporary, metadata={"state": json.dumps(known)})


def read_checkpoint(path: Path, network: nn.Module, optimizer: Any) -> Progress:
    """Put weights and moments back, and give what was known.

    Raises
    ------
    UserError
        The file is no checkpoint of this training.
    """
    try:
        with safe_open(path, framework="pt") as file:
            known = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        network.load_state_dict(with_prefix(tensors, "last."))
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a checkpoint of this training. Start anew with resume=false.") from error
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in with_prefix(tensors, "optimizer.").items():
        number, moment = name.split(".", 1)
        moments.setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    progress = Progress()
    progress.epoch, progress.best_epoch = known["epoch"], known["best_epoch"]
    progress.best_loss, progress.rows = known["best_loss"], known["rows"]
    progress.best = with_prefix(tensors, "best.")
    return progress


def known_epochs(folder: Path) -> Iterator[tuple[Path, dict[str, float]]]:
    """Rows of the history that the checkpoints in a folder know, with their files, in the order of the trainings."""
    for path in sorted(folder.rglob("*.safetensors"), key=lambda found: found.stat().st_mtime):
        try:
            with safe_open(path, framework="pt") as file:
                rows = json.loads(file.metadata()["state"])["rows"]
        except (SafetensorError, KeyError, TypeError, ValueError):  # a training that goes on from it says so
            continue
        yield from ((path, row) for row in rows)


def with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors whose names begin so, by the rest of the name."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
