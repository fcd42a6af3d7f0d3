//! The kinds of resource on this machine: one file each, which reads its condition, prepares a change and makes it.
//!
//! Every function here takes many resources at once, because the machine is cheap to ask and to change in bulk: the record
//! of packages, the accounts and the units are read once, packages are one transaction, and a thousand files one sync.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use muster_converge::plan::{Record, Step, record_of};
use muster_proto::condition::{Action, Condition, NO_FILE};
use muster_proto::report::Secret;
use muster_proto::resource::Resource;
use muster_proto::resource::value::AccountName;
use muster_proto::{Digest, ResourceId, Timestamp};
use serde_json::Value;

use crate::host::Host;
use crate::host::accounts::Accounts;
use crate::host::walk::NotADirectory;

mod account;
mod apt;
mod archive;
mod authorized_keys;
mod browser_policy;
mod certificate;
mod dconf;
mod directory;
mod dnf;
mod fetched;
mod file;
mod firewall;
mod foretell;
mod group;
mod hostname;
mod hosts_entry;
mod kernel_module;
mod leftover;
mod line;
mod link;
mod locale;
mod login_rule;
mod mount;
mod network;
mod own_file;
mod own_unit;
mod package;
mod proxy;
mod repository;
mod room;
mod script;
mod service;
mod ssh_server;
mod sudo;
mod sysctl;
mod text_path;
mod time;
mod timer;
mod transaction;
mod updates;

pub(crate) use account::{Locked, is_password_note, lock, password_is_safe};
pub(crate) use foretell::foretell;
pub(crate) use leftover::{catch_up, remove_leftovers};
pub(crate) use network::{forget_way_back, is_key_of_tunnel};
pub(crate) use script::is_said;
pub(crate) use text_path::text_path;
pub(crate) use updates::{call_off, freshen};

use room::Room;

/// What is told of one error, in characters: a command's last words and more.
const LONGEST_SENTENCE: usize = 8192;

/// The most that is kept of a file's former content.
const BACKUP_LIMIT: u64 = 16 * 1024 * 1024;

/// One resource to read: what is desired of it where a claim applies, and what the ledger has of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) id: &'a ResourceId,
    pub(crate) resource: Option<&'a Resource>,
    pub(crate) record: Option<&'a Record>,
    /// Whether it is only looked at, by a claim in audit mode.
    pub(crate) audited: bool,
    /// Whether a program that its author named may be run to find out how it is.
    pub(crate) asks: bool,
    /// Whether its claim is made so and has not ended: what it needs from the server is fetched, and its script may be asked
    /// whether it is due.
    pub(crate) holds: bool,
    /// The versions that claims ask for, by packages, for who might change them; `None` where the package has to stay as it is.
    pub(crate) versions: &'a BTreeMap<String, Option<String>>,
    /// The time that the device goes by.
    pub(crate) now: Timestamp,
    /// Whether no change is on trial.
    pub(crate) settled: bool,
}

/// The versions where none are asked for, or nobody would change them.
#[cfg(test)]
pub(crate) static NO_VERSIONS: BTreeMap<String, Option<String>> = BTreeMap::new();

/// What must be in the ledger before a step is made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Preserved {
    /// Contents that the step replaces, to be kept by their digests.
    pub(crate) blobs: Vec<Vec<u8>>,
    /// The new `extra` of the record; null leaves it as it is.
    pub(crate) extra: Value,
}

/// Whether a step can be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Prepared {
    Ready(Preserved),
    Blocked(String),
}

/// What became of a step.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) result: Result<(), String>,
    /// The account and the first-login password that was made for it. To be confirmed by [`password_is_safe`].
    pub(crate) secret: Option<(String, Secret)>,
    /// What joins the `extra` of the record, where only what was made can tell it.
    pub(crate) extra: Option<Value>,
}

/// A step with what the ledger has of its resource.
#[derive(Clone, Copy, Debug)]
struct Job<'a> {
    step: &'a Step,
    record: Option<&'a Record>,
}

