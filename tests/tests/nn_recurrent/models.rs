//! Recurrent layers in models: cells of users, names, dtypes, tables, compiled programs, transforms.

use super::*;

/// The state of any recurrent layer.
fn states<R: Recurrent>(layer: &R, x: &Tensor) -> Result<R::Carry> {
    Ok(layer.with_carry(x, Sequence::new())?.0)
}

#[test]
fn directions_may_be_layers_of_directions() -> Result<()> {
    let rnn = || Rnn::new(SimpleCell::new(2));
    let both = Bidirectional::new(Bidirectional::new(rnn(), rnn()), rnn());
    let x = random(1, &[3, 5, 4]);
    let (y, variables) = both.init_with_output(key(0)).call(&x)?;
    assert_eq!(y.shape(), [3, 5, 6]);
    assert!(variables.tensor("params/forward_rnn/backward_rnn/cell/i/kernel").is_ok());
    let ((_, inner), outer) = both.apply(&variables).run(|m| states(m, &x))?;
    assert_eq!((inner.shape(), outer.shape()), (&[3, 2][..], &[3, 2][..]));
    Ok(())
}

/// A cell of a user: a state that forgets, and a count of steps.
#[module]
struct Leaky {
    features: usize,
    #[module(default = 0.5)]
    keeps: f64,
}

#[derive(Clone, Tree)]
struct LeakyState {
    h: Tensor,
    steps: Tensor,
}

impl Cell for Leaky {
    type Carry = LeakyState;

    #[compact]
    fn call(&self, carry: LeakyState, x: &Tensor) -> Result<(LeakyState, Tensor)> {
        let h = carry.h * self.keeps + Dense::new(self.features).call(x)?.tanh();
        Ok((LeakyState { h: h.clone(), steps: carry.steps + 1 }, h))
    }

    fn initial_carry(&self, _key: &Key, input: &[usize]) -> Result<LeakyState> {
        let h = Tensor::zeros([input[0], self.features]);
        Ok(LeakyState { h, steps: Tensor::zeros_of([input[0]], DType::I32) })
    }
}

#[test]
fn cells_of_users_run_over_sequences_with_all_options() -> Result<()> {
    let x = random(1, &[2, 4, 3]);
    let rnn = Rnn::new(Leaky::new(5));
    let (y, variables) = rnn.init_with_output(key(0)).call(&x)?;
    assert_eq!(variables.tensor("params/cell/Dense_0/kernel")?.shape(), [3, 5]);
    let (carries, expected) = by_hand(&rnn.cell, &variables, &x, 1)?;
    assert_close(&y, &expected);
    assert_eq!(carries.len(), 4);
    let sequence = Sequence::new().lengths(&Tensor::from([3, 1]));
    let (carry, _) = rnn.apply(&variables).run(|m| m.with_carry(&x, sequence.clone()))?;
    assert_eq!(carry.steps.to_vec::<i32>()?, [3, 1]);
    assert_close(&carry.h.get(0), &y.get(0).get(2));
    Ok(())
}

/// The programs of the documentation's contract.
#[module]
struct Contract;

impl Contract {
    #[compact]
    fn call(&self, x: &Tensor, n: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let first = Rnn::new(LstmCell::new(16)).call(x)?;
        let (carry, _) = Rnn::new(GruCell::new(8))
            .reverse()
            .keep_order()
            .run(|rnn| rnn.with_carry(x, Sequence::new().lengths(n)))?;
        let both = Bidirectional::new(Rnn::new(LstmCell::new(4)), Rnn::new(LstmCell::new(4))).call(x)?;
        Ok((first, carry, both))
    }
}

