//! `package`: installed or not, at any version or within a constraint, from repositories or from an artifact. Removal takes along only
//! what Muster's own transactions brought, and nothing is ever downgraded or purged.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow, bail};
use muster_proto::condition::Condition;
use muster_proto::resource::archive::ARTIFACT;
use serde_json::{Value, json};

use super::transaction::{self, Simulation, Verb};
use super::{Job, Prepared, Preserved, Wanted, dnf, fetched, is_removal, refuse_all, text};
use crate::host::Host;
use crate::host::dpkg::State;
use crate::host::packages::Manager;
use crate::host::version::{Constraint, Order};

mod from_artifact;

pub(super) use from_artifact::brought;

pub(super) fn read(host: &Host, wanted: &Wanted<'_>) -> Condition {
    fetched::or_left(host, wanted, found(host, wanted))
}

fn found(host: &Host, wanted: &Wanted<'_>) -> Condition {
    let Some(package) = host.packages.get(wanted.id.key()) else { return Condition::Absent };
    // One that is half-way there is not there for who wants it, and has to go for who does not.
    if package.state == State::Partly && wanted.resource.is_some_and(|r| r.desired() != Condition::Absent) {
        return Condition::Absent;
    }
    let order = host.packages.order();
    let shown = match (wanted.resource, wanted.record) {
        (Some(resource), _) => satisfied(order, &resource.desired(), &package.version),
        // An upgrade is not taken back, and a package that was removed comes back at the version that there is.
        (None, Some(record)) => text(&record.before, "version")
            .filter(|before| order.compare(&package.version, before).is_ge())
            .map(str::to_owned)
            .or_else(|| satisfied(order, &record.wrote, &package.version)),
        (None, None) => None,
    };
    Condition::present([
        ("version", shown.unwrap_or_else(|| package.version.clone()).into()),
        (ARTIFACT, from_artifact::of(wanted, &package.version).map_or(Value::Null, Value::from)),
    ])
}

/// The constraint itself where the version meets it.
fn satisfied(order: Order, desired: &Condition, version: &str) -> Option<String> {
    let is_met = |wanted: &&str| Constraint::parse(order, wanted).admits(version);
    text(desired, "version").filter(is_met).map(str::to_owned)
}

/// Whether a transaction can be made.
enum Verdict<T> {
    Possible(T),
    /// The package manager could, and Muster must not.
    Objection(String),
}

pub(super) async fn prepare(host: &mut Host, jobs: &[Job<'_>]) -> Vec<Result<Prepared>> {
    if let Err(error) = host.packages.refresh(&host.root) {
        return refuse_all(jobs, &error);
    }
    if let Ok(Verdict::Possible(extras)) = judge(host, jobs).await {
        return extras.into_iter().map(|extra| Ok(ready(extra))).collect();
    }
    // One bad name spoils the whole transaction: find out which.
    let mut results = vec![];
    for job in jobs {
        results.push(judge(host, &[*job]).await.map(|verdict| match verdict {
            Verdict::Possible(extras) => ready(extras.into_iter().next().unwrap_or_default()),
            Verdict::Objection(reason) => Prepared::Blocked(reason),
        }));
    }
    results
}

fn ready(extra: Value) -> Prepared {
    Prepared::Ready(Preserved { blobs: vec![], extra })
}

/// Whether these can be installed, or removed, in one transaction; what the ledger keeps of each then.
async fn judge(host: &mut Host, jobs: &[Job<'_>]) -> Result<Verdict<Vec<Value>>> {
    if jobs.first().is_some_and(|job| is_removal(job.step)) {
        return Ok(match removal(host, jobs).await? {
            Verdict::Possible(_) => Verdict::Possible(jobs.iter().map(|_| Value::Null).collect()),
            Verdict::Objection(reason) => Verdict::Objection(reason),
        });
    }
    let simulation = match installation(host, jobs).await? {
        Verdict::Possible(simulation) => simulation,
        Verdict::Objection(reason) => return Ok(Verdict::Objection(reason)),
    };
    // What another resource asks for comes for that one, and goes with it.
    let is_anothers = |job: &Job<'_>, name: &str| {
        job.step.id.key() != name && jobs.iter().any(|other| other.step.id.key() == name)
    };
    let extras = jobs.iter().map(|job| {
        let mut added: BTreeSet<&str> = added(job).into_iter().collect();
        added.extend(simulation.added.keys().map(String::as_str).filter(|name| !is_anothers(job, name)));
        let mut extra = from_artifact::bringing(host, job);
        extra.insert("added".to_owned(), json!(added));
        Value::Object(extra)
    });
    Ok(Verdict::Possible(extras.collect()))
}

/// The packages that the ledger says came with this one.
fn added<'a>(job: &Job<'a>) -> Vec<&'a str> {
    let added = job.record.and_then(|record| record.extra.get("added")).and_then(Value::as_array);
    added.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What a step asks of the version. What is only put back may have become newer meanwhile.
