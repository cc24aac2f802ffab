#!/usr/bin/env python3
"""Trains squeezenet_cifar on CIFAR-10 in PyTorch by the recipe of Kindling's preset `cifar`.

The recipe: 12 epochs of batches of 64, the last partial batch dropped; SGD with Nesterov momentum and weight decay 5e-4
on every parameter; gradients clipped to a total norm of 1. One-cycle schedule by half cosines, per step: the rate rises
from lr/25 to lr = 0.04 over the first 20 % of the steps, then falls to lr/250,000; momentum goes 0.95, 0.85, 0.95.
Images: minus (125.3, 123.0, 113.9), over (63.0, 62.1, 66.7); training images are then padded by 4 pixels of zeros,
cropped at random and mirrored with probability 1/2, each on its own. Weights start Kaiming-uniform, conv10's from
N(0, 0.01), biases from 0. A seeded 5 % of train/ is held out for validation; test/ is read once, at the end.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from models import initialize, squeezenet_cifar

MEAN, STD = torch.tensor([125.3, 123.0, 113.9]), torch.tensor([63.0, 62.1, 66.7])
PADDING = 4


def load_images(folder: Path, cache: Path) -> tuple[Tensor, Tensor]:
    """folder/CLASS/*.jpg -> uint8 images [N,H,W,3] and int64 labels [N], classes and files in order of their names.

    Decoded once; later calls read the file `cache`.
    """
    if not cache.exists():
        images, labels = [], []
        for label, class_folder in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
            for file in sorted(class_folder.glob("*.jpg")):
                with Image.open(file) as image:
                    images.append(np.asarray(image.convert("RGB")))
                labels.append(label)
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, images=np.stack(images), labels=np.array(labels, np.int64))
    with np.load(cache) as data:
        return torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])


def normalize(images: Tensor) -> Tensor:
    """uint8 [N,H,W,3] -> float [N,H,W,3]."""
    return (images.float() - MEAN) / STD


def to_network(images: Tensor) -> Tensor:
    """[N,H,W,C] -> [N,C,H,W], which is PyTorch's channels_last without a copy."""
    return images.permute(0, 3, 1, 2)


def augment(images: Tensor) -> Tensor:
    """Zero-pads float images [N,H,W,C], then crops and mirrors each sample with random numbers of its own."""
    n, height, width, _ = images.shape
    padded = F.pad(images, (0, 0, PADDING, PADDING, PADDING, PADDING))
    rows = torch.arange(height) + torch.randint(2 * PADDING + 1, (n, 1))
    cols = torch.arange(width).expand(n, width)
    cols = torch.where(torch.rand(n, 1) < 0.5, cols.flip(1), cols) + torch.randint(2 * PADDING + 1, (n, 1))
    return padded[torch.arange(n)[:, None, None], rows[:, :, None], cols[:, None, :]]


@torch.no_grad()
def top1(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Accuracy in per cent."""
    model.eval()
    batches = zip(images.split(250), labels.split(250), strict=True)
    correct = sum((model(to_network(normalize(x))).argmax(1) == y).sum().item() for x, y in batches)
    return 100.0 * correct / len(labels)


def train_epoch(model: nn.Module, images: Tensor, labels: Tensor, batches: list[Tensor], clip: float,
                optimizer: torch.optim.Optimizer, scheduler: torch.optim.lr_scheduler.LRScheduler) -> float:
    """One step for each batch of indices; the mean of their losses."""
    model.train()
    total = 0.0
    for batch in batches:
        loss = F.cross_entropy(model(to_network(augment(normalize(images[batch])))), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        if clip > 0:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        scheduler.step()
        total += loss.item()
    return total / len(batches)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--bypass", choices=["none", "simple", "complex"], default="none")
    parser.add_argument("--norm", choices=["none", "batch"], default="none")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.04, help="the schedule's highest rate")
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of all gradients together; 0: no limit")
    parser.add_argument("--val-share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cache", type=Path, help="folder for the decoded images (default: the data folder)")
    parser.add_argument("--steps-per-epoch", type=int, help="no more than these, to try the script out")
    parser.add_argument("--out", type=Path, help="JSON file of the results, rewritten after every epoch")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    cache = options.cache or options.data

    images, labels = load_images(options.data / "train", cache / "train.npz")
    order = torch.from_numpy(np.random.default_rng(options.seed).permutation(len(images)))
    held_out = round(options.val_share * len(images))
    val, train = order[:held_out], order[held_out:]

    model = squeezenet_cifar(bypass=options.bypass, norm=options.norm)
    initialize(model)
    model = model.to(memory_format=torch.channels_last)
    steps = min(len(train) // options.batch_size, options.steps_per_epoch or len(train))
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.lr, total_steps=options.epochs * steps, pct_start=0.2, anneal_strategy="cos", div_factor=25,
        final_div_factor=1e4, base_momentum=0.85, max_momentum=0.95)

    results = {"options": {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()},
               "torch": torch.__version__, "parameters": sum(p.numel() for p in model.parameters()),
               "epochs": [], "test_top1": None}

    def write_results() -> None:
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(results, indent=1) + "\n")

    for epoch in range(1, options.epochs + 1):
        start = time.perf_counter()
        batches = list(train[torch.randperm(len(train))].split(options.batch_size)[:steps])
        loss = train_epoch(model, images, labels, batches, options.clip, optimizer, scheduler)
        seconds = time.perf_counter() - start  # of training; validation is not counted
        accuracy = top1(model, images[val], labels[val])
        results["epochs"].append({"epoch": epoch, "train_loss": loss, "val_top1": accuracy, "seconds": seconds})
        print(f"epoch {epoch}/{options.epochs}  loss {loss:.4f}  val top-1 {accuracy:.2f} %  {seconds:.1f} s",
              flush=True)
        write_results()

    results["test_top1"] = top1(model, *load_images(options.data / "test", cache / "test.npz"))
    print(f"test top-1 {results['test_top1']:.2f} %", flush=True)
    write_results()


if __name__ == "__main__":
    main()
