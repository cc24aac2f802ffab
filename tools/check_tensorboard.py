#!/usr/bin/env python3
"""Reads a run's event files with TensorBoard's own reader and compares them with its metrics.jsonl.

    tools/check_tensorboard.py RUN

RUN was trained with event files (and, if they are to be checked, histograms). Every update must have one train/loss,
also after a resume, whose repeated steps must have replaced those of the older file; the scalars of each epoch must be
those of metrics.jsonl, to the 24 bits of a float; a histogram's buckets must hold all of its values. Exits 1 otherwise.
"""

import argparse
import json
import math
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator, STORE_EVERYTHING_SIZE_GUIDANCE

SCALARS = {"val/loss": "val_loss", "val/top1": "val_top1", "val/top5": "val_top5"}


def scalar_faults(events: EventAccumulator, metrics: list[dict]) -> list[str]:
    faults = []
    tags = events.Tags()["scalars"]
    epochs = [line for line in metrics if "val_loss" in line]
    steps = [event.step for event in events.Scalars("train/loss")]
    if steps != list(range(1, epochs[-1]["step"] + 1)):
        faults.append(f"train/loss: {len(steps)} steps from {steps[0]} to {steps[-1]}, "
                      f"metrics.jsonl ends at {epochs[-1]['step']}")
    for tag, key in SCALARS.items():
        expected = {line["step"]: line[key] for line in epochs if line[key] is not None}
        found = {event.step: event.value for event in events.Scalars(tag)} if tag in tags else {}
        if expected.keys() != found.keys():
            faults.append(f"{tag}: steps {sorted(found)}, metrics.jsonl has {sorted(expected)}")
        faults += [f"{tag}: step {step}: {found[step]}, metrics.jsonl has {value}" for step, value in expected.items()
                   if step in found and not math.isclose(found[step], value, rel_tol=2**-23)]
    return faults


def histogram_faults(events: EventAccumulator) -> list[str]:
    faults = []
    for tag in events.Tags()["histograms"]:
        for event in events.Histograms(tag):
            value = event.histogram_value
            inside = value.min <= value.sum / value.num <= value.max
            if sum(value.bucket) != value.num or value.bucket_limit[-1] != value.max or not inside:
                faults.append(f"{tag}: step {event.step}: {value}")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    events = EventAccumulator(str(run), size_guidance=STORE_EVERYTHING_SIZE_GUIDANCE)
    events.Reload()
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    faults = scalar_faults(events, metrics) + histogram_faults(events)
    tags = events.Tags()
    print(f"{run}: {len(tags['scalars'])} scalars, {len(tags['histograms'])} histograms, {len(faults)} faults")
    for fault in faults:
        print(f"  {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
