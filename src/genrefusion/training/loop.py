"""The training loop of every network: plain, seeded, and able to go on where it was interrupted.

`accelerate` places model and batches. Nothing depends on the state of a random number generator from before an epoch:
each epoch begins with a seed of its own, so that an interrupted training that is resumed ends with the same weights as
one that ran through.

Several processes divide each batch among them, so that steps and rates are those of one process. What they decide by
comes from the main process, so that they stay in step.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pandas as pd
import torch
from accelerate import Accelerator, DataLoaderConfiguration, InitProcessGroupKwargs, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, broadcast_object_list, gather_object
from torch import Tensor, nn
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format
from torch.utils.data import DataLoader, Dataset

from genrefusion.core.errors import UserError
from genrefusion.core.machine import usable_cores
from genrefusion.core.processes import process_count
from genrefusion.core.terminal import Terminal
from genrefusion.settings.pipelines import NetworkSettings
from genrefusion.settings.trainer import TrainerSettings
from genrefusion.training import Watch
from genrefusion.training.checkpoints import Checkpoint, Progress, read_checkpoint, write_checkpoint

Batch = tuple[Any, Tensor]
Loss = Callable[[nn.Module, Any, Tensor], Tensor]
Validate = Callable[[nn.Module], Mapping[str, float]]
Collate = Callable[[Any], Batch]

_NO_NUMBER = "The loss is no number any more"
_PATIENCE = timedelta(days=7)
"""Of processes that wait for the main one to extract features. Should it die, the launcher ends them."""


@dataclass(frozen=True)
class Conditions:
    """Where and how a network is trained; of it, seed and precision alone change the weights.

    Attributes
    ----------
    seed : int
        Of the order of items and all that is random in the loss.
    trainer : TrainerSettings
        Device and precision.
    terminal : Terminal
        Shows epoch, loss and metrics.
    checkpoint : Checkpoint, optional
        Makes the training resumable.
    watch : callable, optional
        ``watch(epoch, log_loss)`` is told the validation metric after each epoch; what it raises ends the training.
    label : str
        What the training is called on the terminal.
    tell : callable, optional
        ``tell(row)`` is told the row of the history after each epoch, once it is in the checkpoint.
    """

    seed: int
    trainer: TrainerSettings
    terminal: Terminal
    checkpoint: Checkpoint | None = None
    watch: Watch | None = None
    tell: Callable[[Mapping[str, float]], None] | None = None
    label: str = "train"


def train_network(
    network: nn.Module,
    dataset: Dataset[Batch],
    *,
    loss: Loss,
    validate: Validate,
    settings: NetworkSettings,
    conditions: Conditions,
    collate: Collate | None = None,
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
    conditions : Conditions
        Seed, device, terminal, checkpoint.
    collate : callable, optional
        Makes a batch of a list of items; by default they are stacked.

    Returns
    -------
    DataFrame
        One row an epoch: ``epoch, loss, lr, seconds`` and ``val_*``; ``best`` marks the epoch that was kept.

    Raises
    ------
    UserError
        The loss is no number any more, or the checkpoint is of another training.
    """
    terminal, checkpoint, watch = conditions.terminal, conditions.checkpoint, conditions.watch
    trained = _prepared(network, dataset, settings, conditions.trainer, collate)
    progress = Progress()
    if checkpoint and checkpoint.resume and checkpoint.path.is_file():
        progress = read_checkpoint(checkpoint.path, network, trained.optimizer)
    steps = max(1, len(trained.loader))
    total, done = settings.epochs * steps, progress.epoch * steps
    with terminal.progress(conditions.label, total, done=done, said=progress.begun(settings.epochs)) as advance:
        while progress.epoch < settings.epochs and progress.epoch - progress.best_epoch < settings.patience:
            began = time.perf_counter()
            value, rate = _train_epoch(
                trained,
                progress.epoch,
                loss,
                settings,
                conditions.seed,
                partial(advance, 1, progress.begun(settings.epochs)),
            )
            metrics = _validated(trained, progress.epoch, validate)
            progress.note(network, value, rate, time.perf_counter() - began, metrics)
            if checkpoint and trained.accelerator.is_main_process:
                write_checkpoint(checkpoint.path, network, trained.optimizer, progress)
            advance(0, progress.begun(settings.epochs))
            if conditions.tell and trained.accelerator.is_main_process:
                conditions.tell(progress.rows[-1])
            if watch and trained.accelerator.is_main_process:
                watch(progress.epoch, metrics["log_loss"])
    pace = f"{progress.seconds_an_epoch:.1f} s an epoch"
    terminal.say(conditions.label, f"{progress.epoch} epoch{'s' * (progress.epoch > 1)}   {progress.line}   {pace}")
    network.load_state_dict(progress.best)
    network.cpu()
    return progress.table()


