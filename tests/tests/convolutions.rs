//! Convolutions keep the laws of every operation, and refuse operands that do not fit.

use flaxen::{ConvLayout, ConvOptions, Padding, Tensor};
use flaxen_tests::laws::{Law, check, law};

fn conv(name: &str, lhs: &'static [usize], rhs: &'static [usize], options: ConvOptions) -> Law {
    let operands = move |data: &mut flaxen_tests::data::Data| {
        vec![data.floats(lhs, -1.0, 1.0), data.floats(rhs, -1.0, 1.0)]
    };
    law(name, operands, move |args| args[0].try_conv_general(&args[1], &options)).loose(4.0)
}

fn options() -> ConvOptions {
    ConvOptions::new()
}

#[test]
fn convolutions_keep_the_laws() {
    check([
        conv("no spatial axis", &[2, 3], &[3, 4], options()),
        conv("line", &[2, 6, 2], &[3, 2, 3], options().padding(Padding::Same)),
        conv("strided", &[2, 6, 5, 2], &[3, 2, 2, 3], options().strides([2, 3]).padding([(1, 2), (0, 1)])),
        conv("atrous", &[1, 7, 2], &[3, 2, 2], options().rhs_dilation([2]).padding(Padding::SameLower)),
        conv("transposed", &[2, 4, 2], &[3, 2, 2], options().lhs_dilation([2]).padding([(2, 2)])),
        conv("cropped", &[2, 6, 2], &[2, 2, 1], options().padding([(-1, -1)])),
        conv("groups", &[2, 5, 4], &[3, 2, 6], options().feature_groups(2).strides([2])),
        conv("depthwise", &[1, 4, 4, 3], &[2, 2, 1, 6], options().feature_groups(3).padding(Padding::Same)),
        conv("volume", &[1, 3, 2, 3, 1], &[2, 2, 2, 1, 2], options().strides([1, 1, 2])),
        conv(
            "channels first",
            &[2, 4, 3, 3],
            &[2, 2, 2, 3],
            options().layout(ConvLayout::ChannelsFirst).feature_groups(2),
        ),
        conv(
            "everything",
            &[2, 4, 3, 4],
            &[2, 3, 2, 2],
            options()
                .strides([1, 2])
                .padding([(2, 1), (1, -1)])
                .lhs_dilation([2, 1])
                .rhs_dilation([1, 2])
                .feature_groups(2),
        ),
    ]);
}

#[test]
fn integers_are_convolved_exactly() {
    let x = Tensor::from_vec([1i32, 2, 3, 4], [1, 4, 1]);
    let w = Tensor::from_vec([10i32, 1], [2, 1, 1]);
    assert_eq!(x.conv_general(&w, &options()).to_vec::<i32>().unwrap(), [12, 23, 34]);
}

#[test]
fn a_kernel_larger_than_the_padded_input_gives_no_elements() {
    let y = Tensor::ones([2, 3, 4]).conv_general(Tensor::ones([5, 4, 6]), &options().padding([(1, 0)]));
    assert_eq!(y.shape(), [2, 0, 6]);
}

#[test]
fn empty_operands_give_zeros_or_nothing() {
    let y = Tensor::ones([1, 4, 0]).conv_general(Tensor::ones([2, 0, 3]), &options());
    assert_eq!(y.to_vec::<f32>().unwrap(), [0.0; 9]);
    assert_eq!(Tensor::ones([0, 4, 2]).conv_general(Tensor::ones([2, 2, 3]), &options()).shape(), [0, 3, 3]);
    let f = flaxen::vmap(|(x, w): (Tensor, Tensor)| x.try_conv_general(w, &ConvOptions::new()));
    let y = f.call((Tensor::ones([0, 1, 4, 2]), Tensor::ones([0, 2, 2, 3]))).unwrap();
    assert_eq!(y.shape(), [0, 1, 3, 3]);
}

#[test]
fn operands_that_do_not_fit_are_refused_with_both_shapes() {
    let x = Tensor::ones([1, 8, 8, 4]);
    let message = |kernel: &[usize], options: ConvOptions| {
        x.try_conv_general(Tensor::ones(kernel), &options).unwrap_err().to_string()
    };
    assert_eq!(
        message(&[3, 3, 3, 2], options()),
        "`conv_general` expects a kernel for 4 input channels, as the input has per group, found input f32[1,8,8,4] and \
         kernel f32[3,3,3,2]"
    );
    assert_eq!(
        message(&[3, 3, 4, 2], options().feature_groups(2)),
        "`conv_general` expects a kernel for 2 input channels, as the input has per group, found input f32[1,8,8,4] and \
         kernel f32[3,3,4,2] in 2 groups"
    );
    assert!(message(&[3, 3, 1, 3], options().feature_groups(3)).contains("divides the input's 4 channels"));
    assert!(
        message(&[3, 3, 2, 5], options().feature_groups(2))
            .contains("divides the kernel's 5 output channels")
    );
    assert!(message(&[3, 4, 2], options()).contains("f32[1,8,8,4] and kernel f32[3,4,2]"));
    assert!(message(&[3, 3, 4, 2], options().strides([1])).contains("strides [1]: give 2 of them"));
    assert!(message(&[3, 3, 4, 2], options().strides([0, 1])).contains("each at least 1"));
    assert!(message(&[3, 0, 4, 2], options()).contains("window sizes [3, 0]"));
    assert!(message(&[3, 3, 4, 2], options().padding([(1, 1)])).contains("give 2 pairs"));
    assert!(message(&[3, 3, 4, 2], options().feature_groups(0)).contains("0 feature groups"));
    let dilated = options().padding(Padding::Same).lhs_dilation([2, 2]);
    assert!(message(&[3, 3, 4, 2], dilated).contains("explicit padding"));
    assert!(message(&[3, 3, 4, 2], options().layout(ConvLayout::ChannelsFirst)).contains("channels first"));
    let error =
        x.try_conv_general(Tensor::ones_of([3, 3, 4, 2], flaxen::DType::F64), &options()).unwrap_err();
    assert!(error.to_string().contains("float32 and float64"), "{error}");
}
