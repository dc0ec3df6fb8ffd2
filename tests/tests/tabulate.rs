//! Models as tables.

use flaxen::lift::Scan;
use flaxen::module::{Observed, SummaryRow};
use flaxen::nn::LstmCell;
use flaxen::prelude::*;
use flaxen_tests::golden::Case;
use flaxen_tests::modules::{BNet, Foo};

fn golden(name: &str) -> String {
    let case = Case::load("tabulate");
    case.expect()["tables"][name]["text"].as_str().expect("a table").to_owned()
}

#[test]
fn tables_look_as_flaxs_do() -> Result<()> {
    let two_dense = Foo::new().tabulate(key(0)).call(&Tensor::ones([16, 9]))?;
    assert_eq!(two_dense.to_string(), golden("two_dense"));

    let x = Tensor::ones([1, 4, 4, 2]);
    let shared = BNet::new().tabulate(key(0)).run(|m| m.call(&x))?;
    assert_eq!(shared.to_string(), golden("conv_bn_shared"));
    let repeated = BNet::new().tabulate(key(0)).show_repeated().run(|m| m.call(&x))?;
    assert_eq!(repeated.to_string(), golden("conv_bn_shared_repeated"));

    let nested = sequential![Dense::new(2), sequential![Dense::new(3)]];
    let depth = nested.tabulate(key(0)).depth(1).call(&Tensor::ones([1, 2]))?;
    assert_eq!(depth.to_string(), golden("depth1"));
    Ok(())
}

#[test]
fn paths_of_modules_are_flaxs() -> Result<()> {
    let case = Case::load("tabulate");
    let x = Tensor::ones([1, 4, 4, 2]);
    let nested = sequential![Dense::new(2), sequential![Dense::new(3)]];
    for (name, paths) in [
        ("two_dense", Foo::new().module_paths(key(0), |m| m.call(&Tensor::ones([16, 9])))?),
        ("conv_bn_shared", BNet::new().module_paths(key(0), |m| m.call(&x))?),
        ("depth1", nested.module_paths(key(0), |m| m.call(&Tensor::ones([1, 2])))?),
    ] {
        let expected = &case.expect()["tables"][name]["paths"];
        assert_eq!(serde_json::json!(paths.keys().collect::<Vec<_>>()), *expected, "{name}");
    }
    let paths = Foo::new().module_paths(key(0), |m| m.call(&Tensor::ones([16, 9])))?;
    assert_eq!(paths["Dense_1"], "Dense");
    Ok(())
}

#[test]
fn operations_are_counted_from_the_graph() -> Result<()> {
    let x = Tensor::ones([16, 9]);
    let summary = Foo::new().tabulate(key(0)).compute_flops().compute_vjp_flops().call(&x)?;
    // A product of m×k by k×n takes 2·m·k·n operations, adding the bias m·n.
    let (first, second) = (2 * 16 * 9 * 4 + 16 * 4, 2 * 16 * 4 * 2 + 16 * 2);
    let flops: Vec<_> = summary.rows().iter().map(SummaryRow::flops).collect();
    assert_eq!(flops, [Some(first + second), Some(first), Some(second)]);
    // Two more products, for the gradients of the input and the kernel, and a sum for that of the bias.
    let vjp = |forward: u64, m: u64, k: u64, n: u64| forward + 2 * 2 * m * k * n + (m - 1) * n;
    let vjp_flops: Vec<_> = summary.rows().iter().map(SummaryRow::vjp_flops).collect();
    assert_eq!(vjp_flops[1..], [Some(vjp(first, 16, 9, 4)), Some(vjp(second, 16, 4, 2))]);
    let header = |text: &str| text.lines().nth(3).map(str::to_owned);
    assert_eq!(header(&summary.to_string()), header(&golden("two_dense_flops")));
    Ok(())
}

