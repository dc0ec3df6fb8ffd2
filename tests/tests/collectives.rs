//! Collectives over named axes give what they give in JAX.

use flaxen::collectives;
use flaxen::prelude::*;
use flaxen_tests::probes::{self, Settings};

fn texts(settings: &Settings<'_>, key: &str) -> Option<Vec<String>> {
    let list = settings.json(key).as_array()?;
    Some(list.iter().map(|name| name.as_str().expect("a name").to_owned()).collect())
}

/// What an example gets, of what it has.
fn talk(name: &str, x: &Tensor, names: &[&str], settings: &Settings<'_>) -> Result<Tensor> {
    let int = |key: &str| settings.int(key).expect("an axis");
    let tiled = settings.flag("tiled");
    Ok(match name {
        "psum" => collectives::psum(&(x * x), names)?,
        "pmean" => collectives::pmean(&(x * x), names)?,
        "pmax" => collectives::pmax(&(x * x), names)?,
        "pmin" => collectives::pmin(&(x * x), names)?,
        "all_gather" => collectives::all_gather(x, names, int("axis"), tiled)?,
        "all_to_all" => collectives::all_to_all(x, names, int("split"), int("concat"), tiled)?,
        "psum_scatter" => collectives::psum_scatter(x, names, int("dim"), tiled)?,
        "ppermute" => {
            let numbers = settings.sizes("pairs").expect("pairs");
            let pairs: Vec<(usize, usize)> = numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect();
            let x = if settings.has("square") { x.clone() } else { x * x };
            collectives::ppermute(&x, names[0], &pairs)?
        }
        "pshuffle" => {
            collectives::pshuffle(&(x * x), names[0], &settings.sizes("permutation").expect("numbers"))?
        }
        "axis_index" => x * collectives::axis_index(names)?,
        "axis_size" => x * collectives::axis_size(names)? as f64,
        _ => return Ok(probes::unknown(name)?.remove(0)),
    })
}

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let axes = texts(settings, "axes").expect("names of axes");
    let names = texts(settings, "names").unwrap_or_else(|| axes.clone());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let of_one = |x: Tensor| talk(name, &x, &names, settings);
    let x = args[0].clone();
    Ok(vec![match &axes[..] {
        [i] => vmap(of_one).axis_name(i).call(x)?,
        [i, j] => vmap(|x: Tensor| vmap(of_one).axis_name(j).call(x)).axis_name(i).call(x)?,
        _ => panic!("one or two axes"),
    }])
}

#[test]
fn probes_give_what_jax_gives() {
    let count = probes::run("collectives.json", call);
    assert!(count >= 40, "{count} probes");
}

#[test]
fn trees_talk_leaf_by_leaf() {
    let mean =
        vmap(|pair: (Tensor, Vec<Tensor>)| collectives::pmean(&pair, "i")).axis_name("i").out_axes(None);
    let (x, rest) = mean.call((Tensor::from([1.0f32, 3.0]), vec![Tensor::from([[2.0f32], [4.0]])])).unwrap();
    assert_eq!(x.item::<f32>().unwrap(), 2.0);
    assert_eq!(rest[0].to_vec::<f32>().unwrap(), [3.0]);
}

#[test]
fn wrong_axes_and_permutations_are_refused() {
    let of = |f: fn(Tensor) -> Result<Tensor>| vmap(f).axis_name("i").call(Tensor::zeros([2, 3]));
    let refused: [fn(Tensor) -> Result<Tensor>; 9] = [
        |x| x.all_to_all("i", 0, 0),
        |x| x.all_to_all_tiled("i", 0, 0),
        |x| x.psum_scatter("i", 0),
        |x| x.psum_scatter("i", 1),
        |x| x.ppermute("i", &[(0, 2)]),
        |x| x.ppermute("i", &[(0, 1), (0, 0)]),
        |x| x.ppermute("i", &[(0, 1), (1, 1)]),
        |x| x.pshuffle("i", &[0]),
        |x| x.ppermute("j", &[]),
    ];
    for (i, f) in refused.into_iter().enumerate() {
        assert!(of(f).is_err(), "{i}");
    }
}
