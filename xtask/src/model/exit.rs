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
