"""What the READMEs say is so: links lead somewhere, commands compose, figures stand among the results."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from conftest import REPOSITORY, compose_train
from genrefusion.settings.composing import configs_directory, register, to_settings

FOLDERS = ("configs", "data", "notebooks", "src", "tests")
PAGES = sorted([REPOSITORY / "README.md", *(p for folder in FOLDERS for p in (REPOSITORY / folder).rglob("*.md"))])
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
COMMANDS = ("train", "evaluate", "predict", "reproduce", "corpus")


def anchors(page: Path) -> set[str]:
    """What may stand behind ``#`` in a link to a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[str]:
    """Lines of the blocks of shell code that call this package, without the dots that stand for more of the same."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = [line.replace("…", "").strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(COMMANDS)]


def each_run(words: list[str]) -> list[list[str]]:
    """Overrides of each run that a command starts: one, or with ``-m`` one for each combination."""
    if "-m" not in words:
        return [words]
    choices = [[f"{name}={one}" for one in values.split(",")] for name, values in (w.split("=") for w in words[1:])]
    return [list(run) for run in itertools.product(*choices)]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    dead = []
    for link in (first or second for first, second in links):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("line", sorted({line.split("#")[0].strip() for page in PAGES for line in commands(page)}))
def test_commands_compose(line: str) -> None:
    command, *words = shlex.split(line)
    if command == "train":
        for overrides in each_run(words):
            compose_train(*overrides)
        return
    register()
    with initialize_config_dir(str(configs_directory()), version_base="1.3"):
        to_settings(compose(command, words))


def test_figures_of_the_first_page_stand_among_the_results() -> None:
    systems = (REPOSITORY / "README.md").read_text(encoding="utf-8").split("## Systems")[1].split("## ")[0]
    results = (REPOSITORY / "data" / "RESULTS.md").read_text(encoding="utf-8")
    figures = re.findall(r"\[\.\d+, \.\d+\]|(?<![\d.,] )\.\d{3}", systems)
    assert len(figures) > 20
    assert [figure for figure in figures if figure not in results] == []


def test_every_experiment_is_described() -> None:
    page = (configs_directory() / "experiment" / "README.md").read_text(encoding="utf-8")
    files = {path.stem for path in (configs_directory() / "experiment").glob("*.yaml")}
    assert {name for name in files if f"`{name}`" not in page} == set()


def test_modules_have_moved_to_where_the_release_notes_say() -> None:
    table = (REPOSITORY / "src" / "README.md").read_text(encoding="utf-8").split("| 0.1 | 0.2 |")[1].split("\n\n")[0]
    new = [name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z_.]+)`", row.split("|")[2])]
    package = REPOSITORY / "src" / "genrefusion"
    places = [package / name.replace(".", "/") for name in new if name != "open_run"]
    assert len(places) > 30
    assert [str(place) for place in places if not (place.is_dir() or place.with_suffix(".py").is_file())] == []
