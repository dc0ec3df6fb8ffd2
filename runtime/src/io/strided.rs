//! Tensors that do not lie in a file as in memory: transposed, with gaps, or of floats of 8 bits.

use super::encoding::Encoding;

/// Bytes of the file that are held at once.
const WINDOW: usize = 1 << 20;

/// An axis of a view.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    /// Elements from one step to the next: in the file, and in memory.
    from: usize,
    into: usize,
}

/// Whether elements at such strides lie as in memory, in row-major order.
pub(super) fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.contains(&0)
        || shape.iter().zip(strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected *= size;
            fits
        })
}

/// Gives the bytes from an element on, as many as there is room for.
type ReadBytes<'a> = dyn FnMut(usize, &mut [u8]) -> Result<(), String> + 'a;

/// Reads the elements at some strides into row-major order.
///
/// In the order in which they lie in the file, so that each part of it is looked at once, however its axes are transposed, and little
/// of it is in memory at once.
pub(super) fn read(
    encoding: Encoding,
    shape: &[usize],
    strides: &[usize],
    into: &mut [u8],
    read: &mut ReadBytes<'_>,
) -> Result<(), String> {
    if shape.contains(&0) {
        return Ok(());
    }
    let mut axes = Vec::with_capacity(shape.len());
    let mut step = 1;
    for (&size, &stride) in shape.iter().zip(strides).rev() {
        if size > 1 {
            axes.push(Axis { size, from: stride, into: step });
        }
        step *= size;
    }
    // Stable, so that of two axes that repeat their elements the inner one stays inside.
    axes.reverse();
    axes.sort_by_key(|axis| std::cmp::Reverse(axis.from));
    let mut reading = Reading { encoding, window: Vec::new(), into, read };
    reading.axes(&axes, 0, 0)
}

struct Reading<'a> {
    encoding: Encoding,
    window: Vec<u8>,
    into: &'a mut [u8],
    read: &'a mut ReadBytes<'a>,
}

impl Reading<'_> {
    /// The elements of some axes, as many steps of the first one at a time as a window has room for.
    fn axes(&mut self, axes: &[Axis], from: usize, into: usize) -> Result<(), String> {
        let most = WINDOW / self.encoding.size();
        let Some((&axis, inner)) = axes.split_first() else { return self.block(&[], 1, from, into) };
        let extent = 1 + inner.iter().map(|axis| (axis.size - 1) * axis.from).sum::<usize>();
        let steps = if extent <= most { (most - extent) / axis.from.max(1) + 1 } else { 0 };
        if steps == 0 {
            return (0..axis.size)
                .try_for_each(|i| self.axes(inner, from + i * axis.from, into + i * axis.into));
        }
        let mut block = axes.to_vec();
        for start in (0..axis.size).step_by(steps) {
            let size = steps.min(axis.size - start);
            block[0].size = size;
            let extent = extent + (size - 1) * axis.from;
            self.block(&block, extent, from + start * axis.from, into + start * axis.into)?;
        }
        Ok(())
    }

    /// Reads a window, and puts its elements where they belong.
    fn block(&mut self, axes: &[Axis], extent: usize, from: usize, into: usize) -> Result<(), String> {
        let (narrow, wide) = (self.encoding.size(), self.encoding.dtype().size());
        self.window.resize(extent * narrow, 0);
        (self.read)(from, &mut self.window)?;
        let mut index = vec![0; axes.len()];
        let (mut at, mut to) = (0, into);
        loop {
            let element = &self.window[at * narrow..(at + 1) * narrow];
            self.encoding.decode(element, &mut self.into[to * wide..(to + 1) * wide]);
            // The next one: the last axis turns fastest.
            let mut turning = axes.len();
            loop {
                let Some(axis) = turning.checked_sub(1) else { return Ok(()) };
                turning = axis;
                index[axis] += 1;
                at += axes[axis].from;
                to += axes[axis].into;
                if index[axis] < axes[axis].size {
                    break;
                }
                at -= axes[axis].size * axes[axis].from;
                to -= axes[axis].size * axes[axis].into;
                index[axis] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;

    /// The 16-bit numbers at some strides, where the file counts from zero; and how many bytes were held at once.
    fn numbers(shape: &[usize], strides: &[usize]) -> (Vec<u16>, usize) {
        let mut bytes = vec![0; shape.iter().product::<usize>() * 2];
        let mut most = 0;
        let encoding = Encoding::Plain(DType::U16);
        read(encoding, shape, strides, &mut bytes, &mut |from, window| {
            most = most.max(window.len());
            for (i, word) in window.as_chunks_mut().0.iter_mut().enumerate() {
                *word = ((from + i) as u16).to_le_bytes();
            }
            Ok(())
        })
        .unwrap();
        (bytes.as_chunks().0.iter().map(|&word| u16::from_le_bytes(word)).collect(), most)
    }

    #[test]
    fn elements_are_those_at_their_strides() {
        assert_eq!(numbers(&[2, 3], &[3, 1]).0, [0, 1, 2, 3, 4, 5]);
        assert_eq!(numbers(&[3, 2], &[1, 3]).0, [0, 3, 1, 4, 2, 5]);
        assert_eq!(numbers(&[2, 2, 2], &[1, 0, 4]).0, [0, 4, 0, 4, 1, 5, 1, 5]);
        assert_eq!(numbers(&[], &[]).0, [0]);
        assert_eq!(numbers(&[3, 0], &[1, 1]).0, [0; 0]);
        assert_eq!(numbers(&[1, 2, 1], &[100, 7, 100]).0, [0, 7]);
    }

    #[test]
    fn little_is_held_at_once() {
        // A matrix of four MiB that is transposed, one with wide gaps, and numbers that are far from each other.
        for (shape, strides) in [([2048, 1024], [1, 2048]), ([3, 5], [1 << 21, 9]), ([5, 1], [1 << 22, 1])] {
            let (found, most) = numbers(&shape, &strides);
            let expected = (0..shape[0]).flat_map(|i| (0..shape[1]).map(move |j| [i, j]));
            let expected = expected.map(|[i, j]| (i * strides[0] + j * strides[1]) as u16);
            assert!(found.into_iter().eq(expected), "{shape:?}");
            assert!(most <= WINDOW, "{shape:?}: {most}");
        }
    }
}
