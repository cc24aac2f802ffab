"""Draws the weights and the batch of a workload, and asks Kindling what comes out: `python -m peers.prepare ...`

Writes into FOLDER: given.safetensors (weights in Kindling's names and layout, `input` [N,H,W,C], `labels` [N]),
expected.safetensors (Kindling's `logits`, `loss` and `grad/NAME`, without dropout), pytorch.pt (the weights once more)
and, for inference, model.onnx.
"""

import argparse
from pathlib import Path

import torch
from check_against_pytorch import Case, randomize, run_kindling
from models import MODELS, kindling_tensors
from safetensors.torch import save_file

from peers.workloads import WORKLOADS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("program", type=Path, help="kindling_dump_gradients")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    work, folder = WORKLOADS[options.workload], options.folder
    folder.mkdir()

    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    model = MODELS[work.model](classes=work.classes, **work.options).eval()
    randomize(model, far_from_kinks="norm" in work.options)  # whose wider rounding meets more kinks
    images = torch.randn(work.batch, work.channels, work.size, work.size)
    given = kindling_tensors(model, model.state_dict())
    given |= {"input": images.permute(0, 2, 3, 1).contiguous(), "labels": torch.randint(work.classes, (work.batch,))}
    case = Case(work.model, "f32", work.options, work.size, work.classes, work.batch)
    save_file(given, folder / "given.safetensors")
    save_file(run_kindling(options.program, case, given), folder / "expected.safetensors")
    torch.save(model.state_dict(), folder / "pytorch.pt")
    if not work.training:
        torch.onnx.export(model, (images,), folder / "model.onnx", input_names=["input"], output_names=["logits"],
                          verbose=False)


if __name__ == "__main__":
    main()
