"""The models written out with jax.numpy, with an Adam by hand, in one jit.

Parameters are the workload's arrays by layer; the moving statistics of batch normalization are the state beside them.
"""

import jax
import jax.numpy as jnp
from jax import lax

from . import workloads as sizes
from .with_keras import predicting, stepping

LAYOUT = ("NHWC", "HWIO", "NHWC")


def dense(p, x):
    y = x @ p[0]
    return y + p[1] if len(p) > 1 else y


def convolution(p, x, stride=1, padding="SAME"):
    y = lax.conv_general_dilated(x, p[0], (stride, stride), padding, dimension_numbers=LAYOUT)
    return y + p[1] if len(p) > 1 else y


def convolution_transposed(p, x):
    # The gradient of a convolution with stride 2: spread the input, turn the window around.
    window = jnp.flip(p[0], (0, 1)).swapaxes(2, 3)
    y = lax.conv_general_dilated(x, window, (1, 1), [(2, 2)] * 2, lhs_dilation=(2, 2), dimension_numbers=LAYOUT)
    return y + p[1] if len(p) > 1 else y


def pooled(x):
    """The maxima of 2×2; by reshaping, whose gradient is quicker than reduce_window's."""
    n, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def batch_normalization(p, x, moving):
    """The result, and the moving statistics after it."""
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    rate = 1 - sizes.BN_MOMENTUM
    moving = [old + rate * (new - old) for old, new in zip(moving, (mean, variance), strict=True)]
    return (x - mean) * (lax.rsqrt(variance + sizes.BN_EPSILON) * p[0]) + p[1], moving


def layer_normalization(p, x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + sizes.LN_EPSILON) * p[0] + p[1]


def mlp(p, state, x):
    x = jax.nn.relu(dense(p["dense1"], jax.nn.relu(dense(p["dense0"], x))))
    return dense(p["head"], x), state


def mnist(p, state, x):
    x = pooled(jax.nn.relu(convolution(p["conv0"], x, padding="VALID")))
    x = pooled(jax.nn.relu(convolution(p["conv1"], x, padding="VALID")))
    return dense(p["head"], x.reshape(len(x), -1)), state


def vgg(p, state, x):
    state = dict(state)
    for i in range(len(sizes.VGG)):
        x, state[f"norm{i}"] = batch_normalization(p[f"norm{i}"], convolution(p[f"conv{i}"], x), state[f"norm{i}"])
        x = jax.nn.relu(x)
        if i % 2:
            x = pooled(x)
    return dense(p["head"], jax.nn.relu(dense(p["dense"], x.reshape(len(x), -1)))), state


def lstm(p, state, x):
    kernel, recurrent, bias = p["recurrent"]

    def step(carry, inputs):
        h, c = carry
        i, f, g, o = jnp.split(inputs + h @ recurrent, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    inputs = (p["embedding"][0][x] @ kernel + bias).swapaxes(0, 1)
    zeros = jnp.zeros((len(x), sizes.UNITS))
    (h, _), _ = lax.scan(step, (zeros, zeros), inputs)
    return dense(p["head"], h), state


def gru(p, state, x):
    kernel, recurrent, bias = p["recurrent"]

    def step(h, inputs):
        z, r, n = jnp.split(inputs, 3, axis=-1)
        hz, hr, hn = jnp.split(h @ recurrent + bias[1], 3, axis=-1)
        z, r = jax.nn.sigmoid(z + hz), jax.nn.sigmoid(r + hr)
        return z * h + (1 - z) * jnp.tanh(n + r * hn), None

    inputs = (p["embedding"][0][x] @ kernel + bias[0]).swapaxes(0, 1)
    h, _ = lax.scan(step, jnp.zeros((len(x), sizes.UNITS)), inputs)
    return dense(p["head"], h), state


def attention(p, x):
    q, k, v = (jnp.einsum("btw,whs->bhts", x, p[2 * i]) + p[2 * i + 1][:, None] for i in range(3))
    scores = q @ k.swapaxes(-1, -2) / (sizes.WIDTH // sizes.HEADS) ** 0.5
    causal = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf))
    return jnp.einsum("bhts,hsw->btw", weights @ v, p[6]) + p[7]


