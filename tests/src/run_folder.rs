//! The folder that holds the files of one test network while it lives, and what has to be gone after it.
//!
//! It lies on disk, not in memory, so that `fsync` on a device costs what it costs on a device.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Where build results, the base image and the repositories are kept, outside the checkout.
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("MUSTER_CACHE").map_or_else(|| PathBuf::from("/var/cache/muster"), PathBuf::from)
}

/// A new folder under the cache, named after its random end, which also names its control groups.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Held for as long as the network lives, so that the image is not replaced below running devices.
    _image_in_use: File,
}

impl RunFolder {
    /// Makes the folder; the holder process of the network removes it.
    pub(crate) fn create() -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "system tests boot real devices and need root: run them as root on Debian 12 (`make test`)"
        );
        let cache = cache();
        ensure!(base_image().is_dir(), "{} is missing: run `make image` to build it", base_image().display());
        let lock_path = cache.join("base.lock");
        let lock = File::open(&lock_path).with_context(|| format!("opening {}", lock_path.display()))?;
        lock.lock_shared().with_context(|| format!("locking {}", lock_path.display()))?;
        let runs = cache.join("run");
        fs::create_dir_all(&runs).with_context(|| format!("making {}", runs.display()))?;
        let path = tempfile::Builder::new()
            .prefix("net-")
            .tempdir_in(&runs)
            .with_context(|| format!("making a folder in {}", runs.display()))?
            .keep();
        Ok(Self { path, _image_in_use: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The control group folders that hold this network's devices: one per hierarchy that systemd uses.
    pub(crate) fn control_groups(&self) -> Vec<PathBuf> {
        let name = self.path.file_name().expect("a folder made by tempfile has a name").to_string_lossy();
        let root = Path::new("/sys/fs/cgroup");
        // On a host with only the unified hierarchy the root is itself a group; otherwise each is a folder in it.
        let hierarchies = if root.join("cgroup.controllers").exists() {
            vec![root.to_owned()]
        } else {
            vec![root.join("systemd"), root.join("unified")]
        };
        hierarchies
            .into_iter()
            .filter(|hierarchy| hierarchy.is_dir())
            .map(|hierarchy| hierarchy.join(format!("muster-{name}")))
            .collect()
    }
}

/// The Debian root file system below every device.
pub(crate) fn base_image() -> PathBuf {
    cache().join("base-bookworm")
}
