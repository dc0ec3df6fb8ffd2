//! `ceil_mode`: windows that reach beyond the end.

/// What there is behind an axis of `size` elements when the rest that is too little for a window has one, too.
///
/// There are `⌊(padded − window) / stride⌋ + 1` whole windows, and one more where they leave a rest and it begins before the last
/// element ends, as PyTorch counts them.
pub(super) fn behind(size: usize, window: usize, stride: usize, (low, high): (isize, isize)) -> isize {
    if window == 0 || stride == 0 {
        // Refused by what makes the windows.
        return high;
    }
    let [size, window, stride] = [size, window, stride].map(|n| n as i128);
    let (low, rest) = (low as i128, size + low as i128 + high as i128 - window);
    let start = (rest.div_euclid(stride) + 1) * stride;
    if rest.rem_euclid(stride) == 0 || start >= size + low {
        return high;
    }
    isize::try_from(start + window - size - low).unwrap_or(isize::MAX)
}
