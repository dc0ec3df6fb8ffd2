//! Sums of segments, repetition by counts, and transposed convolutions: what networks of graphs and decoders of images need.

use flaxen::prelude::*;
use flaxen::{ConvLayout, ConvOptions};
use flaxen_tests::data::Data;
use flaxen_tests::laws::{check, law};

fn with_ids(data: &mut Data) -> Vec<Tensor> {
    vec![data.floats([5, 2], -2.0, 2.0), Tensor::from([2, 0, 2, 3, 0])]
}

#[test]
fn segments_obey_the_laws() {
    check([
        law("segment_sum", with_ids, |x| x[0].try_segment_sum(&x[1], 4)).by([0]),
        // Segments with nothing in them are infinite, and differences of infinities no number.
        law("segment_max", with_ids, |x| x[0].try_segment_max(&x[1], 4)?.try_take([0, 2, 3], 0)).by([0]),
        law("segment_min", with_ids, |x| x[0].try_segment_min(&x[1], 4)?.try_take([0, 2, 3], 0)).by([0]),
        law("repeat_each", with_ids, |x| x[0].try_repeat_each(&x[1], 0, 7)).by([0]),
    ]);
}

#[test]
fn segments_are_those_of_jax() -> Result<()> {
    let x = Tensor::from([1.0f32, 2.0, 3.0, 4.0]);
    // What belongs to no segment is left out; negative ids do not count from the end.
    assert_eq!(x.segment_sum([0, -1, 5, 1], 2).to_vec::<f32>()?, [1.0, 4.0]);
    let ids = [0, 0, 2, 2];
    assert_eq!(x.segment_max(ids, 3).to_vec::<f32>()?, [2.0, f32::NEG_INFINITY, 4.0]);
    assert_eq!(x.segment_min(ids, 3).to_vec::<f32>()?, [1.0, f32::INFINITY, 3.0]);
    let integers = x.cast(DType::I32);
    assert_eq!(integers.segment_max(ids, 3).to_vec::<i32>()?, [2, i32::MIN, 4]);
    assert_eq!(integers.segment_min(ids, 3).to_vec::<i32>()?, [1, i32::MAX, 3]);
    // Ids of several axes.
    assert_eq!(x.reshape([2, 2]).segment_sum([[1, 0], [1, 1]], 2).to_vec::<f32>()?, [2.0, 8.0]);
    let error = x.try_segment_sum([0, 1], 2).unwrap_err().to_string();
    assert!(error.contains("segment_sum") && error.contains("ids of the shape of the first axes"), "{error}");
    Ok(())
}

#[test]
fn counts_that_do_not_add_up_repeat_the_last_element_or_leave_it_out() -> Result<()> {
    let x = Tensor::from([10, 20, 30]);
    let repeated = |counts: [i32; 3], total| x.repeat_each(counts, 0, total).to_vec::<i32>();
    assert_eq!(repeated([2, 0, 1], 3)?, [10, 10, 30]);
    assert_eq!(repeated([2, 0, 1], 5)?, [10, 10, 30, 30, 30]);
    assert_eq!(repeated([2, 0, 1], 2)?, [10, 10]);
    assert_eq!(repeated([0, 2, 0], 4)?, [20, 20, 30, 30]);
    assert_eq!(repeated([0, 0, 0], 2)?, [30, 30]);
    assert_eq!(Tensor::zeros([0]).repeat_each(Tensor::zeros_of([0], DType::I32), 0, 0).shape(), [0]);
    let refused = |counts: Tensor| x.try_repeat_each(counts, 0, 3).unwrap_err().to_string();
    assert!(refused(Tensor::from([1, 2])).contains("one for each element of axis 0"));
    assert!(refused(Tensor::from([1.0f32, 2.0, 0.0])).contains("integers as counts"));
    Ok(())
}

/// With the kernel flipped and its channels exchanged, it is the gradient of the convolution by its input.
#[test]
fn a_transposed_convolution_is_the_gradient_of_a_convolution() -> Result<()> {
    let mut data = Data::new(7);
    for (size, strides, padding) in [
        ([6, 8], [2, 2], Padding::Same),
        ([7, 6], [2, 2], Padding::Valid),
        ([5, 4], [1, 1], Padding::Same),
        ([5, 6], [1, 2], Padding::Valid),
    ] {
        let x = data.floats([2, size[0], size[1], 3], -1.0, 1.0);
        let kernel = data.floats([3, 2, 3, 4], -1.0, 1.0);
        let options = ConvOptions::new().strides(strides).padding(padding.clone());
        let (y, pullback) = vjp(|x: &Tensor| x.try_conv_general(&kernel, &options), &x)?;
        let ct = data.floats(y.shape(), -1.0, 1.0);
        let expected = pullback(&ct)?;
        let transposed = kernel.flip([0, 1]).swap_axes(-1, -2);
        let found = ct.try_conv_transpose(&transposed, &options)?;
        assert_eq!(found.shape(), expected.shape(), "{size:?} by {strides:?}, {padding:?}");
        assert!(found.all_close(&expected, 1e-5, 1e-5)?, "{size:?} by {strides:?}, {padding:?}");

        let first = options.clone().layout(ConvLayout::ChannelsFirst);
        let (channels, oihw) = (ct.transpose([0, 3, 1, 2]), transposed.transpose([3, 2, 0, 1]));
        let found = channels.try_conv_transpose(oihw, &first)?.transpose([0, 2, 3, 1]);
        assert!(found.all_close(&expected, 1e-5, 1e-5)?, "channels first, {padding:?}");
    }
    Ok(())
}

#[test]
fn options_that_a_transposed_convolution_has_no_meaning_for_are_refused() {
    let (x, kernel) = (Tensor::ones([1, 4, 2]), Tensor::ones([3, 2, 5]));
    let refused = |options: ConvOptions| x.try_conv_transpose(&kernel, &options).unwrap_err().to_string();
    assert!(refused(ConvOptions::new().lhs_dilation([2])).contains("strides are the steps between input"));
    assert!(refused(ConvOptions::new().padding(Padding::SameLower)).contains("SameLower"));
}
