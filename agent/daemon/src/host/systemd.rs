//! systemd over D-Bus: units as they are, and jobs that change them, waited for to their end.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use zbus::{
    Connection, MatchRule, Message, MessageStream, ObjectPath, OwnedObjectPath, OwnedVariant, Variant,
};

const BUS: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const JOB: &str = "org.freedesktop.systemd1.Job";
/// How often a job is asked after: when systemd starts itself anew, as its own upgrade has it do, it has another name, and
/// is not heard.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The result of a job whose end was not heard.
const UNKNOWN: &str = "unknown";
/// How long systemd may take to answer; jobs are waited for separately.
const ANSWER: Duration = Duration::from_secs(30);

/// The connection to systemd, made when it is first needed and again when the bus was restarted.
#[derive(Debug, Default)]
pub(crate) struct Systemd(Option<Connection>);

/// A unit as systemd has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) path: OwnedObjectPath,
    /// `loaded`, `not-found`, `masked`, `bad-setting` ...
    pub(crate) load: String,
    pub(crate) active: String,
    pub(crate) sub: String,
}

impl Unit {
    /// Whether it runs. A service that systemd keeps restarting does not.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading" | "refreshing")
            && self.sub != "auto-restart"
    }

    /// Whether there is such a unit.
    pub(crate) fn exists(&self) -> bool {
        self.load != "not-found"
    }
}

/// name, description, load, active, sub, followed, path, job id, job type, job path
type UnitRow =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// A condition of a unit: type, triggering, negated, parameter, and its state, below 0 when it was not met.
type ConditionRow = (String, bool, bool, String, i32);

/// A job of systemd's: what starts, stops or restarts a unit.
#[derive(Debug)]
pub(crate) struct Jobs {
    bus: Connection,
    removed: MessageStream,
}

impl Systemd {
    /// The connection itself, over which others on the bus can be asked too.
    pub(super) async fn connection(&mut self) -> Result<Connection> {
        if let Some(connection) = self.0.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let connection = Connection::system().await.context("connecting to the system's D-Bus")?;
        call(&connection, MANAGER_PATH, MANAGER, "Subscribe", &()).await.context("subscribing to systemd")?;
        self.0 = Some(connection.clone());
        Ok(connection)
    }

