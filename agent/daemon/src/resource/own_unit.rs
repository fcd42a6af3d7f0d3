//! Units of systemd's that are Muster's own: files that it writes, and a unit that runs now and at every boot.
//!
//! A unit rests while its files change, so that what runs is always what they say, whenever a crash comes between.

use anyhow::{Context as _, Result};
use muster_proto::ResourceId;
use muster_proto::condition::Condition;

use super::own_file::{self, Part};
use super::service::{self, is_enabled};
use super::{Contents, Job, flag, refuse_all, sentence};
use crate::host::Host;

/// What is particular to the units of one kind.
#[derive(Clone, Copy)]
pub(super) struct Own {
    /// The unit of a resource, by its key.
    pub(super) unit: fn(&str) -> String,
    /// Its files, and maybe those of units that it starts.
    pub(super) parts: fn(&ResourceId) -> Vec<Part>,
    /// The attribute that says whether it runs.
    pub(super) runs: &'static str,
    /// A unit that ends with it, when it is taken back.
    pub(super) ends: Option<fn(&str) -> String>,
    /// What to look at where it can't be stopped.
    pub(super) stuck: &'static str,
}

impl Own {
    /// Reads the units of many resources by one call, and what else is known of each.
    pub(super) async fn read(self, host: &mut Host, ids: &[&ResourceId]) -> Vec<Result<Condition, String>> {
        let names: Vec<String> = ids.iter().map(|id| (self.unit)(id.key())).collect();
        if names.is_empty() {
            return vec![];
        }
        let units = match host.systemd.units(&names).await {
            Ok(units) => units,
            Err(error) => return ids.iter().map(|_| Err(sentence(&error))).collect(),
        };
        let mut read = vec![];
        for (id, unit) in ids.iter().zip(&units) {
            let enabled = if unit.exists() {
                host.systemd.file_state(unit).await.map(|state| is_enabled(&state))
            } else {
                Ok(false)
            };
            let condition =
                enabled.and_then(|enabled| self.found(host, id, enabled, unit.active == "active"));
            read.push(condition.map_err(|error| sentence(&error)));
        }
        read
    }

    fn found(self, host: &mut Host, id: &ResourceId, enabled: bool, runs: bool) -> Result<Condition> {
        let mut attributes =
            vec![("enabled".to_owned(), enabled.into()), (self.runs.to_owned(), runs.into())];
        for (attribute, path) in (self.parts)(id) {
            attributes.push((attribute.to_owned(), own_file::read(host, &path)?));
        }
        Ok(attributes.into_iter().collect())
    }

    /// Has the units of many steps rest where they have to, changes their files, and starts them.
    pub(super) async fn write(
        self,
        host: &mut Host,
        jobs: &[Job<'_>],
        contents: &Contents<'_>,
    ) -> Vec<Result<()>> {
        let mut results = vec![];
        for job in jobs {
            results.push(self.rest(host, job).await);
        }
        let resting: Vec<usize> = (0..jobs.len()).filter(|index| results[*index].is_ok()).collect();
        let of_resting: Vec<Job<'_>> = resting.iter().map(|index| jobs[*index]).collect();
        let written = own_file::write(host, &of_resting, |job| (self.parts)(&job.step.id), contents);
        for (index, written) in resting.into_iter().zip(written) {
            results[index] = match written {
                Ok(()) => self.enable(host, &jobs[index]).await,
                Err(error) => Err(error),
            };
        }
        if let Err(error) = host.systemd.reload().await {
            return refuse_all(jobs, &error);
        }
        for (job, result) in jobs.iter().zip(&mut results) {
            if result.is_ok() && flag(&job.step.to, self.runs) == Some(true) {
                *result = self.start(host, job).await;
            }
        }
        results
    }

    /// Stops the unit where its files change or it should not run, and keeps it from starting at boot where it should not.
    async fn rest(self, host: &mut Host, job: &Job<'_>) -> Result<()> {
        let name = (self.unit)(job.step.id.key());
        let stays = flag(&job.step.to, self.runs) == Some(true);
        let changes = (self.parts)(&job.step.id).iter().any(|(attribute, _)| job.changes(attribute));
        if !stays || changes {
            stop(host, &name).await.context(self.stuck)?;
        }
        if !stays && let Some(ends) = self.ends {
            stop(host, &ends(job.step.id.key())).await?;
        }
        // While its file is there, as systemd wants to read how it was enabled.
        if flag(&job.step.to, "enabled") == Some(false) && job.changes("enabled") {
            host.systemd.disable(&name).await?;
        }
        Ok(())
    }

    async fn enable(self, host: &mut Host, job: &Job<'_>) -> Result<()> {
        if flag(&job.step.to, "enabled") == Some(true) && job.changes("enabled") {
            host.systemd.enable(&(self.unit)(job.step.id.key())).await?;
        }
        Ok(())
    }

    async fn start(self, host: &mut Host, job: &Job<'_>) -> Result<()> {
        let name = (self.unit)(job.step.id.key());
        if service::find(host, &name).await?.active == "active" {
            return Ok(());
        }
        let started = service::tell(host, "StartUnit", name).await?;
        service::judge(host, started).await
    }
}

async fn stop(host: &mut Host, name: &str) -> Result<()> {
    let units = host.systemd.units(&[name.to_owned()]).await?;
    let Some(unit) = units.first() else { return Ok(()) };
    match unit.active.as_str() {
        "inactive" => Ok(()),
        "failed" => host.systemd.reset_failed(name).await,
        // Someone removed its file while it ran.
        _ if !unit.exists() => host.systemd.job("StopUnit", name, service::JOB).await.map(drop),
        _ => {
            let stopped = service::tell(host, "StopUnit", name.to_owned()).await?;
            service::judge(host, stopped).await
        }
    }
}
