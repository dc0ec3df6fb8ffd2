//! How exactly products are to be computed: part of programs, and handed to what layers compute instead.

use flaxen::core::Graph;
use flaxen::core::op::Op;
use flaxen::nn::{
    ConvLocal, ConvTranspose, DenseGeneral, DotGeneralFn, Einsum, EinsumCls, EinsumFn, MultiHeadAttention,
    PromoteDtypeFn, dot_product_attention, promote_dtype,
};
use flaxen::prelude::*;
use flaxen::{DotDimensions, DotOptions, OperandPrecision, Precision, default_matmul_precision, einsum_with};

use Precision::{High, Highest};

type Pair = Option<(Precision, Precision)>;

/// The precisions of all products and convolutions of a program, of those inside of loops, too.
fn precisions(graph: &Graph) -> Vec<Pair> {
    let mut found = Vec::new();
    for eqn in graph.eqns() {
        match eqn.primitive().op() {
            Op::DotGeneral { precision, .. } | Op::Conv { precision, .. } => found.push(precision),
            op => op.subgraphs().for_each(|inner| found.extend(precisions(inner))),
        }
    }
    found
}

fn of(f: impl Fn(Tensor) -> Result<Tensor> + Send + Sync + 'static, x: &Tensor) -> Vec<Pair> {
    precisions(&jit(f).graph(x).unwrap())
}

fn both(precision: Precision) -> Pair {
    Some((precision, precision))
}

#[test]
fn every_product_of_the_library_carries_its_precision() {
    let options = || DotOptions::new().precision("highest");
    let x = Tensor::ones([3, 3]);
    let dimensions = || DotDimensions { contracting: ([1][..].into(), [0][..].into()), ..Default::default() };
    assert_eq!(of(move |x| x.try_dot_with(&x, &options()), &x), [both(Highest)]);
    assert_eq!(of(move |x| x.try_matmul_with(&x, &options()), &x), [both(Highest)]);
    assert_eq!(of(move |x| x.try_dot_general_with(&x, dimensions(), &options()), &x), [both(Highest)]);
    let sums = of(move |x| Ok(einsum_with("ij,jk,kl->il", &[&x, &x, &x], &options())), &x);
    assert_eq!(sums, [both(Highest); 2]);
    assert_eq!(of(|x| x.try_dot(&x), &x), [None]);

    let image = Tensor::ones([1, 4, 2]);
    let kernel = Tensor::ones([2, 2, 3]);
    let pair = || ConvOptions::new().precision(("high", "default"));
    let convolved = {
        let kernel = kernel.clone();
        of(move |x| x.try_conv_general(&kernel, &pair()), &image)
    };
    assert_eq!(convolved, [Some((High, Precision::Default))]);
    assert_eq!(
        of(move |x| x.try_conv_transpose(&kernel, &pair()), &image),
        [Some((High, Precision::Default))]
    );
}

#[test]
fn gradients_and_batches_have_the_precision_of_their_product() {
    // As `jax.make_jaxpr(jax.grad(..))` prints them, but that the products of JAX have the cotangent on the left: here the pair goes
    // along with its operands.
    let (x, w) = (Tensor::ones([4, 3]), Tensor::ones([3, 4]));
    let product = |(x, w): &(Tensor, Tensor)| {
        Ok(x.try_dot_with(w, &DotOptions::new().precision((High, Highest)))?.sum())
    };
    let graph = jit(move |args: (Tensor, Tensor)| value_and_grad(product)(&args)).graph(&(x, w)).unwrap();
    assert_eq!(precisions(&graph), [Some((High, Highest)), Some((High, Highest)), Some((Highest, High))]);

    let (x, w) = (Tensor::ones([1, 5, 2]), Tensor::ones([3, 2, 4]));
    let convolution = |(x, w): &(Tensor, Tensor)| {
        let options = ConvOptions::new().padding(Padding::Same).precision((High, Highest));
        Ok(x.try_conv_general(w, &options)?.sum())
    };
    let graph = jit(move |args: (Tensor, Tensor)| value_and_grad(convolution)(&args)).graph(&(x, w)).unwrap();
    assert_eq!(precisions(&graph), [Some((High, Highest)); 3]);

    let batched =
        |x: Tensor| vmap(|x: Tensor| x.try_dot_with(&x, &DotOptions::new().precision("high"))).call(x);
    assert_eq!(of(batched, &Tensor::ones([5, 3, 3])), [both(High)]);
}

#[test]
fn the_weights_gradient_of_a_loop_has_the_precision_of_its_product() {
    let (xs, w) = (Tensor::ones([7, 2, 3]), Tensor::ones([3, 3]));
    let loss = |w: &Tensor, xs: &Tensor| {
        let options = DotOptions::new().precision("highest");
        let step = |h: Tensor, x: Tensor| {
            let h = (h + x).try_dot_with(w, &options)?.tanh();
            Ok((h.clone(), h))
        };
        Ok(scan(step).call(Tensor::zeros([2, 3]), xs.clone())?.1.sum())
    };
    let graph =
        jit(move |(w, xs): (Tensor, Tensor)| grad(|w: &Tensor| loss(w, &xs))(&w)).graph(&(w, xs)).unwrap();
    let found = precisions(&graph);
    assert!(found.len() >= 3 && found.iter().all(|pair| *pair == both(Highest)), "{found:?}\n{graph}");
}

