"""Object-graph checkpoints in HDF5 files.

The objects' attributes name what is saved, so layers, models, optimizers and your own Trackables need no code for it.
Reading trusts nothing: `reading` verifies every byte that matters, `matching` compares the file with the objects, and
only then does `restoring` assign. docs/checkpoint_format.md describes the file.
"""

from .checkpoint import Checkpoint
from .keras_weights import load_keras_weights, save_keras_weights
from .manager import CheckpointManager
from .parts import extract, load_into
from .resealing import reseal
from .safetensors import load_safetensors, save_safetensors
from .status import RestoreStatus, pending_paths

__all__ = [
    "Checkpoint",
    "CheckpointManager",
    "RestoreStatus",
    "extract",
    "load_into",
    "load_keras_weights",
    "load_safetensors",
    "pending_paths",
    "reseal",
    "save_keras_weights",
    "save_safetensors",
]
