"""Writes more_*.json and more_*.safetensors: layers of Flax with options that the other golden cases do not have.

The format is that of the other cases of kind `layer`: initial values, used values (initial ones with noise), output,
mutated collections, and the gradients of the loss, the sum of c_i·y_i + ½·y_i², c_i = (((7·i) mod 11) − 5)/10, i the flat
index in an output. Run with jax and flax installed.
"""

import inspect
import json
import pathlib
import struct

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

FOLDER = pathlib.Path(__file__).parent.parent
DTYPES = {"float32": "F32", "int32": "I32", "uint32": "U32", "bool": "BOOL", "uint16": "U16"}
HALVES = {np.dtype(ml_dtypes.bfloat16): "bfloat16", np.dtype(np.float16): "float16"}
BF16, F16 = jnp.bfloat16, jnp.float16


def write_arrays(path, arrays):
    header, blobs, offset = {}, [], 0
    for key, array in arrays.items():
        blob = np.ascontiguousarray(array).tobytes()
        offsets = [offset, offset + len(blob)]
        header[key] = {"dtype": DTYPES[str(array.dtype)], "shape": list(array.shape), "data_offsets": offsets}
        blobs.append(blob)
        offset += len(blob)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"".join(blobs))


class Arrays:
    def __init__(self):
        self.arrays, self.containers = {}, {}

    def add(self, key, tree):
        if isinstance(tree, dict):
            if not tree:
                self.containers[key] = "empty_dict"
            for name, value in tree.items():
                self.add(key + "/" + str(name).replace("%", "%25").replace("/", "%2F"), value)
        elif isinstance(tree, (tuple, list)):
            self.containers[key] = f"tuple[{len(tree)}]"
            for index, value in enumerate(tree):
                self.add(f"{key}/{index}", value)
        else:
            array = np.asarray(tree)
            if array.dtype in HALVES:
                self.containers[key] = HALVES[array.dtype] + "_stored_as_uint16"
                array = array.view(np.uint16)
            self.arrays[key] = array


def loss(out):
    total = 0.0
    for leaf in jax.tree_util.tree_leaves(out):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            y = leaf.astype(jnp.float32).reshape(-1)
            c = ((7 * jnp.arange(y.size)) % 11 - 5) / 10
            total += jnp.sum(c * y + y * y / 2)
    return total


def described(value):
    if isinstance(value, nn.Module):
        return {"cls": type(value).__name__, "args": value.described}
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, jax.lax.Precision):
        return str(value).lower()
    return f"<fn {getattr(value, '__name__', 'init')}>"


def make(cls, *args, **kwargs):
    args = dict(zip(inspect.signature(cls).parameters, args), **kwargs)
    module = cls(**args)
    object.__setattr__(module, "described", described(args))
    return module


counts = {"case": 0, "input": 0}


def x(*shape, dtype=jnp.float32, name="x"):
    counts["input"] += 1
    return {name: jax.random.normal(jax.random.key(1000 + counts["input"]), shape).astype(dtype)}


def q(*shape, **kwargs):
    return x(*shape, name="q", **kwargs)


def random_mask(*shape):
    return {"mask": jnp.array(np.random.RandomState(len(shape)).rand(*shape) > 0.35)}


def streams(seeds):
    return jax.random.key(seeds) if isinstance(seeds, int) else {k: jax.random.key(v) for k, v in seeds.items()}


