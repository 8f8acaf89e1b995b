"""`eagerly.ops.image`: images, [height, width, channels] or a batch of them."""

from __future__ import annotations
