//! Modules may be defined by macros and in functions.

use flaxen::prelude::*;

macro_rules! define {
    ($name:ident { $($field:ident: $ty:ty = $default:expr),* } |$x:ident| $body:expr) => {
        #[module]
        struct $name {
            $(#[module(default = $default)] $field: $ty,)*
            #[setup(Dense::new(self.width()))]
            dense: Dense,
        }

        impl $name {
            fn width(&self) -> usize {
                [$(self.$field),*].into_iter().sum()
            }
        }

        impl Layer for $name {
            #[compact]
            fn call(&self, $x: &Tensor) -> Result<Tensor> {
                let $x = self.dense.call(&Dense::new(2).call($x)?)?;
                Ok($body)
            }
        }
    };
}

define!(Generated { a: usize = 1, b: usize = 2 } | x | x.relu());

#[test]
fn modules_may_be_defined_by_macros_and_in_functions() -> Result<()> {
    #[module]
    struct Local {
        width: usize,
    }

    impl Layer for Local {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Generated::new().b(self.width).call(x)
        }
    }

    let variables = Local::new(4).init(key(0)).call(&Tensor::ones([1, 2]))?;
    assert_eq!(variables.tensor("params/Generated_0/dense/bias")?.shape(), [5]);
    Ok(())
}
