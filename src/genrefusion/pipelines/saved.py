"""Folders of trained pipelines: what describes them, what was fitted, and how they are read again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically
from genrefusion.pipelines.base import Context, Pipeline, Predictor, source_of
from genrefusion.settings.fields import as_saved, found_near
from genrefusion.settings.registry import behind, find, read_settings

FORMAT = 1
_FILE = "pipeline.json"
_STATE = "state.json"

AnyPipeline = TypeVar("AnyPipeline", bound=Pipeline)


def read_pipeline(directory: Path, context: Context) -> Predictor:
    """Read a trained pipeline from a run's ``model/`` folder.

    Raises
    ------
    UserError
        The folder holds no pipeline, or one of another format.
    """
    settings = read_settings(read_description(directory)["pipeline"])
    return cast(Predictor, behind(settings).load(directory, context))


def write_description(directory: Path, pipeline: Predictor) -> None:
    """Write ``pipeline.json``: settings, features and classes, and for how long songs are heard."""
    source = source_of(pipeline)
    features = pipeline.features if source is None else source.noted()
    description = {
        "format": FORMAT,
        "classes": pipeline.classes_,
        "pipeline": {"schema": type(pipeline.settings).__name__} | as_saved(pipeline.settings),
        "features": {"schema": type(features).__name__} | as_saved(features),
        "max_seconds": pipeline.context.max_seconds,
        "precision": pipeline.context.precision,
    }
    write_atomically(directory / _FILE, json.dumps(description, indent=2).encode())


def is_saved(directory: Path) -> bool:
    """Whether a trained pipeline lies in a folder."""
    return (directory / _FILE).is_file()


def read_description(directory: Path) -> dict[str, Any]:
    """Read ``pipeline.json``; its settings are checked as those of a command line are."""
    path = directory / _FILE
    if not path.is_file():
        raise UserError(f"{directory}: no trained pipeline (no {_FILE}).")
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}).") from error
    if description.get("format") != FORMAT:
        raise UserError(f"{path}: format {description.get('format')!r}; this version reads format {FORMAT}.")
    entry = find(str(description["pipeline"].get("schema")))
    if entry is None or entry.group != "pipeline":
        raise UserError(f"{path}: unknown pipeline {description['pipeline']['name']!r}.")
    return {"max_seconds": Context.max_seconds} | description  # older ones do not say


def write_state(directory: Path, state: dict[str, Any]) -> None:
    """Write ``state.json``: what was fitted beside weights and models."""
    write_atomically(directory / _STATE, json.dumps(state).encode())


def read_state(directory: Path) -> dict[str, Any]:
    """Read what `write_state` wrote."""
    try:
        state: dict[str, Any] = json.loads((directory / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{directory / _STATE}: missing or damaged.") from error
    return state


def rebuild(cls: type[AnyPipeline], directory: Path, context: Context) -> AnyPipeline:
    """Make the pipeline that a folder describes, with settings and classes, without what was trained."""
    description = read_description(directory)
    settings, features = (read_settings(description[part]) for part in ("pipeline", "features"))
    context = replace(context, precision=description.get("precision", "float32"))
    pipeline = cls(found_near(settings, directory), found_near(features, directory), context)
    pipeline.classes_ = description["classes"]
    return pipeline
