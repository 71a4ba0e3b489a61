//! `explain GATE`: all that is known of one gate.

use super::{ambient, load, print, repository, say};
use crate::cli::Place;
use crate::config::{Config, DatabaseUse, Gate, Step, StepRun};
use crate::history;
use crate::model::Exit;
use crate::pins::read;
use crate::rundir::short;
use crate::text::{closest, duration, shell_word, size};

pub(super) fn run(place: &Place, id: &str) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let config = match load(&repository, &ambient())? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let Some(gate) = config.gates.get(id) else {
        if let Some(exit) = super::flakes::explain(&repository, id).map_err(|why| anyhow::anyhow!(why))? {
            return Ok(exit);
        }
        let hint =
            closest(id, config.gates.keys().map(String::as_str)).map_or_else(|| "`list` shows the gates".to_owned(), |near| format!("did you mean `{near}`?"));
        say(&format!("error: there is no gate `{id}`, and no case of this name in the history\n  hint: {hint}"));
        return Ok(Exit::Usage);
    };
    print(&format!("{id}  {}  (owner {})", gate.title, gate.owner));
    let phases: Vec<&str> = config.phases.values().filter(|phase| phase.gates.contains(&gate.id)).map(|phase| phase.id.as_str()).collect();
    row("phases", &phases.join(", "));
    row("needs", &gate.needs.join(", "));
    row("locks", &crate::plan::lock_words(&gate.locks).join(", "));
    row("databases", &uses(&gate.databases));
    row("services", &gate.services.join(", "));
    row("workers", &if gate.is_supplied() { gate.workers.to_string() } else { String::new() });
    for step in &gate.steps {
        row(&format!("step {}", step.name), &command(step));
        row("  in", &step.cwd);
        row("  exit", &step.exit.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        row("  env", &step.env.keys().cloned().collect::<Vec<_>>().join(", "));
        row("  databases", &uses(&step.databases));
        row("  services", &step.services.join(", "));
        row("  timeout", &step.timeout.map(duration).unwrap_or_default());
    }
    for runtime in gate.runtimes.iter().filter_map(|id| config.runtimes.get(id)) {
        let pin = read::read(&config.root, &runtime.pin, runtime.kind)
            .map_or_else(|refusal| refusal.to_string(), |pin| format!("{} ({}:{})", pin.raw, pin.file, pin.line));
        row(&format!("runtime {}", runtime.id), &pin);
    }
    for process in config.started_for(&Config::services_of(gate)) {
        row(&format!("service {}", process.id), &process.run.iter().map(|word| shell_word(&word.source()).into_owned()).collect::<Vec<_>>().join(" "));
    }
    limits(gate);
    let earlier = history::runs(&repository.gates).filter_map(|past| Some((past.gates().iter().find(|gate| gate.id == id)?.clone(), past.id)));
    for (gate, run) in earlier.take(5) {
        row(&format!("run {}", short(&run)), &format!("{}  {}", gate.verdict, gate.why.first().map_or("", String::as_str)));
    }
    Ok(Exit::Pass)
}

fn uses(databases: &[DatabaseUse]) -> String {
    databases.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn limits(gate: &Gate) {
    row("secrets", &gate.secrets.join(", "));
    row("tools", &gate.tools.join(", "));
    row(
        "missing",
        if gate.tools.is_empty() {
            ""
        } else if gate.missing_skips {
            "skip"
        } else {
            "fail"
        },
    );
    row("timeout", &format!("{}, slow after {}, grace {}", duration(gate.timeout), duration(gate.slow_after), duration(gate.grace)));
    row("log-max", &size(gate.log_max));
    row("cpus", &gate.cpus.to_string());
    row("advisory", if gate.advisory { "yes" } else { "" });
    row("reports", &if gate.reports() { format!("{{junit}} {}", gate.junit.join(" ")) } else { "none: one case from the exit status".to_owned() });
    if gate.reports() {
        row("expect", &format!("min-tests {}", gate.expect.min_tests));
        for (pattern, min) in &gate.expect.cases {
            row("", &format!("at least {min} of {pattern}"));
        }
        for (pattern, reason, owner) in &gate.expect.skips {
            row("", &format!("may skip {pattern}: {reason} ({owner})"));
        }
    }
    row("artifacts", &gate.artifacts.join(" "));
}

fn row(name: &str, value: &str) {
    if !value.is_empty() {
        print(&format!("  {name:<18} {value}"));
    }
}

fn command(step: &Step) -> String {
    match &step.run {
        StepRun::Argv(words) => words.iter().map(|word| shell_word(&word.source()).into_owned()).collect::<Vec<_>>().join(" "),
        StepRun::Shell(script) => format!("sh -euc {}", shell_word(script)),
        StepRun::Check { name, with } if with.is_empty() => format!("check {name}"),
        StepRun::Check { name, with } => {
            format!("check {name} with {}", with.iter().map(|(key, value)| format!("{key} = {}", value.source())).collect::<Vec<_>>().join(", "))
        }
    }
}
