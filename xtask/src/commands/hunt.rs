//! `hunt GATE|CASE`: provokes flakes and prints a command that shows each again.

use std::time::Instant;

use anyhow::Context as _;

use super::{ambient, load, print, program, remember, repository, say};
use crate::cli::{HuntArgs, Place};
use crate::hunt::lab::GateLab;
use crate::hunt::{Cause, Found, Stop, Under, count, hunt};
use crate::model::Exit;
use crate::run::signals;
use crate::text::{closest, shell_word, visible};

/// Exit 1 when something was provoked.
pub(super) fn run(place: &Place, args: &HuntArgs) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let ambient = ambient();
    let config = match load(&repository, &ambient)? {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let (gate, focus) = if config.gates.contains_key(&args.target) {
        (args.target.clone(), None)
    } else {
        let known = config.gates.keys().map(String::as_str);
        let hint = closest(&args.target, known)
            .map_or_else(|| "`list` shows the gates, `flakes --all` the cases".to_owned(), |near| format!("did you mean `{near}`?"));
        let tally = remember::caught_up(&repository)?.tally()?;
        let case = tally.iter().find(|case| case.case == args.target && config.gates.contains_key(&case.gate));
        let case = case.with_context(|| format!("there is no gate `{0}`, and no case `{0}` in the history\n  hint: {hint}", args.target))?;
        (case.gate.clone(), Some(case.case.clone()))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("failed to start the runtime")?;
    let (sender, stop) = tokio::sync::mpsc::unbounded_channel();
    {
        let _inside = runtime.enter();
        signals::listen(sender).context("failed to listen to signals")?;
    }
    let mut lab = GateLab {
        tool: config.gates[&gate].steps.last().and_then(|step| step.tool),
        gate: gate.clone(),
        extra: args.extra.clone(),
        root: repository.root.clone(),
        manifest: repository.manifest.clone(),
        gates: repository.gates.clone(),
        xtask: std::env::current_exe().context("failed to find this program")?,
        env: ambient.clone(),
        until: Instant::now() + args.time,
        stop,
        tell: say,
        cases: Vec::new(),
        trials: 0,
    };
    let under: &[Under] = if args.under.is_empty() { Under::ALL } else { &args.under };
    let (found, stopped) = hunt(&mut lab, under, focus.as_deref());
    for one in &found {
        show(one, &lab, program(&ambient));
    }
    let counts: Vec<String> = count(&found).into_iter().map(|(word, count)| format!("{count} {word}")).collect();
    say(&format!("{} trials of {gate}: {}", lab.trials, if counts.is_empty() { "nothing was provoked".to_owned() } else { counts.join(" · ") }));
    Ok(match stopped {
        Some(Stop::Cancelled) => Exit::Interrupted,
        Some(Stop::Failed(why)) => {
            say(&format!("error: {why}"));
            Exit::Broken
        }
        Some(Stop::Time) => {
            say(&format!("note: the time of {} was over before everything was tried (hint: --for)", humantime::format_duration(args.time)));
            if found.is_empty() { Exit::Pass } else { Exit::Fail }
        }
        None if found.is_empty() => Exit::Pass,
        None => Exit::Fail,
    })
}

fn show(found: &Found, lab: &GateLab, program: &str) {
    let case = visible(&found.case);
    let gate = &lab.gate;
    let behind = |words: String| if words.is_empty() { String::new() } else { format!(" -- {words}") };
    let extra = || behind(lab.extra.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "));
    let (what, repro) = match &found.cause {
        Cause::AsItIs(red, of) => (format!("red in {red} of {of} iterations as it is"), format!("{program} gate {gate} --runs {of}{}", extra())),
        Cause::After(before, seed) => {
            let names: Vec<String> = before.iter().cloned().chain([found.case.clone()]).collect();
            let after = before.iter().map(|name| visible(name)).collect::<Vec<_>>().join(", ");
            (format!("fails after {after}"), format!("{program} gate {gate}{}", behind(lab.repro(&names, *seed))))
        }
        Cause::Alone => {
            let names = [found.case.clone()];
            ("fails alone: it needs other cases before it".to_owned(), format!("{program} gate {gate}{}", behind(lab.repro(&names, 1))))
        }
        Cause::Order(seed) => (format!("fails in the order of seed {seed}, by no case alone"), format!("{program} hunt {gate} --under order")),
        Cause::Pressure(way, red, of) => {
            let word = if *way == Under::Cpu { "cpu" } else { "io" };
            (format!("red in {red} of {of} iterations under {word} pressure, in none without"), format!("{program} hunt {gate} --under {word}{}", extra()))
        }
        Cause::Variable(name, value) => (format!("fails with {name}={value}"), format!("{name}={value} {program} gate {gate}{}", extra())),
    };
    print(&format!("       FOUND {case}  {what}\n       repro {repro}"));
}
