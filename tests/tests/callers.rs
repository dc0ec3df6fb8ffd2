//! What panics names the line that called it, and so does a profile; within a model, a panic names the module.

// Tables of calls are about the calls, not what comes of them.
#![allow(clippy::eq_op)]

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use flaxen::prelude::*;
use flaxen::{DotDimensions, PadMode, Side, Triangle};

type Case = (&'static str, Box<dyn Fn(&Tensor) -> Tensor>);

const LOWER: Triangle = Triangle { lower: true, transpose: false, unit_diagonal: false };

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
    /// The last panic on a thread that asks for it: file, line and text.
    static PANIC: RefCell<Option<(String, u32, String)>> = const { RefCell::new(None) };
}

/// File, line and text of the panic in `f`.
fn panic_of(f: impl FnOnce()) -> Option<(String, u32, String)> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |info| {
            if !ASKED.get() {
                return others(info);
            }
            let location = info.location().unwrap();
            let text = info.payload().downcast_ref::<String>().cloned().unwrap_or_default();
            PANIC.set(Some((location.file().to_owned(), location.line(), text)));
        }));
    });
    PANIC.set(None);
    ASKED.set(true);
    let _ = catch_unwind(AssertUnwindSafe(f));
    ASKED.set(false);
    PANIC.take()
}

macro_rules! cases {
    ($then:ident: |$x:ident| $($call:expr;)*) => {
        vec![$((stringify!($call), Box::new(|$x: &Tensor| $then($x, $call)) as Box<dyn Fn(&Tensor) -> Tensor>)),*]
    };
}

/// A tensor of what an operation returns, so that it is not left out of a program.
fn first(_: &Tensor, outputs: impl Outputs) -> Tensor {
    outputs.first()
}

fn nothing<T>(x: &Tensor, _: T) -> Tensor {
    x.clone()
}

trait Outputs {
    fn first(self) -> Tensor;
}

impl Outputs for Tensor {
    fn first(self) -> Tensor {
        self
    }
}

impl Outputs for Vec<Tensor> {
    fn first(self) -> Tensor {
        self.into_iter().next().unwrap()
    }
}

impl Outputs for (Tensor, Tensor) {
    fn first(self) -> Tensor {
        self.0
    }
}

/// A value of a transform that has returned, which nothing takes.
fn leaked() -> Tensor {
    let leak = RefCell::new(Tensor::zeros([]));
    let _ = vmap(|x: Tensor| {
        leak.replace(x.clone());
        Ok(x)
    })
    .call(Tensor::ones([3, 4, 4]));
    leak.into_inner()
}

