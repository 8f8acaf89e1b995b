"""The models in PyTorch's words: channels last, fused Adam, eager or with torch.compile.

Modules bear the workload's names for its layers, and `load` turns Keras's arrays into their parameters.
"""

import torch
from torch import nn
from torch.nn import functional as F

from . import workloads as sizes
from .with_keras import predicting, stepping


class Network(nn.Module):
    """Modules by the names of the workload's layers, made from the shapes of its weights."""

    def __init__(self, w):
        super().__init__()
        for name, specs in w.layers.items():
            self.add_module(name, self.module(w, name, [shape for _, shape in specs]))

    def module(self, w, name, shapes):
        kernel = shapes[0]
        if "norm" in name:
            if w.kind in ("vgg", "gan"):
                return nn.BatchNorm2d(kernel[0], eps=sizes.BN_EPSILON, momentum=1 - sizes.BN_MOMENTUM)
            return nn.LayerNorm(kernel[0], eps=sizes.LN_EPSILON)
        if name.startswith("g_conv"):
            return nn.ConvTranspose2d(kernel[3], kernel[2], kernel[0], 2, 1, bias=len(shapes) > 1)
        if "conv" in name:
            stride, padding = {"mnist": (1, 0), "vgg": (1, 1), "gan": (2, 1)}[w.kind]
            return nn.Conv2d(kernel[2], kernel[3], kernel[0], stride, padding, bias=len(shapes) > 1)
        if name in ("embedding", "tokens", "positions"):
            return nn.Embedding(*kernel)
        if name == "recurrent":
            return {"lstm": nn.LSTM, "gru": nn.GRU}[w.kind](kernel[0], sizes.UNITS, batch_first=True)
        if name.startswith("attention"):
            return nn.ModuleDict(
                {"inner": nn.Linear(sizes.WIDTH, 3 * sizes.WIDTH), "outer": nn.Linear(*[sizes.WIDTH] * 2)}
            )
        return nn.Linear(*kernel, bias=len(shapes) > 1)


class Mlp(Network):
    def forward(self, x):
        return self.head(F.relu(self.dense1(F.relu(self.dense0(x)))))


class Mnist(Network):
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv0(x)), 2)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        return self.head(flat(x))


class Vgg(Network):
    def forward(self, x):
        for i in range(len(sizes.VGG)):
            x = F.relu(self.get_submodule(f"norm{i}")(self.get_submodule(f"conv{i}")(x)))
            if i % 2:
                x = F.max_pool2d(x, 2)
        return self.head(F.relu(self.dense(flat(x))))


class Recurrent(Network):
    def forward(self, x):
        return self.head(self.recurrent(self.embedding(x))[0][:, -1])


class Transformer(Network):
    def forward(self, x):
        x = self.tokens(x) + self.positions.weight
        for i in range(sizes.BLOCKS):
            part = {name: self.get_submodule(f"{name}{i}") for name in ("attention", "wide", "narrow")}
            y = part["attention"]["inner"](self.get_submodule(f"norm{i}a")(x))
            y = y.unflatten(-1, (3, sizes.HEADS, -1)).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(*y, is_causal=True)
            x = x + part["attention"]["outer"](y.transpose(1, 2).flatten(2))
            x = x + part["narrow"](F.gelu(part["wide"](self.get_submodule(f"norm{i}b")(x))))
        return self.head(self.norm(x)).flatten(0, 1)


class Gan(Network):
    def generator(self, x):
        # Keras's features are in the order of its axes; the channels come last.
        x = self.g_dense(x).unflatten(-1, (7, 7, 128)).permute(0, 3, 1, 2)
        x = F.relu(self.g_norm1(self.g_conv0(F.relu(self.g_norm0(x)))))
        return torch.tanh(self.g_conv1(x))

    def discriminator(self, x):
        x = F.leaky_relu(self.d_conv0(x), sizes.SLOPE)
        x = F.leaky_relu(self.d_norm(self.d_conv1(x)), sizes.SLOPE)
        return self.d_head(flat(x))

    def forward(self, images, noise):
        """The losses of the generator and of the discriminator."""
        fake = self.discriminator(self.generator(noise))
        real, entropy = self.discriminator(images), F.binary_cross_entropy_with_logits
        ones = torch.ones_like(fake)
        return entropy(fake, ones), entropy(real, ones) + entropy(fake, torch.zeros_like(fake))


