//! Modules that are built where they are called get names by their order.
// What the attribute rewrites may stand inside of macros, too, and types may be named like functions.
#![allow(non_camel_case_types, uncommon_codepoints)]
#![allow(clippy::redundant_closure_call, clippy::redundant_pattern_matching, clippy::useless_vec)]

use std::sync::Arc;

use flaxen::prelude::*;

#[module]
struct Mlp {
    #[module(default = 3)]
    hidden: usize,
    #[module(default = false)]
    recurses: bool,
}

/// Called, but no module.
enum Activation {
    Relu,
    Scale(f32),
}

impl Activation {
    fn scale(by: f32) -> Activation {
        Activation::Scale(by)
    }

    fn call(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Relu => Ok(x.relu()),
            Activation::Scale(by) => Ok(x * *by),
        }
    }
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        fn free(x: &Tensor) -> Result<Tensor> {
            Activation::Relu.call(x)
        }
        let x = Dense::new(self.hidden).use_bias(false).call(x)?.relu();
        let norm = |x: &Tensor| BatchNorm::new().call(x, true);
        let x = norm(&norm(&x)?)?;
        let x = vec![(Dense::new(self.hidden)).call(&x)?, x];
        let x = flaxen::nn::Dense::new(self.hidden).call(&Dense::new(3).call(&x[0])?)?;
        let shared = self.child_named("shared", Dense::new(3));
        let x = shared.call(&shared.call(&x)?)?;
        let x = Activation::scale(2.0).call(&free(&x)?)?;
        if self.recurses { Self::new().hidden(self.hidden).call(&x) } else { Ok(x) }
    }
}

#[test]
fn modules_built_on_the_spot_are_named_in_order() -> Result<()> {
    assert_eq!(
        names_in(&Mlp::new().recurses(true))?,
        ["BatchNorm_0", "BatchNorm_1", "Dense_0", "Dense_1", "Dense_2", "Dense_3", "Mlp_0", "shared"]
    );
    Ok(())
}

fn names_in(model: &impl Layer) -> Result<Vec<String>> {
    let variables = model.init(key(0)).call(&Tensor::ones([1, 3]))?;
    let params = variables.get("params").map(|_| variables.dict("params")).transpose()?;
    Ok(params.iter().flat_map(|params| params.keys()).map(ToString::to_string).collect())
}

macro_rules! blocks {
    ($($name:ident)*) => {
        $(#[module]
        struct $name {
            n: usize,
        }

        impl Layer for $name {
            #[compact]
            fn call(&self, x: &Tensor) -> Result<Tensor> {
                Dense::new(self.n).call(x)
            }
        })*
    };
}

blocks!(r#Loop _Block __Deep 卷积块 resnet18 Ünïcode A_0);

#[module]
struct Uses;

impl Layer for Uses {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = r#Loop::new(3).call(x)?;
        let x = _Block::new(3).call(&x)?;
        let x = __Deep::new(3).call(&x)?;
        let x = 卷积块::new(3).call(&x)?;
        let x = resnet18::new(3).call(&x)?;
        let x = Ünïcode::new(3).call(&x)?;
        A_0::new(3).call(&x)
    }
}

/// The names that Flax 0.12.8 gives to classes of these names.
#[test]
fn a_type_may_have_any_name() -> Result<()> {
    let mut names = names_in(&Uses::new())?;
    names.sort();
    let expected = ["A_0_0", "Loop_0", "_Block_0", "__Deep_0", "resnet18_0", "Ünïcode_0", "卷积块_0"];
    assert_eq!(names, expected);
    Ok(())
}

fn block(features: usize) -> Dense {
    Dense::new(features)
}

#[module]
struct Shapes {
    which: usize,
    #[setup(Dense::new(3))]
    kept: Dense,
}

impl Shapes {
    fn parse(features: &str) -> Result<Dense> {
        features.parse().map(Dense::new).map_err(|_| Error::msg("no number"))
    }

    fn own(&self) -> Dense {
        Dense::new(3).use_bias(self.which > 0)
    }
}

macro_rules! dense {
    ($features:expr) => {
        Dense::new($features)
    };
}

