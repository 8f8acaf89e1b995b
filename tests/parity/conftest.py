"""Chooses Keras's backend before anything imports Keras, and keeps what it writes out of the user's home."""

import atexit
import os
import shutil
import tempfile

os.environ["KERAS_BACKEND"] = "torch"
os.environ["KERAS_HOME"] = tempfile.mkdtemp(prefix="parity-keras-")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
atexit.register(shutil.rmtree, os.environ["KERAS_HOME"], ignore_errors=True)

import torch  # noqa: E402 - the environment comes first

torch.set_num_threads(1)
