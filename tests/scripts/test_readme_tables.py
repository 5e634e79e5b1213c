"""Every figure of the pages' tables has its row in ``data/results/``, and comes from there."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))
import readme_tables
from benchmarks.timing import write_record

RUNS = REPOSITORY / "tests" / "fixtures" / "cea9ebd" / "runs"
PAGES = ("README.md", "data/RESULTS.md")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the pages and of the files of results."""
    shutil.copytree(REPOSITORY / "data" / "results", tmp_path / "data" / "results")
    for page in PAGES:
        shutil.copyfile(REPOSITORY / page, tmp_path / page)
    monkeypatch.setattr(readme_tables, "REPOSITORY", tmp_path)
    return tmp_path


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "data" / "results" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def change(folder: Path, name: str, column: str, value: str, key: str = "") -> None:
    """Put another value into a row of a file, by default into the first one."""
    found = rows(folder, name)
    (row, *_) = (row for row in found if not key or key == f"{row['table']}/{row['row']}")
    assert row[column] != value
    row[column] = value
    with (folder / "data" / "results" / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


def pages(folder: Path) -> list[str]:
    return [(folder / page).read_text() for page in PAGES]


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    """Exit code of a command that ends, and what it says."""
    with pytest.raises(SystemExit) as ended:
        readme_tables.main(list(words) or ["--check"])
    return int(ended.value.code or 0), capsys.readouterr().err.splitlines()


def test_pages_have_the_tables_that_the_files_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys) == (0, [])


README, RESULTS = (f"{page}: table '%s' is not what data/results gives." for page in PAGES)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("systems", "accuracy", "0.99", "emotify/musicnn"), [README % "systems", RESULTS % "emotify"]),
        (("systems", "macro_f1_high", "0.99", "lyrics/stack"), [RESULTS % "lyrics"]),
        (("systems", "title", "another", "gtzan/xgboost"), [RESULTS % "gtzan"]),
        (("differences", "difference_low", "-0.99", "words/coattention"), [RESULTS % "words"]),
        (("differences", "p", "0.99", "leakage/forest_songs"), [RESULTS % "leakage"]),  # its star goes
        (("overview", "songs", "another"), [README % "systems"]),
        (("speed", "times", "999"), [RESULTS % "speed"]),
        (("size", "mib", "999"), [RESULTS % "size"]),
    ],
)
def test_a_changed_figure_is_named_by_page_and_table(
    copy: Path, capsys: pytest.CaptureFixture[str], changed: tuple[str, ...], said: list[str]
) -> None:
    before = pages(copy)
    change(copy, *changed)
    assert check(capsys) == (1, [*said, "Write it: python scripts/readme_tables.py"])
    assert pages(copy) == before


