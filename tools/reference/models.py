"""Kindling's models in PyTorch, with Kindling's parameter names ('.' for '/').

`kindling_tensors` turns parameters or gradients into Kindling's names and memory layout, so that the two can be
compared or exchanged. Sources: SqueezeNet, arXiv:1602.07360, and the authors' Caffe files; torchvision's definitions;
Caffe's bvlc_alexnet and examples/mnist/lenet.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Squeeze, expand1x1 and expand3x3 channels of fire2 ... fire9 (Table 1).
FIRE_WIDTHS = [(16, 64, 64), (16, 64, 64), (32, 128, 128), (32, 128, 128),
               (48, 192, 192), (48, 192, 192), (64, 256, 256), (64, 256, 256)]


def conv_and_norm(norm: str, in_channels: int, out_channels: int, kernel: int,
                  **options: int) -> tuple[nn.Module, nn.Module]:
    """A convolution and what follows it: BatchNorm (which replaces the convolution's bias) or nothing."""
    if norm == "batch":
        return nn.Conv2d(in_channels, out_channels, kernel, bias=False, **options), nn.BatchNorm2d(out_channels)
    return nn.Conv2d(in_channels, out_channels, kernel, **options), nn.Identity()


class Fire(nn.Module):
    """Figure 1: squeeze by 1x1, expand by 1x1 and 3x3 side by side; `shortcut` is none, identity or conv (Figure 2).

    There is no ReLU after the shortcut's sum.
    """

    def __init__(self, in_channels: int, widths: tuple[int, int, int], shortcut: str, norm: str):
        super().__init__()
        s1x1, e1x1, e3x3 = widths
        self.squeeze, self.squeeze_bn = conv_and_norm(norm, in_channels, s1x1, 1)
        self.expand1x1, self.expand1x1_bn = conv_and_norm(norm, s1x1, e1x1, 1)
        self.expand3x3, self.expand3x3_bn = conv_and_norm(norm, s1x1, e3x3, 3, padding=1)
        self.shortcut = shortcut
        if shortcut == "conv":
            self.bypass, self.bypass_bn = conv_and_norm(norm, in_channels, e1x1 + e3x3, 1)

    def forward(self, x: Tensor) -> Tensor:
        s = F.relu(self.squeeze_bn(self.squeeze(x)))
        y = torch.cat([F.relu(self.expand1x1_bn(self.expand1x1(s))), F.relu(self.expand3x3_bn(self.expand3x3(s)))], 1)
        if self.shortcut == "identity":
            return y + x
        if self.shortcut == "conv":
            return y + self.bypass_bn(self.bypass(x))
        return y


def shortcut_of(fire: int, bypass: str) -> str:
    """Simple bypass: identity around fire3, 5, 7, 9. Complex: also a 1x1 convolution around fire2, 4, 6, 8."""
    if bypass == "none":
        return "none"
    if fire % 2:
        return "identity"
    return "conv" if bypass == "complex" else "none"


class SqueezeNet(nn.Module):
    """conv1, fire2 ... fire9 with 3x3/2 max pools (sizes rounded up) after some, dropout, conv10, global average."""

    def __init__(self, conv1_channels: int, conv1_options: dict[str, int], pools_after: Iterable[int], *,
                 classes: int, bypass: str, norm: str, conv10_padding: int = 0, relu10: bool = True):
        super().__init__()
        self.conv1, self.conv1_bn = conv_and_norm(norm, 3, conv1_channels, **conv1_options)
        channels = conv1_channels
        for i, widths in enumerate(FIRE_WIDTHS, start=2):
            setattr(self, f"fire{i}", Fire(channels, widths, shortcut_of(i, bypass), norm))
            channels = widths[1] + widths[2]
        self.dropout9 = nn.Dropout(0.5)
        self.conv10 = nn.Conv2d(channels, classes, 1, padding=conv10_padding)
        self.pools_after = set(pools_after)
        self.relu10 = relu10

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1_bn(self.conv1(x)))
        for i in range(1, 10):
            if i > 1:
                x = getattr(self, f"fire{i}")(x)
            if i in self.pools_after:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.conv10(self.dropout9(x))
        return (F.relu(x) if self.relu10 else x).mean((2, 3))