/// The bytes behind a digest, from a profile or from the ledger.
pub(crate) type Contents<'a> = dyn Fn(&Digest) -> Option<Vec<u8>> + 'a;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Certificate,
    Proxy,
    Repository,
    Package,
    Group,
    Account,
    Mount,
    Directory,
    Archive,
    File,
    Link,
    Line,
    Sudo,
    BrowserPolicy,
    Dconf,
    HostsEntry,
    Hostname,
    KernelModule,
    Sysctl,
    Time,
    Locale,
    Timer,
    Service,
    Script,
    LoginRule,
    SshServer,
    Network,
    Firewall,
    Updates,
}

impl Kind {
    fn of(id: &ResourceId) -> Result<Self> {
        Ok(match id.kind() {
            "certificate" => Self::Certificate,
            "proxy" => Self::Proxy,
            "repository" => Self::Repository,
            "package" => Self::Package,
            "group" => Self::Group,
            "account" => Self::Account,
            "directory" => Self::Directory,
            "archive" => Self::Archive,
            "file" => Self::File,
            "link" => Self::Link,
            "line" => Self::Line,
            "sudo" => Self::Sudo,
            "browser_policy" => Self::BrowserPolicy,
            "dconf" => Self::Dconf,
            "hosts_entry" => Self::HostsEntry,
            "hostname" => Self::Hostname,
            "kernel_module" => Self::KernelModule,
            "sysctl" => Self::Sysctl,
            "time" => Self::Time,
            "locale" => Self::Locale,
            "mount" => Self::Mount,
            "timer" => Self::Timer,
            "service" => Self::Service,
            "script" => Self::Script,
            "login_rule" => Self::LoginRule,
            "ssh_server" => Self::SshServer,
            "network" => Self::Network,
            "firewall" => Self::Firewall,
            "updates" => Self::Updates,
            other => anyhow::bail!("this agent does not know the kind {other:?}: upgrade the agent"),
        })
    }
}

