//! One match over [`Op`]; each result by a loop over its indices.

use std::cmp::Ordering;

use flaxen::core::op::{ConvOperand, CumulativeOp, Draw, GatherDimensions, Op, Outside, ScanOp, ScatterOp};
use flaxen::kernels::conv::Geometry;
use flaxen::kernels::recurrence::Factor;
use flaxen::kernels::reduce::Direction;
use flaxen::kernels::sort::{Bound, SortOrder};
use flaxen::kernels::window::{Reduction, Selection, WindowGeometry};
use flaxen::scalar::reduce::ReduceOp;
use flaxen::{Aval, DType, Error, Result};

use super::definitions::{self, cast, elementwise, unary};
use super::{Num, Value, evaluate, factorizations};

/// The row-major indices of a shape.
pub(super) fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    (0..shape.iter().product()).map(|flat: usize| unravel(flat, shape))
}

fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (at, &size) in index.iter_mut().zip(shape).rev() {
        (*at, flat) = (flat % size, flat / size);
    }
    index
}

fn ravel(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |flat, (&at, &size)| flat * size + at)
}

impl Value {
    fn at(&self, index: &[usize]) -> Num {
        self.data[ravel(index, &self.aval.shape)]
    }

    /// As if broadcast to a shape that has this index.
    fn broadcast(&self, index: &[usize]) -> Num {
        let own = &index[index.len() - self.aval.rank()..];
        let own: Vec<usize> =
            own.iter().zip(&self.aval.shape).map(|(&at, &size)| if size == 1 { 0 } else { at }).collect();
        self.at(&own)
    }

    fn last(&self) -> usize {
        self.aval.shape.last().copied().unwrap_or(1)
    }

    fn rows(&self) -> std::slice::Chunks<'_, Num> {
        self.data.chunks(self.last().max(1))
    }
}

fn with(index: &[usize], axis: usize, at: usize) -> Vec<usize> {
    let mut index = index.to_vec();
    index[axis] = at;
    index
}

fn each(out: &Aval, f: impl FnMut(Vec<usize>) -> Num) -> Vec<Vec<Num>> {
    vec![indices(&out.shape).map(f).collect()]
}

