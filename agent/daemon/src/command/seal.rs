//! `muster-agent seal`: makes the machine an image, each clone of which enrolls as a device of its own.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use muster_proto::text::escape;

use super::confirmed;
use crate::config::Config;
use crate::service;

pub(super) fn seal(config: &Config, yes: bool) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    let question =
        "This stops the agent and wipes who this device is, what Muster did here, and its keys. Go on?";
    if !yes && !confirmed(&mut out, question)? {
        return Ok(ExitCode::FAILURE);
    }
    service::block_on(service::stop_for_good())?;
    service::wipe(config)?;
    writeln!(
        out,
        "Sealed. Shut this machine down and take the image: each clone enrolls as a new device when it starts."
    )?;
    for warning in warnings(config, Path::new("/")) {
        writeln!(out, "warning: {}", escape(&warning))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What would keep clones from enrolling, each as itself.
fn warnings(config: &Config, root: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    let join_file = config.join_file.display();
    if !config.join_file.exists() {
        warnings.push(format!(
            "there is no join file: put one at {join_file} before the image is taken, with a token for as many uses as clones (muster token create --uses N --print toml)"
        ));
    }
    if let Some(serial) = &config.serial {
        warnings.push(format!(
            "agent.toml says that the serial is {serial}: every clone would claim it; take the line out unless each gets its own"
        ));
    }
    for path in with_keys_of_tunnels(root) {
        warnings.push(format!(
            "{} has the private key of a tunnel: every clone would have the same; remove it before the image is taken",
            path.display()
        ));
    }
    warnings
}

/// Where networkd and NetworkManager have the private keys of tunnels from, among what is called as Muster calls it.
fn with_keys_of_tunnels(root: &Path) -> Vec<PathBuf> {
    const PLACES: [(&str, &str); 2] =
        [("etc/systemd/network", "20-muster-"), ("etc/NetworkManager/system-connections", "muster-")];
    let mut found = vec![];
    for (folder, prefix) in PLACES {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            let is_ours = entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes());
            let text = if is_ours { fs::read(entry.path()).unwrap_or_default() } else { vec![] };
            let mut lines = text.split(|byte| *byte == b'\n');
            if lines.any(|line| line == b"Kind=wireguard" || line == b"type=wireguard") {
                found.push(entry.path());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_join_file_or_with_a_serial_or_a_tunnel_of_its_own_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let join_file = folder.path().join("join.toml");
        let config = Config { join_file: join_file.clone(), ..Config::default() };
        let warnings = |config: &Config| warnings(config, folder.path());
        assert_eq!(warnings(&config).len(), 1);
        fs::write(join_file, "").unwrap();
        assert!(warnings(&config).is_empty());
        assert_eq!(warnings(&Config { serial: Some("S-1".to_owned()), ..config.clone() }).len(), 1);

        let networkd = folder.path().join("etc/systemd/network");
        fs::create_dir_all(&networkd).unwrap();
        fs::write(networkd.join("20-muster-lan.network"), "[Match]\nName=eth0\n").unwrap();
        assert!(warnings(&config).is_empty());
        fs::write(networkd.join("20-muster-vpn.netdev"), "[NetDev]\nName=wg0\nKind=wireguard\n").unwrap();
        assert!(warnings(&config)[0].contains("20-muster-vpn.netdev has the private key of a tunnel"));
    }
}
