"""`eagerly.ops.nn`: what neural networks are made of; all of it is in `eagerly.ops` too."""

from __future__ import annotations

from . import attention as _attention
from . import complexes as _complexes
from . import convolution as _convolution
from . import creation as _creation
from . import crossentropy as _crossentropy
from . import ctc as _ctc
from . import decoding as _decoding
from . import elementwise as _elementwise
from . import fidelity as _fidelity
from . import im2col as _im2col
from . import linear as _linear
from . import nonlinear as _nonlinear
from . import normalization as _normalization
from . import patterns as _patterns
from . import pooling as _pooling
from . import recurrent as _recurrent
from . import reductions as _reductions
from .public import public as _public

one_hot = _public(_creation.one_hot)
moments = _public(_reductions.moments)
conv = _public(_convolution.conv)
conv_transpose = _public(_convolution.conv_transpose)
max_pool = _public(_pooling.max_pool)
relu = _public(_elementwise.relu)
relu6 = _public(_nonlinear.relu6)
leaky_relu = _public(_nonlinear.leaky_relu)
elu = _public(_nonlinear.elu)
selu = _public(_nonlinear.selu)
silu = _public(_nonlinear.silu)
swish = silu
mish = _public(_nonlinear.mish)
softplus = _public(_elementwise.softplus)
softsign = _public(_nonlinear.softsign)
sigmoid = _public(_elementwise.sigmoid)
log_sigmoid = _public(_elementwise.log_sigmoid)
hard_sigmoid = _public(_nonlinear.hard_sigmoid)
hard_silu = _public(_nonlinear.hard_silu)
hard_swish = hard_silu
hard_tanh = _public(_nonlinear.hard_tanh)

celu = _public(_nonlinear.celu)
gelu = _public(_nonlinear.gelu)
glu = _public(_nonlinear.glu)
hard_shrink = _public(_nonlinear.hard_shrink)
soft_shrink = _public(_nonlinear.soft_shrink)
tanh_shrink = _public(_nonlinear.tanh_shrink)
sparse_plus = _public(_nonlinear.sparse_plus)
sparse_sigmoid = _public(_nonlinear.sparse_sigmoid)
sparsemax = _public(_nonlinear.sparsemax)
squareplus = _public(_nonlinear.squareplus)
threshold = _public(_nonlinear.threshold)

softmax = _public(_nonlinear.softmax)
log_softmax = _public(_nonlinear.log_softmax)
dense = _public(_linear.dense)
batch_normalization = _public(_normalization.batch_normalization)
binary_crossentropy = _public(_crossentropy.binary_crossentropy)
categorical_crossentropy = _public(_crossentropy.categorical_crossentropy)
sparse_categorical_crossentropy = _public(_crossentropy.sparse_categorical_crossentropy)

average_pool = _public(_pooling.average_pool)
adaptive_average_pool = _public(_pooling.adaptive_average_pool)
adaptive_max_pool = _public(_pooling.adaptive_max_pool)
depthwise_conv = _public(_convolution.depthwise_conv)
separable_conv = _public(_convolution.separable_conv)
unfold = _public(_im2col.unfold)
fold = _public(_im2col.fold)
dot_product_attention = _public(_attention.dot_product_attention)
layer_normalization = _public(_normalization.layer_normalization)
rms_normalization = _public(_normalization.rms_normalization)
normalize = _public(_normalization.normalize)
multi_hot = _public(_creation.multi_hot)
ctc_loss = _public(_ctc.ctc_loss)
ctc_decode = _public(_decoding.ctc_decode)
psnr = _public(_fidelity.psnr)
space_to_depth = _public(_patterns.space_to_depth)
depth_to_space = _public(_patterns.depth_to_space)

polar = _public(_complexes.polar)

lstm = _public(_recurrent.lstm_sequence, "lstm")
gru = _public(_recurrent.gru_sequence, "gru")
