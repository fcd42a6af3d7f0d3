//! What can be told of a plan before anything is done, beyond what would differ: for who only asks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_converge::plan::{Record, Step};
use muster_proto::ResourceId;
use muster_proto::condition::Action;
use muster_proto::resource::Resource;
use muster_proto::resource::archive::ARTIFACT;
use muster_proto::resource::service::unit;
use muster_proto::resource::sudo::Sudo;
use tokio::time::timeout;

use super::{Prepared, is_removal, line, network, owners, sudo, text, transaction};
use crate::host::Host;

/// How long a tool may take to say something. A plan without notes is better than none.
const PATIENCE: Duration = Duration::from_secs(5);

const UNKNOWN: &str =
    "no repository that the device knows has it now: their lists are fetched again before that counts";
const FROM_NEW: &str = "no repository that the device knows has it yet: it has to come from a repository that this plan adds or changes";

const NO_UNIT: &str = "systemd knows no such unit, and nothing in this plan brings one: it would fail";

/// Notes on steps, by their resources.
pub(crate) async fn foretell(
    host: &mut Host,
    steps: &[Step],
    records: &BTreeMap<ResourceId, Record>,
) -> BTreeMap<ResourceId, String> {
    let mut notes = unprepared(host, steps, records).await;
    notes.extend(unplaced(host, steps));
    notes.extend(packages(host, steps).await);
    notes.extend(rules(host, steps).await);
    notes.extend(services(host, steps).await);
    notes
}

/// What could not be made as the device is now, and that no other step may change: a program or an account that is missing, a
/// place that is taken.
async fn unprepared(
    host: &mut Host,
    steps: &[Step],
    records: &BTreeMap<ResourceId, Record>,
) -> BTreeMap<ResourceId, String> {
    /// What is asked of the device alone. Packages and rules are told of below, as they have to ask programs.
    const ASKED: [&str; 8] = ["archive", "script", "timer", "mount", "time", "locale", "hostname", "network"];
    let mut notes = BTreeMap::new();
    for step in steps.iter().filter(|step| !is_removal(step) && ASKED.contains(&step.id.kind())) {
        let mut prepared = super::prepare(host, &[step], records).await;
        let reason = match prepared.remove(&step.id) {
            Some(Ok(Prepared::Blocked(reason)) | Err(reason)) => reason,
            Some(Ok(Prepared::Ready(_))) | None => continue,
        };
        if !is_done_away_with(step, steps, &reason) && !network::is_begun_by(&reason, steps) {
            notes.insert(step.id.clone(), would_fail(&reason));
        }
    }
    notes
}

/// Files, directories and links without a directory to be in, or for an owner who is not there, and lines without a file, unless
/// the plan may bring them.
fn unplaced(host: &mut Host, steps: &[Step]) -> BTreeMap<ResourceId, String> {
    const ASKED: [&str; 4] = ["directory", "file", "line", "link"];
    // Who can't tell which accounts there are can't tell that one is missing.
    let Ok(accounts) = host.accounts() else { return BTreeMap::new() };
    let mut notes = BTreeMap::new();
    for step in steps.iter().filter(|step| !is_removal(step) && ASKED.contains(&step.id.kind())) {
        let place = match step.action {
            Action::Create if step.id.kind() == "line" => line::check_file(host, step.id.key()),
            Action::Create => host.root.existing_place(step.id.key()).map(drop),
            Action::Change | Action::Remove => Ok(()),
        };
        let Err(error) = place.and_then(|()| owners(&accounts, &step.to).map(drop)) else { continue };
        let reason = format!("{error:#}");
        if !is_done_away_with(step, steps, &reason) {
            notes.insert(step.id.clone(), would_fail(&reason));
        }
    }
    notes
}

fn would_fail(reason: &str) -> String {
    format!("as the device is now it would not be made: {reason}")
}

/// Whether another step of the same plan may do away with what keeps `step` from being made.
fn is_done_away_with(step: &Step, steps: &[Step], reason: &str) -> bool {
    let mut others = steps.iter().filter(|other| other.id != step.id && !is_removal(other));
    others.any(|other| may_change(other, reason))
}

/// Whether a step may do away with `reason`: it may bring anything, or the very path or group that is spoken of.
fn may_change(other: &Step, reason: &str) -> bool {
    match other.id.kind() {
        "package" | "account" | "script" | "mount" => true,
        "file" | "link" | "directory" | "archive" | "group" => reason.contains(other.id.key()),
        _ => false,
    }
}

/// Services without a unit, unless the plan may bring it.
async fn services(host: &mut Host, steps: &[Step]) -> BTreeMap<ResourceId, String> {
    let without = unbrought(steps);
    let names: Vec<String> = without.iter().map(|id| unit(id.key())).collect();
    if names.is_empty() {
        return BTreeMap::new();
    }
    let Ok(Ok(units)) = timeout(PATIENCE, host.systemd.units(&names)).await else { return BTreeMap::new() };
    let missing = without.into_iter().zip(units).filter(|(_, unit)| !unit.exists());
    missing.map(|(id, _)| (id.clone(), NO_UNIT.to_owned())).collect()
}

