//! How Linen names, shares and refuses modules and variables: its own scenarios, written in Rust.

use std::collections::BTreeMap;
use std::sync::Arc;

use flaxen::module::{Child, Slot};
use flaxen::prelude::*;

use super::Scenarios;

/// Defines a module of one method, and the variables it makes of `ones([1, 3])`.
macro_rules! compact {
    (|$self:ident, $x:ident| $body:block) => {{
        #[module]
        struct Foo;

        impl Layer for Foo {
            #[compact]
            fn call(&$self, $x: &Tensor) -> Result<Tensor> $body
        }

        made(&Foo::new())
    }};
}

fn made(model: &impl Layer) -> Result<Variables> {
    model.init(key(0)).call(&Tensor::ones([1, 3]))
}

#[module]
struct Attr<L: Layer> {
    #[submodule]
    inner: L,
}

impl<L: Layer> Layer for Attr<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(2).call(&self.inner.call(x)?)
    }
}

#[module]
struct Two<L: Layer> {
    #[submodule]
    a: L,
    #[submodule]
    b: L,
}

impl<L: Layer> Layer for Two<L> {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.b.call(&self.a.call(x)?)
    }
}

fn shape() -> [usize; 1] {
    [2]
}

/// Runs the scenarios of names.
pub fn run(all: &mut Scenarios<'_>) {
    inline(all);
    variables(all);
    setup_fields(all);
    fields(all);
    methods(all);
    unbound(all);
    impossible(all);
}

fn inline(all: &mut Scenarios<'_>) {
    let auto = compact!(|self, x| {
        let x = Dense::new(2).call(x)?;
        let x = LayerNorm::new().call(&x)?;
        let x = Dense::new(3).call(&x)?;
        Conv::new(2, [1]).call(&x)
    });
    all.variables("auto_counters", auto);

    let collision = compact!(|self, x| {
        let x = self.child_named("Dense_1", Dense::new(2)).call(x)?;
        let x = Dense::new(2).call(&x)?;
        Dense::new(2).call(&x)
    });
    all.variables("explicit_then_auto_collision", collision);

    let explicit = compact!(|self, x| {
        let x = self.child_named("a", Dense::new(2)).call(x)?;
        let x = Dense::new(2).call(&x)?;
        self.child_named("b", Dense::new(2)).call(&x)
    });
    all.variables("explicit_names_do_not_advance_counter", explicit);

    let twice = compact!(|self, x| {
        let d = self.child(Dense::new(3));
        d.call(&d.call(x)?)
    });
    all.variables("same_instance_twice", twice);

    let same_name = compact!(|self, x| {
        let a = self.child_named("a", Dense::new(3)).call(x)?;
        let b = self.child_named("a", Dense::new(3)).call(x)?;
        Ok(a + b)
    });
    all.variables("same_name_twice", same_name);

    let names = compact!(|self, x| {
        let x = Dense::new(2).call(x)?;
        self.child_named(format!("last_{}", 1), Dense::new(2)).call(&x)
    });
    all.variables("loop", names);

    #[module]
    struct Conditional;

    impl Layer for Conditional {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let x = if x.shape()[0] > 1 { Dense::new(2).call(x)? } else { x.clone() };
            Dense::new(3).call(&x)
        }
    }

    for (id, batch) in [("conditional_false", 1), ("conditional_true", 2)] {
        all.variables(id, Conditional::new().init(key(0)).call(&Tensor::ones([batch, 3])));
    }

    let passed = compact!(|self, x| {
        let inner = self.child(Dense::new(3));
        let x = inner.call(x)?;
        Attr::new(inner).call(&x)
    });
    all.variables("submodule_created_here_passed_to_other", passed);
}

fn variables(all: &mut Scenarios<'_>) {
    let clash = compact!(|self, x| {
        self.param("w", init::zeros(), shape())?;
        self.child_named("w", Dense::new(2)).call(x)
    });
    all.variables("param_then_submodule_same_name", clash);

    let clash = compact!(|self, x| {
        let x = self.child_named("w", Dense::new(2)).call(x)?;
        self.param("w", init::zeros(), shape())?;
        Ok(x)
    });
    all.variables("submodule_then_param_same_name", clash);

    let clash = compact!(|self, x| {
        self.param("w", init::zeros(), shape())?;
        self.param("w", init::zeros(), shape())?;
        Ok(x.clone())
    });
    all.variables("param_twice", clash);

    let apart = compact!(|self, x| {
        self.param("v", init::zeros(), shape())?;
        self.variable("stats", "v", || Tensor::zeros([3]))?;
        Ok(x.clone())
    });
    all.variables("param_and_variable_same_name_different_collection", apart);

    #[module]
    struct Twice;

    impl Layer for Twice {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let zero = || Tensor::zeros([3]);
            self.variable("stats", "v", zero)?;
            self.variable("stats", "v", zero)?;
            Ok(x.clone())
        }
    }

    all.variables("variable_twice", made(&Twice::new()));

    #[module]
    struct Sows;

    impl Layer for Sows {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let x = self.child_named("v", Dense::new(2)).call(x)?;
            self.sow("intermediates", "v", &x)?;
            Ok(x)
        }
    }

    let found = Sows::new().init(key(0)).mutable(true).call(&Tensor::ones([1, 3]));
    all.variables("sow_name_equals_submodule", found);
}

