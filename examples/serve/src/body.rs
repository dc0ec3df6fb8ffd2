//! What clients send and get, as JSON or as safetensors.
//!
//! JSON: `{"images": [[[0.0, 0.5, …], …], …]}`, a list of images, each a list of rows, each a list of pixels from 0 to 1; and
//! `{"labels": [3, …], "probabilities": [[…], …]}`. Safetensors: the same names, as tensors.

use axum::http::StatusCode;
use flaxen::io::safetensors::{File, Save};
use flaxen::prelude::*;
use serde::{Deserialize, Serialize};

pub const JSON: &str = "application/json";
pub const SAFETENSORS: &str = "application/safetensors";

/// One of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Safetensors,
}

/// What is wrong with a request: the status for programs, the text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub text: String,
}

impl Refusal {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Refusal {
        Refusal { status, text: text.into() }
    }
}

/// What a model takes.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Height and width of an image.
    pub side: usize,
    /// The most images in a request.
    pub max_images: usize,
}

impl Format {
    /// The format of a `Content-Type` or an `Accept`, parameters such as a charset left out.
    pub fn of(media_type: &str) -> Option<Format> {
        match media_type.split(';').next().map(str::trim) {
            Some(JSON) => Some(Format::Json),
            Some(SAFETENSORS) => Some(Format::Safetensors),
            _ => None,
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Format::Json => JSON,
            Format::Safetensors => SAFETENSORS,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Images {
    images: Vec<Vec<Vec<f32>>>,
}

#[derive(Serialize)]
struct Predictions<'a> {
    labels: &'a [i32],
    probabilities: Vec<&'a [f32]>,
}

#[derive(Tree)]
struct PredictionTensors {
    labels: Tensor,
    probabilities: Tensor,
}

/// The images of a request's body, `F32[count, side, side, 1]`, checked so that the model takes them.
///
/// # Errors
/// 400 if the body is not what its format says, 422 if the images are not what the model takes.
pub fn images(format: Format, body: &[u8], expected: Expected) -> Result<Tensor, Refusal> {
    let images = match format {
        Format::Json => images_of_json(body, expected.side)?,
        Format::Safetensors => images_of_safetensors(body, expected.side)?,
    };
    let count = images.shape()[0];
    if count == 0 || count > expected.max_images {
        let text = format!("{count} images: a request has from 1 to {} of them", expected.max_images);
        return Err(unprocessable(text));
    }
    let pixels = images.to_vec::<f32>().map_err(|error| unprocessable(error.to_string()))?;
    if let Some(index) = pixels.iter().position(|pixel| !pixel.is_finite()) {
        let (image, pixel) = (index / expected.side.pow(2), index % expected.side.pow(2));
        return Err(unprocessable(format!("pixel {pixel} of image {image} is {}", pixels[index])));
    }
    Ok(images)
}

fn images_of_json(body: &[u8], side: usize) -> Result<Tensor, Refusal> {
    let Images { images } =
        serde_json::from_slice(body).map_err(|error| malformed(format!("the JSON does not fit: {error}")))?;
    let mut pixels = Vec::with_capacity(images.len() * side * side);
    for (index, image) in images.iter().enumerate() {
        if image.len() != side {
            return Err(unprocessable(format!("images[{index}] has {} rows, not {side}", image.len())));
        }
        for (row, values) in image.iter().enumerate() {
            if values.len() != side {
                let text = format!("images[{index}][{row}] has {} pixels, not {side}", values.len());
                return Err(unprocessable(text));
            }
            pixels.extend_from_slice(values);
        }
    }
    Ok(Tensor::from_vec(pixels, [images.len(), side, side, 1]))
}

fn images_of_safetensors(body: &[u8], side: usize) -> Result<Tensor, Refusal> {
    let file = File::from_bytes(body).map_err(|error| malformed(error.to_string()))?;
    let images = file.tensor("images").map_err(|error| unprocessable(error.to_string()))?;
    let (shape, dtype) = (images.shape().to_vec(), images.dtype());
    match shape[..] {
        [count, height, width] | [count, height, width, 1] if (height, width) == (side, side) => {
            let images = if dtype.is_float() {
                images.cast(DType::F32)
            } else {
                return Err(unprocessable(format!("`images` is {dtype}: expected floats from 0 to 1")));
            };
            Ok(images.reshape([count, side, side, 1]))
        }
        _ => Err(unprocessable(format!("`images` is {dtype}{shape:?}: expected F32[count, {side}, {side}]"))),
    }
}

/// The body of an answer: the most probable class of each image, and the probabilities `F32[count, classes]` of all.
///
/// # Errors
/// If the probabilities are not what a model gives.
pub fn predictions(format: Format, probabilities: Tensor) -> flaxen::Result<Vec<u8>> {
    let labels = probabilities.argmax(-1).cast(DType::I32);
    match format {
        Format::Json => {
            let (labels, values) = (labels.to_vec::<i32>()?, probabilities.to_vec::<f32>()?);
            let classes = (values.len() / labels.len().max(1)).max(1);
            let predictions =
                Predictions { labels: &labels, probabilities: values.chunks(classes).collect() };
            serde_json::to_vec(&predictions).map_err(Error::other)
        }
        Format::Safetensors => Save::new().to_bytes(&PredictionTensors { labels, probabilities }),
    }
}

fn malformed(text: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, text)
}

fn unprocessable(text: String) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected { side: 2, max_images: 3 };

