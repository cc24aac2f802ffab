"""The tables and the chart of what tools/bench_peers.py has measured."""

import json
import statistics
import subprocess
import textwrap
from pathlib import Path

from peers.workloads import WORKLOADS, Workload

KINDLING = "Kindling"
BEGIN, END = "<!-- bench_peers: begin -->", "<!-- bench_peers: end -->"
NOISY = 0.05  # share of the processors that others may take before the report mentions it


def median_and_quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, low, high


def number(value: float) -> str:
    """Three digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: list[float]) -> str:
    median, low, high = median_and_quartiles(values)
    return f"{number(median)} ({number(low)} to {number(high)})"


def by_contestant(results: dict, workload: str) -> dict[str, list[dict]]:
    """The samples of a workload, the fastest contestant first."""
    groups: dict[str, list[dict]] = {}
    for sample in results["samples"]:
        if sample["workload"] == workload:
            groups.setdefault(sample["contestant"], []).append(sample)
    return dict(sorted(groups.items(), key=lambda item: speed(item[1]), reverse=True))


def column(samples: list[dict], key: str) -> list[float]:
    return [sample[key] for sample in samples]


def speed(samples: list[dict]) -> float:
    return statistics.median(column(samples, "images_per_second"))


def measured(results: dict) -> list[Workload]:
    return [work for work in WORKLOADS.values() if by_contestant(results, work.name)]


def heading(work: Workload) -> str:
    return f"{work.title}, {work.size} pixels, batch {work.batch}"


def table(results: dict, work: Workload) -> list[str]:
    lines = [f"### {heading(work)}", "",
             "| | images/s (quartiles) | ms a step | share of peak | Kindling's speed / its | memory, MB |",
             "|---|---|---|---|---|---|"]
    for title, samples in by_contestant(results, work.name).items():
        name = f"**{title}**" if title == KINDLING else title
        ratio = "1" if title == KINDLING else spread(column(samples, "times_slower"))
        cells = [name, spread(column(samples, "images_per_second")),
                 number(statistics.median(column(samples, "ms_per_step"))),
                 f"{statistics.median(column(samples, 'fraction_of_peak')):.2f}", ratio,
                 number(max(column(samples, "peak_rss_mb")))]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def paragraph(text: str, indent: str = "") -> str:
    """In lines of at most 100 columns."""
    return textwrap.fill(text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def preamble(results: dict) -> list[str]:
    kindling = [sample for sample in results["samples"] if sample["contestant"] == KINDLING]
    peaks, others = column(kindling, "fma_peak_gflops"), column(results["samples"], "others")
    disturbed = sum(share > NOISY for share in others)
    return [paragraph(f"Machine: {results['processor']}, {results['cores']} cores, {results['threads']} threads, "
                      f"{kindling[0]['isa']}; FMA peak {spread(peaks)} GFLOP/s. Commit {results['commit']}, "
                      f"{results['date']}; {', '.join(results['versions'].values())}."),
            "",
            paragraph("All numbers are single precision. Every contestant runs in a process of its own, and all take "
                      f"turns in {results['rounds']} rounds. The tables show the median and the quartiles of the "
                      "rounds. Shares of peak and ratios are medians of what was measured within a round. Memory is "
                      "the most that a process had. Other programs took more than "
                      f"{NOISY:.0%} of the processors during {disturbed} of the {len(others)} measurements."), ""]


def postscript(results: dict) -> list[str]:
    farthest = max((value for check in results["checks"] for value in check["distances"].values()), default=0.0)
    lines = [paragraph("Before the measurement, every contestant computed logits and loss, and in training gradients, "
                       f"of the same weights and the same batch. None differs from Kindling's by more than "
                       f"{farthest:.0e} (relative L2 distance)."), ""]
    lines += [paragraph(f"- Left out: {item['contestant']} ({item['what']}): {item['reason']}", "  ")
              for item in results["left_out"]]
    return lines


def markdown(results: dict, chart: str = "") -> str:
    lines = preamble(results)
    if chart:
        lines += [f"![images/s of each]({chart})", ""]
    for work in measured(results):
        lines += table(results, work)
    return "\n".join(lines + postscript(results)).strip()


def chart_script(results: dict) -> str:
    """For gnuplot: a panel of bars for each workload, Kindling's in colour."""
    works = measured(results)
    columns = min(4, len(works))
    rows = -(-len(works) // columns)
    script = [f"set terminal svg size {290 * columns},{330 * rows} font 'Helvetica,12' background '#ffffff'",
              "set border 1 lc rgb '#606060'", "set xtics nomirror scale 0 rotate by 35 right textcolor rgb '#404040'",
              "unset ytics", "unset key", "set lmargin 8", "set rmargin 0", "set bmargin 6",
              "set yrange [0:*]", "set offsets 0, 0, graph 0.12, 0", "set style fill solid", "set boxwidth 0.7",
              f"set multiplot layout {rows},{columns}"]
    for i, work in enumerate(works):
        groups = by_contestant(results, work.name)
        script.append(f"$panel{i} << EOD")
        for title, samples in groups.items():
            colour = 0x1F6FB5 if title == KINDLING else 0xB8BEC6
            script.append(f'"{title}" {speed(samples)} {colour} "{number(speed(samples))}"')
        script += ["EOD", f'set title "{work.title}\\n{work.size} pixels, batch {work.batch}: images/s"',
                   f"set xrange [-0.6:{len(groups) - 0.4}]",
                   f"plot $panel{i} using 0:2:3:xtic(1) with boxes lc rgb variable, "
                   "'' using 0:2:4 with labels offset 0,0.6"]
    return "\n".join([*script, "unset multiplot", ""])


def draw(results: dict) -> str:
    """The chart as SVG."""
    script = chart_script(results)
    try:
        return subprocess.run(["gnuplot"], input=script, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError as error:
        raise RuntimeError("the chart needs gnuplot (Debian package gnuplot-nox)") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"gnuplot: {error.stderr.strip()}") from error


def require_markers(name: Path) -> None:
    """Throws RuntimeError if NAME.md exists and has no place for the tables."""
    page = name.with_suffix(".md")
    if page.exists() and not 0 <= page.read_text().find(BEGIN) < page.read_text().find(END):
        raise RuntimeError(f"{page} has no lines {BEGIN} and {END}")


def write(results: dict, name: Path) -> None:
    """NAME.json first: should the rest fail, the measurement is kept."""
    page, chart = name.with_suffix(".md"), name.with_suffix(".svg")
    name.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    chart.write_text(draw(results))
    before, _, rest = (page.read_text() if page.exists() else f"{BEGIN}\n{END}\n").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{markdown(results, chart.name)}\n{END}{rest.partition(END)[2]}")