/// An entry of a map that mixes modules and containers.
#[derive(Clone, Debug, PartialEq)]
enum Entry {
    One(Dense),
    Two((Dense, BTreeMap<&'static str, Dense>)),
}

impl Child for Entry {
    fn bind_child(&mut self, parent: &Slot, name: &str) {
        match self {
            Entry::One(dense) => dense.bind_child(parent, name),
            Entry::Two(both) => both.bind_child(parent, name),
        }
    }
}

#[module]
struct Containers {
    #[setup(Dense::new(2))]
    a: Dense,
    #[setup(vec![Dense::new(2), Dense::new(2)])]
    blocks: Vec<Dense>,
    #[setup(BTreeMap::from([
        ("x", Entry::One(Dense::new(2))),
        ("y", Entry::Two((Dense::new(2), BTreeMap::from([("z", Dense::new(2))])))),
    ]))]
    d: BTreeMap<&'static str, Entry>,
    #[setup((Dense::new(2),))]
    t: (Dense,),
}

impl Layer for Containers {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.a.call(x)?;
        for block in &self.blocks {
            x = block.call(&x)?;
        }
        for entry in self.d.values() {
            x = match entry {
                Entry::One(dense) => dense.call(&x)?,
                Entry::Two((dense, more)) => more["z"].call(&dense.call(&x)?)?,
            };
        }
        self.t.0.call(&x)
    }
}

/// Defines a module of setup fields and one method, and the variables it makes.
macro_rules! setup {
    ({ $($fields:tt)* } |$self:ident, $x:ident| $body:block) => {{
        #[module]
        struct Foo {
            $($fields)*
        }

        impl Layer for Foo {
            #[compact]
            fn call(&$self, $x: &Tensor) -> Result<Tensor> $body
        }

        made(&Foo::new())
    }};
}

fn setup_fields(all: &mut Scenarios<'_>) {
    all.variables("setup_containers", made(&Containers::new()));

    let unused = setup!({
        #[setup(Dense::new(2))] used: Dense,
        #[setup(Dense::new(2))] unused: Dense,
    } |self, x| {
        let _ = &self.unused;
        self.used.call(x)
    });
    all.variables("unused_setup_module_has_no_params", unused);

    let named = setup!({
        #[setup(self.child_named("custom", Dense::new(2)))] a: Dense,
    } |self, x| { self.a.call(x) });
    all.variables("setup_explicit_name", named);

    let alias = setup!({
        #[setup(Dense::new(3))] a: Dense,
        #[setup(self.a.clone())] b: Dense,
    } |self, x| { self.b.call(&self.a.call(x)?) });
    all.variables("setup_alias", alias);

    let alias = setup!({
        #[setup(Dense::new(3))] b: Dense,
        #[setup(self.b.clone())] a: Dense,
    } |self, x| { self.b.call(&self.a.call(x)?) });
    all.variables("setup_alias_first_assignment_names", alias);

    let shared = setup!({
        #[setup(Dense::new(3))] enc: Dense,
        #[setup(Attr::new(self.enc.clone()))] w: Attr<Dense>,
    } |self, x| { self.w.call(&self.enc.call(x)?) });
    all.variables("setup_module_shared_with_sibling", shared);

    let inline = setup!({
        #[setup(Attr::new(Dense::new(3)))] w: Attr<Dense>,
    } |self, x| { self.w.call(x) });
    all.variables("setup_module_inline_to_sibling", inline);

    let mixed = setup!({
        #[setup(Dense::new(2))] a: Dense,
    } |self, x| { Dense::new(3).call(&self.a.call(x)?) });
    all.variables("setup_plus_compact", mixed);

    // A field cannot be assigned twice; two fields that claim one name are the same mistake.
    let reassigned = setup!({
        #[setup(Dense::new(3))] a: Dense,
        #[setup(self.child_named("a", Dense::new(4)))] other: Dense,
    } |self, x| { self.other.call(&self.a.call(x)?) });
    all.variables("setup_reassign", reassigned);

    let shared_scope = setup!({
        #[setup(Inner::new())] inner: Inner,
        #[setup(self.share_scope(&*self.inner)?)] shared: (),
    } |self, x| {
        let () = *self.shared;
        self.param("s", init::ones(), [])?;
        self.inner.call(x)
    });
    all.variables("share_scope", shared_scope);
}

