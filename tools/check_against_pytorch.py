#!/usr/bin/env python3
"""Compares Kindling's models with PyTorch's: same weights, same batch; logits, loss and every parameter's gradient.

For each model, form, bypass, normalisation and dtype: draws weights, images and labels from a seed, hands them to
kindling_dump_gradients as a safetensors file in Kindling's names and layout (weights, `input` [N,H,W,C], `labels` [N]),
reads back `logits` [N,K], `loss` [1] (mean cross-entropy) and `grad/NAME`, and measures the relative L2 distance of
each from PyTorch's: at most 1e-9 in double, 1e-3 in float. Dropout is off; BatchNorm uses the batch's statistics.
Prints each case's worst distance; exits 1 if one is too large or a tensor is missing.

Float and kinks: where the input of a ReLU, or the lead of a max pool's winner, is within rounding of zero, two correct
programs may take different sides, and one such element can move a gradient by 1e-2. A million of them make that likely.
So in float SqueezeNets see small images (they take any size), and weights and images are drawn until PyTorch's own
gradients stand still (see `is_steady`). In double, where rounding is 1e-16, all models see images of their published
size and any draw will do.
"""

import argparse
import copy
import itertools
import math
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "reference"))
from models import MODELS, kindling_tensors  # noqa: E402

DTYPES = {"f32": torch.float32, "f64": torch.float64}
LIMITS = {"f32": 1e-3, "f64": 1e-9}
# Gradients below this share of all of them together are measured against that share. A bias that the next BatchNorm
# takes away again (fire2/bypass_bn/bias) has gradient 0 in exact arithmetic; what comes out is rounding, 1e-8 in float.
SMALLEST_SHARE = 1e-5
SHOWN = 5  # wrong tensors of a case

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    model: str
    dtype: str
    options: dict[str, str]  # of both PyTorch's definition and the command line
    size: int  # pixels
    classes: int
    batch: int = 2

    @property
    def name(self) -> str:
        return " ".join([self.model, *(f"{key}={value}" for key, value in self.options.items()), self.dtype])

    @property
    def arguments(self) -> list[str]:
        words = ["--model", self.model, "--classes", str(self.classes), "--size", str(self.size), "--dtype", self.dtype]
        return words + [word for key, value in self.options.items() for word in (f"--{key}", value)]


def all_cases() -> list[Case]:
    published = {"torchvision": 224, "caffe": 227}
    small = {"torchvision": 64, "caffe": 67}
    bypasses, norms = ["none", "simple", "complex"], ["none", "batch"]
    cases = [Case("lenet", dtype, {}, size=28, classes=10, batch=8) for dtype in DTYPES]
    cases += [Case("alexnet", dtype, {"form": form}, published[form], classes=1000)
              for form, dtype in itertools.product(published, DTYPES)]
    for model, form, bypass, norm, dtype in itertools.product(["squeezenet1_0", "squeezenet1_1"], published, bypasses,
                                                              norms, DTYPES):
        size = (small if dtype == "f32" else published)[form]
        cases.append(Case(model, dtype, {"form": form, "bypass": bypass, "norm": norm}, size, classes=1000))
    cases += [Case("squeezenet_cifar", dtype, {"bypass": bypass, "norm": norm}, size=32, classes=10)
              for bypass, norm, dtype in itertools.product(bypasses, norms, DTYPES)]
    return cases


def randomize(model: nn.Module, far_from_kinks: bool) -> None:
    """Weights that keep activations in range, and nothing at a value (0 or 1) that could hide a mistake.

    `far_from_kinks`: BatchNorm's biases are +-(3 to 5) standard deviations, so that channels are on or off as a whole
    (with biases near 0, its wider rounding leaves hardly a draw that stands still).
    """
    for name, tensor in model.state_dict().items():
        if tensor.dim() > 1:
            nn.init.kaiming_uniform_(tensor, nonlinearity="relu")
        elif name.endswith(("_bn.weight", "running_var")):
            nn.init.uniform_(tensor, 0.5, 1.5)
        elif name.endswith("_bn.bias") and far_from_kinks:
            tensor.copy_(torch.empty_like(tensor).uniform_(3.0, 5.0) * (2 * torch.randint(2, tensor.shape) - 1))
        elif tensor.is_floating_point():
            nn.init.uniform_(tensor, -0.1, 0.1)


def run_pytorch(model: nn.Module, images: Tensor, labels: Tensor) -> Tensors:
    """logits, loss and gradients in Kindling's names and layout, in the dtype of the model."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    model.zero_grad()
    logits = model(images)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    gradients = kindling_tensors(model, {name: parameter.grad for name, parameter in model.named_parameters()})
    results = {"logits": logits.detach(), "loss": loss.detach().reshape(1)}
    return results | {f"grad/{name}": gradient for name, gradient in gradients.items()}


@torch.no_grad()
def disturbed(model: nn.Module, images: Tensor, size: float) -> tuple[nn.Module, Tensor]:
    """Copies in double, each number changed by a random share of about `size`."""
    model, images = copy.deepcopy(model).double(), images.double()
    for parameter in model.parameters():
        parameter.mul_(1.0 + size * torch.randn_like(parameter))
    return model, images * (1.0 + size * torch.randn_like(images))


def is_steady(model: nn.Module, images: Tensor, labels: Tensor) -> bool:
    """Whether no kink is near: gradients move smoothly when all numbers do by a few units of float's last place."""
    exact = run_pytorch(copy.deepcopy(model).double(), images.double(), labels)
    nearby = [run_pytorch(copy.deepcopy(model), images, labels)]
    nearby += [run_pytorch(*disturbed(model, images, 1e-6), labels) for _ in range(10)]
    return all(max(distances(tensors, exact).values()) < 1e-4 for tensors in nearby)  # smooth moves are below 5e-5