/// The results of an operation.
#[allow(clippy::too_many_lines)]
pub(super) fn apply(op: Op<'_>, args: &[Value], outs: &[Aval]) -> Result<Vec<Vec<Num>>> {
    if let Op::Callback(callback) = op {
        return callback.call(args.iter().map(Value::array).collect()).map(|()| Vec::new());
    }
    let out = &outs[0];
    let x = args.first();
    let x = || x.expect("an argument");
    Ok(match op {
        Op::Elementwise(op) => {
            let dtype = args[args.len() - 1].aval.dtype;
            each(out, |i| {
                elementwise(op, &args.iter().map(|arg| arg.broadcast(&i)).collect::<Vec<_>>(), dtype)
            })
        }
        Op::Cast => vec![x().data.iter().map(|&x| cast(x, out.dtype)).collect()],
        Op::Bitcast => vec![Value::of(&x().array().with_aval(out.clone())).data],
        Op::StopGradient | Op::Reshape => vec![x().data.clone()],
        Op::Barrier => args.iter().map(|arg| arg.data.clone()).collect(),
        Op::Full(value) => each(out, |_| Num::of(value, out.dtype)),
        Op::Iota { axis } => each(out, |i| Num::of(i[axis] as f64, out.dtype)),
        Op::Transpose { axes } => each(out, |i| {
            let mut from = vec![0; i.len()];
            axes.iter().zip(&i).for_each(|(&axis, &at)| from[axis] = at);
            x().at(&from)
        }),
        Op::BroadcastTo => each(out, |i| x().broadcast(&i)),
        Op::Slice { starts, strides } => each(out, |i| {
            x().at(&(0..i.len()).map(|axis| starts[axis] + i[axis] * strides[axis]).collect::<Vec<_>>())
        }),
        Op::Rev { axes } => each(out, |mut i| {
            axes.iter().for_each(|&axis| i[axis] = out.shape[axis] - 1 - i[axis]);
            x().at(&i)
        }),
        Op::Pad(around) => each(out, |i| {
            let from = i.iter().zip(around).zip(&x().aval.shape);
            let from = from.map(|((&at, &(low, _, between)), &size)| {
                let (at, step) = (at as isize - low, between as isize + 1);
                (at >= 0 && at % step == 0).then_some((at / step) as usize).filter(|&at| at < size)
            });
            from.collect::<Option<Vec<_>>>().map_or(args[1].data[0], |from| x().at(&from))
        }),
        Op::Concatenate { axis } => each(out, |i| {
            let mut start = 0;
            for part in args {
                let size = part.aval.shape[axis];
                if i[axis] < start + size {
                    return part.at(&with(&i, axis, i[axis] - start));
                }
                start += size;
            }
            unreachable!("the parts make up the axis")
        }),
        Op::Split { axis, .. } => {
            let mut start = 0;
            let part = |out: &Aval| {
                let first = start;
                start += out.shape[axis];
                indices(&out.shape).map(|i| x().at(&with(&i, axis, first + i[axis]))).collect()
            };
            outs.iter().map(part).collect()
        }
        Op::Shift { axis, direction, fill } => each(out, |i| {
            let from = match direction {
                Direction::Forward => i[axis].checked_sub(1),
                Direction::Reverse => Some(i[axis] + 1).filter(|&at| at < out.shape[axis]),
            };
            from.map_or(Num::of(fill, out.dtype), |at| x().at(&with(&i, axis, at)))
        }),
        Op::DynamicSlice { sizes } => {
            let starts = starts(&x().aval.shape, sizes, &args[1..]);
            each(out, |i| x().at(&i.iter().zip(&starts).map(|(at, start)| at + start).collect::<Vec<_>>()))
        }
        Op::DynamicUpdateSlice => {
            let part = &args[1];
            let starts = starts(&out.shape, &part.aval.shape, &args[2..]);
            each(out, |i| {
                let inside = i.iter().zip(&starts).zip(&part.aval.shape);
                let inside =
                    inside.map(|((&at, &start), &size)| at.checked_sub(start).filter(|&at| at < size));
                inside.collect::<Option<Vec<_>>>().map_or(x().at(&i), |inside| part.at(&inside))
            })
        }
        Op::Gather(dimensions) => {
            let outside = match out.dtype {
                _ if dimensions.outside != Outside::Invalid => Num::of(0.0, out.dtype),
                DType::Bool => Num::Int(1),
                dtype if dtype.is_unsigned() => Num::of(f64::INFINITY, dtype),
                dtype if dtype.is_integer() => Num::of(f64::NEG_INFINITY, dtype),
                _ => Num::Float(f64::NAN),
            };
            each(out, |i| element(dimensions, x(), &args[1], &i).map_or(outside, |from| x().at(&from)))
        }
        Op::Scatter { op, dimensions, .. } => {
            let mut data = x().data.clone();
            for i in indices(&args[2].aval.shape) {
                let Some(to) = element(dimensions, x(), &args[1], &i) else { continue };
                let (to, update) = (&mut data[ravel(&to, &out.shape)], args[2].at(&i));
                *to = match op {
                    ScatterOp::Set => update,
                    ScatterOp::Add if out.dtype == DType::Bool => to.max(update),
                    ScatterOp::Add => to.add(update),
                    ScatterOp::Mul => to.mul(update),
                    ScatterOp::Min => to.min(update),
                    ScatterOp::Max => to.max(update),
                };
            }
            vec![data]
        }
        Op::TakeRows => each(out, |i| {
            let (_, row) = i.split_last().expect("an axis");
            x().at(&[row, &[args[1].at(&i).int() as usize]].concat())
        }),
        Op::PutRows { size } => {
            let mut data = vec![Num::of(0.0, out.dtype); out.size()];
            for (row, (x, at)) in x().rows().zip(args[1].rows()).enumerate() {
                x.iter().zip(at).for_each(|(&x, at)| data[row * size + at.int() as usize] = x);
            }
            vec![data]
        }
        Op::Reduce(op, axes) => {
            let (first, f): (f64, fn(Num, Num) -> Num) = match op {
                ReduceOp::Sum => (0.0, Num::add),
                ReduceOp::Prod => (1.0, Num::mul),
                ReduceOp::Max => (f64::NEG_INFINITY, Num::max),
                ReduceOp::Min => (f64::INFINITY, Num::min),
            };
            reduce(x(), out, axes, Num::of(first, out.dtype), f)
        }
        Op::Any(axes) => reduce(x(), out, axes, Num::Int(0), Num::max),
        Op::All(axes) => reduce(x(), out, axes, Num::Int(1), Num::min),
        Op::ArgReduce { largest, axis } => each(out, |mut i| {
            i.insert(axis, 0);
            let at = |j: usize| x().at(&with(&i, axis, j)).float();
            let better = |a: f64, b: f64| (a.is_nan() && !b.is_nan()) || if largest { a > b } else { a < b };
            let best =
                (1..x().aval.shape[axis]).fold(0, |best, j| if better(at(j), at(best)) { j } else { best });
            Num::Int(best as i64)
        }),
        Op::Cumulative { op, axis, direction } => each(out, |i| {
            let until = match direction {
                Direction::Forward => 0..=i[axis],
                Direction::Reverse => i[axis]..=out.shape[axis] - 1,
            };
            let values = until.map(|at| x().at(&with(&i, axis, at)));
            let all = match op {
                CumulativeOp::Sum => values.reduce(Num::add),
                CumulativeOp::Prod => values.reduce(Num::mul),
                CumulativeOp::Max => values.reduce(Num::max),
                CumulativeOp::Min => values.reduce(Num::min),
                CumulativeOp::LogSumExp => {
                    let add = |x, y| elementwise(flaxen::scalar::op::ScalarOp::LogAddExp, &[x, y], out.dtype);
                    values.reduce(add)
                }
            };
            all.expect("a value")
        }),
        Op::Recurrence { axis, direction, factor } => {
            let mut states = args[1].data.clone();
            let size = out.shape[axis];
            for i in indices(&with(&out.shape, axis, 1)) {
                for step in 1..size {
                    let at = |step: usize| {
                        let step = if direction == Direction::Forward { step } else { size - 1 - step };
                        ravel(&with(&i, axis, step), &out.shape)
                    };
                    let factor = x().data[at(if factor == Factor::Own { step } else { step - 1 })];
                    states[at(step)] = factor.mul(states[at(step - 1)]).add(states[at(step)]);
                }
            }
            vec![states]
        }
        Op::ReduceWindow(op, window) => {
            let (first, f): (f64, fn(Num, Num) -> Num) = match op {
                Reduction::Sum => (0.0, Num::add),
                Reduction::Product => (1.0, Num::mul),
                Reduction::Max => (f64::NEG_INFINITY, Num::max),
                Reduction::Min => (f64::INFINITY, Num::min),
            };
            let first = Num::of(first, out.dtype);
            each(out, |i| taps(window, &i).flatten().map(|at| x().data[at]).fold(first, f))
        }
        Op::WindowSumTranspose(window) => {
            let mut sums = vec![Num::of(0.0, out.dtype); out.size()];
            for i in indices(&x().aval.shape) {
                taps(window, &i).flatten().for_each(|at| sums[at] = sums[at].add(x().at(&i)));
            }
            vec![sums]
        }
        Op::SelectAndScatterAdd(selection, window) => {
            let mut sums = vec![Num::of(0.0, out.dtype); out.size()];
            for i in indices(&args[1].aval.shape) {
                if let Some(at) = selected(selection, window, x(), &i) {
                    sums[at] = sums[at].add(args[1].at(&i));
                }
            }
            vec![sums]
        }
        Op::SelectAndGather(selection, window) => each(out, |i| {
            let at = selected(selection, window, x(), &i);
            at.map_or(Num::of(0.0, out.dtype), |at| args[1].data[at])
        }),
        Op::DotGeneral { dimensions, .. } => {
            let (lhs, rhs) = (x(), &args[1]);
            let ((lc, rc), (lb, rb)) = (&dimensions.contracting, &dimensions.batch);
            let free = |rank: usize, c: &[usize], b: &[usize]| -> Vec<usize> {
                (0..rank).filter(|axis| !c.contains(axis) && !b.contains(axis)).collect()
            };
            let (lf, rf) = (free(lhs.aval.rank(), lc, lb), free(rhs.aval.rank(), rc, rb));
            let summed: Vec<usize> = lc.iter().map(|&axis| lhs.aval.shape[axis]).collect();
            each(out, |i| {
                let (batch, rest) = i.split_at(lb.len());
                let (left, right) = rest.split_at(lf.len());
                let operand = |x: &Value, axes: [(&[usize], &[usize]); 3]| {
                    let mut at = vec![0; x.aval.rank()];
                    for (axes, index) in axes {
                        axes.iter().zip(index).for_each(|(&axis, &i)| at[axis] = i);
                    }
                    x.at(&at)
                };
                let products = indices(&summed).map(|k| {
                    operand(lhs, [(lb, batch), (&lf, left), (lc, &k)])
                        .mul(operand(rhs, [(rb, batch), (&rf, right), (rc, &k)]))
                });
                products.fold(Num::of(0.0, out.dtype), Num::add)
            })
        }
        Op::Pick { axes } => each(out, |mut i| {
            axes.iter().for_each(|(axis, places)| i[*axis] = places[i[*axis]]);
            x().at(&i)
        }),
        Op::Banded { axis, bands } => each(out, |i| {
            let (start, weights) = bands.row(i[axis]);
            let mut at = i.clone();
            (start..).zip(weights).fold(Num::of(0.0, out.dtype), |sum, (column, &weight)| {
                at[axis] = column;
                sum.add(x().at(&at).mul(Num::of(weight, out.dtype)))
            })
        }),
        Op::Conv { gives, geometry, .. } => vec![convolution(gives, geometry, args, out)],
        Op::Sort(order) => vec![x().rows().flat_map(|row| sorted(row, order, false).0).collect()],
        Op::ArgSort(order) => vec![x().rows().flat_map(|row| sorted(row, order, true).1).collect()],
        Op::SortPairs(order) => {
            let rows = || x().rows().map(|row| sorted(row, order, true));
            vec![rows().flat_map(|row| row.0).collect(), rows().flat_map(|row| row.1).collect()]
        }
        Op::TopK(count) => {
            let rows = || x().rows().map(|row| sorted(row, SortOrder::Descending, true));
            vec![
                rows().flat_map(|row| row.0.into_iter().take(count)).collect(),
                rows().flat_map(|row| row.1.into_iter().take(count)).collect(),
            ]
        }
        Op::SearchSorted(bound) => {
            let (row, lead) = (x().last(), x().aval.rank() - 1);
            let per_row: usize = args[1].aval.shape[lead..].iter().product();
            let before = |x: &Num, query: &Num| match bound {
                Bound::Left => order_of(x, query) == Ordering::Less,
                Bound::Right => order_of(x, query) != Ordering::Greater,
            };
            let count =
                |row: &[Num], query: &Num| Num::Int(row.iter().filter(|x| before(x, query)).count() as i64);
            let found = |(at, query): (usize, &Num)| count(&x().data[at / per_row * row..][..row], query);
            vec![args[1].data.iter().enumerate().map(found).collect()]
        }
        Op::Fft { kind, size, scale } => {
            let rows = x().rows().map(|row| super::complex::fourier(row, kind, size, scale));
            vec![rows.flatten().collect()]
        }
        Op::Cholesky => vec![definitions::cholesky(x())],
        Op::Qr(_) => definitions::qr(x(), outs),
        Op::Lu => factorizations::lu(x()),
        Op::Eigh { .. } => factorizations::eigh(x(), outs),
        Op::Svd { full, .. } => factorizations::svd(x(), outs, full),
        Op::TriangularSolve { side, triangle } => {
            vec![definitions::triangular_solve(x(), &args[1], side, triangle)]
        }
        Op::RandomBits { draw, shape } => {
            vec![definitions::draw(&x().data, shape.iter().product(), |block| match draw {
                Draw::Bits(width) => definitions::random_bits(block, width),
                Draw::Unit(dtype) => definitions::unit(block, dtype),
            })]
        }
        Op::RandomSplit(count) => vec![definitions::split(&x().data, count)],
        Op::RandomFoldIn => vec![definitions::fold_in(&x().data, &args[1].data)],
        Op::RandomGamma { log_space } => vec![definitions::gamma(&x().data, &args[1], log_space)],
        Op::RandomBelow => {
            each(out, |i| definitions::below(std::array::from_fn(|k| args[k].broadcast(&i)), out.dtype))
        }
        Op::RandomOrder { shape, axis } => vec![definitions::order(&x().data, shape, axis)],
        Op::RoundedAsXla(op) => vec![x().data.iter().map(|&x| unary(op, x)).collect()],
        Op::NextAfter { up } => {
            vec![x().data.iter().map(|&x| next_after(x.float(), up, out.dtype)).collect()]
        }
        Op::Scan(scan) => loop_over_slices(scan, args, outs)?,
        Op::While(lasting) => {
            let (of_cond, rest) = args.split_at(lasting.cond_consts);
            let (of_body, carry) = rest.split_at(lasting.body_consts);
            let mut carry = carry.to_vec();
            while evaluate(lasting.cond, [of_cond, &carry].concat())?[0].data[0].int() != 0 {
                carry = evaluate(lasting.body, [of_body, &carry].concat())?;
            }
            carry.into_iter().map(|value| value.data).collect()
        }
        Op::Cond(branches) => {
            let chosen = args[0].data[0].int().clamp(0, branches.len() as i64 - 1) as usize;
            evaluate(&branches[chosen], args[1..].to_vec())?.into_iter().map(|value| value.data).collect()
        }
        Op::Call(graph) => evaluate(graph, args.to_vec())?.into_iter().map(|value| value.data).collect(),
        other => return Err(Error::msg(format!("the naive backend does not know {other:?}"))),
    })
}

