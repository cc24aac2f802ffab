#!/usr/bin/env python3
"""Reads a .caffemodel with Google's protobuf, from io/caffe.proto, and compares its tensors bit for bit.

    tools/interop/check_caffe.py FILE.caffemodel EXPECTED.safetensors

The tensors of EXPECTED have Caffe's names and axes: conv1/weight [O, I, KH, KW]. Prints what differs, and exits 1 if
anything does. Needs protoc, and Python's protobuf, numpy and safetensors.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

ROOT = Path(__file__).resolve().parent.parent.parent
WITH_WEIGHT_AND_BIAS = ["Convolution", "Deconvolution", "Embed", "InnerProduct", "Scale"]
BLOBS = {"BatchNorm": ["mean", "variance", "count"]} | dict.fromkeys(WITH_WEIGHT_AND_BIAS, ["weight", "bias"])


def net_parameter():
    """An empty NetParameter. Made from a description, since code that protoc makes needs a library of its own age."""
    with tempfile.TemporaryDirectory() as folder:
        description = Path(folder) / "caffe.pb"
        subprocess.run(["protoc", f"--descriptor_set_out={description}", f"-I{ROOT / 'io'}", "caffe.proto"], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(description.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("kindling.caffe.NetParameter"))()


def read_caffemodel(path: Path) -> dict[str, np.ndarray]:
    """The blobs of new layers, under names as Kindling gives them."""
    net = net_parameter()
    net.ParseFromString(path.read_bytes())
    tensors = {}
    for layer in net.layer:
        names = BLOBS.get(layer.type, [])
        for i, blob in enumerate(layer.blobs):
            name = names[i] if i < len(names) else str(i)
            values = np.array(blob.double_data) if blob.double_data else np.array(blob.data, np.float32)
            tensors[f"{layer.name}/{name}"] = values.reshape(list(blob.shape.dim))
    return tensors


def differences(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> list[str]:
    """Of names, types, shapes and bits; one line each."""
    faults = [f"{name}: missing" for name in expected if name not in found]
    faults += [f"{name}: unexpected" for name in found if name not in expected]
    for name in found.keys() & expected.keys():
        a, b = found[name], expected[name]
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            faults.append(f"{name}: {a.dtype} {list(a.shape)}, expected {b.dtype} {list(b.shape)}")
        elif a.tobytes() != b.tobytes():
            faults.append(f"{name}: other values")
    return sorted(faults)


def main() -> None:
    from safetensors.numpy import load_file

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("expected", type=Path)
    arguments = parser.parse_args()
    found = read_caffemodel(arguments.file)
    faults = differences(found, load_file(arguments.expected))
    print(*faults, f"{arguments.file}: {len(found)} tensors, {len(faults)} faults", sep="\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
