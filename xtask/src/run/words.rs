//! What the words and variables of a step stand for: placeholders, the words of its tool, those that the command line appends.
//! Knows no process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::attempt::Place;
use super::supply::Supply;
use super::tools;
use crate::config::{Gate, Placeholder, Step, Template, With};
use crate::model::{JobId, Tool};
use crate::rundir::write_atomic;

/// Plugin of pytest that writes which routes a test reached.
const RECORDER: &[u8] = include_bytes!("../gates_recorder.py");

pub(super) fn is_last(gate: &Gate, step: &Step) -> bool {
    gate.steps.last().is_some_and(|last| last.name == step.name)
}

/// The words of a command. Those of its tool, and behind them what the command line appends, stand where `{tool.args}` does.
pub(super) fn argv(words: &[Template], step: &Step, values: &Values<'_>, env: &mut BTreeMap<String, String>, cwd: &Path) -> Result<Vec<String>, String> {
    let place = values.place;
    let mut filled = Vec::new();
    for word in words {
        let Some(tool) = step.tool.filter(|_| word.places().any(|place| *place == Placeholder::ToolArgs)) else {
            filled.push(values.fill(word));
            continue;
        };
        let junit = PathBuf::from(values.junit());
        let plugins = if tool == Tool::Pytest {
            let path = env.get("PATH").cloned().unwrap_or_default();
            let program = place.site.program(filled.first().map_or("", String::as_str), &path, cwd)?;
            tools::plugins(place, &program, env, cwd).map_err(|why| format!("its interpreter does not say which plugins it has: {why}"))?
        } else {
            Vec::new()
        };
        tools::prepare(tool, &junit)?;
        let preset = tools::preset(tool, &junit, &plugins);
        filled.extend(preset.args);
        env.extend(preset.env);
        let part = place.site.part(&values.gate.id);
        if part.total > 1 {
            let preset = tools::split(tool, part, &place.site.gates.cache("splitter"), env)?;
            filled.extend(preset.args);
            env.extend(preset.env);
        }
        if is_last(values.gate, step) {
            filled.extend(place.site.extra(&values.gate.id).iter().cloned());
        }
    }
    Ok(filled)
}

pub(super) fn check_words(name: &str, with: &[(String, With)], values: &Values<'_>) -> Vec<String> {
    let table = with.iter().map(|(key, value)| (key.clone(), value.fill(&|place| values.value(place)))).collect();
    let keys = serde_json::Value::Object(table).to_string();
    let words = [values.xtask(), "check".to_owned(), name.to_owned(), "--junit".to_owned(), values.junit(), "--with".to_owned(), keys];
    words.into_iter().chain(["--root".to_owned(), values.root()]).collect()
}

/// What placeholders and `GATE_` variables stand for in one step.
pub(super) struct Values<'a> {
    pub(super) place: &'a Place<'a>,
    pub(super) gate: &'a Gate,
    pub(super) step: &'a Step,
    pub(super) supply: &'a Supply<'a>,
}

impl Values<'_> {
    pub(super) fn fill(&self, word: &Template) -> String {
        word.fill(|place| self.value(place))
    }

    fn value(&self, place: &Placeholder) -> String {
        let site = self.place.site;
        match place {
            Placeholder::Junit => self.junit(),
            Placeholder::Out => self.place.scratch.join("out").display().to_string(),
            Placeholder::Iteration => self.place.job.iteration.to_string(),
            Placeholder::Attempt => "1".to_owned(),
            Placeholder::ShardIndex => site.part(&self.gate.id).index.to_string(),
            Placeholder::ShardTotal => site.part(&self.gate.id).total.to_string(),
            Placeholder::Cpus => self.gate.cpus.min(site.slots).to_string(),
            Placeholder::Xtask => self.xtask(),
            Placeholder::Workers => self.gate.workers.to_string(),
            Placeholder::Recorder => self.recorder(),
            // A service's word, and one that becomes several.
            Placeholder::Port | Placeholder::ToolArgs => String::new(),
            Placeholder::Supply(id, field) => self.supply.value(id, *field, self.step),
            Placeholder::Exe(runtime) => site.exe(runtime),
            Placeholder::GateOut(gate) => {
                let iteration = self.place.job.iteration.min(site.runs.get(gate).copied().unwrap_or(1));
                let job = JobId { gate: gate.clone(), iteration };
                site.gates.scratch(&site.run.id).join(job.to_string()).join("out").display().to_string()
            }
        }
    }

    /// The folder of the recorder, which is written where it is not there yet.
    fn recorder(&self) -> String {
        let folder = self.place.site.gates.cache("recorder");
        let file = folder.join("gates_recorder.py");
        if std::fs::read(&file).ok().as_deref() != Some(RECORDER) {
            // What cannot be written is missed by pytest, which says so.
            std::fs::create_dir_all(&folder).and_then(|()| write_atomic(&file, RECORDER)).ok();
        }
        folder.display().to_string()
    }

    fn junit(&self) -> String {
        self.place.scratch.join(format!("{}.xml", self.step.name)).display().to_string()
    }

    fn xtask(&self) -> String {
        self.place.site.xtask.display().to_string()
    }

    fn root(&self) -> String {
        self.place.site.config.root.display().to_string()
    }

    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let fixed = [
            ("JUNIT", Placeholder::Junit),
            ("OUT", Placeholder::Out),
            ("ITERATION", Placeholder::Iteration),
            ("ATTEMPT", Placeholder::Attempt),
            ("CPUS", Placeholder::Cpus),
            ("XTASK", Placeholder::Xtask),
            ("WORKERS", Placeholder::Workers),
            ("SHARD_INDEX", Placeholder::ShardIndex),
            ("SHARD_TOTAL", Placeholder::ShardTotal),
        ];
        let word = |id: &str| id.to_ascii_uppercase().replace('-', "_");
        let exes = self.gate.runtimes.iter().map(|id| (format!("{}_EXE", word(id)), Placeholder::Exe(id.clone())));
        let outs = self.gate.needs.iter().map(|id| (format!("{}_OUT", word(id)), Placeholder::GateOut(id.clone())));
        let supplies = self.supply.variables(self.step).into_iter();
        let supplies = supplies.map(|(id, field)| (format!("{}_{}", word(&id), word(field.word())), Placeholder::Supply(id, field)));
        let all = fixed.into_iter().map(|(name, place)| (name.to_owned(), place)).chain(exes).chain(outs).chain(supplies);
        all.map(|(name, place)| (format!("GATE_{name}"), self.value(&place))).collect()
    }
}
