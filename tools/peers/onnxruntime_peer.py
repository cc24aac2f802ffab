"""ONNX Runtime on PyTorch's exported model."""

from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import load_file

from peers.workloads import Workload

VERSION = f"ONNX Runtime {onnxruntime.__version__}"


class Peer:
    def __init__(self, workload: Workload, folder: Path, threads: int):
        self.images = np.ascontiguousarray(load_file(folder / "given.safetensors")["input"].transpose(0, 3, 1, 2))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def results(self) -> dict[str, np.ndarray]:
        return {"logits": self.step()}

    def step(self) -> np.ndarray:
        return self.session.run(None, {"input": self.images})[0]
