//! Processes: started in groups of their own, waited for without losing a status, ended with everything they left behind.
//! Knows pids, logs and signals; does not know gates.

pub mod follow;
pub mod guard;
pub mod pipe;
pub mod probe;
pub mod spawn;
pub mod stop;
pub mod tree;
