//! MTCNN, as facenet-pytorch 2.6.0 has it: the three networks that find faces, with slopes by channel and pooling that rounds up.

use flaxen::eval_shape;
use flaxen::io::torch::StateDict;
use flaxen::nn::PReLU;
use flaxen::prelude::*;

use super::{assert_near, numbers, weights};

/// The parts of a network, which its own file names.
#[module]
struct Net {
    /// Channels, kernel, and the window of the pooling behind it, if there is any.
    convs: Vec<(usize, usize, Option<usize>)>,
    /// Features of the dense layer behind the convolutions, if there is one.
    dense: Option<usize>,
    /// Names and features of the outputs; the first one is of probabilities.
    outs: Vec<(&'static str, usize)>,
}

impl Net {
    /// Images `F32[images, height, width, 3]` to the outputs, probabilities first.
    #[compact]
    fn call(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let mut x = images.clone();
        for (i, &(channels, size, pool)) in self.convs.iter().enumerate() {
            let conv = Conv::new(channels, [size, size]).padding(Padding::Valid);
            x = self.child_named(format!("conv{}", i + 1), conv).call(&x)?;
            x = self.child_named(format!("prelu{}", i + 1), PReLU::new().per_channel(true)).call(&x)?;
            if let Some(window) = pool {
                x = max_pool(&x, [window, window]).strides([2, 2]).ceil_mode(true).run()?;
            }
        }
        if let Some(features) = self.dense {
            let number = self.convs.len() + 1;
            // The weights were Caffe's once, whose images lie on their sides.
            let columns = x.transpose([0, 2, 1, 3]).flatten(1);
            x = self.child_named(format!("dense{number}"), Dense::new(features)).call(&columns)?;
            x = self.child_named(format!("prelu{number}"), PReLU::new().per_channel(true)).call(&x)?;
        }
        let mut outs = Vec::new();
        for &(name, features) in &self.outs {
            let out = if self.dense.is_some() {
                self.child_named(name, Dense::new(features)).call(&x)?
            } else {
                self.child_named(name, Conv::new(features, [1, 1])).call(&x)?
            };
            outs.push(if outs.is_empty() { out.softmax(-1) } else { out });
        }
        Ok(outs)
    }
}

/// Torch's order of outputs: `order[i]` is which of ours its output `i` is.
fn assert_like_torch(name: &str, net: &Net, [images, height, width]: [usize; 3], order: &[usize]) {
    let Some(path) = weights(&format!("facenet_pytorch/data/{name}.pt")) else { return };
    let images = numbers(&[images, 3, height, width], 7919) * 2.0 - 1.0;
    let images = images.transpose([0, 2, 3, 1]);
    let init = |images: Tensor| net.init(key(0)).run(|net| net.call(&images));
    let shapes = eval_shape(init, &images).unwrap();
    let variables = StateDict::open(path).unwrap().variables_like(&shapes).unwrap();
    let outs =
        jit(|(variables, images): (Variables, Tensor)| net.apply(variables).run(|net| net.call(&images)))
            .call((variables, images))
            .unwrap();
    for (number, &own) in order.iter().enumerate() {
        let out = &outs[own];
        let found = if out.shape().len() == 4 { out.transpose([0, 3, 1, 2]) } else { out.clone() };
        assert_near(&found, &format!("mtcnn.{name}.{number}"), 2e-6);
    }
}

#[test]
fn proposals_are_those_of_facenet_pytorch() {
    let convs = vec![(10, 3, Some(2)), (16, 3, None), (32, 3, None)];
    let net = Net::new(convs, None, vec![("conv4_1", 2), ("conv4_2", 4)]);
    assert_like_torch("pnet", &net, [1, 27, 36], &[1, 0]);
}

#[test]
fn refined_boxes_are_those_of_facenet_pytorch() {
    let convs = vec![(28, 3, Some(3)), (48, 3, Some(3)), (64, 2, None)];
    let net = Net::new(convs, Some(128), vec![("dense5_1", 2), ("dense5_2", 4)]);
    assert_like_torch("rnet", &net, [2, 24, 24], &[1, 0]);
}

#[test]
fn landmarks_are_those_of_facenet_pytorch() {
    let convs = vec![(32, 3, Some(3)), (64, 3, Some(3)), (64, 3, Some(2)), (128, 2, None)];
    let outs = vec![("dense6_1", 2), ("dense6_2", 4), ("dense6_3", 10)];
    let net = Net::new(convs, Some(256), outs);
    assert_like_torch("onet", &net, [2, 48, 48], &[1, 2, 0]);
}
