//! The kinds of resource: one file each, with its shape, what it asks for as a [`Condition`], and the bytes it renders.
//!
//! A resource is read from raw JSON one at a time. What this reader does not know, be it a kind or a field of a kind,
//! makes that one resource [`Body::Unsupported`]; it keeps its id, so that its claim on the device stands.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::value::MapDeserializer;
use serde_json::Value;

use crate::condition::Condition;
use crate::id::{Digest, ResourceId};
use crate::template::Names;
use crate::text::one_line;

pub mod account;
pub mod archive;
pub mod browser_policy;
pub mod certificate;
pub mod dconf;
mod declared;
pub mod directory;
pub mod file;
pub mod firewall;
pub mod group;
pub mod hostname;
pub mod hosts_entry;
pub mod kernel_module;
pub mod line;
pub mod link;
pub mod locale;
pub mod login_rule;
pub mod mount;
pub mod network;
pub mod package;
pub mod proxy;
pub mod repository;
pub mod script;
pub mod service;
pub mod ssh_server;
pub mod sudo;
pub mod sysctl;
pub mod time;
pub mod timer;
pub mod updates;
pub mod value;
mod writes_to;

pub(crate) use declared::pointer;
use declared::single;
pub use declared::{Body, Common, Declared, InvalidResource, OnRemoval};

/// One thing that should be so on a device, of a kind that this reader knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// A certificate that the device trusts.
    Certificate(certificate::Certificate),
    /// The way to the web.
    Proxy(proxy::Proxy),
    /// A package repository.
    Repository(repository::Repository),
    /// A software package.
    Package(package::Package),
    /// A group of accounts.
    Group(group::Group),
    /// An account.
    Account(account::Account),
    /// A sudo rule.
    Sudo(sudo::Sudo),
    /// A directory.
    Directory(directory::Directory),
    /// A tree of files from an artifact.
    Archive(archive::Archive),
    /// A regular file.
    File(file::File),
    /// A line of a file.
    Line(line::Line),
    /// A symbolic link.
    Link(link::Link),
    /// What a browser is told.
    BrowserPolicy(browser_policy::BrowserPolicy),
    /// Settings of the desktop.
    Dconf(dconf::Dconf),
    /// A line of `/etc/hosts`.
    HostsEntry(hosts_entry::HostsEntry),
    /// The device's own name.
    Hostname(hostname::Hostname),
    /// A module of the kernel.
    KernelModule(kernel_module::KernelModule),
    /// A setting of the running kernel.
    Sysctl(sysctl::Sysctl),
    /// The time zone, and where the device gets its time.
    Time(time::Time),
    /// The language of the device.
    Locale(locale::Locale),
    /// A file system in the place of a directory.
    Mount(mount::Mount),
    /// A program that runs at set times.
    Timer(timer::Timer),
    /// A systemd unit.
    Service(service::Service),
    /// A program that runs once.
    Script(script::Script),
    /// How an interface gets its addresses.
    Network(network::Network),
    /// Who may log in from where.
    LoginRule(login_rule::LoginRule),
    /// Settings of the SSH server.
    SshServer(ssh_server::SshServer),
    /// Who may reach the device.
    Firewall(firewall::Firewall),
    /// Newer versions of what is installed.
    Updates(updates::Updates),
}

/// The kinds by their names in documents, in the order in which they are applied: what comes later may need what
/// comes before. Removal goes the other way round.
pub const KINDS: [&str; 29] = [
    "certificate",
    "proxy",
    "repository",
    "package",
    "group",
    "account",
    "mount",
    "directory",
    "archive",
    "file",
    "link",
    "line",
    "sudo",
    "browser_policy",
    "dconf",
    "hosts_entry",
    "hostname",
    "kernel_module",
    "sysctl",
    "time",
    "locale",
    "timer",
    "service",
    "script",
    "login_rule",
    "ssh_server",
    "network",
    "firewall",
    "updates",
];

