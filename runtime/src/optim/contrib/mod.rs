//! Optimizers of `optax.contrib`.
//!
//! Names, arguments, defaults and values are those of optax, as in all of [`optim`](crate::optim). Of `scale_by_sophia`, the arguments
//! `verbose` and `print_win_rate_every_n_steps` are left out: they print. Of `sam`, `batch_axis_name` is: `grad_fn` may take the mean
//! over an axis itself.

mod acprop;
mod ademamix;
mod adopt;
mod cocob;
mod dadapt_adamw;
mod dog;
mod madgrad;
mod mechanic;
mod momo;
mod momo_adam;
mod muon;
mod newton_schulz;
mod plateau;
mod privacy;
mod prodigy;
mod sam;
mod schedule_free;
mod sophia;

pub use acprop::{Acprop, ScaleByAcprop, acprop, scale_by_acprop};
pub use ademamix::{
    Ademamix, AdemamixState, ScaleByAdemamix, ScaleByAdemamixState, ScaleBySimplifiedAdemamix,
    ScaleBySimplifiedAdemamixState, SimplifiedAdemamix, SimplifiedAdemamixState, ademamix, scale_by_ademamix,
    scale_by_simplified_ademamix, simplified_ademamix,
};
pub use adopt::{Adopt, AdoptState, ScaleByAdopt, adopt, scale_by_adopt};
pub use cocob::{Cocob, CocobState, ScaleByCocob, cocob, scale_by_cocob};
pub use dadapt_adamw::{DadaptAdamw, DadaptAdamwState, dadapt_adamw};
pub use dog::{
    Dog, DogInitStep, DogState, Dowg, DowgState, ScaleByDog, ScaleByDowg, dog, dowg, scale_by_dog,
    scale_by_dowg,
};
pub use madgrad::{Madgrad, MadgradState, ScaleByMadgrad, madgrad, scale_by_madgrad};
pub use mechanic::{MechanicState, Mechanize, mechanize};
pub use momo::{Momo, MomoState, momo};
pub use momo_adam::{MomoAdam, MomoAdamState, momo_adam};
pub use muon::{Muon, MuonState, ScaleByMuon, muon, scale_by_muon};
pub use newton_schulz::{MuonDimensionNumbers, Preconditioning};
pub use plateau::{ReduceOnPlateau, ReduceOnPlateauState, reduce_on_plateau};
pub use privacy::{
    DifferentiallyPrivateAggregate, DifferentiallyPrivateAggregateState, Dpsgd,
    differentially_private_aggregate, dpsgd,
};
pub use prodigy::{Prodigy, ProdigyState, prodigy};
pub use sam::{Normalize, Sam, SamState, normalize, sam};
pub use schedule_free::{
    ScheduleFree, ScheduleFreeAdamw, ScheduleFreeSgd, ScheduleFreeState, schedule_free, schedule_free_adamw,
    schedule_free_eval_params, schedule_free_sgd,
};
pub use sophia::{
    HutchinsonEstimator, HutchinsonState, ScaleBySophia, Sophia, SophiaState,
    hutchinson_estimator_diag_hessian, scale_by_sophia, sophia,
};
