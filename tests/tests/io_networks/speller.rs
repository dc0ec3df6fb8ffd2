//! g2p-en 2.1.0: a GRU reads the letters of a word, another one says its sounds.

use flaxen::io::npz;
use flaxen::io::torch::{Kind, StateDict};
use flaxen::nn::{Cell, Embed, GruCell, Rnn, Sequence};
use flaxen::prelude::*;

use super::weights;

/// Letters begin after padding, unknown ones and the end of a word.
const FIRST_LETTER: usize = 3;
const END_OF_WORD: i32 = 2;
/// Sounds before those that are said: padding, unknown ones, and the two ends.
const FIRST_SOUND: usize = 4;
const BEGIN: i32 = 2;
const END: i32 = 3;
/// The most sounds of a word.
const LONGEST: usize = 20;
const SOUNDS: &str = "AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2 ER0 ER1 ER2 \
    EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W \
    Y Z ZH";

#[module]
struct Speller;

impl Speller {
    /// The numbers of the likeliest sounds, `I32[words, LONGEST]`, of letters, `I32[words, length]`, of which each word has so many,
    /// `I32[words]`, with its end.
    #[compact]
    fn call(&self, letters: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let letters = self.child_named("enc_emb", Embed::new(29, 256)).call(letters)?;
        let encoder = self.child_named("enc", Rnn::new(GruCell::new(256)));
        let (state, _) = encoder.with_carry(&letters, Sequence::new().lengths(lengths))?;
        let sounds = self.child_named("dec_emb", Embed::new(74, 256));
        let decoder = self.child_named("dec", GruCell::new(256));
        let output = self.child_named("fc", Dense::new(74));
        let steps = scan(|(state, last): (Tensor, Tensor), ()| {
            let (state, y) = decoder.call(state, &sounds.call(&last)?)?;
            let next = output.call(&y)?.argmax(-1).cast(DType::I32);
            Ok(((state, next.clone()), next))
        });
        let begin = Tensor::full(lengths.shape(), BEGIN);
        let (_, said) = steps.length(LONGEST).call((state, begin), ())?;
        Ok(said.t())
    }
}

/// Words as numbers, with an end each, and how many numbers each has.
fn letters(words: &[&str]) -> (Tensor, Tensor) {
    let longest = words.iter().map(|word| word.len()).max().unwrap() + 1;
    let mut numbers = Vec::new();
    for word in words {
        let letters = word.bytes().map(|letter| i32::from(letter - b'a') + FIRST_LETTER as i32);
        let padding = vec![0; longest - word.len() - 1];
        numbers.extend(letters.chain([END_OF_WORD]).chain(padding));
    }
    let lengths: Vec<i32> = words.iter().map(|word| word.len() as i32 + 1).collect();
    (Tensor::from(numbers).reshape([words.len(), longest]), Tensor::from(lengths))
}

#[test]
fn two_hundred_words_are_spelt_as_g2p_en_spells_them() {
    let Some(path) = weights("g2p_en/checkpoint20.npz") else { return };
    // The package names them in its own way: `enc_w_ih` is `enc.weight_ih`, of the only layer.
    let file = npz::File::open(path).unwrap();
    let tensors = file.names().map(|name| {
        let layer = if name.starts_with("enc_") { "_l0" } else { "" };
        let torch = match name.split_once('_').unwrap() {
            ("fc", "w") => "fc.weight".to_owned(),
            ("fc", _) => "fc.bias".to_owned(),
            (_, "emb") => format!("{name}.weight"),
            (part, tensor) => {
                let (kind, of) = tensor.split_once('_').unwrap();
                let kind = if kind == "w" { "weight" } else { "bias" };
                format!("{part}.{kind}_{of}{layer}")
            }
        };
        (torch, file.tensor(name).unwrap())
    });
    let state = StateDict::new(tensors).layer("*_emb", Kind::Embedding);
    let variables = state.variables().unwrap();

    let lines: Vec<(&str, &str)> =
        include_str!("../../torch/words.tsv").lines().map(|line| line.split_once('\t').unwrap()).collect();
    let words: Vec<&str> = lines.iter().map(|(word, _)| *word).collect();
    assert_eq!(words.len(), 200);
    let spell = jit(|(variables, letters, lengths): (Variables, Tensor, Tensor)| {
        Speller::new().apply(variables).run(|speller| speller.call(&letters, &lengths))
    });
    let (letters, lengths) = letters(&words);
    let said = spell.call((variables, letters, lengths)).unwrap().to_vec::<i32>().unwrap();
    let names: Vec<&str> = SOUNDS.split_whitespace().collect();
    assert_eq!(names.len() + FIRST_SOUND, 74);
    for ((word, expected), said) in lines.iter().zip(said.chunks(LONGEST)) {
        let said = said.iter().take_while(|&&sound| sound != END);
        let said: Vec<&str> = said.map(|&sound| names[sound as usize - FIRST_SOUND]).collect();
        assert_eq!(said.join(" "), *expected, "{word}");
    }
}
