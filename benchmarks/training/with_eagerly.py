"""The contestants that are ours: `fit`, compiled where it is, and a loop of one's own, eager."""

from . import with_keras
from . import workloads as sizes


def fit(w):
    import eagerly

    if w.kind == "gan":
        return with_keras.stepping(eagerly.function(gan_step(w)), w)
    model = with_keras.model_of(eagerly, w)
    if w.kind == "predict":
        return with_keras.predicting(lambda row: model.predict(row, verbose=0), w)
    return with_keras.fitting(with_keras.compiled(model, eagerly, eagerly.optim.Adam(sizes.LEARNING_RATE)), w)


def loop(w):
    import eagerly

    if w.kind == "gan":
        return with_keras.stepping(gan_step(w), w)
    model = with_keras.model_of(eagerly, w)
    if w.kind == "predict":
        return with_keras.predicting(lambda row: model(row).numpy(), w)
    optimizer = eagerly.optim.Adam(sizes.LEARNING_RATE)
    cross_entropy = eagerly.losses.SparseCategoricalCrossentropy(from_logits=True)
    variables = model.trainable_variables

    def step(x, y):
        with eagerly.GradientTape() as tape:
            loss = cross_entropy(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return with_keras.stepping(step, w)


def gan_step(w):
    import eagerly

    from .keras_gan import losses_of

    generator, discriminator = with_keras.gan_of(eagerly, w)
    g_optimizer, d_optimizer = (eagerly.optim.Adam(sizes.LEARNING_RATE) for _ in range(2))

    def step(images, noise):
        with eagerly.GradientTape() as g_tape, eagerly.GradientTape() as d_tape:
            fake = discriminator(generator(noise, training=True), training=True)
            g_loss, d_loss = losses_of(eagerly, discriminator(images, training=True), fake)
        g_gradients = g_tape.gradient(g_loss, generator.trainable_variables)
        d_gradients = d_tape.gradient(d_loss, discriminator.trainable_variables)
        g_optimizer.apply(g_gradients, generator.trainable_variables)
        d_optimizer.apply(d_gradients, discriminator.trainable_variables)
        return g_loss + d_loss

    return step
