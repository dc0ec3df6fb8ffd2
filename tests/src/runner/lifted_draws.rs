//! The programs of the cases `more_lift_*`, which `tests/golden/scripts/lifted.py` made of modules of the same names.

use flaxen::lift::{self, Jit, Remat, RematScan, Scan, Vmap};
use flaxen::prelude::*;
use flaxen::variables::Partitioned;
use flaxen::{Value, random};

use super::lifted::{Called, Lifted, layer, program, stored};

/// The program of a case, by what follows `more_lift_` in its name.
pub fn named(name: &str) -> Option<Box<dyn Lifted>> {
    match name {
        "scan_draws" => program(ScanDraws::new(), |m, inputs| m.call(&inputs[0], &inputs[1])),
        "scan_draws_once" => scanned(draw_cells().check_invariants(false)),
        "scan_draws_same" => {
            scanned(Scan::new(DrawCell::new()).axis("params", 0).split("params").share("dropout").reverse())
        }
        "scan_of_function" => program(ScanOfFunction::new(), |m, inputs| m.call(&inputs[0], &inputs[1])),
        "scan_nested" => program(NestedScan::new(), |m, inputs| m.call(&inputs[0], &inputs[1])),
        "scan_promoted" => program(ScanPromoted::new(true), |m, inputs| m.call(&inputs[1])),
        "scan_bare_number" => program(ScanPromoted::new(false), |m, inputs| m.call(&inputs[1])),
        "scan_axes" => program(AxesOfScan::new(), AxesOfScan::call),
        "scan_of_jit" => program(JitInScan::new(), |m, inputs| m.call(&inputs[0], &inputs[1])),
        "remat_scan_draws" => program(RematScanDraws::new(), |m, inputs| Ok(m.call(&inputs[0])?.into())),
        "cond_draws" => program(CondDraws::new(), |m, inputs| m.call(&inputs[0])),
        "switch_draws" => program(SwitchDraws::new(), |m, inputs| m.call(&inputs[0])),
        "while_draws" => program(WhileDraws::new(true), |m, inputs| m.call(&inputs[0])),
        "while_draws_same" => program(WhileDraws::new(false), |m, inputs| m.call(&inputs[0])),
        "vmap_draws" => program(VmapDraws::new(), |m, inputs| m.call(&inputs[0])),
        "remat_draws" => program(RematDraws::new(), |m, inputs| m.call(&inputs[0])),
        "jit_draws" => program(JitDraws::new(), |m, inputs| m.call(&inputs[0])),
        "vmap_last_axis" => layer(LastAxis::new()),
        "map_variables_mutable" => program(MutableView::new(), |m, inputs| m.call(&inputs[0])),
        _ => None,
    }
}

const EACH: [&str; 2] = ["params", "dropout"];

fn draw<M: flaxen::Module>(module: &M) -> Result<Tensor> {
    random::try_uniform(&module.make_rng("dropout")?, [2])
}

#[flaxen::module]
struct DrawCell;

impl DrawCell {
    #[compact]
    fn step(&self, c: &Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let a = draw(self)?;
        let y = Dense::new(3).call(c)?;
        Ok((y + x, Tensor::stack(&[a, draw(self)?], 0)))
    }
}

/// A layer that draws, and returns what it drew beside its output.
#[flaxen::module]
struct Drawing;

impl Drawing {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let y = Dense::new(3).call(x)?;
        Ok((y, draw(self)?))
    }
}

fn draw_cells() -> Scan<DrawCell> {
    Scan::new(DrawCell::new()).axis("params", 0).split(EACH)
}

fn step(cell: &DrawCell, c: Tensor, x: Tensor) -> Result<(Tensor, Tensor)> {
    cell.step(&c, &x)
}

fn scanned(scan: Scan<DrawCell>) -> Option<Box<dyn Lifted>> {
    program(OnlyScan::new(scan), |m, inputs| m.call(&inputs[0], &inputs[1]))
}

#[flaxen::module]
struct OnlyScan {
    scan: Scan<DrawCell>,
}

impl OnlyScan {
    #[compact]
    fn call(&self, c: &Tensor, xs: &Tensor) -> Called {
        let scan = self.child(self.scan.clone());
        Ok(Value::of(&scan.run(step, c.clone(), xs.clone())?))
    }
}

#[flaxen::module]
struct ScanDraws;