fn assert_all_panic_here(cases: &[Case], x: &Tensor) {
    let mut wrong = Vec::new();
    for (call, f) in cases {
        match panic_of(|| drop(f(x))) {
            Some((file, ..)) if file == file!() => {}
            Some((file, line, text)) => wrong.push(format!("{call}: {file}:{line}: {text}")),
            None => wrong.push(format!("{call} does not panic")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What works on a square matrix of numbers between 0 and 1.
fn operations() -> Vec<Case> {
    cases! {
        first: |x|
        x + x; x.clone() + x; x + x.clone(); x.clone() + x.clone();
        x - x; x * x; x / x; x % x; x + 1.0; x.clone() - 1.0; 1.0 * x; 2.0 / x.clone(); x % 2; 3 % x;
        { let mut y = x.clone(); y += x; y }; { let mut y = x.clone(); y -= x.clone(); y };
        { let mut y = x.clone(); y *= 2.0; y }; { let mut y = x.clone(); y /= 2; y };
        { let mut y = x.clone(); y %= x; y };
        -x; -x.clone(); !x.gt(0.0); !&x.gt(0.0); x.lt(1) & x.gt(0); x.lt(1) | x.gt(0); x.lt(1) ^ x.gt(0);
        x.add(x); x.sub(1.0); x.mul(2); x.div(x); x.fmod(2.0); x.remainder(2.0); x.floor_divide(2.0);
        x.pow(2.0); x.powi(3); x.square(); x.reciprocal(); x.maximum(0.5); x.minimum(x); x.atan2(x); x.hypot(x);
        x.logaddexp(x); x.mul_add(x, x); x.is_close(x, 0.1, 0.1); x.next_up(); x.next_down();
        x.eq(x); x.ne(1.0); x.lt(x); x.le(1.0); x.gt(x); x.ge(1.0);
        x.exp(); x.exp2(); x.expm1(); x.log(); x.log2(); x.log10(); x.log1p(); x.sqrt(); x.rsqrt(); x.cbrt();
        x.sin(); x.cos(); x.tan(); x.asin(); x.acos(); x.atan(); x.sinh(); x.cosh(); x.tanh(); x.asinh();
        x.acosh(); x.atanh(); x.logistic(); x.sigmoid(); x.erf(); x.erfc(); x.erf_inv(); x.lgamma(); x.digamma();
        x.trigamma(); x.floor(); x.ceil(); x.round(); x.trunc(); x.neg(); x.gt(0.0).logical_not(); x.sign();
        x.abs(); x.is_finite(); x.is_nan(); x.is_inf();
        x.relu(); x.relu6(); x.log_sigmoid(); x.softplus(); x.soft_sign(); x.silu(); x.swish();
        x.leaky_relu(0.1); x.hard_sigmoid(); x.hard_silu(); x.hard_swish(); x.hard_tanh(); x.elu(1.0); x.celu(1.0);
        x.selu(); x.gelu(); x.gelu_exact(); x.softmax(-1); x.softmax_where(-1, x.gt(0.0)); x.log_softmax(-1);
        x.standardize(-1, 1e-5); x.glu(0);
        x.sum(); x.sum_axes(0); x.sum_keep(0); x.prod(); x.prod_axes(0); x.prod_keep(0); x.max(); x.max_axes(0);
        x.max_keep(0); x.min(); x.min_axes(0); x.min_keep(0); x.gt(0.0).any(); x.gt(0.0).any_axes(0);
        x.gt(0.0).any_keep(0); x.gt(0.0).all(); x.gt(0.0).all_axes(0); x.gt(0.0).all_keep(0);
        x.mean(); x.mean_axes(0); x.mean_keep(0); x.var(); x.var_axes(0, 0); x.var_keep(0, 0); x.std();
        x.std_axes(0, 0); x.std_keep(0, 0); x.logsumexp(); x.logsumexp_axes(0); x.logsumexp_keep(0);
        x.count_nonzero(); x.count_nonzero_axes(0); x.count_nonzero_keep(0); x.norm(); x.norm_axes(0, 2.0);
        x.norm_keep(0, 2.0); x.argmax(0); x.argmax_keep(0); x.argmin(0); x.argmin_keep(0);
        x.sort(0); x.sort_descending(0); x.argsort(0); x.argsort_descending(0); x.top_k(2);
        x.cast(DType::F16); x.bitcast(DType::I32); x.stop_gradient(); x.reshape([16]); x.reshape([-1]);
        x.transpose([1, 0]); x.t(); x.swap_axes(0, 1); x.move_axis(0, 1); x.broadcast_to([2, 4, 4]); x.expand_dims([0]);
        x.flatten(0); x.slice([0, 0], [2, 2], [1, 1]); x.slice_axis(0, 0..2); x.index_axis(0, 1); x.flip([0]); x.roll(1, 0);
        x.tile([2, 1]); x.repeat(2, 0); x.tril(0); x.triu(0); x.take(Tensor::from([0, 1]), 0);
        x.gt(0.0).select(x, 0.0); x.clamp(0.0, 1.0);
        x.matmul(&x.t()); x.dot(&x.t()); x.outer(x); x.diagonal(); x.trace(); x.tensordot(x, &[0], &[0]); einsum("ij->ji", &[x]);
        Tensor::concatenate(&[x.clone(), x.clone()], 0); Tensor::stack(&[x.clone(), x.clone()], 0); x.split(2, 0);
        x.unstack(0); x.split_at([1], 0); x.pad([(1, 1), (0, 0)], 0.0); x.pad_mode([(1, 1), (0, 0)], PadMode::Reflect);
        x.pad_interior([(1, 1, 1), (0, 0, 0)], 0.0); x.get(1); x.take_clip(Tensor::from([0, 1]), 0);
        x.take_along_axis(Tensor::from([[0, 1, 2, 3]]), 0); x.gather_nd(Tensor::from([[0, 1]]));
        x.put_along_axis(Tensor::from([[0, 1, 2, 3]]), 0.0, 0); x.index_add(0, Tensor::from([0]), 1.0);
        x.index_set(0, Tensor::from([0]), 1.0); x.index_min(0, Tensor::from([0]), 1.0);
        x.index_max(0, Tensor::from([0]), 1.0); x.max_axes(0).searchsorted(x); x.max_axes(0).searchsorted_right(x);
        x.dynamic_slice([Tensor::from(0), Tensor::from(0)], [1, 1]); x.dynamic_slice_axis(0, 0, 1);
        x.dynamic_update_slice(Tensor::ones([1, 1]), [Tensor::from(0), Tensor::from(0)]);
        x.dynamic_update_axis(0, 0, Tensor::ones([1, 4])); x.cast(DType::I32).one_hot(3);
        x.dot_general(x, DotDimensions::default()); (x + Tensor::eye(4)).cholesky(); x.qr(); x.qr_full();
        Tensor::eye(4).triangular_solve(x, Side::Left, LOWER); x.cumsum(0); x.cumprod(0); x.cummax(0);
        x.cummin(0); x.cumlogsumexp(0);
        x.cumsum_reverse(0); x.cumprod_reverse(0); x.cummax_reverse(0); x.cummin_reverse(0);
        losses::squared_error(x, x); losses::cosine_similarity(x, x, 1e-6); losses::huber_loss(x, x, 1.0);
        losses::sigmoid_binary_cross_entropy(x, x); softmax_cross_entropy(x, x); losses::log_cosh(x, x);
        losses::hinge_loss(x, x); losses::kl_divergence(x, x); losses::perceptron_loss(x, x);
        losses::smooth_labels(x, 0.1); losses::softmax_cross_entropy_over(x, x, 0); losses::sparsemax_loss(x, x);
        losses::ntxent(x, &x.sum_axes(-1), 0.1); losses::DiceLoss::new().call(x, x); losses::dice_loss(x, x);
    }
}

#[test]
fn every_operation_panics_at_the_callers_line() {
    assert_all_panic_here(&operations(), &leaked());
}

/// What does not work on a matrix of shape [4, 5].
fn mistakes() -> Vec<Case> {
    cases! {
        nothing: |x|
        x + Tensor::ones([4]); x.clone() * Tensor::ones([4]); -x.gt(0.0); -&x.gt(0.0); !x; !x.clone(); x & x;
        { let mut y = x.clone(); y *= Tensor::ones([4]); y }; { let mut y = x.clone(); y += &Tensor::ones([4]); y };
        { let mut y = x.clone(); y &= 1; y }; x << 1; 1 | x; x ^ x;
        x.maximum(Tensor::ones([4])); x.gt(Tensor::ones([4])); x.gt(0).select(Tensor::ones([4]), 0.0); x.sum_axes(2);
        x.conv_general(x, &ConvOptions::default()); einsum("ij,jk->ik", &[x, x]); x.matmul(x);
        Tensor::concatenate(&[x.clone(), Tensor::ones([4])], 0); Tensor::from_vec([1.0f32], [2]);
        Tensor::arange(0.0f32, 1.0, 0.0); x.reshape([3]); x.softmax(3); x.get(9); x.index_axis(0, 9); x.cholesky();
        losses::squared_error(x, &Tensor::ones([4])).mean();
        Dict::new().with("a", x.clone()).with("a/b", x.clone()); Dict::new()["a"].clone();
        Dict::new().with("a", x.clone())["a"]["b"].clone(); Variables::new()["params"].clone();
        Value::from(x.clone())[0].clone(); random::normal(&key(0).split_n(2), [3]); random::uniform(&key(0).split_n(2), [3]);
        random::Choice::below(0).sample(&key(0), [3]); key(0).split_n(2).split_n(2); key(0).at(0);
        key(0).split_n(2).split::<2>(); random::split(&key(0).split_n(2), 2); random::fold_in(&key(0), x);
        key(0).fold_in(x); random::permutation(&key(0).split_n(2), 3);
    }
}

#[test]
fn every_mistake_panics_at_the_callers_line() {
    assert_all_panic_here(&mistakes(), &Tensor::ones([4, 5]));
}

#[test]
fn a_profile_names_the_callers_line() -> Result<()> {
    let mut wrong = Vec::new();
    for (call, f) in operations() {
        let step = jit(|x: Tensor| Ok(f(&x)));
        let profile = step.profile(&Tensor::full([4, 4], 0.5f32))?;
        wrong.extend(
            profile
                .steps
                .iter()
                .filter(|step| !step.source.starts_with(file!()))
                .map(|step| format!("{call}: {} at {}", step.name, step.source)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[module]
struct Wrong;

impl Layer for Wrong {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x + Tensor::ones([7]))
    }
}

#[test]
fn a_panic_within_a_model_names_the_module() {
    let model = sequential![Dense::new(3), Wrong::new()];
    let x = Tensor::ones([2, 4]);
    let (file, _, text) = panic_of(|| drop(model.init(key(0)).call(&x))).unwrap();
    assert_eq!(file, file!());
    assert!(text.starts_with("in `/layers_1` (Wrong): ") && text.contains("[2, 3]"), "{text}");
    let (_, _, text) =
        panic_of(|| drop(jit(|x: Tensor| model.init(key(0)).call(&x)).call(x.clone()))).unwrap();
    assert!(text.starts_with("in `/layers_1` (Wrong): "), "{text}");
    // Behind the model, there is none.
    let (_, _, text) = panic_of(|| drop(&x + Tensor::ones([7]))).unwrap();
    assert!(!text.contains("layers_1"), "{text}");
}

/// A mistake in each call of a function, by the function's name.
fn named() -> Vec<(&'static str, Case)> {
    macro_rules! named {
        (|$x:ident| $($name:ident: $call:expr;)*) => {
            [$(stringify!($name)),*].into_iter().zip(cases! { nothing: |$x| $($call;)* }).collect()
        };
    }
    named! {
        |x|
        add: x.add(Tensor::ones([4]));
        sub: x.sub(Tensor::ones([4]));
        mul: x.mul(Tensor::ones([4]));
        div: x.div(Tensor::ones([4]));
        fmod: x.fmod(Tensor::ones([4]));
        remainder: x.remainder(Tensor::ones([4]));
        floor_divide: x.floor_divide(Tensor::ones([4]));
        pow: x.pow(Tensor::ones([4]));
        maximum: x.maximum(Tensor::ones([4]));
        minimum: x.minimum(Tensor::ones([4]));
        atan2: x.atan2(Tensor::ones([4]));
        hypot: x.hypot(Tensor::ones([4]));
        logaddexp: x.logaddexp(Tensor::ones([4]));
        mul_add: x.mul_add(Tensor::ones([4]), 1.0);
        is_close: x.is_close(Tensor::ones([4]), 0.1, 0.1);
        bitand: x.bitand(x);
        bitor: x.bitor(x);
        bitxor: x.bitxor(x);
        shl: x.shl(x);
        shr: x.shr(x);
        eq: x.eq(Tensor::ones([4]));
        ne: x.ne(Tensor::ones([4]));
        lt: x.lt(Tensor::ones([4]));
        le: x.le(Tensor::ones([4]));
        gt: x.gt(Tensor::ones([4]));
        ge: x.ge(Tensor::ones([4]));
        neg: x.gt(0).neg();
        sign: x.gt(0).sign();
        relu: x.gt(0).relu();
        logical_not: x.logical_not();
        softmax: x.softmax(2);
        log_softmax: x.log_softmax(2);
        softmax_where: x.softmax_where(2, x.gt(0));
        standardize: x.standardize(2, 1e-5);
        glu: x.glu(1);
        sum_axes: x.sum_axes(2);
        sum_keep: x.sum_keep(2);
        prod_axes: x.prod_axes(2);
        max_axes: x.max_axes(2);
        min_axes: x.min_axes(2);
        any_axes: x.gt(0).any_axes(2);
        all_axes: x.gt(0).all_axes(2);
        mean_axes: x.mean_axes(2);
        var_axes: x.var_axes(2, 0);
        std_axes: x.std_axes(2, 0);
        logsumexp_axes: x.logsumexp_axes(2);
        count_nonzero_axes: x.count_nonzero_axes(2);
        norm_axes: x.norm_axes(2, 2.0);
        argmax: x.argmax(2);
        argmin: x.argmin(2);
        max: Tensor::zeros([0]).max();
        min: Tensor::zeros([0]).min();
        sort: x.sort(2);
        sort_descending: x.sort_descending(2);
        argsort: x.argsort(2);
        argsort_descending: x.argsort_descending(2);
        top_k: x.top_k(9);
        searchsorted: x.searchsorted(x);
        searchsorted_right: x.searchsorted_right(x);
        cumsum: x.cumsum(2);
        cumprod: x.cumprod(2);
        cummax: x.cummax(2);
        cummin: x.cummin(2);
        cumlogsumexp: x.cumlogsumexp(2);
        cumsum_reverse: x.cumsum_reverse(2);
        bitcast: x.bitcast(DType::F16);
        reshape: x.reshape([3]);
        reshape: x.reshape([-1, 3]);
        transpose: x.transpose([0, 0]);
        swap_axes: x.swap_axes(0, 2);
        move_axis: x.move_axis(0, 2);
        broadcast_to: x.broadcast_to([3]);
        expand_dims: x.expand_dims([4]);
        squeeze: x.squeeze([0]);
        flatten: x.flatten(4);
        slice: x.slice([0, 0], [9, 9], [1, 1]);
        slice_axis: x.slice_axis(2, 0..1);
        index_axis: x.index_axis(0, 9);
        get: x.get(9);
        flip: x.flip([2]);
        roll: x.roll(1, 2);
        tile: x.tile([usize::MAX, 2]);
        repeat: x.repeat(2, 2);
        tril: Tensor::ones([4]).tril(0);
        triu: Tensor::ones([4]).triu(0);
        take: x.take(Tensor::from(0.5f32), 0);
        take_clip: x.take_clip(Tensor::from(0.5f32), 0);
        take_along_axis: x.take_along_axis(Tensor::from([0]), 0);
        put_along_axis: x.put_along_axis(Tensor::from([0]), 0.0, 0);
        gather_nd: x.gather_nd(Tensor::from(0.5f32));
        index_set: x.index_set(2, 0, 0.0);
        index_add: x.index_add(2, 0, 0.0);
        index_min: x.index_min(2, 0, 0.0);
        index_max: x.index_max(2, 0, 0.0);
        select: x.gt(0).select(Tensor::ones([4]), 0.0);
        clamp: x.clamp(Tensor::ones([4]), 0.0);
        matmul: x.matmul(x);
        dot: x.dot(x);
        tensordot: x.tensordot(x, &[0], &[1]);
        diagonal: x.diagonal();
        trace: x.trace();
        einsum: einsum("ij,jk->ik", &[x, x]);
        dot_general: x.dot_general(x, DotDimensions { contracting: ([0][..].into(), [1][..].into()), ..Default::default() });
        conv_general: x.conv_general(x, &ConvOptions::default());
        cholesky: x.cholesky();
        qr: x.get(0).qr();
        triangular_solve: x.triangular_solve(x, Side::Left, LOWER);
        concatenate: Tensor::concatenate(&[x.clone(), Tensor::ones([4])], 0);
        stack: Tensor::stack(&[x.clone(), Tensor::ones([4])], 0);
        split: x.split(3, 0);
        split_at: x.split_at([9], 0);
        unstack: x.unstack(2);
        pad: x.pad([(0, 0)], 0.0);
        pad_mode: x.pad_mode([(0, 0)], PadMode::Edge);
        pad_interior: x.pad_interior([(0, 0, 0)], 0.0);
        dynamic_slice: x.dynamic_slice([], [1, 1]);
        dynamic_slice_axis: x.dynamic_slice_axis(2, 0, 1);
        dynamic_update_slice: x.dynamic_update_slice(x, []);
        dynamic_update_axis: x.dynamic_update_axis(2, 0, x);
        one_hot: x.one_hot(3);
        from_vec: Tensor::from_vec([1.0f32], [2]);
        arange: Tensor::arange(0.0f32, 1.0, 0.0);
        normal: random::normal(&key(0).split_n(2), [3]);
        uniform: random::uniform(&key(0).split_n(2), [3]);
        bernoulli: random::bernoulli(&key(0).split_n(2), 0.5, [3]);
        gumbel: random::gumbel(&key(0).split_n(2), [3]);
        exponential: random::exponential(&key(0).split_n(2), [3]);
        truncated_normal: random::truncated_normal(&key(0).split_n(2), -1.0, 1.0, [3]);
        permutation: random::permutation(&key(0).split_n(2), 3);
        squared_error: losses::squared_error(x, &Tensor::ones([4]));
        huber_loss: losses::huber_loss(x, &Tensor::ones([4]), 1.0);
        dice_loss: losses::dice_loss(x, &Tensor::ones([4]));
    }
}

#[test]
fn a_text_calls_the_function_by_the_name_that_was_called() {
    let mut wrong = Vec::new();
    for (name, (call, f)) in named() {
        match panic_of(|| drop(f(&Tensor::ones([4, 5])))) {
            Some((_, _, text)) if text.contains(&format!("`{name}`")) => {}
            Some((_, _, text)) => wrong.push(format!("{call}: {text}")),
            None => wrong.push(format!("{call} does not panic")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
