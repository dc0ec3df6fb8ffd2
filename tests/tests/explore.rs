//! What a page about a model says: the numbers that other ways of asking give, and texts that stay texts.

use flaxen::explore::{Exploration, ExploredModule};
use flaxen::lift::Scan;
use flaxen::prelude::*;

#[module]
struct Mlp {
    hidden: usize,
}

impl Layer for Mlp {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let x = Dense::new(self.hidden).call(x)?.relu();
        Dense::new(3).call(&x)
    }
}

fn at<'e>(explored: &'e Exploration, path: &str) -> &'e ExploredModule {
    let modules = explored.modules();
    modules.iter().find(|module| module.path == path).unwrap_or_else(|| panic!("no {path} in {modules:?}"))
}

fn assert_close(found: f64, expected: &Tensor) {
    let expected = f64::from(expected.item::<f32>().unwrap());
    assert!((found - expected).abs() <= 1e-5 * expected.abs().max(0.1), "{found} is not {expected}");
}

fn inputs() -> Tensor {
    random::normal(&key(1), [16, 5])
}

#[test]
fn parameters_and_operations_are_those_of_the_table() -> Result<()> {
    let (model, x) = (Mlp::new(8), inputs());
    let explored = model.explore(key(0)).call(&x)?;
    let table = model.tabulate(key(0)).compute_flops().call(&x)?;
    assert_eq!(explored.size(), table.total("params"));
    let rows: Vec<_> =
        table.rows().iter().map(|row| (row.path().join("/"), row.module(), row.flops())).collect();
    let seen: Vec<_> =
        explored.modules().iter().map(|m| (m.path.clone(), m.module.as_str(), m.flops)).collect();
    assert_eq!(seen, rows);
    assert!(explored.notes().is_empty(), "{:?}", explored.notes());
    let total = explored.total_time().expect("it was compiled");
    assert!(explored.modules().iter().all(|module| module.time.is_some_and(|time| time <= total)));
    Ok(())
}

#[test]
fn distributions_are_those_of_outputs_parameters_and_their_gradients() -> Result<()> {
    let (model, x) = (Mlp::new(8), inputs());
    let variables = model.init(key(7)).call(&x)?;
    let loss = |logits: Tensor| Ok((logits * 3.0).sum());
    let explored = model.explore(key(0)).variables(&variables).run_with_loss(|m| m.call(&x), loss)?;

    let params = variables.dict("params")?.clone();
    let of_params = |params: &Dict| loss(model.apply([("params", params)]).call(&x)?);
    let grads = grad(of_params)(&params)?;
    let first = at(&explored, "Dense_0");
    let kernel = first.parameters.iter().find(|parameter| parameter.name == "kernel").unwrap();
    assert_eq!((&kernel.shape[..], kernel.dtype.as_str(), kernel.bytes), (&[5, 8][..], "float32", 160));
    let (values, gradient) = (kernel.values.as_ref().unwrap(), kernel.gradient.as_ref().unwrap());
    for (stats, expected) in
        [(values, params.tensor("Dense_0/kernel")?), (gradient, grads.tensor("Dense_0/kernel")?)]
    {
        assert_eq!(stats.count, 40);
        assert_close(stats.mean, &expected.mean());
        assert_close(stats.std, &expected.std());
        assert_eq!(
            (stats.min, stats.max),
            (expected.min().item::<f32>()?.into(), expected.max().item::<f32>()?.into())
        );
    }

    let hidden = (x.dot(params.tensor("Dense_0/kernel")?)).relu();
    let (_, seen) = model.apply(&variables).capture_intermediates().call(&x)?;
    let output = seen.at(["intermediates", "Dense_0", "__call__"])?[0].tensor()?.clone();
    assert_eq!(first.output.as_ref().unwrap().max, f64::from(output.max().item::<f32>()?));
    // d loss / d (output of Dense_0) = 3 · 1 · kernelᵀ where the ReLU lets it through.
    let through = hidden.gt(0.0).cast(DType::F32);
    let expected = (Tensor::ones([16, 3]) * 3.0).dot(&params.tensor("Dense_1/kernel")?.t()) * through;
    let gradient = first.gradient.as_ref().unwrap();
    assert_close(gradient.mean, &expected.mean());
    assert_close(gradient.max, &expected.max());
    Ok(())
}

#[test]
fn nan_and_dead_units_are_found_where_they_begin() -> Result<()> {
    let (model, x) = (Mlp::new(4), inputs());
    let variables = model.init(key(0)).call(&x)?;
    let params = variables.dict("params")?;
    // Two units that no example reaches, and a number that spreads from the second layer.
    let bias = Tensor::from([-1e6f32, 0.0, -1e6, 0.0]);
    let dead = model
        .explore(key(0))
        .variables(variables.with("params", params.with("Dense_0/bias", bias)))
        .call(&x)?;
    assert_eq!(at(&dead, "Dense_0").dead_units, Some((2, 4)));
    assert_eq!(at(&dead, "Dense_1").dead_units, Some((0, 3)));

    let broken = params.with("Dense_1/bias", Tensor::from([0.0f32, f32::NAN, 0.0]));
    let nan = model.explore(key(0)).variables(variables.with("params", broken)).call(&x)?;
    assert_eq!(at(&nan, "Dense_0").output.as_ref().unwrap().nan, 0);
    assert_eq!(at(&nan, "Dense_1").output.as_ref().unwrap().nan, 16);
    let bias = at(&nan, "Dense_1").parameters.iter().find(|parameter| parameter.name == "bias").unwrap();
    assert_eq!(bias.values.as_ref().unwrap().nan, 1);
    Ok(())
}

