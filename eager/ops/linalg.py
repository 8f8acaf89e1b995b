"""`eagerly.ops.linalg`: linear algebra; all of it is in `eagerly.ops` too."""

from __future__ import annotations

from . import factorizations as _factorizations
from . import norms as _norms
from . import singular as _singular
from . import systems as _systems
from .public import public as _public

cholesky = _public(_factorizations.cholesky)
cholesky_inverse = _public(_systems.cholesky_inverse)
det = _public(_systems.det)
eig = _public(_factorizations.eig)
eigh = _public(_factorizations.eigh)
inv = _public(_systems.inv)
lstsq = _public(_singular.lstsq)
lu_factor = _public(_factorizations.lu_factor)
matrix_rank = _public(_singular.matrix_rank)
norm = _public(_norms.norm)
pinv = _public(_singular.pinv)
qr = _public(_factorizations.qr)
solve = _public(_systems.solve)
solve_triangular = _public(_systems.solve_triangular)
svd = _public(_singular.svd)