fn loop_over_slices(scan: ScanOp<'_>, args: &[Value], outs: &[Aval]) -> Result<Vec<Vec<Num>>> {
    let ScanOp { body, consts, carry, length, reverse } = scan;
    let (fixed, xs) = args.split_at(consts + carry);
    let (fixed, mut state) = (&fixed[..consts], fixed[consts..].to_vec());
    let mut ys: Vec<Vec<Num>> = outs[carry..].iter().map(|out| vec![Num::Int(0); out.size()]).collect();
    for step in 0..length {
        let at = if reverse { length - 1 - step } else { step };
        let slices = xs.iter().map(|x| {
            let aval = x.aval.with_shape(&x.aval.shape[1..]);
            Value { data: x.data[at * aval.size()..][..aval.size()].to_vec(), aval }
        });
        let made = evaluate(body, fixed.iter().cloned().chain(state).chain(slices).collect())?;
        for (y, slice) in ys.iter_mut().zip(&made[carry..]) {
            y[at * slice.data.len()..][..slice.data.len()].copy_from_slice(&slice.data);
        }
        state = made[..carry].to_vec();
    }
    Ok(state.into_iter().map(|value| value.data).chain(ys).collect())
}

fn starts(shape: &[usize], sizes: &[usize], starts: &[Value]) -> Vec<usize> {
    let start = |(axis, start): (usize, &Value)| {
        let (start, size) = (start.data[0].int(), shape[axis] as i64);
        let start = if start < 0 { start + size } else { start };
        start.clamp(0, size - sizes[axis] as i64) as usize
    };
    starts.iter().enumerate().map(start).collect()
}

