"""Muon in PyTorch, as Kindling has it (optim/muon.h): matrices by orthogonalised momentum, all else by AdamW.

Eager, one matrix after the other, its products on all threads, as PyTorch's users write it.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def orthogonalize(x: Tensor) -> Tensor:
    """Five steps of Newton and Schulz."""
    tall = x.shape[0] > x.shape[1]
    y = (x.T if tall else x) / x.norm()
    for _ in range(5):
        square = y @ y.T
        y = torch.addmm(y, torch.addmm(square, square, square, beta=-4.7750, alpha=2.0315), y, beta=3.4445)
    return y.T if tall else y


class Muon:
    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, momentum: float):
        parameters = list(parameters)
        self.matrices = [parameter for parameter in parameters if parameter.dim() > 1]
        self.rate, self.momentum = rate, momentum
        self.velocities = [torch.zeros_like(parameter) for parameter in self.matrices]
        self.others = torch.optim.AdamW([parameter for parameter in parameters if parameter.dim() == 1], lr=rate,
                                        betas=(momentum, 0.95), weight_decay=0.0, fused=True)

    def zero_grad(self) -> None:
        self.others.zero_grad()
        for parameter in self.matrices:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        self.others.step()
        gradients = [parameter.grad for parameter in self.matrices]
        torch._foreach_mul_(self.velocities, self.momentum)
        torch._foreach_add_(self.velocities, gradients)
        for parameter, gradient, ahead in zip(self.matrices, gradients,
                                              torch._foreach_add(gradients, self.velocities, alpha=self.momentum),
                                              strict=True):
            # Channels last, as the weights lie in memory, so that nothing is copied.
            matrix = (ahead.permute(0, 2, 3, 1) if ahead.dim() == 4 else ahead).flatten(1)
            update = orthogonalize(matrix)
            target = (parameter.permute(0, 2, 3, 1) if parameter.dim() == 4 else parameter)
            target.add_(update.view(target.shape), alpha=-self.rate * 0.2 * max(matrix.shape) ** 0.5)
