"""Pages as the tests of reports read them, and names that try to become part of one."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

SCRIPT, IMAGE, TEMPLATE = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}"


def needs_chromium(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that opens a browser, which takes a long time."""
    return pytest.mark.long(pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")(test))


class Page(HTMLParser):
    """What a page holds: tags with their attributes, text, and the rows of each table by its caption."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.tables: dict[str, list[list[str]]] = {}
        self._inside: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source"):
            self._inside.append(tag)
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")
        if tag == "small":
            self._rows[-1][-1] += " "

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            return
        self.text += data
        if "caption" in self._inside:
            self.tables[data] = self._rows
        elif "td" in self._inside or "th" in self._inside:
            self._rows[-1][-1] += data.strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def write_explanations(folder: Path, *songs: dict[str, Any], difference: tuple[float, float] = (-0.2, -0.1)) -> None:
    """Files that explaining leaves, as far as a page shows them, of songs with some of their facts."""
    (folder / "audio").mkdir(parents=True)
    usual = {"track_id": "a", "fold": 0, "genre": "pop", "predicted": "rock", "probability": 0.75, "picture": "a.png"}
    usual |= {
        "before": ["", " "],
        "words": ["Oh", "yeah"],
        "tokens": [1, 2],
        "shares": [0.5, 0.5],
        "times": [1.5, 0.75],
    }
    for path in (*(folder / f"{name}.png" for name in ("words", "deletion")), folder / "audio" / "a.png"):
        plt.imsave(path, np.zeros((200, 300, 3)))
    (folder / "songs.json").write_text(json.dumps({"songs": [usual | song for song in songs]}))
    low, high = difference
    metrics = {"mean_difference": (low + high) / 2, "mean_difference_ci95": [low, high], "songs": 9}
    metrics |= {"tokens": {"attended": 1.25, "random": 1.2}}
    (folder / "deletion.json").write_text(json.dumps(metrics))


def open_in_browser(page: Path, folder: Path, *, width: int = 400) -> tuple[dict[str, Any], list[str]]:
    """Open a page, so many pixels wide, in a frame of another that looks at it.

    Returns the natural widths of its pictures and how far it is wider than the frame, and the lines of the console.
    """
    folder.mkdir()
    (folder / "frame.html").write_text(
        f"""<!DOCTYPE html><iframe id="page" width="{width}" height="800" src="{page.as_uri()}"></iframe><pre id="seen"></pre>
        <script>addEventListener("load", () => {{
          const shown = document.getElementById("page").contentDocument;
          const widths = [...shown.images].map(image => image.naturalWidth);
          const overflow = shown.documentElement.scrollWidth - shown.documentElement.clientWidth;
          document.getElementById("seen").textContent = JSON.stringify({{widths, overflow}});
        }})</script>"""
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    options += ["--disable-component-update", "--disable-sync", "--allow-file-access-from-files"]
    options += ["--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    answer = subprocess.run(
        ["chromium", *options, (folder / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    seen = answer.stdout.split('<pre id="seen">')[1].split("</pre>")[0]
    return json.loads(seen), [line for line in answer.stderr.splitlines() if "CONSOLE" in line]
