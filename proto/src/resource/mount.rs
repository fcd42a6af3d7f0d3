//! `mount`: a file system in the place of a directory.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{AbsolutePath, FileSystemType, MountOption, MountSource, unquoted};
use crate::condition::Condition;
use crate::id::Digest;

/// Types of file systems that come over the network. systemd waits for it before it mounts what is marked as such.
const NETWORK_TYPES: [&str; 11] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "9p",
    "afs",
];

/// Marks a mount as one that needs the network.
const NEEDS_NETWORK: &str = "_netdev";

/// Where the kernel or systemd itself mounts what it needs.
const OF_THE_SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// More options than one mount has.
const MOST_OPTIONS: usize = 64;

/// A file system that is mounted now and at every boot, by a unit of systemd's. Nothing is ever mounted over what is there: the
/// mount point is an empty directory, or is made, with those above it that are missing. Nobody but root may change any of the
/// directories on the way. With the end of the resource it is unmounted, unless it is in use, and the directories go that were
/// made for it. A mount that fails does not keep the device from booting.
///
/// ```yaml
/// - mount: { where: /srv/media, what: "nas.corp.example:/media", type: nfs4, options: [ro, nosuid] }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where, without links on the way. The unit is `/etc/systemd/system/<path>.mount`, as `systemd-escape --path` writes the
    /// path.
    #[serde(rename = "where")]
    pub place: AbsolutePath,
    /// What: a device, `UUID=...`, a directory for `type: bind`, `server:/export`, `//server/share`, or a word such as `tmpfs`.
    pub what: MountSource,
    /// The type of the file system. `bind` shows a directory in a second place.
    #[serde(rename = "type")]
    pub kind: FileSystemType,
    /// Options of mount(8), 64 at most: `[ro, nosuid]`. Types of the network get `_netdev`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<MountOption>,
}

impl Mount {
    /// The full name of the unit for a path, which systemd demands to be this one (systemd.unit(5), on escaping).
    pub fn unit(path: &str) -> String {
        let mut name = String::new();
        for (at, byte) in path.trim_start_matches('/').bytes().enumerate() {
            match byte {
                b'/' => name.push('-'),
                b'.' if at == 0 => name.push_str("\\x2e"),
                b if b.is_ascii_alphanumeric() || b":_.".contains(&b) => name.push(char::from(b)),
                b => name.push_str(&format!("\\x{b:02x}")),
            }
        }
        format!("{name}.mount")
    }

    /// The file of the unit.
    pub fn file(path: &str) -> String {
        format!("/etc/systemd/system/{}", Self::unit(path))
    }

    /// Whether it comes over the network.
    pub fn needs_network(&self) -> bool {
        NETWORK_TYPES.contains(&self.kind.as_str()) || self.has(NEEDS_NETWORK)
    }

