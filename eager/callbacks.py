"""Callbacks, where Keras 3 has them."""

from .models.callbacks import Callback as Callback
from .models.callbacks import CallbackList as CallbackList
from .models.callbacks import History as History
from .models.callbacks import ProgressBar as ProgressBar
