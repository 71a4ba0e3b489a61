//! Is a stack well? A fold of what its containers said, look by look. Pure: the clock and the engine are the caller's.

use std::collections::BTreeMap;

use super::containers::Container;
use crate::text::plural;

/// What is expected of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Name.
    pub service: String,
    /// It is meant to end with 0.
    pub one_shot: bool,
}

/// What is known of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It serves, or has done its work.
    Well,
    /// It may yet become well: not started, or its health check has not answered.
    NotYet(String),
    /// Whatever comes, it is not well.
    Failed(String),
}

/// All looks at a stack so far.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    expected: Vec<Expected>,
    /// Container and start of a service at the first look at which it ran.
    first: BTreeMap<String, BTreeMap<String, String>>,
    failed: BTreeMap<String, String>,
    standing: BTreeMap<String, Standing>,
    restarts: BTreeMap<String, u64>,
}

impl Watch {
    /// A watch over some services.
    pub fn new(expected: Vec<Expected>) -> Self {
        Self { expected, ..Self::default() }
    }

    /// One look. What failed once stays failed: a service that is up between two crashes is not well.
    pub fn look(&mut self, containers: &[Container]) {
        for Expected { service, one_shot } in self.expected.clone() {
            let mine: Vec<&Container> = containers.iter().filter(|container| container.service == service).collect();
            for container in &mine {
                let most = self.restarts.entry(service.clone()).or_default();
                *most = (*most).max(container.restarts);
            }
            let now = mine.iter().map(|container| standing(container, one_shot)).fold(Standing::Well, worse);
            let now = if mine.is_empty() { Standing::NotYet("it has no container".to_owned()) } else { now };
            // What the engine counts and says of the end tells more than that the start is another one.
            let now = match (now, self.started_again(&service, &mine)) {
                (now @ Standing::Failed(_), _) | (now, None) => now,
                (_, Some(why)) => Standing::Failed(why),
            };
            if let Standing::Failed(why) = &now {
                self.failed.entry(service.clone()).or_insert_with(|| why.clone());
            }
            self.standing.insert(service, now);
        }
    }

    /// A container that was replaced, or started again by whomever.
    fn started_again(&mut self, service: &str, mine: &[&Container]) -> Option<String> {
        let started = mine.iter().filter(|container| !["created", "configured", "initialized"].contains(&container.state.as_str()));
        let now: BTreeMap<String, String> = started.map(|container| (container.id.clone(), container.started.clone())).collect();
        if now.is_empty() {
            let was = self.first.get(service).is_some_and(|first| !first.is_empty());
            return was.then(|| "its container is gone".to_owned());
        }
        let first = self.first.entry(service.to_owned()).or_default();
        for (id, start) in &now {
            match first.get(id) {
                Some(known) if known != start => return Some(format!("it was started again: at {known}, and at {start}")),
                Some(_) => {}
                None => drop(first.insert(id.clone(), start.clone())),
            }
        }
        let gone = first.keys().any(|id| !now.contains_key(id));
        gone.then(|| "one of its containers was replaced or is gone".to_owned())
    }

    /// Every service is well now, and none failed.
    pub fn is_settled(&self) -> bool {
        self.failed.is_empty() && self.expected.iter().all(|one| self.standing.get(&one.service) == Some(&Standing::Well))
    }

    /// Some service failed.
    pub fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Services that were restarted.
    pub fn restarted(&self) -> usize {
        self.restarts.values().filter(|restarts| **restarts > 0).count()
    }

    /// What is to be said of each service at the end; an error says what is wrong.
    pub fn verdicts(&self) -> Vec<(String, Result<(), String>)> {
        let verdict = |service: &str| match (self.failed.get(service), self.standing.get(service)) {
            (Some(why), _) | (None, Some(Standing::NotYet(why) | Standing::Failed(why))) => Err(why.clone()),
            (None, Some(Standing::Well)) => Ok(()),
            (None, None) => Err("nobody looked at it".to_owned()),
        };
        self.expected.iter().map(|one| (one.service.clone(), verdict(&one.service))).collect()
    }
}

fn worse(one: Standing, other: Standing) -> Standing {
    match (&one, &other) {
        (Standing::Failed(_), _) | (Standing::NotYet(_), Standing::Well | Standing::NotYet(_)) => one,
        _ => other,
    }
}

