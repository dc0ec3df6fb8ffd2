//! `pixelcnn`: the model `PixelCNN++`, whose initial values depend on data, and whose samples are fixed points.

use flaxen::custom_jvp;
use flaxen::optim::Schedule;
use flaxen::prelude::*;
use flaxen::random::Key;

use super::{Example, State, with_params};

fn concat_elu(x: &Tensor) -> Tensor {
    Tensor::concatenate(&[x.clone(), -x], -1).elu(1.0)
}

/// Pads and crops the spatial axes.
fn spatial_pad(x: &Tensor, vertical: (isize, isize), horizontal: (isize, isize)) -> Tensor {
    let with_interior = |(before, after)| (before, after, 0);
    x.pad_interior([(0, 0, 0), with_interior(vertical), with_interior(horizontal), (0, 0, 0)], 0.0)
}

fn shift_down(x: &Tensor) -> Tensor {
    spatial_pad(x, (1, -1), (0, 0))
}

fn shift_right(x: &Tensor) -> Tensor {
    spatial_pad(x, (0, 0), (1, -1))
}

fn l2_normalize(v: &Tensor) -> Tensor {
    v / v.square().sum_axes([0, 1, 2]).sqrt()
}

/// A convolution whose kernel is a direction and a scale; the initial ones make the first outputs standard.
#[module]
struct ConvWeightNorm {
    features: usize,
    kernel_size: [usize; 2],
    #[module(default = [1, 1])]
    strides: [usize; 2],
    #[module(default = Padding::Valid)]
    padding: Padding,
    #[module(default = false)]
    transpose: bool,
    #[module(default = 1.0)]
    init_scale: f64,
}

impl Layer for ConvWeightNorm {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let options = ConvOptions::new().strides(self.strides).padding(self.padding.clone());
        let conv = |x: &Tensor, kernel: &Tensor| {
            if self.transpose {
                x.try_conv_transpose(kernel, &options)
            } else {
                x.try_conv_general(kernel, &options)
            }
        };
        let shape = [&self.kernel_size[..], &[x.shape()[3], self.features]].concat();
        let initializer = |key: &Key| {
            let direction = init::normal(0.01).tensor(key, &shape, DType::F32)?;
            let unnormed = conv(x, &l2_normalize(&direction))?;
            let mean = unnormed.mean_axes([0, 1, 2]);
            let std = unnormed.std_axes([0, 1, 2], 0);
            Ok(Dict::new()
                .with("direction", direction)
                .with("scale", self.init_scale / &std)
                .with("bias", -mean / std))
        };
        let params: Dict = self.param_with("weightnorm_params", initializer)?;
        let kernel = params.tensor("scale")? * l2_normalize(params.tensor("direction")?);
        Ok(conv(x, &kernel)? + params.tensor("bias")?)
    }
}

/// Where information flows: downwards, or downwards and to the right.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flow {
    Down,
    DownRight,
}

#[module]
struct ConvDown {
    features: usize,
    #[module(default = [2, 3])]
    kernel_size: [usize; 2],
    #[module(default = [1, 1])]
    strides: [usize; 2],
    #[module(default = 1.0)]
    init_scale: f64,
}

impl Layer for ConvDown {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let [height, width] = self.kernel_size.map(|size| size as isize);
        let padding = Padding::from([(height - 1, 0), (width / 2, width / 2)]);
        let conv = ConvWeightNorm::new(self.features, self.kernel_size);
        self.child(conv.strides(self.strides).padding(padding).init_scale(self.init_scale)).call(x)
    }
}

#[module]
struct ConvDownRight {
    features: usize,
    #[module(default = [2, 2])]
    kernel_size: [usize; 2],
    #[module(default = [1, 1])]
    strides: [usize; 2],
    #[module(default = 1.0)]
    init_scale: f64,
}

impl Layer for ConvDownRight {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let [height, width] = self.kernel_size.map(|size| size as isize);
        let padding = Padding::from([(height - 1, 0), (width - 1, 0)]);
        let conv = ConvWeightNorm::new(self.features, self.kernel_size);
        self.child(conv.strides(self.strides).padding(padding).init_scale(self.init_scale)).call(x)
    }
}

#[module]
struct ConvTransposeDown {
    features: usize,
}

impl Layer for ConvTransposeDown {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let [_, height, width, _] = x.shape()[..] else { unreachable!("images have four axes") };
        let (height, width) = (2 * height as isize, 2 * width as isize);
        let conv = ConvWeightNorm::new(self.features, [2, 3]).strides([2, 2]).transpose(true);
        Ok(self.child(conv).call(x)?.slice_axis(1, 0..height).slice_axis(2, 1..width + 1))
    }
}

#[module]
struct ConvTransposeDownRight {
    features: usize,
}

impl Layer for ConvTransposeDownRight {
    #[compact]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let [_, height, width, _] = x.shape()[..] else { unreachable!("images have four axes") };
        let (height, width) = (2 * height as isize, 2 * width as isize);
        let conv = ConvWeightNorm::new(self.features, [2, 2]).strides([2, 2]).transpose(true);
        Ok(self.child(conv).call(x)?.slice_axis(1, 0..height).slice_axis(2, 0..width))
    }
}