impl Resource {
    /// The kind's name, as in documents.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Proxy(_) => "proxy",
            Self::Repository(_) => "repository",
            Self::Package(_) => "package",
            Self::Group(_) => "group",
            Self::Account(_) => "account",
            Self::Sudo(_) => "sudo",
            Self::Directory(_) => "directory",
            Self::Archive(_) => "archive",
            Self::File(_) => "file",
            Self::Link(_) => "link",
            Self::Line(_) => "line",
            Self::BrowserPolicy(_) => "browser_policy",
            Self::Dconf(_) => "dconf",
            Self::HostsEntry(_) => "hosts_entry",
            Self::Hostname(_) => "hostname",
            Self::KernelModule(_) => "kernel_module",
            Self::Sysctl(_) => "sysctl",
            Self::Time(_) => "time",
            Self::Locale(_) => "locale",
            Self::Mount(_) => "mount",
            Self::Timer(_) => "timer",
            Self::Service(_) => "service",
            Self::Script(_) => "script",
            Self::Network(_) => "network",
            Self::LoginRule(_) => "login_rule",
            Self::SshServer(_) => "ssh_server",
            Self::Firewall(_) => "firewall",
            Self::Updates(_) => "updates",
        }
    }

    /// The kind and key.
    pub fn id(&self) -> ResourceId {
        let key = match self {
            Self::Certificate(r) => r.name.as_str(),
            Self::Proxy(_) => proxy::KEY,
            Self::Repository(r) => r.name.as_str(),
            Self::Package(r) => r.name.as_str(),
            Self::Group(r) => r.name.as_str(),
            Self::Account(r) => return ResourceId::new(self.kind(), &r.key()),
            Self::Line(r) => return ResourceId::new(self.kind(), &r.key()),
            Self::HostsEntry(r) => return ResourceId::new(self.kind(), &r.key()),
            Self::KernelModule(r) => return ResourceId::new(self.kind(), &r.key()),
            Self::Sudo(r) => r.name.as_str(),
            Self::Directory(r) => r.path.as_str(),
            Self::Archive(r) => r.path.as_str(),
            Self::File(r) => r.path.as_str(),
            Self::Link(r) => r.path.as_str(),
            Self::BrowserPolicy(r) => r.browser.name(),
            Self::Dconf(r) => r.name.as_str(),
            Self::Hostname(_) => hostname::KEY,
            Self::Sysctl(r) => r.name.as_str(),
            Self::Time(_) => time::KEY,
            Self::Locale(_) => locale::KEY,
            Self::Mount(r) => r.place.as_str(),
            Self::Timer(r) => r.name.as_str(),
            Self::Service(r) => r.key(),
            Self::Script(r) => r.name.as_str(),
            Self::Network(r) => r.name.as_str(),
            Self::LoginRule(r) => r.name.as_str(),
            Self::SshServer(r) => r.name.as_str(),
            Self::Firewall(_) => firewall::KEY,
            Self::Updates(_) => updates::KEY,
        };
        ResourceId::new(self.kind(), key)
    }

    /// What the device should find at this resource.
    pub fn desired(&self) -> Condition {
        match self {
            Self::Certificate(r) => r.desired(),
            Self::Proxy(r) => r.desired(),
            Self::Repository(r) => r.desired(),
            Self::Package(r) => r.desired(),
            Self::Group(r) => r.desired(),
            Self::Account(r) => r.desired(),
            Self::Sudo(r) => r.desired(),
            Self::Directory(r) => r.desired(),
            Self::Archive(r) => r.desired(),
            Self::File(r) => r.desired(),
            Self::Link(r) => r.desired(),
            Self::Line(r) => r.desired(),
            Self::BrowserPolicy(r) => r.desired(),
            Self::Dconf(r) => r.desired(),
            Self::HostsEntry(r) => r.desired(),
            Self::Hostname(r) => r.desired(),
            Self::KernelModule(r) => r.desired(),
            Self::Sysctl(r) => r.desired(),
            Self::Time(r) => r.desired(),
            Self::Locale(r) => r.desired(),
            Self::Mount(r) => r.desired(),
            Self::Timer(r) => r.desired(),
            Self::Service(r) => r.desired(),
            Self::Script(r) => r.desired(),
            Self::Network(r) => r.desired(),
            Self::LoginRule(r) => r.desired(),
            Self::SshServer(r) => r.desired(),
            Self::Firewall(r) => r.desired(),
            Self::Updates(r) => r.desired(),
        }
    }

    /// What the device should find once the resource's `not_after` has passed; `None` when that is simply what was
    /// there before Muster.
    pub fn ended(&self) -> Option<Condition> {
        match self {
            Self::Account(r) => Some(r.ended()),
            Self::LoginRule(r) => Some(r.ended()),
            _ => None,
        }
    }

    /// The bytes behind an attribute that stands as a digest in [`Resource::desired`].
    pub fn content(&self, attribute: &str) -> Option<Vec<u8>> {
        match (self, attribute) {
            (Self::Proxy(r), "services") => Some(r.for_services().into_bytes()),
            (Self::Proxy(r), "logins") => Some(r.for_logins().into_bytes()),
            (Self::Proxy(r), "sessions") => Some(r.for_sessions().into_bytes()),
            (Self::Proxy(r), "apt") => Some(r.for_apt().into_bytes()),
            (Self::Repository(r), "sources") => r.sources().map(String::into_bytes),
            (Self::Repository(r), "repo") => r.repo().map(String::into_bytes),
            (Self::Repository(r), "key" | "rpm_key") => Some(r.key.clone().into_bytes()),
            (Self::Sudo(r), "content") => Some(r.rendered().into_bytes()),
            (Self::File(r), "content") => r.bytes().map(Cow::into_owned),
            (Self::Certificate(r), "file") => r.rendered().map(String::into_bytes),
            (Self::BrowserPolicy(r), "file") => Some(r.rendered().into_bytes()),
            (Self::Dconf(r), "file") => Some(r.rendered().into_bytes()),
            (Self::Dconf(r), "locks") => r.rendered_locks().map(String::into_bytes),
            (Self::Hostname(r), "file") => r.rendered().map(String::into_bytes),
            (Self::KernelModule(r), "modprobe") => Some(r.blocking().into_bytes()),
            (Self::KernelModule(r), "modules_load") => Some(r.loading().into_bytes()),
            (Self::Sysctl(r), "file") => Some(r.rendered().into_bytes()),
            (Self::Time(r), "timezone") => r.timezone().map(String::into_bytes),
            (Self::Time(r), "servers") => r.rendered().map(String::into_bytes),
            (Self::Locale(r), "file") => Some(r.rendered().into_bytes()),
            (Self::Mount(r), "unit") => Some(r.rendered().into_bytes()),
            (Self::Timer(r), "timer") => Some(r.rendered_timer().into_bytes()),
            (Self::Timer(r), "service") => Some(r.rendered_service().into_bytes()),
            (Self::Network(r), "file") if !r.is_of_network_manager() => Some(r.rendered().into_bytes()),
            (Self::Network(r), "keyfile") if r.is_of_network_manager() => Some(r.keyfile().into_bytes()),
            (Self::Network(r), "netdev") => r.netdev().map(String::into_bytes),
            (Self::LoginRule(r), "lets_in") => Some(r.lets_in().into_bytes()),
            (Self::LoginRule(r), "keeps_out") => Some(r.keeps_out().into_bytes()),
            (Self::SshServer(r), "file") => Some(r.rendered().into_bytes()),
            (Self::Firewall(r), "file" | "table") => Some(r.rendered().into_bytes()),
            _ => None,
        }
    }

    /// The text that has to be filled in before this can be applied.
    pub fn template(&self) -> Option<&str> {
        match self {
            Self::File(r) => r.template.as_deref(),
            Self::Hostname(r) => r.template.as_deref(),
            _ => None,
        }
    }

    /// Fills the template in, if there is one; the error says why it can't be.
    pub(crate) fn filled(&self, names: &Names) -> Result<Self, String> {
        match self {
            Self::File(r) => r.bind(names).map(Self::File).map_err(|error| error.to_string()),
            Self::Hostname(r) => r.bind(names).map(Self::Hostname),
            other => Ok(other.clone()),
        }
    }

    /// The artifacts that a device needs to apply this, each with where it is to be had when that is not the server.
    pub fn artifacts(&self) -> Vec<(Digest, Option<&value::HttpsUrl>)> {
        match self {
            Self::Archive(r) => vec![(r.artifact, r.url.as_ref())],
            Self::Package(r) => r.artifact.map(|artifact| (artifact, r.url.as_ref())).into_iter().collect(),
            _ => vec![],
        }
    }

    /// Resources whose change a service has to read.
    pub fn restart_on(&self) -> &[ResourceId] {
        match self {
            Self::Service(r) => &r.restart_on,
            _ => &[],
        }
    }

    fn parse<'f>(
        kind: &str,
        fields: impl Iterator<Item = (&'f str, &'f Value)>,
    ) -> Option<Result<Self, serde_path_to_error::Error<serde_json::Error>>> {
        fn read<'f, T: serde::Deserialize<'f>>(
            fields: impl Iterator<Item = (&'f str, &'f Value)>,
            into: fn(T) -> Resource,
        ) -> Result<Resource, serde_path_to_error::Error<serde_json::Error>> {
            serde_path_to_error::deserialize(MapDeserializer::new(fields)).map(into)
        }
        Some(match kind {
            "certificate" => read(fields, Self::Certificate),
            "proxy" => read(fields, Self::Proxy),
            "repository" => read(fields, Self::Repository),
            "package" => read(fields, Self::Package),
            "group" => read(fields, Self::Group),
            "account" => read(fields, Self::Account),
            "sudo" => read(fields, Self::Sudo),
            "directory" => read(fields, Self::Directory),
            "archive" => read(fields, Self::Archive),
            "file" => read(fields, Self::File),
            "line" => read(fields, Self::Line),
            "link" => read(fields, Self::Link),
            "browser_policy" => read(fields, Self::BrowserPolicy),
            "dconf" => read(fields, Self::Dconf),
            "hosts_entry" => read(fields, Self::HostsEntry),
            "hostname" => read(fields, Self::Hostname),
            "kernel_module" => read(fields, Self::KernelModule),
            "sysctl" => read(fields, Self::Sysctl),
            "time" => read(fields, Self::Time),
            "locale" => read(fields, Self::Locale),
            "mount" => read(fields, Self::Mount),
            "timer" => read(fields, Self::Timer),
            "service" => read(fields, Self::Service),
            "script" => read(fields, Self::Script),
            "network" => read(fields, Self::Network),
            "login_rule" => read(fields, Self::LoginRule),
            "ssh_server" => read(fields, Self::SshServer),
            "firewall" => read(fields, Self::Firewall),
            "updates" => read(fields, Self::Updates),
            _ => return None,
        })
    }

    /// Rules between fields that a type cannot hold.
    pub(crate) fn validate(&self) -> Result<(), InvalidResource> {
        match self {
            Self::Certificate(r) => r.validate(),
            Self::Group(r) => r.validate(),
            Self::Service(r) => r.validate(),
            Self::Script(r) => r.validate(),
            Self::Account(r) => r.validate(),
            Self::File(r) => r.validate(),
            Self::Archive(r) => r.validate(),
            Self::Proxy(r) => r.validate(),
            Self::Repository(r) => r.validate(),
            Self::Link(r) => r.validate(),
            Self::Line(r) => r.validate(),
            Self::Sudo(r) => r.validate(),
            Self::BrowserPolicy(r) => r.validate(),
            Self::Dconf(r) => r.validate(),
            Self::HostsEntry(r) => r.validate(),
            Self::Hostname(r) => r.validate(),
            Self::Sysctl(r) => r.validate(),
            Self::Time(r) => r.validate(),
            Self::Locale(r) => r.validate(),
            Self::Mount(r) => r.validate(),
            Self::Timer(r) => r.validate(),
            Self::Network(r) => r.validate(),
            Self::LoginRule(r) => r.validate(),
            Self::SshServer(r) => r.validate(),
            Self::Firewall(r) => r.validate(),
            Self::Updates(r) => r.validate(),
            Self::Package(r) => r.validate(),
            Self::Directory(_) | Self::KernelModule(_) => Ok(()),
        }
    }
}

