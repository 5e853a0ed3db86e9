"""Several checkpoints of one model as one, by the mean of their weights."""

from s2s_zoo.checkpoints.weights import weights_by_name
from s2s_zoo.model.ensemble import check_same_vocabulary
from s2s_zoo.pipeline.loading import from_pretrained
from s2s_zoo.protocol.errors import CheckpointError


def average_checkpoints(names, output):
    """Saves a checkpoint whose weights are the arithmetic mean of those of others.

    Meant for the last or the best checkpoints of one training (Vaswani et al. 2017, 1706.03762,
    section 6.1). The defaults of the search are those of the first.

    Args:
        names: list of at least two names, addresses or directories for `from_pretrained`.
        output: str or path of the directory to write.

    Raises:
        CheckpointError: for fewer than two, or checkpoints whose vocabulary or configuration is
            not that of the first.
    """
    from keras import ops

    if len(names) < 2:
        raise CheckpointError(f"An average needs two checkpoints or more. Received: {len(names)}.")
    first = from_pretrained(names[0], dtype="float32")
    config = first.model.get_config()
    weights = weights_by_name(first.model)
    sums = {name: ops.convert_to_numpy(w).astype("float64") for name, w in weights.items()}
    for name in names[1:]:
        other = from_pretrained(name, dtype="float32")
        check_same_vocabulary(first, other, name)
        if other.model.get_config() != config:
            raise CheckpointError(
                f"{name} is of another model than {names[0]}: their configurations differ. Average "
                "checkpoints of one training, or search with both: s2s_zoo.ensemble."
            )
        for key, weight in weights_by_name(other.model).items():
            sums[key] += ops.convert_to_numpy(weight)
    for key, weight in weights.items():
        weight.assign((sums[key] / len(names)).astype("float32"))
    first.save(output)
