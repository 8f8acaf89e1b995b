"""The GAN's step on Keras: gradients and compilation are the backend's own, as its guides show them."""

from . import workloads as sizes


def step_of(keras, generator, discriminator):
    optimizers = [keras.optimizers.Adam(sizes.LEARNING_RATE) for _ in range(2)]
    for optimizer, model in zip(optimizers, (generator, discriminator), strict=True):
        optimizer.build(model.trainable_variables)
    make = {"tensorflow": of_tensorflow, "torch": of_torch, "jax": of_jax}[keras.backend.backend()]
    return make(keras, generator, discriminator, *optimizers)


def losses_of(keras, real, fake):
    """The losses of the generator and of the discriminator, from its logits."""
    cross_entropy, ops = keras.losses.BinaryCrossentropy(from_logits=True), keras.ops
    d_loss = cross_entropy(ops.ones_like(real), real) + cross_entropy(ops.zeros_like(fake), fake)
    return cross_entropy(ops.ones_like(fake), fake), d_loss


def of_tensorflow(keras, generator, discriminator, g_optimizer, d_optimizer):
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def step(images, noise):
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fake = discriminator(generator(noise, training=True), training=True)
            g_loss, d_loss = losses_of(keras, discriminator(images, training=True), fake)
        g_gradients = g_tape.gradient(g_loss, generator.trainable_variables)
        d_gradients = d_tape.gradient(d_loss, discriminator.trainable_variables)
        g_optimizer.apply(g_gradients, generator.trainable_variables)
        d_optimizer.apply(d_gradients, discriminator.trainable_variables)
        return g_loss + d_loss

    return lambda images, noise: step(tf.constant(images), tf.constant(noise))


def of_torch(keras, generator, discriminator, g_optimizer, d_optimizer):
    import torch

    pairs = [(m.trainable_variables, [v.value for v in m.trainable_variables]) for m in (generator, discriminator)]

    def step(images, noise):
        fake = discriminator(generator(noise, training=True), training=True)
        losses = losses_of(keras, discriminator(images, training=True), fake)
        found = [
            torch.autograd.grad(loss, values, retain_graph=True)
            for loss, (_, values) in zip(losses, pairs, strict=True)
        ]
        with torch.no_grad():
            g_optimizer.apply(found[0], pairs[0][0])
            d_optimizer.apply(found[1], pairs[1][0])
        return (losses[0] + losses[1]).detach()

    return step


def of_jax(keras, generator, discriminator, *optimizers):
    import jax

    models = (generator, discriminator)
    trainable = [[v.value for v in model.trainable_variables] for model in models]
    others = [[v.value for v in model.non_trainable_variables] for model in models]
    slots = [[v.value for v in optimizer.variables] for optimizer in optimizers]

    def both(trainable, others, images, noise):
        made, g_others = generator.stateless_call(trainable[0], others[0], noise, training=True)
        fake, d_others = discriminator.stateless_call(trainable[1], others[1], made, training=True)
        real, d_others = discriminator.stateless_call(trainable[1], d_others, images, training=True)
        return losses_of(keras, real, fake), [g_others, d_others]

    def whole(state, images, noise):
        trainable, others, slots = state
        losses, back, others = jax.vjp(lambda t: both(t, others, images, noise), trainable, has_aux=True)
        gradients = back((1.0, 0.0))[0][0], back((0.0, 1.0))[0][1]
        updated = [
            optimizer.stateless_apply(slot, gradient, values)
            for optimizer, slot, gradient, values in zip(optimizers, slots, gradients, trainable, strict=True)
        ]
        return sum(losses), ([values for values, _ in updated], others, [slot for _, slot in updated])

    compiled = jax.jit(whole, donate_argnums=0)
    state = (trainable, others, slots)

    def step(images, noise):
        nonlocal state
        loss, state = compiled(state, images, noise)
        return loss

    return step
