"""TensorFlow: one tf.function, NHWC."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file

from peers.networks import NETWORKS, from_kindling, padding_to_round_up, to_kindling
from peers.workloads import LEARNING_RATE, MOMENTUM, Workload

VERSION = f"TensorFlow {tf.__version__}"


class Ops:
    """What peers/networks.py is written in."""

    def __init__(self, weights: dict, with_dropout: bool):
        self.weights, self.with_dropout = weights, with_dropout

    def conv(self, x, name, stride=1, padding=0):
        pads = [[0, 0], [padding, padding], [padding, padding], [0, 0]] if padding else "VALID"
        y = tf.nn.conv2d(x, self.weights[f"{name}/weight"], stride, pads)
        return tf.nn.bias_add(y, self.weights[f"{name}/bias"])

    def linear(self, x, name):
        return tf.nn.bias_add(tf.matmul(x, self.weights[f"{name}/weight"]), self.weights[f"{name}/bias"])

    def max_pool(self, x, kernel, stride):
        # For the pools there are, "SAME" pads behind the image only if that is what is missing.
        pads = "SAME" if padding_to_round_up(x.shape[1], kernel, stride) else "VALID"
        return tf.nn.max_pool2d(x, kernel, stride, pads)

    def relu(self, x):
        return tf.nn.relu(x)

    def concat(self, parts):
        return tf.concat(parts, 3)

    def mean(self, x):
        return tf.reduce_mean(x, [1, 2])

    def flatten(self, x):
        return tf.reshape(x, [x.shape[0], -1])

    def dropout(self, x):
        return tf.nn.dropout(x, 0.5) if self.with_dropout else x


class Peer:
    def __init__(self, workload: Workload, folder: Path, threads: int):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        given = load_file(folder / "given.safetensors")
        self.images, self.labels = tf.constant(given.pop("input")), tf.constant(given.pop("labels"))
        self.network, self.training = NETWORKS[workload.model], workload.training
        self.weights = {name: from_kindling(weight) for name, weight in given.items()}
        if self.training:  # else they become constants of the graph, which TensorFlow packs once and fuses more with
            self.weights = {name: tf.Variable(weight) for name, weight in self.weights.items()}
            self.momenta = {name: tf.Variable(tf.zeros_like(weight)) for name, weight in self.weights.items()}

    def results(self) -> dict[str, np.ndarray]:
        if not self.training:
            return {"logits": self.infer(self.images).numpy()}
        logits, loss, gradients = self.differentiate(self.images, self.labels, with_dropout=False)
        results = {f"grad/{name}": to_kindling(gradient.numpy()) for name, gradient in gradients.items()}
        return results | {"logits": logits.numpy(), "loss": loss.numpy()}

    def step(self) -> None:
        if self.training:
            self.train(self.images, self.labels).numpy()
        else:
            self.infer(self.images).numpy()

    @tf.function
    def differentiate(self, images, labels, with_dropout):
        with tf.GradientTape() as tape:
            logits = self.network(Ops(self.weights, with_dropout), images)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        return logits, loss, tape.gradient(loss, self.weights)

    @tf.function
    def train(self, images, labels):
        _, loss, gradients = self.differentiate(images, labels, with_dropout=True)
        for name, gradient in gradients.items():
            tf.raw_ops.ResourceApplyMomentum(var=self.weights[name].handle, accum=self.momenta[name].handle,
                                             lr=LEARNING_RATE, grad=gradient, momentum=MOMENTUM)
        return loss

    @tf.function
    def infer(self, images):
        return self.network(Ops(self.weights, with_dropout=False), images)
