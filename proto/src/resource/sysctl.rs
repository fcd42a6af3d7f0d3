//! `sysctl`: one setting of the running kernel, now and after every boot.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{SettingValue, SysctlName};
use crate::condition::Condition;
use crate::id::Digest;

/// Keys that hold secrets of a machine, by their last part. What a key has is told to whoever plans a profile.
const SECRETS: [&str; 2] = ["stable_secret", "tcp_fastopen_key"];

/// A setting of the kernel, as sysctl(8) and sysctl.d(5) know it: written to `/proc/sys` at once, and to a file of its own
/// for every boot. A key that the running kernel does not have is an error, and then nothing is written. What was set
/// before comes back with the end of the resource; a setting that the kernel only takes one way, such as
/// `kernel.modules_disabled`, stays until the next boot, and the device says so.
///
/// ```yaml
/// - sysctl: { name: net.ipv4.ip_forward, value: 0 }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// The key with dots, such as `net.ipv4.ip_forward`. A dot inside a name, as that of a network interface, is written
    /// as `/`: `net.ipv4.conf.eth0/100.rp_filter`. The file is `/etc/sysctl.d/90-muster-<name>.conf`, with `,` for `/`.
    pub name: SysctlName,
    /// Its value, in the kernel's own unit for that key. Where the kernel lists several numbers, they are separated by
    /// blanks, of which the number does not matter.
    pub value: SettingValue,
}

impl Sysctl {
    /// Where the value is kept for the next boot. 90 is the last of what sysctl.d(5) leaves to the owner of a machine, so
    /// that few other files undo what stands in this one.
    pub fn file(name: &str) -> String {
        // A file's name can't hold a slash, and a key's no comma.
        format!("/etc/sysctl.d/90-muster-{}.conf", name.replace('/', ","))
    }

    /// Where the running kernel has the key: dots and slashes change places.
    pub fn running(name: &str) -> String {
        let swap = |c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        format!("/proc/sys/{}", name.chars().map(swap).collect::<String>())
    }

    /// A value with one blank between its parts: the kernel writes tabs where people write blanks.
    pub fn spaced(value: &str) -> String {
        value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The file as sysctl.d(5) has it.
    pub fn rendered(&self) -> String {
        format!("# Managed by Muster: sysctl:{0}\n{0} = {1}\n", self.name, Self::spaced(self.value.as_str()))
    }

    /// The running value, and the digest of the file.
    pub fn desired(&self) -> Condition {
        Condition::present([
            ("value", Self::spaced(self.value.as_str()).into()),
            ("file", Digest::of(self.rendered().as_bytes()).to_string().into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.name.as_str().rsplit('.').next().is_some_and(|last| SECRETS.contains(&last)) {
            return Err(InvalidResource::new(
                "/sysctl/name",
                "this key holds a secret of each device: it is neither written in a profile nor shown",
            ));
        }
        Ok(())
    }
}