def test_a_figure_that_is_typed_into_a_page_is_named(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = copy / "README.md"
    page.write_text(page.read_text().replace("] GTZAN |", "9] GTZAN |", 1))
    assert check(capsys)[1][0] == README % "systems"


def test_a_second_writing_changes_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(copy, "systems", "accuracy", "0.99", "emotify/musicnn")
    readme_tables.main([])
    once = pages(copy)
    assert "| audio |  | .990 [" in once[0]
    assert "| `musicnn`, logistic regression on the tag network | .990 | " in once[1]
    assert check(capsys) == (0, [])
    readme_tables.main([])
    assert pages(copy) == once


def test_a_page_without_the_place_of_a_table_is_named(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = copy / "data" / "RESULTS.md"
    page.write_text(page.read_text().replace("<!-- table speed -->\n", ""))
    code, said = check(capsys)
    assert code == 2
    assert said == ["data/RESULTS.md: no place for table 'speed': <!-- table speed --> and <!-- end -->."]


def test_every_table_with_figures_is_one_that_is_written() -> None:
    for page in PAGES:
        text = re.sub(r"<!-- table \w+ -->.*?<!-- end -->", "", (REPOSITORY / page).read_text(), flags=re.DOTALL)
        assert "\n|" not in text


def test_a_system_is_measured_in_its_runs(copy: Path) -> None:
    run = RUNS / "xgboost"
    record = json.loads((run / "run.json").read_text())
    test = json.loads((run / "metrics.json").read_text())["test"]
    readme_tables.main(["add", "emotify/toy", str(run), "--title", "toy"])
    row = [row for row in rows(copy, "systems") if row["table"] == "emotify"][-1]
    assert (row["row"], row["title"]) == ("toy", "toy")
    assert float(row["accuracy"]) == pytest.approx(test["accuracy"], abs=1e-6)
    assert [float(row[f"accuracy_{end}"]) for end in ("low", "high")] == pytest.approx(test["accuracy_ci95"], abs=1e-6)
    assert float(row["macro_f1"]) == pytest.approx(test["macro_f1"], abs=1e-6)
    assert (row["corpus"], row["corpus_digest"]) == ("corpus", record["corpus_digest"])
    assert row["protocol"] == "predefined split"
    assert (row["n"], row["seeds"], row["drawn"]) == ("6", "0", "artists")
    assert row["experiment"] == "xgboost_97"
    assert row["overrides"] == "pipeline.rounds=8 pipeline.lr=0.3 pipeline.colsample=0.3"
    assert (row["commit"], row["results_version"]) == ("cea9ebd", "2")
    assert row["versions"].startswith("genrefusion 0.1.0, python 3.")
    assert row["command"] == f"train {record['command']} seed=0"
    assert f"| toy | {float(row['accuracy']):.3f} |".replace(" 0.", " .") in (copy / "data" / "RESULTS.md").read_text()


def test_a_row_that_is_there_keeps_its_title_and_its_place(copy: Path) -> None:
    before = rows(copy, "systems")
    readme_tables.main(["add", "emotify/musicnn", str(RUNS / "xgboost")])
    after = rows(copy, "systems")
    changed = [number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert [after[number]["row"] for number in changed] == ["musicnn"]
    assert after[changed[0]]["title"] == before[changed[0]]["title"]


def test_runs_of_several_seeds_are_one_row_and_one_command(copy: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        shutil.copytree(RUNS / "xgboost", tmp_path / str(seed))
        path = tmp_path / str(seed) / "run.json"
        record = json.loads(path.read_text()) | {"seed": seed, "git_commit": f"{seed}123456789-dirty"}
        place = "experiment=xgboost_97 data=manifest data.manifest=/home/me/songs/tracks.csv output=/mnt/runs"
        path.write_text(json.dumps(record | {"command": f"{place} seed={seed}"}))
        (tmp_path / str(seed) / "run.log").write_text(f"2026-11-0{seed + 1} 10:00:00  ended\n")
    readme_tables.main(["add", "lyrics/toy", f"{tmp_path / '0'},{tmp_path / '1'}"])
    (row,) = (row for row in rows(copy, "systems") if row["row"] == "toy")
    assert row["command"] == "train -m experiment=xgboost_97 data=manifest data.manifest=songs/tracks.csv seed=0,1"
    assert (row["seeds"], row["mean_of"], len(row["accuracies"].split())) == ("0 1", "figures", 2)
    assert (row["commit"], row["date"]) == ("0123456-dirty; 1123456-dirty", "2026-11-01; 2026-11-02")


def test_a_difference_is_measured_on_the_same_tracks(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(RUNS / name) for name in ("xgboost", "coattention")]
    readme_tables.main(["compare", "paper/xgboost", runs[0], "paper/coattention", runs[1]])
    row = rows(copy, "differences")[0]
    accuracies = [json.loads((Path(run) / "metrics.json").read_text())["test"]["accuracy"] for run in runs]
    assert float(row["difference"]) == pytest.approx(accuracies[0] - accuracies[1], abs=1e-6)
    assert float(row["difference_low"]) <= float(row["difference"]) <= float(row["difference_high"])
    assert (row["n"], row["against"], row["commit"]) == ("6", "paper/coattention", "cea9ebd")
    code, said = check(capsys, "compare", "paper/xgboost", runs[0], "paper/coattention", str(RUNS / "kfold"))
    assert (code, said) == (2, ["paper/xgboost and paper/coattention: were not tested on the same tracks."])


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (
            ("emotfy/xgboost", "xgboost"),
            "emotfy/xgboost: a row is named TABLE/ROW. There are the tables paper, emotify",
        ),
        (("emotify", "xgboost"), "emotify: a row is named TABLE/ROW. There are the tables paper, emotify"),
        (("emotify/xgboost", "broken_off"), f"run={RUNS / 'broken_off'}: not finished. Go on with:"),
    ],
)
def test_what_cannot_be_a_row_is_said(
    copy: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str], answer: str
) -> None:
    before = rows(copy, "systems")
    code, said = check(capsys, "add", words[0], str(RUNS / words[1]))
    assert code == 2
    assert said[0].startswith(answer)
    assert rows(copy, "systems") == before


def test_every_row_says_where_it_is_from() -> None:
    measured = rows(REPOSITORY, "systems") + rows(REPOSITORY, "differences")
    for row in measured:
        needed = ["experiment", "corpus", "protocol", "n", "commit", "date", "command"]
        if row["source"] == "run folders":
            needed += ["corpus_digest", "seeds", "drawn", "results_version", "versions"]
        assert [name for name in needed if not row[name]] == [], row
    benchmarks = rows(REPOSITORY, "speed") + rows(REPOSITORY, "size")
    assert all(row["measured"] and row["commit"] and row["date"] and row["command"] for row in benchmarks)
    assert {row["source"] for row in measured + benchmarks} <= {"run folders", "benchmark", "history"}


def test_speeds_are_taken_from_what_a_benchmark_wrote(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = {
        "48 lyrics, one at a time": {"median_seconds": 6.0, "times_faster": 1.0},
        "48 lyrics, in batches": {"median_seconds": 4.0, "times_faster": 1.5},
        "48 lyrics, and bfloat16": {"median_seconds": 0.5, "times_faster": 12.0},
        "co-attention, in parts, against small pages": {"median_seconds": 0.25, "times_faster": 2.64},
    }
    write_record(copy / "training.json", "training", figures)
    before = rows(copy, "speed")
    readme_tables.main(["measured", str(copy / "training.json")])
    left = capsys.readouterr().out.splitlines()
    assert left[0] == "speed.csv: these rows were not measured and stay as they were:"
    assert "  a step from scratch with ELU after pooling (the same function)" in left
    page = (copy / "data" / "RESULTS.md").read_text()
    assert "| 48 lyrics through MiniLM in batches of like lengths (4.0 s) | one at a time | 1.5 |\n" in page
    assert "| the same in bfloat16 (500 ms) | one at a time, float32 | 12 |\n" in page
    assert "in three parts (250 ms) | all padded to the longest, PyTorch's dropout | 2.64 |\n" in page
    after = rows(copy, "speed")
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert [row["source"] for row in changed] == ["benchmark"] * 3
    assert all(row["commit"] and row["date"] >= "2026-11-29" for row in changed)


def test_sizes_are_taken_from_what_a_benchmark_wrote(copy: Path) -> None:
    sizes = {n: {"seconds": int(n) / 10_000, "peak_mib": int(n) / 100} for n in ("1000", "10000", "100000")}
    write_record(copy / "scale.json", "scale", {"splits": sizes, "table": {"1000": sizes["1000"]}})
    readme_tables.main(["measured", str(copy / "scale.json")])
    page = (copy / "data" / "RESULTS.md").read_text()
    assert "| splits: holdout and 5 folds | .10 | 1.0 | 10 | 10.0 | 1,000 |\n" in page
    assert [row["step"] for row in rows(copy, "size") if row["source"] == "benchmark"] == [
        "splits: holdout and 5 folds"
    ]


def test_what_is_no_benchmark_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "other.json").write_text("{}")
    write_record(copy / "inference.json", "inference", {"narrow network": {"median_seconds": 1.0}})
    write_record(copy / "half.json", "training", {"48 lyrics, in batches": {"median_seconds": 1.0}})
    for name, answer in (
        ("other", "not what scripts/benchmark.py NAME --json FILE writes"),
        ("inference", "no row of speed.csv is measured by benchmark.py inference"),
        ("half", "is compared with '48 lyrics, one at a time', which was not measured"),
    ):
        code, (said,) = check(capsys, "measured", str(copy / f"{name}.json"))
        assert code == 2
        assert answer in said


def test_claims_are_those_of_the_tables_settings() -> None:
    table = yaml.safe_load((REPOSITORY / "configs" / "table" / "paper.yaml").read_text())
    claimed = {row["experiment"]: row.get("claimed") for row in table["rows"]}
    found = {row["experiment"]: float(row["claimed"]) for row in rows(REPOSITORY, "systems") if row["claimed"]}
    assert found == {name: claimed[name] for name in found}
    assert len(found) == 7
