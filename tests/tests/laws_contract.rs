//! The laws for contractions, convolutions and windows.

use flaxen::{
    ConvLayout, ConvOptions, DotDimensions, Padding, Tensor, WindowOptions, WindowReduction, try_einsum,
};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{Law, check, law};

fn pair(x: &'static [usize], y: &'static [usize]) -> impl Fn(&mut Data) -> Vec<Tensor> {
    move |data| vec![data.floats(x, -1.0, 1.0), data.floats(y, -1.0, 1.0)]
}

#[test]
fn products() {
    let general = DotDimensions {
        contracting: (vec![1].into(), vec![2].into()),
        batch: (vec![0].into(), vec![1].into()),
    };
    let laws = [
        law("matmul", pair(&[2, 3], &[3, 4]), |args| args[0].try_matmul(&args[1])),
        law("matmul of batches", pair(&[2, 2, 3], &[2, 3, 2]), |args| args[0].try_matmul(&args[1])),
        law("matmul that broadcasts", pair(&[2, 2, 3], &[3, 2]), |args| args[0].try_matmul(&args[1])),
        law("matmul with a vector", pair(&[2, 3], &[3]), |args| args[0].try_matmul(&args[1])),
        law("dot of vectors", pair(&[4], &[4]), |args| args[0].try_dot(&args[1])),
        law("outer", pair(&[2], &[3]), |args| args[0].try_outer(&args[1])),
        law("tensordot", pair(&[2, 3, 2], &[2, 3]), |args| args[0].try_tensordot(&args[1], &[1, 2], &[1, 0])),
        law("dot_general", pair(&[2, 3, 2], &[2, 2, 3]), move |args| {
            args[0].try_dot_general(&args[1], general.clone())
        }),
        law(
            "a product with itself",
            |data: &mut Data| vec![data.floats([3, 3], -1.0, 1.0)],
            |args| args[0].try_matmul(&args[0]),
        ),
        law("matmul over nothing", pair(&[2, 0], &[0, 3]), |args| args[0].try_matmul(&args[1])),
    ];
    check(laws.map(|law| law.loose(4.0)));
}

fn einsum(subscripts: &'static str, shapes: &'static [&'static [usize]]) -> Law {
    let make =
        move |data: &mut Data| shapes.iter().map(|shape| data.floats(shape, -1.0, 1.0)).collect::<Vec<_>>();
    law(subscripts, make, move |args| try_einsum(subscripts, &args.iter().collect::<Vec<_>>())).loose(4.0)
}

#[test]
fn einsums() {
    check([
        einsum("ij,jk->ik", &[&[2, 3], &[3, 2]]),
        einsum("bij,bkj->bik", &[&[2, 2, 3], &[2, 2, 3]]),
        einsum("ij->ji", &[&[2, 3]]),
        einsum("ij->", &[&[2, 3]]),
        einsum("ii->i", &[&[3, 3]]),
        einsum("i,j,k->ijk", &[&[2], &[2], &[2]]),
        einsum("ij,jk,kl->il", &[&[2, 3], &[3, 2], &[2, 2]]),
        einsum("...i,...i->...", &[&[2, 3], &[3]]),
    ]);
}

fn conv(name: &str, x: &'static [usize], kernel: &'static [usize], options: ConvOptions) -> Law {
    law(name, pair(x, kernel), move |args| args[0].try_conv_general(&args[1], &options)).loose(4.0)
}

#[test]
fn convolutions() {
    let options = ConvOptions::new;
    check([
        conv("conv of lines", &[2, 5, 2], &[3, 2, 2], options()),
        conv("conv with strides", &[1, 6, 1], &[3, 1, 2], options().strides([2]).padding(Padding::Same)),
        conv("conv of images", &[1, 4, 3, 2], &[2, 2, 2, 2], options().padding([(1, 0), (0, 1)])),
        conv("conv with holes", &[1, 6, 1], &[2, 1, 1], options().rhs_dilation([2])),
        conv("transposed conv", &[1, 3, 1], &[2, 1, 2], options().lhs_dilation([2]).padding([(1, 1)])),
        conv("conv of groups", &[1, 4, 4], &[2, 2, 4], options().feature_groups(2)),
        conv("depthwise conv", &[1, 4, 3], &[2, 1, 3], options().feature_groups(3)),
        conv("channels first", &[1, 2, 4], &[3, 2, 2], options().layout(ConvLayout::ChannelsFirst)),
    ]);
}

#[test]
fn windows() {
    let kinds = [("sum", WindowReduction::Sum), ("max", WindowReduction::Max), ("min", WindowReduction::Min)];
    check(kinds.into_iter().flat_map(|(name, kind)| {
        let options = WindowOptions::new([1, 2, 1]);
        [
            ("", options.clone()),
            (" with strides", options.clone().strides([1, 2, 1]).padding(Padding::Same)),
            (" with holes", options.clone().window_dilation([1, 2, 1])),
        ]
        .map(|(how, options)| {
            let make = |data: &mut Data| vec![data.distinct([1, 5, 2], -2.0, 2.0)];
            law(format!("window {name}{how}"), make, move |args| args[0].try_reduce_window(&options, kind))
                .loose(4.0)
        })
    }));
}

#[test]
fn pools() {
    let images = |data: &mut Data| vec![data.distinct([1, 4, 4, 1], -2.0, 2.0)];
    check([
        law("avg_pool", images, |args| flaxen::avg_pool(&args[0], [2, 2]).strides([2, 2]).run()).loose(4.0),
        law("avg_pool with padding", images, |args| {
            flaxen::avg_pool(&args[0], [3, 3]).padding(Padding::Same).count_include_pad(false).run()
        })
        // Counts are F32.
        .dtypes([flaxen::DType::F32]),
        law("max_pool", images, |args| flaxen::max_pool(&args[0], [2, 2]).strides([2, 2]).run()).loose(4.0),
        law("min_pool", images, |args| flaxen::min_pool(&args[0], [2, 2]).run()).loose(4.0),
    ]);
}
