#!/usr/bin/env python3
"""Decodes .kndz files by tools/decode_kndz.py and by Kindling, and compares every bit; then their sizes with xz and zstd.

    tools/check_kndz.py [--build build/release] FILE.kndz ...

For each file it prints the bytes, and those of `xz -9e` and `zstd -19` of the same codes: of each tensor the numbers of
its values, sorted, in one or two bytes, then the values. Needs numpy, xz and zstd. Exits 1 if anything differs.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def of_python(path, folder):
    out = folder / "python.npz"
    subprocess.run([sys.executable, ROOT / "tools" / "decode_kndz.py", path, out], check=True, stdout=subprocess.DEVNULL)
    return list(np.load(out).values())


def of_kindling(path, build, folder):
    out = folder / "kindling.npz"
    subprocess.run([build / "kindling", "convert", "--quiet", path, out], check=True, stdout=subprocess.DEVNULL)
    return list(np.load(out).values())


def differ(decoded, converted):
    """Whether tensors differ. `kindling convert` moves the inputs of Caffe's weights to the last axis."""
    if len(decoded) != len(converted):
        return True
    for x, y in zip(decoded, converted):
        moved = np.moveaxis(x, 1, -1) if x.ndim == 4 and x.shape != y.shape else x
        if moved.shape != y.shape or np.ascontiguousarray(moved).tobytes() != np.ascontiguousarray(y).tobytes():
            if x.ndim != 4 or np.ascontiguousarray(np.moveaxis(x, 1, -1)).tobytes() != np.ascontiguousarray(y).tobytes():
                return True
    return False


def codes(tensors):
    """The tensors as codes and values, without any coding."""
    result = b""
    for x in tensors:
        values, numbers = np.unique(x, return_inverse=True)
        if x.ndim < 2 or len(values) > 65536:
            result += x.tobytes()
        else:
            result += numbers.astype(np.uint8 if len(values) <= 256 else np.uint16).tobytes() + values.tobytes()
    return result


def packed(command, data):
    return len(subprocess.run(command, input=data, check=True, capture_output=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    wrong = 0
    for path in options.files:
        with tempfile.TemporaryDirectory() as folder:
            decoded = of_python(path, Path(folder))
            is_wrong = differ(decoded, of_kindling(path, options.build, Path(folder)))
        wrong += is_wrong
        data = codes(decoded)
        print(f"{path}: {'DIFFERS' if is_wrong else 'the same bits'}; {path.stat().st_size:,} bytes, "
              f"xz -9e {packed(['xz', '-9e', '-c'], data):,}, zstd -19 {packed(['zstd', '-19', '-c'], data):,}")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
