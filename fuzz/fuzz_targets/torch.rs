//! State dicts of PyTorch: any names, shapes and rules.

#![no_main]

use arbitrary::Arbitrary;
use flaxen::io::torch::{Kind, StateDict};
use flaxen::{DType, Tensor};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    tensors: Vec<(Name, Vec<u8>, bool)>,
    rules: Vec<(Name, Rule)>,
    cast: bool,
}

/// Mostly the names that layers have.
#[derive(Arbitrary, Debug)]
enum Name {
    Of(u8, Own),
    Any(String),
}

#[derive(Arbitrary, Debug)]
enum Own {
    Weight,
    Bias,
    RunningMean,
    RunningVar,
    Tracked,
    InWeight,
    InBias,
    OutWeight,
    OutBias,
    Itself,
}

#[derive(Arbitrary, Debug)]
enum Rule {
    Layer(u8, u8),
    Flattened(Vec<u8>),
    Unflattened(Vec<u8>),
    Rename(String),
    Ignore,
    Keep,
    Tied(Name),
    Copied(Name),
}

impl Name {
    fn text(&self) -> String {
        let (module, own) = match self {
            Name::Any(text) => return text.clone(),
            Name::Of(module, own) => (module % 4, own),
        };
        let own = match own {
            Own::Weight => ".weight",
            Own::Bias => ".bias",
            Own::RunningMean => ".running_mean",
            Own::RunningVar => ".running_var",
            Own::Tracked => ".num_batches_tracked",
            Own::InWeight => ".in_proj_weight",
            Own::InBias => ".in_proj_bias",
            Own::OutWeight => ".out_proj.weight",
            Own::OutBias => ".out_proj.bias",
            Own::Itself => "",
        };
        if module == 3 { format!("*{own}") } else { format!("m{module}{own}") }
    }
}

fn kind(kind: u8, heads: u8) -> Kind {
    let heads = usize::from(heads % 5);
    let kinds = [
        Kind::Linear,
        Kind::Conv,
        Kind::ConvTranspose,
        Kind::ConvTransposeFlipped,
        Kind::BatchNorm,
        Kind::Norm,
        Kind::Embedding,
        Kind::PReLU,
        Kind::Attention { heads },
        Kind::LinearInOut,
        Kind::ToHeads { heads },
        Kind::FromHeads { heads },
        Kind::QueryKeyValue { heads },
        Kind::Lstm,
        Kind::Gru,
        Kind::Rnn,
    ];
    kinds[usize::from(kind) % kinds.len()]
}

fn sizes(sizes: &[u8]) -> Vec<usize> {
    sizes.iter().take(6).map(|&size| usize::from(size % 7)).collect()
}

fuzz_target!(|input: Input| {
    let tensors = input.tensors.iter().map(|(name, shape, integer)| {
        let zeros = Tensor::zeros(sizes(shape));
        (name.text(), if *integer { zeros.cast(DType::I32) } else { zeros })
    });
    let mut state = StateDict::new(tensors);
    for (name, rule) in &input.rules {
        let name = name.text();
        state = match rule {
            Rule::Layer(number, heads) => state.layer(&name, kind(*number, *heads)),
            Rule::Flattened(shape) => state.flattened(&name, sizes(shape)),
            Rule::Unflattened(shape) => state.unflattened(&name, sizes(shape)),
            Rule::Rename(path) => state.rename(&name, path),
            Rule::Ignore => state.ignore(&name),
            Rule::Keep => state.keep(&name),
            Rule::Tied(original) => state.tied(&name, &original.text()),
            Rule::Copied(original) => state.copied(&original.text(), &name),
        };
    }
    if input.cast {
        state = state.cast(DType::BF16);
    }
    if let Ok(variables) = state.variables() {
        let same = state.variables_like(&variables).expect("they are like themselves");
        assert!(same == variables);
        let back = state.export(&variables).expect("what was made of them goes back");
        assert!(back.variables().expect("as before") == variables);
    }
});