/// Reads the condition of each. An error is a sentence for an admin.
pub(crate) async fn read(
    host: &mut Host,
    wanted: &[Wanted<'_>],
) -> BTreeMap<ResourceId, Result<Condition, String>> {
    let mut read = BTreeMap::new();
    host.digests.go_anew();
    let accounts = host.accounts();
    let packages = host.packages.refresh(&host.root);
    let (mut services, mut modules, mut certificates) = (vec![], vec![], vec![]);
    let (mut mounts, mut timers, mut scripts) = (vec![], vec![], vec![]);
    for one in wanted {
        host.meter.reading(one.id.kind(), 1);
        let condition = match (Kind::of(one.id), &accounts) {
            (Err(error), _) => Err(sentence(&error)),
            (Ok(Kind::Service), _) => {
                services.push(*one);
                continue;
            }
            (Ok(Kind::Script), _) => {
                scripts.push(*one);
                continue;
            }
            (Ok(Kind::Mount), _) => {
                mounts.push(*one);
                continue;
            }
            (Ok(Kind::Timer), _) => {
                timers.push(*one);
                continue;
            }
            (Ok(Kind::Certificate), _) => {
                certificates.push(*one);
                continue;
            }
            (Ok(Kind::KernelModule), _) => {
                modules.push(*one);
                continue;
            }
            (Ok(Kind::SshServer), _) => ssh_server::read(host, one).await.map_err(|error| sentence(&error)),
            (Ok(Kind::Network), _) => network::read(host, one).await.map_err(|error| sentence(&error)),
            (Ok(Kind::Proxy), _) => proxy::read(host).await.map_err(|error| sentence(&error)),
            (Ok(Kind::Firewall), _) => firewall::read(host).await.map_err(|error| sentence(&error)),
            (Ok(Kind::Updates), _) => match &packages {
                Ok(()) => updates::read(host, one).await.map_err(|error| sentence(&error)),
                Err(error) => Err(sentence(error)),
            },
            (Ok(Kind::Package), _) => match &packages {
                Ok(()) => Ok(package::read(host, one)),
                Err(error) => Err(sentence(error)),
            },
            (Ok(_), Err(error)) => Err(sentence(error)),
            (Ok(kind), Ok(accounts)) => match read_one(host, kind, accounts, one) {
                // What should not be there, is taken back or only looked at, is not there.
                Err(error) if error.is::<NotADirectory>() && (one.is_unwanted() || one.audited) => {
                    Ok(Condition::Absent)
                }
                read => read.map_err(|error| sentence(&error)),
            },
        };
        read.insert(one.id.clone(), condition);
    }
    host.digests.go_anew();
    host.meter.reading("certificate", certificates.len());
    read.extend(certificate::read(host, &certificates));
    host.meter.reading("kernel_module", modules.len());
    read.extend(kernel_module::read(host, &modules));
    host.meter.reading("mount", mounts.len());
    read.extend(mount::read(host, &mounts).await);
    host.meter.reading("timer", timers.len());
    read.extend(timer::read(host, &timers).await);
    host.meter.reading("script", scripts.len());
    read.extend(script::read(host, &scripts).await);
    host.meter.reading("service", services.len());
    read.extend(service::read(host, &services).await);
    host.meter.stop();
    read
}

fn read_one(host: &mut Host, kind: Kind, accounts: &Accounts, wanted: &Wanted<'_>) -> Result<Condition> {
    match kind {
        Kind::Repository => repository::read(host, wanted),
        Kind::Group => group::read(accounts, wanted),
        Kind::Account => account::read(host, accounts, wanted),
        Kind::Directory => directory::read(host, accounts, wanted),
        Kind::Archive => archive::read(host, accounts, wanted),
        Kind::File => file::read(host, accounts, wanted, wanted.id.key()),
        Kind::Link => link::read(host, wanted),
        Kind::Line => line::read(host, wanted),
        Kind::Sudo => sudo::read(host, accounts, wanted),
        Kind::BrowserPolicy => browser_policy::read(host, wanted),
        Kind::Dconf => dconf::read(host, wanted),
        Kind::HostsEntry => hosts_entry::read(host, wanted),
        Kind::Hostname => hostname::read(host),
        Kind::Sysctl => sysctl::read(host, wanted),
        Kind::Time => time::read(host, wanted),
        Kind::Locale => locale::read(host, wanted),
        Kind::LoginRule => login_rule::read(host, wanted),
        Kind::Certificate
        | Kind::Proxy
        | Kind::Package
        | Kind::KernelModule
        | Kind::Mount
        | Kind::Timer
        | Kind::Service
        | Kind::Script
        | Kind::SshServer
        | Kind::Network
        | Kind::Firewall
        | Kind::Updates => {
            unreachable!("these are read in bulk, or by asking others")
        }
    }
}

/// Reads each of a kind by something that is the same for all, and is looked at once; where that can't be, none is read.
fn read_each<S>(
    host: &mut Host,
    wanted: &[Wanted<'_>],
    shared: impl FnOnce(&Host) -> Result<S>,
    read_one: impl Fn(&mut Host, &S, &Wanted<'_>) -> Result<Condition>,
) -> BTreeMap<ResourceId, Result<Condition, String>> {
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    let shared = shared(host);
    let mut read_one = |one: &Wanted<'_>| match &shared {
        Ok(shared) => read_one(host, shared, one).map_err(|error| sentence(&error)),
        Err(error) => Err(sentence(error)),
    };
    wanted.iter().map(|one| (one.id.clone(), read_one(one))).collect()
}

/// Divides steps, without changing their order, into those that are prepared and written together: of one kind, and
/// all going away or all not. What one brings about, such as a repository, the next may need.
pub(crate) fn batches<'s>(steps: &[&'s Step]) -> impl Iterator<Item = Vec<&'s Step>> {
    steps
        .chunk_by(|a, b| a.id.kind() == b.id.kind() && is_removal(a) == is_removal(b))
        .map(<[_]>::to_vec)
        .collect::<Vec<_>>()
        .into_iter()
}

