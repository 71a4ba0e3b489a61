//! The words of reuse.

use schemars::JsonSchema;
use serde::Deserialize;

/// Whether the result of an earlier run may stand for a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ReuseWord {
    Never,
    SameInputs,
}
