use flaxen::prelude::*;

#[module(naem = "Mlp")]
#[derive(Debug)]
struct Mlp {
    #[module(default = 3, skip)]
    hidden: usize,
    path: String,
    #[submodule]
    #[setup(Dense::new(3))]
    dense: Dense,
}

// No second error where what would have been generated is used.
impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.child(Dense::new(self.hidden)).call(x)?;
        self.dense.call(&y)
    }
}

fn main() -> Result<()> {
    let model = Mlp::new("path".to_owned(), Dense::new(3)).hidden(4);
    let variables = model.init(key(0)).call(&Tensor::ones([1, 2]))?;
    assert_eq!(model.clone(), model);
    println!("{:?} {variables:?}", model);
    Ok(())
}
