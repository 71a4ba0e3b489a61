//! What a number of runs allows to say of a failure rate: exact one-sided bounds and the runs that a claim needs. Pure numbers.

/// One-sided error of every printed bound.
pub const ALPHA: f64 = 0.05;

/// Upper bound on the failure rate after `failed` of `n` runs, for a number of runs that was fixed beforehand: the rate at which so
/// few failures or fewer have the probability [`ALPHA`].
///
/// Source: Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial",
/// one-sided; with no failure it is `1 - alpha^(1/n)`.
pub fn upper_bound(failed: u32, n: u32) -> f64 {
    upper_bound_at(failed, n, ALPHA)
}

/// The same for another one-sided error.
pub fn upper_bound_at(failed: u32, n: u32, alpha: f64) -> f64 {
    if failed >= n {
        return 1.0;
    }
    if failed == 0 {
        return 1.0 - alpha.powf(1.0 / f64::from(n));
    }
    let (mut low, mut high) = (f64::from(failed) / f64::from(n), 1.0);
    // The tail falls as the rate rises: sixty halvings leave less than any printed digit.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(failed, n, middle) > alpha {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Probability of at most `failed` failures in `n` runs at a rate, summed in logarithms so that nothing underflows early.
fn at_most(failed: u32, n: u32, rate: f64) -> f64 {
    if rate >= 1.0 {
        return 0.0;
    }
    let odds = rate.ln() - (-rate).ln_1p();
    let mut term = f64::from(n) * (-rate).ln_1p();
    let mut sum = term.exp();
    for k in 0..failed {
        term += f64::from(n - k).ln() - f64::from(k + 1).ln() + odds;
        sum += term.exp();
    }
    sum
}

/// Upper bound after `failed` of `n` runs that were looked at after each of them, so that their number was not fixed: the rate above
/// the observed one at which `p^f (1-p)^(n-f) = alpha B(f+1, n-f+1)`; with no failure it is `1 - (alpha / (n + 1))^(1/n)`.
///
/// Source: Ville's inequality on the mixture of likelihood ratios under a uniform prior; Howard et al. 2021, "Time-uniform,
/// nonparametric, nonasymptotic confidence sequences".
pub fn streak_bound(failed: u32, n: u32) -> f64 {
    if failed >= n {
        return 1.0;
    }
    let clean = f64::from(n - failed);
    if failed == 0 {
        return 1.0 - (ALPHA / (clean + 1.0)).powf(1.0 / clean);
    }
    // ln B(f+1, n-f+1) = -ln((n+1) C(n, f))
    let choose: f64 = (0..failed).map(|k| f64::from(n - k).ln() - f64::from(k + 1).ln()).sum();
    let wanted = ALPHA.ln() - (f64::from(n) + 1.0).ln() - choose;
    let (mut low, mut high) = (f64::from(failed) / f64::from(n), 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if f64::from(failed) * middle.ln() + clean * (-middle).ln_1p() > wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Clean runs that it takes to say that the failure rate is below `rate`: `ceil(ln alpha / ln(1 - rate))`. None for a rate that no number
/// of runs can show.
pub fn runs_needed(rate: f64) -> Option<u32> {
    let runs = (ALPHA.ln() / (-rate).ln_1p()).ceil();
    (rate > 0.0 && rate < 1.0 && runs <= f64::from(u32::MAX)).then_some(runs as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed elsewhere with thirty digits, from the regularised incomplete beta function.
    const TABLE: &str = include_str!("clopper-pearson.csv");

    #[test]
    fn every_bound_is_that_of_the_table() {
        let (head, rows) = TABLE.split_once('\n').expect("a table");
        assert_eq!((head, rows.lines().count()), ("n,failed,upper95", 99));
        for line in rows.lines() {
            let fields: Vec<&str> = line.split(',').collect();
            let (n, failed): (u32, u32) = (fields[0].parse().expect("n"), fields[1].parse().expect("failed"));
            let wanted: f64 = fields[2].parse().expect("a number");
            assert!((upper_bound(failed, n) - wanted).abs() < 1e-9, "{line}: {}", upper_bound(failed, n));
        }
    }

    #[test]
    fn the_bound_holds_as_often_as_it_says() {
        for n in 1..=200 {
            let bounds: Vec<f64> = (0..=n).map(|failed| upper_bound(failed, n)).collect();
            for step in 1..=500 {
                let rate = f64::from(step) / 1000.0;
                // The bound covers the rate but for the lowest counts, whose probability is the tail below the first that covers.
                let first = bounds.iter().position(|bound| *bound >= rate).expect("the last bound is one") as u32;
                let missed = if first == 0 { 0.0 } else { at_most(first - 1, n, rate) };
                assert!(missed <= ALPHA + 1e-12, "n {n}, rate {rate}: missed {missed}");
            }
        }
    }

    /// Stopping at the first bound below a rate must not happen more often than the bound allows: exact, over all paths of counts.
    #[test]
    fn looking_after_every_run_does_not_break_the_streak_bound() {
        for rate in [0.02, 0.1, 0.3, 0.5] {
            let mut alive = vec![1.0];
            let mut missed = 0.0;
            for n in 1..=150_u32 {
                let mut next = vec![0.0; n as usize + 1];
                for (failed, chance) in alive.iter().enumerate() {
                    next[failed] += chance * (1.0 - rate);
                    next[failed + 1] += chance * rate;
                }
                for (failed, chance) in next.iter_mut().enumerate() {
                    if streak_bound(failed as u32, n) < rate {
                        missed += std::mem::take(chance);
                    }
                }
                alive = next;
            }
            assert!(missed <= ALPHA, "rate {rate}: missed {missed}");
        }
    }

    #[test]
    fn published_values() {
        let percent = |value: f64| format!("{:.2}", value * 100.0);
        assert_eq!([10, 59].map(|n| percent(upper_bound(0, n))), ["25.89", "4.95"]);
        assert_eq!([percent(upper_bound(1, 10)), percent(upper_bound(1, 50))], ["39.42", "9.14"]);
        assert_eq!([10, 50, 100].map(|n| percent(streak_bound(0, n))), ["41.69", "12.94", "7.33"]);
        assert_eq!([0.2, 0.1, 0.05, 0.01, 0.001].map(runs_needed), [14, 29, 59, 299, 2995].map(Some));
        assert_eq!([runs_needed(0.0), runs_needed(1.0), runs_needed(-1.0)], [None; 3]);
        assert_eq!([upper_bound(0, 0), upper_bound(3, 3), streak_bound(0, 0)].map(percent), ["100.00"; 3]);
    }
}
