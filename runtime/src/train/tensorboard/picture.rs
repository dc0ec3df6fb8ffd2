//! Pictures as PNG.

use super::proto::Message;
use crate::array::DType;
use crate::core::Tensor;
use crate::error::{Error, Result};

/// A `Summary.Image` of a tensor `[height, width, channels]`.
pub(super) fn message(image: &Tensor) -> Result<Message> {
    let (shape, dtype) = (image.shape(), image.dtype());
    let wrong = || {
        let found = image.aval().to_string();
        Error::shape(
            "image",
            found,
            "[height, width, channels] with 1, 3 or 4 channels, floats from 0 to 1 or U8",
        )
    };
    let [height, width, channels] = shape[..] else { return Err(wrong()) };
    let color = match channels {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        4 => png::ColorType::Rgba,
        _ => return Err(wrong()),
    };
    let pixels = if dtype == DType::U8 {
        image.to_vec::<u8>()?
    } else if dtype.is_float() {
        // NaN becomes 0.
        let values = image.try_cast(DType::F32)?.to_vec::<f32>()?;
        values.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
    } else {
        return Err(wrong());
    };
    let (Ok(rows), Ok(columns)) = (u32::try_from(height), u32::try_from(width)) else { return Err(wrong()) };
    if rows == 0 || columns == 0 {
        return Err(wrong());
    }
    let mut encoded = Vec::new();
    let mut encoder = png::Encoder::new(&mut encoded, columns, rows);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(Error::other)?;
    writer.write_image_data(&pixels).map_err(Error::other)?;
    writer.finish().map_err(Error::other)?;
    Ok(Message::new().int(1, height as i64).int(2, width as i64).int(3, channels as i64).bytes(4, encoded))
}
