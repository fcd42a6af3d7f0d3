//! Power that goes while a disk is written to: what was not synced by then is gone.
//!
//! The disk is ext4 in a file. The kernel shuts it down in the midst of all that it has to do, without a last word to its
//! journal, and what the journal has is what comes back.

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::command::Output;
use crate::device::Device;
use crate::wait::wait_until;

const STEP: Duration = Duration::from_secs(60);

/// Room for all that the tests put on a device, in MiB; the file takes as much of this host as is written.
const SIZE: &str = "1024";

/// Nothing is written that nobody asked to be: neither the journal every five seconds, nor a new file that was only renamed.
const OPTIONS: &str = "loop,commit=600,noauto_da_alloc";

/// Moves what a device has written to an ext4 of its own, which is mounted where that was.
const OWN_DISK: &str = r#"set -e
    umount "$1/root"; truncate -s "$2"M "$1.disk"; mkfs.ext4 -q -m 0 "$1.disk"
    mkdir "$1.new"; mount -o "$3" "$1.disk" "$1.new"; mkdir "$1.new/work" "$1.new/root"
    cp -a "$1/upper" "$1.new/"; umount "$1.new"; rmdir "$1.new"
    mount -o "$3" "$1.disk" "$1""#;

/// `FS_IOC_SHUTDOWN` with `NOLOGFLUSH` (linux/ext4.h).
const CUT: &str = "import fcntl, os, sys; \
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, (2).to_bytes(4, sys.byteorder))";

/// Lets go of a disk that was shut down, and mounts it again once the kernel has let go too: before, it would be the same as it was.
const AGAIN: &str = r#"
    for place in "$1/root" "$1"; do
        ! grep -q " $place " /proc/self/mounts || umount "$place" || exit 1
    done
    held=$(losetup --associated "$1.disk")
    [ -z "$held" ] || { echo "the kernel still has $held" >&2; exit 1; }
    mount -o "$2" "$1.disk" "$1""#;

impl Device<'_> {
    /// Gives a device that is off a disk of its own, with all that it has, so that [`Device::cut_power`] can be asked for. It has to be the
    /// only one on its network: what starts there afterwards holds the disk in a corner of its own root.
    pub fn move_to_own_disk(&self) -> Result<()> {
        ensure!(!self.is_on(), "{} is on", self.name());
        self.on_disk(OWN_DISK, &[SIZE, OPTIONS])?;
        self.mount()
    }

    /// Cuts the power of a device with a disk of its own, and of the disk. The device is off then, and its disk as the next boot finds it.
    pub fn cut_power(&mut self) -> Result<()> {
        let folder = self.folder();
        let argv = ["/usr/bin/python3".as_ref(), "-c".as_ref(), CUT.as_ref(), folder.as_os_str()];
        self.network.run(argv, STEP)?.ok().context("shutting the disk down")?;
        self.kill()?;
        let mut said = String::new();
        wait_until("the disk to be there again", STEP, || {
            let tried = self.run_on_disk(AGAIN, &[OPTIONS])?;
            said.clone_from(&tried.stderr);
            Ok(tried.success().then_some(()))
        })
        .context(said)?;
        self.mount()
    }

    fn on_disk(&self, script: &str, arguments: &[&str]) -> Result<()> {
        self.run_on_disk(script, arguments)?.ok()?;
        Ok(())
    }

    fn run_on_disk(&self, script: &str, arguments: &[&str]) -> Result<Output> {
        let folder = self.folder();
        let mut argv: Vec<&OsStr> = ["sh", "-c", script, "power"].map(OsStr::new).into();
        argv.push(folder.as_os_str());
        argv.extend(arguments.iter().map(OsStr::new));
        self.network.run(argv, STEP)
    }
}
