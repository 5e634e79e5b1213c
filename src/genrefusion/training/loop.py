"""The training loop of every network: plain, seeded, and able to go on where it was interrupted.

`accelerate` places model and batches. Nothing depends on the state of a random number generator from before an epoch:
each epoch begins with a seed of its own, so that an interrupted training that is resumed ends with the same weights as
one that ran through.

Several processes divide each batch among them, so that steps and rates are those of one process. What they decide by
comes from the main process, so that they stay in step.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from accelerate import Accelerator, DataLoaderConfiguration, InitProcessGroupKwargs, PartialState
from accelerate.utils import broadcast, broadcast_object_list, gather_object
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format
from torch.utils.data import DataLoader, Dataset

from genrefusion.core.errors import UserError
from genrefusion.core.files import atomic_path
from genrefusion.core.processes import process_count
from genrefusion.core.terminal import Terminal
from genrefusion.settings.pipelines import NetworkSettings
from genrefusion.settings.trainer import TrainerSettings
from genrefusion.training import Watch

Batch = tuple[Any, Tensor]
Loss = Callable[[nn.Module, Any, Tensor], Tensor]
Validate = Callable[[nn.Module], Mapping[str, float]]

_NO_NUMBER = "The loss is no number any more"
_PATIENCE = timedelta(days=7)
"""Of processes that wait for the main one to extract features. Should it die, the launcher ends them."""


@dataclass(frozen=True)
class Checkpoint:
    """Where the state is left after each epoch, and whether to go on from it."""

    path: Path
    resume: bool = False


def train_network(
    network: nn.Module,
    dataset: Dataset[Batch],
    *,
    loss: Loss,
    validate: Validate,
    settings: NetworkSettings,
    trainer: TrainerSettings,
    seed: int,
    terminal: Terminal,
    checkpoint: Checkpoint | None = None,
    collate: Callable[[Any], Batch] | None = None,
    watch: Watch | None = None,
) -> pd.DataFrame:
    """Train with AdamW, a warm-up and a cosine, and keep the weights of the best epoch.

    Parameters
    ----------
    network : Module
        Trained in place; ends with the weights of the best epoch, on the CPU.
    dataset : Dataset
        Map-style; items are (input, class). Items may be random: they are drawn anew in each epoch.
    loss : callable
        ``loss(network, inputs, classes)``, a scalar.
    validate : callable
        ``validate(network)`` gives the metrics of the validation tracks, ``accuracy`` and ``log_loss`` among them. The
        best epoch has the lowest log loss over tracks: accuracy on a few dozen tracks moves in steps too coarse to
        choose by.
    settings : NetworkSettings
        Epochs, patience, rate and so on.
    trainer : TrainerSettings
        Device and precision.
    seed : int
        Of the order of items and all that is random in the loss.
    terminal : Terminal
        Shows epoch, loss and metrics.
    checkpoint : Checkpoint, optional
        Makes the training resumable.
    collate : callable, optional
        Makes a batch of a list of items; by default they are stacked.
    watch : callable, optional
        ``watch(epoch, log_loss)`` is told the validation metric after each epoch; what it raises ends the training.

    Returns
    -------
    DataFrame
        One row an epoch: ``epoch, loss, lr, seconds`` and ``val_*``; ``best`` marks the epoch that was kept.

    Raises
    ------
    UserError
        The loss is no number any more, or the checkpoint is of another training.
    """
    accelerator = make_accelerator(trainer)
    # With the channels of a point beside each other a step takes two thirds of the time; the order of sums changes.
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    # Parameters that stay fixed are not given to the optimiser, so its state is in the order of the trained ones.
    optimizer = torch.optim.AdamW(_trained(network), lr=settings.lr, weight_decay=settings.weight_decay)
    sampler = torch.Generator()
    count = len(cast(Sized, dataset))
    # A last batch of one item would leave batch normalisation without a variance.
    loader: Any = DataLoader(
        dataset,
        settings.batch_size,
        shuffle=True,
        generator=sampler,
        drop_last=count % settings.batch_size == 1,
        collate_fn=collate,
    )
    model, optimizer, loader = accelerator.prepare(network, optimizer, loader)
    steps = max(1, len(loader))
    state = _State()
    if checkpoint and checkpoint.resume and checkpoint.path.is_file():
        state = _read_checkpoint(checkpoint.path, network, optimizer)
    with terminal.bar() as bar:
        task = bar.add_task("train", total=settings.epochs, completed=state.epoch, unit="epochs")
        while state.epoch < settings.epochs and state.epoch - state.best_epoch < settings.patience:
            began = time.perf_counter()
            # Each process draws its own dropout and cuts; the order of the items is the same in all.
            torch.manual_seed(seed * 100_003 + state.epoch + (accelerator.process_index << 32))
            sampler.manual_seed(seed * 100_003 + state.epoch)
            total = 0.0
            model.train()
            for step, (inputs, classes) in enumerate(loader):
                rate = settings.lr * rate_factor(state.epoch * steps + step, settings.epochs * steps, settings.warmup)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                value = loss(model, inputs, classes)
                accelerator.backward(value)
                accelerator.clip_grad_norm_(_trained(network), settings.clip_norm)
                optimizer.step()
                optimizer.zero_grad()
                total += float(value.detach())
            total = sum(gather_object([total])) / accelerator.num_processes
            if not math.isfinite(total):
                raise UserError(f"{_NO_NUMBER} in epoch {state.epoch + 1}. Try a lower pipeline.lr.")
            model.eval()
            # Each process has seen other batches: running means and the like are those of the main process.
            broadcast(list(network.buffers()))
            metrics = from_main(dict(validate(network)) if accelerator.is_main_process else {})
            if not math.isfinite(metrics["log_loss"]):  # the last step can spoil weights without a trace in the loss
                raise UserError(f"{_NO_NUMBER} after epoch {state.epoch + 1}. Try a lower pipeline.lr.")
            state.note(network, total / steps, rate, time.perf_counter() - began, metrics)
            if checkpoint and accelerator.is_main_process:
                _write_checkpoint(checkpoint.path, network, optimizer, state)
            bar.update(task, completed=state.epoch, unit=_epoch_line(state))
            if watch and accelerator.is_main_process:
                watch(state.epoch, metrics["log_loss"])
    terminal.say("train", f"{state.epoch} epochs   {_epoch_line(state)}   {state.seconds_an_epoch:.1f} s an epoch")
    network.load_state_dict(state.best)
    network.cpu()
    return state.table()


def make_accelerator(trainer: TrainerSettings) -> Accelerator:
    """Set up `accelerate` for a device, with PyTorch's threads.

    Raises
    ------
    UserError
        The device is not there.
    """
    available = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    needed = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    found = available.get(trainer.device, needed)
    if not found:
        raise UserError(f"trainer.device={trainer.device}: PyTorch sees no such device here. Use trainer.device=cpu.")
    if found < needed:
        raise UserError(f"trainer.device={trainer.device}: {needed} processes need as many, PyTorch sees {found}.")
    if trainer.threads:
        torch.set_num_threads(trainer.threads)
    accelerator = Accelerator(
        mixed_precision=trainer.mixed_precision,
        cpu=trainer.device == "cpu",
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
    if accelerator.num_processes != process_count():
        raise UserError(f"trainer.device={trainer.device}: several processes need trainer.device=cuda or cpu.")
    return accelerator


def from_main(value: Any) -> Any:
    """Give every process the value that the main process has, once it has it."""
    return broadcast_object_list([value])[0]


def leave_together() -> None:
    """Wait for all processes and leave their group, as the last thing before the process ends.

    NCCL warns of a process that does not. A barrier comes last because a thread of Gloo drops the tensors of any other
    exchange a moment later: if Python ends just then, the process aborts.
    """
    PartialState().wait_for_everyone()
    torch.distributed.destroy_process_group()


def rate_factor(step: int, total: int, warmup: float) -> float:
    """Share of the full learning rate at a step: a linear climb over `warmup` of the steps, then half a cosine."""
    climb = max(1, round(warmup * total))
    if step < climb:
        return (step + 1) / climb
    return 0.5 * (1 + math.cos(math.pi * (step - climb) / max(1, total - climb)))


class _State:
    """What a training knows after an epoch."""

    def __init__(self) -> None:
        self.epoch = 0
        self.best_epoch = 0
        self.best_loss = math.inf
        self.best: dict[str, Tensor] = {}
        self.rows: list[dict[str, float]] = []

    def note(self, network: nn.Module, loss: float, lr: float, seconds: float, metrics: dict[str, float]) -> None:
        self.epoch += 1
        row = {"epoch": self.epoch, "loss": loss, "lr": lr, "seconds": seconds}
        self.rows.append(row | {f"val_{name}": value for name, value in metrics.items()})
        if metrics["log_loss"] < self.best_loss:
            self.best_epoch, self.best_loss = self.epoch, metrics["log_loss"]
            self.best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}

    def table(self) -> pd.DataFrame:
        table = pd.DataFrame(self.rows)
        return table.assign(best=table["epoch"] == self.best_epoch)

    @property
    def seconds_an_epoch(self) -> float:
        return sum(row["seconds"] for row in self.rows) / len(self.rows)


def _epoch_line(state: _State) -> str:
    last, best = state.rows[-1], state.rows[state.best_epoch - 1]
    return (
        f"loss {last['loss']:.2f}   val accuracy {last['val_accuracy']:.2f} "
        f"(kept: {best['val_accuracy']:.2f}, log loss {best['val_log_loss']:.2f}, epoch {state.best_epoch})"
    )


def _trained(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _write_checkpoint(path: Path, network: nn.Module, optimizer: Any, state: _State) -> None:
    """Write weights, best weights, moments of the optimiser and the history as one safetensors file."""
    tensors = {f"last.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best.items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    known = {"epoch": state.epoch, "best_epoch": state.best_epoch, "best_loss": state.best_loss, "rows": state.rows}
    with atomic_path(path) as temporary:
        contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        save_file(contiguous, temporary, metadata={"state": json.dumps(known)})


def _read_checkpoint(path: Path, network: nn.Module, optimizer: Any) -> _State:
    try:
        with safe_open(path, framework="pt") as file:
            known = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        network.load_state_dict(_with_prefix(tensors, "last."))
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a checkpoint of this training. Start anew with resume=false.") from error
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _with_prefix(tensors, "optimizer.").items():
        number, moment = name.split(".", 1)
        moments.setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    state = _State()
    state.epoch, state.best_epoch = known["epoch"], known["best_epoch"]
    state.best_loss, state.rows = known["best_loss"], known["rows"]
    state.best = _with_prefix(tensors, "best.")
    return state


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