#[test]
fn layers_are_built_where_they_are_called_under_linens_names() -> Result<()> {
    let (x, n) = (Tensor::ones([2, 5, 3]), Tensor::from([5, 2]));
    let ((first, carry, both), variables) =
        Contract::new().init_with_output(key(0)).run(|m| m.call(&x, &n))?;
    assert_eq!((first.shape(), carry.shape(), both.shape()), (&[2, 5, 16][..], &[2, 8][..], &[2, 5, 8][..]));
    let params = variables.dict("params")?;
    assert_eq!(params.keys().collect::<Vec<_>>(), ["Bidirectional_0", "RNN_0", "RNN_1"]);
    assert_eq!(variables.tensor("params/RNN_0/cell/ii/kernel")?.shape(), [3, 16]);
    Ok(())
}

#[test]
fn a_cell_that_the_enclosing_module_made_keeps_its_name_there() -> Result<()> {
    #[module]
    struct Model;

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Rnn::new(self.child(LstmCell::new(2))).call(x)
        }
    }

    let variables = Model::new().init(key(0)).call(&Tensor::ones([2, 5, 3]))?;
    assert_eq!(variables.dict("params")?.keys().collect::<Vec<_>>(), ["LSTMCell_0"]);
    Ok(())
}

#[test]
fn states_of_gated_cells_in_halves_stay_single() -> Result<()> {
    fn dtypes<C: Cell>(cell: C) -> Result<Vec<DType>> {
        let x = random(1, &[2, 3]);
        let carry = cell.initial_carry(&key(0), x.shape())?;
        let (carry, y) = cell.init_with_output(key(0)).run(|m| m.call(carry.clone(), &x))?.0;
        Ok(tree::leaves(&(carry, y)).into_iter().map(Tensor::dtype).collect())
    }
    let (half, single) = (DType::BF16, DType::F32);
    assert_eq!(dtypes(LstmCell::new(2).dtype(half))?, [single; 3]);
    assert_eq!(dtypes(OptimizedLstmCell::new(2).dtype(half))?, [single; 3]);
    assert_eq!(dtypes(GruCell::new(2).dtype(half))?, [single; 2]);
    assert_eq!(dtypes(MguCell::new(2).dtype(half))?, [single; 2]);
    assert_eq!(dtypes(SimpleCell::new(2).dtype(half))?, [half; 2]);
    assert_eq!(dtypes(SimpleCell::new(2).dtype(half).residual(true))?, [single; 2]);
    Ok(())
}

#[test]
fn orthogonal_kernels_of_halves_are_made() -> Result<()> {
    // In Flax there is no decomposition of halves, and this is an error.
    for dtype in [DType::BF16, DType::F16] {
        let x = random(1, &[2, 4, 3]).cast(dtype);
        let (y, variables) =
            Rnn::new(LstmCell::new(2).param_dtype(dtype)).init_with_output(key(0)).call(&x)?;
        let kernel = variables.tensor("params/cell/hi/kernel")?.clone();
        assert_eq!((y.dtype(), kernel.dtype()), (dtype, dtype));
        let kernel = kernel.cast(DType::F32);
        let identity = Tensor::from([[1.0f32, 0.0], [0.0, 1.0]]);
        assert!(kernel.t().dot(&kernel).all_close(&identity, 0.0, 2e-2)?);
    }
    Ok(())
}

#[test]
fn models_print_as_flax_prints_them() {
    let rnn = Rnn::new(SimpleCell::new(2)).reverse();
    let text = format!("{rnn:?}");
    assert!(text.starts_with("RNN { cell: SimpleCell { features: 2, activation_fn: tanh, "), "{text}");
    assert!(text.contains("reverse: true, keep_order: false, unroll: 1"), "{text}");
    assert_eq!(rnn, Rnn::new(SimpleCell::new(2)).reverse());
    assert_ne!(rnn, Rnn::new(SimpleCell::new(2).activation_fn(Tensor::relu)).reverse());
}

