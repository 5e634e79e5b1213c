from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from genrefusion.core import terminal
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.settings.pipelines import NetworkSettings
from genrefusion.settings.trainer import TrainerSettings
from genrefusion.training import Watch
from genrefusion.training.checkpoints import Checkpoint
from genrefusion.training.loop import Conditions, make_accelerator, rate_factor, train_network
from genrefusion.training.losses import classification_loss


class Killed(Exception):
    pass


def points() -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 4, generator=generator)
    return TensorDataset(inputs, (inputs[:, 0] + inputs[:, 1] > 0).long())


QUIET = Terminal(quiet=True)
CPU = TrainerSettings(device="cpu")


def new_network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))


def figures(network: nn.Module) -> Mapping[str, float]:
    inputs, classes = points().tensors
    with torch.no_grad():
        logits = network(inputs)
    return {
        "accuracy": float((logits.argmax(1) == classes).float().mean()),
        "log_loss": float(nn.functional.cross_entropy(logits, classes)),
    }


def fit(
    network: nn.Module,
    *,
    checkpoint: Checkpoint | None = None,
    watch: Watch | None = None,
    shown: Terminal = QUIET,
    trainer: TrainerSettings = CPU,
    **settings: Any,
) -> pd.DataFrame:
    return train_network(
        network,
        points(),
        loss=settings.pop("loss", classification_loss(mixup=0.2)),
        validate=settings.pop("validate", figures),
        settings=NetworkSettings(**({"name": "points", "epochs": 6, "batch_size": 16, "lr": 0.02} | settings)),
        conditions=Conditions(5, trainer, shown, checkpoint, watch),
    )


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_training_learns() -> None:
    network = new_network()
    history = fit(network, epochs=20)
    assert figures(network.eval())["accuracy"] > 0.9
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_a_log_shows_that_training_moves_within_the_first_epoch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "FIRST_SECONDS", 0)
    monkeypatch.setattr(terminal, "NEXT_SECONDS", 0)
    fit(new_network(), epochs=2, batch_size=16, shown=Terminal())
    lines = capsys.readouterr().out.splitlines()
    batches = -(-len(points()) // 16)
    assert lines[0] == f"train    epoch 1/2   {100 / (2 * batches):.0f} %"
    assert lines[1].startswith(f"train    epoch 1/2   {200 / (2 * batches):.0f} %, about 0:0")
    assert sum("epoch 1/2" in line for line in lines) == batches
    assert lines[-2].endswith(("done in 0:00", "done in 0:01"))
    assert lines[-1].startswith("train    2 epochs   loss")


def test_the_epoch_with_the_lowest_log_loss_is_kept() -> None:
    network = new_network()
    history = fit(network, lr=0.5)
    kept = history.loc[history["best"]].iloc[0]
    assert kept["val_log_loss"] == history["val_log_loss"].min()
    assert figures(network.eval())["log_loss"] == pytest.approx(kept["val_log_loss"], rel=1e-5)


def test_training_stops_when_patience_is_over() -> None:
    worse = iter(range(1, 100))
    history = fit(new_network(), epochs=50, patience=3, validate=lambda _: {"accuracy": 0.5, "log_loss": next(worse)})
    assert len(history) == 1 + 3


@pytest.mark.parametrize(
    ("killed_in_epoch", "how"),
    [
        *((epoch, {}) for epoch in (1, 3, 5)),
        (3, {"trainer": TrainerSettings("cpu", mixed_precision="bf16")}),
    ],
    ids=str,
)
def test_an_interrupted_training_resumes_to_the_same_weights(
    tmp_path: Path, killed_in_epoch: int, how: dict[str, Any]
) -> None:
    whole = new_network()
    expected = fit(whole, **how)

    calls = iter(range(1, 100))

    def dies(network: nn.Module) -> Mapping[str, float]:
        if next(calls) > killed_in_epoch:
            raise Killed
        return figures(network)

    with pytest.raises(Killed):
        fit(new_network(), checkpoint=Checkpoint(tmp_path / "state.safetensors"), validate=dies, **how)
    resumed = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    history = fit(resumed, checkpoint=Checkpoint(tmp_path / "state.safetensors", resume=True), **how)
    assert same(resumed, whole)
    pd.testing.assert_frame_equal(history.drop(columns="seconds"), expected.drop(columns="seconds"))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    fit(new_network(), checkpoint=Checkpoint(path), epochs=1)
    with pytest.raises(UserError, match="not a checkpoint of this training"):
        fit(nn.Sequential(nn.Linear(4, 2)), checkpoint=Checkpoint(path, resume=True))


def test_a_pickle_named_as_a_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    torch.save({"epoch": 1}, path)
    with pytest.raises(UserError, match="not a checkpoint"):
        fit(new_network(), checkpoint=Checkpoint(path, resume=True))


def test_a_loss_that_is_no_number_stops_with_a_cure() -> None:
    def broken(network: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        return network(inputs).sum() * float("nan")

    with pytest.raises(UserError, match=r"lower pipeline\.lr"):
        fit(new_network(), loss=broken)


def test_a_device_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(UserError, match=r"trainer\.device=cpu"):
        train_network(
            new_network(),
            points(),
            loss=classification_loss(),
            validate=figures,
            settings=NetworkSettings(name="points"),
            conditions=Conditions(0, TrainerSettings(device="cuda"), Terminal(quiet=True)),
        )


def test_rate_climbs_then_falls_to_nothing() -> None:
    factors = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0)
    assert factors.index(max(factors)) in (9, 10)
    assert factors[-1] < 0.001
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_a_loss_that_is_no_number_ends_in_a_clear_error() -> None:
    def no_number(network: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        return nn.functional.cross_entropy(network(inputs), classes) * float("nan")

    with pytest.raises(UserError, match=r"no number any more in epoch 1\. Try a lower pipeline\.lr"):
        fit(new_network(), loss=no_number)


def test_weights_that_the_last_step_spoils_end_in_a_clear_error() -> None:
    with pytest.raises(UserError, match="no number any more after epoch 1"):
        fit(new_network(), validate=lambda _: {"accuracy": 0.5, "log_loss": float("nan")})


def test_a_processor_does_not_train_in_float16() -> None:
    with pytest.raises(UserError, match=r"mixed_precision=fp16: a processor does not.*mixed_precision=bf16, or no\."):
        make_accelerator(TrainerSettings("cpu", mixed_precision="fp16"))


def test_what_was_trained_in_bfloat16_is_validated_and_predicts_in_single_precision() -> None:
    network = new_network()
    history = fit(network, trainer=TrainerSettings("cpu", mixed_precision="bf16"), epochs=20)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    alone = new_network()
    alone.load_state_dict(network.state_dict())
    inputs = points().tensors[0]
    assert torch.equal(network.eval()(inputs), alone.eval()(inputs))
    assert figures(network)["log_loss"] == history["val_log_loss"].min()


def test_each_epoch_is_watched_and_what_the_watcher_raises_ends_the_training() -> None:
    seen: list[tuple[int, float]] = []

    def watch(epoch: int, log_loss: float) -> None:
        seen.append((epoch, log_loss))
        if epoch == 3:
            raise Killed

    with pytest.raises(Killed):
        fit(new_network(), watch=watch)
    history = fit(new_network())
    assert seen == [(row.epoch, row.val_log_loss) for row in history.head(3).itertuples()]


def test_one_process_trains_with_one_precision_after_another() -> None:
    found = [make_accelerator(TrainerSettings(mixed_precision=name)).mixed_precision for name in ("no", "bf16", "no")]
    assert found == ["no", "bf16", "no"]
