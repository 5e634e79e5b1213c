"""What is saved of a pipeline is data: reading it runs nothing and tells nothing of the reader."""

from __future__ import annotations

import pytest

from genrefusion.core.errors import UserError
from genrefusion.pipelines.base import read_settings
from genrefusion.settings.data import ManifestData


@pytest.mark.parametrize("text", ["${oc.env:SECRET}", "a/${name}", r"\${oc.env:SECRET}", "${", "$", "{}"])
def test_references_in_saved_settings_are_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "told")
    found = read_settings({"schema": "ManifestData", "manifest": text})
    assert found == ManifestData(manifest=text)


@pytest.mark.parametrize(
    "name", ["os", "UserError", "dataclass", "check_range", "process_count", "TextEncoder", "", None]
)
def test_only_dataclasses_of_settings_are_schemas(name: str | None) -> None:
    with pytest.raises(UserError, match="no schema"):
        read_settings({"schema": name, "manifest": "t.csv"})
