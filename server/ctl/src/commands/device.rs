//! `muster device`: their list, their records, and letting them in or out.

mod apply_now;
mod cost;
mod delete;
mod history;
mod label;
mod owner;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use muster_proto::report::{OutcomeKind, Pause};
use muster_proto::rest::{
    AllowReenroll, Approve, Device as View, DeviceDetail, DeviceState, Import, ResourceView, RevealedPassword,
};
use muster_proto::text::shell_word;
use muster_proto::when::Facts;
use reqwest::Method;

use super::lost::{self, Lost};
use super::{removal, why};
use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, Single, ago, moment, word};
use crate::span::span;
use crate::terminal::Consent;

/// Characters of what is told of one resource: the whole is on the device's page.
const LONGEST_TOLD: usize = 300;

/// Register, let in, label and look at devices
#[derive(Subcommand)]
#[command(after_help = "Example:\n  muster device import devices.csv --dry-run")]
pub(crate) enum Device {
    List(List),
    Show(Show),
    History(history::History),
    Import(ImportArgs),
    Approve(ApproveArgs),
    Revoke(Revoke),
    Lost(Lost),
    Delete(delete::Delete),
    AllowReenroll(AllowReenrollArgs),
    ApplyNow(apply_now::ApplyNow),
    Label(label::Label),
    Owner(owner::Owner),
    Password(Password),
}

/// List devices, those never seen too
#[derive(Args)]
#[command(after_help = "Example:\n  muster device list --label laptop -o csv")]
pub(crate) struct List {
    /// Part of a name, serial or owner
    search: Option<String>,
    /// Only devices with this label
    #[arg(long)]
    label: Option<String>,
    /// Only devices in this state
    #[arg(long, value_parser = ["registered", "pending", "enrolled", "ready", "held", "lost", "revoked"])]
    state: Option<String>,
    /// Only enrolled devices of this compliance
    #[arg(long, value_parser = ["compliant", "failing", "unknown", "stale", "unmanaged"])]
    compliance: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Show one device: what it is, what it has, and what is wrong
#[derive(Args)]
#[command(after_help = "Example:\n  muster device show lap-ada\n  muster device show lap-ada --cost")]
pub(crate) struct Show {
    /// Its name, serial or id
    device: String,
    /// What its agent spends on each kind of resource (CPU time) and on each check (time until it was answered)
    #[arg(long)]
    cost: bool,
    #[command(flatten)]
    output: Single,
}

/// Register devices from a CSV file, by serial, all or nothing
///
/// The columns are serial,name,owner,labels; labels are split by semicolons.
#[derive(Args)]
#[command(after_help = "Example:\n  muster device import devices.csv --dry-run")]
pub(crate) struct ImportArgs {
    /// The file; `-` for standard input
    file: PathBuf,
    /// Change nothing; say what would be
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Single,
}

/// Let a waiting device in, by the code on its console
#[derive(Args)]
#[command(after_help = "Example:\n  muster device approve lap-ada --code 7KQ-M2D")]
pub(crate) struct ApproveArgs {
    /// Its name, serial or id
    device: String,
    /// The code that the device shows
    #[arg(long)]
    code: String,
    /// A name for it, when it is not registered
    #[arg(long)]
    name: Option<String>,
}

/// Stop accepting a device's certificates and cut its link
#[derive(Args)]
#[command(after_help = "Example:\n  muster device revoke lap-ada")]
pub(crate) struct Revoke {
    /// Its name, serial or id
    device: String,
    #[command(flatten)]
    consent: Consent,
}

/// Let one new key enroll as a device that was reinstalled, lost and found, or held; its record stays
///
/// A device whose certificate ended too long ago comes back by itself while this holds. Owner, labels, assignments and history are kept. The certificates it had are revoked when the new key is in. A device
/// with an owner still needs a token bound to its serial, or an approval.
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster device allow-reenroll lap-ada --for 24h\n  muster token create --serial PF3XK9 > join.toml"
)]
pub(crate) struct AllowReenrollArgs {
    /// Its name, serial or id
    device: String,
    /// When it ends by itself
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = span)]
    time: Duration,
}

