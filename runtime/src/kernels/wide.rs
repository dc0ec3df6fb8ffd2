//! Plain loops compiled for the vectors of several instruction sets, the widest chosen at run time.

/// A loop that [`widest`] compiles once per instruction set.
pub trait Loop {
    /// What the loop returns.
    type Output;

    /// Runs the loop; mark it `#[inline(always)]`, for only inlined code gets the caller's instruction set.
    fn run(self) -> Self::Output;
}

/// Runs a loop with the widest vectors that this machine has.
///
/// Additions and multiplications stay apart (nothing contracts them), so every instruction set gives the same bits.
pub fn widest<L: Loop>(job: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
            // SAFETY: the features that `with_avx512` enables were just detected.
            return unsafe { with_avx512(job) };
        }
        if has!("avx2") {
            // SAFETY: the feature that `with_avx2` enables was just detected.
            return unsafe { with_avx2(job) };
        }
    }
    job.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn with_avx512<L: Loop>(job: L) -> L::Output {
    job.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<L: Loop>(job: L) -> L::Output {
    job.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum<'a>(&'a [f32]);

    impl Loop for Sum<'_> {
        type Output = f32;
        #[inline(always)]
        fn run(self) -> f32 {
            self.0.iter().sum()
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let x: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
        assert_eq!(widest(Sum(&x)).to_bits(), Sum(&x).run().to_bits());
    }
}