/// The element of the operand that an element of the values is, or comes from; none if its window is outside.
fn element(d: &GatherDimensions, operand: &Value, table: &Value, index: &[usize]) -> Option<Vec<usize>> {
    let along_indices: Vec<usize> =
        (0..index.len()).filter(|axis| !d.offset_dims.contains(axis)).map(|axis| index[axis]).collect();
    let mut window = d.offset_dims.iter().map(|&axis| index[axis]);
    let mut at: Vec<usize> = (0..operand.aval.rank())
        .map(|axis| match d.operand_batching_dims.iter().position(|&batching| batching == axis) {
            Some(pair) => along_indices[d.start_indices_batching_dims[pair]],
            None if d.collapsed_slice_dims.contains(&axis) => 0,
            None => window.next().expect("an axis of the window"),
        })
        .collect();
    for (k, &axis) in d.start_index_map.iter().enumerate() {
        let start = table.at(&[&along_indices[..], &[k]].concat()).int();
        let size = operand.aval.shape[axis] as i64;
        let start = if d.wrap && start < 0 { start + size } else { start };
        let last = size - d.slice_sizes[axis] as i64;
        let start = if d.outside == Outside::Clip { start.clamp(0, last) } else { start };
        at[axis] += usize::try_from(start).ok().filter(|&start| start as i64 <= last)?;
    }
    Some(at)
}

