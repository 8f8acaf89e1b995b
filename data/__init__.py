"""Data: batches of arrays and iterables for training, and the built-in data set."""
