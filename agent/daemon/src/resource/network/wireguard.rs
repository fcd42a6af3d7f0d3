//! The part of a `network` that is about WireGuard: the device's own key, and the interface in the kernel.
//!
//! The key is in one file that is root's alone, in the agent's own folder, and in what networkd or NetworkManager reads of the tunnel. While a
//! change that takes it away may have to be undone it is kept aside: a tunnel that comes back with another key reaches nobody.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::encoding::{AsBigEndian as _, Curve25519SeedBin};
use data_encoding::BASE64;
use muster_proto::condition::NO_FILE;
use muster_proto::resource::network::{KEY_MADE, Network};
use zeroize::Zeroizing;

use super::super::{Job, text};
use super::keyfile;
use crate::host::Host;
use crate::host::files::{self, NewFile};

/// What the kernel says of an interface.
const LIMIT: u64 = 64 * 1024;
/// The list of the modules that a kernel has, of which a distribution's has thousands.
const LIST_LIMIT: u64 = 16 * 1024 * 1024;
/// How long an interface may take to come, and how often it is looked for.
const PATIENCE: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Where the device keeps its private key: beside the ledger.
pub(in crate::resource) fn key_path(host: &Host, name: &str) -> String {
    let said = Network::private_key_path(name);
    let file = said.rsplit('/').next().unwrap_or_default();
    host.state.join(file).to_string_lossy().into_owned()
}

/// Where a key is while the change that took it away is on trial.
fn aside(host: &Host, name: &str) -> String {
    format!("{}.aside", key_path(host, name))
}

/// What a condition says of the private key, and the public one that follows from it.
pub(super) fn read(host: &Host, name: &str) -> Result<(&'static str, Option<String>)> {
    let path = key_path(host, name);
    let place = host.root.place(&path)?;
    if place.map(|place| place.stat()).transpose()?.flatten().is_none() {
        return Ok((NO_FILE, None));
    }
    Ok(match key(host, &path, keyfile::OTHERS) {
        Ok(private) => (KEY_MADE, Some(public(&private)?)),
        Err(_) => ("not usable", None),
    })
}

/// The private key in a file, of which others have none of these rights.
fn key(host: &Host, path: &str, rights: u32) -> Result<Zeroizing<String>> {
    keyfile::roots_own(host, path, rights)?;
    let text = Zeroizing::new(files::content(&host.root, path, LIMIT)?.context("it is gone")?);
    let text = Zeroizing::new(String::from_utf8(text.to_vec()).ok().context("it is not text")?);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    public(line)?;
    Ok(Zeroizing::new(line.to_owned()))
}

/// The public key to a private one. No error has anything of it.
fn public(private: &str) -> Result<String> {
    let bytes = BASE64.decode(private.as_bytes()).ok().map(Zeroizing::new);
    let bytes = bytes.context("it does not hold a key of WireGuard's")?;
    let key = PrivateKey::from_private_key(&X25519, &bytes).ok().context("it does not hold a key")?;
    let public = key.compute_public_key().ok().context("computing the public key")?;
    Ok(BASE64.encode(public.as_ref()))
}

/// Makes the private key where a step asks for one: that which was kept aside, or that which others could read, else a new one.
pub(super) fn make(host: &Host, job: &Job<'_>) -> Result<()> {
    if !job.changes("key") || text(&job.step.to, "key") != Some(KEY_MADE) {
        return Ok(());
    }
    let name = job.step.id.key();
    let path = key_path(host, name);
    let known =
        key(host, &path, keyfile::WRITABLE).or_else(|_| key(host, &aside(host, name), keyfile::OTHERS));
    let line = match known {
        Ok(line) => line,
        Err(_) => generated()?,
    };
    put(host, path, &line)?;
    forget(host, name)
}

fn generated() -> Result<Zeroizing<String>> {
    let key = PrivateKey::generate(&X25519).ok().context("making a key")?;
    let seed: Curve25519SeedBin<'_> = key.as_be_bytes().ok().context("making a key")?;
    let mut bytes = Zeroizing::new([0; 32]);
    ensure!(seed.as_ref().len() == bytes.len(), "a key of another length was made");
    bytes.copy_from_slice(seed.as_ref());
    // The bits that X25519 takes no notice of, as WireGuard writes them (RFC 7748, 5).
    bytes[0] &= 0xf8;
    bytes[31] = (bytes[31] & 0x7f) | 0x40;
    Ok(Zeroizing::new(BASE64.encode(bytes.as_ref())))
}

