#!/usr/bin/env python3
"""Compares Kindling's readers and writers of PyTorch's and NumPy's files with the real ones.

    python tools/interop/check_files.py --kindling build/release/kindling FILE.pth ...

Needs torch and numpy. Each case is a file that PyTorch or NumPy has written. `kindling convert`
reads it and writes it as .pth and as .npz. torch.load(weights_only=True) and numpy.load must read
the same bits there. The FILEs given (of either form of torch.save) are cases too.
"""

import argparse
import collections
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy
import torch

# What a dtype is in Kindling: nothing is rounded.
OTHER_PROTOCOL = "protocol 4"  # which PyTorch reads with weights_only=False alone
WIDENED = {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.bool: torch.uint8,
           torch.int8: torch.int64, torch.int16: torch.int64, torch.int32: torch.int64}
DTYPES = [torch.float32, torch.float64, torch.int64, torch.uint8, *WIDENED]


def flatten(value, name=""):
    """As io/pytorch.h says it: keys of nested dicts are joined by dots."""
    if isinstance(value, torch.Tensor):
        return {name: value.detach()}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = {}
    for key, item in items:
        if isinstance(item, (torch.Tensor, dict, list, tuple)):
            found.update(flatten(item, f"{name}.{key}" if name else str(key)))
    return found


def expected(path, weights_only):
    state = torch.load(path, weights_only=weights_only, map_location="cpu")
    if isinstance(state, dict):
        state = next((state[key] for key in ("state_dict", "model_state_dict", "model")
                      if isinstance(state.get(key), dict)), state)
    return {name: value.to(WIDENED.get(value.dtype, value.dtype)) for name, value in flatten(state).items()}


def difference(wanted, got):
    """What differs first, or None. Compares bits, so that NaN equals itself."""
    if list(wanted) != list(got):
        return f"names {list(got)[:3]}... instead of {list(wanted)[:3]}..."
    for name, value in wanted.items():
        if value.dtype != got[name].dtype or value.shape != got[name].shape:
            return f"{name}: {got[name].dtype} {list(got[name].shape)} instead of {value.dtype} {list(value.shape)}"
        if value.contiguous().numpy().tobytes() != got[name].contiguous().numpy().tobytes():
            return f"{name}: other bits"
    return None


def big_endian(path, to):
    """The same archive as a big-endian machine writes it (this file has one dtype, float32)."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if "/data/" in name:
                data = numpy.frombuffer(data, "<f4").astype(">f4").tobytes()
            target.writestr(name, b"big" if name.endswith("/byteorder") else data)


def write_cases(folder):
    """Writes files with PyTorch, and returns their paths."""
    paths = []

    def save(name, state, **options):
        paths.append(folder / (name + ".pth"))
        torch.save(state, paths[-1], **options)

    generator = torch.Generator().manual_seed(1)
    base = torch.randn(4, 6, 5, generator=generator)
    every = collections.OrderedDict((str(dtype), (100 * base).to(dtype)) for dtype in DTYPES)
    odd = {"scalar": torch.tensor(3.5), "empty": torch.empty(0, 4), "nan": torch.tensor([float("nan"), -0.0, 1e-45]),
           "parameter": torch.nn.Parameter(base.clone()), "é": torch.ones(1)}
    views = {"whole": base, "transposed": base.transpose(0, 2), "slice": base[1:3, ::2], "expanded": base[:1].expand(3, 6, 5),
             "row": base[2, 3], "tied": base}
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
    checkpoint = {"epoch": 3, "arch": "small", "state_dict": model, "optimizer": {"lr": 0.1, "betas": (0.9, 0.99)}}
    nested = {"a": {"weight": base, "b": [base, {"c": base[0]}]}, 7: base}
    cases = {"every dtype": every, "odd": odd, "views": views, "model": model, "checkpoint": checkpoint,
             "nested": nested, "one tensor": base, "no tensor": {}}
    for name, state in cases.items():
        save(f"{name}, zip", state)
        save(f"{name}, legacy", state, _use_new_zipfile_serialization=False)
        save(f"{name}, {OTHER_PROTOCOL}", state, pickle_protocol=4)
    save("big-endian", {"x": base, "y": base[0]})
    paths.append(folder / "big-endian, deflated.pth")
    big_endian(folder / "big-endian.pth", paths[-1])
    return paths


def check(kindling, path, folder):
    """Returns what is wrong, or None."""
    wanted = expected(path, weights_only=OTHER_PROTOCOL not in path.name)
    for suffix in (".pth", ".npz"):
        out = folder / ("out" + suffix)
        command = [kindling, "convert", path, out]
        run = subprocess.run([*command, "--names", "torchvision"], capture_output=True, text=True)
        if run.returncode != 0:  # no model that is known, so that nothing is renamed
            run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            return run.stderr.strip()
        if suffix == ".pth":
            got = torch.load(out, weights_only=True)
            for options in ({"mmap": True}, {"weights_only": False}):
                torch.load(out, **options)
        else:
            got = {name: torch.from_numpy(value) for name, value in numpy.load(out).items()}
        wrong = difference(wanted, got)
        if wrong:
            return f"{suffix}: {wrong}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kindling", default="build/release/kindling")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for path in [*write_cases(folder), *options.files]:
            wrong = check(options.kindling, path, folder)
            failures += wrong is not None
            print(f"{'ok' if wrong is None else 'FAILED':8}{path.name}{'' if wrong is None else ': ' + wrong}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