fn reduce(x: &Value, out: &Aval, axes: &[usize], first: Num, f: fn(Num, Num) -> Num) -> Vec<Vec<Num>> {
    let mut all = vec![first; out.size()];
    for i in indices(&x.aval.shape) {
        let kept: Vec<usize> = (0..i.len()).filter(|axis| !axes.contains(axis)).map(|axis| i[axis]).collect();
        let to = &mut all[ravel(&kept, &out.shape)];
        *to = f(*to, x.at(&i));
    }
    vec![all]
}

/// The positions of a window in its array, none where it reaches into the padding.
fn taps<'a>(w: &'a WindowGeometry, window: &'a [usize]) -> impl Iterator<Item = Option<usize>> + 'a {
    indices(&w.window).map(move |tap| {
        let axis = |d: usize| {
            let at = (window[d] * w.strides[d] + tap[d] * w.window_dilation[d]) as isize - w.padding[d].0;
            let base = w.base_dilation[d] as isize;
            let at = (at >= 0 && at % base == 0).then_some((at / base) as usize);
            at.filter(|&at| at < w.shape[d])
        };
        (0..tap.len()).map(axis).collect::<Option<Vec<_>>>().map(|at| ravel(&at, &w.shape))
    })
}

/// The element of a window that is selected; one that is not at least as good as the next gives way to it.
fn selected(selection: Selection, w: &WindowGeometry, x: &Value, window: &[usize]) -> Option<usize> {
    let padding = match selection {
        Selection::Max => f64::NEG_INFINITY,
        Selection::Min => f64::INFINITY,
    };
    let value = |at: Option<usize>| at.map_or(Num::of(padding, x.aval.dtype), |at| x.data[at]).float();
    let keeps = |a: f64, b: f64| if selection == Selection::Max { a >= b } else { a <= b };
    taps(w, window).reduce(|a, b| if keeps(value(a), value(b)) { a } else { b }).flatten()
}