fn put(host: &Host, path: String, line: &str) -> Result<()> {
    let shown = path.clone();
    let file = NewFile {
        path,
        content: format!("{line}\n").into_bytes(),
        uid: 0,
        gid: 0,
        mode: 0o600,
        is_new: false,
    };
    files::write_all(&host.root, &[file]).remove(0).with_context(|| format!("writing {shown}"))
}

/// Takes the private key away where a step asks for that: for good, unless the step is one that may have to be undone.
pub(super) fn take_away(host: &Host, job: &Job<'_>) -> Result<()> {
    if !job.changes("key") || text(&job.step.to, "key") != Some(NO_FILE) {
        return Ok(());
    }
    let name = job.step.id.key();
    let path = key_path(host, name);
    if job.step.ending || job.step.undoes {
        forget(host, name)?;
    } else if let Ok(line) = key(host, &path, keyfile::OTHERS) {
        put(host, aside(host, name), &line)?;
    }
    files::remove_all(&host.root, &[(path.as_str(), None)]).remove(0)
}

/// Removes the key that was kept aside.
pub(super) fn forget(host: &Host, name: &str) -> Result<()> {
    let path = aside(host, name);
    if host.root.place(&path)?.map(|place| place.stat()).transpose()?.flatten().is_none() {
        return Ok(());
    }
    files::remove_all(&host.root, &[(path.as_str(), None)]).remove(0)
}

/// Of which interface a file of networkd or NetworkManager makes a tunnel; `None` where it makes none.
pub(super) fn interface(host: &Host, path: &str) -> Result<Option<String>> {
    let Some(there) = keyfile::taken_apart(host, path)? else { return Ok(None) };
    let mut lines = there.template.lines();
    if !lines.clone().any(|line| line == "Kind=wireguard" || line == "type=wireguard") {
        return Ok(None);
    }
    Ok(lines
        .find_map(|line| line.strip_prefix("Name=").or_else(|| line.strip_prefix("interface-name=")))
        .map(str::to_owned))
}

/// Whether an interface is one of WireGuard; `None` where there is none of this name.
pub(super) fn is_tunnel(host: &Host, interface: &str) -> Result<Option<bool>> {
    let said = files::content(&host.root, &format!("/sys/class/net/{interface}/uevent"), LIMIT)
        .with_context(|| format!("asking the kernel about {interface}"))?;
    Ok(said.map(|said| String::from_utf8_lossy(&said).lines().any(|line| line == "DEVTYPE=wireguard")))
}

/// Why a tunnel can't be made here, as far as that can be known before anything is changed.
pub(super) fn obstacle(host: &Host, name: &str, wanted: &str) -> Result<Option<String>> {
    if !kernel_has(host)? {
        return Ok(Some(
            "the kernel of this device has no WireGuard: neither is it built in, nor is there a module `wireguard` to load; install a \
             kernel that has it, such as that of the distribution, and in a container load the module on its host"
                .to_owned(),
        ));
    }
    let mut own = vec![];
    for path in [Network::netdev_path(name), Network::keyfile_path(name)] {
        own.extend(interface(host, &path)?);
    }
    if own.iter().all(|own| own != wanted) && is_tunnel(host, wanted)?.is_some() {
        return Ok(Some(format!(
            "there is an interface {wanted} that is not of this network: choose another name, or remove that one"
        )));
    }
    Ok(None)
}

/// Whether the kernel that runs has WireGuard in it, has loaded it, or finds it where its modules are.
fn kernel_has(host: &Host) -> Result<bool> {
    if host.root.directory("/sys/module/wireguard")?.is_some() {
        return Ok(true);
    }
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    for list in ["modules.dep", "modules.builtin"] {
        let path = format!("/lib/modules/{release}/{list}");
        let list = files::content(&host.root, &path, LIST_LIMIT).with_context(|| path.clone())?;
        let is_listed = |line: &str| {
            let module = line.split(':').next().unwrap_or_default();
            module.rsplit('/').next().is_some_and(|file| file.starts_with("wireguard.ko"))
        };
        if list.is_some_and(|list| String::from_utf8_lossy(&list).lines().any(is_listed)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Waits for the interface, which its manager was told to make.
pub(super) async fn comes_up(host: &Host, interface: &str, manager: &str) -> Result<()> {
    for _ in 0..PATIENCE {
        if is_tunnel(host, interface)? == Some(true) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!(
        "{manager} did not make the interface {interface}: `journalctl -u {manager}` on the device says why"
    )
}

#[cfg(test)]
mod tests;