impl ScanDraws {
    #[compact]
    fn call(&self, c: &Tensor, xs: &Tensor) -> Called {
        let before = draw(self)?;
        let (c, drawn) = draw_cells().run(step, c.clone(), xs.clone())?;
        Ok(Value::of(&(c, drawn, before, draw(self)?)))
    }
}

#[flaxen::module]
struct ScanOfFunction {
    #[setup(Dense::new(3))]
    dense: Dense,
}

impl ScanOfFunction {
    #[compact]
    fn call(&self, c: &Tensor, xs: &Tensor) -> Called {
        let before = draw(self)?;
        let body = |m: &ScanOfFunction, c: Tensor, x: Tensor| Ok((m.dense.call(&c)? + x, draw(m)?));
        let (c, drawn) =
            lift::scan(self, body).share("params").split("dropout").call(c.clone(), xs.clone())?;
        Ok(Value::of(&(c, drawn, before, draw(self)?)))
    }
}

#[flaxen::module]
struct NestedScan;

impl NestedScan {
    #[compact]
    fn call(&self, c: &Tensor, xs: &Tensor) -> Called {
        let cell = self.child(DrawCell::new());
        let outer = |cell: &DrawCell, c: Tensor, x: Tensor| {
            lift::scan(cell, step).axis("params", 0).split(EACH).call(c, x)
        };
        Ok(Value::of(&lift::scan(&cell, outer).axis("params", 0).split(EACH).call(c.clone(), xs.clone())?))
    }
}

#[flaxen::module]
struct ScanPromoted {
    from_integer: bool,
}

impl ScanPromoted {
    #[compact]
    fn call(&self, xs: &Tensor) -> Called {
        let body = |m: &ScanPromoted, count: Tensor, x: Tensor| Ok((count + x.sum(), draw(m)?));
        // Numbers that take on the dtype they meet.
        let float = Tensor::from(0) * 1.0;
        let bare = if self.from_integer { Tensor::from(false) * 1 } else { float };
        Ok(Value::of(&lift::scan(self, body).split("dropout").call(bare, xs.clone())?))
    }
}

#[flaxen::module]
struct AxesOfScan;

impl AxesOfScan {
    #[compact]
    fn call(&self, inputs: &[Tensor]) -> Called {
        let [c, xs, whole] = [0, 1, 2].map(|i| inputs[i].clone());
        let dense = self.child(Dense::new(3));
        let body = |dense: &Dense, c: Tensor, (x, whole): (Tensor, Tensor)| {
            let c = dense.call(&c)? + x * &whole;
            Ok((c.clone(), (c * 2.0, whole + 1.0)))
        };
        let scan = lift::scan(&dense, body).axis("params", -1).split("params");
        Ok(Value::of(&scan.in_axes((-1, None)).out_axes((-2, None)).call(c, (xs, whole))?))
    }
}

#[flaxen::module]
struct JitInScan;

impl JitInScan {
    #[compact]
    fn call(&self, c: &Tensor, xs: &Tensor) -> Called {
        let cell = self.child(Jit::new(DrawCell::new()));
        let body = |cell: &Jit<DrawCell>, c: Tensor, x: Tensor| {
            cell.run(|cell, (c, x): (Tensor, Tensor)| cell.step(&c, &x), (c, x))
        };
        Ok(Value::of(&lift::scan(&cell, body).axis("params", 0).split(EACH).call(c.clone(), xs.clone())?))
    }
}

/// A `Dense` and a dropout; its name is part of the case.
#[flaxen::module(name = "Layer")]
struct DroppingLayer;

impl Layer for DroppingLayer {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let y = Dense::new(3).call(x)?;
        Dropout::new(0.5).call(&y, true)
    }
}

#[flaxen::module]
struct RematScanDraws;

impl Layer for RematScanDraws {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        RematScan::new(DroppingLayer::new(), [2, 3]).call(x)
    }
}

#[flaxen::module]
struct CondDraws;

impl CondDraws {
    #[compact]
    fn call(&self, x: &Tensor) -> Called {
        let (a, b) = (self.child_named("a", Drawing::new()), self.child_named("b", Drawing::new()));
        if self.is_initializing() {
            a.call(x)?;
            b.call(x)?;
        }
        let on_true = |a: &Drawing, x: &Tensor| Ok((a.call(x)?, draw(a)?));
        let on_false = |a: &Drawing, x: &Tensor| Ok((a.call(&(x * 2.0))?, draw(a)?));
        let first = lift::cond(&a, &x.sum().gt(0.0), on_true, on_false, x)?;
        let second = lift::cond(&a, &x.sum().lt(0.0), on_true, on_false, x)?;
        Ok(Value::of(&(first, second, draw(&a)?, b.call(x)?)))
    }
}