/// Services that are not there and whose unit no other step can bring: neither a package nor a file where units are.
fn unbrought(steps: &[Step]) -> Vec<&ResourceId> {
    const FOLDERS: [&str; 3] = ["/etc/systemd/system/", "/usr/local/lib/systemd/", "/usr/lib/systemd/"];
    let brings = |step: &Step| match step.id.kind() {
        "package" | "script" => true,
        "file" | "link" => FOLDERS.iter().any(|folder| step.id.key().starts_with(folder)),
        _ => false,
    };
    if steps.iter().any(|step| !is_removal(step) && brings(step)) {
        return vec![];
    }
    let new = |step: &&Step| step.id.kind() == "service" && step.action == Action::Create;
    steps.iter().filter(new).map(|step| &step.id).collect()
}

/// Packages that would be installed and that no repository is known to have.
async fn packages(host: &mut Host, steps: &[Step]) -> BTreeMap<ResourceId, String> {
    let new = |step: &&Step| is_from_repository(step);
    let names: Vec<&str> = steps.iter().filter(new).map(|step| step.id.key()).collect();
    if names.is_empty() {
        return BTreeMap::new();
    }
    let Ok(Ok(known)) = timeout(PATIENCE, transaction::known(host, &names)).await else {
        return BTreeMap::new();
    };
    unknown(steps, &known)
}

/// Whether the step installs what some repository has to have.
fn is_from_repository(step: &Step) -> bool {
    step.id.kind() == "package" && step.action == Action::Create && text(&step.to, ARTIFACT).is_none()
}

fn unknown(steps: &[Step], known: &BTreeSet<String>) -> BTreeMap<ResourceId, String> {
    let brings = |step: &Step| step.id.kind() == "repository" && !is_removal(step);
    let note = if steps.iter().any(brings) { FROM_NEW } else { UNKNOWN };
    steps
        .iter()
        .filter(|step| is_from_repository(step))
        .filter(|step| !known.contains(step.id.key()))
        .map(|step| (step.id.clone(), note.to_owned()))
        .collect()
}

/// Sudo rules for groups and accounts that can't be given a right, unless the plan makes them.
async fn rules(host: &mut Host, steps: &[Step]) -> BTreeMap<ResourceId, String> {
    let is_made = |rule: &Sudo| {
        let (kind, name) = rule.group().map_or(("account", rule.who.as_str()), |group| ("group", group));
        steps.iter().any(|step| step.id.kind() == kind && step.id.key() == name)
    };
    let mut notes = BTreeMap::new();
    for step in steps.iter().filter(|step| !is_removal(step)) {
        let Some(Resource::Sudo(rule)) = step.resource() else { continue };
        if !is_made(rule)
            && let Ok(Ok(Some(reason))) = timeout(PATIENCE, sudo::unfit(host, rule)).await
        {
            notes.insert(step.id.clone(), format!("Blocked as it is now: {reason}"));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use muster_proto::condition::Condition;

    use super::*;

    fn create(kind: &str, key: &str) -> Step {
        Step {
            id: ResourceId::new(kind, key),
            action: Action::Create,
            from: Condition::Absent,
            to: Condition::present([]),
            differences: vec![],
            claim: None,
            restart: false,
            ending: false,
            follows: false,
            undoes: false,
        }
    }

    #[test]
    fn a_package_that_apt_does_not_know_is_told_with_whether_the_plan_may_bring_it() {
        let known: BTreeSet<String> = ["curl".to_owned()].into();
        let mut steps =
            vec![create("package", "curl"), create("package", "corp-vpn"), create("file", "/etc/a")];
        let told = |steps: &[Step]| {
            let notes = unknown(steps, &known).into_iter();
            notes.map(|(id, note)| format!("{id}: {note}")).collect::<Vec<_>>()
        };
        assert_eq!(told(&steps), [format!("package:corp-vpn: {UNKNOWN}")]);
        steps.push(create("repository", "corp"));
        assert_eq!(told(&steps), [format!("package:corp-vpn: {FROM_NEW}")]);
    }

    #[test]
    fn what_is_missing_is_told_although_the_plan_has_files_elsewhere() {
        let reason = "there is no program /usr/local/bin/backup";
        assert!(!may_change(&create("file", "/etc/motd"), reason));
        assert!(!may_change(&create("sysctl", "net.ipv4.ip_forward"), reason));
        assert!(may_change(&create("file", "/usr/local/bin/backup"), reason));
        assert!(may_change(&create("package", "backup"), reason));
    }

    #[test]
    fn a_service_needs_something_that_brings_its_unit() {
        let mut steps = vec![create("service", "vpn"), create("file", "/etc/vpn.conf")];
        assert_eq!(unbrought(&steps), [&ResourceId::new("service", "vpn")]);
        steps.push(create("file", "/etc/systemd/system/vpn.service"));
        assert_eq!(unbrought(&steps), Vec::<&ResourceId>::new());
    }
}
