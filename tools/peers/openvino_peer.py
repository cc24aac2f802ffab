"""OpenVINO on PyTorch's exported model."""

from pathlib import Path

import numpy as np
import openvino
from safetensors.numpy import load_file

from peers.workloads import Workload

VERSION = f"OpenVINO {openvino.__version__.partition('-')[0]}"


class Peer:
    def __init__(self, workload: Workload, folder: Path, threads: int):
        self.images = np.ascontiguousarray(load_file(folder / "given.safetensors")["input"].transpose(0, 3, 1, 2))
        # Without the first hint it computes in bfloat16 where the processor can.
        self.model = openvino.compile_model(folder / "model.onnx", "CPU", {
            "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads})

    def results(self) -> dict[str, np.ndarray]:
        return {"logits": self.step()}

    def step(self) -> np.ndarray:
        return self.model(self.images)[0]
