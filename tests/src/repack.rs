//! Another version of a package, as the release before it or after it would be to a package manager.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::network::Network;

const STEP: Duration = Duration::from_secs(120);

/// The same package under another version, made once for a network. What is in it is the same: programs of another version there are none.
pub fn repack(network: &Network, deb: &Path, version: &str) -> Result<PathBuf> {
    let stem = deb.file_stem().context("a package without a name")?.to_string_lossy();
    let tree = network.folder().join(format!("{stem}-as-{version}"));
    // The version stands at the end, and its last number is no extension.
    let package = network.folder().join(format!("{stem}-as-{version}.deb"));
    if package.exists() {
        return Ok(package);
    }
    network.run(["dpkg-deb".as_ref(), "-R".as_ref(), deb.as_os_str(), tree.as_os_str()], STEP)?.ok()?;
    let control = tree.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control).context("reading the package's control file")?;
    let renumbered = text.lines().map(|line| {
        if line.starts_with("Version:") { format!("Version: {version}\n") } else { format!("{line}\n") }
    });
    std::fs::write(&control, renumbered.collect::<String>()).context("writing the package's control file")?;
    // Compressing it would take longer than the test.
    let argv = ["dpkg-deb".as_ref(), "-Znone".as_ref(), "-b".as_ref(), tree.as_os_str(), package.as_os_str()];
    network.run(argv, STEP)?.ok()?;
    Ok(package)
}
