//! Modules that a `let`, a closure, a loop or a helper holds have the names that Flax 0.12.8 gives them: those of the order in
//! which they are built.

use flaxen::nn::{LstmCell, Rnn};
use flaxen::prelude::*;

/// The names at the top of a model's parameters, with the shapes of kernels.
fn names<M: Layer>(model: M, x: &Tensor) -> Result<Vec<String>> {
    let variables = model.init(key(0)).call(x)?;
    let again = model.apply(&variables).call(x)?;
    assert!(again.all_finite());
    let params = variables.dict("params")?.clone();
    let shape =
        |name: &str| params.tensor(format!("{name}/kernel")).map(|kernel| format!(" {:?}", kernel.shape()));
    Ok(params.keys().map(|name| format!("{name}{}", shape(name).unwrap_or_default())).collect())
}

trait AllFinite {
    fn all_finite(&self) -> bool;
}

impl AllFinite for Tensor {
    fn all_finite(&self) -> bool {
        self.to_vec::<f32>().unwrap().iter().all(|x| x.is_finite())
    }
}

#[module]
struct Partial;

impl Layer for Partial {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        // `functools.partial(nn.Dense, 3)` of every ResNet.
        let norm = || Dense::new(3).use_bias(true);
        let d = Dense::new(4);
        let _never_called = Dense::new(5);
        let y = norm().call(x)?;
        let a = d.call(x)?;
        Ok(d.call(x)? + a + y.sum())
    }
}

#[test]
fn a_closure_builds_anew_at_each_call_and_a_let_is_shared() -> Result<()> {
    assert_eq!(names(Partial::new(), &Tensor::ones([2, 4]))?, ["Dense_0 [4, 4]", "Dense_2 [4, 3]"]);
    Ok(())
}

#[module]
struct Helped {
    wide: bool,
}

impl Helped {
    fn block(&self) -> Dense {
        Dense::new(if self.wide { 4 } else { 2 }).use_bias(false)
    }
}

fn helper(features: usize) -> Dense {
    Dense::new(features)
}

fn called(layer: &impl Layer, x: &Tensor) -> Result<Tensor> {
    layer.call(x)
}

impl Layer for Helped {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let layer = if self.wide { Dense::new(8) } else { Dense::new(4) };
        let layers: Vec<Dense> = (0..2).map(|_| Dense::new(4)).collect();
        let pair = [Dense::new(4), Dense::new(4)];
        let mut x = layer.call(x)?;
        for layer in layers.iter().chain(&pair) {
            x = layer.call(&x)?;
        }
        for layer in [Dense::new(4), Dense::new(6)] {
            x = layer.call(&x)?;
        }
        let h = helper(4);
        let b = self.block();
        let c = match h.features {
            4 => Dense::new(2),
            _ => helper(3),
        };
        called(&c, &b.call(&h.call(&x)?)?)
    }
}

#[test]
fn layers_of_branches_lists_loops_and_helpers_have_names_in_the_order_of_building() -> Result<()> {
    assert_eq!(
        names(Helped::new(true), &Tensor::ones([2, 3]))?,
        [
            "Dense_0 [3, 8]",
            "Dense_1 [8, 4]",
            "Dense_2 [4, 4]",
            "Dense_3 [4, 4]",
            "Dense_4 [4, 4]",
            "Dense_5 [4, 4]",
            "Dense_6 [4, 6]",
            "Dense_7 [6, 4]",
            "Dense_8 [4, 4]",
            "Dense_9 [4, 2]",
        ]
    );
    Ok(())
}

#[module]
struct Recurrent;

impl Layer for Recurrent {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let cell = LstmCell::new(4);
        Rnn::new(cell).call(x)
    }
}

#[test]
fn a_cell_that_a_let_holds_is_a_child_of_the_method_as_in_flax() -> Result<()> {
    assert_eq!(names(Recurrent::new(), &Tensor::ones([2, 3, 4]))?, ["LSTMCell_0"]);
    Ok(())
}

#[module]
struct Named;

impl Layer for Named {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let a = Dense::new(4);
        let b = Dense::new(4);
        let a = self.child_named("foo", a);
        let double = jit(|x: Tensor| Ok(x * 2.0));
        a.call(&b.call(&double.call(x.clone())?)?)
    }
}

#[test]
fn a_name_of_ones_own_is_kept_and_what_is_no_module_is_left_alone() -> Result<()> {
    assert_eq!(names(Named::new(), &Tensor::ones([2, 4]))?, ["Dense_0 [4, 4]", "foo [4, 4]"]);
    Ok(())
}