fn is_removal(step: &Step) -> bool {
    step.action == Action::Remove
}

/// Finds out, for one of the [`batches`], whether each step can be made and what has to be kept of what it changes.
/// Changes nothing but the package manager's lists.
pub(crate) async fn prepare(
    host: &mut Host,
    steps: &[&Step],
    records: &BTreeMap<ResourceId, Record>,
) -> BTreeMap<ResourceId, Result<Prepared, String>> {
    let (mut prepared, mut room) = (BTreeMap::new(), Room::default());
    for batch in batches(steps) {
        let jobs = jobs(&batch, records);
        let results: Vec<Result<Prepared>> = match Kind::of(&batch[0].id) {
            Err(error) => refuse_all(&jobs, &error),
            Ok(Kind::Package) => package::prepare(host, &jobs).await,
            Ok(Kind::Sudo) => sudo::prepare(host, &jobs).await,
            Ok(Kind::Network) => {
                let mut results = vec![];
                for job in &jobs {
                    results.push(network::prepare(host, job).await);
                }
                results
            }
            Ok(kind) => {
                let accounts = host.accounts();
                jobs.iter()
                    .map(|job| match &accounts {
                        Ok(accounts) => {
                            let prepared = prepare_one(host, kind, accounts, job)?;
                            if let Prepared::Ready(Preserved { blobs, .. }) = &prepared {
                                room.take(blobs.iter().map(Vec::len).sum())?;
                            }
                            Ok(prepared)
                        }
                        Err(error) => Err(anyhow::anyhow!("{error:#}")),
                    })
                    .collect()
            }
        };
        for (step, result) in batch.iter().zip(results) {
            prepared.insert(step.id.clone(), result.map_err(|error| sentence(&error)));
        }
    }
    prepared
}

fn prepare_one(host: &Host, kind: Kind, accounts: &Accounts, job: &Job<'_>) -> Result<Prepared> {
    match kind {
        Kind::Certificate => certificate::prepare(host, job),
        Kind::Proxy => proxy::prepare(host, job),
        Kind::Repository => repository::prepare(host, job),
        Kind::Group => Ok(group::prepare(accounts, job)),
        Kind::Account => account::prepare(accounts, job),
        Kind::Directory => directory::prepare(host, accounts, job),
        Kind::Archive => archive::prepare(host, accounts, job),
        Kind::File => Ok(match backup(host, job, job.step.id.key(), "content")? {
            Prepared::Ready(Preserved { blobs, .. }) if !blobs.is_empty() => {
                Prepared::Ready(Preserved { blobs, extra: file::whose(&job.step.from) })
            }
            nothing_kept => nothing_kept,
        }),
        Kind::Line => line::prepare(host, job),
        Kind::BrowserPolicy => browser_policy::prepare(host, job),
        Kind::Dconf => dconf::prepare(host, job),
        Kind::HostsEntry => hosts_entry::prepare(host),
        Kind::Hostname => hostname::prepare(host, job),
        Kind::KernelModule => kernel_module::prepare(host, job),
        Kind::Sysctl => sysctl::prepare(host, job),
        Kind::Time => time::prepare(host, job),
        Kind::Locale => locale::prepare(host, job),
        Kind::Mount => mount::prepare(host, job),
        Kind::Timer => timer::prepare(host, accounts, job),
        Kind::LoginRule => login_rule::prepare(host, job),
        Kind::SshServer => ssh_server::prepare(host, job),
        Kind::Firewall => firewall::prepare(host, job),
        Kind::Script => script::prepare(host, accounts, job),
        Kind::Link | Kind::Service | Kind::Updates => Ok(ready()),
        Kind::Package | Kind::Sudo | Kind::Network => unreachable!("these are prepared above"),
    }
}

