//! The test tools that gates.toml may name, and where naming one makes sense.

use schemars::JsonSchema;
use serde::Deserialize;

use super::gates::SaidStep;
use super::resolve::Report;
use super::template::TOOL_ARGS;
use crate::model::Tool;

/// Test tools with words of their own for a report and against retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ToolWord {
    Pytest,
    Vitest,
    Playwright,
    CargoNextest,
}

/// The tool of a step: its words must have a place to go to.
pub(super) fn resolve(step: &SaidStep<'_>, base: &[&str], report: &mut Report<'_>) -> Option<Tool> {
    let tool = match step.tool? {
        ToolWord::Pytest => Tool::Pytest,
        ToolWord::Vitest => Tool::Vitest,
        ToolWord::Playwright => Tool::Playwright,
        ToolWord::CargoNextest => Tool::CargoNextest,
    };
    let placed = step.run.into_iter().flatten().any(|word| word == TOOL_ARGS);
    if !placed {
        let at: Vec<&str> = base.iter().copied().chain(["tool"]).collect();
        let message = format!("`{}` has no place for its words", tool.word());
        report.push(&at, message, format!("add the word \"{TOOL_ARGS}\" to run = [...]: it becomes the report and retries off"));
    }
    Some(tool)
}
