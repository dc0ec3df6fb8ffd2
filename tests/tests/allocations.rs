//! What a warm call of a compiled function allocates: what it returns that was not there before, and nothing else.

use allocation_counter::measure;
use flaxen::optim::AdamState;
use flaxen::prelude::*;
use flaxen::tree;

/// Allocations of a call on this thread, once memory for everything was found.
fn warm<I, O: Tree, F: Fn(I) -> flaxen::Result<O>>(
    f: &flaxen::Jit<F, I, O>,
    mut args: impl FnMut() -> I,
) -> u64
where
    I: Tree,
{
    for _ in 0..3 {
        f.call(args()).unwrap();
    }
    let args = args();
    let mut result = None;
    let counted = measure(|| result = Some(f.call(args)));
    result.unwrap().unwrap();
    counted.count_total
}

fn twenty(shape: [usize; 2]) -> Vec<Tensor> {
    (0..20).map(|i| Tensor::full(shape, i as f32)).collect()
}

/// Five layers of four tensors each.
fn layers() -> Dict {
    let mut tensors = twenty([4, 4]).into_iter();
    let mut layer = || Dict::from(["a", "b", "c", "d"].map(|name| (name, tensors.next().unwrap())));
    ["v", "w", "x", "y", "z"].map(|name| (name, layer())).into_iter().collect()
}

#[test]
fn a_state_that_is_given_away_comes_back_in_the_memory_it_was_in() {
    let f = jit(|state: Dict| tree::map(&state, |x| Ok(x * 0.5 + 1.0)));
    assert_eq!(tree::count(&layers()), 20);
    assert_eq!(warm(&f, layers), 0, "tensors are written into, and dicts are filled again");
}

#[test]
fn results_that_are_new_cost_one_allocation_each() {
    // The values are in memory that earlier results have given back.
    let f = jit(|xs: Vec<Tensor>| Ok(xs.into_iter().map(|x| x * 0.5).collect::<Vec<_>>()));
    let held = twenty([4, 4]);
    assert_eq!(warm(&f, || held.clone()), 20 + 1, "twenty tensors, and the list of them");
}

#[test]
fn the_number_of_steps_is_no_matter() {
    let chain = |steps: usize| {
        let f = jit(move |(x, w): (Tensor, Tensor)| Ok((0..steps).fold(x, |x, _| x.dot(&w).tanh())));
        let (x, w) = (Tensor::ones([4, 8]), Tensor::full([8, 8], 0.1f32));
        let args = || (x.clone(), w.clone());
        assert_eq!(f.profile(&args()).unwrap().steps.len(), steps, "one kernel for each product");
        warm(&f, args)
    };
    assert_eq!([5, 50].map(chain), [1, 1], "the result");
}

#[test]
fn no_kind_of_step_allocates() {
    let f = jit(|(x, i): (Tensor, Tensor)| {
        let rows = x.try_take(&i, 0)?;
        let mixed = rows.softmax(-1).dot(&x.t()).t();
        let grads = grad(|x: &Tensor| Ok((x.try_take(&i, 0)?.log_softmax(-1) * &rows).sum()))(&x)?;
        Ok((mixed.sum(), grads.max()))
    });
    let (x, i) = (Tensor::full([6, 8], 0.3f32), Tensor::from([0i32, 3, 5, 3]));
    assert_eq!(warm(&f, || (x.clone(), i.clone())), 2, "the results");
}

#[test]
fn a_training_step_allocates_two_numbers_its_loss_and_the_count_of_steps() {
    let tx = optim::adam(0.1);
    let (params, x) = (layers(), Tensor::ones([3, 4]));
    let state = tx.init(&params);
    let step = jit(move |(params, state, x): (Dict, AdamState, Tensor)| {
        let loss = |params: &Dict| {
            let out = tree::leaves(params).into_iter().fold(x.clone(), |x, p| x.dot(p).tanh());
            Ok(out.square().mean())
        };
        let (value, grads) = value_and_grad(loss)(&params)?;
        let (updates, state) = tx.update(&grads, &state, &params)?;
        Ok((optim::apply_updates(&params, &updates)?, state, value))
    });
    let mut held = Some((params, state));
    let mut counted = 0;
    for _ in 0..4 {
        let (params, state) = held.take().unwrap();
        let args = (params, state, x.clone());
        let mut result = None;
        counted = measure(|| result = Some(step.call(args))).count_total;
        let (params, state, _) = result.unwrap().unwrap();
        held = Some((params, state));
    }
    assert_eq!(counted, 2, "arrays are written over, single values are made anew");
}

/// Allocations of a warm call with this many steps of a loop.
fn loops(length: usize, body: impl Fn(Tensor, Tensor) -> Result<(Tensor, Tensor)> + Copy) -> u64 {
    let f = jit(move |(carry, xs): (Tensor, Tensor)| scan(body).call(carry, xs));
    let (carry, xs) = (Tensor::full([4, 8], 0.1f32), Tensor::full([length, 4, 8], 0.2f32));
    warm(&f, || (carry.clone(), xs.clone()))
}

#[test]
fn a_step_of_a_loop_allocates_nothing() {
    let w = Tensor::full([8, 8], 0.1f32);
    let recurrent = |carry: Tensor, x: Tensor| {
        let new = (carry.dot(&w) + &x).tanh();
        Ok((new.clone(), new * x))
    };
    let [few, many] = [5, 50].map(|length| loops(length, recurrent));
    assert_eq!(few, many, "slices are read and written where they are, and the carry changes places");
    let in_a_loop = |carry: Tensor, x: Tensor| {
        let (new, ()) = scan(|c: Tensor, (): ()| Ok(((c * 0.9 + &x).sin(), ()))).length(3).call(carry, ())?;
        Ok((new.clone(), new))
    };
    assert_flat(in_a_loop);
    assert_flat(|carry, _| {
        let new = cond(&carry.sum().gt(0.0), |y: Tensor| Ok(y * 0.5), |y: Tensor| Ok(y.cos()))(carry)?;
        Ok((new.clone(), new))
    });
    assert_flat(|carry, _| {
        let (new, _) = while_loop(
            |(_, n): &(Tensor, Tensor)| Ok(n.lt(3)),
            |(y, n): (Tensor, Tensor)| Ok((y.tanh(), n + 1)),
        )((carry, Tensor::from(0)))?;
        Ok((new.clone(), new))
    });
}

/// Loops and branches within a loop allocate nothing, either.
fn assert_flat(body: impl Fn(Tensor, Tensor) -> Result<(Tensor, Tensor)> + Copy) {
    let [few, many] = [5, 50].map(|length| loops(length, body));
    assert_eq!(few, many);
}

#[test]
fn a_file_of_flax_is_loaded_into_the_memory_that_its_arrays_stay_in() {
    use flaxen::io::msgpack;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.msgpack");
    let dict: Dict = (0..8).map(|i| (format!("array_{i}"), Tensor::full([250, 500], i as f32))).collect();
    msgpack::save(&path, &dict).unwrap();
    let len = std::fs::metadata(&path).unwrap().len();
    let mut loaded = None;
    let counted = measure(|| loaded = Some(msgpack::load(&path)));
    assert_eq!(loaded.unwrap().unwrap(), dict);
    assert!(counted.bytes_max >= len * 9 / 10, "arrays are counted: {} of {len} bytes", counted.bytes_max);
    assert!(counted.bytes_max <= len * 11 / 10, "{} bytes for a file of {len}", counted.bytes_max);
}
