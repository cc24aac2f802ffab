#!/usr/bin/env python3
"""Measures Kindling and its peers on the same work, in turns, and writes docs/performance's tables and chart.

    tools/bench_peers.py --out docs/performance

Peers come from PyPI into a virtual environment that is made at first use (Debian packages python3-venv and, for PyTorch
at its best, libjemalloc2); one that cannot be installed or run is left out, with the reason. First all compute logits
and loss (and in training the gradients) of the same weights and the same batch; a peer farther than 1e-3 from Kindling
is not measured. Then, in each round, every contestant runs each workload in a process of its own: some steps to warm
up, some that are timed, of which the median counts. A figure is the median over the rounds, its spread the quartiles.
Shares of peak and ratios are taken within a round, against the FMA peak and the speed of Kindling there.

--out NAME writes NAME.md (between `<!-- bench_peers: begin -->` and `<!-- bench_peers: end -->`, lines that it must
have if it exists), NAME.json (every sample) and NAME.svg (by gnuplot). Without it the tables go to standard output.
Measure on a machine that does nothing else; the tables say whether it did.
"""

import argparse
import ctypes.util
import datetime
import functools
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from peers import report
from peers.workloads import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1e-3  # of relative distances from Kindling
TIMEOUT = 1800  # seconds that one process may take, installations included
BASE_PACKAGES = ["torch", "numpy", "safetensors", "onnx", "onnxscript"]  # PyTorch draws the weights and writes ONNX
# Blocks that are kept, on huge pages: fresh pages cost PyTorch more than anything else.
JEMALLOC = {"LD_PRELOAD": "libjemalloc.so.2",
            "MALLOC_CONF": "thp:always,metadata_thp:auto,background_thread:true,dirty_decay_ms:-1,muzzy_decay_ms:-1"}


@dataclass(frozen=True)
class Peer:
    title: str
    module: str  # X of peers/X_peer.py
    packages: list[str] = field(default_factory=list)
    modes: str = "training, inference"
    optimizers: str = "sgd"
    options: bool = False  # whether its networks take a workload's
    arguments: list[str] = field(default_factory=list)  # of peers/worker.py
    environment: dict[str, str] = field(default_factory=dict)
    by_default: bool = True

    def takes(self, work: Workload) -> bool:
        mode = "training" if work.training else "inference"
        return mode in self.modes and work.optimizer in self.optimizers and (self.options or not work.options)


PEERS = {
    "pytorch": Peer("PyTorch", "pytorch", optimizers="sgd, muon", options=True),
    "pytorch-jemalloc": Peer("PyTorch, jemalloc", "pytorch", optimizers="sgd, muon", options=True,
                             environment=JEMALLOC),
    "pytorch-compile": Peer("PyTorch, torch.compile", "pytorch", optimizers="sgd, muon", options=True,
                            arguments=["--compiled"], by_default=False),
    "tensorflow": Peer("TensorFlow", "tensorflow", ["tensorflow-cpu"]),
    "jax": Peer("JAX", "jax", ["jax"], modes="training"),
    "onnxruntime": Peer("ONNX Runtime", "onnxruntime", ["onnxruntime"], modes="inference"),
    "openvino": Peer("OpenVINO", "openvino", ["openvino"], modes="inference"),
}

