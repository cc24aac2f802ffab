#!/usr/bin/env python3
"""Brings what `kindling sweep` has written into docs/paper.md.

    tools/update_paper.py SWEEPS

SWEEPS holds the folders table2, table3, figure3a, figure3b and strategies, or some of them. Their
tables and plots are copied to docs/paper/. All their claims together become docs/paper/claims.md.
Of jobs1 and jobs2, which compare `--jobs 1` with `--jobs 2`, only the times are copied.
The blocks of docs/paper.md between `<!-- paper/NAME/FILE -->` and `<!-- end -->` become the files'
text. A test demands that they are.
"""
import pathlib
import re
import shutil
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
FILES = ["table.md", "claims.md", "commands.md", "times.md", "speed.md", "points.csv", "runs.csv", "times.csv",
         "plot.svg"]
EXPERIMENTS = {"table2": "Table 2", "table3": "Table 3", "figure3a": "Figure 3 (a)", "figure3b": "Figure 3 (b)",
               "strategies": "Section 3.1"}
TIMED = ["jobs1", "jobs2"]


def read(path):
    return path.read_text(encoding="utf-8")


def write(path, text):
    path.write_text(text, encoding="utf-8")


def copy_files(sweeps):
    for name in [*EXPERIMENTS, *TIMED]:
        if not (sweeps / name / "table.md").exists():
            continue
        shutil.rmtree(DOCS / "paper" / name, ignore_errors=True)
        (DOCS / "paper" / name).mkdir(parents=True)
        for file in FILES if name in EXPERIMENTS else ["times.md", "times.csv"]:
            if (sweeps / name / file).exists():
                shutil.copyfile(sweeps / name / file, DOCS / "paper" / name / file)


def all_claims():
    """One table of the claims of all experiments."""
    rows = ["| where | claim | here | evidence |", "|---|---|---|---|"]
    for name, title in EXPERIMENTS.items():
        path = DOCS / "paper" / name / "claims.md"
        for line in read(path).splitlines()[2:] if path.exists() else []:
            if line.startswith("|"):
                rows.append(f"| {title} {line}")
    return "\n".join(rows) + "\n"


def fill_page(page):
    block = re.compile(r"(<!-- (paper/\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

    def filled(match):
        file = DOCS / match[2]
        if not file.exists():
            print(f"there is no {file}: its block stays as it is", file=sys.stderr)
            return match[0]
        return match[1] + read(file) + match[3]

    write(page, block.sub(filled, read(page)))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    copy_files(pathlib.Path(sys.argv[1]))
    write(DOCS / "paper" / "claims.md", all_claims())
    fill_page(DOCS / "paper.md")
