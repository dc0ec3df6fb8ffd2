//! Modules within loops: `Scan`, `RematScan`, `while_loop`, `cond` and `switch`.

use flaxen::lift::{self, Remat, RematScan, Scan, Vmap};
use flaxen::prelude::*;
use flaxen::variables::{Partitioned, unbox};
use flaxen::{Value, random};

fn numbers(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    for (a, b) in numbers(a).into_iter().zip(numbers(b)) {
        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} for {b}");
    }
}

fn input() -> Tensor {
    Tensor::arange(0.0, 6.0, 1.0).reshape([2, 3]).sin()
}

fn steps() -> Tensor {
    Tensor::arange(0.0, 24.0, 1.0).reshape([4, 2, 3]).cos()
}

#[module]
struct Block;

impl Block {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let h = Dense::new(3).call(x)?.tanh();
        self.sow("intermediates", "h", &h)?;
        Dropout::new(0.5).call(&(Dense::new(3).call(&h)? + x), train)
    }
}

/// A stack of blocks, as a loop or as so many blocks.
#[module]
struct Stack {
    layers: usize,
}

impl Stack {
    #[compact]
    fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (x, ()) = Scan::new(Block::new())
            .axis(["params", "intermediates"], 0)
            .split("params")
            .split("dropout")
            .length(self.layers)
            .run(|block, x: Tensor, ()| Ok((block.call(&x, train)?, ())), x.clone(), ())?;
        Ok(x)
    }
}

#[test]
fn layers_stacked_by_scan_are_the_layers_one_after_the_other() {
    let stack = Stack::new(3);
    let variables = stack.init(key(0)).run(|m| m.call(&input(), false)).unwrap();
    assert_eq!(variables.tensor("params/ScanBlock_0/Dense_0/kernel").unwrap().shape(), [3, 3, 3]);
    let of_layer = |i: isize, variables: &Variables| -> Variables {
        let params = variables.dict("params/ScanBlock_0").unwrap().clone();
        let params = flaxen::tree::map(&params, |x| Ok(x.get(i))).unwrap();
        Variables::new().with("params", params)
    };
    let unrolled = |variables: &Variables, x: &Tensor| {
        (0..3)
            .try_fold(x.clone(), |x, i| Block::new().apply(of_layer(i, variables)).run(|m| m.call(&x, false)))
    };
    let run = |v: &Variables| stack.apply(v).run(|m| m.call(&input(), false));
    close(&run(&variables).unwrap(), &unrolled(&variables, &input()).unwrap());
    let (_, updates) =
        stack.apply(&variables).mutable("intermediates").run(|m| m.call(&input(), false)).unwrap();
    let sown = updates.at("intermediates/ScanBlock_0/h").unwrap().tuple().unwrap();
    assert_eq!(sown[0].tensor().unwrap().shape(), [3, 2, 3]);
    // Compiled, and differentiated.
    close(&jit(|v: Variables| run(&v)).call(variables.clone()).unwrap(), &run(&variables).unwrap());
    let slope = grad(|v: &Variables| Ok(run(v)?.sum()))(&variables).unwrap();
    let by_hand = grad(|v: &Variables| {
        let params = v.dict("params/ScanBlock_0")?;
        (0..3)
            .try_fold(input(), |x, i| {
                let params = flaxen::tree::map(params, |x| Ok(x.get(i)))?;
                Block::new().apply(Variables::new().with("params", params)).run(|m| m.call(&x, false))
            })
            .map(|x| x.sum())
    })(&variables)
    .unwrap();
    for name in ["Dense_0/kernel", "Dense_1/bias"] {
        let path = format!("params/ScanBlock_0/{name}");
        close(slope.tensor(&*path).unwrap(), by_hand.tensor(&*path).unwrap());
    }
}

