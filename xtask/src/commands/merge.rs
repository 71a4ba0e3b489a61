//! `merge`: the shards of a plan, from wherever they ran, as one run with one verdict.

use anyhow::Context as _;

use super::finish::finish;
use super::remember;
use super::share::{read_plan, same_source};
use super::{Repository, ambient, baseline, caller, check_specs, colour, gate, in_ci, program, repository, say};
use crate::cli::{MergeArgs, Place};
use crate::config;
use crate::event::{self, Event, RunStarted};
use crate::journal::{self, Journal};
use crate::merge::{Delivery, merge};
use crate::model::Exit;
use crate::plan::shard::ShardPlan;
use crate::record::Record;
use crate::report::{Proof, load};
use crate::rundir::{RunDir, file_ref, write_atomic};
use crate::ui::{Screen, choose};

pub(super) fn run(place: &Place, args: &MergeArgs) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let ambient = ambient();
    let usable = read_plan(&args.plan).and_then(|plan| same_source(&plan, &repository.root).map(|()| plan));
    let plan = match usable {
        Ok(plan) => plan,
        Err(why) => {
            say(&format!("error: {why}"));
            return Ok(Exit::Usage);
        }
    };
    let mut folders = Vec::new();
    for place in &args.places {
        anyhow::ensure!(place.is_dir(), "failed to find the folder `{}`", place.display());
        folders.extend(remember::run_folders(place));
    }
    let deliveries: Vec<Delivery> = folders.into_iter().map(delivery).collect();
    let config = match config::load(&repository.root, &repository.manifest, caller(&check_specs(), &ambient)) {
        Ok(config) => config,
        Err(problems) => anyhow::bail!("gates.toml of the merge cannot be read: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    };
    let baseline = baseline::known(&repository, &config).map_err(anyhow::Error::msg)?;

    let id = gate::new_run_id();
    let folder = repository.gates.create_run(&id).with_context(|| format!("failed to create {}", repository.gates.run(&id).path().display()))?;
    let head = head(&repository, &plan, &folder, in_ci(&ambient))?;
    let can_be_evidence = head.can_be_evidence();
    let mut merged = merge(&plan, &deliveries, &folder, head, &baseline.gates).context("failed to bring the shards together")?;
    if can_be_evidence {
        add_secrets(&mut merged.events, &folder);
    }
    let mut journal = Journal::create(&folder.journal()).context("failed to create the journal")?;
    let alive = std::fs::File::open(folder.journal()).context("failed to open the journal")?;
    alive.try_lock().context("failed to lock the journal")?;
    journal.append(&merged.events).context("failed to write the journal")?;
    let digest = journal.finish().context("failed to sync the journal")?;

    let show_colour = colour(place, &ambient);
    show(args, &merged.events, show_colour);
    for note in merged.notes {
        say(&format!("note: {note}"));
    }
    let mut finished = finish(&folder, program(&ambient), Proof::Digest, Some(&repository));
    if finished.digest != digest {
        finished.faults.push("the journal on disk is not what was written".to_owned());
        finished.exit = Exit::Broken;
    }
    // Every attempt of every shard was an execution; the merged run stands for the newest ones.
    for index in merged.superseded {
        let mut record = deliveries[index].record.clone();
        record.head.shard = None;
        let cases = load(&mut record, &deliveries[index].folder, Proof::Digest);
        if let Err(fault) = remember::remember(&repository, &remember::lesson(&record, &cases)) {
            say(&format!("note: run {} is not in the history: {fault}", deliveries[index].folder.id));
        }
    }
    gate::end(&finished, args.output, show_colour);
    Ok(finished.exit)
}

/// What the shards brought becomes evidence: secrets in it are told before the end.
fn add_secrets(events: &mut Vec<Event>, folder: &RunDir) {
    let Some(end) = events.pop() else { return };
    let kinds = gate::look_for_secrets(folder).into_iter().chain([end.kind]);
    events.extend(kinds.zip(end.seq..).map(|(kind, seq)| Event { seq, at: end.at, kind }));
}

/// The merged run's own head: the plan's, and what is true here.
fn head(repository: &Repository, plan: &ShardPlan, folder: &RunDir, ci: bool) -> anyhow::Result<RunStarted> {
    let bytes = std::fs::read(&repository.manifest).context("failed to read gates.toml")?;
    write_atomic(&folder.file("gates.toml"), &bytes).context("failed to keep gates.toml")?;
    let config = file_ref(&folder.file("gates.toml"), "gates.toml").context("failed to keep gates.toml")?;
    let wanted = plan.head.config.as_ref().map(|file| &file.digest);
    anyhow::ensure!(wanted == Some(&config.digest), "gates.toml is not the one that the plan was made of");
    let mut gates = plan.head.gates.clone();
    remember::recall(repository, &mut gates);
    Ok(RunStarted {
        schema: event::SCHEMA,
        run: folder.id.clone(),
        wall: gate::wall(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        argv: ["merge", "--plan", &plan.digest[..8]].map(str::to_owned).to_vec(),
        host: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        config: Some(config),
        gates,
        ci,
        ..plan.head.clone()
    })
}

/// The fold of a journal, as far as it is whole.
fn delivery(folder: RunDir) -> Delivery {
    let readout = journal::read(&folder.journal()).unwrap_or_default();
    let mut record = Record::of(&readout.events);
    record.ended &= readout.fault.is_none();
    Delivery { folder, record, digest: readout.digest }
}

/// The merged run as it would have been seen.
fn show(args: &MergeArgs, events: &[Event], colour: bool) {
    let mut reporter = choose(args.output, Screen { colour, github: None, stream: None });
    let mut record = Record::default();
    for event in events {
        record.apply(event);
        if reporter.hear(event, &record).is_err() {
            return; // nobody reads
        }
    }
    reporter.end().ok(); // nobody reads
}