#[test]
fn a_summary_is_rows_of_paths_types_and_sizes() -> Result<()> {
    let x = Tensor::ones([1, 4, 4, 2]);
    let summary = BNet::new().tabulate(key(0)).run(|m| m.call(&x))?;
    let rows: Vec<_> = summary.rows().iter().map(|row| (row.path().join("/"), row.module())).collect();
    let expected = [("", "BNet"), ("Conv_0", "Conv"), ("BatchNorm_0", "BatchNorm"), ("head", "Dense")];
    assert_eq!(rows, expected.map(|(path, module)| (path.to_owned(), module)));
    assert_eq!(summary.collections(), ["params", "batch_stats"]);
    let sizes: Vec<_> =
        summary.rows().iter().map(|row| (row.size("params").0, row.size("batch_stats").0)).collect();
    assert_eq!(sizes, [(0, 0), (3 * 3 * 2 * 4 + 4, 0), (8, 8), (4 * 3 + 3, 0)]);
    assert_eq!(summary.total("params"), (99, 4 * 99));
    assert_eq!(summary.rows()[1].variables().tensor("params/kernel")?.shape(), [3, 3, 2, 4]);
    Ok(())
}

#[test]
fn variables_below_the_depth_count_in_the_last_row_shown() -> Result<()> {
    let nested = sequential![Dense::new(2), sequential![Dense::new(3)]];
    let x = Tensor::ones([1, 2]);
    let all = nested.tabulate(key(0)).call(&x)?;
    for depth in 0..3 {
        let limited = nested.tabulate(key(0)).depth(depth).call(&x)?;
        assert!(limited.rows().iter().all(|row| row.path().len() <= depth));
        assert_eq!(limited.total("params"), all.total("params"), "depth {depth}");
    }
    assert_eq!(nested.tabulate(key(0)).depth(0).call(&x)?.rows().len(), 1);
    Ok(())
}

#[module]
struct Sows;

impl Layer for Sows {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.sow("intermediates", "input", x)?;
        Ok(x.clone())
    }
}

#[test]
fn sown_values_have_a_column_if_their_collection_is_made() -> Result<()> {
    let x = Tensor::ones([2, 3]);
    let table = Sows::new().tabulate(key(0)).mutable(true).call(&x)?.to_string();
    assert!(table.contains("intermediates"), "{table}");
    assert!(table.contains("- float32[2,3]") && table.contains("6 (24 B)"), "{table}");
    assert!(!Sows::new().tabulate(key(0)).call(&x)?.to_string().contains("intermediates"));
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Fast,
}

#[module]
struct Methods;

impl Methods {
    #[compact]
    fn encode(&self, x: &Tensor, scale: f32, mode: Mode) -> Result<Tensor> {
        let Mode::Fast = mode;
        Ok(x * scale)
    }

    #[compact]
    fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn another_method_is_named_and_all_its_arguments_are_shown() -> Result<()> {
    let x = Tensor::ones([2, 3]);
    let summary = Methods::new().tabulate(key(0)).run(|m| m.encode(&x, 2.0, Mode::Fast))?;
    let row = &summary.rows()[0];
    assert_eq!((row.method(), row.inputs().len()), ("encode", 3));
    assert_eq!(row.inputs()[1], ("scale", Observed::Text("2.0".to_owned())));
    assert_eq!(row.inputs()[2], ("mode", Observed::Text("Fast".to_owned())));
    let table = summary.to_string();
    for part in ["Methods (encode)", "- float32[2,3]", "- scale: 2.0", "- mode: Fast"] {
        assert!(table.contains(part), "{part} in {table}");
    }
    Ok(())
}

#[test]
fn a_method_without_arguments_has_an_empty_cell() -> Result<()> {
    let summary = Methods::new().tabulate(key(0)).run(Methods::nothing)?;
    assert!(summary.rows()[0].inputs().is_empty());
    assert!(summary.to_string().contains("Methods (nothing)"));
    Ok(())
}

#[test]
fn scalars_have_an_empty_shape() -> Result<()> {
    let table = Sows::new().tabulate(key(0)).call(&Tensor::from(1.0f32))?.to_string();
    assert!(table.contains("float32[]"), "{table}");
    Ok(())
}

#[module]
struct Partitioned;

impl Layer for Partitioned {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let names = flaxen::variables::Partitioned::new(["in", "out"]);
        let kernel = self.param("kernel", init::lecun_normal().boxed(names), [x.shape()[1], 2])?;
        Ok(x.dot(&kernel))
    }
}