#[test]
fn a_default_precision_is_that_of_all_products_that_say_none() {
    let x = Tensor::ones([3, 3]);
    let said = |x: &Tensor| x.try_dot_with(x, &DotOptions::new().precision("default"));
    let f = move |x: Tensor| {
        default_matmul_precision("highest", || {
            Dense::new(2).init_with_output(key(0)).call(&x)?.0.try_add(said(&x)?.sum())
        })
    };
    assert_eq!(of(f, &x), [both(Highest), both(Precision::Default)]);
    assert_eq!(of(|x| x.try_dot(&x), &x), [None]);
    assert!(default_matmul_precision("exact", || x.try_dot(&x)).is_err());
}

/// The precisions of a layer's products, as it is applied.
fn of_layer<L: Layer>(layer: L, x: &Tensor) -> Vec<Pair> {
    let variables = layer.init(key(0)).call(x).unwrap();
    of(move |x| layer.apply(&variables).call(&x), x)
}

#[test]
fn every_layer_with_a_precision_computes_in_it() {
    let x = Tensor::ones([2, 4, 4]);
    assert_eq!(of_layer(Dense::new(2).precision("highest"), &x), [both(Highest)]);
    assert_eq!(of_layer(DenseGeneral::new([2, 2]).precision(Highest), &x), [both(Highest)]);
    let einsum = Einsum::new([4, 2]).einsum_str("abc,cd->abd").precision(("high", "highest"));
    assert_eq!(of_layer(einsum, &x), [Some((High, Highest))]);
    assert_eq!(of_layer(Conv::new(2, [3]).precision("tensorfloat32"), &x), [both(High)]);
    assert_eq!(of_layer(ConvTranspose::new(2, [3]).precision("fastest"), &x), [both(Precision::Default)]);
    assert_eq!(of_layer(ConvLocal::new(2, [3]).precision("high"), &x), [both(High); 2]);
    assert_eq!(of_layer(Dense::new(2).precision(None::<Precision>), &x), [None]);
    // Three projections, the weights, the sum of values, and the output.
    assert_eq!(of_layer(MultiHeadAttention::new(2).precision("highest"), &x), [both(Highest); 6]);
}

#[test]
fn no_number_depends_on_a_precision() {
    let x = random::normal(&key(0), [5, 4]);
    let plain = x.dot(&x.t());
    for precision in ["default", "high", "highest"] {
        let y = x.dot_with(&x.t(), &DotOptions::new().precision(precision));
        assert_eq!(y.to_vec::<f32>().unwrap(), plain.to_vec::<f32>().unwrap());
    }
}

#[test]
fn an_unknown_precision_is_an_error_of_the_call() {
    let x = Tensor::ones([2, 3]);
    let error = Dense::new(2).precision("exact").init(key(0)).call(&x).unwrap_err().to_string();
    assert!(error.contains("\"exact\"") && error.contains("highest") && error.contains("Dense"), "{error}");
    let unknown = ConvOptions::new().precision(("high", "exact"));
    assert!(Tensor::ones([1, 3, 2]).try_conv_general(Tensor::ones([1, 2, 2]), &unknown).is_err());
}

#[test]
fn precisions_print_as_what_they_were_made_of() {
    assert_eq!(format!("{:?}", OperandPrecision::from("highest")), "Highest");
    assert_eq!(format!("{:?}", OperandPrecision::from((High, Precision::Default))), "(High, Default)");
    assert_eq!(format!("{:?}", OperandPrecision::Unsaid), "None");
    let graph = jit(|x: Tensor| x.try_dot_with(&x, &DotOptions::new().precision("high")));
    assert!(graph.graph(&Tensor::ones([2, 2])).unwrap().to_string().contains("precision=High"));
}

#[test]
fn what_is_given_twice_or_by_half_is_an_error() {
    let x = Tensor::ones([1, 2, 4]);
    let classes = || {
        EinsumCls::of_functions(|| {
            EinsumFn::new(|equation: &str, x: &Tensor, y: &Tensor| flaxen::einsum(equation, &[x, y]))
        })
    };
    let attention = || MultiHeadAttention::new(2).qk_attn_weights_einsum_cls(classes());
    let one = attention().init(key(0)).call(&x).unwrap_err().to_string();
    assert!(one.contains("together"), "{one}");
    let both = attention().attn_weights_value_einsum_cls(classes());
    both.init(key(0)).call(&x).unwrap();
    let error = both.precision("high").init(key(0)).call(&x).unwrap_err().to_string();
    assert!(error.contains("give one of them"), "{error}");
    let heads = Tensor::ones([1, 2, 2, 4]);
    let dot =
        DotGeneralFn::new(|x: &Tensor, w: &Tensor, dimensions: &DotDimensions, options: &DotOptions| {
            x.try_dot_general_with(w, dimensions.clone(), options)
        });
    let einsum = || EinsumFn::new(|equation: &str, x: &Tensor, y: &Tensor| flaxen::einsum(equation, &[x, y]));
    let twice =
        dot_product_attention(&heads, &heads, &heads).einsum_dot_general(dot).einsums(einsum(), einsum());
    assert!(twice.run().is_err());
}

#[test]
fn a_promotion_that_loses_a_tensor_is_an_error() {
    let only_input =
        PromoteDtypeFn::new(|tensors: &[&Tensor], _: Option<DType>, _: bool| vec![tensors[0].clone()]);
    let error = Dense::new(2).promote_dtype(only_input).init(key(0)).call(&Tensor::ones([1, 2])).unwrap_err();
    assert!(error.to_string().contains("promote_dtype"), "{error}");
    assert!(promote_dtype(&[&Tensor::ones([1])], Some(DType::I32), true).is_err());
    let whole = promote_dtype(&[&Tensor::from([1i32]), &Tensor::of([1i8], DType::I8)], None, false).unwrap();
    assert_eq!([whole[0].dtype(), whole[1].dtype()], [DType::I32; 2]);
}
