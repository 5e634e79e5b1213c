from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
from pathlib import Path

import pytest

from genrefusion.api import find_runs
from genrefusion.core.terminal import Terminal
from genrefusion.runs.index import renew_index
from pages import Page

QUIET = Terminal(quiet=True)


def leave_run(folder: Path, **facts: object) -> Path:
    """What the index reads of a run's folder."""
    record = {"status": "finished", "name": "multiframe", "corpus": "demo", "corpus_digest": "0123456789abcdef"}
    record |= {"protocol": "5-fold", "seed": 0, "synthetic": True, "config": {"output": "outputs"}}
    test = {"n": 30, "accuracy": 0.5, "accuracy_ci95": [0.3, 0.7], "macro_f1": 0.25}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record | facts))
    (folder / "metrics.json").write_text(json.dumps({"test": test}))
    return folder


def listed(output: Path) -> list[list[str]]:
    return Page(output / "index.html").tables.get("Finished runs", [[]])[1:]


def test_finished_runs_are_listed_wherever_they_lie_below(tmp_path: Path) -> None:
    leave_run(tmp_path / "multiframe" / "demo" / "2026-01-02_03-04-05")
    leave_run(tmp_path / "xgboost" / "demo" / "2026-01-01_sweep" / "0", status="trial")
    leave_run(tmp_path / "xgboost" / "demo" / "2026-01-03_00-00-00", status="running")
    last = leave_run(tmp_path / "mine" / "seeds" / "2026-01-04_00-00-00+2", name="mine")
    renew_index(str(tmp_path), last, QUIET)
    assert [row[0] for row in listed(tmp_path)] == ["mine", "multiframe"]
    assert listed(tmp_path)[1] == [
        *("multiframe", "demo synthetic", "5-fold", "0", "30", "0.500 [0.300, 0.700]", "0.250", "2026-01-02 03:04"),
        "01234567",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"multiframe", "xgboost", "mine", "index.html"}


def test_runs_of_one_name_are_told_apart_by_their_settings(tmp_path: Path) -> None:
    for number, width in enumerate((32, 64)):
        config = {"seed": number, "output": str(tmp_path), "pipeline": {"width": width, "layers": 2}, "data": {"n": 1}}
        leave_run(tmp_path / f"same{number}", name="same", config=config)
    leave_run(tmp_path / "gtzan", name="same", corpus="gtzan", config=config | {"data": {"root": "/songs"}})
    leave_run(tmp_path / "other", name="other", config=config | {"pipeline": {"width": 8, "c": None}})
    renew_index(str(tmp_path), tmp_path / "other", QUIET)
    header, *rows = Page(tmp_path / "index.html").tables["Finished runs"]
    place = header.index("settings")
    said = {(row[0], row[1].split()[0], row[place]) for row in rows}
    same = {("same", "demo", "pipeline.width=32"), ("same", "demo", "pipeline.width=64")}
    assert said == same | {("same", "gtzan", "pipeline.width=64"), ("other", "demo", "")}
    assert find_runs(tmp_path).set_index("directory").loc[tmp_path / "same0", "pipeline.width"] == 32


def test_an_evaluation_and_a_table_are_listed(tmp_path: Path) -> None:
    run = leave_run(tmp_path / "multiframe" / "demo" / "1")
    evaluation = run / "evaluations" / "gtzan"
    evaluation.mkdir(parents=True)
    about = {"corpus": "gtzan", "corpus_digest": "fedcba9876", "synthetic": False, "protocol": "trained on demo"}
    (evaluation / "evaluation.json").write_text(json.dumps(about))
    shutil.copy(run / "metrics.json", evaluation)
    table = tmp_path / "tables" / "paper" / "demo_5_fold"
    table.mkdir(parents=True)
    (table / "table.csv").write_text("title,corpus,protocol,accuracy\nFirst,demo,5-fold,0.5\nSecond,demo,5-fold,0.4\n")
    renew_index(str(tmp_path), table, QUIET)
    shown = Page(tmp_path / "index.html")
    assert shown.tables["Evaluations of finished runs"][1][:3] == ["multiframe", "gtzan", "trained on demo"]
    assert shown.tables["Evaluations of finished runs"][1][-1] == "fedcba98"
    assert shown.tables["Tables of results"][1][:3] == ["paper", "demo, 5-fold", "2"]
    assert [str(link["href"]) for link in shown.all("a")][1] == "multiframe/demo/1/evaluations/gtzan/report.html"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff\xfe", b'{"status": "finished"}', b'{"status": "finished", "config": 1}', b"[" * 99999],
)
def test_a_damaged_run_is_left_out_and_named(tmp_path: Path, content: bytes) -> None:
    run = leave_run(tmp_path / "multiframe" / "demo" / "1")
    (leave_run(tmp_path / "multiframe" / "demo" / "2") / "run.json").write_bytes(content)
    renew_index(str(tmp_path), run, QUIET)
    assert len(listed(tmp_path)) == 1
    assert "multiframe/demo/2/run.json" in Page(tmp_path / "index.html").text
    assert len(find_runs(tmp_path)) == 1


@pytest.mark.parametrize("figures", ["{}", '{"test": []}', '{"test": {"n": 3, "accuracy": NaN, "macro_f1": 1}}', None])
def test_a_run_without_its_figures_is_left_out_and_named(tmp_path: Path, figures: str | None) -> None:
    metrics = leave_run(tmp_path / "1") / "metrics.json"
    metrics.unlink() if figures is None else metrics.write_text(figures)
    renew_index(str(tmp_path), tmp_path / "1", QUIET)
    assert listed(tmp_path) == []
    assert "1/run.json" in Page(tmp_path / "index.html").text


def test_a_run_elsewhere_is_in_no_index(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    renew_index(str(tmp_path / "outputs"), leave_run(tmp_path / "elsewhere"), QUIET)
    renew_index(str(tmp_path / "none"), tmp_path / "elsewhere", QUIET)
    assert {path.name for path in tmp_path.iterdir()} == {"outputs", "elsewhere"}
    assert not list((tmp_path / "outputs").iterdir())


def test_a_page_that_cannot_be_written_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = leave_run(tmp_path / "1")
    (tmp_path / "index.html").mkdir()
    renew_index(str(tmp_path), run, Terminal())
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"note     {tmp_path}/index.html: ")


def finish(output: Path, number: int) -> None:
    renew_index(str(output), leave_run(output / "multiframe" / str(number)), QUIET)


@pytest.mark.slow
def test_runs_that_finish_at_once_are_all_there(tmp_path: Path) -> None:
    make = multiprocessing.get_context("fork").Process
    processes = [make(target=finish, args=(tmp_path, number)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(listed(tmp_path)) == 8


def test_each_record_is_read_once(tmp_path: Path) -> None:
    for number in range(5):
        leave_run(tmp_path / str(number))
    opened: list[str] = []
    watching = [True]
    sys.addaudithook(lambda name, args: watching and name == "open" and opened.append(os.fsdecode(str(args[0]))))
    renew_index(str(tmp_path), tmp_path / "1", QUIET)
    watching.clear()
    names = [Path(path).name for path in opened if path.startswith(str(tmp_path))]
    assert (names.count("run.json"), names.count("metrics.json")) == (5, 5)