#[flaxen::module]
struct SwitchDraws;

impl SwitchDraws {
    #[compact]
    fn call(&self, x: &Tensor) -> Called {
        let a = self.child_named("a", Drawing::new());
        if self.is_initializing() {
            a.call(x)?;
        }
        let switch = |i: i32| {
            let branches = (
                |a: &Drawing, x: &Tensor| a.call(x),
                |a: &Drawing, x: &Tensor| Ok((a.call(x)?.0, draw(a)? + 1.0)),
                |a: &Drawing, x: &Tensor| Ok((x.clone(), draw(a)? + 2.0)),
            );
            lift::switch(&a, &Tensor::from(i), branches, x)
        };
        let all = vec![switch(0)?, switch(1)?, switch(2)?];
        Ok(Value::of(&(all, draw(&a)?)))
    }
}

#[flaxen::module]
struct WhileDraws {
    split: bool,
}

/// The number of a step, an input, and what was drawn so far.
type Drawn = (Tensor, Tensor, Tensor);

impl WhileDraws {
    #[compact]
    fn call(&self, x: &Tensor) -> Called {
        let a = self.child_named("a", Drawing::new());
        if self.is_initializing() {
            a.call(x)?;
        }
        let cond = |a: &Drawing, (i, ..): &Drawn| Ok(i.lt(3).minimum(draw(a)?.get(0).lt(2.0)));
        let body = |a: &Drawing, (i, x, drawn): Drawn| {
            let (y, new) = a.call(&x)?;
            Ok((i + 1, y, drawn + new))
        };
        let looped = lift::while_loop(&a, cond, body);
        let looped = if self.split { looped.split("dropout") } else { looped.share("dropout") };
        let state = looped.call((Tensor::from(0), x.clone(), Tensor::zeros([2])))?;
        Ok(Value::of(&(state, draw(&a)?)))
    }
}

#[flaxen::module]
struct VmapDraws;

impl VmapDraws {
    #[compact]
    fn call(&self, x: &Tensor) -> Called {
        let vmap = Vmap::new(Drawing::new()).axis("params", 0).split(EACH);
        let (y, drawn) = self.child(vmap).run(|drawing, x: Tensor| drawing.call(&x), x.clone())?;
        Ok(Value::of(&(y, drawn, draw(self)?)))
    }
}

#[flaxen::module]
struct RematDraws;

impl RematDraws {
    #[compact]
    fn call(&self, x: &Tensor) -> Called {
        let remat = self.child(Remat::new(Drawing::new()));
        let call = || remat.run(|drawing, x: &Tensor| drawing.call(x), x);
        Ok(Value::of(&(call()?, call()?, draw(self)?)))
    }
}

#[flaxen::module]
struct JitDraws;

impl JitDraws {
    #[compact]
    fn call(&self, x: &Tensor) -> Called {
        let jit = self.child(Jit::new(Drawing::new()));
        let call = |jit: &Jit<Drawing>| jit.run(|drawing, x: Tensor| drawing.call(&x), x.clone());
        let (first, second, own) = (call(&jit)?, call(&jit)?, draw(self)?);
        let other = self.child(Jit::new(Drawing::new()));
        Ok(Value::of(&(first, second, own, call(&other)?)))
    }
}

#[flaxen::module]
struct LastAxis;

impl Layer for LastAxis {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let dense = Dense::new(3).kernel_init(init::lecun_normal().boxed(Partitioned::new(["in", "out"])));
        let vmap = Vmap::new(dense).axis("params", -1).split("params").metadata("layers");
        vmap.in_axes(-2).out_axes(-1).call(x)
    }
}

#[flaxen::module]
struct Count;

impl Layer for Count {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let n = self.variable("state", "n", || Tensor::from(1.0f32))?;
        n.set(n.get() + 1.0)?;
        Ok(x * stored(self, "n")?)
    }
}

#[flaxen::module]
struct MutableView;

impl MutableView {
    #[compact]
    fn call(&self, x: &Tensor) -> Called {
        let count = self.child_named("count", Count::new());
        let times =
            |factor: f32| move |variables: Variables| flaxen::tree::map(&variables, |x| Ok(x * factor));
        let view = lift::map_variables(&count, "state", times(2.0), times(0.5)).init().mutable();
        Ok(Value::of(&(view.run(|count| count.call(x))?, view.run(|count| count.call(x))?)))
    }
}
