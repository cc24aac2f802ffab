"""One peer, one workload, one process: `python -m peers.worker TASK PEER WORKLOAD FOLDER`. Prints one line of JSON.

FOLDER is what peers/prepare.py wrote. TASK check: how far logits, loss and gradients are from Kindling's (relative L2
distances; inference has no gradients). TASK time: milliseconds a step and memory.
"""

import argparse
import importlib
import json
import resource
import statistics
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from peers.workloads import WARM_UP_SECONDS, WARM_UP_STEPS, WORKLOADS


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    shifted = logits - logits.max(1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]).mean())


def distance(got: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """||got - expected|| / ||expected|| of all arrays together."""
    apart = sum(np.square(np.float64(a) - b).sum() for a, b in zip(got, expected, strict=True))
    return float(np.sqrt(apart / sum(np.square(np.float64(b)).sum() for b in expected)))


def check(peer, folder: Path) -> dict:
    expected, got = load_file(folder / "expected.safetensors"), peer.results()
    got.setdefault("loss", cross_entropy(got["logits"], load_file(folder / "given.safetensors")["labels"]))
    groups = {"logits": ["logits"], "loss": ["loss"]}
    if len(got) > 2:
        groups["gradients"] = sorted(name for name in expected if name.startswith("grad/"))
    return {group: distance([got[name] for name in names], [expected[name] for name in names])
            for group, names in groups.items()}


def time_steps(peer, steps: int) -> dict:
    steps_before, begin = 0, time.perf_counter()
    while steps_before < WARM_UP_STEPS or time.perf_counter() < begin + WARM_UP_SECONDS:
        peer.step()
        steps_before += 1
    times = []
    for _ in range(steps):
        begin = time.perf_counter()
        peer.step()
        times.append(1e3 * (time.perf_counter() - begin))
    return {"ms_per_step": statistics.median(times), "ms_of_steps": times,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=["check", "time"])
    parser.add_argument("peer", help="X of peers/X_peer.py")
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--compiled", action="store_true", help="PyTorch: torch.compile")
    options = parser.parse_args()

    module = importlib.import_module(f"peers.{options.peer}_peer")
    workload = WORKLOADS[options.workload]
    extra = {"compiled": options.compiled} if options.peer == "pytorch" else {}
    peer = module.Peer(workload, options.folder, options.threads, **extra)
    result = check(peer, options.folder) if options.task == "check" else time_steps(peer, workload.steps)
    print(json.dumps(result | {"version": module.VERSION}))


if __name__ == "__main__":
    main()
