"""Keras-style model building on an eager NumPy core."""

__version__ = "0.1.0"
