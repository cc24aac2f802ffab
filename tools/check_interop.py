#!/usr/bin/env python3
"""Round trips of weights through PyTorch, safetensors, NumPy and Caffe, and one table of what happened.

    tools/check_interop.py [--build build/release] [--venv FOLDER] [--torchvision] [FILE.pth ...]

It makes a virtual environment with torch, safetensors, numpy and protobuf if FOLDER (build/interop-venv) is not there,
and runs itself in it. For every model, bypass, form and norm:

    kindling (safetensors) -> .pth         read by torch.load(weights_only=True), names and axes by a table of its own
                           -> .safetensors with torchvision's names, read by the safetensors library
                           -> .npz         read by NumPy
                           -> .caffemodel  read by Google's protobuf
    and from each of them back:            the same bytes of every tensor, and the same description

With --torchvision, torchvision's own models also take the .pth files (load_state_dict, strict) and theirs come back.
The FILEs, of either form of torch.save, and files of many dtypes and views that PyTorch and NumPy write are read
(tools/interop/check_files.py). Exits 1 if anything differs.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["torch", "numpy", "safetensors", "protobuf"]

# Written down a second time, from torchvision's and Caffe's sources, to check interop/names.cpp against.
FIRES_1_0 = dict(zip(range(2, 10), (3, 4, 5, 7, 8, 9, 10, 12)))
FIRES_1_1 = dict(zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12)))
ALEXNET = dict(conv1="features.0", conv2="features.3", conv3="features.6", conv4="features.8", conv5="features.10",
               fc6="classifier.1", fc7="classifier.4", fc8="classifier.6")
MAP_PIXELS = {"alexnet": {"fc6": 256}, "lenet": {"fc1": 50}}  # channels of the map before a Flatten


def torch_layer(model, layer):
    if model == "alexnet":
        return ALEXNET[layer]
    if model == "lenet":
        return layer
    top, _, part = layer.partition("/")
    norm = "_bn" if top.endswith("_bn") else ""
    top = top.removesuffix("_bn")
    fires = FIRES_1_0 if model == "squeezenet1_0" else FIRES_1_1
    name = {"conv1": "features.0", "conv10": "classifier.1"}.get(top) or f"features.{fires[int(top[4:])]}"
    return name + norm + (f".{part}" if part else "")


def caffe_tensor(model, layer, member):
    layer = {"fc1": "ip1", "fc2": "ip2"}.get(layer, layer) if model == "lenet" else layer
    if "squeeze" in layer:
        layer = layer.replace("squeeze", "squeeze1x1")
    if not layer.endswith("_bn"):
        return f"{layer}/{member}"
    kind = {"running_mean": "bn/mean", "running_var": "bn/variance"}.get(member, f"scale/{member}")
    return f"{layer.removesuffix('_bn')}/{kind}"


def to_foreign(model, layer, array):
    """Channels first."""
    if array.ndim == 4:
        return array.transpose(0, 3, 1, 2)
    channels = MAP_PIXELS.get(model, {}).get(layer)
    if channels and array.ndim == 2:
        return array.reshape(len(array), -1, channels).transpose(0, 2, 1).reshape(array.shape)
    return array


def expected(model, tensors, naming):
    result = {}
    for name, array in tensors.items():
        layer, _, member = name.rpartition("/")
        new = f"{torch_layer(model, layer)}.{member}" if naming == "torchvision" else caffe_tensor(model, layer, member)
        result[new] = to_foreign(model, layer, array)
        if new.endswith("/bn/variance"):
            import numpy
            result[new.replace("variance", "count")] = numpy.ones(1, "f4")
    return result


def difference(wanted, got):
    if sorted(wanted) != sorted(got):
        return f"names differ: {sorted(set(wanted) ^ set(got))[:3]}"
    for name, array in wanted.items():
        if array.shape != got[name].shape or array.dtype != got[name].dtype:
            return f"{name}: {got[name].dtype} {got[name].shape} instead of {array.dtype} {array.shape}"
        if array.tobytes() != got[name].tobytes():
            return f"{name}: other bits"
    return None


def description(path):
    """The notes of a safetensors file, but for checksums."""
    from safetensors import safe_open
    with safe_open(path, "np") as file:
        return {key: value for key, value in (file.metadata() or {}).items() if key != "kindling_crc32"}


class Checker:
    def __init__(self, build, folder):
        self.build, self.folder, self.rows, self.failures = build, folder, [], 0

    def kindling(self, *arguments):
        run = subprocess.run([self.build / "kindling", *map(str, arguments)], capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(run.stderr.strip())

    def convert(self, source, name, *options):
        self.kindling("convert", source, self.folder / name, *options)
        return self.folder / name

    def combination(self, model, bypass, form, norm):
        import numpy
        import torch
        from safetensors.numpy import load_file
        from check_caffe import read_caffemodel

        source = self.folder / "source.safetensors"
        make = [self.build / "kindling_make_weights", model, bypass, form, norm, "1", source]
        subprocess.run(make, check=True)
        tensors, row = load_file(source), {}
        readers = {
            "pth": (lambda: self.convert(source, "x.pth"), "torchvision",
                    lambda p: {k: v.numpy() for k, v in torch.load(p, weights_only=True).items()}),
            "safetensors": (lambda: self.convert(source, "y.safetensors", "--names", "torchvision"), "torchvision",
                            load_file),
            "npz": (lambda: self.convert(source, "x.npz"), None, lambda p: dict(numpy.load(p))),
            "caffemodel": (lambda: self.convert(source, "x.caffemodel"), "caffe", read_caffemodel),
        }
        for kind, (write, naming, read) in readers.items():
            try:
                path = write()
                wrong = difference(expected(model, tensors, naming) if naming else tensors, read(path))
                back = self.convert(path, "back.safetensors")
                wrong = wrong or difference(tensors, load_file(back))
                if description(back) != description(source):
                    wrong = wrong or "another description"
            except Exception as error:  # goes on with the next
                wrong = f"{type(error).__name__}: {error}"
            row[kind] = wrong
        self.add(f"{model} {bypass} {form} {norm}", row)

    def torchvision(self, name):
        """torchvision's model -> kindling -> torchvision's model."""
        import torch
        import torchvision.models

        torch.manual_seed(1)
        theirs, again = (getattr(torchvision.models, name)(weights=None) for _ in range(2))
        torch.save(theirs.state_dict(), self.folder / "theirs.pth")
        here = self.convert(self.folder / "theirs.pth", "here.safetensors")
        again.load_state_dict(torch.load(self.convert(here, "again.pth"), weights_only=True))
        same = all(torch.equal(a, b) for a, b in zip(theirs.state_dict().values(), again.state_dict().values()))
        self.add(f"torchvision's {name}", {"pth": None if same else "other bits"})

    def add(self, name, row):
        self.rows.append(name)
        self.failures += sum(wrong is not None for wrong in row.values())
        print(f"{name:44}" + "  ".join(f"{kind} {'ok' if wrong is None else 'FAILED'}" for kind, wrong in row.items()),
              flush=True)
        for kind, wrong in row.items():
            if wrong is not None:
                print(f"    {kind}: {wrong}")


def combinations():
    for model in ("squeezenet1_0", "squeezenet1_1", "squeezenet_cifar"):
        yield from itertools.product([model], ["none", "simple", "complex"], ["torchvision", "caffe"], ["none", "batch"])
    yield from itertools.product(["lenet", "alexnet"], ["none"], ["torchvision", "caffe"], ["none"])


def run_in(environment, torchvision):
    """Runs this program in the virtual environment, made if need be."""
    python = environment / "bin" / "python"
    if not python.exists():
        print(f"making {environment}", file=sys.stderr)
        venv.create(environment, with_pip=True)
        packages = PACKAGES + (["torchvision"] if torchvision else [])
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    if Path(sys.prefix).resolve() != environment.resolve():
        os.execv(python, [python, *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--venv", type=Path, default=ROOT / "build" / "interop-venv")
    parser.add_argument("--torchvision", action="store_true")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    run_in(options.venv, options.torchvision)
    sys.path.insert(0, str(ROOT / "tools" / "interop"))
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(options.build, Path(folder))
        for combination in combinations():
            checker.combination(*combination)
        if options.torchvision:
            for name in ("squeezenet1_0", "squeezenet1_1", "alexnet"):
                checker.torchvision(name)
    files = [sys.executable, ROOT / "tools" / "interop" / "check_files.py", "--kindling", options.build / "kindling",
             *options.files]
    read = subprocess.run(files).returncode == 0
    print(f"{len(checker.rows)} rows, {checker.failures} failures; files that PyTorch and NumPy write: "
          f"{'ok' if read else 'FAILED'}")
    return 1 if checker.failures or not read else 0


if __name__ == "__main__":
    sys.exit(main())