/// The id that an entry claims although it can't be read: that of its kind's own key where it has one.
fn claimed_id(entry: &Value) -> ResourceId {
    /// Longer than any key that this reader accepts.
    const MAX_KEY: usize = 4096;
    let (kind, fields) = single(entry).unwrap_or(("unknown", entry));
    let text = |field: &str| fields.get(field)?.as_str().filter(|t| t.len() <= MAX_KEY && one_line(t));
    let key = match kind {
        "directory" | "archive" | "file" | "link" => text("path").map(str::to_owned),
        "account" => {
            let whose = || text("for").or_else(|| text("from")).map(|whose| format!("@{whose}"));
            text("name").map(str::to_owned).or_else(whose)
        }
        "service" => text("name").map(|name| service::key(name).to_owned()),
        "line" => {
            let first = fields.get("match").and_then(|beginnings| beginnings.get(0));
            let named = first.or_else(|| fields.get("line")).and_then(Value::as_str);
            let named = named.filter(|named| value::LineText::parse(named).is_ok());
            text("path").zip(named).map(|(path, named)| line::key(path, named))
        }
        "hosts_entry" => text("address").map(hosts_entry::key),
        "hostname" => Some(hostname::KEY.to_owned()),
        "proxy" => Some(proxy::KEY.to_owned()),
        "firewall" => Some(firewall::KEY.to_owned()),
        "updates" => Some(updates::KEY.to_owned()),
        "browser_policy" => text("browser").map(str::to_owned),
        "kernel_module" => text("name").map(kernel_module::key),
        "time" => Some(time::KEY.to_owned()),
        "locale" => Some(locale::KEY.to_owned()),
        "mount" => text("where").map(str::to_owned),
        _ => ["name", "path", "key", "id"].iter().find_map(|field| text(field)).map(str::to_owned),
    };
    // Without a recognisable key the digest of its bytes is as stable a name as there is.
    let key = key.unwrap_or_else(|| Digest::of(entry.to_string().as_bytes()).to_string());
    let word = (1..=63).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    ResourceId::new(if word { kind } else { "unknown" }, &key)
}
