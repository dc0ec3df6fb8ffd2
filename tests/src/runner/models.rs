//! Modules of any type behind one interface: by a method's name and its arguments.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use flaxen::Value;
use flaxen::module::{BoxedLayer, Child, IntoLayer, Slot};
use flaxen::prelude::*;

use super::Stop;
use super::python::classes::Body;
use super::python::evaluate::Evaluator;
use super::python::value::{Passing, Py};

/// What a method is called with.
#[derive(Clone, Default)]
pub struct Arguments {
    /// Positional arguments in order.
    pub positional: Vec<Py>,
    /// Keyword arguments; None is left out.
    pub named: BTreeMap<String, Py>,
}

impl Arguments {
    /// The first argument.
    pub fn x(&self) -> Result<&Tensor> {
        self.tensor(0)
    }

    /// A positional argument.
    pub fn tensor(&self, position: usize) -> Result<&Tensor> {
        match self.positional.get(position) {
            Some(Py::Tensor(tensor)) => Ok(tensor),
            Some(other) => Err(Error::msg(format!("{} for argument {position}, an array", other.kind()))),
            None => Err(Error::msg(format!("the call has no positional argument {position}"))),
        }
    }

    /// A keyword argument that is an array.
    pub fn array(&self, name: &str) -> Option<&Tensor> {
        if let Some(Py::Tensor(tensor)) = self.named.get(name) { Some(tensor) } else { None }
    }

    /// A keyword argument that is true or false.
    pub fn flag(&self, name: &str) -> Option<bool> {
        if let Some(Py::Truth(flag)) = self.named.get(name) { Some(*flag) } else { None }
    }

    /// A keyword argument that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        if let Some(Py::Text(text)) = self.named.get(name) { Some(text) } else { None }
    }
}

impl From<Passing> for Arguments {
    fn from(passing: Passing) -> Arguments {
        let named = passing.named.into_iter().filter(|(_, value)| !matches!(value, Py::Nothing));
        Arguments { positional: passing.positional, named: named.collect() }
    }
}

/// How a model is run on variables.
#[derive(Clone)]
pub struct Run {
    /// The random streams.
    pub rngs: Rngs,
    /// What may be written; None returns the output alone.
    pub mutable: Option<Filter>,
    /// Whether what layers return is stored.
    pub capture: bool,
}

/// A module of any type, whose methods are known by their names.
pub trait AnyModule: Send + Sync {
    /// Whether there is a method of a name that takes the arguments.
    ///
    /// # Errors
    /// If not, what is unknown.
    fn check(&self, method: &str, arguments: &Arguments) -> Result<(), Stop>;

    /// The output and the variables that were made.
    ///
    /// # Errors
    /// What the method returns.
    fn init(&self, method: &str, rngs: Rngs, arguments: &Arguments) -> Result<(Value, Variables)>;

    /// The output and the variables that were written.
    ///
    /// # Errors
    /// What the method returns.
    fn apply(
        &self,
        method: &str,
        variables: &Variables,
        run: &Run,
        arguments: &Arguments,
    ) -> Result<(Value, Variables)>;

    /// The output of a module that is part of a running model.
    ///
    /// # Errors
    /// What the method returns.
    fn call(&self, method: &str, arguments: &Arguments) -> Result<Value>;

    /// The same module as a submodule, named by its class and a number unless there is a name.
    fn child_of(&self, parent: &Body, name: Option<&str>) -> Arc<dyn AnyModule>;

    /// The same module as what a field holds.
    fn field_of(&self, slot: &Slot, name: &str) -> Arc<dyn AnyModule>;

    /// The module as a layer, if it is one.
    fn layer(&self) -> Option<BoxedLayer>;

    /// The name of the module's class.
    fn class(&self) -> &'static str;

    /// What is behind the pointer.
    fn as_any(&self) -> &dyn Any;
}

/// A module of a type, and its methods.
#[derive(Clone)]
pub struct Erased<M> {
    module: M,
    methods: Vec<Method<M>>,
    into_layer: Option<fn(M) -> BoxedLayer>,
}

#[derive(Clone)]
struct Method<M> {
    name: &'static str,
    /// How many positional arguments there may be; what is passed behind them is that of the keywords in their order.
    positional: usize,
    keywords: &'static [&'static str],
    call: Arc<MethodFn<M>>,
}

type MethodFn<M> = dyn Fn(&M, &Arguments) -> Result<Value> + Send + Sync;

/// A module with a method `__call__` of some positional arguments and keywords.
pub fn module<M, F>(module: M, positional: usize, keywords: &'static [&'static str], call: F) -> Erased<M>
where
    M: Module,
    F: Fn(&M, &Arguments) -> Result<Value> + Send + Sync + 'static,
{
    Erased { module, methods: Vec::new(), into_layer: None }.method("__call__", positional, keywords, call)
}

/// A layer with a method `__call__` of one positional argument and keywords.
pub fn layer<M, F>(layer: M, keywords: &'static [&'static str], call: F) -> Erased<M>
where
    M: Layer,
    F: Fn(&M, &Arguments) -> Result<Value> + Send + Sync + 'static,
{
    Erased::of_layer(layer, 1, keywords, call)
}

/// A layer that takes one tensor and nothing else.
pub fn plain<M: Layer>(of: M) -> Erased<M> {
    layer(of, &[], |of, arguments| tensor(of.call(arguments.x()?)))
}

