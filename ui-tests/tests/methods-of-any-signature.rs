//! Compact methods have any signature.

use flaxen::prelude::*;

#[module]
struct Methods<const N: usize> {
    features: usize,
}

#[derive(Debug)]
enum Failure {
    Flaxen(Error),
    Own,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Flaxen(error)
    }
}

impl<const N: usize> Methods<N> {
    #[compact]
    fn owned(&self, mut x: Tensor) -> Result<Tensor> {
        for _ in 0..N {
            x = Dense::new(self.features).call(&x)?;
        }
        Ok(x)
    }

    #[compact]
    fn generic<T: Into<f32>>(&self, x: &Tensor, scale: T) -> Result<Tensor> {
        if self.features == 0 {
            return Ok(x.clone());
        }
        Ok(x * scale.into())
    }

    #[compact]
    fn closure(&self, (x, y): (&Tensor, &Tensor), f: impl Fn(&Tensor) -> Tensor) -> Result<(Tensor, Tensor)> {
        Ok((f(x), y.clone()))
    }

    #[compact]
    fn output_parameter(&self, x: &Tensor, log: &mut Vec<String>) -> Result<()> {
        log.push(format!("{:?}", x.shape()));
        Ok(())
    }

    #[compact]
    fn borrows<'a>(&'a self, x: &'a Tensor, _train: bool) -> Result<(&'a Self, &'a Tensor)> {
        Ok((self, x))
    }

    #[compact]
    fn returns_a_function(&self, x: &Tensor) -> Result<impl Fn(f32) -> Tensor> {
        let x = Dense::new(self.features).call(x)?;
        Ok(move |scale| &x * scale)
    }

    #[compact(name_scope)]
    fn scoped(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(self.features).call(x)
    }

    #[compact]
    fn own_error(&self, x: &Tensor) -> std::result::Result<Tensor, Failure> {
        if x.shape().is_empty() {
            return Err(Failure::Own);
        }
        Ok(Dense::new(self.features).call(x)?)
    }

    #[compact]
    pub(crate) fn call(&self, x: &Tensor, f: Option<&Tensor>, list: &[Tensor]) -> Result<Tensor> {
        let mut log = Vec::new();
        self.output_parameter(x, &mut log)?;
        let (this, x) = self.borrows(x, true)?;
        let (x, y) = this.closure((x, f.unwrap_or(x)), Tensor::relu)?;
        let x = this.owned(x)? + this.owned(y)? + this.generic(&list[0], 2.0)?;
        assert!(matches!(this.own_error(&Tensor::zeros([])), Err(Failure::Own)));
        let x = this.own_error(&x).map_err(|failure| match failure {
            Failure::Flaxen(error) => error,
            Failure::Own => unreachable!(),
        })?;
        this.returns_a_function(&this.scoped(&x)?).map(|f| f(2.0))
    }
}

#[test]
fn compact_methods_have_any_signature() -> Result<()> {
    let x = Tensor::ones([1, 3]);
    let model = Methods::<2>::new(3);
    let variables = model.init(key(0)).run(|m| m.call(&x, None, std::slice::from_ref(&x)))?;
    let names: Vec<_> = variables.dict("params")?.keys().map(ToString::to_string).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("Dense_")).count(), 6, "{names:?}");
    assert!(names.contains(&"scoped".to_owned()));
    Ok(())
}
