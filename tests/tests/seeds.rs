//! The programs of `flaxen_tests::seeds`, each against all its golden cases.

use flaxen_tests::golden::Case;
use flaxen_tests::seeds;

/// A test for each case, under the name of the case.
macro_rules! programs {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            let name = stringify!($name);
            let result = seeds::check(name, &Case::load(name)).expect("a program of this name");
            if let Err(error) = result {
                panic!("{name}: {error}");
            }
        })*
    };
}

programs! {
    seed0_cnn
    seed0_cnn_ones
    seed0_sowcnn2
    seed0_sowcnn2_ones
    seed0_refactored
    seed0_refactored_ones
    seed0_capture
    seed0_capture_ones
    seed0_full_size_digest
    seed0_seqcnn
    seed0_seqcnn_ones
    seed0_model_sow_c
    seed0_perturb
    seed0_perturb_zeros
    seed2_bias_adder
    seed2_bias_adder_random
    seed2_mlp_bn_vmap_as_printed
    seed2_mlp_bn_vmap_train
    seed3_convlayernorm_compact
    seed3_convlayernorm_compact_full
    seed3_convlayernorm_setup
    seed3_convlayernorm_setup_full
    seed3_mymod
    seed3_leaf_compound
}