Sample = dict  # what a measurement gives: ms_per_step, peak_rss_mb and more
Contestants = dict[str, Callable[[], Sample]]  # by title


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(command: list, environment: dict[str, str] | None = None, folder: Path = ROOT) -> str:
    """Standard output of a command. Throws RuntimeError with the end of what it said if it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=folder,
                              env=os.environ | (environment or {}))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(str(error)) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        what = next((line for line in said if "error:" in line), said[-1] if said else "no message")
        raise RuntimeError(f"{Path(words[0]).name}: exit code {done.returncode}: {what}")
    return done.stdout


class Bench:
    """What the command line chose, and what has been found out so far."""

    def __init__(self, options: argparse.Namespace, scratch: Path):
        self.options, self.scratch = options, scratch
        self.python = options.venv / "bin" / "python"
        self.peers: dict[str, Peer] = {}
        self.checks: list[dict] = []
        self.left_out: list[dict] = []
        self.versions = {"kindling": f"Kindling {run([options.kindling, '--version']).strip()}"}

    def leave_out(self, title: str, what: str, reason: object) -> None:
        note(f"left out: {title}, {what}: {reason}")
        self.left_out.append({"contestant": title, "what": what, "reason": str(reason)})

    def install(self) -> None:
        """Makes the virtual environment and puts into it what is missing there."""
        if not self.python.exists():
            note(f"making {self.options.venv}")
            run([sys.executable, "-m", "venv", self.options.venv])
        pip = [self.python, "-m", "pip", "install", "--quiet"]
        run([*pip, *BASE_PACKAGES])
        for peer in (PEERS[name] for name in self.options.peers):
            try:
                if peer.packages:
                    run([*pip, *peer.packages])
                if peer.environment is JEMALLOC and not ctypes.util.find_library("jemalloc"):
                    raise RuntimeError("libjemalloc.so.2 is missing (Debian package libjemalloc2)")
                self.peers[peer.title] = peer
            except RuntimeError as error:
                self.leave_out(peer.title, "installation", error)

    def python_module(self, name: str, *arguments: object, environment: dict[str, str] | None = None) -> str:
        """Runs peers/NAME.py in the virtual environment."""
        threads = str(self.options.threads)
        settings = {"PYTHONPATH": f"{ROOT}/tools:{ROOT}/tools/reference", "TF_CPP_MIN_LOG_LEVEL": "3",
                    "OMP_NUM_THREADS": threads, "NPROC": threads}  # the latter is JAX's
        return run([self.python, "-m", f"peers.{name}", *arguments, "--threads", threads],
                   settings | (environment or {}))

    def run_worker(self, task: str, peer: Peer, work: Workload) -> dict:
        return json.loads(self.python_module("worker", task, peer.module, work.name, self.scratch / work.name,
                                             *peer.arguments, environment=peer.environment))

    def agreeing(self, work: Workload) -> list[Peer]:
        """The peers that compute what Kindling computes."""
        self.python_module("prepare", work.name, self.scratch / work.name,
                           self.options.kindling.with_name("kindling_dump_gradients"))
        agreeing = []
        for peer in (peer for peer in self.peers.values() if peer.takes(work)):
            try:
                result = self.run_worker("check", peer, work)
                version = result.pop("version")
                distances = ", ".join(f"{name} {value:.1e}" for name, value in result.items())
                if not all(value <= LIMIT for value in result.values()):
                    raise RuntimeError(f"computes something else than Kindling; distances: {distances}")
                note(f"check {work.name:28} {peer.title:24} {distances}")
                self.checks.append({"contestant": peer.title, "workload": work.name, "distances": result})
                self.versions[peer.module] = version
                agreeing.append(peer)
            except RuntimeError as error:
                self.leave_out(peer.title, work.name, error)
        return agreeing

    def measure_kindling(self, work: Workload) -> Sample:
        return json.loads(run([
            self.options.kindling, "bench", "train" if work.training else "infer", "--model", work.model,
            "--batch-size", work.batch, "--size", work.size, "--steps", work.steps, "--threads", self.options.threads,
            *(word for key, value in work.options.items() for word in (f"--{key}", value)),
            *(["--optimizer", work.optimizer] if work.training else []), "--json"]))

    def contestants(self, work: Workload) -> Contestants:
        """Kindling and those that may be measured against it."""
        result: Contestants = {report.KINDLING: functools.partial(self.measure_kindling, work)}
        if self.options.yardstick and work.name == "train-squeezenet1_1":
            try:
                result["yardstick"] = yardstick(self.options.yardstick, self.options.threads)
            except RuntimeError as error:
                self.leave_out("yardstick", work.name, error)
        for peer in self.agreeing(work):
            result[peer.title] = functools.partial(self.run_worker, "time", peer, work)
        return result

    def measure(self, work: Workload, contestants: Contestants, number: int) -> list[Sample]:
        """One round of one workload. Who fails is out of the contest from here on."""
        samples: list[Sample] = []
        for title, measure in list(contestants.items()):
            others = OtherProcesses()
            try:
                sample = measure()
            except RuntimeError as error:
                if title == report.KINDLING:
                    raise
                self.leave_out(title, f"{work.name}, from round {number} on", error)
                del contestants[title]
                continue
            kindling = samples[0] if samples else sample
            speed = 1e3 * work.batch / sample["ms_per_step"]
            gflops = speed * kindling["gflop_per_image"]
            sample |= {"contestant": title, "workload": work.name, "round": number, "images_per_second": speed,
                       "fraction_of_peak": gflops / kindling["fma_peak_gflops"], "others": others.share()}
            sample["times_slower"] = kindling["images_per_second"] / speed
            note(f"round {number}/{self.options.rounds} {work.name:28} {title:24} {speed:9.1f} images/s, "
                 f"{sample['fraction_of_peak']:.3f} of peak")
            samples.append(sample)
        return samples


class OtherProcesses:
    """How much of the processors is taken by other programs than those started here."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now() -> tuple[float, float, float]:
        """Seconds on all processors: in all, not idle, of our own children."""
        ticks = [int(word) for word in Path("/proc/stat").read_text().split()[1:9]]
        busy = sum(ticks) - ticks[3] - ticks[4]  # idle, waiting for input or output
        mine = resource.getrusage(resource.RUSAGE_CHILDREN)
        per_second = os.sysconf("SC_CLK_TCK")
        return sum(ticks) / per_second, busy / per_second, mine.ru_utime + mine.ru_stime

    def share(self) -> float:
        total, busy, mine = (now - start for now, start in zip(self.now(), self.start, strict=True))
        return max(0.0, (busy - mine) / total) if total > 0 else 0.0