/// The table of Flax, from its first rule to its last.
const TABLE: &str = "\
┏━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━┓
┃ path   ┃ module     ┃ inputs         ┃ outputs        ┃ params               ┃
┡━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━┩
│        │ RNN        │ float32[4,5,3] │ float32[4,5,2] │                      │
├────────┼────────────┼────────────────┼────────────────┼──────────────────────┤
│ cell   │ SimpleCell │ - float32[4,2] │ - float32[4,2] │                      │
│        │            │ - float32[4,3] │ - float32[4,2] │                      │
├────────┼────────────┼────────────────┼────────────────┼──────────────────────┤
│ cell/i │ Dense      │ float32[4,3]   │ float32[4,2]   │ bias: float32[2]     │
│        │            │                │                │ kernel: float32[3,2] │
│        │            │                │                │                      │
│        │            │                │                │ 8 (32 B)             │
├────────┼────────────┼────────────────┼────────────────┼──────────────────────┤
│ cell/h │ Dense      │ float32[4,2]   │ float32[4,2]   │ kernel: float32[2,2] │
│        │            │                │                │                      │
│        │            │                │                │ 4 (16 B)             │
├────────┼────────────┼────────────────┼────────────────┼──────────────────────┤
│        │            │                │          Total │ 12 (48 B)            │
└────────┴────────────┴────────────────┴────────────────┴──────────────────────┘";

#[test]
fn the_table_of_a_layer_has_a_row_for_everything_in_a_step() -> Result<()> {
    let summary = Rnn::new(SimpleCell::new(2)).tabulate(key(0)).call(&Tensor::ones([4, 5, 3]))?;
    let text = summary.to_string();
    assert!(text.contains("RNN Summary") && text.contains(TABLE), "{text}");
    Ok(())
}

/// What a layer makes, as a function of its parameters and input.
fn applied<C: Cell>(rnn: &Rnn<C>) -> impl Fn((Dict, Tensor)) -> Result<Tensor> + use<'_, C> {
    |(params, x)| rnn.apply(Variables::new().with("params", params)).call(&x)
}

#[test]
fn a_compiled_layer_is_one_loop_with_one_product_of_the_input() -> Result<()> {
    let x = random(1, &[2, 6, 3]);
    let rnn = Rnn::new(OptimizedLstmCell::new(4));
    let params = rnn.init(key(0)).call(&x)?.dict("params")?.clone();
    let graph = jit(applied(&rnn)).graph(&(params.clone(), x.clone()))?;
    let count =
        |graph: &flaxen::core::Graph, name: &str| graph.primitives().filter(|&other| other == name).count();
    assert_eq!((count(&graph, "scan"), count(&graph, "dot_general")), (1, 1), "{graph}");
    let loss = |args: (Dict, Tensor)| {
        let slope = |args: &(Dict, Tensor)| Ok(applied(&rnn)(args.clone())?.square().sum());
        grad(slope)(&args)
    };
    let graph = jit(loss).graph(&(params, x))?;
    assert_eq!(count(&graph, "scan"), 2, "one loop forward, one backward: {graph}");
    Ok(())
}

type Apply<'f> = &'f dyn Fn((Dict, Tensor)) -> Result<Tensor>;