/// Makes the steps so, in the given order.
pub(crate) async fn write(
    host: &mut Host,
    steps: &[&Step],
    records: &BTreeMap<ResourceId, Record>,
    contents: &Contents<'_>,
) -> BTreeMap<ResourceId, Written> {
    let mut written = BTreeMap::new();
    host.digests.go_anew();
    for batch in batches(steps) {
        let jobs = jobs(&batch, records);
        host.meter.writing(batch[0].id.kind());
        let results = match Kind::of(&batch[0].id) {
            Err(error) => refuse_all(&jobs, &error),
            Ok(Kind::Account) => {
                for job in &jobs {
                    written.insert(job.step.id.clone(), account::write(host, job).await);
                }
                continue;
            }
            Ok(Kind::Directory) => {
                let made = jobs.iter().map(|job| (job.step.id.clone(), directory::write(host, job)));
                written.extend(made);
                continue;
            }
            Ok(Kind::Certificate) => certificate::write(host, &jobs, contents).await,
            Ok(Kind::Proxy) => proxy::write(host, &jobs, contents).await,
            Ok(Kind::Repository) => repository::write(host, &jobs, contents).await,
            Ok(Kind::Package) => {
                let results = package::write(host, &jobs).await;
                for (job, result) in jobs.iter().zip(results) {
                    let extra = result.is_ok().then(|| package::brought(host, job)).flatten();
                    let result = result.map_err(|error| sentence(&error));
                    written.insert(job.step.id.clone(), Written { result, secret: None, extra });
                }
                continue;
            }
            Ok(Kind::Group) => group::write(host, &jobs).await,
            Ok(Kind::Archive) => archive::write(host, &jobs).await,
            Ok(Kind::File) => file::write(host, &jobs, contents),
            Ok(Kind::Link) => each(&jobs, |job| link::write(host, job)),
            Ok(Kind::Line) => line::write(host, &jobs, contents),
            Ok(Kind::Sudo) => sudo::write(host, &jobs, contents).await,
            Ok(Kind::BrowserPolicy) => browser_policy::write(host, &jobs, contents),
            Ok(Kind::Dconf) => dconf::write(host, &jobs, contents).await,
            Ok(Kind::HostsEntry) => hosts_entry::write(host, &jobs),
            Ok(Kind::Hostname) => hostname::write(host, &jobs, contents).await,
            Ok(Kind::KernelModule) => kernel_module::write(host, &jobs, contents).await,
            Ok(Kind::Sysctl) => sysctl::write(host, &jobs, contents).await,
            Ok(Kind::Time) => time::write(host, &jobs, contents).await,
            Ok(Kind::Locale) => locale::write(host, &jobs, contents).await,
            Ok(Kind::Mount) => mount::write(host, &jobs, contents).await,
            Ok(Kind::Timer) => timer::write(host, &jobs, contents).await,
            Ok(Kind::Service) => service::write(host, &jobs).await,
            Ok(Kind::Script) => script::write(host, &jobs).await,
            Ok(Kind::LoginRule) => login_rule::write(host, &jobs, contents).await,
            Ok(Kind::SshServer) => ssh_server::write(host, &jobs, contents).await,
            Ok(Kind::Network) => network::write(host, &jobs, contents).await,
            Ok(Kind::Firewall) => firewall::write(host, &jobs, contents).await,
            Ok(Kind::Updates) => updates::write(host, &jobs).await,
        };
        for (step, result) in batch.iter().zip(results) {
            let result = result.map_err(|error| sentence(&error));
            written.insert(step.id.clone(), Written { result, secret: None, extra: None });
        }
    }
    host.meter.stop();
    written
}

fn jobs<'a>(batch: &[&'a Step], records: &'a BTreeMap<ResourceId, Record>) -> Vec<Job<'a>> {
    batch.iter().map(|step| Job { step, record: records.get(&step.id) }).collect()
}

fn each(jobs: &[Job<'_>], mut make: impl FnMut(&Job<'_>) -> Result<()>) -> Vec<Result<()>> {
    jobs.iter().map(&mut make).collect()
}

