//! Values as pictures.

use crate::array::DType;
use crate::core::Tensor;
use crate::error::Result;

/// No picture has more rows or columns: of more, every so manyth is shown.
const SIDE: usize = 64;
/// So many channels are shown.
const CHANNELS: usize = 16;

/// A picture of values, from the least, dark, to the greatest, bright.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What it shows, such as `channel 3`.
    pub title: String,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row, 0 to 254; 255 is what is not finite.
    pub pixels: Vec<u8>,
}

/// The first example of an output: `[batch, height, width, channels]` as a picture for each channel; `[batch, places, features]` as one; of
/// `[batch, features]` all examples.
pub(super) fn of_output(output: &Tensor) -> Result<Vec<Picture>> {
    if output.size() == 0 || !output.dtype().is_float() {
        return Ok(Vec::new());
    }
    let values = output.try_cast(DType::F32)?;
    Ok(match *output.shape() {
        [_, height, width, channels] if height > 1 || width > 1 => {
            let first = values.try_get(0)?.to_vec::<f32>()?;
            let channel = |c: usize| {
                let value = |row: usize, column: usize| first[(row * width + column) * channels + c];
                picture(format!("channel {c}"), height, width, value)
            };
            (0..channels.min(CHANNELS)).map(channel).collect()
        }
        [_, places, features] => {
            let first = values.try_get(0)?.to_vec::<f32>()?;
            vec![picture("places × features".to_owned(), places, features, |row, column| {
                first[row * features + column]
            })]
        }
        [examples, features] => {
            let all = values.to_vec::<f32>()?;
            vec![picture("examples × features".to_owned(), examples, features, |row, column| {
                all[row * features + column]
            })]
        }
        _ => Vec::new(),
    })
}

fn picture(title: String, rows: usize, columns: usize, value: impl Fn(usize, usize) -> f32) -> Picture {
    let (by_rows, by_columns) = (rows.div_ceil(SIDE), columns.div_ceil(SIDE));
    let (height, width) = (rows.div_ceil(by_rows), columns.div_ceil(by_columns));
    let places =
        (0..height).flat_map(|row| (0..width).map(move |column| (row * by_rows, column * by_columns)));
    let values: Vec<f32> = places.map(|(row, column)| value(row, column)).collect();
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (min, max) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    let scale = if max > min { 254.0 / (max - min) } else { 0.0 };
    let pixel = |&value: &f32| if value.is_finite() { ((value - min) * scale) as u8 } else { u8::MAX };
    Picture { title, width, height, pixels: values.iter().map(pixel).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_pictures_of_their_own_from_the_least_to_the_greatest() {
        let image = Tensor::from_vec(vec![0.0f32, 5.0, 1.0, 5.0, 2.0, 5.0, f32::NAN, 5.0], [1, 2, 2, 2]);
        let pictures = of_output(&image).unwrap();
        assert_eq!(pictures.len(), 2);
        assert_eq!(
            (pictures[0].width, pictures[0].height, &pictures[0].pixels[..]),
            (2, 2, &[0, 127, 254, 255][..])
        );
        assert_eq!(pictures[1].pixels, [0; 4]);
    }

    #[test]
    fn large_ones_are_thinned_out() {
        let pictures = of_output(&Tensor::zeros([3, 1000])).unwrap();
        assert_eq!((pictures[0].height, pictures[0].width), (3, 63));
        assert!(of_output(&Tensor::zeros([3])).unwrap().is_empty());
    }
}
