//! Layers one after the other.

use flaxen::nn::Sequential;
use flaxen::prelude::*;

#[module]
struct Mlp {
    sizes: Vec<usize>,
    activation: flaxen::module::Lambda,
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (index, &size) in self.sizes.iter().enumerate() {
            x = self.child_named(format!("layers_{index}"), Dense::new(size)).call(&x)?;
            if index + 1 < self.sizes.len() {
                x = self.activation.call(&x)?;
            }
        }
        Ok(x)
    }
}

fn paths(variables: &Variables) -> Vec<String> {
    tree::leaves_with_path(variables).into_iter().map(|(path, _)| path.join("/")).collect()
}

#[test]
fn layers_run_in_order() -> Result<()> {
    let model = sequential![|x: &Tensor| x + 1.0, |x: &Tensor| x * 2.0];
    let y = model.apply(Variables::new()).call(&Tensor::from(3.0f32))?;
    assert_eq!(y.item::<f32>()?, 8.0);
    Ok(())
}

#[test]
fn no_layers_are_an_error() {
    let error = Sequential::new(vec![]).init(key(0)).call(&Tensor::ones([1])).expect_err("nothing to run");
    assert!(error.to_string().contains("no layers"), "{error}");
}

#[test]
fn it_equals_the_same_layers_written_by_hand() -> Result<()> {
    let x = random::normal(&key(1), [5, 3]);
    let by_hand = Mlp::new(vec![4, 2], flaxen::module::lambda(|x: &Tensor| x.clone()));
    let model = sequential![Dense::new(4), Dense::new(2)];
    let variables = model.init(key(0)).call(&x)?;
    assert_eq!(by_hand.init(key(0)).call(&x)?, variables);
    let run = |y: Tensor| y.to_vec::<f32>();
    assert_eq!(run(model.apply(&variables).call(&x)?)?, run(by_hand.apply(&variables).call(&x)?)?);
    Ok(())
}

#[test]
fn functions_have_a_number_and_no_variables() -> Result<()> {
    let x = random::normal(&key(1), [5, 3]);
    let model = sequential![Dense::new(4), Tensor::relu, |x: &Tensor| x.try_mul(2.0), Dense::new(2)];
    let variables = model.init(key(0)).call(&x)?;
    let expected = ["layers_0/bias", "layers_0/kernel", "layers_3/bias", "layers_3/kernel"];
    assert_eq!(paths(&variables), expected.map(|path| format!("params/{path}")));
    let dense = |name: &str, x: &Tensor| {
        let params = variables.dict(["params", name])?;
        Ok::<_, flaxen::Error>(x.dot(params.tensor("kernel")?) + params.tensor("bias")?)
    };
    let expected = dense("layers_3", &(dense("layers_0", &x)?.relu() * 2.0))?;
    let found = model.apply(&variables).call(&x)?;
    assert!((found - expected).abs().max().item::<f32>()? < 1e-6);
    Ok(())
}

/// Its layers are its own, built in a compact method.
#[module]
struct Enclosing;

impl Layer for Enclosing {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let layers = sequential![self.child(Dense::new(4)), Tensor::relu, self.child(Dense::new(2))];
        self.child(layers).call(x)
    }
}

#[test]
fn layers_made_by_the_enclosing_module_keep_their_names_there() -> Result<()> {
    let variables = Enclosing::new().init(key(0)).call(&Tensor::ones([1, 3]))?;
    assert_eq!(
        paths(&variables),
        ["Dense_0/bias", "Dense_0/kernel", "Dense_1/bias", "Dense_1/kernel"].map(|p| format!("params/{p}"))
    );
    Ok(())
}

#[test]
fn a_prefix_of_the_layers_runs_on_all_the_variables() -> Result<()> {
    let x = Tensor::ones([2, 3]);
    let model = sequential![Dense::new(4), Tensor::tanh, Dense::new(2)];
    let variables = model.init(key(0)).call(&x)?;
    let prefix = Sequential::new(model.layers[..2].to_vec());
    assert_eq!(prefix.apply(&variables).call(&x)?.shape(), [2, 4]);
    Ok(())
}

#[test]
fn it_is_compared_and_printed_by_its_layers() {
    let model = || sequential![Dense::new(4), Dense::new(2)];
    assert_eq!(model(), model());
    assert_ne!(model(), sequential![Dense::new(4), Dense::new(3)]);
    let relu = sequential![Tensor::relu];
    assert_eq!(format!("{relu:?}"), "Sequential { layers: [relu] }");
    assert_eq!(relu, relu.clone());
}
