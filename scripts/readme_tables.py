"""Write the tables of README.md and data/RESULTS.md from the files of data/results/, where every figure has its row.

    python scripts/readme_tables.py            # writes them
    python scripts/readme_tables.py --check    # says which one differs, and exits with 1
    python scripts/readme_tables.py add emotify/xgboost RUN,RUN,RUN --title "`xgboost`, 1,123 hand-crafted features"
    python scripts/readme_tables.py compare paper/xgboost RUN paper/coattention RUN
    python scripts/readme_tables.py measured training.json   # of: scripts/benchmark.py training --json training.json

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; the words around it are written by hand, as are the
columns ``title`` and ``about`` of the files, and ``overview.csv``: which rows the README's first table is made of.

No figure of a run is typed. ``add`` measures a system in its finished run folders, one for each seed, joined by commas,
and puts it into ``systems.csv``; ``compare`` puts what the first of two systems has more than the other, on the same
tracks, into ``differences.csv``. Both then write the tables. A row is named by its table and its name there: one that
is there is measured anew and keeps its title, a new one comes last in its table. ``--averaged`` joins the probabilities
of the runs instead of their figures, ``--with-lyrics TABLE`` keeps to the tracks that have lyrics there, as
``scripts/compare.py`` does. A new table is a line in ``scripts/results/layout.py`` and its place in a page.
``measured`` takes speeds and sizes from what a benchmark wrote: a row of ``speed.csv`` names its ``alternative`` there,
and the one that it is compared ``than``; ``{took}`` in its words is the time.

``source`` says where commit, versions and date of a row are from: its run folders (``run.json``, ``run.log``), the
benchmark's file, or, for what is left of neither, the history of the pages; there the commit is the one that brought
the figure.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically
from results.benchmarked import benchmarked
from results.files import Results
from results.layout import LINES, tables
from results.measured import difference_row, system_row

REPOSITORY = Path(__file__).resolve().parents[1]


def main(typed: list[str] | None = None) -> None:
    """Write the tables, check them, or measure a row before; the exit code is 1 where they differ, 2 for a mistake."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and exit with 1 where a table differs")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("measured").add_argument("file", type=Path)
    for name, words in (("add", ("key", "runs")), ("compare", ("key", "runs", "against", "other"))):
        command = commands.add_parser(name)
        for word in words:
            command.add_argument(word)
        command.add_argument("--averaged", action="store_true")
        command.add_argument("--with-lyrics", type=Path, metavar="TABLE")
        if name == "add":
            command.add_argument("--title")
            command.add_argument("--about")
    options = parser.parse_args(typed)
    try:
        results = Results(REPOSITORY / "data" / "results")
        if options.command in ("add", "compare"):
            require_table(options.key, results)
        if options.command == "measured":
            kind, rows, left = benchmarked(results, options.file)
            results.renew(kind, rows)
            if left:
                print(f"{kind}.csv: these rows were not measured and stay as they were:", *left, sep="\n  ")
        elif options.command == "add":
            results.put("systems", system_row(options.key, options.runs, options))
        elif options.command == "compare":
            results.put(
                "differences", difference_row(options.key, options.runs, options.against, options.other, options)
            )
        other = differing(results)
    except UserError as error:
        parser.exit(2, f"{error}\n")
    if options.check:
        said = "".join(f"{page}: table '{name}' is not what data/results gives.\n" for page, name, _ in other)
        parser.exit(1 if other else 0, said and f"{said}Write it: python scripts/readme_tables.py\n")
    for page, name, new in other:
        path = REPOSITORY / page
        write_atomically(path, between(path.read_text(encoding="utf-8"), name, new).encode())


def require_table(key: str, results: Results) -> None:
    """Refuse the name of a row whose table none of the pages shows."""
    known = dict.fromkeys([*LINES, *(row["table"] for row in results.systems)])
    table, slash, row = key.partition("/")
    if not (slash and row and table in known):
        raise UserError(f"{key}: a row is named TABLE/ROW. There are the tables {', '.join(known)}.")


def differing(results: Results) -> list[tuple[str, str, str]]:
    """Page, name and new text of each table that is not what the files give.

    Raises
    ------
    UserError
        A page lacks the place of a table.
    """
    found = []
    for page, of_page in tables(results).items():
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        for name, new in of_page.items():
            if f"<!-- table {name} -->\n" not in text:
                raise UserError(f"{page}: no place for table '{name}': <!-- table {name} --> and <!-- end -->.")
            if between(text, name, new) != text:
                found.append((page, name, new))
    return found


def between(text: str, name: str, new: str) -> str:
    """Put a table into its place in a page."""
    pattern = rf"(<!-- table {name} -->\n).*?(<!-- end -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{new}\n{found[2]}", text, flags=re.DOTALL)


if __name__ == "__main__":
    main()