/// The trilinear form of a convolution, of which one operand is missing.
fn convolution(gives: ConvOperand, g: &Geometry, args: &[Value], out: &Aval) -> Vec<Num> {
    let (inputs, outputs) = (g.cin / g.groups, g.cout / g.groups);
    let mut sums = vec![Num::of(0.0, out.dtype); out.size()];
    let channels = [g.groups, inputs, outputs];
    for n in 0..g.batch {
        for (o, k) in indices(&g.out_spatial).flat_map(|o| indices(&g.kernel).map(move |k| (o.clone(), k))) {
            let axis = |d: usize| {
                let at = (o[d] * g.strides[d] + k[d] * g.rhs_dilation[d]) as isize - g.padding[d].0;
                let step = g.lhs_dilation[d] as isize;
                (at >= 0 && at % step == 0).then_some((at / step) as usize).filter(|&at| at < g.in_spatial[d])
            };
            let Some(i) = (0..o.len()).map(axis).collect::<Option<Vec<_>>>() else { continue };
            for c in indices(&channels) {
                let (group, ci, co) = (c[0], c[1], c[0] * outputs + c[2]);
                let spot = |spatial: &[usize], sizes: &[usize]| ravel(spatial, sizes);
                let volume = |sizes: &[usize]| sizes.iter().product::<usize>();
                let input =
                    (n * volume(&g.in_spatial) + spot(&i, &g.in_spatial)) * g.cin + group * inputs + ci;
                let kernel = (spot(&k, &g.kernel) * inputs + ci) * g.cout + co;
                let output = (n * volume(&g.out_spatial) + spot(&o, &g.out_spatial)) * g.cout + co;
                let (a, b, to) = match gives {
                    ConvOperand::Input => (kernel, output, input),
                    ConvOperand::Kernel => (input, output, kernel),
                    ConvOperand::Output => (input, kernel, output),
                };
                sums[to] = sums[to].add(args[0].data[a].mul(args[1].data[b]));
            }
        }
    }
    sums
}

