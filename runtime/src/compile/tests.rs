use super::Program;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::transform::jit;

fn plan(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor) -> String {
    Program::new(&jit(f).graph(x).unwrap().fused()).to_string()
}

#[test]
fn values_between_kernels_live_in_homes_that_are_used_again() {
    let text = plan(
        |x| {
            let y = (x.dot(&x) + 1.0).tanh();
            let z = (y.dot(&x) * 2.0).exp();
            Ok(z.dot(&x) - &x)
        },
        &Tensor::zeros([4, 4]),
    );
    assert_eq!(
        text,
        "\
home0[64] = dot_general+fusion slot0 slot0 const0
home1[64] = dot_general+fusion home0[64] slot0 const1
slot1 = dot_general+fusion home1[64] slot0! slot0!
"
    );
}

#[test]
fn a_result_is_written_over_an_argument_that_is_given_away() {
    let program =
        Program::new(&jit(|x: Tensor| Ok(x * 2.0 + 1.0)).graph(&Tensor::zeros([8])).unwrap().fused());
    assert_eq!(program.to_string(), "slot1 = fusion slot0! const0 const1\n");
    let x: crate::Array = crate::Array::zeros(crate::Aval::new([8], crate::DType::F32));
    let address = x.address();
    let out = program.run([x]).unwrap();
    assert_eq!((out[0].address(), out[0].data::<f32>()), (address, &[1.0f32; 8][..]));
    assert_eq!(program.kept_bytes(), 0);
}

#[test]
fn a_value_under_another_shape_stays_at_home() {
    let text = plan(
        |x| {
            let y = x.dot(&x).reshape([2, 8]);
            y.t().reshape([4, 4]).try_dot(&x)
        },
        &Tensor::zeros([4, 4]),
    );
    assert_eq!(
        text,
        "\
home0[64] = dot_general slot0 slot0
home1[64] = transpose home0[64]
slot1 = dot_general home1[64] slot0!
"
    );
}

#[test]
fn a_deep_program_needs_as_much_memory_as_a_shallow_one() {
    let bytes = |depth: usize| {
        let f = |x: Tensor| Ok((0..depth).fold(x.clone(), |y, _| (y.dot(&x) + 1.0).tanh()));
        Program::new(&jit(f).graph(&Tensor::zeros([16, 16])).unwrap().fused()).kept_bytes()
    };
    assert_eq!(bytes(3), bytes(60));
}
