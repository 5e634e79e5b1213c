"""What is possible stands on the field, and is all that is taken."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from omegaconf import OmegaConf

from genrefusion.core.errors import UserError
from genrefusion.settings.composing import COMMANDS
from genrefusion.settings.data import DemoData, ManifestData
from genrefusion.settings.features import MelFeatures
from genrefusion.settings.fields import Rule, Settings, as_saved, found_near, setting
from genrefusion.settings.pipelines import CoattentionSettings, KnnSettings, TextEncoderSettings, XgboostSettings
from genrefusion.settings.registry import entries
from genrefusion.settings.sweep import SweepSettings
from genrefusion.settings.tables import TableRow, TableSettings

BETWEEN_FIELDS = {"data.min_seconds", "data.piece_seconds", "text_encoder.overlap", "pipeline.weights"}
"""Numbers whose limits are other settings."""


def all_schemas() -> dict[type[Any], None]:
    """Dataclasses of settings with their parts."""
    found: dict[type[Any], None] = {}
    for schema in [*COMMANDS, *(entry.schema for entry in entries())]:
        parts = [part for part in get_type_hints(schema).values() if dataclasses.is_dataclass(part)]
        found |= dict.fromkeys([schema, *parts, TableRow])
    return found


SETTINGS = {
    f"{schema.__name__}.{field.name}": (schema.typed_name(field.name), field)
    for schema in all_schemas()
    for field in dataclasses.fields(schema)
}
NUMBERS = {
    name: (typed, field)
    for name, (typed, field) in SETTINGS.items()
    if str(field.type).removesuffix(" | None") in ("int", "float", "list[int]", "list[float]")
}


def test_no_number_is_without_limits() -> None:
    assert {typed for typed, field in NUMBERS.values() if Rule.of(field).low is None} == BETWEEN_FIELDS


@pytest.mark.parametrize("name", [name for name in NUMBERS if NUMBERS[name][0] not in BETWEEN_FIELDS])
def test_a_number_beyond_its_limits_is_refused_by_the_name_that_is_typed(name: str) -> None:
    typed, field = NUMBERS[name]
    rule = Rule.of(field)
    beyond = [rule.low - 1, float("nan")] + ([] if rule.high is None else [rule.high + 1, float("inf")])
    for value in beyond:
        with pytest.raises(UserError, match=rf"^{typed}="):
            rule.check(typed, [value] if "list" in str(field.type) else value)
    for value in {rule.low, rule.high} - {None}:
        rule.check(typed, value)


def test_every_setting_says_what_it_means() -> None:
    silent = {
        name
        for name, (_, field) in SETTINGS.items()
        if field.name != "name"
        and not dataclasses.is_dataclass(field.default_factory)
        and not (Rule.of(field).help or Rule.of(field).needed or "(" in Rule.of(field).possible)
    }
    assert silent == set()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KnnSettings(neighbours=0), "pipeline.knn.neighbours=0 is out of range: from 1 to 10000."),
        (lambda: DemoData(test_fraction=0.7), "data.test_fraction=0.7 is out of range: from 0.01 to 0.5."),
        (lambda: MelFeatures(hop=0), "features.hop=0 is out of range: from 1 to 65536."),
        (lambda: MelFeatures(trim=-1.0), "features.trim=-1 is out of range: from 0 to 300."),
        (lambda: XgboostSettings(lr=50.0), "pipeline.lr=50 is out of range: from 1e-09 to 10."),
        (lambda: TextEncoderSettings(window=8, overlap=5), "text_encoder.overlap=5 is out of range: from 0 to 4."),
        (lambda: DemoData(max_seconds=0.0), "data.max_seconds=0 is out of range: from 0.1 to 1000000."),
        (lambda: DemoData(min_seconds=700.0), "data.min_seconds=700 is out of range: from 0 to 600."),
        (lambda: TableRow(claimed=101.0), "table.rows.claimed=101 is out of range: from 0 to 100."),
        (lambda: SweepSettings(trial=-1), "sweep.trial=-1 is out of range: from 0 to 9223372036854775808."),
        (
            lambda: XgboostSettings(vote="men"),
            "No pipeline.vote 'men'. Did you mean 'mean'? There are: majority, mean.",
        ),
        (lambda: ManifestData(needs="all"), "No data.needs 'all'."),
        (lambda: TableSettings(columns=["n", "acuracy"]), "No table.columns 'acuracy'. Did you mean 'accuracy'?"),
        (lambda: MelFeatures(hop=None), "features.hop=null: it needs a value."),
        (
            lambda: CoattentionSettings(encoder={}, width=6),
            "pipeline.width=6: not an even multiple of pipeline.heads=4.",
        ),
    ],
)
def test_a_refusal_names_setting_value_and_what_there_is(make: Any, message: str) -> None:
    with pytest.raises(UserError) as refused:
        make()
    assert str(refused.value).startswith(message)


def test_what_may_be_absent_may_be_none() -> None:
    assert MelFeatures(frame_hop_seconds=None).frame_hop_seconds is None
    assert XgboostSettings(top_features=None).top_features is None


@dataclass
class Tree(Settings):
    """A dataclass outside of this package."""

    settings_group = "garden.tree"

    height: float = setting(2.0, low=0.5, high=120, help="in metres")
    leaves: str = setting("green", choices={"green": "in summer", "red": "in autumn", "none": ""})
    years: list[int] = setting(factory=lambda: [2026], low=1900, high=2100)
    name: str | None = None


def test_limits_hold_where_hydra_makes_the_settings_too() -> None:
    composed = OmegaConf.merge(OmegaConf.structured(Tree), {"years": [2000, 3000]})
    with pytest.raises(UserError, match=r"^garden\.tree\.years=3000 is out of range: from 1900 to 2100\.$"):
        OmegaConf.to_object(composed)


def test_words_say_what_there_is_and_what_it_means() -> None:
    words = {field.name: Rule.of(field).words for field in dataclasses.fields(Tree)}
    assert words == {
        "height": "0.5 to 120; in metres",
        "leaves": "green (in summer) | red (in autumn) | none",
        "years": "1900 to 2100",
        "name": "",
    }


@dataclass
class Places(Settings):
    file: str | None = setting(None, path=True)
    folders: list[str] = setting(factory=list, path=True)
    model: str = setting("minilm", path=True, names=("minilm",))
    inner: Any = setting(None)


def test_the_home_folder_is_found_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    places = Places(file="~/t.csv", folders=["~", "b/~"], model="~/m", inner=ManifestData(root="~/x"))
    assert (places.file, places.folders, places.model) == (f"{tmp_path}/t.csv", [f"{tmp_path}", "b/~"], f"{tmp_path}/m")
    assert places.inner.root == f"{tmp_path}/x"


def test_a_run_keeps_absolute_paths_to_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("t.csv", "a", "minilm", "bert-base"):
        (tmp_path / name).touch()
    saved = as_saved(Places(file="t.csv", folders=["a", "no"], inner=Places(file="./t.csv", model="bert-base")))
    assert (saved["file"], saved["folders"], saved["model"]) == (f"{tmp_path}/t.csv", [f"{tmp_path}/a", "no"], "minilm")
    assert (saved["inner"]["file"], saved["inner"]["model"]) == (f"{tmp_path}/t.csv", f"{tmp_path}/bert-base")


def test_a_relative_path_of_an_old_run_is_found_from_a_folder_above_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "outputs" / "lyrics" / "2026"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "t.csv").touch()
    monkeypatch.chdir(tmp_path / "elsewhere")
    old = Places(file="t.csv", folders=["gone"], inner=Places(file="t.csv"))
    found = found_near(old, run)
    assert (found.file, found.folders, found.inner.file) == (str(tmp_path / "t.csv"), ["gone"], str(tmp_path / "t.csv"))
    Path("t.csv").touch()
    assert found_near(old, run) == old, "what is in the working directory comes first"


def test_settings_that_are_called_like_paths_are_marked_as_such() -> None:
    """A plain text that names a file would be left as it was typed."""
    words = {"path", "root", "manifest", "run", "out", "output", "cache", "model", "artist_index", "runs"}
    for name, (_, field) in SETTINGS.items():
        if Rule.of(field).choices:
            continue
        if field.name in words or (field.name == "weights" and "str" in str(field.type)):
            assert Rule.of(field).path, name