fn standing(container: &Container, one_shot: bool) -> Standing {
    let ended = |words: &str| {
        let memory = if container.out_of_memory { ", out of memory" } else { "" };
        let error = if container.error.is_empty() { String::new() } else { format!(": {}", container.error) };
        Standing::Failed(format!("{words} with {}{memory}{error}", container.exit))
    };
    if container.restarts > 0 {
        return Standing::Failed(format!("it was restarted {}; it ended with {}", plural(container.restarts, "time"), container.exit));
    }
    match (container.state.as_str(), container.health.as_deref()) {
        ("running", Some("unhealthy")) => Standing::Failed(format!("it is unhealthy{}", said(container))),
        ("running", Some("healthy") | None) if one_shot => Standing::NotYet("its work is not done yet".to_owned()),
        ("running", Some("healthy") | None) => Standing::Well,
        ("running", Some(health)) => Standing::NotYet(format!("its health is `{health}`{}", said(container))),
        ("exited" | "stopped", _) if container.exit == 0 && one_shot => Standing::Well,
        ("exited" | "stopped", _) if container.exit == 0 => {
            Standing::Failed("it ended with 0, and nobody waits for its end (depends_on: service_completed_successfully, or one-shots = [...])".to_owned())
        }
        ("exited" | "stopped", _) => ended("it ended"),
        ("restarting", _) => ended("it is being restarted; it ended"),
        ("dead" | "removing", _) => ended("it is dead; it ended"),
        ("created" | "configured" | "initialized", _) if !container.error.is_empty() => {
            Standing::Failed(format!("it could not be started: {}", container.error))
        }
        (state, _) => Standing::NotYet(format!("it is `{state}`")),
    }
}

fn said(container: &Container) -> String {
    if container.said.is_empty() { String::new() } else { format!("; its check says: {}", container.said) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(state: &str, health: Option<&str>, exit: i64, restarts: u64, started: &str) -> Container {
        Container {
            id: "1".to_owned(),
            service: "api".to_owned(),
            state: state.to_owned(),
            health: health.map(str::to_owned),
            exit,
            restarts,
            started: started.to_owned(),
            ..Container::default()
        }
    }

    fn watched(one_shot: bool, looks: &[Option<Container>]) -> Result<(), String> {
        let mut watch = Watch::new(vec![Expected { service: "api".to_owned(), one_shot }]);
        for look in looks {
            watch.look(&look.clone().into_iter().collect::<Vec<_>>());
        }
        assert_eq!(watch.is_settled(), watch.verdicts()[0].1.is_ok());
        watch.verdicts().remove(0).1
    }

    #[test]
    fn well_is_running_healthy_or_done() {
        let up = |health| Some(at("running", health, 0, 0, "t"));
        assert_eq!(watched(false, &[up(None)]), Ok(()));
        assert_eq!(watched(false, &[up(Some("starting")), up(Some("healthy"))]), Ok(()));
        assert_eq!(watched(true, &[up(None), Some(at("exited", None, 0, 0, "t"))]), Ok(()));
        assert_eq!(watched(false, &[None, Some(at("created", None, 0, 0, "")), up(None)]), Ok(()));
    }

    #[test]
    fn what_is_not_well_says_why() {
        let wrong = |one_shot, looks: &[Option<Container>]| watched(one_shot, looks).expect_err("not well");
        let up = Some(at("running", None, 0, 0, "t"));
        assert!(wrong(false, &[Some(at("running", Some("unhealthy"), 0, 0, "t"))]).contains("unhealthy"));
        assert!(wrong(false, &[Some(at("running", Some("starting"), 0, 0, "t"))]).contains("starting"));
        assert!(wrong(false, &[Some(at("exited", None, 0, 0, "t"))]).contains("nobody waits"));
        assert!(wrong(true, &[Some(at("exited", None, 42, 0, "t"))]).contains("with 42"));
        assert!(wrong(false, &[up.clone(), Some(at("running", None, 3, 2, "t2"))]).contains("restarted 2 times; it ended with 3"));
        assert!(wrong(false, &[up.clone(), Some(at("running", None, 0, 0, "t2"))]).contains("started again"));
        assert!(wrong(false, &[Some(at("running", None, 3, 2, "t"))]).contains("restarted 2 times"));
        assert!(wrong(false, &[up.clone(), None]).contains("gone"));
        assert!(wrong(false, &[Some(at("created", None, 0, 0, ""))]).contains("created"));
        assert!(wrong(false, &[]).contains("nobody looked"));
        assert!(wrong(true, &[up]).contains("not done"));
    }

    #[test]
    fn a_crash_is_not_forgotten() {
        let crash = Some(at("restarting", None, 3, 1, "t"));
        let again = Some(at("running", Some("healthy"), 0, 0, "t"));
        assert!(watched(false, &[crash, again]).expect_err("it crashed").contains("restarted 1 time"));
    }
}
