import keras
import numpy as np
import pytest

from s2s_zoo.decoders import DECODERS
from s2s_zoo.decoders.layer import DecoderLayer
from s2s_zoo.protocol import EncoderOutput


class Copying(DecoderLayer):
    """The least that a decoder is, to look at what all of them check."""

    vocabulary_size = 5

    def teacher_forced(self, target, encoded, training):
        return keras.ops.zeros((*target.shape, 5)) + keras.ops.sum(encoded.memory)


def test_a_decoder_without_a_target_says_what_it_takes():
    memory = np.zeros((2, 3, 4), "float32")
    for given in ((memory,), ()):
        with pytest.raises(ValueError, match=r"decoder\(target, encoded\).*keras.Model\(\[source"):
            Copying()(*given)
    with pytest.raises(ValueError, match="encoded by name"):
        Copying()(encoded=memory)
    assert Copying()(target=np.ones((2, 1), "int32"), encoded=memory).shape == (2, 1, 5)


def test_a_memory_of_another_batch_size_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"target \(3, 1\), memory \(2, 3, 4\). Repeat"):
        Copying()(np.ones((3, 1), "int32"), np.zeros((2, 3, 4), "float32"))


@pytest.mark.parametrize("decoder", [Copying, lambda: DECODERS["recurrent"](5, 4, 4)])
def test_swapped_or_half_arguments_are_named_before_anything_is_built(decoder):
    target, memory = np.ones((2, 3), "int32"), np.zeros((2, 3, 4), "float32")
    encoded = EncoderOutput(memory, target > 0, memory[:, 0])
    for given in ((encoded, target), (memory, target), (target.tolist(), memory)):
        with pytest.raises(ValueError, match=r"expected ids \(B, T\) as its target.*Received"):
            decoder()(*given)
    for given in (memory[:, 0], target, [memory]):
        with pytest.raises(ValueError, match=r"what an encoder gives, or a memory.*Received"):
            decoder()(target, given)
    with pytest.raises(ValueError, match="bool mask.*a mask of list"):
        decoder()(target, memory, mask=[[True] * 3] * 2)


def test_every_decoder_is_such_a_layer():
    assert DECODERS and all(issubclass(decoder, DecoderLayer) for decoder in DECODERS.values())
