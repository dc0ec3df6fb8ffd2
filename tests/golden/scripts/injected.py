"""Writes more_*_injected_*.json and more_*_precision_*.json: layers of Flax with a product, a convolution, a sum of products or a
promotion of dtypes of one's own, and with a precision. `src/runner/injected.rs` has the same functions. Run with jax and flax installed.
"""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from layers import BF16, FOLDER, Arrays, case, counts, make, q, write_arrays, x

Precision = lax.Precision


def doubled_dot(lhs, rhs, dimension_numbers, precision=None, **kwargs):
    return 2.0 * lax.dot_general(lhs, rhs, dimension_numbers, precision=precision, **kwargs)


def bf16_dot(lhs, rhs, dimension_numbers, precision=None, **kwargs):
    kwargs["preferred_element_type"] = jnp.float32
    return lax.dot_general(lhs.astype(BF16), rhs.astype(BF16), dimension_numbers, precision=precision, **kwargs)


def precise_dot(lhs, rhs, dimension_numbers, precision=None, **kwargs):
    """Shows which precision it was given."""
    factor = {None: 1.0, "high": 2.0, "highest": 3.0}[precision]
    return factor * lax.dot_general(lhs, rhs, dimension_numbers, precision=precision, **kwargs)


def make_doubled_dot():
    return doubled_dot


class ScaledDot(nn.Module):
    """A product times a parameter."""

    @nn.compact
    def __call__(self, lhs, rhs, dimension_numbers, precision=None):
        scale = self.param("scale", nn.initializers.ones, ())
        return scale * lax.dot_general(lhs, rhs, dimension_numbers, precision=precision)


class MeasuredDot(nn.Module):
    """A product divided by what was the largest absolute element of the left operand so far."""

    @nn.compact
    def __call__(self, lhs, rhs, dimension_numbers, precision=None):
        amax = self.variable("quant", "amax", lambda: jnp.ones(()))
        y = lax.dot_general(lhs, rhs, dimension_numbers, precision=precision) / amax.value
        if self.is_mutable_collection("quant"):
            amax.value = jnp.maximum(amax.value, lax.stop_gradient(jnp.max(jnp.abs(lhs))))
        return y


def doubled_conv(lhs, rhs, *args, **kwargs):
    return 2.0 * lax.conv_general_dilated(lhs, rhs, *args, **kwargs)


def make_doubled_conv():
    return doubled_conv


def precise_conv(lhs, rhs, *args, precision=None, **kwargs):
    factor = {None: 1.0, "high": 2.0, "highest": 3.0}[precision]
    return factor * lax.conv_general_dilated(lhs, rhs, *args, precision=precision, **kwargs)


class ScaledConv(nn.Module):
    @nn.compact
    def __call__(self, lhs, rhs, *args, **kwargs):
        scale = self.param("scale", nn.initializers.ones, ())
        return scale * lax.conv_general_dilated(lhs, rhs, *args, **kwargs)


def doubled_einsum(equation, lhs, rhs):
    return 2.0 * jnp.einsum(equation, lhs, rhs)


def make_doubled_einsum():
    return doubled_einsum


class ScaledEinsum(nn.Module):
    @nn.compact
    def __call__(self, equation, lhs, rhs):
        scale = self.param("scale", nn.initializers.ones, ())
        return scale * jnp.einsum(equation, lhs, rhs)


def as_input(*tensors, dtype=None, inexact=True):
    return [None if tensor is None else jnp.asarray(tensor, dtype or tensors[0].dtype) for tensor in tensors]


def as_it_is(*tensors, dtype=None, inexact=True):
    return tensors