/// Reveal the first-login password that a device made for an account; works once and is audited
#[derive(Args)]
#[command(after_help = "Example:\n  muster device password lap-ada ada")]
pub(crate) struct Password {
    /// Its name, serial or id
    device: String,
    /// Whose password
    account: String,
}

impl Device {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::List(command) => command.run(api).await,
            Self::Show(command) => command.run(api).await,
            Self::History(command) => command.run(api).await,
            Self::Import(command) => command.run(api).await,
            Self::Approve(command) => command.run(api).await,
            Self::Revoke(command) => command.run(api).await,
            Self::Lost(command) => command.run(api).await,
            Self::Delete(command) => command.run(api).await,
            Self::AllowReenroll(command) => command.run(api).await,
            Self::ApplyNow(command) => command.run(api).await,
            Self::Label(command) => command.run(api).await,
            Self::Owner(command) => command.run(api).await,
            Self::Password(command) => command.run(api).await,
        }
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let filters = [
            ("q", self.search),
            ("label", self.label),
            ("state", self.state),
            ("compliance", self.compliance),
        ];
        let query: Vec<_> =
            filters.iter().filter_map(|(n, v)| v.as_ref().map(|v| format!("{n}={}", part(v)))).collect();
        let devices: Vec<View> = api.get_all(&format!("/devices?{}", query.join("&"))).await?;
        list(&self.output, &devices)?;
        if devices.is_empty() && self.output.is_table() {
            output::note(if query.is_empty() {
                "There is no device yet. Register some: muster device import devices.csv"
            } else {
                "No device is like that. All of them: muster device list"
            });
        }
        Ok(Ending::Fine)
    }
}

/// Prints devices, a row each.
pub(crate) fn list(output: &Output, devices: &[View]) -> Result<(), Failure> {
    let header =
        ["name", "serial", "owner", "labels", "state", "compliance", "failing", "waived", "os", "last seen"];
    output.list(devices, &header, |device| {
        let seen = match (output.is_table(), device.connected, device.last_seen) {
            (true, true, _) => "connected".to_owned(),
            (true, false, seen) => ago(seen),
            (false, _, seen) => moment(seen),
        };
        vec![
            device.name.clone(),
            device.serial.clone(),
            device.owner.clone().unwrap_or_default(),
            device.labels.join(";"),
            word(&device.state),
            compliance(device),
            device.failing.to_string(),
            device.waived.to_string(),
            device.os.clone(),
            seen,
        ]
    })
}

/// How it complies; nothing for a device that is in no count, as it has not enrolled yet or is held, lost or revoked.
fn compliance(device: &View) -> String {
    match device.state {
        DeviceState::Enrolled | DeviceState::Ready => word(&device.compliance),
        _ => String::new(),
    }
}

impl Show {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let detail: DeviceDetail = api.get(&path(&self.device)).await?;
        if self.cost {
            self.output.one(&detail.cost, cost::show)?;
        } else {
            let resources: Vec<ResourceView> = api.get(&format!("{}/resources", path(&self.device))).await?;
            self.output.one(&detail, |detail| show(detail, &resources))?;
        }
        Ok(Ending::Fine)
    }
}

