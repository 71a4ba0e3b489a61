//! tally.jsonl: the lines of the journal that a verdict stands on, word for word. Whoever folds them comes to the verdict of the run.

use crate::event::{Event, EventKind};

/// A verdict stands on this event: without it the fold could come to something else.
fn bears(kind: &EventKind) -> bool {
    match kind {
        EventKind::RunStarted(_)
        | EventKind::RunRefused { .. }
        | EventKind::SourceRead { .. }
        | EventKind::PhaseCredited { .. }
        | EventKind::PhaseUnjudged { .. }
        | EventKind::RuntimeFound(_)
        | EventKind::InstallEnded { .. }
        | EventKind::ServiceReady(_)
        | EventKind::KillSent { .. }
        | EventKind::ProcEnded { .. }
        | EventKind::ReportRead { .. }
        | EventKind::Measured { .. }
        | EventKind::AttemptEnded(_)
        | EventKind::JobSkipped { .. }
        | EventKind::JobReused(_)
        | EventKind::RepetitionEnded { .. }
        | EventKind::ShardTaken(_)
        | EventKind::ShardRefused { .. }
        | EventKind::SecretFound { .. }
        | EventKind::CancelRequested { .. }
        | EventKind::RunEnded {} => true,
        EventKind::ToolFound { .. }
        | EventKind::ServiceFailed { .. }
        | EventKind::ServiceEnded { .. }
        | EventKind::TemplateBuilt { .. }
        | EventKind::DatabaseReady { .. }
        | EventKind::JobStarted { .. }
        | EventKind::JobFresh { .. }
        | EventKind::ProcStarted(_)
        | EventKind::ProcSlow { .. }
        | EventKind::ProcLeaked { .. }
        | EventKind::FileKept { .. }
        | EventKind::Noted { .. } => false,
    }
}

/// The tally of a journal.
pub fn write(events: &[Event]) -> Vec<u8> {
    let mut lines = Vec::new();
    for event in events.iter().filter(|event| bears(&event.kind)) {
        // Events of a journal that was read can be written.
        serde_json::to_writer(&mut lines, event).ok();
        lines.push(b'\n');
    }
    lines
}

/// The events of a tally; the number of the line that is none.
pub fn read(bytes: &[u8]) -> Result<Vec<Event>, String> {
    let text = std::str::from_utf8(bytes).map_err(|cause| format!("it is not UTF-8: {cause}"))?;
    let mut events: Vec<Event> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let event: Event = serde_json::from_str(line).map_err(|cause| format!("line {}: {cause}", index + 1))?;
        if events.last().is_some_and(|last| last.seq >= event.seq) || !bears(&event.kind) {
            return Err(format!("line {}: event {} is not of a tally", index + 1, event.seq));
        }
        events.push(event);
    }
    if !matches!(events.last().map(|event| &event.kind), Some(EventKind::RunEnded {})) {
        return Err("it has no end".to_owned());
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RunStarted;

    #[test]
    fn a_tally_is_read_as_it_was_written_or_not_at_all() {
        let kinds = [EventKind::RunStarted(Box::<RunStarted>::default()), EventKind::Noted { gate: None, text: "x".to_owned() }, EventKind::RunEnded {}];
        let events: Vec<Event> = kinds.into_iter().zip(0..).map(|(kind, seq)| Event { seq, at: seq, kind }).collect();
        let bytes = write(&events);
        assert_eq!(read(&bytes).expect("whole").len(), 2);
        let text = String::from_utf8(bytes).expect("text");
        let (first, last) = text.trim_end().split_once('\n').expect("two lines");
        assert!(read(first.as_bytes()).is_err_and(|why| why == "it has no end"));
        assert!(read(format!("{last}\n{first}\n{last}").as_bytes()).is_err(), "out of order");
        assert!(read(format!("{first}\nx\n{last}").as_bytes()).is_err_and(|why| why.starts_with("line 2")));
    }
}