/// The same error for all, where what they share failed.
fn refuse_all<T>(jobs: &[Job<'_>], error: &anyhow::Error) -> Vec<Result<T>> {
    jobs.iter().map(|_| Err(anyhow::anyhow!("{error:#}"))).collect()
}

fn ready() -> Prepared {
    Prepared::Ready(Preserved::default())
}

/// Whether a step of this resource was not made for one `reason` alone that comes to an end by itself: somebody else has the package
/// manager to themselves, or it is one of too many large files.
pub(crate) fn has_to_wait(id: &ResourceId, reason: &str) -> bool {
    is_next(reason)
        || matches!(Kind::of(id), Ok(Kind::Repository | Kind::Package | Kind::Updates))
            && transaction::is_locked_out(reason)
}

/// Whether the next turn makes what was not made for this `reason`.
pub(crate) fn is_next(reason: &str) -> bool {
    room::is_full(reason)
}

/// Whether something was left as it is for this `reason`: someone else made or changed it after it was looked at.
pub(crate) fn is_left(reason: &str) -> bool {
    [crate::host::files::CAME, crate::host::files::CHANGED].iter().any(|left| reason.ends_with(left))
}

/// Whether nothing of a resource comes where its file is left as it is: all of it is at one path, and written there as a whole or not
/// at all, or what else there is of it follows that file.
pub(crate) fn is_by_one_file(id: &ResourceId) -> bool {
    muster_converge::plan::is_path(id)
        || matches!(
            Kind::of(id),
            Ok(Kind::BrowserPolicy
                | Kind::Certificate
                | Kind::Hostname
                | Kind::Mount
                | Kind::SshServer
                | Kind::Sudo)
        )
}

/// An error with its causes, in one line for an admin, cut where whatever it tells of is without end: a report has to take it.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = format!("{error:#}");
    if let Some((at, _)) = sentence.char_indices().nth(LONGEST_SENTENCE) {
        sentence.truncate(at);
        sentence.push_str(" ...");
    }
    sentence
}

/// Keeps the content of the file that a step is about to replace, where that is what was there before Muster: at the first
/// change of the content, which need not be the first change.
fn backup(host: &Host, job: &Job<'_>, path: &str, attribute: &str) -> Result<Prepared> {
    let before = text(&job.step.from, attribute).filter(|_| is_removal(job.step) || job.changes(attribute));
    let kept = record_of(job.step, job.record, Value::Null).before;
    let before = before.filter(|before| *before != NO_FILE && text(&kept, attribute) == Some(before));
    let Some(before) = before else { return Ok(ready()) };
    Ok(Prepared::Ready(Preserved { blobs: vec![keep(host, path, before)?], extra: Value::Null }))
}

/// The content of a file, which was seen with this digest a moment ago.
fn keep(host: &Host, path: &str, digest: &str) -> Result<Vec<u8>> {
    let seen = crate::host::files::content(&host.root, path, BACKUP_LIMIT)
        .with_context(|| format!("keeping what {path} held"))?
        .with_context(|| format!("{path} is gone since a moment ago"))?;
    anyhow::ensure!(Digest::of(&seen).to_string() == digest, "{path} was changed a moment ago");
    Ok(seen)
}

fn attribute<'c>(condition: &'c Condition, name: &str) -> Option<&'c Value> {
    condition.attributes()?.get(name)
}

fn text<'c>(condition: &'c Condition, name: &str) -> Option<&'c str> {
    attribute(condition, name)?.as_str()
}

fn flag(condition: &Condition, name: &str) -> Option<bool> {
    attribute(condition, name)?.as_bool()
}

fn number(condition: &Condition, name: &str) -> Option<u32> {
    u32::try_from(attribute(condition, name)?.as_u64()?).ok()
}