    /// Whether the bus has gone away since the last call.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.as_ref().is_none_or(Connection::is_closed)
    }

    /// The units of these names, in their order, by one call.
    pub(crate) async fn units(&mut self, names: &[String]) -> Result<Vec<Unit>> {
        let bus = self.connection().await?;
        let reply = call(&bus, MANAGER_PATH, MANAGER, "ListUnitsByNames", &(names,)).await?;
        let rows: Vec<UnitRow> = reply.body().deserialize().context("reading systemd's list of units")?;
        if rows.len() != names.len() {
            // systemd leaves out names that can't be a unit's, and nothing else.
            bail!("one of these is not a unit name: {}", names.join(", "));
        }
        Ok(rows.into_iter().map(unit).collect())
    }

    /// Units whose names match a pattern.
    pub(crate) async fn matching(&mut self, pattern: &str) -> Result<Vec<(String, Unit)>> {
        let bus = self.connection().await?;
        let arguments = (Vec::<&str>::new(), vec![pattern]);
        let reply = call(&bus, MANAGER_PATH, MANAGER, "ListUnitsByPatterns", &arguments).await?;
        let rows: Vec<UnitRow> = reply.body().deserialize().context("reading systemd's list of units")?;
        Ok(rows.into_iter().map(|row| (row.0.clone(), unit(row))).collect())
    }

    /// One property of a unit.
    pub(crate) async fn property<T>(
        &mut self,
        unit: &OwnedObjectPath,
        interface: &str,
        name: &str,
    ) -> Result<T>
    where
        T: TryFrom<OwnedVariant>,
        T::Error: Into<zbus::Error>,
    {
        let bus = self.connection().await?;
        let arguments = (interface, name);
        let reply = call(&bus, unit, PROPERTIES, "Get", &arguments).await?;
        let value: OwnedVariant = reply.body().deserialize().with_context(|| format!("reading {name}"))?;
        value.try_into().map_err(Into::into).with_context(|| format!("reading {name}"))
    }

    /// Whether a unit starts at boot: `enabled`, `disabled`, `static`, `masked` ...
    pub(crate) async fn file_state(&mut self, unit: &Unit) -> Result<String> {
        self.property(&unit.path, UNIT, "UnitFileState").await
    }

    /// Whether the unit's files changed since systemd read them.
    pub(crate) async fn needs_reload(&mut self, unit: &Unit) -> Result<bool> {
        self.property(&unit.path, UNIT, "NeedDaemonReload").await
    }

    /// The job that is queued or running for the unit.
    pub(crate) async fn pending_job(&mut self, unit: &Unit) -> Result<Option<OwnedObjectPath>> {
        let bus = self.connection().await?;
        let arguments = (UNIT, "Job");
        let reply = call(&bus, &unit.path, PROPERTIES, "Get", &arguments).await?;
        let body = reply.body();
        let value: Variant<'_> = body.deserialize().context("reading Job")?;
        let (id, path): (u32, OwnedObjectPath) = value.downcast().context("reading Job")?;
        Ok((id != 0).then_some(path))
    }

    /// The first condition that kept the unit from starting, in words.
    pub(crate) async fn unmet_condition(&mut self, unit: &Unit) -> Result<Option<String>> {
        if self.property::<bool>(&unit.path, UNIT, "ConditionResult").await? {
            return Ok(None);
        }
        let bus = self.connection().await?;
        let arguments = (UNIT, "Conditions");
        let reply = call(&bus, &unit.path, PROPERTIES, "Get", &arguments).await?;
        let body = reply.body();
        let value: Variant<'_> = body.deserialize().context("reading Conditions")?;
        let rows: Vec<ConditionRow> = value.downcast().context("reading Conditions")?;
        let unmet = rows.into_iter().find(|(_, _, _, _, state)| *state < 0);
        Ok(unmet.map(|(kind, _, negated, parameter, _)| {
            format!("{kind}={}{parameter}", if negated { "!" } else { "" })
        }))
    }

    /// Keeps what systemd knows of a unit, such as which condition failed, until [`Systemd::release`]: it forgets a unit
    /// that is at rest at once.
    pub(crate) async fn hold(&mut self, unit: &str) -> Result<()> {
        let bus = self.connection().await?;
        call(&bus, MANAGER_PATH, MANAGER, "RefUnit", &(unit,)).await.map(drop)
    }

    /// Lets systemd forget the unit again.
    pub(crate) async fn release(&mut self, unit: &str) -> Result<()> {
        let bus = self.connection().await?;
        call(&bus, MANAGER_PATH, MANAGER, "UnrefUnit", &(unit,)).await.map(drop)
    }

    /// Reads all unit files again.
    pub(crate) async fn reload(&mut self) -> Result<()> {
        let bus = self.connection().await?;
        call(&bus, MANAGER_PATH, MANAGER, "Reload", &())
            .await
            .context("letting systemd read its units again")?;
        Ok(())
    }

    /// The variables that it starts services with, each as `name=value`.
    pub(crate) async fn environment(&mut self) -> Result<Vec<String>> {
        let manager = OwnedObjectPath::try_from(MANAGER_PATH.to_owned()).context("a path of D-Bus")?;
        self.property(&manager, MANAGER, "Environment").await
    }

    /// Lets the unit start at boot. False when it has no `[Install]` section to say how.
    pub(crate) async fn enable(&mut self, unit: &str) -> Result<bool> {
        let bus = self.connection().await?;
        let reply = call(&bus, MANAGER_PATH, MANAGER, "EnableUnitFiles", &(vec![unit], false, false)).await?;
        let (installable, _): (bool, Vec<(String, String, String)>) = reply.body().deserialize()?;
        Ok(installable)
    }

    /// Keeps the unit from starting at boot.
    pub(crate) async fn disable(&mut self, unit: &str) -> Result<()> {
        let bus = self.connection().await?;
        call(&bus, MANAGER_PATH, MANAGER, "DisableUnitFiles", &(vec![unit], false)).await?;
        Ok(())
    }

    /// Begins to listen for the ends of jobs: to be called before the job that is waited for.
    pub(crate) async fn jobs(&mut self) -> Result<Jobs> {
        let bus = self.connection().await?;
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(owner(&bus).await?)
            .interface(MANAGER)
            .member("JobRemoved")
            .build()?;
        let removed =
            MessageStream::for_match_rule(rule, &bus, None).await.context("listening to systemd")?;
        Ok(Jobs { bus, removed })
    }

    /// Queues a job on a unit (`StartUnit`, `StopUnit`, `RestartUnit`) and waits for its end; its result, which is
    /// `done` when it went well.
    pub(crate) async fn job(&mut self, method: &str, unit: &str, limit: Duration) -> Result<String> {
        let mut jobs = self.jobs().await?;
        let bus = self.connection().await?;
        let reply = call(&bus, MANAGER_PATH, MANAGER, method, &(unit, "replace")).await?;
        let job: OwnedObjectPath = reply.body().deserialize()?;
        jobs.wait(&job, limit).await
    }

    /// Sends the main process of a unit SIGHUP.
    pub(crate) async fn hang_up(&mut self, unit: &str) -> Result<()> {
        let bus = self.connection().await?;
        let signal = rustix::process::Signal::HUP.as_raw();
        call(&bus, MANAGER_PATH, MANAGER, "KillUnit", &(unit, "main", signal)).await.map(drop)
    }

    /// Starts a unit that exists only for this run.
    pub(crate) async fn start_transient(
        &mut self,
        name: &str,
        properties: Vec<(&str, Variant<'_>)>,
    ) -> Result<OwnedObjectPath> {
        let bus = self.connection().await?;
        let auxiliary: Vec<(&str, Vec<(&str, Variant<'_>)>)> = vec![];
        let arguments = (name, "fail", properties, auxiliary);
        let reply = call(&bus, MANAGER_PATH, MANAGER, "StartTransientUnit", &arguments).await?;
        Ok(reply.body().deserialize()?)
    }

    /// Forgets that a unit failed.
    pub(crate) async fn reset_failed(&mut self, unit: &str) -> Result<()> {
        let bus = self.connection().await?;
        call(&bus, MANAGER_PATH, MANAGER, "ResetFailedUnit", &(unit,)).await?;
        Ok(())
    }

    /// Turns the machine off at once: what runs is ended, and all file systems are unmounted.
    pub(crate) async fn power_off(&mut self) -> Result<()> {
        let bus = self.connection().await?;
        call(&bus, MANAGER_PATH, MANAGER, "PowerOff", &()).await.map(drop)
    }

    /// Ends at once all that runs in a unit and in those below it, also what became another account there or is frozen.
    pub(crate) async fn kill_all_in(&mut self, unit: &str) -> Result<()> {
        const KILL: i32 = 9;
        let bus = self.connection().await?;
        let arguments = (unit, "all", KILL);
        let killed = bus.call_method(Some(BUS), MANAGER_PATH, Some(MANAGER), "KillUnit", &arguments);
        match tokio::time::timeout(ANSWER, killed).await {
            // A unit that is not there has nothing that runs in it.
            Ok(Ok(_) | Err(zbus::Error::MethodError(..) | zbus::Error::FDO(_))) => Ok(()),
            Ok(Err(error)) => Err(error).with_context(|| format!("ending what runs in {unit}")),
            Err(_) => bail!("systemd did not answer within {} s", ANSWER.as_secs()),
        }
    }

    /// Ends all sessions of a user by logind, where there is one.
    pub(crate) async fn end_sessions(&mut self, uid: u32) -> Result<()> {
        let bus = self.connection().await?;
        let arguments = (uid,);
        let ended = bus.call_method(
            Some("org.freedesktop.login1"),
            "/org/freedesktop/login1",
            Some("org.freedesktop.login1.Manager"),
            "TerminateUser",
            &arguments,
        );
        match tokio::time::timeout(ANSWER, ended).await {
            // logind may be absent, and a user without a session is unknown to it: either way no session is left.
            Ok(Ok(_) | Err(zbus::Error::MethodError(..) | zbus::Error::FDO(_))) => Ok(()),
            Ok(Err(error)) => Err(error).context("ending the user's sessions"),
            Err(_) => bail!("logind did not answer within {} s", ANSWER.as_secs()),
        }
    }

    /// Sets the running host name by hostnamed, which tells those who want to know of it. A name that stands in
    /// `/etc/hostname` comes before this one to it.
    pub(crate) async fn set_hostname(&mut self, name: &str) -> Result<()> {
        const HOSTNAMED: &str = "org.freedesktop.hostname1";
        let bus = self.connection().await?;
        let arguments = (name, false);
        let path = "/org/freedesktop/hostname1";
        let set = bus.call_method(Some(HOSTNAMED), path, Some(HOSTNAMED), "SetHostname", &arguments);
        match tokio::time::timeout(ANSWER, set).await {
            Ok(set) => set.map(drop).context("asking hostnamed for another name"),
            Err(_) => bail!("hostnamed did not answer within {} s", ANSWER.as_secs()),
        }
    }
}

impl Jobs {
    /// Waits for the end of one job; its result.
    pub(crate) async fn wait(&mut self, job: &OwnedObjectPath, limit: Duration) -> Result<String> {
        let wait = async {
            loop {
                match tokio::time::timeout(LOOK_AGAIN, self.heard(job)).await {
                    Ok(result) => return result,
                    Err(_) if self.is_gone(job).await => return Ok(UNKNOWN.to_owned()),
                    Err(_) => {}
                }
            }
        };
        match tokio::time::timeout(limit, wait).await {
            Ok(result) => result,
            Err(_) => bail!("systemd was not done after {} s", limit.as_secs()),
        }
    }

    /// What systemd says when the job ends.
    async fn heard(&mut self, job: &OwnedObjectPath) -> Result<String> {
        while let Some(message) = self.removed.next().await {
            if let Some(result) = result_of(&message.context("listening to systemd")?, job) {
                return Ok(result);
            }
        }
        bail!("the system's D-Bus went away")
    }

    /// Whether systemd has no such job any more: every job has a state. Where it can't be asked it is asked again later.
    async fn is_gone(&self, job: &OwnedObjectPath) -> bool {
        use zbus::fdo::Error::{UnknownInterface, UnknownMethod, UnknownObject, UnknownProperty};
        let state = self.bus.call_method(Some(BUS), job, Some(PROPERTIES), "Get", &(JOB, "State"));
        match tokio::time::timeout(ANSWER, state).await {
            Ok(Err(zbus::Error::FDO(error))) => matches!(
                *error,
                UnknownObject(_) | UnknownProperty(_) | UnknownInterface(_) | UnknownMethod(_)
            ),
            Ok(Ok(_) | Err(_)) | Err(_) => false,
        }
    }
}

/// How the job ended, if that is what the signal says.
fn result_of(signal: &Message, job: &OwnedObjectPath) -> Option<String> {
    let body = signal.body();
    let (_, ended, _, result): (u32, ObjectPath<'_>, &str, &str) = body.deserialize().ok()?;
    (ended.as_str() == job.as_str()).then(|| result.to_owned())
}

/// The name that systemd has on this bus, which nobody can take from it. A rule that asks for the signals of this one
/// keeps out those that any local user sends straight to this connection, also before they fill its queue: a lock or an
/// upgrade would count as done and be ended half-way, or no answer would be heard any more.
pub(crate) async fn owner(bus: &Connection) -> Result<String> {
    const BROKER: &str = "org.freedesktop.DBus";
    let owner = bus.call_method(Some(BROKER), "/org/freedesktop/DBus", Some(BROKER), "GetNameOwner", &(BUS,));
    match tokio::time::timeout(ANSWER, owner).await {
        Ok(reply) => reply.and_then(|reply| reply.body().deserialize()).context("asking who systemd is"),
        Err(_) => bail!("the system's D-Bus did not answer within {} s", ANSWER.as_secs()),
    }
}

fn unit(row: UnitRow) -> Unit {
    Unit { path: row.6, load: row.2, active: row.3, sub: row.4 }
}

async fn call<B>(bus: &Connection, path: &str, interface: &str, method: &str, body: &B) -> Result<Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    match tokio::time::timeout(ANSWER, bus.call_method(Some(BUS), path, Some(interface), method, body)).await
    {
        Ok(Ok(reply)) => Ok(reply),
        // The words of systemd are for people; the name of its error is not.
        Ok(Err(zbus::Error::MethodError(_, Some(said), _))) => bail!("systemd says: {said}"),
        Ok(Err(error)) => Err(error).with_context(|| format!("asking systemd for {method}")),
        Err(_) => bail!("systemd did not answer {method} within {} s", ANSWER.as_secs()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
