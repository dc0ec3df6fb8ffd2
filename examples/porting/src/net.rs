//! The model. Each line of ours stands below PyTorch's, which is in `data/model.py`.

use flaxen::nn::{ConvTranspose, Embed};
use flaxen::prelude::*;

// class Net(nn.Module):
#[module]
pub struct Net {
    // self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
    #[setup(Conv::new(8, [3, 3]).padding([(1, 1), (1, 1)]))]
    conv1: Conv,
    // self.norm1 = nn.BatchNorm2d(8)
    // PyTorch's momentum is the weight of the present, 0.1 by default; ours is that of the past.
    #[setup(BatchNorm::new().momentum(0.9).epsilon(1e-5))]
    norm1: BatchNorm,
    // self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1)
    // With strides, `Padding::Same` would put its zeros elsewhere than PyTorch's padding=1 does: say it in numbers.
    #[setup(Conv::new(12, [3, 3]).strides([2, 2]).padding([(1, 1), (1, 1)]))]
    conv2: Conv,
    // self.fc = nn.Linear(12 * 2 * 2, 16)
    #[setup(Dense::new(16))]
    fc: Dense,
    // self.norm2 = nn.LayerNorm(16)
    // PyTorch's epsilon is 1e-5, Flax's and ours 1e-6.
    #[setup(LayerNorm::new().epsilon(1e-5))]
    norm2: LayerNorm,
    // self.label = nn.Embedding(10, 16)
    #[setup(Embed::new(10, 16))]
    label: Embed,
    // self.head = nn.Linear(16, 10)
    #[setup(Dense::new(10))]
    head: Dense,
    // self.up = nn.ConvTranspose2d(12, 1, 4, stride=2, padding=1)
    // PyTorch's padding takes away from the output; ours is put around the input: kernel size − 1 − padding.
    #[setup(ConvTranspose::new(1, [4, 4]).strides([2, 2]).padding([(2, 2), (2, 2)]).transpose_kernel(true))]
    up: ConvTranspose,
}

impl Net {
    // def forward(self, x, hint):
    /// Logits `[batch, 10]` and a picture `[batch, 4, 4, 1]` of an image `[batch, 8, 8, 1]` and a hint `[batch]`.
    #[compact]
    pub fn call(&self, x: &Tensor, hint: &Tensor, train: bool) -> Result<(Tensor, Tensor)> {
        // x = torch.relu(self.norm1(self.conv1(x)))
        let x = self.norm1.call(&self.conv1.call(x)?, train)?.relu();
        // x = nn.functional.avg_pool2d(x, 3, stride=2, padding=1)
        // Both count the padding; `count_include_pad` is there in both.
        let x = avg_pool(&x, [3, 3]).strides([2, 2]).padding([(1, 1), (1, 1)]).run()?;
        // x = torch.relu(self.conv2(x))
        let x = self.conv2.call(&x)?.relu();
        // picture = self.up(x)
        let picture = self.up.call(&x)?;
        // x = torch.flatten(x, 1)
        // The same values in another order, as channels are last here: the rows of the kernel of `fc` are reordered for it.
        let x = x.flatten(1);
        // x = torch.relu(self.norm2(self.fc(x)) + self.label(hint))
        let x = (self.norm2.call(&self.fc.call(&x)?)? + self.label.call(hint)?).relu();
        // return self.head(x), picture
        Ok((self.head.call(&x)?, picture))
    }
}
