//! A package from an artifact: what its file says of itself, what apt or dnf is given, and how it is known afterwards what was installed.
//!
//! dpkg and rpm know the name and the version of what is installed, not the file that it came from. So the ledger keeps which artifact
//! brought which version: for as long as that version is installed, it is what the artifact brought.
//!
//! Whoever signed a file says nothing here: the digest in the device's state is what is trusted.

use anyhow::{Context as _, Result, ensure};
use muster_proto::resource::archive::ARTIFACT;
use muster_proto::{Digest, artifact};
use serde_json::{Map, Value, json};

use super::super::transaction::Simulation;
use super::super::{Job, Wanted, text};
use super::constraint;
use crate::artifacts::Artifacts;
use crate::host::dpkg::Control;
use crate::host::packages::Manager;
use crate::host::run::Work;
use crate::host::{Host, rpm};

/// What the ledger keeps: the artifact that was installed, with its version.
const BROUGHT: &str = "brought";
/// What the ledger keeps before it is installed: a crash may come before it is known that it was.
const BRINGING: &str = "bringing";

/// The artifact that the installed version came from, as far as that matters.
pub(super) fn of<'a>(wanted: &Wanted<'a>, installed: &str) -> Option<&'a str> {
    let extra = &wanted.record?.extra;
    match wanted.resource {
        Some(resource) if resource.artifacts().is_empty() => None,
        Some(_) => came(extra, BROUGHT, installed),
        // What is taken back was Muster's also where a crash kept that from being noted.
        None => came(extra, BROUGHT, installed).or_else(|| came(extra, BRINGING, installed)),
    }
}

/// The artifact with this version that the ledger has under a word.
fn came<'a>(extra: &'a Value, word: &str, version: &str) -> Option<&'a str> {
    let mut all = extra.get(word)?.as_object()?.iter();
    all.find(|(_, has)| has.as_str() == Some(version)).map(|(artifact, _)| artifact.as_str())
}

/// The artifact that a step takes the package from.
fn wanted(job: &Job<'_>) -> Option<Digest> {
    text(&job.step.to, ARTIFACT)?.parse().ok()
}

/// What the step's artifact says of itself, once somebody looked.
pub(super) fn control<'h>(host: &'h Host, job: &Job<'_>) -> Option<&'h Control> {
    host.package_files.get(&wanted(job)?)
}

/// Where the package manager takes the step's artifact from.
pub(super) fn path(host: &Host, job: &Job<'_>) -> Option<String> {
    let named = host.named_for_commands(&words(host, &wanted(job)?));
    Some(named.to_string_lossy().into_owned())
}

fn words(host: &Host, artifact: &Digest) -> String {
    format!("{}.{}", artifact::hex(artifact), host.packages.manager().extension())
}

/// Whether the version that the step's artifact has is installed.
pub(super) fn is_installed(host: &Host, job: &Job<'_>) -> bool {
    let installed = host.packages.get(job.step.id.key());
    control(host, job).zip(installed).is_some_and(|(control, installed)| control.version == installed.version)
}

/// Finds out what the step's artifact is, and has a name for it by which it can be installed. An error says why it is not what the profile
/// names.
pub(super) async fn look(host: &mut Host, job: &Job<'_>) -> Result<()> {
    let Some(artifact) = wanted(job) else { return Ok(()) };
    if !host.package_files.contains_key(&artifact) {
        let control = inspect(host, &artifact).await?;
        host.package_files.insert(artifact, control);
    }
    control(host, job).map_or(Ok(()), |control| fits(host, job, control))
}

async fn inspect(host: &mut Host, artifact: &Digest) -> Result<Control> {
    let manager = host.packages.manager();
    let unreadable = || {
        let (manager, extension) = (manager.name(), manager.extension());
        format!(
            "its artifact is no package that can be read: this device uses {manager} and takes a .{extension}; `when` says which devices \
             it is for"
        )
    };
    let file = proven(host, artifact).await?;
    host.name_for_commands(&file, &words(host, artifact))?;
    match manager {
        Manager::Apt => {
            let file = file.to_string_lossy();
            let argv = ["/usr/bin/dpkg-deb", "--field", &file, "Package", "Version", "Architecture"];
            let ran =
                host.run(Work::Inspection, &argv, None).await?.ok("dpkg-deb").with_context(unreadable)?;
            Control::parse(&ran.stdout)
                .context("its artifact does not say which package it is: its control file has no name, version or architecture")
        }
        Manager::Dnf => {
            aside(host, artifact, |artifacts, artifact| rpm::control(&mut artifacts.open(artifact)?))
                .await
                .with_context(unreadable)
        }
    }
}

/// Whether the file is the package of the profile, for this machine.
fn fits(host: &Host, job: &Job<'_>, control: &Control) -> Result<()> {
    let Control { name, version, architecture } = control;
    let asked = job.step.id.key();
    ensure!(
        name == asked,
        "its artifact is the package {name:?} and not {asked}: an artifact brings no other package than the one that the profile names"
    );
    let own = host.packages.architecture();
    ensure!(
        architecture == host.packages.manager().everywhere() || architecture == own,
        "its artifact is for machines of {architecture:?}, and this device is one of {own}"
    );
    ensure!(
        constraint(host, job).is_none_or(|constraint| constraint.admits(version)),
        "its artifact has version {version}, and the profile asks for {}: name another artifact, or leave version out",
        text(&job.step.to, "version").unwrap_or_default()
    );
    Ok(())
}

