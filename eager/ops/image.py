"""`eagerly.ops.image`: images, [height, width, channels] or a batch of them."""

from __future__ import annotations

from . import colors as _colors
from . import filters as _filters
from . import patches as _patches
from . import resizing as _resizing
from . import warping as _warping
from .public import public as _public

rgb_to_grayscale = _public(_colors.rgb_to_grayscale)
rgb_to_hsv = _public(_colors.rgb_to_hsv)
hsv_to_rgb = _public(_colors.hsv_to_rgb)
resize = _public(_resizing.resize)
scale_and_translate = _public(_resizing.scale_and_translate)
extract_patches = _public(_patches.extract_patches)
extract_patches_3d = _public(_patches.extract_patches_3d)
crop_images = _public(_patches.crop_images)
pad_images = _public(_patches.pad_images)
map_coordinates = _public(_warping.map_coordinates)
affine_transform = _public(_warping.affine_transform)
perspective_transform = _public(_warping.perspective_transform)
elastic_transform = _public(_warping.elastic_transform)
gaussian_blur = _public(_filters.gaussian_blur)
sobel_edges = _public(_filters.sobel_edges)
ssim = _public(_filters.ssim)
