//! `kernel_module`: loaded or kept from being loaded; judged by what the kernel lists.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::ResourceId;
use muster_proto::condition::Condition;
use muster_proto::resource::kernel_module::{KernelModule, key};

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted, flag, read_each};
use crate::host::Host;
use crate::host::files;
use crate::host::run::Work;

/// Some thousands of lines are usual.
const LIMIT: u64 = 4 * 1024 * 1024;

/// What the running kernel has of modules.
struct Modules {
    /// `None` where the kernel can't load any.
    loaded: Option<BTreeMap<String, Users>>,
    /// Looked at when it is first asked.
    builtin: OnceCell<BTreeSet<String>>,
}

/// What keeps a module from being unloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Users {
    /// How many uses the kernel counts.
    count: u64,
    /// Other modules among them, and the kernel's own words such as `[permanent]`.
    names: String,
}

impl Modules {
    fn load(host: &Host) -> Result<Self> {
        let text = files::content(&host.root, "/proc/modules", LIMIT).context("reading /proc/modules")?;
        let loaded = text.map(|text| String::from_utf8_lossy(&text).lines().filter_map(listed).collect());
        Ok(Self { loaded, builtin: OnceCell::new() })
    }

    fn users(&self, name: &str) -> Option<&Users> {
        self.loaded.as_ref()?.get(name)
    }

    fn is_builtin(&self, host: &Host, name: &str) -> Result<bool> {
        if let Some(builtin) = self.builtin.get() {
            return Ok(builtin.contains(name));
        }
        let builtin = builtin(host).context("reading which modules are built into the kernel")?;
        Ok(self.builtin.get_or_init(|| builtin).contains(name))
    }
}

/// One line of `/proc/modules`: name, size, uses, by whom, state, address.
fn listed(line: &str) -> Option<(String, Users)> {
    let mut words = line.split_ascii_whitespace();
    let (name, _, count, names) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let names = if names == "-" { "" } else { names.trim_end_matches(',') };
    // A kernel that unloads nothing counts nothing: it writes "-".
    let count = count.parse().unwrap_or(1);
    Some((name.to_owned(), Users { count, names: names.to_owned() }))
}

/// The modules that are part of the running kernel itself, as its own package lists them; none where it is not installed
/// here, as in a container.
fn builtin(host: &Host) -> Result<BTreeSet<String>> {
    let release = files::content(&host.root, "/proc/sys/kernel/osrelease", LIMIT)?.unwrap_or_default();
    let release = String::from_utf8_lossy(&release).trim().to_owned();
    ensure!(
        !release.contains('/') && !matches!(release.as_str(), "." | ".."),
        "the kernel's release is {release:?}"
    );
    let list = files::content(&host.root, &format!("/lib/modules/{release}/modules.builtin"), LIMIT)?;
    let list = list.unwrap_or_default();
    let name = |line: &str| Some(key(line.rsplit('/').next()?.split('.').next()?));
    Ok(String::from_utf8_lossy(&list).lines().filter_map(name).collect())
}

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![
        ("modprobe", KernelModule::modprobe_path(id.key())),
        ("modules_load", KernelModule::modules_load_path(id.key())),
    ]
}

pub(super) fn read(
    host: &mut Host,
    wanted: &[Wanted<'_>],
) -> BTreeMap<ResourceId, Result<Condition, String>> {
    read_each(host, wanted, Modules::load, read_one)
}

fn read_one(host: &mut Host, modules: &Modules, wanted: &Wanted<'_>) -> Result<Condition> {
    let name = wanted.id.key();
    let wish = wanted.resource.and_then(|resource| flag(&resource.desired(), "loaded"));
    let listed = modules.users(name).is_some();
    let matters = wish.is_some() || wanted.record.is_some();
    let builtin = !listed && matters && modules.is_builtin(host, name)?;
    match wish {
        Some(false) if builtin => bail!("{name} is built into this kernel: it can't be blocked"),
        Some(true) if !builtin && modules.loaded.is_none() => {
            bail!("this kernel loads no modules, and {name} is not built into it")
        }
        Some(_) | None => {}
    }
    let mut attributes = vec![];
    for (attribute, path) in parts(wanted.id) {
        attributes.push((attribute.to_owned(), own_file::read(host, &path)?));
    }
    attributes.push(("loaded".to_owned(), (listed || builtin).into()));
    Ok(attributes.into_iter().collect())
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts(&job.step.id))
}

/// What blocks a module comes or goes before the module does, or modprobe would refuse it, or another load it again. What
/// has it loaded at boot comes last, when it is known that it can be loaded.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = own_file::write(host, jobs, |job| part(job, "modprobe"), contents);
    for (job, result) in jobs.iter().zip(&mut results) {
        if result.is_ok() {
            *result = load_or_unload(host, job).await;
        }
    }
    // A module that is still in use is not loaded at the next boot all the same.
    let last: Vec<(usize, Job<'_>)> = (0..jobs.len())
        .filter(|index| results[*index].is_ok() || flag(&jobs[*index].step.to, "loaded") == Some(false))
        .map(|index| (index, jobs[index]))
        .collect();
    let jobs: Vec<Job<'_>> = last.iter().map(|(_, job)| *job).collect();
    let written = own_file::write(host, &jobs, |job| part(job, "modules_load"), contents);
    for ((index, _), result) in last.iter().zip(written) {
        if results[*index].is_ok() {
            results[*index] = result;
        }
    }
    results
}

fn part(job: &Job<'_>, attribute: &str) -> Vec<Part> {
    parts(&job.step.id).into_iter().filter(|(name, _)| *name == attribute).collect()
}

async fn load_or_unload(host: &mut Host, job: &Job<'_>) -> Result<()> {
    if !job.changes("loaded") {
        return Ok(());
    }
    let name = job.step.id.key();
    if flag(&job.step.to, "loaded") == Some(true) {
        let loaded = host.run(Work::Short, &["/usr/sbin/modprobe", "--", name], None).await;
        loaded.context("is kmod installed?")?.ok(&format!("{name} can't be loaded"))?;
        return Ok(());
    }
    let modules = Modules::load(host)?;
    let Some(users) = modules.users(name) else { return Ok(()) };
    if users.count > 0 {
        let by = if users.names.is_empty() { String::new() } else { format!(" by {}", users.names) };
        bail!(
            "{name} is loaded and in use{by}: it is not taken from its users, and stays until they end or the next boot"
        );
    }
    // modprobe --remove would take along what it thinks nobody needs any more.
    let unloaded = host.run(Work::Short, &["/usr/sbin/rmmod", "--", name], None).await;
    unloaded.context("is kmod installed?")?.ok(&format!("{name} can't be unloaded"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uses_a_module_is_read_as_the_kernel_lists_it() {
        let users = |line| listed(line).map(|(name, users)| (name, users.count, users.names)).unwrap();
        let line = "x_tables 53248 2 nf_tables,ip_tables, Live 0x0000000000000000";
        assert_eq!(users(line), ("x_tables".to_owned(), 2, "nf_tables,ip_tables".to_owned()));
        assert_eq!(users("loop 32768 0 - Live 0x0"), ("loop".to_owned(), 0, String::new()));
        assert_eq!(users("loop 32768 - - Live 0x0").1, 1, "a kernel that unloads nothing counts nothing");
        assert_eq!(listed("loop"), None);
    }
}
