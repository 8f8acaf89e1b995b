"""Whole models in checkpoints: training goes on bit for bit, and nothing that was restored is lost silently."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import eagerly
from eagerly import GradientTape, Input, Model, Sequential, Variable, losses, metrics, ops, optim
from eagerly.callbacks import Callback
from eagerly.checkpoint import Checkpoint
from eagerly.errors import RestoreError
from eagerly.layers import BatchNormalization, Dense, Dropout
from tiny import CLASSES, X, Y, compiled, same_bits, two_outputs, values


def network(seed, known_input=True):
    eagerly.random.set_seed(seed)
    body = [Dense(8, "relu"), BatchNormalization(), Dropout(0.4), Dense(3, "softmax")]
    model = Sequential([Input((4,)), *body] if known_input else body)
    model.compile(
        optim.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["crossentropy"]
    )
    return model


class Save(Callback):
    """Saves at the end of an epoch."""

    def __init__(self, path, epoch):
        self.path, self.epoch = path, epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            Checkpoint(model=self.model).write(self.path)


@pytest.mark.parametrize("known_input", [True, False])
def test_training_goes_on_bit_for_bit(tmp_path, known_input):
    whole = network(1, known_input)
    options = {"batch_size": 3, "epochs": 5, "verbose": 0, "validation_data": (X, CLASSES)}
    history = whole.fit(X, CLASSES, callbacks=[Save(tmp_path / "m.h5", epoch=1)], **options).history
    resumed = network(2, known_input)
    status = Checkpoint(model=resumed).restore(tmp_path / "m.h5")
    rest = resumed.fit(X, CLASSES, initial_epoch=2, **options).history
    status.assert_consumed()
    assert rest == {name: numbers[2:] for name, numbers in history.items()}
    assert values(resumed) == values(whole)
    assert same_bits(resumed.predict(X), whole.predict(X))


def test_restored_in_the_middle_of_a_trained_model(tmp_path):
    model = network(1)
    model.fit(X, CLASSES, epochs=2, verbose=0)
    path = Checkpoint(model=model).save(tmp_path / "m.h5")
    saved = values(model)
    first = model.fit(X, CLASSES, epochs=2, verbose=0).history
    Checkpoint(model=model).restore(path).assert_consumed()
    assert values(model) == saved
    assert model.fit(X, CLASSES, epochs=2, verbose=0).history == first


def test_means_of_several_outputs_are_found_in_a_new_process_too(tmp_path):
    def made():
        x = Input((4,))
        model = Model(x, [Dense(1)(x), Dense(1)(x)])
        model.compile("adam", ["mse", "mae"], metrics=[["mae"], []])
        return model

    model = made()
    model.fit(X, [Y, Y], verbose=0)
    path = Checkpoint(model=model).save(tmp_path / "m.h5")
    other = made()  # its layers have other display names
    assert other.output_names != model.output_names
    status = Checkpoint(model=other).restore(path)
    other.fit(X, [Y, Y], verbose=0)
    status.assert_consumed()
    model.fit(X, [Y, Y], verbose=0)
    assert [v.tobytes() for v in other.get_weights()] == [v.tobytes() for v in model.get_weights()]


def test_an_uncompiled_model_predicts_and_keeps_what_training_needs(tmp_path):
    trained = network(1)
    trained.fit(X, CLASSES, verbose=0)
    path = Checkpoint(model=trained).save(tmp_path / "m.h5")
    plain = Sequential([Input((4,)), Dense(8, "relu"), BatchNormalization(), Dropout(0.4), Dense(3, "softmax")])
    status = Checkpoint(model=plain).restore(path)
    assert same_bits(plain.predict(X), trained.predict(X))
    pending = status.pending
    assert pending and all(
        place.startswith(("model/optimizer", "model/compiled", "model/shuffle")) for place in pending
    )
    with pytest.raises(RestoreError, match="model/optimizer"):
        status.assert_consumed()
    with pytest.raises(RestoreError, match="every restored value to be in use before saving"):
        Checkpoint(model=plain).save(tmp_path / "again.h5")
    plain.compile(
        optim.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["crossentropy"]
    )
    assert plain.fit(X, CLASSES, verbose=0).history == trained.fit(X, CLASSES, verbose=0).history
    status.assert_consumed()
    assert values(plain) == values(trained)


def test_partial_restores_may_be_saved(tmp_path):
    trained = compiled("adam", "mse")
    trained.fit(X, Y, verbose=0)
    path = Checkpoint(model=trained).save(tmp_path / "m.h5")
    plain = Sequential([Input((4,)), Dense(1)])
    Checkpoint(model=plain).restore(path).expect_partial()
    assert Checkpoint(model=plain).save(tmp_path / "again.h5")


class Optional(Model):
    """Has a layer that only some runs use."""

    def __init__(self, use):
        super().__init__()
        self.use, self.main, self.extra = use, Dense(1), Dense(1)

    def call(self, inputs):
        y = self.main(inputs)
        return y + self.extra(inputs) if self.use else y


def test_fit_ends_with_an_error_if_restored_values_still_wait(tmp_path):
    full = Optional(use=True)
    full(X)
    path = Checkpoint(model=full).save(tmp_path / "m.h5")
    lacking = Optional(use=False)
    lacking.compile("sgd", "mse")
    with pytest.raises(RestoreError, match="model/optimizer"):
        Checkpoint(model=lacking).restore(path)  # the file knows nothing of training
    lacking = Optional(use=False)
    status = Checkpoint(model=lacking).restore(path)
    lacking.compile("sgd", "mse")
    with pytest.raises(RestoreError) as caught:
        lacking.fit(X, Y, verbose=0)
    assert "model/extra/kernel" in str(caught.value) and "expect_partial()" in str(caught.value)
    status.expect_partial()
    assert lacking.fit(X, Y, verbose=0).history["loss"]


def test_another_architecture_is_refused_before_anything_changes(tmp_path):
    trained = compiled("adam", "mse")
    trained.fit(X, Y, verbose=0)
    path = Checkpoint(model=trained).save(tmp_path / "m.h5")
    other = compiled("adam", "mse", layers=[Input((4,)), Dense(2), Dense(1)])
    before = values(other)
    with pytest.raises(
        RestoreError, match=r"model/layers/dense_0/kernel: the file has .*\[4, 1\], you have .*\[4, 2\]"
    ):
        Checkpoint(model=other).restore(path)
    assert values(other) == before


def test_the_callbacks_that_the_user_saves(tmp_path):
    model = compiled()
    history = model.fit(X, Y, epochs=2, verbose=0)
    path = Checkpoint(model=model, history=history).save(tmp_path / "m.h5")
    other, empty = compiled(), eagerly.callbacks.History()
    Checkpoint(model=other, history=empty).restore(path)
    assert empty.history == history.history and empty.epoch == [0, 1]


# A small GAN, as in examples/: two submodels, two optimizers, one checkpoint.


class Generator(Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.norm, self.out = Dense(6, "relu"), BatchNormalization(), Dense(4, "tanh")

    def call(self, noise, labels, training=False):
        x = ops.concatenate([noise, ops.one_hot(labels, 3)], axis=-1)
        return self.out(self.norm(self.hidden(x), training=training))


class Discriminator(Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.drop, self.logits = Dense(6), Dropout(0.3), Dense(3)

    def call(self, data, labels, training=False):
        x = self.drop(ops.leaky_relu(self.hidden(data)), training=training)
        return ops.sum(self.logits(x) * ops.one_hot(labels, 3), axis=-1)


class Gan:
    def __init__(self, seed):
        eagerly.random.set_seed(seed)
        self.generator, self.discriminator = Generator(), Discriminator()
        self.optimizers = [optim.Adam(1e-2, beta_1=0.5), optim.Adam(1e-2, beta_1=0.5)]
        self.means = {"g": metrics.Mean(), "d": metrics.Mean()}
        self.noise, self.order = eagerly.random.SeedGenerator(), eagerly.random.SeedGenerator()
        self.step = Variable(0, trainable=False, name="step")
        self.checkpoint = Checkpoint(**vars(self))

    def train(self, steps):
        loss = losses.BinaryCrossentropy(from_logits=True)
        for _ in range(steps):
            rows = eagerly.random.permutation(10, seed=self.order)[:4]
            real, labels = X[rows], CLASSES[rows]
            noise = eagerly.random.normal((4, 2), seed=self.noise)
            with GradientTape() as g_tape, GradientTape() as d_tape:
                fake = self.generator(noise, labels, training=True)
                d_real = self.discriminator(real, labels, training=True)
                d_fake = self.discriminator(fake, labels, training=True)
                g_loss = loss(ops.ones_like(d_fake), d_fake)
                d_loss = loss(ops.ones_like(d_real), d_real) + loss(ops.zeros_like(d_fake), d_fake)
            for tape, value, model, optimizer, mean in zip(
                (g_tape, d_tape),
                (g_loss, d_loss),
                (self.generator, self.discriminator),
                self.optimizers,
                self.means.values(),
                strict=True,
            ):
                optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
                mean(value)
            self.step.assign_add(1)
        return self


GENERATE = """
    import sys
    import numpy as np
    from eagerly import Model, ops
    from eagerly.checkpoint import Checkpoint
    from eagerly.layers import BatchNormalization, Dense

    class Generator(Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.norm, self.out = Dense(6, "relu"), BatchNormalization(), Dense(4, "tanh")

        def call(self, noise, labels, training=False):
            x = ops.concatenate([noise, ops.one_hot(labels, 3)], axis=-1)
            return self.out(self.norm(self.hidden(x), training=training))

    generator = Generator()
    status = Checkpoint(generator=generator).restore(sys.argv[1], only="generator")
    made = generator(np.ones((3, 2), "float32"), np.arange(3))
    status.assert_consumed()
    sys.stdout.buffer.write(made.numpy().tobytes())
"""


def test_a_gan_resumes_and_its_generator_is_restored_alone_in_a_new_process(tmp_path):
    whole, part, resumed = Gan(1).train(7), Gan(1).train(3), Gan(2)
    path = part.checkpoint.write(tmp_path / "gan.h5")
    status = resumed.checkpoint.restore(path)
    resumed.train(4)
    status.assert_consumed()
    assert values(resumed.checkpoint) == values(whole.checkpoint) and int(resumed.step) == 7
    path = whole.checkpoint.write(path)
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(GENERATE), path], capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout == whole.generator(np.ones((3, 2), "float32"), np.arange(3)).numpy().tobytes()


def test_outputs_by_name_and_their_checkpoint(tmp_path):
    model = two_outputs()
    model.compile("adam", {"p": "mse", "q": "sparse_categorical_crossentropy"})
    labels = {"p": Y, "q": CLASSES % 2}
    model.fit(X, labels, verbose=0)
    path = Checkpoint(m=model).save(tmp_path / "m.h5")
    before = model.fit(X, labels, verbose=0).history
    Checkpoint(m=model).restore(path).assert_consumed()
    assert model.fit(X, labels, verbose=0).history == before
