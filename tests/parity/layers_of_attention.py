"""How to make and call attention layers."""

from parity.layers import LayerRow, Made


def single(kind):
    """Attention over single vectors."""

    def draw(d):
        batch, queries, places, size = 2, d.size(), d.size(2), d.size()  # Keras warns of a softmax over one place
        inputs = [d.array((batch, queries, size)), d.array((batch, places, size))]
        if d.flip():
            inputs.append(d.array((batch, places, size)))
        make = d.maybe(use_scale=d.flip(), dropout=0.3)
        if kind == "Attention":
            make |= d.maybe(score_mode=d.pick("dot", "concat"))
        call = d.maybe(return_attention_scores=True, use_causal_mask=True)
        if d.flip():
            call["mask"] = [d.pick(None, d.truth((batch, queries))), d.truth((batch, places))]
        return Made(make, inputs, call)

    return draw


def heads(d):
    """Several heads; masks leave each query a place, as PyTorch's gradient of one without is wrong."""
    batch, queries, places = 2, d.size(), d.size(2)
    call = {"value": d.array((batch, places, 3)), **d.maybe(key=d.array((batch, places, 4)))}
    make = {"num_heads": d.size(1, 3), "key_dim": d.size(), "seed": 1}
    make |= d.maybe(value_dim=d.size(), use_bias=False, dropout=0.3, output_shape=d.pick(3, (2, 3)), use_gate=True)
    call |= d.maybe(return_attention_scores=True, use_causal_mask=True)
    shape = d.pick((batch, queries, places), (batch, 1, queries, places), (queries, places))
    if d.flip():
        mask = d.truth(shape)
        mask[..., 0] = True
        call["attention_mask"] = mask
    elif d.flip():
        mask = d.truth((batch, places))
        mask[:, 0] = True
        call[d.pick("value_mask", "key_mask")] = mask
    elif queries <= places:
        make |= d.maybe(sliding_window=d.size(1, 3))
    return Made(make, d.array((batch, queries, d.size())), call)


def axes(d):
    """Attention over chosen axes of tensors of rank 4."""
    chosen = d.pick((1,), (2,), (1, 2), (-2,), None, 2)
    x = d.array((2, 3, 2, 4))
    call = {"value": d.array((2, 3, 2, 3)), **d.maybe(return_attention_scores=True)}
    if chosen in ((1, 2), None) and d.flip():
        mask = d.truth((2, 3, 2, 3, 2))
        mask[..., 0, 0] = True
        call["attention_mask"] = mask
    make = {"num_heads": 2, "key_dim": 3, "attention_axes": chosen}
    return Made(make, x, call)


LAYERS: dict[str, list[LayerRow]] = {
    "AdditiveAttention": [LayerRow(single("AdditiveAttention"), draws=12)],
    "Attention": [LayerRow(single("Attention"), draws=24)],
    "MultiHeadAttention": [LayerRow(heads, draws=32), LayerRow(axes, draws=12)],
}