fn show(detail: &DeviceDetail, resources: &[ResourceView]) -> Result<(), Failure> {
    let device = &detail.device;
    output::fields(&[
        ("name", device.name.clone()),
        ("id", device.id.clone()),
        ("serial", device.serial.clone()),
        ("owner", device.owner.clone().unwrap_or_default()),
        ("labels", device.labels.join(", ")),
        ("state", word(&device.state)),
        ("compliance", compliance(device)),
        ("os", device.os.clone()),
        ("machine", machine(&detail.facts)),
        ("agent", detail.facts.agent_version.clone()),
        ("denied kinds", denied(&detail.facts)),
        ("paused", detail.paused_there.as_ref().map(paused).unwrap_or_default()),
        ("generation", format!("{} wanted, {} applied", device.generation_wanted, device.generation_applied)),
        ("last seen", if device.connected { "connected".to_owned() } else { ago(device.last_seen) }),
        ("registered", moment(device.registered)),
        ("enrolled", moment(device.enrolled)),
        ("ready", moment(device.ready)),
        (
            "certificate",
            detail.certificate_not_after.map(|t| format!("until {}", moment(t))).unwrap_or_default(),
        ),
    ])?;
    if let Some(pending) = &detail.pending {
        output::line(format!(
            "waits for approval since {}: code {}, claims serial {} and name {}, called from {}",
            moment(pending.since),
            pending.code,
            pending.serial,
            pending.hostname,
            pending.address
        ))?;
    }
    for assignment in &detail.assignments {
        output::line(format!(
            "assigned: {}@{} to {} ({})",
            assignment.profile,
            assignment.revision,
            assignment.target,
            word(&assignment.mode)
        ))?;
    }
    if let Some(until) = detail.reenroll_until {
        output::line(format!("one new key may enroll as it until {}", moment(until)))?;
    }
    if let Some(lost) = &detail.lost {
        lost::print(lost)?;
    }
    for account in &detail.passwords {
        output::line(format!(
            "a first-login password waits: muster device password {} {account}",
            device.name
        ))?;
    }
    for resource in resources {
        if let Some(told) = told(resource) {
            output::line(format!("{}: {told}", resource.resource))?;
        }
    }
    why::print(detail)
}

/// What there is to tell of a resource that is as it should be, such as a public key.
fn told(resource: &ResourceView) -> Option<String> {
    let told = resource.reason.as_ref()?;
    let is_right = matches!(resource.outcome, OutcomeKind::Kept | OutcomeKind::Repaired);
    is_right.then(|| match told.char_indices().nth(LONGEST_TOLD) {
        Some((end, _)) => format!("{} ...", &told[..end]),
        None => told.clone(),
    })
}

fn machine(facts: &Facts) -> String {
    let memory = match facts.memory {
        0 => String::new(),
        bytes => format!("{:.1} GiB", bytes as f64 / f64::from(1_u32 << 30)),
    };
    let cpus = match facts.cpus {
        0 => String::new(),
        1 => "1 CPU".to_owned(),
        cpus => format!("{cpus} CPUs"),
    };
    let parts = [&facts.chassis, &facts.arch, &facts.cpu, &cpus, &memory, &facts.kernel];
    parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(", ")
}

fn denied(facts: &Facts) -> String {
    match facts.denied_kinds.join(", ") {
        none if none.is_empty() => none,
        kinds => format!("{kinds} (by its owner, in agent.toml)"),
    }
}

fn paused(pause: &Pause) -> String {
    format!("on the device until {}: {}", moment(pause.until), pause.reason)
}

impl ImportArgs {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let text = if self.file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(&self.file)
        };
        let shown = self.file.display();
        let text = text.map_err(|error| Failure::new(format!("can't read {shown}")).because(error))?;
        let path = format!("/devices/import?dry_run={}", self.dry_run);
        let import: Import = api.send_text(Method::POST, &path, "text/csv", text).await?;
        for error in &import.errors {
            output::note(format!("{shown}:{}:{}: {}", error.line, error.column, error.message));
        }
        if !import.errors.is_empty() {
            return Err(Failure::new("nothing was imported").next("correct the file and import it again"));
        }
        if self.dry_run && self.output.is_table() {
            changes(&import)?;
        }
        let changes = import.new + import.changed > 0;
        self.output.one(&import, |import| {
            let people = match import.new_people {
                0 => String::new(),
                1 => ", 1 new person".to_owned(),
                people => format!(", {people} new people"),
            };
            output::line(format!(
                "{} new, {} changed, {} unchanged{people}{}",
                import.new,
                import.changed,
                import.unchanged,
                if self.dry_run { " (nothing was imported)" } else { "" }
            ))
        })?;
        if self.output.is_table() && !import.people.is_empty() {
            output::note(made(&import, self.dry_run));
        }
        import.removal.iter().for_each(removal::note);
        Ok(if self.dry_run && changes { Ending::Changes } else { Ending::Fine })
    }
}

