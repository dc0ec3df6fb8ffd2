//! A unit struct is a module.

use flaxen::prelude::*;

#[module]
struct Mlp;

#[module]
struct Empty {}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(3).call(x)
    }
}

#[test]
fn a_unit_struct_is_a_module() -> Result<()> {
    assert_eq!((Mlp::new(), format!("{:?}", Empty::new())), (Mlp::new().clone(), "Empty".to_owned()));
    let variables = Mlp::new().init(key(0)).call(&Tensor::ones([1, 2]))?;
    assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["Dense_0"]);
    Ok(())
}