    /// Whether it is mounted with this option.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|other| other.as_str() == option)
    }

    /// Whether it shows a directory of this device.
    pub fn is_bind(&self) -> bool {
        self.kind.as_str() == "bind" || self.has("bind") || self.has("rbind")
    }

    /// The unit as systemd.mount(5) has it.
    pub fn rendered(&self) -> String {
        let literal = |text: &str| text.replace('%', "%%");
        let mut options: Vec<&str> = self.options.iter().map(MountOption::as_str).collect();
        // `bind` is no file system to the kernel, but a way to mount one.
        let kind = if self.is_bind() { "none" } else { self.kind.as_str() };
        if self.is_bind() && !self.has("bind") && !self.has("rbind") {
            options.push("bind");
        }
        if self.needs_network() && !self.has(NEEDS_NETWORK) {
            options.push(NEEDS_NETWORK);
        }
        let place = self.place.as_str();
        let mut text = format!(
            "# Managed by Muster: mount:{place}\n[Unit]\nDescription=Muster mount {0}\n\n[Mount]\nWhat={1}\nWhere={0}\nType={kind}\n",
            literal(place),
            literal(self.what.as_str()),
        );
        if !options.is_empty() {
            text.push_str(&format!("Options={}\n", literal(&options.join(","))));
        }
        let target = if self.needs_network() { "remote-fs.target" } else { "local-fs.target" };
        text.push_str(&format!("\n[Install]\nWantedBy={target}\n"));
        text
    }

    /// The digest of the unit, and that it is mounted now and at every boot.
    pub fn desired(&self) -> Condition {
        Condition::present([
            ("unit", Digest::of(self.rendered().as_bytes()).to_string().into()),
            ("enabled", true.into()),
            ("mounted", true.into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        let wrong =
            |field: &str, message: String| Err(InvalidResource::new(format!("/mount/{field}"), message));
        let place = self.place.as_str();
        let is_below = |above: &str| {
            place.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(system) = OF_THE_SYSTEM.iter().find(|system| is_below(system)) {
            return wrong("where", format!("{system} and what is below it is mounted by the system itself"));
        }
        if !unquoted(place) || Self::unit(place).len() > 255 {
            let message = "a mount point has no blanks, quotes or \\ in it, and at most 255 bytes as the name of a unit";
            return wrong("where", message.to_owned());
        }
        if self.is_bind() && AbsolutePath::parse(self.what.as_str()).is_err() {
            return wrong("what", "a bind mount shows a directory: give its absolute path".to_owned());
        }
        if self.options.len() > MOST_OPTIONS {
            return wrong("options", format!("more than {MOST_OPTIONS} options"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mount(place: &str, what: &str, kind: &str, options: &[&str]) -> Mount {
        let fields = json!({"where": place, "what": what, "type": kind, "options": options});
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn the_name_of_a_unit_is_its_path_as_systemd_escapes_it() {
        for (path, unit) in [
            ("/srv/data", "srv-data.mount"),
            ("/srv/my-data", "srv-my\\x2ddata.mount"),
            ("/.hidden/.x", "\\x2ehidden-.x.mount"),
            ("/srv/a_b:c@d", "srv-a_b:c\\x40d.mount"),
            ("/srv/\u{e4}%n", "srv-\\xc3\\xa4\\x25n.mount"),
        ] {
            assert_eq!(Mount::unit(path), unit);
        }
    }

    #[test]
    fn a_mount_from_the_network_waits_for_it_and_no_percent_sign_is_replaced() {
        let nfs = mount("/srv/100%", "files:/export/100%", "nfs", &["ro", "nosuid"]);
        nfs.validate().unwrap();
        assert!(
            nfs.rendered().ends_with(
                "[Mount]\nWhat=files:/export/100%%\nWhere=/srv/100%%\nType=nfs\nOptions=ro,nosuid,_netdev\n\n[Install]\nWantedBy=remote-fs.target\n"
            ),
            "{}",
            nfs.rendered()
        );
        let scratch = mount("/srv/scratch", "tmpfs", "tmpfs", &[]);
        assert!(scratch.rendered().ends_with("Type=tmpfs\n\n[Install]\nWantedBy=local-fs.target\n"));
    }

    #[test]
    fn a_directory_is_shown_in_a_second_place() {
        let bind = mount("/srv/site", "/var/www", "bind", &["ro"]);
        assert!(bind.rendered().contains("\nType=none\nOptions=ro,bind\n"), "{}", bind.rendered());
        let relative = mount("/srv/site", "www", "bind", &[]);
        assert!(relative.validate().unwrap_err().message.contains("absolute path"));
    }

    #[test]
    fn nothing_is_mounted_where_the_system_mounts_what_it_needs() {
        for place in ["/proc", "/sys/fs/x", "/dev/shm", "/srv/a b", "/srv/\"x", "/srv/a\\b"] {
            let mount = mount(place, "tmpfs", "tmpfs", &[]);
            assert!(mount.validate().is_err(), "{place}");
        }
        mount("/process", "tmpfs", "tmpfs", &[]).validate().unwrap();
    }
}
