"""Callbacks, under Keras 3's names."""

from .base import Callback as Callback
from .base import CallbackList as CallbackList
from .early_stopping import EarlyStopping as EarlyStopping
from .history import History as History
from .learning_rate import LearningRateScheduler as LearningRateScheduler
from .learning_rate import ReduceLROnPlateau as ReduceLROnPlateau
from .progress import ProgressBar as ProgressBar
