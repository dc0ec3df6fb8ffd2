//! Matrix products and convolutions.

use super::types::{Type, array, list};
use super::value::Value;
use crate::core::op::{ConvOperand, DotDimensions};
use crate::core::precision::Precision;
use crate::kernels::conv::Geometry;

/// The attribute of the precision of both operands, with a comma behind it; nothing if nothing was said.
fn precision(of: Option<(Precision, Precision)>) -> String {
    let name = |precision| match precision {
        Precision::Default => "DEFAULT",
        Precision::High => "HIGH",
        Precision::Highest => "HIGHEST",
    };
    of.map_or(String::new(), |(left, right)| {
        let each = [left, right].map(|of| format!("#stablehlo<precision {}>", name(of)));
        format!("precision_config = {}", list(each))
    })
}

/// A contraction over any dimensions.
pub(super) fn dot_general<'b>(
    left: Value<'b>,
    right: Value<'b>,
    dimensions: &DotDimensions,
    of: Option<(Precision, Precision)>,
    out: &Type,
) -> Value<'b> {
    let body = left.body();
    if left.ty().size() == 0 || right.ty().size() == 0 {
        return body.splat(0, out);
    }
    let DotDimensions { contracting, batch } = dimensions;
    let mut fields = Vec::new();
    for (name, (left, right)) in [("batching", batch), ("contracting", contracting)] {
        for (side, dims) in [("lhs", left), ("rhs", right)] {
            if !dims.is_empty() {
                fields.push(format!("{side}_{name}_dimensions = {}", list(dims)));
            }
        }
    }
    let mut attributes = format!("dot_dimension_numbers = #stablehlo.dot<{}>", fields.join(", "));
    if of.is_some() {
        attributes = format!("{attributes}, {}", precision(of));
    }
    body.op("dot_general", &[left, right], &attributes, out.clone())
}

/// What the windows of a convolution are like, along each spatial dimension.
struct Windows<'a> {
    strides: &'a [usize],
    padding: Vec<(isize, isize)>,
    lhs_dilation: &'a [usize],
    rhs_dilation: &'a [usize],
    groups: usize,
    batch_groups: usize,
}

fn dilated(size: usize, dilation: usize) -> isize {
    if size == 0 { 0 } else { (size as isize - 1) * dilation as isize + 1 }
}

/// A convolution, or one of its two gradients, which are convolutions as well.
pub(super) fn convolution<'b>(
    a: Value<'b>,
    b: Value<'b>,
    gives: ConvOperand,
    geometry: &Geometry,
    of: Option<(Precision, Precision)>,
    out: &Type,
) -> Value<'b> {
    if a.ty().size() == 0 || b.ty().size() == 0 {
        return a.body().splat(0, out);
    }
    let g = geometry;
    let rank = g.kernel.len();
    let spatial: Vec<String> = (0..rank).map(|d| d.to_string()).collect();
    let layout = |front: &[&str], back: &[&str]| {
        let middle = spatial.iter().map(String::as_str);
        list(front.iter().copied().chain(middle).chain(back.iter().copied()))
    };
    let (channels_last, kernel_last) = (layout(&["b"], &["f"]), layout(&[], &["i", "o"]));
    let plain = |windows: &Windows<'_>, a, b, layouts: [&str; 3]| conv(a, b, layouts, windows, of, out);
    match gives {
        ConvOperand::Output => {
            let windows = Windows {
                strides: &g.strides,
                padding: g.padding.clone(),
                lhs_dilation: &g.lhs_dilation,
                rhs_dilation: &g.rhs_dilation,
                groups: g.groups,
                batch_groups: 1,
            };
            plain(&windows, a, b, [&channels_last, &kernel_last, &channels_last])
        }
        // The transposed convolution: strides and dilation of the input change places, the kernel is reversed, and its two axes of
        // channels change places within each group.
        ConvOperand::Input => {
            let axes: Vec<usize> = (0..rank).collect();
            let reversed = if rank == 0 { a } else { a.reverse(&axes) };
            let (inputs, outputs) = (g.cin / g.groups, g.cout / g.groups);
            let sizes = |back: &[usize]| [&g.kernel[..], back].concat();
            let kernel = reversed.reshape(sizes(&[inputs, g.groups, outputs]));
            let turned: Vec<usize> = (0..rank).chain([rank + 2, rank + 1, rank]).collect();
            let kernel = kernel.transpose(&turned).reshape(sizes(&[outputs, g.cin]));
            let windows = Windows {
                strides: &g.lhs_dilation,
                padding: g.reversed_padding(),
                lhs_dilation: &g.strides,
                rhs_dilation: &g.rhs_dilation,
                groups: g.groups,
                batch_groups: 1,
            };
            plain(&windows, b, kernel, [&channels_last, &kernel_last, &channels_last])
        }
        // Examples are what is summed over; strides and dilation of the kernel change places.
        ConvOperand::Kernel => {
            let padding = (0..rank).map(|d| {
                let low = g.padding[d].0;
                let reach = (g.kernel[d] as isize - 1) * g.rhs_dilation[d] as isize
                    + dilated(g.out_spatial[d], g.strides[d]);
                (low, reach - dilated(g.in_spatial[d], g.lhs_dilation[d]) - low)
            });
            let windows = Windows {
                strides: &g.rhs_dilation,
                padding: padding.collect(),
                lhs_dilation: &g.lhs_dilation,
                rhs_dilation: &g.strides,
                groups: 1,
                batch_groups: g.groups,
            };
            let layouts = [layout(&["f"], &["b"]), layout(&["i"], &["o"]), layout(&[], &["b", "f"])];
            plain(&windows, a, b, [&layouts[0], &layouts[1], &layouts[2]])
        }
    }
}

fn conv<'b>(
    a: Value<'b>,
    b: Value<'b>,
    [left, right, result]: [&str; 3],
    windows: &Windows<'_>,
    of: Option<(Precision, Precision)>,
    out: &Type,
) -> Value<'b> {
    let rank = windows.strides.len();
    let padding = windows.padding.iter().map(|&(low, high)| list([low, high]));
    let mut attributes = vec![
        format!("batch_group_count = {} : i64", windows.batch_groups),
        format!("dimension_numbers = #stablehlo.conv<{left}x{right}->{result}>"),
        format!("feature_group_count = {} : i64", windows.groups),
        format!("lhs_dilation = {}", array(windows.lhs_dilation)),
        format!("rhs_dilation = {}", array(windows.rhs_dilation)),
        format!("window_strides = {}", array(windows.strides)),
    ];
    if rank > 0 {
        attributes.push(format!("padding = dense<{}> : tensor<{rank}x2xi64>", list(padding)));
    }
    if of.is_some() {
        attributes.push(precision(of));
    }
    a.body().op("convolution", &[a, b], &attributes.join(", "), out.clone())
}