/// NaN is greater than all numbers, and zeros are equal.
fn order_of(x: &Num, y: &Num) -> Ordering {
    match (x, y) {
        (Num::Int(x), Num::Int(y)) => x.cmp(y),
        (x, y) => {
            let (x, y) = (x.float(), y.float());
            x.partial_cmp(&y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan()))
        }
    }
}

/// A row in order, and where each element was; of equal ones the first stays first, or without positions, ends last.
fn sorted(row: &[Num], order: SortOrder, positions: bool) -> (Vec<Num>, Vec<Num>) {
    let mut at: Vec<usize> = (0..row.len()).collect();
    match order {
        SortOrder::Ascending => at.sort_by(|&i, &j| order_of(&row[i], &row[j])),
        SortOrder::Descending if positions => at.sort_by(|&i, &j| order_of(&row[j], &row[i])),
        SortOrder::Descending => {
            at.sort_by(|&i, &j| order_of(&row[i], &row[j]));
            at.reverse();
        }
    }
    (at.iter().map(|&i| row[i]).collect(), at.iter().map(|&i| Num::Int(i as i64)).collect())
}

fn next_after(x: f64, up: bool, dtype: DType) -> Num {
    let x = if up { x } else { -x };
    let above = match dtype {
        DType::F64 => x.next_up(),
        DType::F32 => (x as f32).next_up().into(),
        // A bit pattern of 16 bits: the numbers of a sign are in the order of their patterns.
        _ => {
            let (bits, of): (u16, fn(u16) -> f64) = match dtype {
                DType::F16 => (half::f16::from_f64(x).to_bits(), |bits| half::f16::from_bits(bits).into()),
                _ => (half::bf16::from_f64(x).to_bits(), |bits| half::bf16::from_bits(bits).into()),
            };
            match bits & 0x7fff {
                _ if x.is_nan() || x == f64::INFINITY => x,
                0 => of(1),
                magnitude if magnitude == bits => of(bits + 1),
                _ => of(bits - 1),
            }
        }
    };
    Num::Float(if up { above } else { -above })
}