fn constraint<'a>(host: &Host, job: &Job<'a>) -> Option<Constraint<'a>> {
    let version = text(&job.step.to, "version")?;
    Some(match job.step.claim {
        Some(_) => Constraint::parse(host.packages.order(), version),
        None => Constraint::at_least(host.packages.order(), version),
    })
}

/// The package as its manager takes it, with a version where only one will do.
fn spec(host: &Host, job: &Job<'_>) -> String {
    if let Some(path) = from_artifact::path(host, job) {
        return path;
    }
    let name = job.step.id.key();
    let exact = constraint(host, job).and_then(|constraint| constraint.exact());
    match exact.or(host.picked_versions.get(name).map(String::as_str)) {
        Some(version) => transaction::spec(host, name, version),
        None => name.to_owned(),
    }
}

/// Simulates an installation, with fresh lists if that helps, and with older versions where a constraint asks for one.
async fn installation(host: &mut Host, jobs: &[Job<'_>]) -> Result<Verdict<Simulation>> {
    for job in jobs {
        host.picked_versions.remove(job.step.id.key());
        from_artifact::look(host, job).await?;
        if let Some(reason) = downgrade(host, job) {
            return Ok(Verdict::Objection(reason));
        }
    }
    let mut attempt = simulate(host, jobs).await;
    let unmet = |attempt: &Result<Simulation>| match attempt {
        Ok(simulation) => jobs.iter().any(|job| !admits(host, simulation, job)),
        Err(_) => true,
    };
    if unmet(&attempt) && transaction::refresh_lists(host).await? {
        attempt = simulate(host, jobs).await;
    }
    let mut simulation = attempt?;
    let unmet: Vec<&Job<'_>> = jobs.iter().filter(|job| !admits(host, &simulation, job)).collect();
    if !unmet.is_empty() {
        for job in unmet {
            pick_version(host, job).await?;
        }
        simulation = simulate(host, jobs).await?;
    }
    let objection = simulation.objection(host.packages.order());
    let objection =
        objection.or_else(|| jobs.iter().find_map(|job| from_artifact::objection(host, &simulation, job)));
    Ok(match objection {
        Some(reason) => Verdict::Objection(reason),
        None => Verdict::Possible(simulation),
    })
}

async fn simulate(host: &mut Host, jobs: &[Job<'_>]) -> Result<Simulation> {
    let mut all = Simulation::default();
    for (verb, specs) in transactions(host, jobs) {
        all = all.and(transaction::simulate(host, verb, &specs).await?);
    }
    Ok(all)
}

/// What is asked of the package manager for these: all at once of apt. dnf installs anew only what is there.
fn transactions(host: &Host, jobs: &[Job<'_>]) -> Vec<(Verb, Vec<String>)> {
    let (there, new): (Vec<_>, Vec<_>) = jobs.iter().partition(|job| from_artifact::is_installed(host, job));
    let specs = |jobs: &[&Job<'_>]| jobs.iter().map(|job| spec(host, job)).collect::<Vec<_>>();
    match host.packages.manager() {
        Manager::Apt if !there.is_empty() => vec![(Verb::InstallAnew, specs(&[there, new].concat()))],
        Manager::Apt | Manager::Dnf => {
            let both = [(Verb::InstallAnew, specs(&there)), (Verb::Install, specs(&new))];
            both.into_iter().filter(|(_, specs)| !specs.is_empty()).collect()
        }
    }
}

/// Whether the package would come, in a version that meets the constraint. One that is there already was judged before.
fn admits(host: &Host, simulation: &Simulation, job: &Job<'_>) -> bool {
    let name = job.step.id.key();
    if let Some(control) = from_artifact::control(host, job) {
        return simulation.version(name) == Some(&control.version);
    }
    match (constraint(host, job), simulation.version(name)) {
        (Some(constraint), Some(version)) => constraint.admits(version),
        (Some(_), None) => false,
        (None, Some(_)) => true,
        // To apt-get, a name that no package has is a regular expression, and `libboost1.7` means dozens of them.
        (None, None) => host.packages.get(name).is_some(),
    }
}

/// Looks for a version that meets the constraint among all that the repositories have.
async fn pick_version(host: &mut Host, job: &Job<'_>) -> Result<()> {
    let name = job.step.id.key();
    if let Some(control) = from_artifact::control(host, job) {
        let manager = host.packages.manager().name();
        bail!("{manager} would not take {name} {} from its artifact", control.version);
    }
    let constraint =
        constraint(host, job).with_context(|| format!("no repository of this device has {name}"))?;
    let installed = host.packages.get(name).map(|package| package.version.clone());
    if installed.as_deref().is_some_and(|version| constraint.admits(version)) {
        return Ok(());
    }
    let versions = transaction::available(host, name).await?;
    let newest =
        versions.first().cloned().with_context(|| format!("no repository of this device has {name}"))?;
    let wanted = text(&job.step.to, "version").unwrap_or_default();
    let picked = versions.into_iter().find(|version| constraint.admits(version)).with_context(|| {
        format!("no repository of this device has {name} {wanted}: the newest there is {newest}")
    })?;
    host.picked_versions.insert(name.to_owned(), picked);
    Ok(())
}

fn downgrade(host: &Host, job: &Job<'_>) -> Option<String> {
    let installed = &host.packages.get(job.step.id.key())?.version;
    if let Some(control) = from_artifact::control(host, job)
        && host.packages.order().compare(installed, &control.version).is_gt()
    {
        let brought = &control.version;
        return Some(format!(
            "{installed} is installed and its artifact has {brought}: Muster never downgrades"
        ));
    }
    let wanted = text(&job.step.to, "version")?;
    constraint(host, job)?
        .is_below(installed)
        .then(|| format!("{installed} is installed and {wanted} is wanted: Muster never downgrades"))
}

/// What goes when these packages go: they themselves, and of what their transactions brought whatever nobody needs
/// then. An objection if anything else would have to go.
async fn removal(host: &mut Host, jobs: &[Job<'_>]) -> Result<Verdict<Vec<String>>> {
    let named: BTreeSet<String> = jobs.iter().map(|job| job.step.id.key().to_owned()).collect();
    let brought: BTreeSet<&str> = jobs.iter().flat_map(added).collect();
    let mut going: Vec<String> = named.iter().cloned().collect();
    if !brought.is_empty() {
        let unneeded = transaction::simulate(host, Verb::RemoveUnneeded, &going).await?.removed;
        going.extend(
            unneeded.into_iter().filter(|name| brought.contains(name.as_str()) && !named.contains(name)),
        );
    }
    let removed = transaction::simulate(host, Verb::Remove, &going).await?.removed;
    let others: Vec<&String> = removed.iter().filter(|name| !going.contains(name)).collect();
    Ok(if others.is_empty() {
        Verdict::Possible(going)
    } else {
        Verdict::Objection(format!("removing it would also remove {}", transaction::names(others)))
    })
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>]) -> Vec<Result<()>> {
    let there: BTreeSet<&str> = jobs
        .iter()
        .filter(|job| from_artifact::is_installed(host, job))
        .map(|job| job.step.id.key())
        .collect();
    let Err(error) = make(host, jobs).await else { return jobs.iter().map(|_| Ok(())).collect() };
    // A transaction that failed may still have done its work for some, or one of them may have kept it from the others.
    if let Err(error) = host.packages.refresh(&host.root) {
        return refuse_all(jobs, &error);
    }
    // That is to be heard of although what was asked for is there.
    if error.is::<dnf::GaveOlder>() {
        return refuse_all(jobs, &error);
    }
    let is_by_one = jobs.len() > 1 && transaction::is_by_one(host, &error);
    let mut results = vec![];
    for job in jobs {
        // Of one that was there in this version nobody could tell whether it came from the artifact.
        let alone = match is_done(host, job) && !there.contains(job.step.id.key()) {
            true => Ok(()),
            false if is_by_one => make(host, &[*job]).await,
            false => Err(anyhow!("{error:#}")),
        };
        results.push(alone);
    }
    results
}

/// Makes these, in as few transactions as there can be.
async fn make(host: &mut Host, jobs: &[Job<'_>]) -> Result<()> {
    if jobs.first().is_some_and(|job| is_removal(job.step)) {
        return match removal(host, jobs).await? {
            Verdict::Possible(going) => {
                transaction::finish(host, &going.iter().map(String::as_str).collect()).await?;
                transaction::transact(host, Verb::Remove, &going).await
            }
            Verdict::Objection(reason) => bail!(reason),
        };
    }
    for job in jobs {
        from_artifact::prove(host, job).await?;
    }
    let by_file = jobs.iter().filter(|job| from_artifact::control(host, job).is_some());
    transaction::finish(host, &by_file.map(|job| job.step.id.key()).collect()).await?;
    for (verb, specs) in transactions(host, jobs) {
        transaction::transact(host, verb, &specs).await?;
    }
    Ok(())
}

fn is_done(host: &Host, job: &Job<'_>) -> bool {
    match host.packages.get(job.step.id.key()) {
        None => is_removal(job.step),
        Some(package) => {
            !is_removal(job.step)
                && package.state == State::Installed
                && constraint(host, job).is_none_or(|constraint| constraint.admits(&package.version))
                && from_artifact::control(host, job).is_none_or(|control| control.version == package.version)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use muster_converge::plan::Step;
    use muster_proto::ResourceId;
    use muster_proto::condition::Action;

    use super::*;

    fn install(name: &str) -> Step {
        Step {
            id: ResourceId::new("package", name),
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

    #[tokio::test]
    async fn a_name_that_no_package_has_does_not_stand_for_those_that_it_matches() {
        let folder = tempfile::tempdir().unwrap();
        let status = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n";
        fs::create_dir_all(folder.path().join("var/lib/dpkg")).unwrap();
        fs::write(folder.path().join("var/lib/dpkg/status"), status).unwrap();
        let mut host = Host::at(folder.path(), &folder.path().join("run"), folder.path()).unwrap();
        host.packages.refresh(&host.root).unwrap();
        // What apt-get would do for the name `libboost1.7`.
        let matches =
            ["libboost1.74-dev", "libboost1.74-doc"].map(|name| (name.to_owned(), "1.74-1".to_owned()));
        let simulation = Simulation { added: BTreeMap::from(matches), ..Simulation::default() };
        for (name, admitted) in [("libboost1.7", false), ("libboost1.74-dev", true), ("libc6", true)] {
            let job = Job { step: &install(name), record: None };
            assert_eq!(admits(&host, &simulation, &job), admitted, "{name}");
        }
        let job = Job { step: &install("libboost1.7"), record: None };
        let error = pick_version(&mut host, &job).await.unwrap_err().to_string();
        assert_eq!(error, "no repository of this device has libboost1.7");
    }
}
