"""Trains a small convolutional network on the handwritten digits with `fit`.

python examples/digits_classifier.py
"""

from eagerly import Input, Sequential, datasets, random
from eagerly.layers import Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from eagerly.losses import SparseCategoricalCrossentropy
from eagerly.optim import Adam


def build():
    return Sequential(
        [
            Input((8, 8, 1)),
            Conv2D(32, 3, padding="same"),
            BatchNormalization(momentum=0.9),
            Activation("relu"),
            MaxPooling2D(2),
            Conv2D(64, 3, padding="same"),
            BatchNormalization(momentum=0.9),
            Activation("relu"),
            MaxPooling2D(2),
            Flatten(),
            Dropout(0.5),
            Dense(10),
        ]
    )


def train(epochs=20, verbose=2):
    random.set_seed(1)
    (x_train, y_train), (x_test, y_test) = datasets.digits.load_data()
    x_train, x_test = (x[..., None].astype("float32") / 8 - 1 for x in (x_train, x_test))
    model = build()
    model.compile(Adam(2e-3), SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=64, epochs=epochs, verbose=verbose, validation_data=(x_test, y_test))
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    return model, accuracy


if __name__ == "__main__":
    print(f"test accuracy: {train()[1]:.4f}")
