//! Losses give the results, gradients and batches of the real optax, whatever they sum over.

use flaxen::losses::*;
use flaxen::prelude::*;
use flaxen_tests::probes::{self, Settings};

/// The settings `axis` and `all`, and a mask that is the last of the arguments if there are `count` of them.
fn over(args: &[Tensor], count: usize, settings: &Settings<'_>) -> Over {
    let over = match settings.ints("axis") {
        _ if settings.flag("all") => Over::all(),
        Some(axes) => Over::axes(axes),
        None => Over::default(),
    };
    if args.len() == count { over.mask(&args[count - 1]) } else { over }
}

fn reduction(settings: &Settings<'_>) -> Reduction {
    match settings.text("reduction") {
        Some("sum") => Reduction::Sum,
        Some("none") => Reduction::None,
        _ => Reduction::Mean,
    }
}

fn dice(args: &[Tensor], settings: &Settings<'_>) -> Result<Tensor> {
    let mut loss = DiceLoss::new().reduction(reduction(settings));
    loss = loss.ignore_background(settings.flag("ignore_background"));
    loss = loss.alpha(settings.float("alpha").unwrap_or(0.5)).beta(settings.float("beta").unwrap_or(0.5));
    loss = loss.smooth(settings.float("smooth").unwrap_or(1.0));
    if settings.has("apply_softmax") {
        loss = loss.apply_softmax(settings.flag("apply_softmax"));
    }
    if let Some(axes) = settings.ints("axis") {
        loss = loss.axes(axes);
    }
    if let Some(weights) = args.get(2) {
        loss = loss.class_weights(weights);
    }
    loss.try_call(&args[0], &args[1])
}

fn ranking(args: &[Tensor], settings: &Settings<'_>) -> Result<Tensor> {
    let third = |key: &str| if settings.flag(key) { args.get(2) } else { None };
    try_ranking_softmax_loss(&args[0], &args[1], third("where"), third("weights"), reduction(settings))
}

fn call(name: &str, args: &[Tensor], settings: &Settings<'_>) -> Result<Vec<Tensor>> {
    let (x, y) = (&args[0], args.get(1));
    let y = y.unwrap_or(x);
    let number = |key: &str| settings.float(key).unwrap();
    let over = |count: usize| over(args, count, settings);
    Ok(vec![match name {
        "softmax_cross_entropy" => try_softmax_cross_entropy_over(x, y, over(3))?,
        "softmax_cross_entropy_with_integer_labels" => {
            try_softmax_cross_entropy_with_integer_labels_over(x, y, over(3))?
        }
        "kl_divergence" => try_kl_divergence_over(x, y, over(3))?,
        "kl_divergence_with_log_targets" => try_kl_divergence_with_log_targets_over(x, y, over(3))?,
        "generalized_kl_divergence" => try_generalized_kl_divergence_over(x, y, over(3))?,
        "convex_kl_divergence" => try_convex_kl_divergence(x, y)?,
        "poly_loss_cross_entropy" => try_poly_loss_cross_entropy_over(x, y, number("epsilon"), over(3))?,
        "cosine_similarity" => try_cosine_similarity_over(x, y, number("epsilon"), over(3))?,
        "cosine_distance" => try_cosine_distance_over(x, y, number("epsilon"), over(3))?,
        "smooth_labels" => try_smooth_labels_over(x, number("alpha"), over(2))?,
        "squared_error" => try_squared_error(x, None)?,
        "l2_loss" => try_l2_loss(x, None)?,
        "log_cosh" => try_log_cosh(x, None)?,
        "huber_loss" => try_huber_loss(x, None, number("delta"))?,
        "sparsemax_loss" => try_sparsemax_loss(x, y)?,
        "multiclass_hinge_loss" => try_multiclass_hinge_loss(x, y)?,
        "multiclass_perceptron_loss" => try_multiclass_perceptron_loss(x, y)?,
        "multiclass_sparsemax_loss" => try_multiclass_sparsemax_loss(x, y)?,
        "fenchel_young" => make_fenchel_young_loss(|scores: &Tensor| scores.try_logsumexp())(x, y)?,
        "ctc" => {
            let (blank, epsilon) = (settings.size("blank_id").unwrap(), number("log_epsilon"));
            try_ctc_loss(x, y, &args[2], &args[3], blank, epsilon)?
        }
        "ctc with forward probs" => {
            let (blank, epsilon) = (settings.size("blank_id").unwrap(), number("log_epsilon"));
            let (loss, phi, emit) =
                try_ctc_loss_with_forward_probs(x, y, &args[2], &args[3], blank, epsilon)?;
            return Ok(vec![loss, phi, emit]);
        }
        "ranking" => ranking(args, settings)?,
        "ntxent" => try_ntxent(x, y, number("temperature"))?,
        "triplet" => {
            let axis = settings.int("axis").unwrap();
            let (degree, margin, eps) = (number("norm_degree"), number("margin"), number("eps"));
            try_triplet_margin_loss(x, y, &args[2], axis, degree, margin, eps)?
        }
        "dice" => dice(args, settings)?,
        "binary_dice" => try_binary_dice_loss(x, y, number("smooth"), settings.flag("apply_sigmoid"))?,
        "generalized_dice" => {
            let (softmax, ignore) = (settings.flag("apply_softmax"), settings.flag("ignore_background"));
            try_multiclass_generalized_dice_loss(x, y, number("smooth"), softmax, ignore)?
        }
        _ => return probes::unknown(name),
    }])
}

#[test]
fn probes_give_what_optax_gives() {
    let count = probes::run("optax_losses.json", call);
    assert!(count >= 100, "{count} probes");
}
