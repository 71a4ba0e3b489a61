//! The exit statuses of commands that run gates, each with its sentence. Knows no run.

/// Exit status of a command that runs gates. The worst of what happened wins; `Broken` is worse than `Fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for ran here and passed.
    Pass,
    /// A gate failed, flaked under `flaky = "fail"`, timed out, skipped undeclared or lost tests.
    Fail,
    /// The command line or gates.toml is wrong.
    Usage,
    /// A pin, a tool, a secret or a set-up step is not as required, or a service does not come up.
    Environment,
    /// Nothing ran.
    Nothing,
    /// Something could not be judged.
    Broken,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// Stopped by SIGTERM or SIGHUP.
    Terminated,
}

impl Exit {
    /// Every exit with its sentence, for the documentation and the help.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Pass, "pass: everything asked for ran here and passed"),
        (Self::Fail, "fail: a gate failed, flaked under flaky = \"fail\", timed out, skipped undeclared or lost tests"),
        (Self::Usage, "usage: the command line or gates.toml is wrong"),
        (Self::Environment, "environment: a pin, a tool, a secret or a set-up step is not as required, or a service does not come up"),
        (Self::Nothing, "nothing ran"),
        (Self::Broken, "broken: something could not be judged"),
        (Self::Interrupted, "interrupted by Ctrl-C"),
        (Self::Terminated, "terminated by SIGTERM or SIGHUP"),
    ];

    /// The status as the operating system sees it.
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Nothing => 4,
            Self::Broken => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// Why a sign-off does not hold, with the exit status of `verify`, `signoff`, `trust` and `gates diff`. Any of them means: do not deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// A gate or a criterion is not green.
    Failed,
    /// The command line, gates.toml, the policy or the tree is not as required.
    Usage,
    /// Nothing is signed, or evidence that is required is not there.
    Absent,
    /// A signature, a digest or a name is wrong, or a key is revoked.
    Invalid,
    /// It was about other code, is out of date, or was rejected.
    Stale,
    /// A gate was made weaker without a waiver, or the trust has no anchor.
    Weakened,
    /// Too few approvals, or by the author.
    Approvals,
    /// A required phase is not signed, or not at an ancestor.
    Prerequisite,
    /// It could not be evaluated: the clone is shallow, an object, a tool or the network is missing.
    Unknown,
}

impl Denial {
    /// Every denial with its sentence, for the documentation and the help.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Failed, "a gate or a criterion is not green"),
        (Self::Usage, "the command line, gates.toml, the policy or the tree is not as required"),
        (Self::Absent, "nothing is signed, or evidence that is required is not there"),
        (Self::Invalid, "a signature, a digest or a name is wrong, or a key is revoked"),
        (Self::Stale, "it was about other code, is out of date, or was rejected"),
        (Self::Weakened, "a gate was made weaker without a waiver, or the trust has no anchor"),
        (Self::Approvals, "too few approvals, or by the author"),
        (Self::Prerequisite, "a required phase is not signed, or not at an ancestor"),
        (Self::Unknown, "cannot evaluate: the clone is shallow, or an object, a tool or the network is missing"),
    ];

    /// The status as the operating system sees it.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Absent => 3,
            Self::Invalid => 4,
            Self::Stale => 5,
            Self::Weakened => 6,
            Self::Approvals => 7,
            Self::Prerequisite => 8,
            Self::Unknown => 9,
        }
    }

    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Absent => "absent",
            Self::Invalid => "invalid",
            Self::Stale => "stale",
            Self::Weakened => "weakened",
            Self::Approvals => "approvals",
            Self::Prerequisite => "prerequisite",
            Self::Unknown => "cannot-evaluate",
        }
    }
}
