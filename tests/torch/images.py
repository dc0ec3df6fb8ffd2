"""What functions and layers of PyTorch for images compute, for `nn` and `image`: images.safetensors has inputs and outputs.

    pip install torch==2.15 numpy safetensors && python images.py

An array is named by what made it: `pool.kind.size.window.stride.padding` and the like; channels are last.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
arrays = {}


def last(x):
    return x.movedim(1, -1).contiguous()


# A slope for each channel, of images, of rows and of one channel.
for name, shape in {"images": (2, 3, 4, 5), "rows": (4, 6), "one": (2, 1, 3)}.items():
    layer = nn.PReLU(shape[1])
    with torch.no_grad():
        layer.weight.copy_(torch.randn(shape[1]))
        x = torch.randn(shape)
        arrays[f"prelu/{name}/x"] = last(x)
        arrays[f"prelu/{name}/slope"] = layer.weight.detach().clone()
        arrays[f"prelu/{name}/y"] = last(layer(x))

# Windows that do not fit: along one axis all sizes, and along two some.
line = torch.randn(1, 2, 12)
arrays["pool/line"] = last(line)
for size in (2, 5, 6, 7, 12):
    for window, stride, padding in ((3, 2, 0), (3, 2, 1), (2, 3, 0), (4, 3, 2), (2, 2, 0), (5, 1, 2)):
        if size + 2 * padding < window - stride + 1:
            continue
        x = line[..., :size]
        case = f"{size}/{window}/{stride}/{padding}"
        arrays[f"pool/max/{case}"] = last(F.max_pool1d(x, window, stride, padding, ceil_mode=True))
        for count in (True, False):
            y = F.avg_pool1d(x, window, stride, padding, ceil_mode=True, count_include_pad=count)
            arrays[f"pool/avg{int(count)}/{case}"] = last(y)
image = torch.randn(2, 3, 7, 8)
arrays["pool/image"] = last(image)
arrays["pool/image/max"] = last(F.max_pool2d(image, (3, 2), (2, 3), (1, 0), ceil_mode=True))
for count in (True, False):
    y = F.avg_pool2d(image, (3, 2), (2, 3), (1, 0), ceil_mode=True, count_include_pad=count)
    arrays[f"pool/image/avg{int(count)}"] = last(y)

# Bins of all sizes along one axis; of two and three axes.
for to in range(1, 16):
    arrays[f"adaptive/line/{to}"] = last(F.adaptive_avg_pool1d(line, to))
arrays["adaptive/image/3x5"] = last(F.adaptive_avg_pool2d(image, (3, 5)))
arrays["adaptive/image/1x1"] = last(F.adaptive_avg_pool2d(image, 1))
volume = torch.randn(1, 2, 4, 5, 6)
arrays["adaptive/volume"] = last(volume)
arrays["adaptive/volume/3x2x4"] = last(F.adaptive_avg_pool3d(volume, (3, 2, 4)))

# Which element is the nearest, of all sizes: a row for each pair of them.
for mode in ("nearest", "nearest-exact"):
    rows = []
    for size in range(1, 17):
        for to in range(1, 33):
            row = F.interpolate(torch.arange(size).float()[None, None], size=to, mode=mode)[0, 0]
            rows.append(F.pad(row, (0, 32 - to), value=-1))
    arrays[f"index/{mode}"] = torch.stack(rows).to(torch.int8)
    arrays[f"interpolate/{mode}/image/11x5"] = last(F.interpolate(image, size=(11, 5), mode=mode))
    arrays[f"interpolate/{mode}/image/by"] = last(F.interpolate(image, scale_factor=(1.7, 0.6), mode=mode))
    arrays[f"interpolate/{mode}/image/kept"] = last(F.interpolate(image, scale_factor=(1.06, 1.1), mode=mode))
sizes = [(7, 8), (14, 16), (11, 5), (1, 3), (3, 1), (20, 9)]
for mode, name in (("bilinear", "linear"), ("bicubic", "cubic")):
    for align in (False, True):
        for to in sizes:
            y = F.interpolate(image, size=to, mode=mode, align_corners=align)
            arrays[f"interpolate/{name}/{int(align)}/image/{to[0]}x{to[1]}"] = last(y)
        y = F.interpolate(image, scale_factor=(1.7, 0.6), mode=mode, align_corners=align)
        arrays[f"interpolate/{name}/{int(align)}/image/by"] = last(y)
        # Factors that leave the sizes as they are.
        y = F.interpolate(image, scale_factor=(1.06, 1.1), mode=mode, align_corners=align)
        arrays[f"interpolate/{name}/{int(align)}/image/kept"] = last(y)
    y = F.interpolate(image, size=(4, 13), mode=mode, antialias=True)
    arrays[f"smoothed/{name}/image/4x13"] = last(y)
for align in (False, True):
    y = F.interpolate(line, size=19, mode="linear", align_corners=align)
    arrays[f"interpolate/linear/{int(align)}/line/19"] = last(y)
    y = F.interpolate(volume, size=(5, 3, 6), mode="trilinear", align_corners=align)
    arrays[f"interpolate/linear/{int(align)}/volume/5x3x6"] = last(y)
arrays["interpolate/area/image/3x5"] = last(F.interpolate(image, size=(3, 5), mode="area"))

# The largest elements of bins, and smoothed interpolations of all kinds.
for to in range(1, 16):
    arrays[f"adaptive_max/line/{to}"] = last(F.adaptive_max_pool1d(line, to))
arrays["adaptive_max/image/3x5"] = last(F.adaptive_max_pool2d(image, (3, 5)))
arrays["adaptive_max/volume/3x2x4"] = last(F.adaptive_max_pool3d(volume, (3, 2, 4)))
# With channels last in memory: otherwise torch 2.15.0 gives all rows of an image of width 1 the values of the first.
pixels = image.to(memory_format=torch.channels_last)
for mode, name in (("bilinear", "linear"), ("bicubic", "cubic")):
    for align in (False, True):
        options = {"mode": mode, "align_corners": align, "antialias": True}
        for to in sizes:
            arrays[f"antialias/{name}/{int(align)}/{to[0]}x{to[1]}"] = last(F.interpolate(pixels, size=to, **options))
        for factors, case in (((1.7, 0.6), "by"), ((1.06, 1.1), "kept"), ((0.3, 0.26), "less")):
            arrays[f"antialias/{name}/{int(align)}/{case}"] = last(F.interpolate(pixels, scale_factor=factors, **options))
save_file({name.replace("/", "."): array for name, array in arrays.items()}, "images.safetensors")
