//! What modules cost beside their arithmetic.
#![allow(missing_docs)]

use divan::{Bencher, black_box};
use flaxen::prelude::*;

fn main() {
    divan::main();
}

#[module]
struct Nothing;

impl Layer for Nothing {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

#[module]
struct Within {
    count: usize,
}

impl Layer for Within {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        (0..self.count).try_fold(x.clone(), |x, _| Nothing::new().call(&x))
    }
}

#[module]
struct WithSetup {
    #[setup(Nothing::new())]
    inner: Nothing,
}

impl Layer for WithSetup {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.call(x)
    }
}

/// Binding a layer and calling it, as `apply` does.
#[divan::bench]
fn apply_nothing(bencher: Bencher<'_, '_>) {
    let (model, variables, x) = (Nothing::new(), Variables::new(), Tensor::from(1.0f32));
    bencher.bench(|| model.apply(black_box(&variables)).call(&x));
}

/// A hundred inline submodules within one run: divide by a hundred.
#[divan::bench]
fn a_hundred_inline_submodules(bencher: Bencher<'_, '_>) {
    let (model, variables, x) = (Within::new(100), Variables::new(), Tensor::from(1.0f32));
    bencher.bench(|| model.apply(black_box(&variables)).call(&x));
}

#[divan::bench]
fn apply_with_setup(bencher: Bencher<'_, '_>) {
    let (model, variables, x) = (WithSetup::new(), Variables::new(), Tensor::from(1.0f32));
    bencher.bench(|| model.apply(black_box(&variables)).call(&x));
}

#[divan::bench]
fn call_bound(bencher: Bencher<'_, '_>) {
    let x = Tensor::from(1.0f32);
    let model = Nothing::new().bind(Variables::new()).module().expect("there is nothing to be wrong");
    bencher.bench(|| model.call(black_box(&x)));
}

/// Looking two parameters up, a small product and a sum.
#[divan::bench]
fn apply_dense(bencher: Bencher<'_, '_>) {
    let (model, x) = (Dense::new(8), Tensor::ones([1, 8]));
    let variables = model.init(key(0)).call(&x).expect("an input that fits");
    bencher.bench(|| model.apply(black_box(&variables)).call(&x));
}
