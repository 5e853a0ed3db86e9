"""Which processor a directory holds."""

from pathlib import Path
from typing import Any

from s2s_zoo.checkpoints.pretrained.audio import PretrainedAudioProcessor
from s2s_zoo.checkpoints.pretrained.features import PretrainedFeatureProcessor
from s2s_zoo.checkpoints.pretrained.images import PretrainedImageProcessor
from s2s_zoo.checkpoints.pretrained.patches import PretrainedPatchesProcessor
from s2s_zoo.checkpoints.pretrained.processor import PretrainedProcessor
from s2s_zoo.data.audio_processor import AudioProcessor
from s2s_zoo.data.copying import CopyingProcessor
from s2s_zoo.data.image_processor import ImageProcessor
from s2s_zoo.data.processor import TextProcessor
from s2s_zoo.data.stored import PROCESSOR, load_config
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import StrPath

PROCESSORS = {
    kind.TYPE: kind
    for kind in (
        TextProcessor,
        CopyingProcessor,
        ImageProcessor,
        PretrainedProcessor,
        PretrainedImageProcessor,
        AudioProcessor,
        PretrainedAudioProcessor,
        PretrainedFeatureProcessor,
        PretrainedPatchesProcessor,
    )
}


def load_processor(directory: StrPath) -> Any:
    """Reads the processor that a directory describes, of whatever type.

    Raises:
        CheckpointError: if a file is missing, altered or not understood.
    """
    config = load_config(directory)
    try:
        found = lookup(PROCESSORS, config.get("type"), "processor type")
    except ValueError as error:
        raise CheckpointError(f"{Path(directory) / PROCESSOR}: {error}") from error
    return found.load(directory, config)