/// Why the package manager must not be let: it would take a package of the same name and version from somewhere else.
pub(super) fn objection(host: &Host, simulation: &Simulation, job: &Job<'_>) -> Option<String> {
    let name = job.step.id.key();
    (wanted(job).is_some() && simulation.elsewhere.contains(name)).then(|| {
        let (version, manager) = (simulation.version(name).unwrap_or_default(), host.packages.manager().name());
        format!(
            "a repository of this device has {name} {version} as well, and {manager} would take it from there: leave artifact out, or \
             give the package in the artifact a version of its own"
        )
    })
}

/// What the ledger keeps before the step is made.
pub(super) fn bringing(host: &Host, job: &Job<'_>) -> Map<String, Value> {
    let mut kept = Map::new();
    if let (Some(artifact), Some(control)) = (wanted(job), control(host, job)) {
        let brought = job.record.and_then(|record| record.extra.get(BROUGHT)).cloned();
        kept.extend(brought.map(|brought| (BROUGHT.to_owned(), brought)));
        kept.insert(BRINGING.to_owned(), json!({ artifact.to_string(): control.version }));
    }
    kept
}

/// What joins that once the step is made.
pub(in super::super) fn brought(host: &Host, job: &Job<'_>) -> Option<Value> {
    let (artifact, control) = (wanted(job)?, control(host, job)?);
    Some(json!({ BROUGHT: { artifact.to_string(): control.version } }))
}

/// Makes sure, right before the step is made, that its artifact still is what its digest says.
pub(super) async fn prove(host: &Host, job: &Job<'_>) -> Result<()> {
    match wanted(job) {
        Some(artifact) => proven(host, &artifact).await.map(drop),
        None => Ok(()),
    }
}

/// Where an artifact is whose digest was checked just now.
async fn proven(host: &Host, artifact: &Digest) -> Result<std::path::PathBuf> {
    aside(host, artifact, Artifacts::prove).await
}

/// Does something with an artifact on a thread of its own: it may be large.
async fn aside<T: Send + 'static>(
    host: &Host,
    artifact: &Digest,
    work: impl FnOnce(&Artifacts, &Digest) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (artifacts, artifact) = (host.artifacts.clone(), *artifact);
    let work = move || work(&artifacts, &artifact);
    tokio::task::spawn_blocking(work).await.context("its thread ended before it was done")?
}

#[cfg(test)]
mod tests {
    use muster_converge::plan::Step;
    use muster_proto::ResourceId;
    use muster_proto::condition::{Action, Condition};

    use super::*;

    fn step(name: &str, version: Option<&str>) -> Step {
        Step {
            id: ResourceId::new("package", name),
            action: Action::Create,
            from: Condition::Absent,
            to: Condition::present([
                (ARTIFACT, Digest::of(b"deb").to_string().into()),
                ("version", version.map_or(Value::Null, Value::from)),
            ]),
            differences: vec![],
            claim: None,
            restart: false,
            ending: false,
            follows: false,
            undoes: false,
        }
    }

    #[test]
    fn an_artifact_is_what_is_installed_as_long_as_its_version_is() {
        let extra =
            json!({ "added": ["tool"], BROUGHT: { "sha256:a": "1.0" }, BRINGING: { "sha256:b": "1.1" } });
        assert_eq!(came(&extra, BROUGHT, "1.0"), Some("sha256:a"));
        assert_eq!(came(&extra, BROUGHT, "1.1"), None);
        assert_eq!(came(&extra, BRINGING, "1.1"), Some("sha256:b"));
        assert_eq!(came(&Value::Null, BROUGHT, "1.0"), None);
    }

    #[test]
    fn an_artifact_is_the_package_of_the_profile_for_this_machine_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let status = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21\n";
        std::fs::create_dir_all(folder.path().join("var/lib/dpkg")).unwrap();
        std::fs::write(folder.path().join("var/lib/dpkg/status"), status).unwrap();
        let mut host = Host::at(folder.path(), &folder.path().join("run"), folder.path()).unwrap();
        host.packages.refresh(&host.root).unwrap();
        let said = |version: Option<&str>, [name, has, architecture]: [&str; 3]| {
            let control =
                Control { name: name.into(), version: has.into(), architecture: architecture.into() };
            let fits = fits(&host, &Job { step: &step("tool", version), record: None }, &control);
            fits.map_or_else(|error| error.to_string(), |()| String::new())
        };
        assert_eq!(said(None, ["tool", "1.0", "amd64"]), "");
        assert_eq!(said(Some("1"), ["tool", "1.0", "all"]), "");
        assert!(said(None, ["tool2", "1.0", "all"]).contains("is the package \"tool2\" and not tool"));
        assert!(said(None, ["tool", "1.0", "arm64"]).contains("for machines of \"arm64\""));
        assert!(said(Some("2"), ["tool", "1.0", "all"]).contains("asks for 2"));
    }
}
