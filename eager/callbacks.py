"""Callbacks, where Keras 3 has them."""

from .models.callbacks import Callback as Callback
from .models.callbacks import CallbackList as CallbackList
from .models.callbacks import EarlyStopping as EarlyStopping
from .models.callbacks import History as History
from .models.callbacks import LearningRateScheduler as LearningRateScheduler
from .models.callbacks import ProgressBar as ProgressBar
from .models.callbacks import ReduceLROnPlateau as ReduceLROnPlateau