/// Who is made a person because an owner's column names them: a typing error makes one too.
fn made(import: &Import, dry_run: bool) -> String {
    const NAMED: usize = 20;
    let names = import.people.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let all = usize::try_from(import.new_people).unwrap_or(usize::MAX);
    let more = match all.saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (people, owners, did) = match (import.new_people, dry_run) {
        (1, true) => ("1 person".to_owned(), "an owner", "would be"),
        (1, false) => ("1 person".to_owned(), "an owner", "was"),
        (people, true) => (format!("{people} people"), "owners", "would be"),
        (people, false) => (format!("{people} people"), "owners", "were"),
    };
    format!("{people} {did} added for {owners} not known before: {names}{more}")
}

/// What an import would make of each device, a line each.
fn changes(import: &Import) -> Result<(), Failure> {
    for change in &import.changes {
        let what = if change.new { "new" } else { "change" };
        output::line(format!("{what} {} ({}): {}", change.name, change.serial, change.fields.join(", ")))?;
    }
    let listed = u32::try_from(import.changes.len()).unwrap_or(u32::MAX);
    let more = (import.new + import.changed).saturating_sub(listed);
    if more > 0 {
        output::line(format!("and {more} more"))?;
    }
    Ok(())
}

impl ApproveArgs {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let asked = Approve { code: self.code, name: self.name };
        let device: View = api.post(&format!("{}/approve", path(&self.device)), &asked).await?;
        output::line(format!("{} is let in: it gets its certificate when it asks again.", device.name))?;
        Ok(Ending::Fine)
    }
}

impl Revoke {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let detail: DeviceDetail = api.get(&path(&self.device)).await?;
        let name = &detail.device.name;
        let about = format!(
            "{name} (serial {}) is revoked, and can't come back without enrolling again.",
            detail.device.serial
        );
        self.consent.ask(&about, "Go on?", "nothing was revoked")?;
        let device: View = api.act(&format!("/devices/{}/revoke", part(&detail.device.id))).await?;
        output::line(format!("{} is revoked.", device.name))?;
        Ok(Ending::Fine)
    }
}

impl AllowReenrollArgs {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let asked = AllowReenroll { seconds: Some(self.time.as_secs()) };
        let device: View = api.post(&format!("{}/allow-reenroll", path(&self.device)), &asked).await?;
        let detail: DeviceDetail = api.get(&format!("/devices/{}", part(&device.id))).await?;
        let until =
            detail.reenroll_until.map(|until| format!(" until {}", moment(until))).unwrap_or_default();
        output::line(format!("One new key may become {}{until}.", device.name))?;
        output::note(match device.owner {
            Some(owner) => format!(
                "It belongs to {owner}: make a token for it with muster token create --serial {}, or approve it",
                shell_word(&device.serial)
            ),
            None => "Any token that is good for its serial lets it in: muster token create".to_owned(),
        });
        Ok(Ending::Fine)
    }
}

impl Password {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let path = format!("{}/first-login-passwords/{}/reveal", path(&self.device), part(&self.account));
        let revealed: RevealedPassword = api.act(&path).await?;
        output::line(revealed.password)?;
        output::note(format!("Shown once. {} must change it at the first login.", revealed.account));
        Ok(Ending::Fine)
    }
}

fn path(device: &str) -> String {
    format!("/devices/{}", part(device))
}