/// Gradients with respect to parameters and input.
type Slopes = fn(Apply<'_>, &(Dict, Tensor)) -> Result<(Dict, Tensor)>;

fn slopes(f: Apply<'_>, args: &(Dict, Tensor)) -> Result<(Dict, Tensor)> {
    grad(|args: &(Dict, Tensor)| Ok(f(args.clone())?.square().sum()))(args)
}

fn slopes_of_slopes(f: Apply<'_>, args: &(Dict, Tensor)) -> Result<(Dict, Tensor)> {
    let size = |args: &(Dict, Tensor)| {
        let (params, x) = slopes(f, args)?;
        Ok(x.square().sum() + params.tensor("cell/hn/kernel")?.square().sum())
    };
    grad(size)(args)
}

#[test]
fn layers_stand_under_every_transform() -> Result<()> {
    let x = random(1, &[3, 2, 5, 4]);
    for reverse in [false, true] {
        let mut rnn = Rnn::new(GruCell::new(3));
        rnn.reverse = reverse;
        let (y, variables) = rnn.init_with_output(key(0)).call(&x)?;
        let params = variables.dict("params")?.clone();
        assert_close(&jit(applied(&rnn)).call((params.clone(), x.clone()))?, &y);
        let mapped = vmap(applied(&rnn)).in_axes((None, 0));
        assert_close(&mapped.call((params.clone(), x.clone()))?, &y);
        let mapped = jit(|args: (Dict, Tensor)| vmap(applied(&rnn)).in_axes((None, 0)).call(args));
        assert_close(&mapped.call((params.clone(), x.clone()))?, &y);

        // The gradients of a loop that is written by hand, also those of gradients.
        let cell = rnn.cell.clone();
        let by_hand = |(params, x): (Dict, Tensor)| {
            let x = if reverse { x.flip([2]) } else { x };
            Ok(by_hand(&cell, &Variables::new().with("params", params), &x, 2)?.1)
        };
        let args = (params, x.clone());
        for of in [slopes as Slopes, slopes_of_slopes] {
            let (found, expected) = (of(&applied(&rnn), &args)?, of(&by_hand, &args)?);
            let compiled = jit(|args: (Dict, Tensor)| of(&applied(&rnn), &args)).call(args.clone())?;
            for found in [found, compiled] {
                for (found, expected) in tree::leaves(&found).into_iter().zip(tree::leaves(&expected)) {
                    assert!(found.all_close(expected, 1e-3, 1e-4)?, "{found:?}\n{expected:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_loop_by_the_lifted_scan_gives_what_the_layer_gives() -> Result<()> {
    #[module]
    struct Lifted {
        #[submodule]
        cell: LstmCell,
    }

    impl Layer for Lifted {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            let carry = self.cell.initial_carry(&key(0), &[x.shape()[0], x.shape()[2]])?;
            let steps = lift::scan(&self.cell, |cell: &LstmCell, carry: (Tensor, Tensor), x: Tensor| {
                cell.call(carry, &x)
            });
            Ok(steps.share("params").axes(1).call(carry, x.clone())?.1)
        }
    }

    let x = random(1, &[3, 5, 4]);
    let (y, variables) = Rnn::new(LstmCell::new(2)).init_with_output(key(0)).call(&x)?;
    let (lifted, of_lifted) = Lifted::new(LstmCell::new(2)).init_with_output(key(0)).call(&x)?;
    assert_eq!(of_lifted, variables);
    assert_close(&lifted, &y);
    Ok(())
}

#[test]
fn a_loop_by_scan_over_steps_that_are_applied_gives_what_the_layer_gives() -> Result<()> {
    let x = random(1, &[3, 5, 4]);
    let (y, variables) = Rnn::new(LstmCell::new(2)).init_with_output(key(0)).call(&x)?;
    let step = Step::new(LstmCell::new(2));
    let steps =
        scan(|carry: (Tensor, Tensor), x: Tensor| step.apply(&variables).run(|m| m.step(carry.clone(), &x)));
    let carry = step.cell.initial_carry(&key(0), &[3, 4])?;
    assert_close(&steps.axes(1).call(carry, x)?.1, &y);
    Ok(())
}

#[test]
fn a_state_that_changes_its_dtype_is_an_error_with_both() {
    let rnn = Rnn::new(SimpleCell::new(2).dtype(DType::BF16));
    let error = rnn.init(key(0)).call(&Tensor::ones([3, 5, 4])).unwrap_err().to_string();
    for part in ["scan(cell)", "SimpleCell", "a carry at `carry` ", "f32[3,2]", "bf16[3,2]"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// Adds its input times the number of its step, which it counts.
#[module]
struct Counting;

impl Cell for Counting {
    type Carry = Tensor;

    #[compact]
    fn call(&self, carry: Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let count = self.variable("counts", "n", || Tensor::from(0))?;
        count.set(count.try_get()? + 1)?;
        let h = carry + x * count.try_get()?;
        Ok((h.clone(), h))
    }

    fn initial_carry(&self, _key: &Key, input: &[usize]) -> Result<Tensor> {
        Ok(Tensor::zeros(input))
    }
}

#[test]
fn variables_may_go_from_step_to_step() -> Result<()> {
    let rnn = Rnn::new(Counting::new()).variable_carry("counts");
    let x = Tensor::ones([2, 3, 1]);
    let variables = Variables::new().with("counts", Dict::new().with("cell/n", 5));
    let (y, updates) = rnn.apply(&variables).mutable("counts").call(&x)?;
    assert_eq!(y.to_vec::<f32>()?, [6.0, 13.0, 21.0, 6.0, 13.0, 21.0]);
    assert_eq!(updates.tensor("counts/cell/n")?.item::<i32>()?, 8);
    // As in Flax, the loop does not make what goes through it.
    let error = rnn.init(key(0)).call(&x).unwrap_err().to_string();
    assert!(error.contains("must be there before the loop"), "{error}");
    let error = rnn.apply(&variables).call(&x).unwrap_err().to_string();
    assert!(error.contains("scan(cell)") && error.contains("counts"), "{error}");
    Ok(())
}

/// A layer and its gradient, of 32 rows at once and of four at a time, which a loop does not deal out to threads.
fn many_rows_are_few_rows<M: Layer + Clone + Send + Sync + 'static>(name: &str, model: M) {
    let x = random::normal(&key(0), [32, 6, 48]);
    let (params, _) = model.init(key(1)).call(&x).unwrap().pop("params").unwrap();
    let run = move |params: &Dict, x: &Tensor| model.apply(Variables::new().with("params", params)).call(x);
    let f = jit(move |(params, x): (Dict, Tensor)| {
        let gradient = grad(|x: &Tensor| Ok(run(&params, x)?.square().sum()))(&x)?;
        Ok((run(&params, &x)?, gradient))
    });
    let (all, all_gradients) = f.call((params.clone(), x.clone())).unwrap();
    for start in (0..32).step_by(4) {
        let part = |x: &Tensor| x.slice_axis(0, start..start + 4);
        let (few, gradients) = f.call((params.clone(), part(&x))).unwrap();
        for (found, expected) in [(part(&all), few), (part(&all_gradients), gradients)] {
            let difference = (found - &expected).abs().max().to_vec::<f32>().unwrap()[0];
            assert!(difference < 1e-4, "{name} from {start}: {difference}");
        }
    }
}

#[test]
fn many_rows_at_once_give_what_a_few_at_a_time_give() {
    many_rows_are_few_rows("lstm", Rnn::new(LstmCell::new(96)));
    many_rows_are_few_rows("optimized lstm", Rnn::new(OptimizedLstmCell::new(96)));
    many_rows_are_few_rows("gru", Rnn::new(GruCell::new(96)));
    many_rows_are_few_rows("mgu", Rnn::new(MguCell::new(96)));
    many_rows_are_few_rows("simple", Rnn::new(SimpleCell::new(96)));
    let both = Bidirectional::new(Rnn::new(GruCell::new(96)), Rnn::new(LstmCell::new(96)));
    many_rows_are_few_rows("bidirectional", both);
    let (rnn, x) = (Rnn::new(GruCell::new(96)), random::normal(&key(0), [32, 6, 48]));
    let lengths = Tensor::from_vec((0..32).map(|i| i % 7).collect::<Vec<i32>>(), [32]);
    let variables = rnn.init(key(1)).call(&x).unwrap();
    let f = jit(move |(variables, x, lengths): (Variables, Tensor, Tensor)| {
        rnn.apply(&variables).run(|m| m.with_carry(&x, Sequence::new().lengths(&lengths)))
    });
    let (end, y) = f.call((variables.clone(), x.clone(), lengths.clone())).unwrap();
    for start in (0..32).step_by(4) {
        let part = |x: &Tensor| x.slice_axis(0, start..start + 4);
        let (few_end, few) = f.call((variables.clone(), part(&x), part(&lengths))).unwrap();
        for (found, expected) in [(part(&y), few), (part(&end), few_end)] {
            let difference = (found - &expected).abs().max().to_vec::<f32>().unwrap()[0];
            assert!(difference < 1e-4, "from {start}: {difference}");
        }
    }
}