def case(name, module, inputs, arrays={}, options={}, init_rngs=0, rngs=None, mutable=False, method="__call__", capture=False, tolerance=1e-5):
    counts["case"] += 1
    function = getattr(type(module), method)
    init = dict(module.init(streams(init_rngs), *inputs.values(), **arrays, **options, method=function))
    init.pop("intermediates", None)
    noise = np.random.RandomState(counts["case"])

    def noisy(leaf):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        return (leaf + 0.1 * np.abs(noise.randn(*leaf.shape))).astype(leaf.dtype)

    used = jax.tree_util.tree_map(noisy, init)
    values = list(inputs.values())

    def run(params, values):
        variables = dict(used, params=params) if "params" in used else used
        more = {"rngs": streams(rngs)} if rngs else {}
        return module.apply(variables, *values, **arrays, **options, **more, mutable=mutable, method=function, capture_intermediates=capture)

    returns_updates = mutable is not False or capture
    floats = [i for i, value in enumerate(values) if jnp.issubdtype(value.dtype, jnp.floating)]

    def loss_of(params, inputs):
        given = list(values)
        for i, value in zip(floats, inputs):
            given[i] = value
        out = run(params, given)
        return loss(out[0] if returns_updates else out)

    params = used.get("params", {})
    value, (params_gradient, gradients) = jax.value_and_grad(loss_of, argnums=(0, 1))(params, [values[i] for i in floats])

    found = Arrays()
    found.add("init", init)
    found.add("used", used)
    found.add("in", inputs)
    if arrays:
        found.add("kw", arrays)
    out = run(params, values)
    if returns_updates:
        out, updates = out
        found.add("mut", dict(updates))
    found.add("out", out)
    found.add("loss", value)
    if "params" in used:
        found.add("grad_params", params_gradient)
    for i, gradient in zip(floats, gradients):
        found.add("grad_in/" + list(inputs)[i], gradient)

    name = "more_" + name
    call = {"positional": list(inputs), "array_kwargs": list(arrays), "kwargs": options, "rngs": rngs, "mutable": mutable, "method": method, "capture_intermediates": capture}
    manifest = {
        "format": 1,
        "name": name,
        "kind": "layer",
        "description": f"{type(module).__name__} init, apply, gradients",
        "settings": {"module": described(module), "init": {"rngs": init_rngs, "method": method}, "call": call},
        "expect": {"used_group": "used"},
        "containers": found.containers,
        "tolerance": {"rtol": tolerance, "atol": tolerance},
        "safetensors": name + ".safetensors",
    }
    (FOLDER / (name + ".json")).write_text(json.dumps(manifest))
    write_arrays(FOLDER / (name + ".safetensors"), found.arrays)


def linear():
    case("dense_5d", make(nn.Dense, 3), x(2, 1, 2, 3, 4))
    case("dense_bf16", make(nn.Dense, 3, dtype=BF16, param_dtype=BF16), x(2, 4), tolerance=2e-2)
    case("dense_f16", make(nn.Dense, 3, dtype=F16), x(2, 4), tolerance=4e-3)
    case("dense_bf16_input", make(nn.Dense, 3, use_bias=False), x(2, 4, dtype=BF16), tolerance=1e-2)
    case("dense_ones", make(nn.Dense, 3, kernel_init=nn.initializers.ones, bias_init=nn.initializers.ones), x(2, 4))
    case("dense_general_negative_axes", make(nn.DenseGeneral, (3, 2), axis=(-3, -1)), x(2, 3, 4, 5))
    case("dense_general_unordered_axes", make(nn.DenseGeneral, 3, axis=(2, 1)), x(2, 3, 4))
    case("dense_general_two_batch_dims", make(nn.DenseGeneral, (2, 3), axis=(-1,), batch_dims=(0, 1)), x(2, 3, 4, 5))
    case("dense_general_batch_dim", make(nn.DenseGeneral, 4, axis=1, batch_dims=0), x(2, 3, 4))
    case("dense_general_bf16", make(nn.DenseGeneral, 4, axis=(0, 1), use_bias=False, dtype=BF16), x(2, 3), tolerance=3e-2)
    case("einsum_ellipsis", make(nn.Einsum, (4, 2, 3), "...d,dhk->...hk"), x(2, 5, 4))
    case("einsum_of_call", make(nn.Einsum, (5, 4)), x(3, 5), options={"einsum_str": "ab, bc -> ca"})
    case("einsum_batch", make(nn.Einsum, (3, 4, 2), "bnd,ndk->bnk"), x(2, 3, 4))
    case("einsum_sum", make(nn.Einsum, (4, 4), "ab,bc->a"), x(3, 4))
    ids = {"ids": jnp.array([[0, -1], [2, 4]], jnp.int32)}
    case("embed_negative", make(nn.Embed, 5, 3), ids)
    case("embed_bf16", make(nn.Embed, 5, 3, dtype=BF16), ids, tolerance=1e-2)
    case("embed_attend_bf16", make(nn.Embed, 5, 3, dtype=BF16), x(2, 3), method="attend", tolerance=3e-2)
    case("prelu_slope", make(nn.PReLU, negative_slope_init=0.25), x(3, 4))
    case("prelu_bf16", make(nn.PReLU), x(3, 4, dtype=BF16), tolerance=2e-2)


