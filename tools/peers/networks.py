"""The models in NHWC, written once for TensorFlow and JAX.

`ops` holds the weights and has conv(x, name, stride, padding), linear(x, name), relu, max_pool(x, kernel, stride) whose
sizes round up, concat (of channels), mean (over pixels), flatten and dropout. Weights have Kindling's names and decide
all widths. Layouts are those of the two frameworks: convolutions HWIO, linear layers [in, out].
"""

import numpy as np


def fire(ops, x, name):
    s = ops.relu(ops.conv(x, f"{name}/squeeze"))
    return ops.concat([ops.relu(ops.conv(s, f"{name}/expand1x1")),
                       ops.relu(ops.conv(s, f"{name}/expand3x3", padding=1))])


def squeezenet(ops, x, stride, padding, pools_after, relu10):
    x = ops.relu(ops.conv(x, "conv1", stride, padding))
    for i in range(1, 10):
        if i > 1:
            x = fire(ops, x, f"fire{i}")
        if i in pools_after:
            x = ops.max_pool(x, 3, 2)
    x = ops.conv(ops.dropout(x), "conv10")
    return ops.mean(ops.relu(x) if relu10 else x)


def squeezenet1_0(ops, x):
    return squeezenet(ops, x, stride=2, padding=0, pools_after=(1, 4, 8), relu10=True)


def squeezenet1_1(ops, x):
    return squeezenet(ops, x, stride=2, padding=0, pools_after=(1, 3, 5), relu10=True)


def squeezenet_cifar(ops, x):
    return squeezenet(ops, x, stride=1, padding=1, pools_after=(1, 3, 5), relu10=False)


def alexnet(ops, x):
    x = ops.max_pool(ops.relu(ops.conv(x, "conv1", stride=4, padding=2)), 3, 2)
    x = ops.max_pool(ops.relu(ops.conv(x, "conv2", padding=2)), 3, 2)
    x = ops.relu(ops.conv(x, "conv3", padding=1))
    x = ops.relu(ops.conv(x, "conv4", padding=1))
    x = ops.max_pool(ops.relu(ops.conv(x, "conv5", padding=1)), 3, 2)
    x = ops.relu(ops.linear(ops.dropout(ops.flatten(x)), "fc6"))
    x = ops.relu(ops.linear(ops.dropout(x), "fc7"))
    return ops.linear(x, "fc8")


def lenet(ops, x):
    x = ops.max_pool(ops.conv(x, "conv1"), 2, 2)
    x = ops.max_pool(ops.conv(x, "conv2"), 2, 2)
    return ops.linear(ops.relu(ops.linear(ops.flatten(x), "fc1")), "fc2")


NETWORKS = {"lenet": lenet, "alexnet": alexnet, "squeezenet1_0": squeezenet1_0, "squeezenet1_1": squeezenet1_1,
            "squeezenet_cifar": squeezenet_cifar}


def padding_to_round_up(pixels: int, kernel: int, stride: int) -> int:
    """Pixels to add behind an image so that no window of a pool is cut short."""
    return (kernel - pixels) % stride


def from_kindling(weight: np.ndarray) -> np.ndarray:
    """OHWI -> HWIO, [out, in] -> [in, out]; biases stay."""
    return np.ascontiguousarray(np.moveaxis(weight, 0, -1))


def to_kindling(weight: np.ndarray) -> np.ndarray:
    return np.moveaxis(weight, -1, 0)