def precisions():
    case("dense_precision", make(nn.Dense, 3, precision="highest"), x(2, 4))
    case("dense_precision_value", make(nn.Dense, 3, precision=Precision.HIGH), x(2, 4))
    case("dense_general_precision_pair", make(nn.DenseGeneral, (2, 3), precision=("high", "default")), x(2, 4))
    case("einsum_precision", make(nn.Einsum, (4, 2, 3), "...d,dhk->...hk", precision="tensorfloat32"), x(2, 5, 4))
    case("conv_precision", make(nn.Conv, 3, (3, 3), precision="highest"), x(1, 5, 5, 2))
    case("conv_local_precision", make(nn.ConvLocal, 3, (2,), precision="float32"), x(2, 5, 2))
    case("conv_transpose_precision", make(nn.ConvTranspose, 3, (3,), strides=(2,), precision=("default", "highest")), x(2, 5, 2))
    case("conv_transpose_preferred", make(nn.ConvTranspose, 3, (3,), dtype=BF16, preferred_element_type="float32"), x(2, 5, 2), tolerance=3e-2)
    case("attention_precision", make(nn.MultiHeadDotProductAttention, 2, precision="highest"), q(2, 3, 4))


def injections():
    case("dense_injected_doubled", make(nn.Dense, 3, dot_general=doubled_dot), x(2, 4))
    case("dense_injected_bf16", make(nn.Dense, 3, dot_general=bf16_dot), x(2, 4), tolerance=1e-3)
    case("dense_injected_bf16_in_bf16", make(nn.Dense, 3, dot_general=bf16_dot, dtype=BF16), x(2, 4), tolerance=1e-2)
    case("dense_injected_precision", make(nn.Dense, 3, dot_general=precise_dot, precision="highest"), x(2, 4))
    case("dense_injected_no_precision", make(nn.Dense, 3, dot_general=precise_dot), x(2, 4))
    case("dense_injected_class", make(nn.Dense, 3, dot_general_cls=ScaledDot), x(2, 4))
    case("dense_injected_class_first", make(nn.Dense, 3, dot_general=bf16_dot, dot_general_cls=ScaledDot), x(2, 4))
    case("dense_injected_class_of_function", make(nn.Dense, 3, dot_general_cls=make_doubled_dot), x(2, 4))
    case("dense_injected_class_with_state", make(nn.Dense, 3, dot_general_cls=MeasuredDot), x(2, 4), mutable=["quant"])
    case("dense_general_injected", make(nn.DenseGeneral, (2, 3), axis=(-2, -1), dot_general=doubled_dot), x(2, 4, 3))
    case("dense_general_injected_precision", make(nn.DenseGeneral, 3, batch_dims=(0,), dot_general=precise_dot, precision="high"), x(2, 5, 4))
    case("dense_general_injected_class", make(nn.DenseGeneral, (2, 3), dot_general_cls=ScaledDot), x(2, 4))
    case("conv_injected", make(nn.Conv, 3, (3, 3), strides=(2, 1), feature_group_count=1, conv_general_dilated=doubled_conv), x(1, 5, 5, 2))
    case("conv_injected_precision", make(nn.Conv, 3, (3,), conv_general_dilated=precise_conv, precision="high"), x(2, 5, 2))
    case("conv_injected_class", make(nn.Conv, 4, (3,), feature_group_count=2, conv_general_dilated_cls=ScaledConv), x(2, 5, 2))
    case("conv_injected_class_of_function", make(nn.Conv, 3, (3,), padding="CIRCULAR", conv_general_dilated_cls=make_doubled_conv), x(2, 5, 2))
    attention = nn.MultiHeadDotProductAttention
    case("attention_injected_qkv", make(attention, 2, qkv_dot_general=doubled_dot), q(2, 3, 4))
    case("attention_injected_out", make(attention, 2, out_dot_general=precise_dot, precision="highest"), q(2, 3, 4))
    case("attention_injected_classes", make(attention, 2, qkv_dot_general_cls=ScaledDot, out_dot_general_cls=MeasuredDot), q(2, 3, 4), mutable=["quant"])
    einsums = {"qk_attn_weights_einsum_cls": ScaledEinsum, "attn_weights_value_einsum_cls": ScaledEinsum}
    case("attention_injected_einsums", make(attention, 2, **einsums), q(2, 3, 4))
    einsums = {"qk_attn_weights_einsum_cls": make_doubled_einsum, "attn_weights_value_einsum_cls": make_doubled_einsum}
    case("attention_injected_einsums_of_functions", make(nn.MultiHeadAttention, 2, **einsums), q(2, 3, 4))