def flat(x):
    """The features in Keras's order; of an array with channels last no byte moves."""
    return x.permute(0, 2, 3, 1).flatten(1)


NETWORKS = {"mlp": Mlp, "predict": Mlp, "mnist": Mnist, "vgg": Vgg, "lstm": Recurrent, "gru": Recurrent}
NETWORKS |= {"transformer": Transformer, "gan": Gan}


def load(network, w):
    with torch.no_grad():
        for name, arrays in w.weights().items():
            module = network.get_submodule(name)
            for parameter, array in zip(module.parameters(), converted(module, arrays), strict=True):
                parameter.copy_(array)


def converted(module, arrays):
    arrays = [torch.from_numpy(array) for array in arrays]
    if isinstance(module, nn.Linear):
        return [arrays[0].T, *arrays[1:]]
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        return [arrays[0].permute(3, 2, 0, 1), *arrays[1:]]
    if isinstance(module, nn.ModuleDict):
        kernels, biases = zip(arrays[:6:2], arrays[1:6:2], strict=True), arrays[7]
        inner = [(kernel.flatten(1).T, bias.flatten()) for kernel, bias in kernels]
        weights, offsets = (torch.cat(parts) for parts in zip(*inner, strict=True))
        return [weights, offsets, arrays[6].flatten(0, 1).T, biases]
    if isinstance(module, nn.LSTM):
        return [arrays[0].T, arrays[1].T, arrays[2], torch.zeros_like(arrays[2])]
    if isinstance(module, nn.GRU):

        def reset_first(array):  # Keras: update, reset, new; PyTorch: reset, update, new
            update, reset, new = array.chunk(3, dim=-1)
            return torch.cat([reset, update, new], dim=-1)

        return [*(reset_first(array).T for array in arrays[:2]), *reset_first(arrays[2])]
    return arrays


def taken(x):
    """A batch of NumPy as PyTorch wants it, without a copy: images have their channels second in name only."""
    x = torch.from_numpy(x)
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def make(w, compiled=False):
    torch.manual_seed(0)
    network = NETWORKS[w.kind](w)
    load(network, w)
    network.to(memory_format=torch.channels_last)
    if w.kind == "gan":
        return gan(network, w, compiled)
    if w.kind == "predict":
        network.eval()
        forward = torch.compile(network) if compiled else network

        def predict(row):
            with torch.inference_mode():
                return forward(torch.from_numpy(row)).numpy()

        return predicting(predict, w)

    def loss_of(x, y):
        return F.cross_entropy(network(x), y)

    if compiled:
        loss_of = torch.compile(loss_of)
    optimizer = adam(network.parameters())

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(taken(x), torch.from_numpy(y).long().flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return stepping(step, w)


def adam(parameters):
    betas = sizes.BETA_1, sizes.BETA_2
    return torch.optim.Adam(parameters, sizes.LEARNING_RATE, betas, sizes.EPSILON, fused=True)


def gan(network, w, compiled):
    losses_of = torch.compile(network) if compiled else network
    parts = [[p for name, p in network.named_parameters() if name.startswith(start)] for start in ("g_", "d_")]
    optimizers = [adam(part) for part in parts]

    def step(images, noise):
        losses = losses_of(taken(images), torch.from_numpy(noise))
        for loss, part in zip(losses, parts, strict=True):
            for parameter, found in zip(part, torch.autograd.grad(loss, part, retain_graph=True), strict=True):
                parameter.grad = found
        for optimizer in optimizers:
            optimizer.step()
        return (losses[0] + losses[1]).detach()

    return stepping(step, w)


def make_compiled(w):
    return make(w, compiled=True)