    fn json(text: &str) -> Result<Vec<f32>, String> {
        let images = images(Format::Json, text.as_bytes(), EXPECTED);
        images
            .map(|images| images.to_vec().unwrap())
            .map_err(|refusal| format!("{}: {}", refusal.status.as_u16(), refusal.text))
    }

    #[test]
    fn images_are_lists_of_rows() {
        assert_eq!(json(r#"{"images": [[[0, 0.25], [0.5, 1]]]}"#).unwrap(), [0.0, 0.25, 0.5, 1.0]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_index() {
        for (text, said) in [
            (r#"{"images": []}"#, "422: 0 images"),
            (r#"{"images": [[[0, 1], [0, 1]], [[0, 1]]]}"#, "422: images[1] has 1 rows, not 2"),
            (r#"{"images": [[[0, 1], [0]]]}"#, "422: images[0][1] has 1 pixels, not 2"),
            (r#"{"images": [[[0, 1], [0, 1e300]]]}"#, "400: the JSON does not fit: number out of range"),
            (r#"{"images": [[[0, 1], [0, "a"]]]}"#, "400: the JSON does not fit: invalid type: string"),
            (r#"{"image": []}"#, "400: the JSON does not fit: unknown field `image`"),
            (r#"{"images": [[[0, 1], [0, 1"#, "400: the JSON does not fit: EOF"),
        ] {
            let error = json(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }

    #[test]
    fn safetensors_hold_what_json_holds() {
        let tensors =
            Dict::from_iter([("images", Tensor::from_vec(vec![0.0f32, 0.25, 0.5, 1.0], [1, 2, 2]))]);
        let body = Save::new().to_bytes(&tensors).unwrap();
        let found = images(Format::Safetensors, &body, EXPECTED).unwrap();
        assert_eq!(
            (found.shape(), found.to_vec::<f32>().unwrap()),
            (&[1, 2, 2, 1][..], vec![0.0, 0.25, 0.5, 1.0])
        );
        let cut = images(Format::Safetensors, &body[..body.len() - 1], EXPECTED).unwrap_err();
        assert_eq!(cut.status, StatusCode::BAD_REQUEST);
        let tensors = Dict::from_iter([("images", Tensor::full([1, 2, 2, 1], f32::NAN))]);
        let nan =
            images(Format::Safetensors, &Save::new().to_bytes(&tensors).unwrap(), EXPECTED).unwrap_err();
        assert_eq!(nan, unprocessable("pixel 0 of image 0 is NaN".to_owned()));
    }
}