#[module]
struct GatedResnet {
    flow: Flow,
    dropout: f64,
}

impl GatedResnet {
    #[compact]
    fn call(&self, x: &Tensor, aux: Option<&Tensor>, train: bool) -> Result<Tensor> {
        let features = x.shape()[3];
        let conv = |features: usize, init_scale: f64, x: &Tensor| match self.flow {
            Flow::Down => self.child(ConvDown::new(features).init_scale(init_scale)).call(x),
            Flow::DownRight => self.child(ConvDownRight::new(features).init_scale(init_scale)).call(x),
        };
        let mut y = conv(features, 1.0, &concat_elu(x))?;
        if let Some(aux) = aux {
            y = concat_elu(&(y + ConvWeightNorm::new(features, [1, 1]).call(&concat_elu(aux))?));
        }
        let y = Dropout::new(self.dropout).call(&y, train)?;
        // So that the block is close to the identity in the beginning.
        let parts = conv(2 * features, 0.1, &y)?.split(2, -1);
        Ok(x + &parts[0] * parts[1].sigmoid())
    }
}

#[module]
struct PixelCnnPp {
    depth: usize,
    features: usize,
    logistic_components: usize,
    #[module(default = 0.5)]
    dropout: f64,
}

impl PixelCnnPp {
    #[compact]
    fn call(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let down_conv = |size: [usize; 2]| ConvDown::new(self.features).kernel_size(size);
        let res = |flow: Flow, x: &Tensor, aux: Option<&Tensor>| {
            self.child(GatedResnet::new(flow, self.dropout)).call(x, aux, train)
        };
        // Ones tell the image from padding later on.
        let images = images.pad([(0, 0), (0, 0), (0, 0), (0, 1)], 1.0);

        let mut down = shift_down(&self.child(down_conv([2, 3])).call(&images)?);
        let right = self.child(ConvDownRight::new(self.features).kernel_size([2, 1]));
        let mut down_right =
            shift_down(&self.child(down_conv([1, 3])).call(&images)?) + shift_right(&right.call(&images)?);
        let mut stack = vec![(down.clone(), down_right.clone())];
        for halvings in 0..3 {
            if halvings > 0 {
                down = ConvDown::new(self.features).strides([2, 2]).call(&down)?;
                down_right = ConvDownRight::new(self.features).strides([2, 2]).call(&down_right)?;
                stack.push((down.clone(), down_right.clone()));
            }
            for _ in 0..self.depth {
                let next = res(Flow::Down, &down, None)?;
                down_right = res(Flow::DownRight, &down_right, Some(&down))?;
                down = next;
                stack.push((down.clone(), down_right.clone()));
            }
        }

        let missing = || Error::msg("the stack ends too early");
        (down, down_right) = stack.pop().ok_or_else(missing)?;
        for doublings in 0..3 {
            if doublings > 0 {
                down = ConvTransposeDown::new(self.features).call(&down)?;
                down_right = ConvTransposeDownRight::new(self.features).call(&down_right)?;
            }
            for _ in 0..self.depth + doublings.min(1) {
                let (down_fwd, down_right_fwd) = stack.pop().ok_or_else(missing)?;
                down = res(Flow::Down, &down, Some(&down_fwd))?;
                let aux = Tensor::concatenate(&[down.clone(), down_right_fwd], -1);
                down_right = res(Flow::DownRight, &down_right, Some(&aux))?;
            }
        }
        assert!(stack.is_empty(), "all of the forward pass is used");
        ConvWeightNorm::new(10 * self.logistic_components, [1, 1]).init_scale(0.1).call(&down_right.elu(1.0))
    }
}

/// Means and inverse scales `[batch, k, h, w, 3]`, and logits of weights `[batch, k, h, w]`, of `k` logistic distributions.
fn conditional_params_from_outputs(theta: &Tensor, images: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let [batch, height, width, channels] = images.shape()[..] else { unreachable!("images have four axes") };
    let k = theta.shape()[3] / (3 * channels + 1);
    let logit_weights = theta.slice_axis(-1, 0..k);
    let theta = theta.slice_axis(-1, k..);
    let parts = theta.try_reshape([batch, height, width, channels, k, 3])?.transpose([5, 0, 4, 1, 2, 3]);
    let (m, s, t) = (parts.get(0), parts.get(1), parts.get(2).tanh());
    let images = images.expand_dims([-4]);
    let inv_scales = s.softplus().maximum(1e-7);
    let channel = |x: &Tensor, i: isize| x.index_axis(-1, i);
    let red = channel(&m, 0);
    let green = channel(&m, 1) + channel(&t, 0) * channel(&images, 0);
    let blue = channel(&m, 2) + channel(&t, 1) * channel(&images, 0) + channel(&t, 2) * channel(&images, 1);
    let means = Tensor::try_stack(&[red, green, blue], -1)?;
    Ok((means, inv_scales, logit_weights.move_axis(-1, -3)))
}

