"""Pages as the tests of reports read them, and names that try to become part of one."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from genrefusion.reports.pages import TEMPLATES

STYLE = (TEMPLATES / "style.css").read_text()

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
        if "style" in self._inside or "script" in self._inside:
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


def colour(name: str, where: str) -> tuple[float, float, float]:
    """A colour of the style, by day or by night."""
    found = re.findall(rf"--{name}: (#[0-9a-f]+);", STYLE)
    return to_rgb(found[("day", "night", "print").index(where)])


def contrast(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Ratio of the luminances of two colours (WCAG 2.2)."""
    values = np.array([first, second])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return float((high + 0.05) / (low + 0.05))


def open_in_browser(
    page: Path, folder: Path, *, width: int = 400, dark: bool = False, look: str | None = None
) -> tuple[Any, list[str]]:
    """Open a page, so many pixels wide, by day or by night, in a frame of another that looks at it.

    Returns what was seen, and the lines of the console. It was seen how wide the pictures are by nature (``widths``),
    how far the page is wider than the frame (``overflow``), which elements stick out of it or out of their own box
    without being in something that scrolls and says what it is (``sticking_out``), what of that has to be scrolled
    (``scrolled``), and the address of the first picture that is shown (``shown``). Another script can `look` instead.
    """
    folder.mkdir()
    (folder / "frame.html").write_text(
        f"""<!DOCTYPE html><meta name="color-scheme" content="light dark">
        <iframe id="page" width="{width}" height="800" src="{page.as_uri()}"></iframe><pre id="seen"></pre>
        <script>{look or _LOOK}</script>"""
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    options += ["--disable-component-update", "--disable-sync", "--allow-file-access-from-files"]
    options += [f"--window-size={width + 60},900", f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    options += ["--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    answer = subprocess.run(
        ["chromium", *options, (folder / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    seen = html.unescape(answer.stdout.split('<pre id="seen">')[1].split("</pre>")[0])
    return json.loads(seen), [line for line in answer.stderr.splitlines() if "CONSOLE" in line]


_LOOK = """
addEventListener("load", () => {
  const shown = document.getElementById("page").contentDocument, root = shown.documentElement;
  const style = element => shown.defaultView.getComputedStyle(element);
  const scrolls = element => ["auto", "scroll"].includes(style(element).overflowX);
  const said = element => `${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`;
  const sticking = [], scrolled = [];
  for (const element of shown.body.querySelectorAll("*")) {
    const wider = element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
    if (scrolls(element)) {
      const label = element.getAttribute("aria-label");
      if (wider) scrolled.push(label);
      if (wider && !(label && element.tabIndex === 0)) sticking.push(said(element));
      continue;
    }
    let above = element.parentElement;
    while (above && !scrolls(above)) above = above.parentElement;
    if (above) continue;
    const place = element.getBoundingClientRect();
    const outside = place.right > root.clientWidth + 0.5 || place.left < -0.5;
    if (outside || (wider && style(element).overflowX === "visible")) sticking.push(said(element));
  }
  const images = [...shown.images];
  document.getElementById("seen").textContent = JSON.stringify({
    widths: images.map(image => image.naturalWidth), overflow: root.scrollWidth - root.clientWidth,
    sticking_out: sticking, scrolled: scrolled, shown: images.length ? images[0].currentSrc : "",
  });
})
"""
