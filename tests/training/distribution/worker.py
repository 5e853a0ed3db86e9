"""Trains a checkpoint for fifty steps and writes what came of it.

worker.py CHECKPOINT OUTPUT DEVICES DROPOUT; the processes are those that the environment says.
"""

import sys

import keras
import numpy as np

import s2s_zoo
from s2s_zoo.training.distribution import current, data_parallel
from s2s_zoo.training.losses import SmoothedCrossEntropy
from tests.conftest import SENTENCES

EPOCHS = 25  # of two batches


def main(checkpoint, output, devices, dropout):
    with data_parallel(int(devices)):
        keras.utils.set_random_seed(3)
        pipeline = s2s_zoo.from_pretrained(checkpoint)
        config = pipeline.model.get_config()
        for part in ("encoder", "decoder"):
            config[part]["dropout"] = float(dropout)
        model = s2s_zoo.Seq2Seq.from_config(config)
        model.set_weights(pipeline.model.get_weights())
        model.compile(
            keras.optimizers.Adam(0.01, global_clipnorm=1.0),
            SmoothedCrossEntropy(0.1),
            jit_compile=keras.backend.backend() == "jax",
        )
        # Seven pairs in batches of three: rows do not divide, and batches are not full.
        pairs = [*SENTENCES, SENTENCES[0]]
        batches = pipeline.batches(
            pairs, batch_tokens=60, max_shapes=1, lengths=(20,), parallel=current()
        )
        losses = []
        told = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"]))
        )
        model.fit(batches, epochs=EPOCHS, callbacks=[told], verbose=0)
    weights = np.concatenate([np.ravel(keras.ops.convert_to_numpy(w)) for w in model.weights])
    np.savez(f"{output}-{current_process()}.npz", losses=losses, weights=weights)


def current_process():
    import os

    return os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", "0")


if __name__ == "__main__":
    main(*sys.argv[1:])