@dataclass(frozen=True)
class _Prepared:
    """A network and what trains it, as `accelerate` has placed them."""

    accelerator: Accelerator
    network: nn.Module
    model: nn.Module  # the network in mixed precision, with several processes in what holds theirs together
    optimizer: Any
    loader: Any
    sampler: torch.Generator

    @property
    def parameters(self) -> list[nn.Parameter]:
        return _trainable(self.network)


def _prepared(
    network: nn.Module,
    dataset: Dataset[Batch],
    settings: NetworkSettings,
    trainer: TrainerSettings,
    collate: Collate | None,
) -> _Prepared:
    accelerator = make_accelerator(trainer)
    # With the channels of a point beside each other a step takes two thirds of the time; the order of sums changes.
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    # Parameters that stay fixed are not given to the optimiser, so its state is in the order of the trained ones.
    optimizer = torch.optim.AdamW(_trainable(network), lr=settings.lr, weight_decay=settings.weight_decay)
    sampler = torch.Generator()
    items = cast(Sized, dataset)
    # A last batch of one item would leave batch normalisation without a variance.
    loader: Any = DataLoader(
        dataset,
        settings.batch_size,
        shuffle=True,
        generator=sampler,
        drop_last=len(items) % settings.batch_size == 1,
        collate_fn=collate,
    )
    model, optimizer, loader = accelerator.prepare(_InMixedPrecision(network), optimizer, loader)
    return _Prepared(accelerator, network, model, optimizer, loader, sampler)


def _train_epoch(
    trained: _Prepared, epoch: int, loss: Loss, settings: NetworkSettings, seed: int, stepped: Callable[[], None]
) -> tuple[float, float]:
    """Go through all items once; returns the mean loss of the steps and the last learning rate."""
    accelerator, optimizer = trained.accelerator, trained.optimizer
    steps = max(1, len(trained.loader))
    # Each process draws its own dropout and cuts; the order of the items is the same in all.
    torch.manual_seed(seed * 100_003 + epoch + (accelerator.process_index << 32))
    trained.sampler.manual_seed(seed * 100_003 + epoch)
    total = 0.0
    trained.model.train()
    for step, (inputs, classes) in enumerate(trained.loader):
        rate = settings.lr * rate_factor(epoch * steps + step, settings.epochs * steps, settings.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        value = loss(trained.model, inputs, classes)
        accelerator.backward(value)
        accelerator.clip_grad_norm_(trained.parameters, settings.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        total += float(value.detach())
        stepped()
    total = sum(gather_object([total])) / accelerator.num_processes
    if not math.isfinite(total):
        raise UserError(f"{_NO_NUMBER} in epoch {epoch + 1}. Try a lower pipeline.lr.")
    return total / steps, rate


def _validated(trained: _Prepared, epoch: int, validate: Validate) -> dict[str, float]:
    """Metrics of the validation tracks, the same in all processes."""
    trained.model.eval()
    # Each process has seen other batches: running means and the like are those of the main process.
    broadcast(list(trained.network.buffers()))
    metrics = from_main(dict(validate(trained.network)) if trained.accelerator.is_main_process else {})
    if not math.isfinite(metrics["log_loss"]):  # the last step can spoil weights without a trace in the loss
        raise UserError(f"{_NO_NUMBER} after epoch {epoch + 1}. Try a lower pipeline.lr.")
    return dict(metrics)


class _InMixedPrecision(nn.Module):
    """A network as it is trained.

    `accelerate` changes the `forward` of what it is given for good. Here that is this module's: the network itself
    keeps to single precision where it validates and predicts, as it will once it is saved.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Any) -> Any:
        return self.network(*inputs)


def _trainable(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def make_accelerator(trainer: TrainerSettings) -> Accelerator:
    """Set up `accelerate` for a device, with PyTorch's threads.

    Raises
    ------
    UserError
        The device is not there, or does not compute in this precision.
    """
    available = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    needed = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    found = available.get(trainer.device, needed)
    if not found:
        raise UserError(f"trainer.device={trainer.device}: PyTorch sees no such device here. Use trainer.device=cpu.")
    if found < needed:
        raise UserError(f"trainer.device={trainer.device}: {needed} processes need as many, PyTorch sees {found}.")
    # PyTorch counts the cores of the machine, of which a container may have a part.
    threads = trainer.threads or min(torch.get_num_threads(), usable_cores())
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    if process_count() == 1:  # an earlier run of this process may have had another device or precision
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(
        mixed_precision=trainer.mixed_precision,
        cpu=trainer.device == "cpu",
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
    if trainer.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise UserError(
            "trainer.mixed_precision=fp16: a processor does not compute in float16. Use trainer.mixed_precision=bf16, "
            "or no."
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
