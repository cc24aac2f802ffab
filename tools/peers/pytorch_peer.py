"""PyTorch, channels_last. Its models are those of tools/reference/models.py."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from check_against_pytorch import run_pytorch
from models import MODELS
from safetensors.torch import load_file

from peers.muon import Muon
from peers.workloads import LEARNING_RATE, MOMENTUM, Workload

VERSION = f"PyTorch {torch.__version__}"


class Peer:
    def __init__(self, workload: Workload, folder: Path, threads: int, compiled: bool):
        torch.set_num_threads(threads)
        given = load_file(folder / "given.safetensors")
        self.images, self.labels = given["input"].permute(0, 3, 1, 2), given["labels"]  # channels_last without a copy
        self.training = workload.training
        self.model = MODELS[workload.model](classes=workload.classes, **workload.options)
        self.model.load_state_dict(torch.load(folder / "pytorch.pt"))
        self.model = self.model.to(memory_format=torch.channels_last).train(self.training)
        if compiled:
            self.model.compile()
        parameters = self.model.parameters()
        self.optimizer = (Muon(parameters, LEARNING_RATE, MOMENTUM) if workload.optimizer == "muon" else
                          torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM, fused=True))

    def results(self) -> dict[str, np.ndarray]:
        if not self.training:
            return {"logits": self.infer().numpy()}
        return {name: tensor.numpy() for name, tensor in run_pytorch(self.model, self.images, self.labels).items()}

    def step(self) -> None:
        self.train() if self.training else self.infer()

    def train(self) -> None:
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(self.images), self.labels).backward()
        self.optimizer.step()

    @torch.inference_mode()
    def infer(self) -> torch.Tensor:
        return self.model(self.images)
