//! What the text of an exported program says, and what cannot be exported.
//!
//! `tests/stablehlo/*.mlir` are the texts of small programs: `FLAXEN_BLESS=1 cargo test -p flaxen-tests --test stablehlo_text` stores them
//! anew; read the difference.

use std::path::Path;

use flaxen::export::{self, Exported};
use flaxen::prelude::*;
use flaxen::{collectives, debug};
use flaxen_tests::jaxlib::jaxlib;

/// Compares a text with the stored one, and has it compiled and run where there is jaxlib.
fn check(name: &str, exported: &Exported) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("stablehlo").join(format!("{name}.mlir"));
    if std::env::var_os("FLAXEN_BLESS").is_some() {
        std::fs::write(&path, exported.text()).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == exported.text(), "{name} is now\n{}", exported.text());
    if let Some(jaxlib) = jaxlib() {
        let zeros: Vec<flaxen::Array> = exported
            .inputs()
            .iter()
            .map(|leaf| flaxen::Array::zeros(Aval::new(&leaf.shape, leaf.dtype)))
            .collect();
        let outs = jaxlib.run(exported.text(), &zeros).unwrap();
        let shapes: Vec<&[usize]> = outs.iter().map(flaxen::Array::shape).collect();
        assert!(shapes.iter().zip(exported.outputs()).all(|(found, leaf)| *found == &leaf.shape[..]));
    }
}

#[test]
fn a_training_step_has_names_places_and_donations() {
    #[module]
    struct Model {}

    impl Layer for Model {
        #[compact]
        fn call(&self, x: &Tensor) -> Result<Tensor> {
            Dense::new(2).call(&Dense::new(3).call(x)?.relu())
        }
    }

    let (model, x) = (Model::new(), Tensor::ones([4, 5]));
    let params = model.init(key(0)).call(&x).unwrap().collection("params").unwrap().clone();
    let step = jit(|(params, x): (Dict, Tensor)| {
        let loss = |params: &Dict| {
            Ok(model.apply(Variables::new().with("params", params.clone())).call(&x)?.square().mean())
        };
        let (loss, grads) = value_and_grad(loss)(&params)?;
        let next = tree::map_trees([&params, &grads], |[w, g]| Ok(w - g * 0.1))?;
        Ok((next, loss))
    });
    let exported = Exported::donating(&step, &(params, x), |path| path.starts_with("0/")).unwrap();
    check("training_step", &exported);
    let donated: Vec<bool> = exported.inputs().iter().map(|leaf| leaf.donated).collect();
    assert_eq!(donated, [true, true, true, true, false]);
    assert_eq!(exported.inputs()[1].path, "0/Dense_0/kernel");
    assert!(exported.text().contains("\"Dense_1/dot_general\""));
}

#[test]
fn loops_and_branches_are_regions() {
    let f = jit(|(x, n): (Tensor, Tensor)| {
        let (sum, rows) =
            scan(|sum: Tensor, row: Tensor| Ok((&sum + &row, sum * row))).call(Tensor::zeros([3]), x)?;
        let again = |(i, _): &(Tensor, Tensor)| Ok(i.lt(&n));
        let double = |(i, x): (Tensor, Tensor)| Ok((i + 1, x * 2.0));
        let last = while_loop(again, double)((Tensor::from(0), sum))?;
        Ok((cond(&n.gt(2), |x: Tensor| Ok(x.sin()), |x: Tensor| Ok(-x))(last.1)?, rows))
    });
    let exported = Exported::of(&f, &(Tensor::ones([4, 3]), Tensor::from(3))).unwrap();
    check("loops", &exported);
}

#[test]
fn random_numbers_and_orders_are_functions_beside_main() {
    let f = jit(|(data, x): (Tensor, Tensor)| {
        let key = random::Key::from_data(data)?;
        Ok((random::normal(&key, [4]), x.sort(-1), x.cumsum(-1)))
    });
    let exported = Exported::of(&f, &(key(3).data().clone(), Tensor::ones([5]))).unwrap();
    check("random", &exported);
}

#[test]
fn what_was_exported_can_be_saved_and_loaded() {
    let f = jit(|(w, x): (Tensor, Vec<Tensor>)| Ok((x[0].dot(&w), x[1].gt(0.0))));
    let args = (Tensor::ones([3, 2]), vec![Tensor::ones([4, 3]), Tensor::ones_of([5], DType::BF16)]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.mlir");
    export::save(&path, &f, &args).unwrap();
    let loaded = export::load(&path).unwrap();
    assert_eq!(loaded, Exported::of(&f, &args).unwrap());
    let described = |leaves: &[export::Leaf]| -> Vec<String> {
        leaves.iter().map(|leaf| format!("{} {:?} {}", leaf.path, leaf.shape, leaf.dtype)).collect()
    };
    assert_eq!(described(loaded.inputs()), ["0 [3, 2] float32", "1/0 [4, 3] float32", "1/1 [5] bfloat16"]);
    assert_eq!(described(loaded.outputs()), ["0 [4, 2] float32", "1 [5] bool"]);

    std::fs::write(&path, "module {}").unwrap();
    let error = export::load(&path).unwrap_err().to_string();
    assert!(error.contains("f.mlir") && error.contains("no exported program"), "{error}");
    let missing = export::load(folder.path().join("g.mlir")).unwrap_err().to_string();
    assert!(missing.contains("g.mlir"), "{missing}");
}

#[test]
fn names_with_quotes_and_other_letters_are_names_still() {
    let f = jit(|x: Dict| Ok(x.tensor("a \"b\" \\ ü")? + 1.0));
    let x = Dict::new().with("a \"b\" \\ ü", Tensor::ones([2]));
    let exported = Exported::of(&f, &x).unwrap();
    assert_eq!(exported.inputs()[0].path, "a \"b\" \\ ü");
    if let Some(jaxlib) = jaxlib() {
        let outs = jaxlib.run(exported.text(), &[flaxen::Array::zeros(Aval::new([2], DType::F32))]).unwrap();
        assert_eq!(outs[0].data::<f32>(), [1.0, 1.0]);
    }
}

#[test]
fn calls_of_the_host_and_lone_collectives_cannot_be_exported() {
    let prints = jit(|x: Tensor| {
        debug::print!("x is {}", x)?;
        Ok(x + 1.0)
    });
    let error = export::stablehlo(&prints, &Tensor::ones([2])).unwrap_err().to_string();
    assert!(error.contains("function of the host") && error.contains("debug::print"), "{error}");

    let inside = jit(|x: Tensor| vmap(|x: Tensor| collectives::psum(&x, "batch")).axis_name("batch").call(x));
    assert!(export::stablehlo(&inside, &Tensor::ones([2])).unwrap().contains("stablehlo.reduce"));
}