#[test]
fn each_step_draws_its_own_numbers_where_the_stream_is_split() {
    #[module]
    struct Draws;

    impl Draws {
        #[compact]
        fn call(&self, split: bool) -> Result<Tensor> {
            let draw = |m: &Draws, (): (), (): ()| Ok(((), random::uniform(&m.make_rng("noise")?, [2])));
            let scan = lift::scan(self, draw).length(3);
            let scan = if split { scan.split("noise") } else { scan.share("noise") };
            Ok(scan.call((), ())?.1)
        }
    }

    let run = |split| {
        Draws::new().apply(Variables::new()).rngs([("noise", key(1))]).run(|m| m.call(split)).unwrap()
    };
    let (split, shared) = (run(true), run(false));
    // Filters of streams are those of collections.
    let model = Draws::new();
    let all_but = model.apply(Variables::new()).rngs([("noise", key(1))]);
    let draw = |m: &Draws, (): (), (): ()| Ok(((), random::uniform(&m.make_rng("noise")?, [2])));
    let all_but =
        all_but.run(|m| lift::scan(m, draw).length(3).split(DenyList("params")).call((), ())).unwrap().1;
    assert_eq!(numbers(&all_but), numbers(&split));
    assert_ne!(numbers(&split.get(0)), numbers(&split.get(1)));
    assert_eq!(numbers(&shared.get(0)), numbers(&shared.get(2)));
}

#[test]
fn a_step_is_traced_twice_to_find_what_is_shared_and_once_where_there_is_nothing_to_find() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static PASSES: AtomicUsize = AtomicUsize::new(0);

    #[module]
    struct Counting;

    impl Layer for Counting {
        #[compact]
        fn call(&self, xs: &Tensor) -> Result<Tensor> {
            let dense = self.child(Dense::new(3));
            let step = |dense: &Dense, c: Tensor, x: Tensor| {
                PASSES.fetch_add(1, Ordering::Relaxed);
                Ok((dense.call(&c)? + x, ()))
            };
            Ok(lift::scan(&dense, step).share("params").call(Tensor::zeros([2, 3]), xs.clone())?.0)
        }
    }

    let passes = |run: &dyn Fn()| {
        let before = PASSES.load(Ordering::Relaxed);
        run();
        PASSES.load(Ordering::Relaxed) - before
    };
    let variables = Counting::new().init(key(0)).call(&steps()).unwrap();
    assert_eq!(passes(&|| drop(Counting::new().init(key(0)).call(&steps()).unwrap())), 2);
    // However many steps there are.
    assert_eq!(passes(&|| drop(Counting::new().apply(&variables).call(&steps()).unwrap())), 1);
    let long = Tensor::ones([100, 2, 3]);
    assert_eq!(passes(&|| drop(Counting::new().apply(&variables).call(&long).unwrap())), 1);
}

#[test]
fn scans_take_axes_from_behind_and_what_every_step_reads_whole() {
    #[module]
    struct Model;

    impl Model {
        #[compact]
        fn call(&self, xs: &Tensor, whole: &Tensor) -> Result<(Tensor, Tensor)> {
            let dense = self.child(Dense::new(3));
            lift::scan(&dense, |dense: &Dense, c: Tensor, (x, whole): (Tensor, Tensor)| {
                let c = dense.call(&(c + x * whole))?;
                Ok((c.clone(), c))
            })
            .share("params")
            .in_axes((-1, None))
            .out_axes(-1)
            .reverse()
            .call(Tensor::zeros([2, 3]), (xs.clone(), whole.clone()))
        }
    }

    let (xs, whole) = (steps().move_axis(0, -1), input());
    let ((last, ys), variables) = Model::new().init_with_output(key(0)).run(|m| m.call(&xs, &whole)).unwrap();
    assert_eq!((last.shape(), ys.shape()), (&[2, 3][..], &[2, 3, 4][..]));
    let dense = variables.dict("params/Dense_0").unwrap();
    let dense = Variables::new().with("params", dense.clone());
    let mut c = Tensor::zeros([2, 3]);
    for i in (0..4).rev() {
        c = Dense::new(3).apply(&dense).call(&(c + steps().get(i) * &whole)).unwrap();
        close(&ys.index_axis(-1, i), &c);
    }
    close(&last, &c);
}