#[test]
fn partitioned_parameters_show_the_names_of_their_axes() -> Result<()> {
    let table = Partitioned::new().tabulate(key(0)).call(&Tensor::ones([1, 3]))?.to_string();
    assert!(table.contains("kernel: float32[3,2] P(in, out)"), "{table}");
    assert!(table.contains("6 (24 B)"), "{table}");
    Ok(())
}

#[test]
fn a_summary_computes_nothing_but_shapes() -> Result<()> {
    // 2⁴⁰ parameters would not fit.
    let summary = Dense::new(1 << 20).tabulate(key(0)).call(&Tensor::ones([1, 1 << 20]))?;
    assert_eq!(summary.total("params").0, (1 << 40) + (1 << 20));
    Ok(())
}

#[test]
fn an_error_of_the_model_is_an_error_of_its_summary() {
    let error = Dense::new(3).tabulate(key(0)).call(&Tensor::from(1.0f32)).expect_err("a scalar input");
    assert!(error.to_string().contains("Dense"), "{error}");
}

#[test]
fn a_wrapper_and_the_layer_in_it_have_rows_of_their_own() -> Result<()> {
    let layer = nn::WeightNorm::new(Dense::new(4));
    let summary = layer.tabulate(key(0)).call(&Tensor::ones([2, 3]))?;
    let rows: Vec<_> = summary.rows().iter().map(|row| (row.path().join("/"), row.module())).collect();
    let expected = [("", "WeightNorm"), ("layer_instance", "Dense")];
    assert_eq!(rows, expected.map(|(path, module)| (path.to_owned(), module)));
    // The wrapper's scale, and the kernel and bias of the layer.
    let sizes: Vec<_> = summary.rows().iter().map(|row| row.size("params").0).collect();
    assert_eq!(sizes, [4, 3 * 4 + 4]);
    assert!(summary.to_string().contains("layer_instance/kernel/scale: float32[4]"), "{summary}");
    Ok(())
}

/// A cell over time by the lifted scan.
#[module]
struct Lstm {
    features: usize,
    #[module(default)]
    called: Option<&'static str>,
}

impl Lstm {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let cell = LstmCell::new(self.features);
        let carry = cell.initial_carry(&key(0), x.index_axis(1, 0).shape())?;
        let scan = Scan::new(cell).share("params").axes(1);
        let scan = match self.called {
            Some(name) => self.child_named(name, scan),
            None => self.child(scan),
        };
        Ok(scan.run(|cell, carry, x: Tensor| cell.call(carry, &x), carry, x.clone())?.1)
    }
}

/// The rows that Flax 0.12.8 has for the same model.
#[test]
fn what_runs_in_a_lifted_transform_has_rows_under_its_name() -> Result<()> {
    for (name, path) in [(Some("ScanLSTM"), "ScanLSTM"), (None, "ScanLSTMCell_0")] {
        let x = Tensor::ones([2, 3, 5]);
        let table = Lstm::new(4).called(name).tabulate(key(0)).run(|m| m.call(&x))?;
        let rows: Vec<_> = table.rows().iter().map(|row| (row.path().join("/"), row.module())).collect();
        let gates = ["ii", "hi", "if", "hf", "ig", "hg", "io", "ho"].map(|gate| format!("{path}/{gate}"));
        let mut expected = vec![(String::new(), "Lstm"), (path.to_owned(), "LSTMCell")];
        expected.extend(gates.map(|gate| (gate, "Dense")));
        assert_eq!(rows, expected, "{table}");
        assert_eq!(table.total("params").0, 160);
    }
    Ok(())
}