def transformer(p, state, x):
    x = p["tokens"][0][x] + p["positions"][0]
    for i in range(sizes.BLOCKS):
        x = x + attention(p[f"attention{i}"], layer_normalization(p[f"norm{i}a"], x))
        y = dense(p[f"wide{i}"], layer_normalization(p[f"norm{i}b"], x))
        x = x + dense(p[f"narrow{i}"], jax.nn.gelu(y, approximate=False))
    return dense(p["head"], layer_normalization(p["norm"], x)), state


def generator(p, state, x):
    x = dense(p["g_dense"], x).reshape(-1, 7, 7, 128)
    x, norm0 = batch_normalization(p["g_norm0"], x, state["g_norm0"])
    x = convolution_transposed(p["g_conv0"], jax.nn.relu(x))
    x, norm1 = batch_normalization(p["g_norm1"], x, state["g_norm1"])
    return jnp.tanh(convolution_transposed(p["g_conv1"], jax.nn.relu(x))), {**state, "g_norm0": norm0, "g_norm1": norm1}


def discriminator(p, state, x):
    x = jax.nn.leaky_relu(convolution(p["d_conv0"], x, 2), sizes.SLOPE)
    x, norm = batch_normalization(p["d_norm"], convolution(p["d_conv1"], x, 2), state["d_norm"])
    return dense(p["d_head"], jax.nn.leaky_relu(x, sizes.SLOPE).reshape(len(x), -1)), {**state, "d_norm": norm}


def adam(p, m, v, gradients, count):
    """Kingma & Ba 2015, Algorithm 1 with the reordering of section 2, as Keras and we have it."""
    b1, b2 = sizes.BETA_1, sizes.BETA_2
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, gradients)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, gradients)
    rate = sizes.LEARNING_RATE * jnp.sqrt(1 - b2**count) / (1 - b1**count)
    return jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + sizes.EPSILON), p, m, v), m, v


MODELS = {"mlp": mlp, "predict": mlp, "mnist": mnist, "vgg": vgg, "lstm": lstm, "gru": gru, "transformer": transformer}


def supervised(model):
    """loss, state and gradients of a model of classes."""

    def loss_of(p, state, x, y):
        logits, state = model(p, state, x)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[..., None], -1)
        return -chosen.mean(), state

    def gradients_of(p, state, x, y):
        (loss, state), gradients = jax.value_and_grad(loss_of, has_aux=True)(p, state, x, y)
        return loss, state, gradients

    return gradients_of


def adversarial(p, state, images, noise):
    """The same of a GAN; each part's gradients are of its own loss."""

    def losses_of(p):
        made, after = generator(p, state, noise)
        fake, after = discriminator(p, after, made)
        real, after = discriminator(p, after, images)
        softplus = jax.nn.softplus  # the cross entropy of a logit's negative with 1, of the logit with 0
        return (softplus(-fake).mean(), softplus(-real).mean() + softplus(fake).mean()), after

    losses, back, after = jax.vjp(losses_of, p, has_aux=True)
    one, zero = jnp.ones(()), jnp.zeros(())
    of_g, of_d = back((one, zero))[0], back((zero, one))[0]
    return sum(losses), after, {name: (of_g if name.startswith("g_") else of_d)[name] for name in p}


def make(w):
    p = jax.tree.map(jnp.asarray, w.weights())
    if w.kind == "predict":
        forward = jax.jit(lambda p, x: mlp(p, {}, x)[0])
        return predicting(lambda row: jax.device_get(forward(p, row)), w)
    gradients_of = adversarial if w.kind == "gan" else supervised(MODELS[w.kind])

    def whole(everything, x, y):
        p, m, v, state, count = everything
        loss, state, gradients = gradients_of(p, state, x, y)
        count += 1
        return loss, (*adam(p, m, v, gradients, count), state, count)

    compiled = jax.jit(whole, donate_argnums=0)
    moving = {n: [jnp.zeros_like(a[0]), jnp.ones_like(a[0])] for n, a in p.items() if "norm" in n}
    moving = {} if w.kind == "transformer" else moving
    everything = (p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p), moving, jnp.zeros(()))

    def step(x, y):
        nonlocal everything
        loss, everything = compiled(everything, x, y)
        return loss

    return stepping(step, w)