def convolutions():
    mask = np.array(np.random.RandomState(0).rand(2, 2, 2, 2) > 0.5, np.float32)
    case("conv_circular_stride", make(nn.Conv, 3, (3, 2), strides=(2, 1), padding="CIRCULAR", kernel_dilation=(1, 2)), x(2, 6, 5, 2))
    case("conv_reflect_1d", make(nn.Conv, 3, (5,), padding="REFLECT"), x(2, 6, 2))
    case("conv_causal_stride", make(nn.Conv, 4, (3,), strides=2, padding="CAUSAL"), x(1, 7, 2))
    case("conv_negative_padding", make(nn.Conv, 2, (2, 2), padding=((-1, 1), (2, -1))), x(1, 5, 5, 2))
    case("conv_integer_paddings", make(nn.Conv, 2, (3, 3), padding=(1, 2)), x(1, 5, 5, 2))
    case("conv_mixed_paddings", make(nn.Conv, 2, (3, 3), padding=(1, (0, 2))), x(1, 5, 5, 2))
    case("conv_depthwise", make(nn.Conv, 4, (3, 3), feature_group_count=4, use_bias=False), x(2, 5, 5, 4))
    case("conv_depth_multiplier", make(nn.Conv, 8, (3,), feature_group_count=4), x(2, 5, 4))
    case("conv_dilations", make(nn.Conv, 3, (3,), padding=2, input_dilation=2, kernel_dilation=2), x(2, 5, 2))
    case("conv_bf16", make(nn.Conv, 3, (3, 3), dtype=BF16), x(1, 5, 5, 2), tolerance=3e-2)
    case("conv_3d_stride", make(nn.Conv, 2, (2, 2, 2), strides=(2, 1, 2), padding="VALID"), x(2, 4, 3, 5, 2))
    case("conv_three_batch_axes", make(nn.Conv, 2, (2,)), x(2, 1, 3, 4, 2))
    case("conv_1x1", make(nn.Conv, 3, (1, 1)), x(2, 3, 3, 2))
    case("conv_mask_2d", make(nn.Conv, 2, (2, 2), mask=mask), x(1, 4, 4, 2))
    case("conv_transpose_small_kernel", make(nn.ConvTranspose, 2, (2,), strides=(3,), padding="VALID"), x(2, 4, 2))
    case("conv_transpose_stride_3", make(nn.ConvTranspose, 2, (2,), strides=(3,)), x(2, 4, 2))
    case("conv_transpose_circular_2d", make(nn.ConvTranspose, 3, (3, 4), strides=(2, 1), padding="CIRCULAR"), x(2, 3, 4, 2))
    case("conv_transpose_circular_flipped", make(nn.ConvTranspose, 3, (4,), strides=(2,), padding="CIRCULAR", transpose_kernel=True), x(2, 4, 2))
    case("conv_transpose_valid_flipped", make(nn.ConvTranspose, 3, (3,), strides=(2,), padding="VALID", transpose_kernel=True, kernel_dilation=(2,)), x(2, 4, 2))
    case("conv_transpose_integer_padding", make(nn.ConvTranspose, 3, (3, 3), strides=(2, 2), padding=1, use_bias=False), x(3, 4, 2))
    case("conv_transpose_3d", make(nn.ConvTranspose, 2, (2, 1, 3), strides=(1, 2, 2)), x(1, 2, 2, 2, 2))
    case("conv_transpose_mask", make(nn.ConvTranspose, 2, (2, 2), mask=mask), x(1, 3, 4, 2))
    case("conv_local_circular", make(nn.ConvLocal, 2, (3,), padding="CIRCULAR"), x(2, 4, 2))
    case("conv_local_dilated", make(nn.ConvLocal, 2, (2, 2), strides=(2, 1), kernel_dilation=(1, 2), use_bias=False), x(2, 4, 4, 3))
    case("conv_local_no_batch", make(nn.ConvLocal, 2, (2,), padding="VALID"), x(4, 3))
    case("conv_local_bf16", make(nn.ConvLocal, 2, (2,), dtype=BF16), x(2, 4, 3), tolerance=4e-2)


