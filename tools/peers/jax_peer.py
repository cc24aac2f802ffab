"""JAX: one jit-compiled step, NHWC."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from safetensors.numpy import load_file

from peers.networks import NETWORKS, from_kindling, padding_to_round_up, to_kindling
from peers.workloads import LEARNING_RATE, MOMENTUM, Workload

VERSION = f"JAX {jax.__version__}"


class Ops:
    """What peers/networks.py is written in. `key` draws dropout; without one there is none."""

    def __init__(self, weights: dict, key=None):
        self.weights, self.key = weights, key

    def conv(self, x, name, stride=1, padding=0):
        y = lax.conv_general_dilated(x, self.weights[f"{name}/weight"], (stride, stride), [(padding, padding)] * 2,
                                     dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y + self.weights[f"{name}/bias"]

    def linear(self, x, name):
        return x @ self.weights[f"{name}/weight"] + self.weights[f"{name}/bias"]

    def max_pool(self, x, kernel, stride):
        behind = (0, padding_to_round_up(x.shape[1], kernel, stride))
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, kernel, kernel, 1), (1, stride, stride, 1),
                                 ((0, 0), behind, behind, (0, 0)))

    def relu(self, x):
        return jax.nn.relu(x)

    def concat(self, parts):
        return jnp.concatenate(parts, 3)

    def mean(self, x):
        return x.mean((1, 2))

    def flatten(self, x):
        return x.reshape(len(x), -1)

    def dropout(self, x):
        if self.key is None:
            return x
        self.key, key = jax.random.split(self.key)
        return jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x * 2, 0)


def loss_and_logits(weights, network, images, labels, key=None):
    logits = network(Ops(weights, key), images)
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean(), logits


@partial(jax.jit, static_argnames="network", donate_argnames=("weights", "momenta", "key"))
def train(weights, momenta, key, network, images, labels):
    key, dropout_key = jax.random.split(key)
    gradients, _ = jax.grad(loss_and_logits, has_aux=True)(weights, network, images, labels, dropout_key)
    momenta = jax.tree.map(lambda m, g: MOMENTUM * m + g, momenta, gradients)
    weights = jax.tree.map(lambda w, m: w - LEARNING_RATE * m, weights, momenta)
    return weights, momenta, key


class Peer:
    def __init__(self, workload: Workload, folder: Path, threads: int):
        given = load_file(folder / "given.safetensors")
        self.images, self.labels = jnp.asarray(given.pop("input")), jnp.asarray(given.pop("labels"))
        self.network = NETWORKS[workload.model]
        weights = {name: jnp.asarray(from_kindling(weight)) for name, weight in given.items()}
        self.state = weights, jax.tree.map(jnp.zeros_like, weights), jax.random.key(1)

    def results(self) -> dict[str, np.ndarray]:
        differentiate = jax.jit(jax.value_and_grad(loss_and_logits, has_aux=True), static_argnames="network")
        (loss, logits), gradients = differentiate(self.state[0], self.network, self.images, self.labels)
        results = {f"grad/{name}": to_kindling(np.asarray(gradient)) for name, gradient in gradients.items()}
        return results | {"logits": np.asarray(logits), "loss": np.asarray(loss)}

    def step(self) -> None:
        self.state = jax.block_until_ready(train(*self.state, self.network, self.images, self.labels))
