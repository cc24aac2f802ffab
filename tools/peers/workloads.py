"""What is measured: the work of one step, the same for Kindling and every peer."""

from dataclasses import dataclass, field

WARM_UP_STEPS, WARM_UP_SECONDS = 3, 0.25  # at least, in every process, as in `kindling bench`
LEARNING_RATE, MOMENTUM = 1e-4, 0.9  # of the update, as in `kindling bench train`


@dataclass(frozen=True, eq=False)  # without eq it can be a key, whatever its options
class Workload:
    """Training: forward with dropout, mean cross-entropy, backward, update. Otherwise: forward alone."""

    name: str
    title: str
    model: str  # as in `kindling --model`
    training: bool
    batch: int
    size: int  # pixels
    channels: int
    classes: int
    steps: int  # timed in one process
    options: dict[str, str] = field(default_factory=dict)  # of the model, as on the command line
    optimizer: str = "sgd"  # with momentum; or muon


WORKLOADS = {workload.name: workload for workload in [
    Workload("train-squeezenet1_1", "SqueezeNet v1.1, training", "squeezenet1_1", True, 32, 224, 3, 1000, 5),
    Workload("train-squeezenet1_0", "SqueezeNet v1.0, training", "squeezenet1_0", True, 32, 224, 3, 1000, 3),
    Workload("infer-squeezenet1_1", "SqueezeNet v1.1, inference", "squeezenet1_1", False, 32, 224, 3, 1000, 10),
    Workload("infer-squeezenet1_1-single", "SqueezeNet v1.1, inference", "squeezenet1_1", False, 1, 224, 3, 1000, 150),
    Workload("train-squeezenet_cifar", "SqueezeNet for CIFAR, training", "squeezenet_cifar", True, 128, 32, 3, 10, 10),
    Workload("train-cifar-best", "Network and optimiser of cifar-best, training",
             "squeezenet_cifar", True, 128, 32, 3, 10, 10, {"bypass": "complex", "norm": "batch"}, "muon"),
    Workload("train-lenet", "LeNet, training", "lenet", True, 64, 28, 1, 10, 150),
    Workload("train-alexnet", "AlexNet, training", "alexnet", True, 64, 224, 3, 1000, 3),
]}