fn logprob_from_conditional_params(
    images: &Tensor,
    means: &Tensor,
    inv_scales: &Tensor,
    logit_weights: &Tensor,
) -> Result<Tensor> {
    let all = discretized_logistic_logpmf(&images.expand_dims([-4]), means, inv_scales)?;
    let logprobs = all.sum_axes([-1]);
    let log_mix_coeffs = logit_weights - logit_weights.logsumexp_keep([-3]);
    Ok((log_mix_coeffs + logprobs).logsumexp_axes([-3]).sum_axes([-2, -1]))
}

fn discretized_logistic_logpmf(images: &Tensor, means: &Tensor, inv_scales: &Tensor) -> Result<Tensor> {
    let centered = images - means;
    let top = -((&centered - 1.0 / 255.0) * inv_scales).softplus();
    let bottom = -(-(&centered + 1.0 / 255.0) * inv_scales).softplus();
    let mid = log1mexp(&(inv_scales / 127.5))? + &top + &bottom;
    let others = images.eq(-1.0).select(&bottom, &mid);
    Ok(images.eq(1.0).select(&top, &others))
}

/// `log(1 - exp(-x))` of positive numbers, with a derivative that is finite where one of its branches has none.
fn log1mexp(x: &Tensor) -> Result<Tensor> {
    let value = |x: &Tensor| {
        let (far, near) = ((-(-x).exp()).log1p(), (-(-x).expm1()).log());
        Ok(x.gt(std::f32::consts::LN_2).select(&far, &near))
    };
    custom_jvp(value, |x: &Tensor, dx: &Tensor| Ok((value(x)?, dx / x.expm1()))).call(x)
}

fn neg_log_likelihood_loss(out: &Tensor, images: &Tensor) -> Result<Tensor> {
    let (means, inv_scales, logit_weights) = conditional_params_from_outputs(out, images)?;
    let log_likelihoods = logprob_from_conditional_params(images, &means, &inv_scales, &logit_weights)?;
    let channels: usize = images.shape()[1..].iter().product();
    Ok(-log_likelihoods.mean() / (std::f32::consts::LN_2 * channels as f32))
}

fn conditional_params_to_sample(
    key: &Key,
    (means, inv_scales, logits): &(Tensor, Tensor, Tensor),
) -> Result<Tensor> {
    let [mix, logistic] = key.split();
    let chosen = random::categorical(&mix, logits, -3);
    let components = logits.shape()[logits.rank() - 3];
    let indicator = chosen.one_hot(components).move_axis(-1, -3).expand_dims([-1]);
    let mean = (means * &indicator).sum_axes([-4]);
    let inv_scale = (inv_scales * indicator).sum_axes([-4]);
    let sample = &mean + random::logistic(&logistic, mean.shape()) / inv_scale;
    // To the grid of 8-bit pixels.
    Ok((((sample + 1.0) * 127.5).round() / 127.5 - 1.0).clip(-1.0, 1.0))
}

/// Compares the example with Flax.
///
/// # Errors
/// What the example returns.
///
/// # Panics
/// If anything differs.
pub fn check() -> Result<()> {
    let example = Example::load("pixelcnn");
    let images = example.array("in/images");
    let model = PixelCnnPp::new(1, 2, 2);
    let [_, init_key, dropout_key] = key(0).split();
    let rngs = Rngs::new(init_key).with("dropout", dropout_key);
    let variables = model.init(rngs).run(|m| m.call(&images.get(0), false))?;
    let params = variables.dict("params")?;
    // They are statistics of convolutions of one another.
    example.near("init/params", params);
    let params = &example.dict("init/params");
    let eval = |x: &Tensor| model.apply(with_params(params)).run(|m| m.call(x, false));
    example.near("out", &eval(&images.get(1))?);

    let step = jit(|(state, images, dropout): (State, Tensor, Key)| {
        let loss = |params: &Dict| {
            let run = model.apply(with_params(params)).rngs(Rngs::none().with("dropout", dropout.clone()));
            neg_log_likelihood_loss(&run.run(|m| m.call(&images, true))?, &images)
        };
        let (loss, grads) = value_and_grad(loss)(&state.params)?;
        Ok((state.apply_gradients(&grads)?, Dict::new().with("loss", loss)))
    });
    let rate = Schedule::new(|count| Ok(1e-3 * Tensor::from(0.999_995).pow(count)));
    let tx = optim::adam(rate).b1(0.95).b2(0.9995);
    example.train(params, tx, 2, |state, i| step.call((state, images.get(i as isize), key(4 + i as u64))))?;

    let [sample_key, _] = key(6).split();
    let mut sample = Tensor::zeros([1, 8, 8, 3]);
    for i in 0..3 {
        let conditional = conditional_params_from_outputs(&eval(&sample)?, &sample)?;
        sample = conditional_params_to_sample(&sample_key, &conditional)?;
        example.near(&format!("sample{i}"), &sample);
    }
    example.finish();
    Ok(())
}
