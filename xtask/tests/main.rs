//! Every test that is not a unit test. One binary; a file of this folder that is not named here fails a test.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests play the world outside")]

mod adopt;
mod backups;
mod baseline;
mod checks;
mod commands;
mod databases;
mod db;
mod documents;
mod examples;
mod false_greens;
mod history;
mod house;
mod hunt;
mod init;
mod journal;
mod key_criteria;
mod key_supplies;
mod keys;
mod office;
mod page;
mod pins;
mod planted;
mod processes;
mod quarantine;
mod reader;
mod reuse;
mod runs;
mod secrets;
mod services;
mod shards;
mod signoffs;
mod support;
mod transcripts;
mod yard;