/// The output of a method that returns a tensor.
pub fn tensor(out: Result<Tensor>) -> Result<Value> {
    out.map(Value::from)
}

impl<M: Layer> Erased<M> {
    /// A layer with a method `__call__` of some positional arguments and keywords.
    pub fn of_layer<F>(layer: M, positional: usize, keywords: &'static [&'static str], call: F) -> Erased<M>
    where
        F: Fn(&M, &Arguments) -> Result<Value> + Send + Sync + 'static,
    {
        Erased { into_layer: Some(M::into_layer), ..module(layer, positional, keywords, call) }
    }
}

impl<M: Module> Erased<M> {
    /// With one more method.
    #[must_use]
    pub fn method<F>(
        mut self,
        name: &'static str,
        positional: usize,
        keywords: &'static [&'static str],
        call: F,
    ) -> Erased<M>
    where
        F: Fn(&M, &Arguments) -> Result<Value> + Send + Sync + 'static,
    {
        self.methods.push(Method { name, positional, keywords, call: Arc::new(call) });
        self
    }

    /// The module itself.
    pub fn module(&self) -> &M {
        &self.module
    }

    /// Behind a pointer.
    pub fn shared(self) -> Arc<dyn AnyModule> {
        Arc::new(self)
    }

    fn find(&self, name: &str) -> Result<&Method<M>, Stop> {
        let unknown = || Stop::Unsupported(format!("the method `{name}` of {}", self.module.type_name()));
        self.methods.iter().find(|method| method.name == name).ok_or_else(unknown)
    }

    fn run(&self, module: &M, method: &str, arguments: &Arguments) -> Result<Value> {
        let method = self.find(method).map_err(|stop| Error::msg(stop.text()))?;
        let arguments = method.placed(arguments).map_err(|stop| Error::msg(stop.text()))?;
        (method.call)(module, &arguments)
    }
}

impl<M> Method<M> {
    /// The arguments with positions as they are declared.
    fn placed(&self, arguments: &Arguments) -> Result<Arguments, Stop> {
        let Arguments { mut positional, mut named } = arguments.clone();
        let extra = positional.split_off(positional.len().min(self.positional));
        if extra.len() > self.keywords.len() {
            return Err(Stop::Unsupported(format!(
                "a call with {} positional arguments",
                arguments.positional.len()
            )));
        }
        let extra = self.keywords.iter().zip(extra).filter(|(_, value)| !matches!(value, Py::Nothing));
        named.extend(extra.map(|(name, value)| ((*name).to_owned(), value)));
        match named.keys().find(|name| !self.keywords.contains(&name.as_str())) {
            Some(name) => Err(Stop::Unsupported(format!("a call with `{name}`"))),
            None => Ok(Arguments { positional, named }),
        }
    }
}

impl<M: Module> AnyModule for Erased<M> {
    fn check(&self, method: &str, arguments: &Arguments) -> Result<(), Stop> {
        self.find(method)?.placed(arguments).map(drop)
    }

    fn init(&self, method: &str, rngs: Rngs, arguments: &Arguments) -> Result<(Value, Variables)> {
        self.module.init_with_output(rngs).run(|module| self.run(module, method, arguments))
    }

    fn apply(
        &self,
        method: &str,
        variables: &Variables,
        run: &Run,
        arguments: &Arguments,
    ) -> Result<(Value, Variables)> {
        let apply = self.module.apply(variables).rngs(run.rngs.clone());
        let call = |module: &M| self.run(module, method, arguments);
        match (&run.mutable, run.capture) {
            (None, false) => Ok((apply.run(call)?, Variables::new())),
            (Some(filter), false) => apply.mutable(filter).run(call),
            (None, true) => apply.capture_intermediates().run(call),
            (Some(filter), true) => apply.mutable(filter).capture_intermediates().run(call),
        }
    }

    fn call(&self, method: &str, arguments: &Arguments) -> Result<Value> {
        self.run(&self.module, method, arguments)
    }

    fn child_of(&self, parent: &Body, name: Option<&str>) -> Arc<dyn AnyModule> {
        let module = match name {
            Some(name) => parent.child_named(name, self.module.clone()),
            None => parent.child(self.module.clone()),
        };
        Arc::new(Erased { module, ..self.clone() })
    }

    fn field_of(&self, slot: &Slot, name: &str) -> Arc<dyn AnyModule> {
        let mut module = self.module.clone();
        module.bind_child(slot, name);
        Arc::new(Erased { module, ..self.clone() })
    }

    fn layer(&self) -> Option<BoxedLayer> {
        self.into_layer.map(|into_layer| into_layer(self.module.clone()))
    }

    fn class(&self) -> &'static str {
        self.module.type_name()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A module or a function as a layer, if it is one.
pub fn as_layer(value: &Py) -> Option<BoxedLayer> {
    match value {
        Py::Module(named) => named.module.layer(),
        Py::Interpreted(named) => Some(named.module.layer()),
        Py::Library(_) | Py::Function(_) | Py::Partial(_) | Py::Method(_) => {
            let function = value.clone();
            let call = move |x: Value| {
                let positional = match &x {
                    Value::Tuple(items) => items.iter().map(Py::of_tree).collect::<Result<_>>()?,
                    x => vec![Py::of_tree(x)?],
                };
                Evaluator::bare().call(&function, Passing { positional, named: Vec::new() })?.tree()
            };
            Some(call.into_layer())
        }
        _ => None,
    }
}
