#!/usr/bin/env python3
"""Brings what `kindling sweep` has written into docs/paper.md.

    tools/update_paper.py SWEEPS

SWEEPS holds the folders table2, table3, figure3a, figure3b and strategies, or some of them. Their
tables and plots are copied to docs/paper/. All their claims together become docs/paper/claims.md.
The blocks of docs/paper.md between `<!-- paper/NAME/FILE -->` and `<!-- end -->` become the files'
text. A test demands that they are.
"""
import pathlib
import re
import shutil
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
FILES = ["table.md", "claims.md", "commands.md", "times.md", "speed.md", "points.csv", "runs.csv", "times.csv",
         "plot.svg", "plot.png"]


EXPERIMENTS = {"table2": "Table 2", "table3": "Table 3", "figure3a": "Figure 3 (a)", "figure3b": "Figure 3 (b)",
               "strategies": "Section 3.1"}


def all_claims():
    """One table of the claims of all experiments."""
    rows = ["| of | claim | here it | evidence |", "|---|---|---|---|"]
    for name, title in EXPERIMENTS.items():
        path = DOCS / "paper" / name / "claims.md"
        for line in path.read_text().splitlines()[2:] if path.exists() else []:
            if line.startswith("|"):
                rows.append(f"| {title} {line}")
    return "\n".join(rows) + "\n"


def main(sweeps):
    for folder in sorted(pathlib.Path(sweeps).iterdir()):
        if not (folder / "table.md").exists():
            continue
        target = DOCS / "paper" / folder.name
        target.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if (folder / name).exists():
                shutil.copyfile(folder / name, target / name)
    (DOCS / "paper" / "claims.md").write_text(all_claims())
    page = DOCS / "paper.md"
    block = re.compile(r"(<!-- (paper/\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

    def filled(match):
        file = DOCS / match[2]
        return match[1] + file.read_text() + match[3] if file.exists() else match[0]

    page.write_text(block.sub(filled, page.read_text()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
