//! From gates to phases, and from all of it to the exit status of a run: the worst of what happened.

use super::{GateState, Record};
use crate::event::{Installed, PlannedGate, PlannedPhase, Refusal};
use crate::model::{CancelCause, Exit, Skip, Verdict};

impl Record {
    /// The verdict of a phase: that of its worst gate. Advisory gates do not count.
    pub fn phase(&self, phase: &PlannedPhase) -> Verdict {
        let mut worst = Verdict::Pass;
        let mut executed = 0;
        for gate in phase.gates.iter().filter_map(|id| self.planned(id)) {
            let state = self.gate(gate);
            if gate.advisory || state.is_neutral() {
                continue; // a phase of which nothing else ran is not green
            }
            executed += state.ended;
            let verdict = match (&state.verdict, &state.skip) {
                (Verdict::Skipped, Some(Skip::Phase(_))) => Verdict::Skipped,
                (Verdict::Skipped, Some(Skip::Install(_) | Skip::Service(..))) => Verdict::Broken,
                (Verdict::Skipped, _) => Verdict::Fail,
                (verdict, _) => *verdict,
            };
            worst = worse(worst, verdict);
        }
        if !self.refused_shards.is_empty() {
            worst = worse(worst, Verdict::Broken);
        }
        // Shards of later phases run beside those of earlier ones: what they required was judged behind their back.
        if !self.shards.is_empty() && phase.requires.iter().any(|required| self.requires_red(required)) {
            worst = worse(worst, Verdict::Skipped);
        }
        if self.criteria(phase).iter().any(|finding| self.is_missed(finding)) || !self.secrets.is_empty() {
            worst = worse(worst, Verdict::Fail);
        }
        if worst == Verdict::Pass && executed == 0 { Verdict::Skipped } else { worst }
    }

    fn requires_red(&self, required: &str) -> bool {
        self.head.phases.iter().find(|phase| phase.id == required).is_some_and(|phase| self.phase(phase) != Verdict::Pass)
    }

    /// The exit status of the run; the worst of what happened.
    pub fn exit(&self) -> Exit {
        if let Some((cause, _)) = &self.refused {
            return match cause {
                Refusal::Config => Exit::Usage,
                Refusal::Pin | Refusal::Environment => Exit::Environment,
                Refusal::Nothing => Exit::Nothing,
            };
        }
        match self.cancelled {
            Some(CancelCause::Interrupt) => return Exit::Interrupted,
            Some(CancelCause::Terminate) => return Exit::Terminated,
            Some(CancelCause::Journal) => return Exit::Broken,
            None => {}
        }
        let states: Vec<(&PlannedGate, GateState)> = self.head.gates.iter().map(|gate| (gate, self.gate(gate))).collect();
        let counted = || states.iter().filter(|(gate, state)| !gate.advisory && !state.is_neutral());
        let install_failed = self.installs.values().any(|result| matches!(result, Installed::Failed(_)));
        let unserved = states.iter().any(|(gate, state)| !gate.advisory && matches!(state.skip, Some(Skip::Service(..))));
        if !self.ended || !self.refused_shards.is_empty() || counted().any(|(_, state)| state.verdict == Verdict::Broken) {
            Exit::Broken
        } else if install_failed || unserved {
            Exit::Environment
        } else if counted().any(|(_, state)| state.verdict != Verdict::Pass) || self.misses_criteria() || !self.secrets.is_empty() {
            Exit::Fail
        } else if states.iter().all(|(_, state)| state.ended == 0) && !self.is_setup() || self.has_idle_phase() {
            Exit::Nothing
        } else {
            Exit::Pass
        }
    }
}

fn worse(one: Verdict, other: Verdict) -> Verdict {
    let weight = |verdict| match verdict {
        Verdict::Pass => 0,
        Verdict::Skipped => 1,
        Verdict::Fail => 2,
        Verdict::Broken => 3,
        Verdict::Cancelled => 4,
    };
    if weight(other) > weight(one) { other } else { one }
}