def normalisations():
    stats, train = ["batch_stats"], {"use_running_average": False}
    case("batch_norm_two_axes", make(nn.BatchNorm, axis=(1, -1)), x(4, 3, 5, 2), options=train, mutable=stats)
    case("batch_norm_negative_axis", make(nn.BatchNorm, **train, axis=-2, momentum=0.7, epsilon=1e-2), x(4, 3, 2), mutable=stats)
    case("batch_norm_eval_of_call", make(nn.BatchNorm, use_scale=False), x(4, 3), options={"use_running_average": True})
    case("batch_norm_bf16", make(nn.BatchNorm, **train, dtype=BF16), x(8, 3), mutable=stats, tolerance=5e-2)
    case("batch_norm_broadcast_mask", make(nn.BatchNorm), x(3, 4, 2), random_mask(3, 4, 1), train, mutable=stats)
    case("batch_norm_all_mutable", make(nn.BatchNorm, **train, use_bias=False), x(3, 4), mutable=True)
    case("batch_norm_slow", make(nn.BatchNorm, **train, use_fast_variance=False, force_float32_reductions=False), x(5, 4), mutable=stats)
    case("batch_norm_bf16_reductions", make(nn.BatchNorm, **train, force_float32_reductions=False, param_dtype=BF16), x(5, 4, dtype=BF16), mutable=stats, tolerance=8e-2)
    case("layer_norm_bf16", make(nn.LayerNorm, dtype=BF16), x(3, 8), tolerance=4e-2)
    case("layer_norm_all_axes", make(nn.LayerNorm, reduction_axes=(0, 1, 2), feature_axes=(0, 2)), x(3, 4, 2))
    case("layer_norm_mask_no_bias", make(nn.LayerNorm, use_bias=False), x(3, 5), {"mask": jnp.array([[1, 1, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]], bool)})
    case("rms_norm_axes", make(nn.RMSNorm, reduction_axes=(-2, -1), feature_axes=(1,)), x(2, 3, 4))
    case("rms_norm_mask", make(nn.RMSNorm), x(2, 4), {"mask": jnp.array([[1, 1, 0, 1], [0, 1, 1, 1]], bool)})
    case("rms_norm_bf16", make(nn.RMSNorm, dtype=BF16), x(2, 8), tolerance=4e-2)
    case("group_norm_mask", make(nn.GroupNorm, 2), x(2, 3, 4), random_mask(2, 3, 4))
    case("group_norm_no_scale", make(nn.GroupNorm, 3, use_scale=False, use_fast_variance=False, epsilon=1e-3), x(2, 2, 2, 6))
    case("group_norm_axes", make(nn.GroupNorm, 2, reduction_axes=(1, -1)), x(2, 3, 5, 4))
    case("instance_norm_two_axes", make(nn.InstanceNorm, feature_axes=(1, 3), use_bias=False), x(2, 3, 4, 2))
    case("instance_norm_mask", make(nn.InstanceNorm), x(2, 5, 3), random_mask(2, 5, 3))
    update = {"update_stats": True}
    case("spectral_norm_two_steps", make(nn.SpectralNorm, make(nn.Dense, 3), n_steps=2), x(2, 4), options=update, mutable=stats)
    case("spectral_norm_conv", make(nn.SpectralNorm, make(nn.Conv, 3, (3,))), x(2, 4, 2), options={"update_stats": False})
    case("spectral_norm_no_steps", make(nn.SpectralNorm, make(nn.Dense, 3), n_steps=0), x(2, 4), options=update, mutable=stats)
    case("spectral_norm_params_mutable", make(nn.SpectralNorm, make(nn.Dense, 3)), x(2, 4), options=update, mutable=["batch_stats", "params"])
    case("weight_norm_of_dense", make(nn.WeightNorm, make(nn.Dense, 3)), x(2, 4))
    case("weight_norm_two_axes", make(nn.WeightNorm, make(nn.Conv, 3, (3,)), feature_axes=(0, -1)), x(2, 4, 2))
    case("weight_norm_no_axes", make(nn.WeightNorm, make(nn.Dense, 3), feature_axes=None), x(2, 3))
    layers = [make(nn.Dense, 4), nn.relu, make(nn.Dense, 2)]
    case("weight_norm_of_sequential", make(nn.WeightNorm, make(nn.Sequential, layers)), x(2, 3))


