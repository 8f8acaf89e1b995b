"""Callbacks, under Keras 3's names."""

from .base import Callback as Callback
from .base import CallbackList as CallbackList
from .history import History as History
from .progress import ProgressBar as ProgressBar
