"""Decoding of connectionist temporal classification: the best path, or a beam of the best label sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..errors import describe
from ..primitive import cast, primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, reductions
from .elementwise import cast_like, where
from .nonlinear import log_softmax

BLANK = -1  # fills a sequence up to the longest


def _greedy_rule(best: Any, lengths: Any, mask_index: int, merge_repeated: bool) -> Any:
    return AbstractTensor(best.dims, dtypes.INTX), AbstractTensor(best.dims, dtypes.BOOL)


@primitive(shape=_greedy_rule, outputs=2)
def ctc_best_path(best: TensorLike, lengths: TensorLike, mask_index: int, merge_repeated: bool) -> Any:
    """The labels of the classes [batch, time], blanks and repeats left out; and whether a time is within the length."""
    best = np.asarray(best)
    inside = np.arange(best.shape[1]) < np.asarray(lengths)[:, None]
    labels = np.where(inside, best, mask_index)
    kept = labels != mask_index
    if merge_repeated:
        kept[:, 1:] &= labels[:, 1:] != labels[:, :-1]
    order = np.argsort(~kept, axis=1, kind="stable")
    result = np.take_along_axis(np.where(kept, labels, BLANK), order, axis=1)
    return result.astype(dtypes.INTX), inside


ctc_best_path.defvjp(None)


def _beam_rule(logs: Any, lengths: Any, width: int, top_paths: int, mask_index: int) -> Any:
    batch, time, _ = logs.dims
    return AbstractTensor((top_paths, batch, time), dtypes.INTX), AbstractTensor((batch, top_paths), logs.dtype)


@primitive(shape=_beam_rule, outputs=2)
def ctc_beams(logs: TensorLike, lengths: TensorLike, width: int, top_paths: int, mask_index: int) -> Any:
    """The label sequences of the highest probability that a beam of the given width finds, and its logarithm.

    Per time and example the beam holds label sequences with the log probabilities that a path spells one and ends in
    its last label, or in a blank (Hannun et al. 2014, algorithm 1). A sequence is known by a hash of its labels.
    """
    logs, lengths = np.asarray(logs), np.asarray(lengths)
    batch, time, classes = logs.shape
    dtype = logs.dtype
    ended = np.full((batch, width), -np.inf, dtype)  # in the last label
    rested = ended.copy()  # in a blank
    rested[:, 0] = 0
    tail = np.full((batch, width), BLANK, np.int32)
    size = np.zeros((batch, width), np.int32)
    # Slots that no sequence has come to yet differ from each other and from all that can come.
    name = np.broadcast_to(np.arange(width, dtype=np.uint64), (batch, width)).copy()
    parent = np.full((batch, width), np.iinfo(np.uint64).max, np.uint64)
    sources, labels = [], []
    for t in range(time):
        now = (t < lengths)[:, None]
        scores = logs[:, t]
        either = np.logaddexp(ended, rested)
        stay_ended = ended + np.where(tail == BLANK, -np.inf, np.take_along_axis(scores, np.maximum(tail, 0), 1))
        stay_rested = either + scores[:, mask_index, None]
        grown = either[:, :, None] + scores[:, None, :]
        which, slot = np.nonzero(tail != BLANK)  # the last label again, after a blank alone
        again = tail[which, slot]
        grown[which, slot, again] = rested[which, slot] + scores[which, again]
        grown[:, :, mask_index] = -np.inf
        # What a sequence grows to may be in the beam already: the two are one.
        child, origin = np.nonzero((parent[:, :, None] == name[:, None, :]).reshape(batch * width, width))
        which, child = np.divmod(child, width)
        last = tail[which, child]
        stay_ended[which, child] = np.logaddexp(stay_ended[which, child], grown[which, origin, last])
        grown[which, origin, last] = -np.inf
        total = np.concatenate([np.logaddexp(stay_ended, stay_rested), grown.reshape(batch, width * classes)], axis=1)
        order = np.argsort(-total, axis=1, kind="stable")[:, :width]
        stays = order < width
        source = np.where(stays, order, (order - width) // classes)
        label = np.where(stays, BLANK, (order - width) % classes)
        best = np.take_along_axis(total, order, 1)
        source = np.where(now, source, np.arange(width))
        label = np.where(now, label, BLANK)
        new_ended = np.where(stays, _at(stay_ended, source), best)
        new_rested = np.where(stays, _at(stay_rested, source), -np.inf)
        ended, rested = np.where(now, new_ended, ended), np.where(now, new_rested, rested)
        old_name = _at(name, source)
        added = label != BLANK
        parent = np.where(added, old_name, _at(parent, source))
        name = np.where(added, _mixed(old_name, label), old_name)
        tail = np.where(added, label, _at(tail, source)).astype(np.int32)
        size = _at(size, source) + added
        sources.append(source)
        labels.append(label)
    total = np.logaddexp(ended, rested)
    order = np.argsort(-total, axis=1, kind="stable")[:, :top_paths]
    found = order.shape[1]
    scores = np.full((batch, top_paths), -np.inf, dtype)
    scores[:, :found] = _at(total, order)
    paths = np.full((batch, top_paths, time), BLANK, np.int32)
    slot, place = order, _at(size, order)
    for source, label in zip(reversed(sources), reversed(labels), strict=True):
        given = _at(label, slot)
        at = np.nonzero((given != BLANK) & (scores[:, :found] > -np.inf))
        place = place - (given != BLANK)
        paths[(*at, place[at])] = given[at]
        slot = _at(source, slot)
    return paths.transpose(1, 0, 2).copy(), scores


ctc_beams.defvjp(None)


def _at(values: Any, places: Any) -> Any:
    return np.take_along_axis(values, places, 1)


def _mixed(name: Any, label: Any) -> Any:
    """The name of a sequence with a label more: the finalizer of SplitMix64, Steele, Lea & Flood 2014, figure 11."""
    z = name * np.uint64(0x9E3779B97F4A7C15) + (label.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1342543DE82EF95)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def ctc_decode(
    inputs: TensorLike,
    sequence_lengths: TensorLike,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int | None = 0,
) -> Any:
    """The label sequences that logits stand for, [paths, batch, longest] filled up with -1, and their scores.

    Args:
      inputs: logits [batch, longest, classes].
      sequence_lengths: [batch].
      strategy: "greedy" for the best class at each time, or "beam_search" for the most probable sequences.
      beam_width: how many sequences the search keeps.
      top_paths: how many sequences it gives, the best first; -1 throughout with a score of -inf where there are fewer.
      merge_repeated: whether equal neighbors are one label, for "greedy"; a search always merges them.
      mask_index: the class that means no label, the blank; the last one if None.

    Returns:
      The sequences, int32, and scores [batch, paths]: of "greedy" less the sum of the largest logits; of
      "beam_search" the log probability, through which no gradient flows.

    Raises:
      ValueError: if shapes do not belong together, or for another strategy, no path, or a blank that is no class.

    Example:
      >>> logits = np.log(np.array([[[0.1, 0.9], [0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]]))
      >>> ctc_decode(logits, np.array([4]))[0].tolist()
      [[[1, 1, -1, -1]]]
    """
    if len(dims(inputs)) != 3 or len(dims(sequence_lengths)) != 1:
        raise ValueError(
            "ctc_decode: expected inputs [batch, longest, classes] and sequence_lengths [batch], got "
            f"{describe(inputs)} and {describe(sequence_lengths)}."
        )
    batch, _, classes = dims(inputs)
    if dimensions.same(batch, dims(sequence_lengths)[0]) is False:
        raise ValueError(
            f"ctc_decode: expected a length for each of {batch} examples, got {describe(sequence_lengths)}."
        )
    inputs = cast_like(inputs, dtypes.result_type(inputs, dtypes.FLOATX))
    lengths = cast(sequence_lengths, dtype=dtypes.INTX)
    blank = classes - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        best = reductions.argmax(inputs, axis=-1)
        paths, inside = ctc_best_path(best, lengths, mask_index=blank, merge_repeated=merge_repeated)
        scores = where(inside, reductions.max(inputs, axis=-1), 0.0)
        return arrays.expand_dims(paths, 0), -reductions.sum(scores, axis=1, keepdims=True)
    if strategy != "beam_search":
        raise ValueError(f"ctc_decode: expected 'greedy' or 'beam_search' as strategy, got {strategy!r}.")
    for name, value in (("beam_width", beam_width), ("top_paths", top_paths)):
        if value < 1:
            raise ValueError(f"ctc_decode: expected an integer > 0 as {name}, got {value!r}.")
    if isinstance(classes, int) and not 0 <= blank < classes:
        raise ValueError(f"ctc_decode: expected a class in [0, {classes}) as mask_index, got {mask_index!r}.")
    return ctc_beams(log_softmax(inputs), lengths, width=beam_width, top_paths=top_paths, mask_index=blank)
