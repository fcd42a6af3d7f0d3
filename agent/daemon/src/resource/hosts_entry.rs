//! `hosts_entry`: lines of `/etc/hosts` that are marked as Muster's. Other lines are read over and kept.

use anyhow::Result;
use muster_proto::condition::Condition;
use muster_proto::resource::hosts_entry::{HostsEntry, PATH};
use serde_json::json;

use super::{Job, Prepared, Preserved, Wanted, is_removal, refuse_all, text};
use crate::host::Host;
use crate::host::edit;

pub(super) fn read(host: &Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let mark = HostsEntry::mark(wanted.id.key());
    let content = edit::read(&host.root, PATH)?.unwrap_or_default();
    let found: Vec<String> = lines(&content)
        .filter_map(|line| marked(line, &mark))
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    // One that someone doubled is not as it should be either.
    if found.is_empty() {
        return Ok(Condition::Absent);
    }
    Ok(Condition::present([("line", found.join(" and ").into())]))
}

pub(super) fn prepare(host: &Host) -> Result<Prepared> {
    let extra = match edit::read(&host.root, PATH)? {
        Some(_) => serde_json::Value::Null,
        None => json!({ "made": true }),
    };
    Ok(Prepared::Ready(Preserved { blobs: vec![], extra }))
}

/// All of them in one go, because each write is one of the whole file.
pub(super) fn write(host: &Host, jobs: &[Job<'_>]) -> Vec<Result<()>> {
    let made = |job: &Job<'_>| job.record.is_some_and(|record| record.extra["made"] == true);
    let written = edit::edit(&host.root, PATH, |before| {
        let mut content = before.unwrap_or_default().to_vec();
        for job in jobs {
            let mark = HostsEntry::mark(job.step.id.key());
            let line = text(&job.step.to, "line").filter(|_| !is_removal(job.step));
            content = merge(&content, line, &mark);
        }
        let unmade = content.is_empty() && jobs.iter().any(|job| is_removal(job.step) && made(job));
        Ok((!unmade).then_some(content))
    });
    match written {
        Ok(()) => jobs.iter().map(|_| Ok(())).collect(),
        Err(error) => refuse_all(jobs, &error),
    }
}

fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split_inclusive(|byte| *byte == b'\n')
}

/// What stands before the mark, if the line has it.
fn marked<'l>(line: &'l [u8], mark: &str) -> Option<&'l [u8]> {
    line.trim_ascii_end().strip_suffix(mark.as_bytes()).map(<[u8]>::trim_ascii)
}

/// Puts the line where it was, or before all others. Lines of others are bytes, as nobody says how they are encoded.
fn merge(before: &[u8], line: Option<&str>, mark: &str) -> Vec<u8> {
    let mut line = line.map(|line| format!("{line} {mark}\n").into_bytes());
    let mut content = vec![];
    for there in lines(before) {
        if marked(there, mark).is_none() {
            content.extend_from_slice(there);
        } else if let Some(line) = line.take() {
            content.extend(line);
        }
    }
    match line {
        Some(mut line) => {
            line.extend(content);
            line
        }
        None => content,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mark_of_one_address_is_not_that_of_another_that_begins_alike() {
        let mark = HostsEntry::mark;
        let before = merge(b"127.0.0.1 localhost\n", Some("10.0.0.50 b"), &mark("10.0.0.50"));
        let both = merge(&before, Some("10.0.0.5 a"), &mark("10.0.0.5"));
        assert_eq!(merge(&both, None, &mark("10.0.0.5")), before);
    }

    #[test]
    fn a_line_that_someone_doubled_is_one_again() {
        let mark = HostsEntry::mark("10.0.0.5");
        let twice = format!("10.0.0.5 a {mark}\n# theirs\n10.0.0.5 a {mark}");
        let once = merge(twice.as_bytes(), Some("10.0.0.5 a"), &mark);
        assert_eq!(String::from_utf8(once).unwrap(), format!("10.0.0.5 a {mark}\n# theirs\n"));
    }

    proptest! {
        #[test]
        fn an_entry_comes_changes_and_goes_and_every_other_byte_stays(
            there in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mark = HostsEntry::mark("10.0.0.5");
            let with = merge(&there, Some("10.0.0.5 a"), &mark);
            prop_assert_eq!(&merge(&with, Some("10.0.0.5 a"), &mark), &with);
            let changed = merge(&with, Some("10.0.0.5 a b"), &mark);
            prop_assert_eq!(merge(&changed, None, &mark), there);
        }
    }
}
