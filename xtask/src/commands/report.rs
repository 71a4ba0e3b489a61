//! `report RUN`: every file of a run again, from its journal and the files that it names.

use std::path::Path;

use xshell::{Shell, cmd};

use super::{ambient, colour, finish, gate, program, repository, say};
use crate::cli::Place;
use crate::model::Exit;
use crate::report::Proof;
use crate::ui::Output;

/// The exit status is the run's own.
pub(super) fn run(place: &Place, word: &str, open: bool) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    match gate::folder(&repository.gates, word) {
        Ok(folder) => {
            let ambient = ambient();
            let finished = finish::finish(&folder, program(&ambient), Proof::Digest, None);
            gate::show(&finished, Output::Human, colour(place, &ambient));
            if open {
                show(&folder.file("report.html"));
            }
            Ok(finished.exit)
        }
        Err(why) => {
            say(&format!("error: {why}\n  hint: `runs` lists them"));
            Ok(Exit::Usage)
        }
    }
}

/// Shows a page with the program that the desktop has for that; where there is none, says where the page is.
fn show(page: &Path) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = Shell::new().and_then(|shell| cmd!(shell, "{opener} {page}").quiet().ignore_stdout().ignore_stderr().run());
    match started {
        Ok(()) => say(&format!("opened {}", page.display())),
        Err(_) => say(&format!("note: `{opener}` shows nothing here\n  hint: open {} in a browser", page.display())),
    }
}