def promotions():
    case("dense_promoted_as_input", make(nn.Dense, 3, promote_dtype=as_input), x(2, 4, dtype=BF16), tolerance=2e-2)
    case("dense_promoted_as_it_is", make(nn.Dense, 3, promote_dtype=as_it_is), x(2, 4, dtype=BF16), tolerance=1e-2)
    case("dense_general_promoted", make(nn.DenseGeneral, (3, 2), promote_dtype=as_input, use_bias=False), x(2, 4, dtype=BF16), tolerance=2e-2)
    case("einsum_promoted", make(nn.Einsum, (4, 3), "ab,bc->ac", promote_dtype=as_it_is), x(2, 4, dtype=BF16), tolerance=1e-2)
    case("conv_promoted", make(nn.Conv, 3, (3,), promote_dtype=as_input), x(2, 5, 2, dtype=BF16), tolerance=3e-2)
    case("conv_local_promoted", make(nn.ConvLocal, 3, (2,), promote_dtype=as_input), x(2, 5, 2, dtype=BF16), tolerance=3e-2)
    case("conv_transpose_promoted", make(nn.ConvTranspose, 3, (2,), promote_dtype=as_input), x(2, 5, 2, dtype=BF16), tolerance=3e-2)
    ids = {"ids": jnp.array([[0, -1], [2, 4]], jnp.int32)}
    case("embed_promoted", make(nn.Embed, 5, 3, dtype=BF16, promote_dtype=as_input), ids, tolerance=1e-2)
    case("embed_attend_promoted", make(nn.Embed, 5, 3, promote_dtype=as_input), x(2, 3, dtype=BF16), method="attend", tolerance=3e-2)


def functions():
    """Attention as functions: `out/NAME` and the gradient of each by the queries, `grad/NAME`."""
    query, keys, values = (jax.random.normal(jax.random.key(3000 + i), (2, 3, 2, 4)) for i in range(3))
    attention, weights = nn.dot_product_attention, nn.dot_product_attention_weights
    outputs = {
        "attn_precision": attention(query, keys, values, precision="highest"),
        "attn_injected_dot": attention(query, keys, values, einsum_dot_general=doubled_dot),
        "attn_injected_dot_precision": attention(query, keys, values, precision="high", einsum_dot_general=precise_dot),
        "attn_injected_einsums": attention(query, keys, values, qk_attn_weights_einsum=doubled_einsum, attn_weights_value_einsum=doubled_einsum),
        "weights_injected_dot": weights(query, keys, einsum_dot_general=doubled_dot),
        "weights_injected_einsum": weights(query, keys, einsum=doubled_einsum),
    }
    found = Arrays()
    found.add("in", {"q": query, "k": keys, "v": values})
    found.add("out", outputs)
    name = "more_attention_fns_injected"
    manifest = {
        "format": 1,
        "name": name,
        "kind": "functional",
        "description": "attention as functions, with products of one's own and with a precision",
        "settings": {},
        "expect": {},
        "containers": found.containers,
        "tolerance": {"rtol": 1e-5, "atol": 1e-5},
        "safetensors": name + ".safetensors",
    }
    (FOLDER / (name + ".json")).write_text(json.dumps(manifest))
    write_arrays(FOLDER / (name + ".safetensors"), found.arrays)


if __name__ == "__main__":
    counts.update(case=500, input=500)
    precisions()
    injections()
    promotions()
    functions()