#[test]
fn a_scan_in_a_vmap_and_a_vmap_in_a_scan_keep_their_axes_apart() {
    let layers = || Scan::new(Dense::new(3)).axis("params", 0).split("params").length(2);
    let outside = Vmap::new(layers()).axis("params", 0).split("params");
    let variables = outside.init(key(0)).call(&steps()).unwrap();
    assert_eq!(variables.tensor("params/kernel").unwrap().shape(), [4, 2, 3, 3]);
    assert_eq!(outside.apply(&variables).call(&steps()).unwrap().shape(), [4, 2, 3]);
    let inside = Scan::new(Vmap::new(Dense::new(3)).axis("params", 0).split("params"));
    let inside = inside.axis("params", 0).split("params").length(5);
    let variables = inside.init(key(0)).call(&input()).unwrap();
    assert_eq!(variables.tensor("params/kernel").unwrap().shape(), [5, 2, 3, 3]);
    close(
        &jit(|v: Variables| inside.apply(&v).call(&input())).call(variables.clone()).unwrap(),
        &inside.apply(&variables).call(&input()).unwrap(),
    );
}

#[test]
fn remat_scan_is_its_layers_one_after_the_other_with_their_gradients() {
    #[module]
    struct TanhDense;

    impl Layer for TanhDense {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Ok(Dense::new(3).call(x)?.tanh())
        }
    }

    let deep = RematScan::new(TanhDense::new(), [2, 3]);
    let variables = deep.init(key(0)).call(&input()).unwrap();
    assert_eq!(variables.tensor("params/Dense_0/kernel").unwrap().shape(), [2, 3, 3, 3]);
    let by_hand = |v: &Variables| {
        (0..6).try_fold(input(), |x, i| {
            let params = flaxen::tree::map(v, |leaf| Ok(leaf.get(i / 3).get(i % 3)))?;
            TanhDense::new().apply(params).call(&x)
        })
    };
    close(&deep.apply(&variables).call(&input()).unwrap(), &by_hand(&variables).unwrap());
    let slope =
        |f: &dyn Fn(&Variables) -> Result<Tensor>| grad(|v: &Variables| Ok(f(v)?.sum()))(&variables).unwrap();
    let (a, b) = (slope(&|v| deep.apply(v).call(&input())), slope(&by_hand));
    close(a.tensor("params/Dense_0/kernel").unwrap(), b.tensor("params/Dense_0/kernel").unwrap());
}

#[test]
fn remat_in_a_scan_keeps_values_and_gradients() {
    let plain = Scan::new(Dense::new(3)).axis("params", 0).split("params").length(4);
    let remat = Scan::new(Remat::new(Dense::new(3))).axis("params", 0).split("params").length(4);
    let variables = plain.init(key(0)).call(&input()).unwrap();
    let loss = |m: &dyn Fn(&Variables) -> Result<Tensor>| {
        grad(|v: &Variables| Ok(m(v)?.sin().sum()))(&variables).unwrap()
    };
    let a = loss(&|v| plain.apply(v).call(&input()));
    let b = loss(&|v| remat.apply(v).call(&input()));
    close(a.tensor("params/kernel").unwrap(), b.tensor("params/kernel").unwrap());
}

#[test]
fn boxes_name_the_axis_of_the_layers() {
    let dense = Dense::new(3).kernel_init(init::lecun_normal().boxed(Partitioned::new(["in", "out"])));
    let stack = Scan::new(dense).axis("params", 0).split("params").metadata("layers").length(5);
    let variables = stack.init(key(0)).call(&input()).unwrap();
    let Value::Boxed(kernel) = variables.at("params/kernel").unwrap() else { panic!("not in a box") };
    assert_eq!(kernel.metadata_as::<Partitioned>(), Some(&Partitioned::new(["layers", "in", "out"])));
    assert_eq!(unbox(&variables).unwrap().tensor("params/kernel").unwrap().shape(), [5, 3, 3]);
    assert_eq!(stack.apply(&variables).call(&input()).unwrap().shape(), [2, 3]);
}

