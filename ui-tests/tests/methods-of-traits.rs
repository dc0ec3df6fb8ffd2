//! Methods of traits may be compact.

use flaxen::prelude::*;

trait Encoder: Module {
    fn width(&self) -> usize;

    fn encode(&self, x: &Tensor) -> Result<Tensor>;

    #[compact]
    fn encode_twice(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.encode(x)?;
        Dense::new(self.width()).call(&self.encode(&x)?)
    }
}

#[module]
struct Plain {
    width: usize,
    #[setup(Dense::new(self.width))]
    dense: Dense,
}

impl Encoder for Plain {
    fn width(&self) -> usize {
        self.width
    }

    #[compact]
    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        self.dense.call(x)
    }
}

#[test]
fn methods_of_traits_may_be_compact() -> Result<()> {
    let variables = Plain::new(2).init(key(0)).run(|m| m.encode_twice(&Tensor::ones([1, 2])))?;
    assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["Dense_0", "dense"]);
    Ok(())
}
