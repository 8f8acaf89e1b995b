"""The models in Keras's words, for Keras and eagerly alike: `k` is either package. Last, Keras as a contestant."""

from . import workloads as sizes


def mlp(k, w):
    layers = k.layers
    x = inputs = k.Input((784,))
    x = layers.Dense(w.hidden, activation="relu", name="dense0")(x)
    x = layers.Dense(w.hidden, activation="relu", name="dense1")(x)
    return k.Model(inputs, layers.Dense(10, name="head")(x))


def mnist(k, w):
    layers = k.layers
    x = inputs = k.Input(w.shape)
    x = layers.MaxPooling2D()(layers.Conv2D(32, 3, activation="relu", name="conv0")(x))
    x = layers.MaxPooling2D()(layers.Conv2D(64, 3, activation="relu", name="conv1")(x))
    return k.Model(inputs, layers.Dense(10, name="head")(layers.Flatten()(x)))


def vgg(k, w):
    layers = k.layers
    x = inputs = k.Input(w.shape)
    for i, filters in enumerate(sizes.VGG):
        x = layers.Conv2D(filters, 3, padding="same", name=f"conv{i}")(x)
        x = layers.BatchNormalization(name=f"norm{i}")(x)
        x = layers.Activation("relu")(x)
        if i % 2:
            x = layers.MaxPooling2D()(x)
    x = layers.Dense(128, activation="relu", name="dense")(layers.Flatten()(x))
    return k.Model(inputs, layers.Dense(10, name="head")(x))


def recurrent(k, w):
    kind = {"lstm": "LSTM", "gru": "GRU"}[w.kind]
    x = inputs = k.Input(w.shape, dtype="int32")
    x = k.layers.Embedding(sizes.VOCABULARY, sizes.EMBEDDING, name="embedding")(x)
    x = getattr(k.layers, kind)(sizes.UNITS, name="recurrent")(x)
    return k.Model(inputs, k.layers.Dense(10, name="head")(x))


def transformer(k, w):
    layers, width, heads = k.layers, sizes.WIDTH, sizes.HEADS
    inputs = k.Input(w.shape, dtype="int32")
    positions = k.ops.cumsum(k.ops.ones_like(inputs), axis=1) - 1
    x = layers.Embedding(sizes.CHARACTERS, width, name="tokens")(inputs)
    x = x + layers.Embedding(sizes.POSITIONS, width, name="positions")(positions)
    for i in range(sizes.BLOCKS):
        y = layers.LayerNormalization(name=f"norm{i}a")(x)
        attention = layers.MultiHeadAttention(heads, width // heads, name=f"attention{i}")
        x = x + attention(y, y, use_causal_mask=True)
        y = layers.LayerNormalization(name=f"norm{i}b")(x)
        y = layers.Dense(4 * width, activation="gelu", name=f"wide{i}")(y)
        x = x + layers.Dense(width, name=f"narrow{i}")(y)
    x = layers.LayerNormalization(name="norm")(x)
    return k.Model(inputs, layers.Dense(sizes.CHARACTERS, name="head")(x))


MODELS = {"mlp": mlp, "predict": mlp, "mnist": mnist, "vgg": vgg, "lstm": recurrent, "gru": recurrent}
MODELS["transformer"] = transformer


def model_of(k, w):
    """The model with the workload's weights."""
    model = MODELS[w.kind](k, w)
    assign(model, w)
    return model


def gan_of(k, w):
    """Generator and discriminator."""
    layers = k.layers
    x = inputs = k.Input((sizes.NOISE,))
    x = layers.Reshape((7, 7, 128))(layers.Dense(7 * 7 * 128, use_bias=False, name="g_dense")(x))
    x = layers.Activation("relu")(layers.BatchNormalization(name="g_norm0")(x))
    x = layers.Conv2DTranspose(64, 4, strides=2, padding="same", use_bias=False, name="g_conv0")(x)
    x = layers.Activation("relu")(layers.BatchNormalization(name="g_norm1")(x))
    x = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh", name="g_conv1")(x)
    generator = k.Model(inputs, x)
    x = inputs = k.Input(w.shape)
    x = layers.LeakyReLU(sizes.SLOPE)(layers.Conv2D(64, 4, strides=2, padding="same", name="d_conv0")(x))
    x = layers.Conv2D(128, 4, strides=2, padding="same", use_bias=False, name="d_conv1")(x)
    x = layers.LeakyReLU(sizes.SLOPE)(layers.BatchNormalization(name="d_norm")(x))
    discriminator = k.Model(inputs, layers.Dense(1, name="d_head")(layers.Flatten()(x)))
    assign(generator, w)
    assign(discriminator, w)
    return generator, discriminator


def assign(model, w):
    for name, arrays in w.weights().items():
        if name in (layer.name for layer in model.layers):
            for variable, array in zip(model.get_layer(name).trainable_variables, arrays, strict=True):
                variable.assign(array)


def compiled(model, k, optimizer):
    model.compile(optimizer, k.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def fitting(model, w):
    """(one, many) over `fit`: a step gives its loss, and so many steps are one call, an epoch being all batches."""
    x, y = w.data()
    batches = len(x) // w.batch

    def one(i):
        rows = slice(i * w.batch, (i + 1) * w.batch)
        history = model.fit(x[rows], y[rows], batch_size=w.batch, shuffle=False, verbose=0)
        return float(history.history["loss"][0])

    def many(count):
        rows = min(count, batches) * w.batch
        epochs = -(-count // batches)
        model.fit(x[:rows], y[:rows], batch_size=w.batch, epochs=epochs, shuffle=False, verbose=0)
        return rows // w.batch * epochs

    return one, many


def predicting(predict, w):
    """(one, many) over calls that turn a row into an array."""
    row, _ = w.data()

    def many(count):
        for _ in range(count):
            predict(row)
        return count

    return lambda i: float(abs(predict(row)).sum()), many


def stepping(step, w):
    """(one, many) over a step that takes a batch and gives its loss; reading the last one waits for what still runs."""
    x, y = w.data()
    batches = [(x[i : i + w.batch], y[i : i + w.batch]) for i in range(0, len(x), w.batch)]

    def many(count):
        for i in range(count):
            loss = step(*batches[i % len(batches)])
        float(loss)
        return count

    return lambda i: float(step(*batches[i])), many


def make(w):
    """Keras on the backend that the environment names."""
    import keras

    if w.kind == "gan":
        from . import keras_gan

        return stepping(keras_gan.step_of(keras, *gan_of(keras, w)), w)
    model = model_of(keras, w)
    if w.kind == "predict":
        return predicting(lambda row: model.predict(row, verbose=0), w)
    return fitting(compiled(model, keras, keras.optimizers.Adam(sizes.LEARNING_RATE)), w)
