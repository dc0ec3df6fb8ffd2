//! Where modules are, what they are called, and what they share.
//!
//! A module that runs has a scope: its path in the model, under which its variables are. This program prints the scopes
//! of a list of modules, and shows how names come about, and that two calls of one module share its parameters while two
//! modules of equal configuration do not.

use flaxen::prelude::*;

/// Multiplies, and tells where it is.
#[module]
struct Leaf {
    slope: f32,
}

impl Layer for Leaf {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let scope = self.scope()?;
        let parent = scope.parent().map_or_else(|| "nothing".to_owned(), Scope::path_text);
        println!("  {} is `{}` within {parent}", scope.path_text(), scope.name().unwrap_or_default());
        Ok(x * self.slope)
    }
}

/// A list of modules in a field.
#[module]
struct Compound {
    n: usize,
    #[setup((0..self.n).map(|_| Leaf::new(2.0)).collect())]
    leaves: Vec<Leaf>,
}

impl Layer for Compound {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        println!("  {} is the model itself", self.scope()?.path_text());
        self.leaves.iter().try_fold(x.clone(), |x, leaf| leaf.call(&x))
    }
}

/// All the ways to a name.
#[module]
struct Names {
    #[setup(Dense::new(2))]
    field: Dense,
}

impl Layer for Names {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        // The name of the field, then the type's with a number, then one of its own; a number counts its type only.
        let x = self.field.call(x)?;
        let x = Dense::new(2).call(&x)?;
        let x = self.child_named("head", Dense::new(2)).call(&x)?;
        let x = LayerNorm::new().call(&x)?;
        Dense::new(2).call(&x)
    }
}

/// One module called twice, and another one that only looks the same.
#[module]
struct Sharing;

impl Layer for Sharing {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let shared = self.child(Dense::new(2));
        let twice = shared.call(&shared.call(x)?)?;
        Ok(twice + Dense::new(2).call(x)?)
    }
}

/// Takes a name twice, which is a mistake.
#[module]
struct Collision;

impl Layer for Collision {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.child_named("head", Dense::new(2)).call(x)?;
        self.child_named("head", Dense::new(2)).call(&x)
    }
}

fn main() -> Result<()> {
    let x = Tensor::ones([1, 2]);

    println!("Scopes are made anew by each run; `init` of a list:");
    let compound = Compound::new(3);
    let variables = compound.init(key(0)).call(&x)?;
    println!("and `apply` of it:");
    let y = compound.apply(&variables).call(&x)?;
    println!("It has no variables ({variables}), and doubles three times: {:?}", y.to_vec::<f32>()?);

    println!("\nNames of submodules are the first part of the paths of parameters:");
    print_shapes(&Names::new().init(key(0)).call(&x)?);

    println!("\nA module called twice has one set of parameters, a second module its own:");
    let variables = Sharing::new().init(key(0)).call(&x)?;
    print_shapes(&variables);
    // The path is part of what a parameter is made of, so equal modules begin with different values.
    let kernels = [variables.tensor("params/Dense_0/kernel")?, variables.tensor("params/Dense_1/kernel")?];
    println!("{:?}\n{:?}", kernels[0].to_vec::<f32>()?, kernels[1].to_vec::<f32>()?);

    println!("\nA part of a model runs alone on its part of the variables:");
    let names = Names::new();
    let variables = names.init(key(0)).call(&x)?;
    let (field, of_field) = names.bind(&variables).module()?.field.unbind()?;
    println!("{field:?} on {}", of_field.dict("params")?);
    println!("{:?}", field.apply(&of_field).call(&x)?.to_vec::<f32>()?);

    println!("\nMistakes name the path and what to do:");
    for result in [
        Collision::new().init(key(0)).call(&x).map(|_| ()),
        Dense::new(2).call(&x).map(|_| ()),
        names.apply(Variables::new()).call(&x).map(|_| ()),
    ] {
        match result {
            Ok(()) => println!("  no mistake after all"),
            Err(error) => println!("  {error}"),
        }
    }
    Ok(())
}

fn print_shapes(variables: &Variables) {
    for (path, leaf) in tree::leaves_with_path(variables) {
        println!("  {:<28} {:?}", path.join("/"), leaf.shape());
    }
}