def squeezenet1_0(classes: int = 1000, bypass: str = "none", form: str = "torchvision",
                  norm: str = "none") -> SqueezeNet:
    """1,248,424 parameters. Caffe's form pads conv10 by 1; its border counts in the average."""
    return SqueezeNet(96, {"kernel": 7, "stride": 2}, (1, 4, 8), classes=classes, bypass=bypass, norm=norm,
                      conv10_padding=1 if form == "caffe" else 0)


def squeezenet1_1(classes: int = 1000, bypass: str = "none", form: str = "torchvision",
                  norm: str = "none") -> SqueezeNet:
    """1,235,496 parameters. Both forms compute the same."""
    return SqueezeNet(64, {"kernel": 3, "stride": 2}, (1, 3, 5), classes=classes, bypass=bypass, norm=norm)


def squeezenet_cifar(classes: int = 10, bypass: str = "none", norm: str = "none") -> SqueezeNet:
    """v1.1 for 32 pixels: conv1 keeps the size, conv10's map is averaged without ReLU."""
    return SqueezeNet(64, {"kernel": 3, "padding": 1}, (1, 3, 5), classes=classes, bypass=bypass, norm=norm,
                      relu10=False)


class AlexNet(nn.Module):
    """Krizhevsky et al. 2012 in Caffe's form (227 px, groups, LRN) or torchvision's (224 px, arXiv:1404.5997)."""

    def __init__(self, classes: int = 1000, form: str = "torchvision"):
        super().__init__()
        caffe = form == "caffe"
        c1, c2, c3, c4, c5 = (96, 256, 384, 384, 256) if caffe else (64, 192, 384, 256, 256)
        groups = 2 if caffe else 1
        self.conv1 = nn.Conv2d(3, c1, 11, stride=4, padding=0 if caffe else 2)
        self.conv2 = nn.Conv2d(c1, c2, 5, padding=2, groups=groups)
        self.conv3 = nn.Conv2d(c2, c3, 3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1, groups=groups)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1, groups=groups)
        self.norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0) if caffe else nn.Identity()
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=caffe)
        self.fc6 = nn.Linear(c5 * 6 * 6, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, classes)
        self.dropout = nn.Dropout(0.5)
        self.after_flatten = ("fc6", c5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.norm(F.relu(self.conv1(x))))
        x = self.pool(self.norm(F.relu(self.conv2(x))))
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = self.pool(F.relu(self.conv5(x))).flatten(1)
        x = self.dropout(F.relu(self.fc6(x)))
        x = self.dropout(F.relu(self.fc7(x)))
        return self.fc8(x)


class LeNet(nn.Module):
    """Caffe's examples/mnist/lenet: 28x28x1, 431,080 parameters."""

    def __init__(self, classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(50 * 4 * 4, 500)
        self.fc2 = nn.Linear(500, classes)
        self.after_flatten = ("fc1", 50)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x), 2)
        x = F.max_pool2d(self.conv2(x), 2).flatten(1)
        return self.fc2(F.relu(self.fc1(x)))


MODELS = {"lenet": LeNet, "alexnet": AlexNet, "squeezenet1_0": squeezenet1_0, "squeezenet1_1": squeezenet1_1,
          "squeezenet_cifar": squeezenet_cifar}


def initialize(model: nn.Module) -> None:
    """Kaiming-uniform U(+-sqrt(6 / fan_in)), but N(0, 0.01) for conv10; biases 0. From torch's global generator."""
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            if name == "conv10":
                nn.init.normal_(module.weight, 0.0, 0.01)
            else:
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def kindling_name(torch_name: str) -> str:
    """fire2.expand3x3.weight -> fire2/expand3x3/weight."""
    return torch_name.replace(".", "/")


def kindling_tensors(model: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parameters, gradients or buffers of `model` by PyTorch name -> by Kindling's name, in Kindling's layout.

    Convolutions OIHW -> OHWI. The first linear layer after flattening has its columns moved from (C,H,W) to (H,W,C)
    order. Others stay. BatchNorm's batch counter, which Kindling does not have, is left out.
    """
    flat_layer, channels = getattr(model, "after_flatten", ("", 0))
    out = {}
    for name, tensor in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        if tensor.dim() == 4:
            tensor = tensor.permute(0, 2, 3, 1)
        elif name == f"{flat_layer}.weight":
            tensor = tensor.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1)
        out[kindling_name(name)] = tensor.detach().contiguous()
    return out
