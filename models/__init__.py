"""Models: by subclassing, Sequential, and the functional API."""

from . import callbacks as callbacks
from .model import Model as Model
from .sequential import Sequential as Sequential
