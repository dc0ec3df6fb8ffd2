//! Submodules may be in containers.

use std::collections::BTreeMap;
use std::sync::Arc;

use flaxen::prelude::*;

#[module]
struct Many<E: Layer, const N: usize> {
    #[submodule]
    one: E,
    #[submodule]
    maybe: Option<E>,
    #[submodule]
    list: Vec<E>,
    #[submodule]
    array: [E; N],
    #[submodule]
    pair: (E, Dense),
    #[submodule]
    map: BTreeMap<String, E>,
    #[submodule]
    shared: Arc<E>,
}

impl<E: Layer, const N: usize> Layer for Many<E, N> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.one.call(x)?;
        for layer in self.maybe.iter().chain(&self.list).chain(&self.array).chain(self.map.values()) {
            x = layer.call(&x)?;
        }
        self.shared.call(&self.pair.1.call(&self.pair.0.call(&x)?)?)
    }
}

#[test]
fn submodules_may_be_in_containers() -> Result<()> {
    let dense = || Dense::new(2);
    let map = BTreeMap::from([("a".to_owned(), dense())]);
    let pair = (dense(), dense());
    let model =
        Many::new(dense(), Some(dense()), vec![dense()], [dense(), dense()], pair, map, Arc::new(dense()));
    let variables = model.init(key(0)).call(&Tensor::ones([1, 2]))?;
    let mut names: Vec<_> = variables.dict("params")?.keys().map(ToString::to_string).collect();
    names.sort();
    let expected = ["array_0", "array_1", "list_0", "map_a", "maybe", "one", "pair_0", "pair_1", "shared"];
    assert_eq!(names, expected);
    Ok(())
}