def draw(case: Case, seed: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Model, images [N,C,H,W] and labels. Throws RuntimeError if no draw is fit for a comparison in float."""
    torch.manual_seed(seed)
    in_float = case.dtype == "f32"
    for _ in range(200):
        model = MODELS[case.model](classes=case.classes, **case.options)
        randomize(model, far_from_kinks=in_float)
        images = torch.randn(case.batch, model.conv1.in_channels, case.size, case.size)
        labels = torch.randint(case.classes, (case.batch,))
        if not in_float or is_steady(model, images, labels):
            return model.to(DTYPES[case.dtype]), images.to(DTYPES[case.dtype]), labels
    raise RuntimeError("no draw has its ReLUs and max pools away from ties; try another --seed")


def run_kindling(program: Path, case: Case, given: Tensors) -> Tensors:
    """Throws RuntimeError with what the program said, if it fails."""
    with tempfile.TemporaryDirectory(prefix="kindling-check-") as folder:
        in_file, out_file = Path(folder, "in.safetensors"), Path(folder, "out.safetensors")
        save_file(given, in_file)
        command = [str(program), *case.arguments, str(in_file), str(out_file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\nexit code {done.returncode}: {done.stderr.strip()}")
        return load_file(out_file)


def distances(got: Tensors, expected: Tensors) -> dict[str, float]:
    """||got - expected|| / ||expected|| of each tensor expected (but see SMALLEST_SHARE).

    Infinite if `got` has none of that name, or one of another shape or with a number that is not finite.
    """
    norms = {name: tensor.double().norm().item() for name, tensor in expected.items()}
    smallest = SMALLEST_SHARE * math.hypot(*(norm for name, norm in norms.items() if name.startswith("grad/")))
    result = {}
    for name, tensor in expected.items():
        other = got.get(name)
        if other is None or other.shape != tensor.shape or not other.isfinite().all():
            result[name] = math.inf
        else:
            result[name] = (other.double() - tensor.double()).norm().item() / max(norms[name], smallest)
    return result


def check(case: Case, options: argparse.Namespace) -> bool:
    """Prints one row; whether all tensors of the case agree."""
    try:
        model, images, labels = draw(case, options.seed)
        given = kindling_tensors(model, model.state_dict())
        given |= {"input": images.permute(0, 2, 3, 1).contiguous(), "labels": labels}
        got = run_kindling(options.program, case, given)
    except RuntimeError as error:
        print(f"{case.name:66} FAIL\n    {error}", flush=True)
        return False
    expected = run_pytorch(model, images, labels)
    apart = distances(got, expected)
    wrong = sorted((name for name in apart if apart[name] > LIMITS[case.dtype]), key=apart.get, reverse=True)
    unknown = sorted(got.keys() - expected.keys())
    worst = max((name for name in apart if name.startswith("grad/")), key=apart.get)
    print(f"{case.name:66} {apart['logits']:9.1e} {apart['loss']:9.1e} {apart[worst]:9.1e} "
          f"{'FAIL' if wrong or unknown else 'ok  '} {worst}", flush=True)
    for name in wrong[:SHOWN]:
        what = f"distance {apart[name]:.1e}, shape {list(got[name].shape)}" if name in got else "missing"
        print(f"    {name}: {what}; expected shape {list(expected[name].shape)}")
    if len(wrong) > SHOWN:
        print(f"    and {len(wrong) - SHOWN} more")
    for name in unknown:
        print(f"    {name}: PyTorch's model has no such parameter")
    return not wrong and not unknown


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "release" / "kindling_dump_gradients")
    parser.add_argument("--only", metavar="REGEX", default="", help="cases whose name matches, e.g. 'cifar.*f64'")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> int:
    options = parse_options()
    cases = [case for case in all_cases() if re.search(options.only, case.name)]
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    if not cases:
        print(f"no case matches '{options.only}'; --list shows them", file=sys.stderr)
        return 2
    if not options.program.exists():
        print(f"{options.program} is missing: build Kindling first, or name it with --program", file=sys.stderr)
        return 1
    print(f"{'case':66} {'logits':>9} {'loss':>9} {'gradients':>9}      worst gradient")
    agreeing = sum(check(case, options) for case in cases)
    print(f"{agreeing} of {len(cases)} cases agree; limits {LIMITS['f64']} in f64, {LIMITS['f32']} in f32")
    return 0 if agreeing == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