def yardstick(source: Path, threads: int) -> Callable[[], Sample]:
    """Compiles a hard-wired SqueezeNet v1.1 by the command at its head, `g++ ... -o NAME && ./NAME ARGUMENTS`."""
    if not source.is_file():
        raise RuntimeError(f"there is no file {source}")
    folder = ROOT / "build" / "yardstick"
    folder.mkdir(parents=True, exist_ok=True)
    command = re.search(r"^//\s*(g\+\+ .*)&&(.*)$", source.read_text(), re.MULTILINE)
    if not command:
        raise RuntimeError(f"{source} does not say at its head how to compile it")
    compiling, running = (shlex.split(words) for words in command.groups())
    run([source.resolve() if word == source.name else word for word in compiling], folder=folder)

    def measure() -> Sample:
        text = run(running, {"OMP_NUM_THREADS": str(threads)}, folder)
        found = re.search(r"peak ([\d.]+);.* ([\d.]+) ms/step.* rss ([\d.]+) MB", text)
        if not found:
            raise RuntimeError(f"cannot be read: {text}")
        peak, ms, memory = map(float, found.groups())
        return {"ms_per_step": ms, "fma_peak_gflops": peak, "peak_rss_mb": memory * 1.048576}

    return measure


def commit() -> str:
    """The short hash, with `-dirty` if files differ from it."""
    return run(["git", "describe", "--always", "--dirty", "--exclude", "*"]).strip()


def machine() -> dict:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {"processor": found.group(1) if found else "unknown processor", "cores": os.cpu_count()}


def absolute(path: str) -> Path:
    return Path(path).absolute()


def some_of(known: dict) -> Callable[[str], list[str]]:
    """For argparse: a list of known names with commas."""
    def parse(text: str) -> list[str]:
        words = text.split(",")
        if unknown := [word for word in words if word not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return words
    return parse


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=some_of(WORKLOADS), default=list(WORKLOADS), metavar="WORKLOAD,...",
                        help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--peers", type=some_of(PEERS), metavar="PEER,...",
                        default=[name for name, peer in PEERS.items() if peer.by_default],
                        help=f"of {', '.join(PEERS)} (default: all but pytorch-compile, which is slow)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--check-only", action="store_true",
                        help="compare logits, loss and gradients and stop; exit code 1 if any peer is left out")
    parser.add_argument("--out", type=Path, metavar="NAME", help="write NAME.md, NAME.json and NAME.svg")
    parser.add_argument("--yardstick", type=Path, metavar="FILE", help="C++ source of a hard-wired SqueezeNet v1.1")
    parser.add_argument("--kindling", type=absolute, default=ROOT / "build" / "release" / "kindling",
                        help="the command; kindling_dump_gradients must be beside it")
    parser.add_argument("--venv", type=absolute, default=ROOT / "build" / "peers-venv")
    return parser.parse_args()


def compare(options: argparse.Namespace, scratch: Path) -> int:
    bench = Bench(options, scratch)
    bench.install()
    works = {WORKLOADS[name]: bench.contestants(WORKLOADS[name]) for name in options.only}
    if options.check_only:
        return 1 if bench.left_out else 0
    about = {"date": datetime.date.today().isoformat(), "commit": commit(), **machine(), "threads": options.threads}
    samples: list[Sample] = []
    for number in range(1, options.rounds + 1):
        for work, contestants in works.items():
            samples += bench.measure(work, contestants, number)
        results = {**about, "rounds": number, "versions": bench.versions, "checks": bench.checks,
                   "left_out": bench.left_out, "samples": samples}
        if options.out:  # after every round: a run that is stopped keeps what it has
            report.write(results, options.out)
    if not options.out:
        print(report.markdown(results))
    return 0


def main() -> int:
    options = parse_options()
    try:
        if options.out:
            report.require_markers(options.out)
        with tempfile.TemporaryDirectory(prefix="kindling-peers-") as scratch:
            return compare(options, Path(scratch))
    except RuntimeError as error:
        note(f"bench_peers: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
