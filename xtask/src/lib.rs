//! A gate runner: one verdict over foreign test tools. The rooms stand here in the order of their layers; ARCHITECTURE.md has
//! the law.

// Layer 0: words and text.
pub mod beside;
pub mod mask;
pub mod merge;
pub mod model;
pub mod text;
pub mod yaml;
// Layer 1: what may be said, and where it is kept.
pub mod config;
pub mod db;
pub mod event;
pub mod flake;
pub mod github;
pub mod junit;
pub mod ratchet;
pub mod rundir;
// Layer 2: the journal, the judge, processes.
pub mod journal;
pub mod judge;
pub mod process;
// Layer 3: folds and findings.
pub mod compose;
pub mod git;
pub mod inputs;
pub mod pins;
pub mod postgres;
pub mod record;
// Layer 4: plans and pictures.
pub mod evidence;
pub mod history;
pub mod hunt;
pub mod plan;
pub mod report;
pub mod reuse;
pub mod service;
pub mod setup;
pub mod ui;
// Layer 5: what does things.
pub mod baseline;
pub mod checks;
pub mod ci;
pub mod run;
pub mod weakening;
// Layer 6: who answers for it, and how one begins.
pub mod init;
pub mod signoff;
// Layer 7: the command line.
pub mod cli;
pub mod commands;
