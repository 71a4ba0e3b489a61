//! `report RUN`: every file of a run again, from its journal and the files that it names.

use super::{ambient, colour, finish, gate, program, repository, say};
use crate::cli::Place;
use crate::model::Exit;
use crate::report::Proof;
use crate::ui::Output;

/// The exit status is the run's own.
pub(super) fn run(place: &Place, word: &str) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    match gate::folder(&repository.gates, word) {
        Ok(folder) => {
            let ambient = ambient();
            let finished = finish::finish(&folder, program(&ambient), Proof::Digest);
            gate::show(&finished, Output::Human, colour(place, &ambient));
            Ok(finished.exit)
        }
        Err(why) => {
            say(&format!("error: {why}\n  hint: `runs` lists them"));
            Ok(Exit::Usage)
        }
    }
}
