//! Modules as values: their paths, their text, equality and hashes.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use flaxen::prelude::*;
use flaxen_tests::modules::root_error;

fn x() -> Tensor {
    Tensor::ones([1, 3])
}

/// Returns its path, and those of modules in it.
#[module]
struct Paths {
    #[module(default)]
    depth: usize,
    #[setup((0..self.depth).map(|_| Paths::new()).collect())]
    list: Vec<Paths>,
}

impl Paths {
    #[compact]
    fn own(&self) -> Result<String> {
        Ok(self.path()?.join("/"))
    }

    #[compact]
    fn all(&self) -> Result<Vec<String>> {
        let inline = self.child(Paths::new().depth(1));
        let named = self.child_named("named", Paths::new());
        Ok(vec![
            self.own()?,
            self.list[1].own()?,
            inline.own()?,
            inline.list[0].own()?,
            named.own()?,
            self.child(Paths::new()).own()?,
        ])
    }
}

#[test]
fn a_path_is_the_names_from_the_model_down() -> Result<()> {
    let model = Paths::new().depth(2);
    let paths = model.apply(Variables::new()).run(Paths::all)?;
    assert_eq!(paths, ["", "list_1", "Paths_0", "Paths_0/list_0", "named", "Paths_1"]);
    assert_eq!(model.init_with_output(key(0)).run(Paths::all)?.0, paths);
    Ok(())
}

#[test]
fn a_name_is_the_last_part_of_the_path() -> Result<()> {
    let bound = Paths::new().depth(1).bind(Variables::new()).module()?;
    assert_eq!((bound.name(), bound.path()?), (None, vec![]));
    assert_eq!(
        (bound.list[0].name().as_deref(), bound.list[0].path()?),
        (Some("list_0"), vec!["list_0".to_owned()])
    );
    assert_eq!(bound.list[0].scope()?.path_text(), "/list_0");
    Ok(())
}

#[test]
fn an_unbound_module_has_no_path() {
    let error = root_error(Paths::new().path());
    assert!(matches!(&error, Error::Unbound { module: "Paths", .. }), "{error:?}");
    assert_eq!(Paths::new().name(), None);
}

#[module]
struct Block {
    #[submodule]
    field: Dense,
    #[setup(vec![LayerNorm::new(), LayerNorm::new()])]
    norms: Vec<LayerNorm>,
}

impl Layer for Block {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.norms[0].call(&self.field.call(x)?)?;
        let x = self.norms[1].call(&x)?;
        let x = Dense::new(4).call(&x)?;
        Sequential::new(vec![]).then(Dense::new(2)).then(Tensor::relu).call(&x)
    }
}

#[test]
fn the_paths_of_a_model_are_those_of_all_modules_that_a_run_calls() -> Result<()> {
    let model = Block::new(Dense::new(3));
    let expected = BTreeMap::from(
        [
            ("", "Block"),
            ("field", "Dense"),
            ("norms_0", "LayerNorm"),
            ("norms_1", "LayerNorm"),
            ("Dense_0", "Dense"),
            ("Sequential_0", "Sequential"),
            ("Sequential_0/layers_0", "Dense"),
        ]
        .map(|(path, class)| (path.to_owned(), class)),
    );
    assert_eq!(model.module_paths(key(0), |m| m.call(&x()))?, expected);
    let field = BTreeMap::from([("field".to_owned(), "Dense")]);
    assert_eq!(model.module_paths(key(0), |m| m.field.call(&x()))?, field);
    Ok(())
}

#[module]
struct Leaf {
    n: usize,
}

#[module]
struct Empty;

#[module]
struct Shown {
    a: usize,
    b: String,
    #[submodule]
    leaf: Leaf,
    #[submodule]
    many: Vec<Leaf>,
    #[setup(Empty::new())]
    made: Empty,
}

impl Shown {
    #[compact]
    fn text(&self) -> Result<String> {
        let _inline = self.child(Leaf::new(9));
        Ok(format!("{self:#?}"))
    }
}

fn shown() -> Shown {
    Shown::new(1, "ok", Leaf::new(2), vec![Leaf::new(3)])
}

const ATTRIBUTES: &str = r#"Shown(
    # attributes
    a = 1
    b = "ok"
    leaf = Leaf(
        # attributes
        n = 2
    )
    many = [
        Leaf(
            # attributes
            n = 3
        ),
    ]
"#;

#[test]
fn the_long_text_of_a_module_has_its_fields_and_its_submodules_where_it_is_bound() -> Result<()> {
    assert_eq!(format!("{:#?}", shown()), format!("{ATTRIBUTES})"));
    assert_eq!(format!("{:#?}", Empty::new()), "Empty()");
    let children =
        "    # children\n    leaf = Leaf\n    many_0 = Leaf\n    made = Empty\n    Leaf_0 = Leaf\n";
    assert_eq!(shown().apply(Variables::new()).run(Shown::text)?, format!("{ATTRIBUTES}{children})"));
    Ok(())
}

#[test]
fn the_short_text_of_a_module_is_that_of_a_struct() {
    let text = r#"Shown { a: 1, b: "ok", leaf: Leaf { n: 2 }, many: [Leaf { n: 3 }] }"#;
    assert_eq!(format!("{:?}", shown()), text);
    assert_eq!(format!("{:?}", Empty::new()), "Empty");
}

#[test]
fn printing_a_module_does_not_run_its_setup() -> Result<()> {
    let bound = shown().bind(Variables::new()).module()?;
    let before = format!("{bound:#?}");
    assert!(!before.contains("made = Empty"), "{before}");
    assert_eq!(format!("{bound:#?}"), before);
    assert_eq!(bound.made.path()?, ["made"]);
    assert!(format!("{bound:#?}").contains("made = Empty"));
    Ok(())
}

#[module]
#[derive(Eq, Hash, Default)]
struct Hashed {
    features: usize,
    #[module(default)]
    name_of_it: String,
    #[submodule]
    inner: HashedInner,
    #[setup(Dense::new(self.features))]
    dense: Dense,
    #[setup(self.param("scale", init::ones(), [1]))]
    scale: Tensor,
}

#[module]
#[derive(Eq, Hash, Default)]
struct HashedInner {
    #[module(default)]
    n: usize,
}

fn hash(module: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    module.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn equal_modules_have_equal_hashes_bound_or_not() -> Result<()> {
    let model = || Hashed::new(3, HashedInner::new().n(1));
    assert_eq!((model(), hash(&model())), (model(), hash(&model())));
    for other in
        [Hashed::new(4, HashedInner::new().n(1)), Hashed::new(3, HashedInner::new()), model().name_of_it("b")]
    {
        assert_ne!((other.clone(), hash(&other)), (model(), hash(&model())));
        assert_ne!(other, model());
    }
    let bound = model().bind(Variables::new()).module()?;
    assert_eq!((&bound, hash(&bound)), (&model(), hash(&model())));
    // Binding changes what a slot holds, which is no part of the hash.
    #[allow(clippy::mutable_key_type)]
    let set: HashSet<Hashed> = [model(), bound, model().name_of_it("b"), Hashed::default()].into();
    assert_eq!(set.len(), 3);
    Ok(())
}

#[test]
fn a_setup_field_is_equal_to_that_of_clones_and_its_value_compares_by_itself() {
    let model = Hashed::new(3, HashedInner::new());
    let other = Hashed::new(4, HashedInner::new());
    assert!(model.dense == model.clone().dense && model.dense != other.dense);
    assert!(*model.dense != *other.dense && *model.dense == Dense::new(3));
}
