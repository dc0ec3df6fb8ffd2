//! The operations of programs.

use flaxen::prelude::*;
use flaxen::random::{self, Choice, Key};
use flaxen::{ConvLayout, DotDimensions, PadMode, Side, Triangle, WindowOptions, WindowReduction};
use serde_json::Value as Json;

use super::elementwise::{binary, unary};
use super::{list, numbers};
use crate::jax;

/// An operation: its name, where its arguments are, and its settings.
#[derive(Clone, Copy)]
pub struct Node<'a>(pub(super) &'a Json);

impl<'a> Node<'a> {
    /// The operation's name.
    pub fn name(self) -> &'a str {
        self.text("op")
    }

    pub(super) fn arguments(self) -> Vec<usize> {
        numbers(&self.0["args"])
    }

    pub(super) fn dtype_name(self) -> Option<&'a str> {
        self.0["to"].as_str()
    }

    fn text(self, key: &str) -> &'a str {
        self.0[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {}", self.0))
    }

    fn dtype(self) -> DType {
        jax::dtype(self.text("to"))
    }

    fn size(self, key: &str) -> usize {
        self.integer(key) as usize
    }

    fn integer(self, key: &str) -> isize {
        self.0[key].as_i64().unwrap_or_else(|| panic!("no number `{key}` in {}", self.0)) as isize
    }

    fn number(self, key: &str) -> f64 {
        self.0[key].as_f64().unwrap_or_else(|| panic!("no number `{key}` in {}", self.0))
    }

    fn flag(self, key: &str) -> bool {
        self.0[key].as_bool().unwrap_or_else(|| panic!("no truth `{key}` in {}", self.0))
    }

    fn sizes(self, key: &str) -> Vec<usize> {
        numbers(&self.0[key])
    }

    fn pairs(self, key: &str) -> Vec<(isize, isize)> {
        list(&self.0[key]).iter().map(|pair| (integer(&pair[0]), integer(&pair[1]))).collect()
    }

    fn axes(self, key: &str) -> Vec<isize> {
        list(&self.0[key]).iter().map(integer).collect()
    }

    fn padding(self) -> Padding {
        match self.0["padding"].as_str() {
            Some("SAME") => Padding::Same,
            Some("VALID") => Padding::Valid,
            Some(other) => panic!("no padding is called {other}"),
            None => Padding::Explicit(self.pairs("padding")),
        }
    }

    /// What the operation makes of its arguments.
    ///
    /// # Errors
    /// If it refuses them.
    ///
    /// # Panics
    /// If there is no operation of the name, or it lacks a setting.
    pub fn run(self, a: &[Tensor]) -> Result<Tensor> {
        let name = self.name();
        if let Some(sampler) = name.strip_prefix("rng_") {
            return self.sample(sampler, a);
        }
        let elementwise = match a {
            [x] => unary(name, x),
            [x, y] => binary(name, x, y),
            _ => None,
        };
        if let Some(result) = elementwise {
            return result;
        }
        let x = &a[0];
        match name {
            "sum" | "prod" | "max" | "min" | "any" | "all" | "mean" | "var" | "std" | "logsumexp"
            | "count_nonzero" | "norm" | "argmax" | "argmin" => self.reduce(x),
            "cumsum" | "cumprod" | "cummax" | "cummin" | "cumlogsumexp" | "sort" | "argsort" | "top_k"
            | "searchsorted" => self.along_axis(a),
            "conv" | "reduce_window" | "pool" => self.window(a),
            "take"
            | "take_clip"
            | "take_along_axis"
            | "gather_nd"
            | "index_set"
            | "index_add"
            | "index_min"
            | "index_max"
            | "put_along_axis"
            | "dynamic_slice"
            | "dynamic_update_slice" => self.index(a),
            "matmul" | "dot" | "outer" | "tensordot" | "einsum" | "dot_general" | "cholesky" | "qr"
            | "triangular_solve" => self.contract(a),
            "concatenate" | "stack" | "split" | "pad" | "pad_interior" | "pad_mode" | "one_hot" | "tile"
            | "repeat" => self.join(a),
            "powi" => x.try_powi(self.integer("k") as i32),
            "leaky_relu" => x.try_leaky_relu(self.number("f")),
            "elu" => x.try_elu(self.number("f")),
            "celu" => x.try_celu(self.number("f")),
            "is_close" => x.try_is_close(&a[1], 0.1, 0.01),
            "mul_add" => x.try_mul_add(&a[1], &a[2]),
            "clamp" => x.try_clamp(&a[1], &a[2]),
            "select" => x.try_select(&a[1], &a[2]),
            "cast" => x.try_cast(self.dtype()),
            "bitcast" => x.try_bitcast(self.dtype()),
            "softmax" => x.try_softmax(self.integer("axis")),
            "log_softmax" => x.try_log_softmax(self.integer("axis")),
            "softmax_where" => x.try_softmax_where(self.integer("axis"), &a[1]),
            "standardize" => x.try_standardize(self.integer("axis"), 1e-5),
            "glu" => x.try_glu(self.integer("axis")),
            _ => self.reshape(x),
        }
    }

    fn reduce(self, x: &Tensor) -> Result<Tensor> {
        let keep = self.flag("keep");
        macro_rules! over {
            ($dropped:ident, $kept:ident $(, $more:expr)*) => {
                if keep { x.$kept(self.axes("axes") $(, $more)*) } else { x.$dropped(self.axes("axes") $(, $more)*) }
            };
        }
        match self.name() {
            "sum" => over!(try_sum_axes, try_sum_keep),
            "prod" => over!(try_prod_axes, try_prod_keep),
            "max" => over!(try_max_axes, try_max_keep),
            "min" => over!(try_min_axes, try_min_keep),
            "any" => over!(try_any_axes, try_any_keep),
            "all" => over!(try_all_axes, try_all_keep),
            "mean" => over!(try_mean_axes, try_mean_keep),
            "var" => over!(try_var_axes, try_var_keep, self.size("k")),
            "std" => over!(try_std_axes, try_std_keep, self.size("k")),
            "logsumexp" => over!(try_logsumexp_axes, try_logsumexp_keep),
            "count_nonzero" => over!(try_count_nonzero_axes, try_count_nonzero_keep),
            "norm" => {
                let order = match self.0["ord"].as_str() {
                    Some("inf") => f64::INFINITY,
                    Some(_) => f64::NEG_INFINITY,
                    None => self.number("f"),
                };
                over!(try_norm_axes, try_norm_keep, order)
            }
            "argmax" if keep => x.try_argmax_keep(self.integer("axis")),
            "argmax" => x.try_argmax(self.integer("axis")),
            "argmin" if keep => x.try_argmin_keep(self.integer("axis")),
            _ => x.try_argmin(self.integer("axis")),
        }
    }

    fn along_axis(self, a: &[Tensor]) -> Result<Tensor> {
        let (x, flag) = (&a[0], self.flag("keep"));
        let axis = || self.integer("axis");
        match (self.name(), flag) {
            ("cumsum", false) => x.try_cumsum(axis()),
            ("cumsum", true) => x.try_cumsum_reverse(axis()),
            ("cumprod", false) => x.try_cumprod(axis()),
            ("cumprod", true) => x.try_cumprod_reverse(axis()),
            ("cummax", false) => x.try_cummax(axis()),
            ("cummax", true) => x.try_cummax_reverse(axis()),
            ("cummin", false) => x.try_cummin(axis()),
            ("cummin", true) => x.try_cummin_reverse(axis()),
            ("cumlogsumexp", false) => x.try_cumlogsumexp(axis()),
            ("cumlogsumexp", true) => x.try_cumlogsumexp_reverse(axis()),
            ("sort", false) => x.try_sort(axis()),
            ("sort", true) => x.try_sort_descending(axis()),
            ("argsort", false) => x.try_argsort(axis()),
            ("argsort", true) => x.try_argsort_descending(axis()),
            ("searchsorted", false) => x.try_searchsorted(&a[1]),
            ("searchsorted", true) => x.try_searchsorted_right(&a[1]),
            (_, indices) => {
                let (values, at) = x.try_top_k(self.size("k"))?;
                Ok(if indices { at } else { values })
            }
        }
    }

    fn window(self, a: &[Tensor]) -> Result<Tensor> {
        let x = &a[0];
        match self.name() {
            "conv" => {
                let mut options = ConvOptions::new()
                    .strides(self.sizes("strides"))
                    .rhs_dilation(self.sizes("rhs_dilation"))
                    .lhs_dilation(self.sizes("lhs_dilation"))
                    .feature_groups(self.size("k"))
                    .padding(self.padding());
                if self.flag("keep") {
                    options = options.layout(ConvLayout::ChannelsFirst);
                }
                x.try_conv_general(&a[1], &options)
            }
            "reduce_window" => {
                let options = WindowOptions::new(self.sizes("window"))
                    .strides(self.sizes("strides"))
                    .base_dilation(self.sizes("base_dilation"))
                    .window_dilation(self.sizes("window_dilation"))
                    .padding(self.padding());
                let by = match self.text("kind") {
                    "sum" => WindowReduction::Sum,
                    "max" => WindowReduction::Max,
                    "min" => WindowReduction::Min,
                    _ => WindowReduction::Product,
                };
                x.try_reduce_window(&options, by)
            }
            _ => {
                let (window, strides, padding) =
                    (self.sizes("window"), self.sizes("strides"), self.padding());
                match self.text("kind") {
                    "avg" => {
                        let pool = avg_pool(x, window).strides(strides).padding(padding);
                        pool.count_include_pad(self.flag("keep")).run()
                    }
                    "max" => max_pool(x, window).strides(strides).padding(padding).run(),
                    _ => min_pool(x, window).strides(strides).padding(padding).run(),
                }
            }
        }
    }

    fn index(self, a: &[Tensor]) -> Result<Tensor> {
        let x = &a[0];
        let axis = || self.integer("axis");
        match self.name() {
            "take" => x.try_take(&a[1], axis()),
            "take_clip" => x.try_take_clip(&a[1], axis()),
            "take_along_axis" => x.try_take_along_axis(&a[1], axis()),
            "gather_nd" => x.try_gather_nd(&a[1]),
            "index_set" => x.try_index_set(axis(), &a[1], &a[2]),
            "index_add" => x.try_index_add(axis(), &a[1], &a[2]),
            "index_min" => x.try_index_min(axis(), &a[1], &a[2]),
            "index_max" => x.try_index_max(axis(), &a[1], &a[2]),
            "put_along_axis" => x.try_put_along_axis(&a[1], &a[2], axis()),
            "dynamic_slice" => x.try_dynamic_slice(&a[1..], self.sizes("sizes")),
            _ => x.try_dynamic_update_slice(&a[1], &a[2..]),
        }
    }

    fn contract(self, a: &[Tensor]) -> Result<Tensor> {
        let x = &a[0];
        match self.name() {
            "matmul" => x.try_matmul(&a[1]),
            "dot" => x.try_dot(&a[1]),
            "outer" => x.try_outer(&a[1]),
            "tensordot" => {
                let of = |i: usize| list(&self.0["pairs"][i]).iter().map(integer).collect::<Vec<_>>();
                x.try_tensordot(&a[1], &of(0), &of(1))
            }
            "einsum" => flaxen::try_einsum(self.text("spec"), &a.iter().collect::<Vec<_>>()),
            "dot_general" => {
                let of = |key: &str, i: usize| numbers(&self.0[key][i]).into_iter().collect();
                let contracting = (of("contract", 0), of("contract", 1));
                let batch = (of("batch", 0), of("batch", 1));
                x.try_dot_general(&a[1], DotDimensions { contracting, batch })
            }
            "cholesky" => x.try_cholesky(),
            "qr" => {
                let (q, r) = x.try_qr()?;
                Ok(if self.flag("keep") { r } else { q })
            }
            _ => {
                let side = if self.flag("left") { Side::Left } else { Side::Right };
                let (lower, transpose) = (self.flag("lower"), self.flag("trans"));
                let triangle = Triangle { lower, transpose, unit_diagonal: self.flag("unit") };
                x.try_triangular_solve(&a[1], side, triangle)
            }
        }
    }

    fn join(self, a: &[Tensor]) -> Result<Tensor> {
        let x = &a[0];
        let widths = || self.pairs("widths").into_iter().map(|(low, high)| (low as usize, high as usize));
        match self.name() {
            "concatenate" => Tensor::try_concatenate(a, self.integer("axis")),
            "stack" => Tensor::try_stack(a, self.integer("axis")),
            "split" => Ok(x.try_split(self.size("k"), self.integer("axis"))?.swap_remove(self.size("piece"))),
            "pad" => x.try_pad(widths().collect::<Vec<_>>(), &a[1]),
            "pad_interior" => {
                let of = |width: &Json| (integer(&width[0]), integer(&width[1]), integer(&width[2]) as usize);
                x.try_pad_interior(list(&self.0["widths"]).iter().map(of).collect::<Vec<_>>(), &a[1])
            }
            "pad_mode" => {
                let mode = match self.text("mode") {
                    "edge" => PadMode::Edge,
                    "reflect" => PadMode::Reflect,
                    "wrap" => PadMode::Wrap,
                    _ => PadMode::Constant,
                };
                x.try_pad_mode(widths().collect::<Vec<_>>(), mode)
            }
            "one_hot" => x.try_one_hot(self.size("k"), self.integer("axis"), self.dtype()),
            "tile" => x.try_tile(self.sizes("shape")),
            _ => x.try_repeat(self.size("k"), self.integer("axis")),
        }
    }

    fn reshape(self, x: &Tensor) -> Result<Tensor> {
        match self.name() {
            "slice" => x.try_slice(self.sizes("starts"), self.sizes("ends"), self.sizes("strides")),
            "slice_axis_step" => {
                let end = |key: &str| self.0[key].as_i64().map(|end| end as isize);
                x.try_slice_axis_step(self.integer("axis"), end("start")..end("end"), self.integer("k"))
            }
            "index_axis" => x.try_index_axis(self.integer("axis"), self.integer("k")),
            "flip" => x.try_flip(self.axes("axes")),
            "roll" => x.try_roll(self.integer("k"), self.integer("axis")),
            "reshape" => x.try_reshape(self.sizes("shape")),
            "flatten" => x.try_flatten(self.size("k")),
            "transpose" => x.try_transpose(self.axes("axes")),
            "swap_axes" => x.try_swap_axes(self.axes("axes")[0], self.axes("axes")[1]),
            "move_axis" => x.try_move_axis(self.axes("axes")[0], self.axes("axes")[1]),
            "broadcast_to" => x.try_broadcast_to(self.sizes("shape")),
            "expand_dims" => x.try_expand_dims(self.axes("axes")),
            "squeeze" => x.try_squeeze(self.axes("axes")),
            "tril" => x.try_tril(self.integer("k")),
            "triu" => x.try_triu(self.integer("k")),
            "diagonal" => x.try_diagonal(),
            "trace" => x.try_trace(),
            other => panic!("no operation is called {other}"),
        }
    }

    /// A sampler; its first argument is the key's data.
    fn sample(self, name: &str, a: &[Tensor]) -> Result<Tensor> {
        let key = Key::from_data(&a[0])?;
        let shape = self.sizes("shape");
        match name {
            "uniform" => random::try_uniform_of(&key, shape, self.dtype()),
            "uniform_in" => random::try_uniform_in(&key, shape, &a[1], &a[2]),
            "normal" => random::try_normal_of(&key, shape, self.dtype()),
            "truncated" => random::try_truncated_normal(&key, &a[1], &a[2], shape),
            "bernoulli" => random::try_bernoulli(&key, &a[1], shape),
            "randint" => random::try_randint_of(&key, shape, &a[1], &a[2], self.dtype()),
            "gumbel" => random::try_gumbel_of(&key, shape, self.dtype()),
            "exponential" => random::try_exponential_of(&key, shape, self.dtype()),
            "laplace" => random::try_laplace_of(&key, shape, self.dtype()),
            "logistic" => random::try_logistic_of(&key, shape, self.dtype()),
            "rademacher" => random::try_rademacher(&key, shape),
            "categorical" => random::try_categorical(&key, &a[1], self.integer("axis")),
            "categorical_of" => random::try_categorical_of(&key, &a[1], self.integer("axis"), shape),
            "permutation" => random::try_permutation(&key, self.size("k")),
            "permute" => random::try_permute(&key, &a[1], self.integer("axis")),
            "permute_ind" => random::try_permute_independently(&key, &a[1], self.integer("axis")),
            "bits" => random::try_bits(&key, shape, self.size("k") as u32),
            "choice" => {
                let mut choice = Choice::of(&a[1], self.integer("axis"));
                if self.flag("keep") {
                    choice = choice.without_replacement();
                }
                if let Some(weights) = a.get(2) {
                    choice = choice.weights(weights);
                }
                choice.try_sample(&key, shape)
            }
            "split" => Ok(key.try_split_n(self.size("k"))?.data().clone()),
            "fold" => Ok(key.try_fold_in(&a[1])?.data().clone()),
            other => panic!("no sampler is called {other}"),
        }
    }
}

fn integer(json: &Json) -> isize {
    json.as_i64().unwrap_or_else(|| panic!("{json} is no number")) as isize
}