fn list<'c>(condition: &'c Condition, name: &str) -> Option<Vec<&'c str>> {
    Some(attribute(condition, name)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

impl Job<'_> {
    /// Whether the step gives this attribute another value than it has.
    fn changes(&self, name: &str) -> bool {
        let to = attribute(&self.step.to, name);
        to.is_some() && to != attribute(&self.step.from, name)
    }

    /// Whether Muster wrote this attribute, or may have: the record may tell of others alone.
    fn has_written(&self, name: &str) -> bool {
        self.record
            .is_some_and(|record| record.brought_about().any(|written| attribute(written, name).is_some()))
    }

    /// Whether Muster made what is there.
    fn is_ours(&self) -> bool {
        self.record.is_some_and(|record| record.before == Condition::Absent)
    }
}

impl Wanted<'_> {
    /// What is desired; for what is only taken back, what Muster last wrote.
    fn desired(&self) -> Option<Condition> {
        self.resource.map(Resource::desired).or_else(|| self.record.map(|record| record.wrote.clone()))
    }

    /// The entries of a list that matter: the desired ones, and those that are there by Muster although nobody asks for them any more;
    /// of what is only taken back all that Muster wrote or, before a crash, meant to.
    fn listed(&self, name: &str) -> Option<Vec<String>> {
        let Some(resource) = self.resource else {
            return entries(self.record?.brought_about(), name);
        };
        let desired = entries([&resource.desired()], name);
        let brought = self.record.map(|record| record.brought(name)).unwrap_or_default();
        if brought.is_empty() {
            return desired;
        }
        let brought = brought.into_iter().map(str::to_owned);
        Some(desired.into_iter().flatten().chain(brought).collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// The names of owner and group that someone wishes for: they win where several names have the same number.
    fn owner_names(&self) -> (Option<&str>, Option<&str>) {
        match (self.resource, self.record) {
            (Some(Resource::File(file)), _) => {
                (file.owner.as_ref().map(AccountName::as_str), file.group.as_ref().map(AccountName::as_str))
            }
            (Some(Resource::Directory(dir)), _) => {
                (dir.owner.as_ref().map(AccountName::as_str), dir.group.as_ref().map(AccountName::as_str))
            }
            (Some(Resource::Archive(archive)), _) => (Some(archive.owner()), Some(archive.group())),
            (Some(_), _) | (None, None) => (None, None),
            (None, Some(record)) => (text(&record.wrote, "owner"), text(&record.wrote, "group")),
        }
    }

    /// Whether it should not be there: by a profile, or because there was nothing before Muster.
    fn is_unwanted(&self) -> bool {
        self.was_absent() || self.resource.is_some_and(|resource| resource.desired() == Condition::Absent)
    }

    /// Whether this is only being taken back, and there was nothing before Muster.
    fn was_absent(&self) -> bool {
        self.resource.is_none() && self.record.is_some_and(|record| record.before == Condition::Absent)
    }
}

/// The entries of a list in several conditions, sorted; `None` when none of them has the list.
fn entries<'c>(conditions: impl IntoIterator<Item = &'c Condition>, name: &str) -> Option<Vec<String>> {
    let lists: Vec<Vec<&str>> =
        conditions.into_iter().filter_map(|condition| list(condition, name)).collect();
    let all: BTreeSet<&str> = lists.iter().flatten().copied().collect();
    (!lists.is_empty()).then(|| all.into_iter().map(str::to_owned).collect())
}

/// The numbers of the owner and group that a condition names.
fn owners(accounts: &Accounts, condition: &Condition) -> Result<(Option<u32>, Option<u32>)> {
    // An owner without a name was read as a number, and no account name begins with a digit.
    let uid =
        text(condition, "owner").map(|name| name.parse().or_else(|_| accounts.uid_of(name))).transpose()?;
    let gid =
        text(condition, "group").map(|name| name.parse().or_else(|_| accounts.gid_of(name))).transpose()?;
    Ok((uid, gid))
}

/// The permission bits that a condition names.
fn mode(condition: &Condition) -> Option<u32> {
    text(condition, "mode")
        .and_then(|mode| muster_proto::resource::value::Mode::parse(mode).ok())
        .map(|m| m.bits())
}

#[cfg(test)]
mod tests;
