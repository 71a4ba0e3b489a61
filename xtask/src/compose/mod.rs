//! Stacks of containers: what a compose file says, the engine that runs it, and what its containers say of themselves. Knows no check
//! and no gate.

pub mod containers;
pub mod dockerfile;
pub mod engine;
pub mod file;
pub mod script;
pub mod watch;