def attention():
    mha, init = nn.MultiHeadDotProductAttention, {"params": 0, "dropout": 1}
    case("attention_no_batch", make(mha, 2), q(3, 4))
    case("attention_two_batch_axes", make(mha, 3, qkv_features=6, out_features=5, use_bias=False), q(2, 2, 3, 4))
    case("attention_keys_by_name", make(mha, 2), q(2, 3, 4), x(2, 5, 6, name="inputs_k"))
    case("attention_bf16", make(mha, 2, dtype=BF16), q(2, 3, 4), tolerance=5e-2)
    case("attention_bf16_wide_softmax", make(mha, 2, dtype=BF16, force_fp32_for_softmax=True), q(2, 3, 4), tolerance=5e-2)
    everything = make(mha, 2, dropout_rate=0.4, normalize_qk=True, broadcast_dropout=False)
    mask = {"mask": nn.make_causal_mask(jnp.ones((2, 3)))}
    options = {"deterministic": False, "sow_weights": True}
    case("attention_everything", everything, q(2, 3, 4), mask, options, init, {"dropout": 7}, ["intermediates"], tolerance=1e-4)
    case("attention_alias", make(nn.MultiHeadAttention, 2), q(2, 3, 4))
    mask = {"mask": jnp.ones((2, 2, 3, 3), bool).at[0, 1, 1].set(False)}
    case("self_attention", make(nn.SelfAttention, 2, qkv_features=8), q(2, 3, 4), mask)


def others():
    init, drop = {"params": 0, "dropout": 1}, {"deterministic": False}
    case("dropout_broadcast_two", make(nn.Dropout, 0.3, broadcast_dims=(0, -1)), x(3, 4, 5), options=drop, init_rngs=init, rngs={"dropout": 11})
    case("dropout_bf16", make(nn.Dropout, 0.5, **drop), x(30, 4, dtype=BF16), init_rngs=init, rngs={"dropout": 12}, tolerance=2e-2)
    case("dropout_zero", make(nn.Dropout, 0.0, **drop), x(3, 4))
    inner = make(nn.Sequential, [make(nn.LayerNorm), nn.relu, make(nn.Dense, 3)])
    case("sequential_nested", make(nn.Sequential, [make(nn.Dense, 4), inner, nn.gelu, make(nn.Dense, 2)]), x(3, 5))
    case("sequential_capture", make(nn.Sequential, [make(nn.Dense, 4), nn.tanh, make(nn.Dense, 2)]), x(3, 5), capture=True)
    layers = [make(nn.Conv, 4, (3,)), make(nn.BatchNorm, use_running_average=False), nn.silu, make(nn.Dropout, 0.3, **drop)]
    case("sequential_stateful", make(nn.Sequential, layers), x(2, 5, 3), init_rngs=init, rngs={"dropout": 3}, mutable=["batch_stats"])


if __name__ == "__main__":
    linear()
    convolutions()
    normalisations()
    attention()
    others()
    print(counts["case"], "cases")