#[module]
struct Inner;

impl Layer for Inner {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(2).call(x)
    }
}

fn fields(all: &mut Scenarios<'_>) {
    all.variables("module_passed_as_field", made(&Attr::new(Dense::new(4))));
    all.variables("list_of_modules_field", made(&sequential![Dense::new(2), Dense::new(2)]));
    let d = Arc::new(Dense::new(3));
    all.variables("same_module_two_fields", made(&Two::new(d.clone(), d)));
    all.variables("equal_but_distinct_modules", made(&Two::new(Dense::new(3), Dense::new(3))));
}

#[module]
struct Methods {
    #[setup(Dense::new(3))]
    a: Dense,
    #[setup(Dense::new(3))]
    b: Dense,
}

impl Methods {
    #[compact]
    fn enc(&self, x: &Tensor) -> Result<Tensor> {
        self.a.call(x)
    }
}

#[module]
struct TwoCompact;

impl TwoCompact {
    #[compact]
    fn first(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(2).call(x)
    }

    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.first(x)?;
        Dense::new(3).call(&x)
    }
}

#[module]
struct NameScopes;

impl NameScopes {
    #[compact(name_scope)]
    fn up(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(3).call(x)
    }

    #[compact(name_scope)]
    fn down(&self, x: &Tensor) -> Result<Tensor> {
        Dense::new(3).call(x)
    }
}

/// Its methods are not marked.
#[module]
struct Plain;

impl Plain {
    fn submodule(&self, x: &Tensor) -> Result<Tensor> {
        self.child(Dense::new(2)).call(x)
    }

    fn param(&self) -> Result<Tensor> {
        Module::param(self, "w", init::zeros(), shape())
    }

    fn variable(&self) -> Result<Tensor> {
        Ok(Module::variable(self, "stats", "v", || Tensor::zeros([3]))?.get())
    }
}

fn methods(all: &mut Scenarios<'_>) {
    let x = Tensor::ones([1, 3]);
    all.variables("two_compact_methods", TwoCompact::new().init(key(0)).run(|m| m.call(&x)));
    all.variables("init_via_method", Methods::new().init(key(0)).run(|m| m.enc(&x)));
    all.variables("init_via_fn", Methods::new().init(key(0)).run(|m| m.a.call(&x)));
    assert_eq!(Methods::new().b.features, 3);

    let scopes = NameScopes::new();
    all.variables("compact_name_scope", scopes.init(key(0)).run(|m| m.up(&m.down(&x)?)));

    let plain = Plain::new();
    all.variables("submodule_outside_compact", plain.init(key(0)).run(|m| m.submodule(&x)));
    all.variables("param_outside_compact", plain.init(key(0)).run(Plain::param));
    all.variables("variable_outside_compact", plain.init(key(0)).run(Plain::variable));
}

fn unbound(all: &mut Scenarios<'_>) {
    let dense = Dense::new(3);
    let called = dense.call(&Tensor::ones([1, 3])).map(|_| Variables::new());
    all.variables("call_unbound_compact", called);
    let unbound = dense.unbind().map(|(_, variables)| variables);
    all.variables("unbind_unbound", unbound);
    let shared = dense.share_scope(&Dense::new(3)).map(|()| Variables::new());
    all.variables("share_scope_unbound", shared);

    let mut dense = dense;
    dense.features = 4;
    all.result("set_attr_unbound", Ok(serde_json::Value::Null));
    assert_eq!(dense.features, 4);
}

/// What Linen refuses at run time, the compiler refuses here.
fn impossible(all: &mut Scenarios<'_>) {
    for (id, reason) in [
        ("module_passed_as_field_named", "a module has no name before it is bound: `child_named` gives it"),
        ("set_attribute_in_call", "`&self` cannot be assigned to"),
        ("set_field_in_setup", "`&self` cannot be assigned to"),
        ("call_setup_directly", "there is no method that sets up"),
        (
            "call_unbound_setup_attr",
            "fields of modules can be read at any time; their call is `call_unbound_compact`",
        ),
        ("init_on_class", "`init` takes `&self`"),
        ("bad_method_arg", "`run` takes a function of the module"),
        ("method_str_missing", "methods are called by name, not by text"),
        ("reserved_name_field", "the macro refuses it: ui-tests"),
        ("reserved_parent_field", "the macro refuses it: ui-tests"),
    ] {
        all.impossible(id, reason);
    }
}
