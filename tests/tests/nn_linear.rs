//! What relates linear layers and convolutions to each other and to plain products.

use flaxen::nn::{ConvLocal, ConvTranspose, DenseGeneral, Einsum, Sizes};
use flaxen::prelude::*;
use flaxen::{WindowReduction, einsum};

fn close(found: &Tensor, expected: &Tensor) -> Result<()> {
    assert_eq!(found.shape(), expected.shape());
    assert!(found.all_close(expected, 1e-5, 1e-5)?, "{found} for {expected}");
    Ok(())
}

#[test]
fn dense_is_dense_general_over_the_last_axis_with_the_same_initial_values() -> Result<()> {
    let x = random::normal(&key(1), [5, 3]);
    let (y, variables) = Dense::new(4).init_with_output(key(0)).call(&x)?;
    let (z, general) = DenseGeneral::new(4).init_with_output(key(0)).call(&x)?;
    assert_eq!(variables, general);
    close(&y, &z)
}

#[test]
fn dense_general_is_an_einsum_for_any_axes() -> Result<()> {
    /// Axes summed over, axes carried along, features, and the equation that says the same.
    type Contraction = (&'static [isize], &'static [isize], &'static [usize], &'static str);
    let x = random::normal(&key(1), [2, 3, 4, 5]);
    let cases: [Contraction; 6] = [
        (&[-1], &[], &[6], "abcd,dx->abcx"),
        (&[1], &[], &[2, 3], "abcd,bxy->acdxy"),
        (&[1, -1], &[], &[6], "abcd,bdx->acx"),
        (&[3, 1], &[], &[6], "abcd,bdx->acx"),
        (&[2], &[0], &[6], "abcd,acx->abdx"),
        (&[-1], &[0, 1], &[2, 2], "abcd,abdxy->abcxy"),
    ];
    for (axis, batch_dims, features, equation) in cases {
        let layer = DenseGeneral::new(features.to_vec()).axis(axis).batch_dims(batch_dims).use_bias(false);
        let (y, variables) = layer.init_with_output(key(0)).call(&x)?;
        close(&y, &einsum(equation, &[&x, variables.tensor("params/kernel")?]))?;
    }
    Ok(())
}

#[test]
fn an_ellipsis_stands_for_the_axes_it_covers() -> Result<()> {
    let x = random::normal(&key(1), [2, 3, 4]);
    let layer = |equation: &str| Einsum::new([4, 5, 6]).einsum_str(equation).bias_init(init::normal(1.0));
    let (y, variables) = layer("...d,dhk->...hk").init_with_output(key(0)).call(&x)?;
    let (z, explicit) = layer("ab d, dhk -> abhk").init_with_output(key(0)).call(&x)?;
    assert_eq!(variables, explicit);
    close(&y, &z)?;
    let given = Einsum::new([4, 5, 6]).apply(&variables).run(|m| m.call_with(&x, "abd,dhk->abhk"))?;
    close(&given, &y)
}

#[test]
fn sums_are_in_the_preferred_dtype() -> Result<()> {
    let x = Tensor::ones_of([1, 300], DType::BF16);
    let layer = Einsum::new([300, 1])
        .einsum_str("ab,bc->ac")
        .kernel_init(init::ones())
        .use_bias(false)
        .dtype(DType::BF16)
        .preferred_element_type(DType::F32);
    let y = layer.init_with_output(key(0)).call(&x)?.0;
    assert_eq!((y.dtype(), y.item::<f32>()?), (DType::F32, 300.0));
    Ok(())
}

#[test]
fn around_a_circle_every_position_sees_as_much() -> Result<()> {
    let ones = init::ones;
    for rank in 1..=3 {
        let shape = [&[1][..], &vec![5; rank], &[2]].concat();
        let x = Tensor::ones(shape);
        let kernel = vec![3; rank];
        let seen = 2.0 * 3.0f32.powi(rank as i32);
        let conv = Conv::new(1, kernel.clone()).padding("CIRCULAR").kernel_init(ones());
        let local = ConvLocal::new(1, kernel.clone()).padding("CIRCULAR").kernel_init(ones());
        let transposed = ConvTranspose::new(1, kernel).padding("CIRCULAR").kernel_init(ones());
        for layer in [sequential![conv], sequential![local], sequential![transposed]] {
            let y = layer.init_with_output(key(0)).call(&x)?.0;
            close(&y, &Tensor::full(y.shape(), seen))?;
        }
    }
    Ok(())
}

#[test]
fn a_local_convolution_with_one_kernel_everywhere_is_a_convolution() -> Result<()> {
    let x = random::normal(&key(1), [2, 6, 5, 3]);
    let conv = Conv::new(4, [3, 2]).strides([2, 1]).kernel_dilation([1, 2]);
    let (expected, variables) = conv.init_with_output(key(0)).call(&x)?;
    let kernel = variables.tensor("params/kernel")?;
    let positions = expected.shape()[1..3].to_vec();
    // Channels come first in the patches of a local convolution.
    let flat = kernel.reshape([6, 3, 4]).swap_axes(0, 1).reshape([18, 4]);
    let kernels = flat.broadcast_to([&positions[..], &[18, 4]].concat());
    let params =
        Dict::new().with("kernel", kernels).with("bias", Tensor::zeros([&positions[..], &[4]].concat()));
    let local = ConvLocal::new(4, [3, 2]).strides([2, 1]).kernel_dilation([1, 2]);
    close(&local.apply(Variables::from([("params", params)])).call(&x)?, &expected)
}

#[test]
fn one_number_is_a_kernel_of_one_axis() -> Result<()> {
    let x = random::normal(&key(1), [2, 6, 3]);
    assert_eq!(Sizes::from(3), Sizes::from([3]));
    let run = |layer: flaxen::nn::Sequential| layer.init_with_output(key(0)).call(&x).map(|(y, _)| y);
    close(&run(sequential![Conv::new(2, 3)])?, &run(sequential![Conv::new(2, [3])])?)?;
    close(&run(sequential![ConvTranspose::new(2, 3)])?, &run(sequential![ConvTranspose::new(2, [3])])?)?;
    close(&run(sequential![ConvLocal::new(2, 3)])?, &run(sequential![ConvLocal::new(2, [3])])?)
}

#[test]
fn any_reduction_pools() -> Result<()> {
    let x = Tensor::full([1, 4, 4, 1], 2.0f32);
    let y = nn::pool(&x, [2, 2], WindowReduction::Product).strides([2, 2]).run()?;
    close(&y, &Tensor::full([1, 2, 2, 1], 16.0f32))
}

#[test]
fn batch_apply_passes_scalars_and_nothing() -> Result<()> {
    type Args = (Tensor, Tensor, Option<Tensor>);
    let args: Args = (Tensor::ones([2, 3, 4]), Tensor::from(2.0f32), None);
    let y = nn::batch_apply(2, args, |(x, factor, none): Args| {
        assert!(none.is_none());
        Ok(x * factor)
    })?;
    close(&y, &Tensor::full([2, 3, 4], 2.0f32))
}