#[module]
struct Counted;

impl Counted {
    #[compact]
    fn call(&self, by: f32) -> Result<Tensor> {
        let n = self.variable("state", "n", || Tensor::from(0.0f32))?;
        n.set(n.get() + by)?;
        Ok(n.get())
    }
}

#[test]
fn branches_change_the_variables_of_the_one_that_runs() {
    #[module]
    struct Model {
        #[setup(Counted::new())]
        a: Counted,
        #[setup(Counted::new())]
        b: Counted,
    }

    impl Model {
        #[compact]
        fn call(&self, index: &Tensor) -> Result<Tensor> {
            if self.is_initializing() {
                self.a.call(0.0)?;
                self.b.call(0.0)?;
            }
            let x = Tensor::from(1.0f32);
            lift::switch(
                self,
                index,
                (
                    |m: &Model, x: &Tensor| Ok(m.a.call(1.0)? + x),
                    |m: &Model, x: &Tensor| Ok(m.b.call(10.0)? + x),
                    |_: &Model, x: &Tensor| Ok(x.clone()),
                ),
                &x,
            )
        }
    }

    let variables = Model::new().init(key(0)).run(|m| m.call(&Tensor::from(2))).unwrap();
    let counts = |index: i32| {
        let (y, state) =
            Model::new().apply(&variables).mutable("state").run(|m| m.call(&Tensor::from(index))).unwrap();
        let of = |name| numbers(state.tensor(&*format!("state/{name}/n")).unwrap())[0];
        (numbers(&y)[0], of("a"), of("b"))
    };
    assert_eq!(counts(0), (2.0, 1.0, 0.0));
    assert_eq!(counts(1), (11.0, 0.0, 10.0));
    assert_eq!(counts(2), (1.0, 0.0, 0.0));
    // Clamped.
    assert_eq!(counts(9), counts(2));
    let all = vmap(|i: Tensor| {
        let run = Model::new();
        let (y, state) = run.apply(&variables).mutable("state").run(|m| m.call(&i))?;
        Ok((y, state.tensor("state/b/n")?.clone()))
    });
    let (y, b) = all.call(Tensor::from([0, 1, 2])).unwrap();
    assert_eq!((numbers(&y), numbers(&b)), (vec![2.0, 11.0, 1.0], vec![0.0, 10.0, 0.0]));
}

#[test]
fn a_loop_carries_variables_and_leaves_the_others_alone() {
    #[module]
    struct Model {
        #[setup(Counted::new())]
        counted: Counted,
        #[setup(Dense::new(3))]
        dense: Dense,
    }

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            if self.is_initializing() {
                self.counted.call(0.0)?;
                return self.dense.call(x);
            }
            let count = |m: &Model| -> Result<Tensor> {
                Ok(m.counted.get_variable::<Tensor>("state", "n")?.expect("made at init"))
            };
            lift::while_loop(
                self,
                |m: &Model, _: &Tensor| Ok(count(m)?.lt(3.0)),
                |m: &Model, x: Tensor| {
                    m.counted.call(1.0)?;
                    m.dense.call(&x)
                },
            )
            .carry("state")
            .call(x.clone())
        }
    }

    let variables = Model::new().init(key(0)).call(&input()).unwrap();
    let (y, state) = Model::new().apply(&variables).mutable("state").call(&input()).unwrap();
    assert_eq!(numbers(state.tensor("state/counted/n").unwrap()), [3.0]);
    let dense = Variables::new().with("params", variables.dict("params/dense").unwrap().clone());
    let by_hand = (0..3).try_fold(input(), |x, _| Dense::new(3).apply(&dense).call(&x)).unwrap();
    close(&y, &by_hand);
    // Without the state to write, nothing goes on: it is an error where it is written.
    let error = Model::new().apply(&variables).call(&input()).unwrap_err().to_string();
    assert!(error.contains("immutable") && error.contains("/while_loop()/counted"), "{error}");
}