macro_rules! kept {
    ($model:expr) => {
        $model.kept
    };
}

impl Layer for Shapes {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        match self.which {
            0 => block(3).call(x),
            1 => Shapes::parse("3")?.call(x),
            2 => self.own().call(x),
            3 => sequential![Dense::new(2), Tensor::relu].call(x),
            4 => dense!(3).call(x),
            5 => (if x.rank() == 2 { Dense::new(3) } else { Dense::new(4) }).call(x),
            6 => { block(3) }.call(x),
            7 => (&Dense::new(3)).call(x),
            8 => Arc::new(Dense::new(3)).call(x),
            9 => Box::new(Dense::new(3)).call(x),
            10 => self.kept.copy().call(x),
            11 => self.kept.clone().call(x),
            12 => kept!(self).call(x),
            13 => [&*self.kept].into_iter().next().unwrap_or(&self.kept).call(x),
            14 => vmap(|x: Tensor| Ok(x * 2.0)).call(x.clone()),
            15 => Option::Some(self.own()).ok_or_else(|| Error::msg("none"))?.call(x),
            _ => (|| block(3))().call(x),
        }
    }
}

#[test]
fn whatever_makes_a_module_makes_a_child() -> Result<()> {
    for which in [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 15, 16] {
        let names = names_in(&Shapes::new(which))?;
        assert!(names.contains(&"Dense_0".to_owned()), "{which}: {names:?}");
    }
    assert_eq!(names_in(&Shapes::new(3))?, ["Sequential_0"]);
    for which in [11, 12, 13] {
        assert_eq!(names_in(&Shapes::new(which))?, ["kept"], "{which}");
    }
    assert!(names_in(&Shapes::new(14))?.is_empty());
    Ok(())
}

macro_rules! first_ok {
    ($($call:expr),*; $($guard:pat if $condition:expr),*) => {
        [$($call),*].into_iter().find(|found| false $(|| matches!(found, $guard if $condition))*)
    };
}

#[module]
struct Arguments {
    which: usize,
}

impl Layer for Arguments {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let dense = || Dense::new(3);
        let is_right = match self.which {
            0 => matches!(Dense::new(3).call(x), Ok(_)),
            1 => matches!(Dense::new(3).call(x), Ok(ref y) if y.rank() == 2),
            2 => matches!(x.rank(), 2 if Dense::new(3).call(x).is_ok()),
            3 => !format!("{} {y:?}", 1, y = Dense::new(3).call(x)).contains("Err"),
            4 => format!("{:?}", dense().call(x)).starts_with("Ok"),
            5 => vec![Dense::new(3).call(x); 2].iter().all(Result::is_ok),
            6 => {
                assert!(Dense::new(3).call(x).is_ok(), "{}", Dense::new(3).call(x).is_ok());
                debug_assert!(matches!(Dense::new(3).call(x)?.shape(), &[_, 3]));
                assert_eq!(Dense::new(3).call(x)?.shape(), [1, 3]);
                assert_ne!(Dense::new(3).call(x)?.shape(), [1, 4]);
                true
            }
            7 => first_ok!(Dense::new(3).call(x), block(3).call(x); Ok(y) if y.rank() == 2).is_some(),
            8 => std::convert::identity(vec![vec![{ Dense::new(3).call(x) }]]).concat()[0].is_ok(),
            _ => {
                let Ok(_) = Dense::new(3).call(x) else { unreachable!("{}", Dense::new(3).call(x)?) };
                true
            }
        };
        assert_eq!(stringify!(Dense::new(3).call(x)), "Dense::new(3).call(x)");
        Ok(x * if is_right { 1.0 } else { 0.0 })
    }
}

#[test]
fn modules_in_the_arguments_of_macros_are_children() -> Result<()> {
    for which in 0..10 {
        let (y, variables) = Arguments::new(which).init_with_output(key(0)).call(&Tensor::ones([1, 3]))?;
        assert_eq!(y.to_vec::<f32>()?, [1.0; 3], "{which}");
        assert!(variables.dict("params")?.keys().any(|name| name == "Dense_0"), "{which}");
    }
    Ok(())
}
