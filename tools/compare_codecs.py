#!/usr/bin/env python3
"""Kindling's compressed files beside NNCodec, the reference implementation of ISO/IEC 15938-17.

    tools/compare_codecs.py --weights FILE --ours FILE... --images FOLDER... [--labels FILE] [--qp QP...]
                            [--preprocess WORD] [--build build/release] [--venv FOLDER]

FILE is a network that `kindling convert` reads, in whatever format; each of --ours is a small file of the same network,
as `kindling compress` writes it. NNCodec codes the same tensors once for each QP (with trellis quantisation: use_dq).
All are run by `kindling classify` on the pictures in the FOLDERs, and the table has for each: bytes, the mean KL divergence
of its predictions from the original's in nats, and on how many pictures it names the same class. With --labels, whose
line i starts with the folder name of class i, a FOLDER has a folder for each class, and the table has top-1 as well, and
the difference to the original's with a paired 95 % interval. --preprocess is that of `kindling classify`, for weights
that do not tell.

Under it: how many bytes fewer Kindling needs for a KL divergence that both reach, ln KL interpolated over bytes.
NNCodec is installed into a virtual environment of its own (build/codecs-venv) and compiled, which takes minutes.
"""

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["numpy<2", "NNCodec==2.1.3", "safetensors"]
CLASSES = 1 << 20  # of --top: all


def run_in_venv(folder):
    """Runs this script in the virtual environment, which is made if it is not there."""
    python = Path(folder) / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    if Path(sys.prefix).resolve() != Path(folder).resolve():
        os.execv(python, [str(python), *sys.argv])


def predictions(kindling, weights, images, more):
    """{picture: the probabilities of all classes, by their numbers}."""
    command = [kindling, "classify", *images, "--weights", weights, "--top", str(CLASSES), "--json", *more]
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {result["file"]: [entry["probability"] for entry in sorted(result["top"], key=lambda e: e["index"])]
            for result in answer["results"]}


def divergence(p, q):
    least = 1e-12  # what the command line prints of a smaller probability is 0
    return sum(a * math.log(max(a, least) / max(b, least)) for a, b in zip(p, q) if a > 0)


def row(name, size, original, ours, labels):
    """A line of the table, with the numbers that the comparison needs."""
    best = {picture: max(range(len(p)), key=p.__getitem__) for picture, p in ours.items()}
    before = {picture: max(range(len(p)), key=p.__getitem__) for picture, p in original.items()}
    n = len(original)
    kl = sum(divergence(original[picture], ours[picture]) for picture in original) / n
    text = f"{name:28} {size:9,} {kl:9.4f} {100 * sum(best[x] == before[x] for x in original) / n:8.1f} %"
    if labels:
        truth = {picture: labels[Path(picture).parent.name] for picture in original}
        change = [(best[x] == truth[x]) - (before[x] == truth[x]) for x in original]
        mean = sum(change) / n
        interval = 1.96 * math.sqrt(sum((c - mean) ** 2 for c in change) / (n - 1) / n)
        top1 = sum(best[x] == truth[x] for x in original) / n
        text += f" {100 * top1:8.2f} %   {100 * mean:+6.2f} +- {100 * interval:.2f}"
    print(text, flush=True)
    return size, kl


def nncodec(kindling, weights, qp, folder):
    """What NNCodec makes of the tensors: the number of bytes, and a file of what it decodes them to."""
    import nncodec.nn
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
    tensors = load_file(weights)
    with safe_open(weights, "numpy") as file:
        notes = {key: value for key, value in (file.metadata() or {}).items() if "crc" not in key}
    with contextlib.redirect_stdout(sys.stderr):
        coded = nncodec.nn.encode(tensors, args={"qp": qp, "use_dq": True})
        decoded = nncodec.nn.decode(coded)
    path = os.path.join(folder, f"nncodec{qp}.safetensors")
    save_file({name: decoded[name].reshape(x.shape).astype(x.dtype) for name, x in tensors.items()}, path, notes)
    return len(coded), path


def bytes_at(points, kl):
    """Interpolated between the two rows around it."""
    points = sorted(points)
    for (small, high), (large, low) in zip(points, points[1:]):
        if low <= kl <= high and low < high:
            share = math.log(high / kl) / math.log(high / low)
            return small + share * (large - small)
    return None


def compare(ours, theirs):
    least, most = max(min(kl for _, kl in x) for x in (ours, theirs)), min(max(kl for _, kl in x) for x in (ours, theirs))
    if least >= most:
        return print("\nThe two do not overlap in KL divergence: choose other QPs, or other sizes.")
    print()
    for i in range(5):
        kl = least * (most / least) ** (i / 4)
        a, b = bytes_at(ours, kl), bytes_at(theirs, kl)
        if a and b:
            print(f"at KL {kl:.4f}: Kindling {a:9,.0f} bytes, NNCodec {b:9,.0f}: {100 * (1 - a / b):.1f} % fewer")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--ours", nargs="+", required=True)
    parser.add_argument("--images", nargs="+", required=True)
    parser.add_argument("--labels")
    parser.add_argument("--preprocess")
    parser.add_argument("--qp", nargs="+", type=int, default=[-34, -32, -30, -28, -26])
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    parser.add_argument("--venv", default=str(ROOT / "build" / "codecs-venv"))
    options = parser.parse_args()
    run_in_venv(options.venv)

    kindling = os.path.join(options.build, "kindling")
    labels = options.labels and {line.split()[0]: i for i, line in enumerate(open(options.labels))}
    images = [str(path) for x in options.images for path in sorted(Path(x).iterdir() if labels else [Path(x)])]
    more = ["--preprocess", options.preprocess] if options.preprocess else []
    with tempfile.TemporaryDirectory() as folder:
        weights = os.path.join(folder, "original.safetensors")
        subprocess.run([kindling, "convert", options.weights, weights], check=True, stdout=subprocess.DEVNULL)
        original = predictions(kindling, weights, images, more)
        print(f"{'':28} {'bytes':>9} {'KL':>9} {'same':>10}" + (f" {'top-1':>10}   change" if labels else ""))
        row("original", os.path.getsize(options.weights), original, original, labels)
        ours = [row(Path(x).name, os.path.getsize(x), original, predictions(kindling, x, images, more), labels)
                for x in options.ours]
        theirs = []
        for qp in options.qp:
            size, path = nncodec(kindling, weights, qp, folder)
            theirs.append(row(f"NNCodec, qp {qp}", size, original, predictions(kindling, path, images, more), labels))
    compare(ours, theirs)


if __name__ == "__main__":
    main()
