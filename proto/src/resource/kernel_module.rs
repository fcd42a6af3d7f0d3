//! `kernel_module`: a module of the kernel that is loaded, or that nothing may load.

use serde::{Deserialize, Serialize};

use super::value::ModuleName;
use crate::condition::{Condition, NO_FILE};
use crate::id::Digest;

/// A module of the kernel, now and after every boot. Nothing is forced: a module in use stays loaded until its users end or
/// the device boots, and the device says so; one that is built into the kernel can be loaded but not blocked.
///
/// ```yaml
/// - kernel_module: { name: usb_storage, state: blocked }
/// - kernel_module: { name: br_netfilter, state: loaded }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KernelModule {
    /// The module's name, without path and `.ko`. As to the kernel, `-` and `_` are the same.
    pub name: ModuleName,
    /// Whether it should be loaded (`/etc/modules-load.d/muster-<name>.conf`, modules-load.d(5)) or kept from being loaded
    /// by anything (`/etc/modprobe.d/muster-<name>.conf`, modprobe.d(5)).
    pub state: ModuleState,
}

/// What should be of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModuleState {
    /// It is loaded.
    Loaded,
    /// It is not, and nothing loads it.
    Blocked,
}

impl KernelModule {
    /// What keeps it from being loaded.
    pub fn modprobe_path(key: &str) -> String {
        format!("/etc/modprobe.d/muster-{key}.conf")
    }

    /// What has it loaded at boot.
    pub fn modules_load_path(key: &str) -> String {
        format!("/etc/modules-load.d/muster-{key}.conf")
    }

    /// The name as the kernel lists it, so that one module has one name.
    pub(super) fn key(&self) -> String {
        key(self.name.as_str())
    }

    /// The file for modprobe. `blacklist` alone keeps a module from being found by its hardware and not from being asked for
    /// by name, or by another module that needs it.
    pub fn blocking(&self) -> String {
        let key = self.key();
        format!("# Managed by Muster: kernel_module:{key}\nblacklist {key}\ninstall {key} /bin/false\n")
    }

    /// The file for systemd-modules-load.
    pub fn loading(&self) -> String {
        let key = self.key();
        format!("# Managed by Muster: kernel_module:{key}\n{key}\n")
    }

    /// Loaded or not, with the digest of the one file and the word for no file for the other.
    pub fn desired(&self) -> Condition {
        let digest = |text: String| Digest::of(text.as_bytes()).to_string();
        let (modprobe, modules_load, loaded) = match self.state {
            ModuleState::Loaded => (NO_FILE.to_owned(), digest(self.loading()), true),
            ModuleState::Blocked => (digest(self.blocking()), NO_FILE.to_owned(), false),
        };
        Condition::present([
            ("modprobe", modprobe.into()),
            ("modules_load", modules_load.into()),
            ("loaded", loaded.into()),
        ])
    }
}

/// A module's name as the kernel lists it.
pub fn key(name: &str) -> String {
    name.replace('-', "_")
}
