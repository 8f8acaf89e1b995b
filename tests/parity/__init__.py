"""eagerly beside Keras 3.15 on its PyTorch backend, and beside PyTorch itself: `make parity`.

Rows (`rows/`) draw random arguments; `running.py` calls both sides on them, with gradients; `comparing.py` says what
differs; `known.py` is the list of differences that are meant, each with its reason. The first import of Keras is in
`running.py`, after `conftest.py` has chosen the backend.
"""
