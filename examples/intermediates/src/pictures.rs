//! Tensors as pictures.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use flaxen::prelude::*;

type Rgb = [u8; 3];

/// The side of a tile, in pixels of the picture, is that of the image times a whole number, about so large.
const TILE: usize = 112;
const GAP: usize = 4;
const PAPER: Rgb = [255, 255, 255];
const GROUND: Rgb = [60, 60, 60];

/// Two rings, one above the other: something like an eight, `[1, side, side, 1]`.
pub fn two_rings(side: usize) -> Tensor {
    let scale = side as f32 / 28.0;
    let brightness = |x: f32, y: f32| {
        let ring = |center: f32, radius: f32| {
            let distance = (x / scale - 13.5).hypot(y / scale - center);
            (1.0 - ((distance - radius).abs() - 1.0).max(0.0)).max(0.0)
        };
        ring(8.5, 4.5).max(ring(19.0, 6.0))
    };
    let pixels: Vec<f32> =
        (0..side * side).map(|i| brightness((i % side) as f32, (i / side) as f32)).collect();
    Tensor::from_vec(pixels, [1, side, side, 1])
}

/// Draws the first example of `[batch, height, width, channels]` as a PNG file, a tile a channel, all on one scale.
pub fn save_channels(path: &Path, values: &Tensor) -> Result<()> {
    let &[_, height, width, count] = values.shape() else {
        bail!("expected [batch, height, width, channels], found {:?}", values.shape());
    };
    let most = values.abs().max().item::<f32>()?;
    ensure!(most.is_finite(), "there are numbers that are not finite");
    let values = values.get(0).cast(DType::F32).to_vec::<f32>()?;

    let columns = (count as f64).sqrt().ceil() as usize;
    let rows = count.div_ceil(columns);
    let zoom = (TILE / height.max(width)).max(1);
    let (tile_width, tile_height) = (width * zoom + GAP, height * zoom + GAP);
    let size = (columns * tile_width + GAP, rows * tile_height + GAP);
    let inside = |at: usize, tile: usize| at.checked_sub(GAP).map(|at| (at / tile, at % tile / zoom));
    let pixel = |x: usize, y: usize| match (inside(x, tile_width), inside(y, tile_height)) {
        (Some((column, x)), Some((row, y))) if x < width && y < height && row * columns + column < count => {
            color(values[(y * width + x) * count + row * columns + column] / most.max(f32::MIN_POSITIVE))
        }
        _ => GROUND,
    };
    let bytes: Vec<u8> = (0..size.1).flat_map(|y| (0..size.0).flat_map(move |x| pixel(x, y))).collect();

    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, size.0 as u32, size.1 as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bytes)?;
    writer.finish()?;
    Ok(flaxen::io::write(path, picture)?)
}

/// White at 0, red towards 1, blue towards −1.
fn color(value: f32) -> Rgb {
    let strength = value.abs().min(1.0).sqrt();
    let ends = if value >= 0.0 { [178, 24, 43] } else { [33, 102, 172] };
    let mut mixed = PAPER;
    for (channel, end) in mixed.iter_mut().zip(ends) {
        let start = f32::from(*channel);
        *channel = (start + (end as f32 - start) * strength).round() as u8;
    }
    mixed
}
