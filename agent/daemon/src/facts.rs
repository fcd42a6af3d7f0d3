//! What the device says of itself: facts for `when`, and the claims that go with an enrollment.

use std::fs;

use muster_proto::enrollment::EnrollmentClaims;
use muster_proto::serial;
use muster_proto::when::Facts;

use crate::config::Config;

/// What systemd starts at boot where NetworkManager is enabled.
const NETWORK_MANAGER: &str = "/etc/systemd/system/multi-user.target.wants/NetworkManager.service";

/// More kinds than there are.
const MAX_DENIED: usize = 64;

/// Reads the facts. What can't be read stays empty, and then no `when` that asks for it holds.
pub(crate) fn read(config: &Config) -> Facts {
    let os_release = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let uname = rustix::system::uname();
    Facts {
        os: field(&os_release, "ID"),
        os_version: field(&os_release, "VERSION_ID"),
        os_name: field(&os_release, "PRETTY_NAME"),
        chassis: chassis(&trimmed("/sys/class/dmi/id/chassis_type"), virtualization()).to_owned(),
        arch: uname.machine().to_string_lossy().into_owned(),
        kernel: uname.release().to_string_lossy().into_owned(),
        hostname: uname.nodename().to_string_lossy().into_owned(),
        cpu: cpu_model(),
        cpus: std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        memory: memory(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        network_manager: fs::symlink_metadata(NETWORK_MANAGER).is_ok(),
        denied_kinds: config.deny_kinds.iter().take(MAX_DENIED).cloned().collect(),
    }
}

/// What a machine says of itself before it is enrolled.
pub(crate) fn claims(config: &Config) -> EnrollmentClaims {
    let model =
        format!("{} {}", trimmed("/sys/class/dmi/id/sys_vendor"), trimmed("/sys/class/dmi/id/product_name"));
    let hardware_uuid = trimmed("/sys/class/dmi/id/product_uuid");
    let firmware = || serial::known_by(&trimmed("/sys/class/dmi/id/product_serial"), &hardware_uuid);
    EnrollmentClaims {
        serial: config.serial.clone().unwrap_or_else(firmware),
        hardware_uuid,
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        model: model.trim().to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn trimmed(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// A field of os-release(5), without its quotes.
fn field(os_release: &str, name: &str) -> String {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim_matches(['"', '\'']).to_owned())
        .unwrap_or_default()
}

/// Whether the machine is a container or a virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Virtualization {
    None,
    Container,
    Machine,
}

fn virtualization() -> Virtualization {
    if std::path::Path::new("/run/systemd/container").exists() {
        return Virtualization::Container;
    }
    let hypervisor = fs::read_to_string("/proc/cpuinfo").is_ok_and(|info| {
        info.lines()
            .any(|line| line.starts_with("flags") && line.split_whitespace().any(|flag| flag == "hypervisor"))
    });
    if hypervisor { Virtualization::Machine } else { Virtualization::None }
}

/// The form of the machine by its SMBIOS chassis type (DMTF DSP0134, 7.4.1), as systemd's hostnamed tells them apart.
fn chassis(smbios_type: &str, virtualization: Virtualization) -> &'static str {
    match (virtualization, smbios_type.parse::<u8>().unwrap_or(0)) {
        (Virtualization::Container, _) => "container",
        (Virtualization::Machine, _) => "vm",
        (_, 0x08 | 0x09 | 0x0a | 0x0e | 0x1f | 0x20) => "laptop",
        (_, 0x03..=0x07 | 0x0d | 0x18 | 0x23 | 0x24) => "desktop",
        (_, 0x11 | 0x1c | 0x1d) => "server",
        _ => "",
    }
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map(|(_, name)| name.trim().to_owned()).unwrap_or_default()
}

fn memory() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_read_with_and_without_quotes() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n";
        assert_eq!(field(text, "ID"), "debian");
        assert_eq!(field(text, "VERSION_ID"), "12");
        assert_eq!(field(text, "VARIANT"), "");
    }

    #[test]
    fn a_notebook_is_a_laptop_unless_it_is_virtual() {
        assert_eq!(chassis("10", Virtualization::None), "laptop");
        assert_eq!(chassis("10", Virtualization::Container), "container");
        assert_eq!(chassis("", Virtualization::None), "");
    }
}
