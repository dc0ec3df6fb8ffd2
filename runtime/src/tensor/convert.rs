//! Tensors from Rust's own arrays and slices.

use super::{Array, Aval, Element, Tensor};

fn from_parts<T: Element>(shape: &[usize], data: &[T]) -> Tensor {
    Array::from_slice(Aval::new(shape, T::DTYPE), data).into()
}

impl<T: Element> From<&[T]> for Tensor {
    fn from(data: &[T]) -> Tensor {
        from_parts(&[data.len()], data)
    }
}

impl<T: Element> From<&Vec<T>> for Tensor {
    fn from(data: &Vec<T>) -> Tensor {
        data.as_slice().into()
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    fn from(data: Vec<T>) -> Tensor {
        data.as_slice().into()
    }
}

impl<T: Element, const A: usize> From<[T; A]> for Tensor {
    fn from(data: [T; A]) -> Tensor {
        from_parts(&[A], &data)
    }
}

impl<T: Element, const A: usize, const B: usize> From<[[T; B]; A]> for Tensor {
    fn from(data: [[T; B]; A]) -> Tensor {
        from_parts(&[A, B], data.as_flattened())
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize> From<[[[T; C]; B]; A]> for Tensor {
    fn from(data: [[[T; C]; B]; A]) -> Tensor {
        from_parts(&[A, B, C], data.as_flattened().as_flattened())
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize, const D: usize> From<[[[[T; D]; C]; B]; A]>
    for Tensor
{
    fn from(data: [[[[T; D]; C]; B]; A]) -> Tensor {
        from_parts(&[A, B, C, D], data.as_flattened().as_flattened().as_flattened())
    }
}