#[module]
struct Twice {
    #[setup(Dense::new(4))]
    shared: Dense,
}

impl Twice {
    #[compact]
    fn inner(&self, x: &Tensor) -> Result<Tensor> {
        self.shared.call(&self.shared.call(x)?)
    }
}

impl Layer for Twice {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        self.inner(x)
    }
}

#[test]
fn calls_of_one_module_are_calls_and_its_parameters_are_counted_once() -> Result<()> {
    let explored = Twice::new().explore(key(0)).call(&Tensor::ones([2, 4]))?;
    let calls: Vec<_> = explored
        .modules()
        .iter()
        .map(|m| (m.path.as_str(), m.method.as_str(), m.is_inner, m.parameters.len()))
        .collect();
    let expected = [
        ("", "call", false, 0),
        ("", "inner", true, 0),
        ("shared", "call", false, 2),
        ("shared", "call", false, 0),
    ];
    assert_eq!(calls, expected);
    assert_eq!(explored.size(), (20, 80));
    assert!(explored.modules().iter().all(|module| module.output.is_some() && module.gradient.is_some()));
    Ok(())
}

#[module]
struct Normalized;

impl Normalized {
    #[compact]
    fn run(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = BatchNorm::new().call(&Conv::new(3, [3, 3]).call(x)?, train)?;
        Dropout::new(0.5).call(&x, train)
    }
}

#[test]
fn collections_streams_and_pictures_have_their_place() -> Result<()> {
    let x = random::normal(&key(1), [2, 6, 5, 1]);
    let rngs = Rngs::from(key(0)).with("dropout", key(3));
    let explored = Normalized::new().explore(rngs).run(|m| m.run(&x, true))?;
    let norm = at(&explored, "BatchNorm_0");
    let names: Vec<_> = norm
        .parameters
        .iter()
        .map(|p| (p.collection.as_str(), p.name.as_str(), p.gradient.is_some()))
        .collect();
    for expected in [("batch_stats", "mean", false), ("params", "scale", true)] {
        assert!(names.contains(&expected), "{names:?}");
    }
    let table = Normalized::new().tabulate(key(0)).run(|m| m.run(&x, true))?.to_string();
    assert_eq!(table.matches("train: true").count(), 3, "{table}");
    assert!(norm.inputs.contains("train: true"), "{}", norm.inputs);
    let pictures = &at(&explored, "Conv_0").pictures;
    assert_eq!(pictures.iter().map(|p| (p.height, p.width)).collect::<Vec<_>>(), [(6, 5); 3]);
    Ok(())
}

#[test]
fn what_has_no_gradients_says_so_and_shows_all_else() -> Result<()> {
    let x = inputs();
    let explored = Mlp::new(4).explore(key(0)).run(|m| Ok(m.call(&x)?.argmax(-1)))?;
    assert_eq!(explored.notes().len(), 1);
    assert!(explored.notes()[0].contains("run_with_loss"), "{:?}", explored.notes());
    assert!(explored.modules().iter().all(|module| module.gradient.is_none()));
    assert!(at(&explored, "Dense_0").output.is_some());
    Ok(())
}

#[module]
struct Repeated;

impl Layer for Repeated {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let blocks = Scan::new(Dense::new(5)).axis("params", 0).split("params").length(3);
        Dense::new(2).call(&blocks.call(x)?)
    }
}

#[test]
fn modules_inside_of_loops_have_shapes_and_no_values() -> Result<()> {
    let explored = Repeated::new().explore(key(0)).call(&inputs())?;
    assert!(explored.modules().iter().any(|module| module.output.is_none()));
    let last = at(&explored, "Dense_0");
    assert!(last.output.is_some() && last.gradient.is_some());
    assert!(explored.notes().is_empty(), "{:?}", explored.notes());
    Ok(())
}

const EVIL: &str = "</script><script>alert(1)</script>";

#[module]
struct EvilNames;

impl Layer for EvilNames {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x * &self.param(EVIL, init::ones(), [5])?)
    }
}

#[test]
fn names_stay_data_and_a_file_is_whole_or_not_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let explored = EvilNames::new().explore(key(0)).call(&inputs())?;
    assert_eq!(explored.modules()[0].parameters[0].name, EVIL);
    let html = explored.to_html();
    assert!(!html.contains(EVIL));
    assert_eq!(html.matches("</script").count(), 2);
    let path = folder.path().join("model.html");
    explored.save_html(&path)?;
    assert_eq!(std::fs::read_to_string(path)?, html);
    assert!(explored.save_html(folder.path().join("no/such/folder.html")).is_err());
    Ok(())
}

#[test]
fn a_page_asks_for_nothing_from_elsewhere() -> Result<()> {
    let html = Mlp::new(2).explore(key(0)).call(&inputs())?.to_html();
    let html = html.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http://", "https://", "src=\"", "@import", "url("] {
        assert!(!html.contains(outside), "{outside} is from elsewhere");
    }
    Ok(())
}
