"""`eagerly.ops.linalg`: linear algebra; all of it is in `eagerly.ops` too."""

from __future__ import annotations
