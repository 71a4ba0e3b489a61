//! In which iterations of its gate a case is there. Knows numbers, no rows.

/// When a case is there: after `since`, up to `until` or still, and not within an absence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Presence {
    /// The last iteration without it, before its first.
    pub(super) since: i64,
    /// Its last iteration; none while it is still there.
    pub(super) until: Option<i64>,
    /// Times without it: the last iteration before, the last one of them.
    pub(super) absences: Vec<(i64, i64)>,
}

impl Presence {
    /// It is there in an iteration.
    pub(super) fn has(&self, n: i64) -> bool {
        n > self.since && self.until.is_none_or(|until| n <= until) && !self.absences.iter().any(|(after, until)| n > *after && n <= *until)
    }

    /// Iterations with which it comes or goes.
    pub(super) fn changes(&self) -> impl Iterator<Item = i64> + '_ {
        let gaps = self.absences.iter().flat_map(|(after, until)| [after + 1, until + 1]);
        [self.since + 1].into_iter().chain(self.until.map(|until| until + 1)).chain(gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_comes_and_goes() {
        let presence = Presence { since: 2, until: Some(9), absences: vec![(4, 6)] };
        let there: Vec<i64> = (0..12).filter(|n| presence.has(*n)).collect();
        assert_eq!(there, [3, 4, 7, 8, 9]);
        assert_eq!(presence.changes().collect::<Vec<_>>(), [3, 10, 5, 7]);
    }
}
