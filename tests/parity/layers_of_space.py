"""Rows of layers over space: convolutions, pooling, borders, upsampling, dropped channels; in either layout."""

from parity.layers import LayerRow, Made, convolution, pool, transposed


def image(d, space, low=4, high=6, channels=2):
    """An image in either layout, and the argument that says which."""
    first = d.flip()
    sizes = tuple(d.size(low, high) for _ in range(space))
    return {"data_format": "channels_first"} if first else {}, (2, channels, *sizes) if first else (2, *sizes, channels)


def causal(d):
    """Sequences that no output sees the future of."""
    make = {
        "filters": 3,
        "kernel_size": d.size(1, 3),
        "padding": "causal",
        **d.pick({"strides": 2}, {"dilation_rate": 2}),
    }
    return Made(make, d.array((2, d.size(5, 7), 2)))


def depthwise(space, **more):
    """Each channel by itself; strides of all axes are equal, as TensorFlow wants them."""

    def draw(d):
        make, shape = image(d, space, 5)
        make |= {"kernel_size": d.size(1, 3), **more} | d.maybe(depth_multiplier=2, use_bias=False, activation="tanh")
        make |= d.maybe(padding="same", **d.pick({"strides": 2}, {"dilation_rate": 2}))
        return Made(make, d.array(shape))

    return draw


def averaged(space):
    """Windows that lie inside: Keras on PyTorch pads with copies of the border, which no other backend does."""

    def draw(d):
        make, shape = image(d, space)
        make |= {"pool_size": d.size(1, 3), **d.maybe(strides=d.size(1, 3))}
        return Made(make, d.array(shape))

    return draw


def all_of_space(space):
    """Everywhere at once."""

    def draw(d):
        make, shape = image(d, space, 2)
        return Made({**make, **d.maybe(keepdims=True)}, d.distinct(shape))

    return draw


def steps(d):
    """Sequences of which some steps are masked, and at least one is not."""
    make, shape = image(d, 1, 2)
    mask = d.truth((2, shape[2] if make else shape[1]))
    mask[:, 0] = True
    return Made({**make, **d.maybe(keepdims=True)}, d.array(shape), {"mask": mask} if d.flip() else {})


def bordered(space, name):
    """Borders by one number, one for each axis, or one for each end."""

    def draw(d):
        make, shape = image(d, space)
        one, pair = (lambda: d.size(0, 1)), (lambda: (d.size(0, 2), d.size(0, 1)))
        widths = (
            d.pick(one(), pair())
            if space == 1
            else d.pick(one(), tuple(one() for _ in range(space)), tuple(pair() for _ in range(space)))
        )
        if name == "cropping" and space == 1:
            make, shape = {}, (2, d.size(4, 6), 2)
        return Made({**make, name: widths}, d.array(shape))

    return draw


def larger(space):
    """Elements repeated."""

    def draw(d):
        make, shape = image(d, space, 1, 3)
        if space == 1:
            return Made({"size": d.size(1, 3)}, d.array((2, 3, 2)))
        make["size"] = d.pick(2, tuple(d.size(1, 3) for _ in range(space)))
        return Made({**make, **(d.maybe(interpolation="bilinear") if space == 2 else {})}, d.array(shape))

    return draw


def dropped_channels(space):
    """Called outside of training alone: what is left out is random."""

    def draw(d):
        make, shape = image(d, space, 2, 3)
        return Made({"rate": d.pick(0.0, 0.5), **(make if space > 1 else {})}, d.array(shape))

    return draw


LAYERS: dict[str, list[LayerRow]] = {
    "Conv1D": [LayerRow(convolution(1), draws=12), LayerRow(causal)],
    "Conv3D": [LayerRow(convolution(3), draws=8)],
    "Conv1DTranspose": [LayerRow(transposed(1), draws=12)],
    "Conv3DTranspose": [LayerRow(transposed(3), draws=8)],
}
for axes in (1, 2):
    LAYERS[f"DepthwiseConv{axes}D"] = [LayerRow(depthwise(axes), draws=12)]
    LAYERS[f"SeparableConv{axes}D"] = [LayerRow(depthwise(axes, filters=3), draws=12)]
for axes in (1, 2, 3):
    LAYERS[f"AveragePooling{axes}D"] = [LayerRow(averaged(axes), draws=8)]
    LAYERS[f"GlobalAveragePooling{axes}D"] = [LayerRow(steps if axes == 1 else all_of_space(axes), draws=8)]
    LAYERS[f"GlobalMaxPooling{axes}D"] = [LayerRow(all_of_space(axes))]
    LAYERS[f"ZeroPadding{axes}D"] = [LayerRow(bordered(axes, "padding"), draws=10)]
    LAYERS[f"Cropping{axes}D"] = [LayerRow(bordered(axes, "cropping"), draws=10)]
    LAYERS[f"UpSampling{axes}D"] = [LayerRow(larger(axes), draws=8)]
    LAYERS[f"SpatialDropout{axes}D"] = [LayerRow(dropped_channels(axes))]
for axes in (1, 3):
    LAYERS[f"MaxPooling{axes}D"] = [LayerRow(pool(axes), draws=8)]
