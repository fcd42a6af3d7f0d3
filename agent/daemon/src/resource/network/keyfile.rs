//! A file of a network that has secrets in it: of any for NetworkManager, and of a tunnel for networkd.
//!
//! In a condition it is the digest of what it says without them. The ledger keeps no more than that either: what comes back
//! takes its secrets from the files that it names, as they are then.

use anyhow::{Context as _, Result, ensure};
use muster_proto::Digest;
use muster_proto::condition::NO_FILE;
use muster_proto::resource::Resource;
use muster_proto::resource::network::Network;
use muster_proto::resource::network::keyfile::{Unfilled, escaped, fill, unfill};
use muster_proto::resource::network::wifi::{Access, Enterprise, Method};
use muster_proto::resource::value::WireGuardKey;
use serde_json::Value;

use super::super::{Contents, Job, Wanted, text};
use super::wireguard;
use crate::host::Host;
use crate::host::files::{self, NewFile, Seen};
use crate::host::walk::Place;

/// Who reads what networkd has secrets in: it is not root.
const NETWORKD: &str = "systemd-network";
const LIMIT: u64 = 64 * 1024;
/// The largest secret: NetworkManager takes passwords of this size.
const MOST: u64 = 4096;
/// What others may do with a file.
pub(super) const OTHERS: u32 = 0o077;
pub(super) const WRITABLE: u32 = 0o022;

/// One such file, which is root's.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) attribute: &'static str,
    pub(super) path: String,
    /// `None` where there is no such group.
    gid: Option<u32>,
    mode: u32,
}

impl Filled {
    /// The one of NetworkManager, which passes over what others could read.
    pub(super) fn keyfile(name: &str) -> Self {
        Self { attribute: "keyfile", path: Network::keyfile_path(name), gid: Some(0), mode: 0o600 }
    }

    /// The one of networkd.
    pub(super) fn netdev(host: &mut Host, name: &str) -> Self {
        let gid = host.accounts().ok().and_then(|accounts| accounts.gid_of(NETWORKD).ok());
        Self { attribute: "netdev", path: Network::netdev_path(name), gid, mode: 0o640 }
    }
}

/// The digest of the file without its secrets, with a word on what is not as Muster writes it.
pub(super) fn read(host: &mut Host, wanted: &Wanted<'_>, file: &Filled) -> Result<Value> {
    let path = file.path.as_str();
    let seen = host.digests.look(&host.root, path).with_context(|| path.to_owned())?;
    let Some(Seen { uid, gid, mode, .. }) = seen else { return Ok(NO_FILE.into()) };
    let Some(there) = taken_apart(host, path)? else { return Ok(NO_FILE.into()) };
    let digest = Digest::of(there.template.as_bytes());
    if (uid, Some(gid), mode) != (0, file.gid, file.mode) {
        return Ok(format!("{digest} of {uid}:{gid}, {mode:04o}").into());
    }
    if there.is_strange {
        return Ok(format!("{digest} with a secret of its own").into());
    }
    if let Some(Resource::Network(network)) = wanted.resource
        && check_files(host, network).is_err()
    {
        return Ok(format!("{digest} with a file that others could change").into());
    }
    // What is only taken back does not depend on a file that may be gone before it.
    let is_current = wanted.resource.is_none()
        || there.secrets.iter().all(|(path, written)| {
            filled_in(host, wanted.id.key(), path).is_ok_and(|secret| escaped(&secret) == *written)
        });
    Ok(if is_current { digest.to_string().into() } else { format!("{digest} with another secret").into() })
}

/// The text of such a file without its secrets, and the others apart; `None` where there is none.
pub(super) fn taken_apart(host: &Host, path: &str) -> Result<Option<Unfilled>> {
    let content = files::content(&host.root, path, LIMIT).with_context(|| path.to_owned())?;
    Ok(content.map(|content| {
        let text = String::from_utf8_lossy(&content);
        let unfilled = unfill(&text);
        // What is no text would not come back as it was.
        Unfilled { is_strange: unfilled.is_strange || text.as_bytes() != content, ..unfilled }
    }))
}

/// Keeps what the file said, without secrets, where it may have to come back; and finds out whether the secrets are there.
pub(super) fn prepare(host: &Host, job: &Job<'_>, attribute: &str, path: &str) -> Result<Vec<Vec<u8>>> {
    if !job.changes(attribute) {
        return Ok(vec![]);
    }
    let there = text(&job.step.from, attribute).unwrap_or(NO_FILE);
    let is_plain = there == NO_FILE || there.parse::<Digest>().is_ok();
    ensure!(
        is_plain || job.has_written(attribute),
        "{path} is not of Muster's making: remove it, with `nmcli connection delete` for one, or choose another name"
    );
    if let Some(resource) = job.step.resource()
        && let Some(template) = resource.content(attribute)
        // Going back must not fail for a secret of what is left.
        && text(&job.step.to, attribute) == Some(Digest::of(&template).to_string().as_str())
    {
        let own = Network::private_key_path(job.step.id.key());
        // The device's own key is made when the rest is known to be there.
        let ask = |path: &str| if path == own { Ok(String::new()) } else { secret(host, path) };
        fill(&String::from_utf8_lossy(&template), ask)?;
        if let Resource::Network(network) = resource {
            check_files(host, network)?;
        }
    }
    if there == NO_FILE || !is_plain {
        return Ok(vec![]);
    }
    let template = taken_apart(host, path)?.context("it is gone since a moment ago")?.template.into_bytes();
    ensure!(Digest::of(&template).to_string() == there, "{path} was changed a moment ago");
    Ok(vec![template])
}

/// Writes or removes the file, if the step changes it.
pub(super) fn write(host: &Host, job: &Job<'_>, file: Filled, contents: &Contents<'_>) -> Result<()> {
    let Filled { attribute, path, gid, mode } = file;
    if !job.changes(attribute) {
        return Ok(());
    }
    let Some(to) = text(&job.step.to, attribute) else { return Ok(()) };
    let found = taken_apart(host, &path)?.map(|found| Digest::of(found.template.as_bytes()));
    if found.is_some_and(|found| to != found.to_string())
        && let Some(planned) = text(&job.step.from, attribute)
    {
        // Behind the digest may stand a word on what is not as Muster writes it.
        let planned = planned.split(' ').next().and_then(|digest| digest.parse().ok());
        files::check_since(planned, found).with_context(|| path.clone())?;
    }
    match to {
        NO_FILE => files::remove_all(&host.root, &[(path.as_str(), None)]).remove(0),
        digest => {
            let digest: Digest = digest.parse().with_context(|| format!("what {path} held"))?;
            let template = contents(&digest).context("its content is no longer known to the agent")?;
            let filled =
                fill(&String::from_utf8_lossy(&template), |path| filled_in(host, job.step.id.key(), path))?;
            let gid = gid.with_context(|| format!("there is no group {NETWORKD}, who has to read {path}"))?;
            let file =
                NewFile { path, content: filled.into_bytes(), uid: 0, gid, mode, is_new: found.is_none() };
            files::write_all(&host.root, &[file]).remove(0)
        }
    }
}

/// Checks the files that NetworkManager itself reads: by whom it believes the others who they are, and the device's own key. And that
/// what is to be a key of WireGuard's is one, as a peer would be taken without it otherwise.
fn check_files(host: &Host, network: &Network) -> Result<()> {
    let peers = network.wireguard.iter().flat_map(|wireguard| &wireguard.peers);
    for path in peers.filter_map(|peer| peer.preshared_key_file.as_ref()) {
        let is_key = WireGuardKey::parse(&secret(host, path.as_str())?).is_ok();
        ensure!(is_key, "{path} does not hold a key as `wg genpsk` prints it");
    }
    let Some(Access::Enterprise(Enterprise { ca_file, method, .. })) =
        network.wifi.as_ref().map(|wifi| &wifi.access)
    else {
        return Ok(());
    };
    roots_own(host, ca_file.as_str(), WRITABLE)?;
    if let Method::Tls { certificate_file, key_file } = method {
        roots_own(host, certificate_file.as_str(), WRITABLE)?;
        roots_own(host, key_file.as_str(), OTHERS)?;
    }
    Ok(())
}

/// A file that is root's, and of which others have none of these rights.
pub(super) fn roots_own(host: &Host, path: &str, rights: u32) -> Result<Place> {
    let place = host.root.place(path).with_context(|| format!("reaching {path}"))?;
    let stat = place.as_ref().map(|place| place.stat()).transpose()?.flatten();
    let (Some(place), Some(stat)) = (place, stat) else {
        anyhow::bail!("there is no {path}, which this network needs: what puts it there?");
    };
    let (holds, mode) = if rights == OTHERS {
        ("holds a secret that others than root could read or write", "0600")
    } else {
        ("could be written by others than root", "0644")
    };
    ensure!(
        stat.st_uid == 0 && stat.st_mode & rights == 0,
        "{path} {holds}: `chown root` and `chmod {mode}` it"
    );
    Ok(place)
}

/// What stands in a file of the network `name` in place of a path.
fn filled_in(host: &Host, name: &str, path: &str) -> Result<String> {
    let is_own = path == Network::private_key_path(name);
    if is_own { secret(host, &wireguard::key_path(host, name)) } else { secret(host, path) }
}

/// What a file of a secret holds in its one line; no error has it in it.
pub(super) fn secret(host: &Host, path: &str) -> Result<String> {
    let place = roots_own(host, path, OTHERS)?;
    let content = files::content_at(&place, MOST).with_context(|| format!("the secret in {path}"))?;
    let content = content.with_context(|| format!("{path} is gone since a moment ago"))?;
    let text = String::from_utf8(content).ok().with_context(|| format!("{path} is not text"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    ensure!(
        !line.is_empty() && !line.contains(|c: char| c.is_control()),
        "{path} does not hold a secret in exactly one line"
    );
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use muster_converge::plan::{Record, Step, record_of};
    use muster_proto::ResourceId;
    use muster_proto::condition::{Action, Condition};

    use super::*;

    #[test]
    fn what_someone_made_of_a_file_with_secrets_after_it_was_looked_at_is_neither_written_over_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let file = root.join(Network::keyfile_path("air").trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let host = Host::at(&root, &folder.path().join("run"), folder.path()).unwrap();
        let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
        let write = |from: &str, to: &str| {
            let condition = |text: &str| Condition::present([("keyfile", text.into())]);
            let step = Step {
                id: ResourceId::new("network", "air"),
                action: Action::Change,
                from: condition(from),
                to: condition(to),
                differences: vec![],
                claim: None,
                restart: false,
                ending: false,
                follows: false,
                undoes: false,
            };
            let contents = |_: &Digest| Some(b"[connection]\nid=ours\n".to_vec());
            write(&host, &Job { step: &step, record: None }, Filled::keyfile("air"), &contents)
        };
        let (theirs, ours) = ("[connection]\nid=theirs\n", digest("[connection]\nid=ours\n"));
        let seen = digest("[connection]\nid=seen\n");
        fs::write(&file, theirs).unwrap();
        let strange = format!("{seen} of 0:0, 0644");
        for (from, to) in
            [(NO_FILE, &*ours), (&seen, &ours), (&strange, &ours), (&seen, NO_FILE), (&strange, NO_FILE)]
        {
            let refused = format!("{:#}", write(from, to).unwrap_err());
            assert!(refused.contains("a moment ago: left as it is"), "{refused}");
            assert_eq!(fs::read_to_string(&file).unwrap(), theirs);
        }
        write(&digest(theirs), &ours).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "[connection]\nid=ours\n");
        write(&format!("{ours} of 0:0, 0600"), NO_FILE).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_file_with_secrets_of_its_own_is_not_musters_where_the_record_tells_of_other_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::at(folder.path(), &folder.path().join("run"), folder.path()).unwrap();
        let (digest, of_others) =
            (Digest::of(b"").to_string(), Condition::present([("netdev", NO_FILE.into())]));
        let condition = |text: String| Condition::present([("keyfile", text.into())]);
        let step = Step {
            id: ResourceId::new("network", "air"),
            action: Action::Change,
            from: condition(format!("{digest} with a secret of its own")),
            to: condition(digest),
            differences: vec![],
            claim: None,
            restart: false,
            ending: false,
            follows: false,
            undoes: false,
        };
        let of_this = record_of(&step, None, Value::Null);
        let of_others =
            Record { before: of_others.clone(), wrote: of_others, intended: None, ..of_this.clone() };
        let path = Network::keyfile_path("air");
        let prepared = |record| prepare(&host, &Job { step: &step, record: Some(record) }, "keyfile", &path);
        assert_eq!(prepared(&of_this).unwrap(), Vec::<Vec<u8>>::new());
        let refused = prepared(&of_others).unwrap_err().to_string();
        assert!(refused.contains("is not of Muster's making"), "{refused}");
    }

    #[test]
    fn a_secret_is_taken_only_from_what_is_roots_alone_and_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        let host = Host::at(&root, &folder.path().join("run"), folder.path()).unwrap();
        let put = |content: &str, mode: u32| {
            fs::write(root.join("etc/psk"), content).unwrap();
            fs::set_permissions(root.join("etc/psk"), fs::Permissions::from_mode(mode)).unwrap();
        };
        assert!(secret(&host, "/etc/psk").unwrap_err().to_string().contains("there is no /etc/psk"));
        put("walnut harbour\n", 0o600);
        assert_eq!(secret(&host, "/etc/psk").unwrap(), "walnut harbour");
        for (content, mode) in [
            ("walnut\n", 0o640),
            ("walnut\n", 0o602),
            ("walnut\nharbour\n", 0o600),
            ("", 0o600),
            ("walnut\r\n", 0o600),
        ] {
            put(content, mode);
            let refused = format!("{:#}", secret(&host, "/etc/psk").unwrap_err());
            assert!(!refused.contains("walnut"), "{refused}");
        }
        put(&"w".repeat(10_000), 0o600);
        assert!(secret(&host, "/etc/psk").is_err());
        // Whoever waits for a writer of a FIFO waits for good, and a file without end has no line.
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("etc/fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(secret(&host, "/etc/fifo").unwrap_err().to_string().contains("/etc/fifo"));
        fs::File::create(root.join("etc/large")).unwrap().set_len(1 << 30).unwrap();
        fs::set_permissions(root.join("etc/large"), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(secret(&host, "/etc/large").is_err());
        fs::hard_link(root.join("etc/psk"), root.join("etc/second")).unwrap();
        assert!(secret(&host, "/etc/second").is_err());
        fs::remove_file(root.join("etc/second")).unwrap();
        symlink("psk", root.join("etc/link")).unwrap();
        put("walnut\n", 0o600);
        assert!(secret(&host, "/etc/link").is_err());
    }

    #[test]
    fn a_network_is_filled_in_with_its_own_key_from_where_that_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for (state, own) in [("var/lib/muster", "usual"), ("srv/muster", "elsewhere")] {
            fs::create_dir_all(root.join(state)).unwrap();
            let file = root.join(state).join("wireguard-vpn.key");
            fs::write(&file, own).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
            let mut host = Host::at(&root, &folder.path().join("run"), folder.path()).unwrap();
            host.state = format!("/{state}").into();
            let path = Network::private_key_path("vpn");
            assert_eq!(filled_in(&host, "vpn", &path).unwrap(), own);
            assert_eq!(filled_in(&host, "other", &path).unwrap(), "usual", "it is a file like others there");
        }
    }

    #[test]
    fn a_key_that_others_can_read_and_an_authority_that_others_can_change_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        let host = Host::at(&root, &folder.path().join("run"), folder.path()).unwrap();
        let put = |name: &str, mode: u32| {
            fs::write(root.join("etc").join(name), "pem").unwrap();
            fs::set_permissions(root.join("etc").join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        let network: Network = serde_json::from_value(serde_json::json!({
            "name": "air", "interface": "wlan0", "dhcp": true, "wifi": {"ssid": "x", "access": {"enterprise": {
                "identity": "x", "ca_file": "/etc/ca", "domain": "radius.corp.example",
                "method": {"tls": {"certificate_file": "/etc/cert", "key_file": "/etc/key"}},
            }}},
        }))
        .unwrap();
        let refused = || format!("{:#}", check_files(&host, &network).unwrap_err());
        assert!(refused().contains("there is no /etc/ca"));
        put("ca", 0o664);
        put("cert", 0o644);
        put("key", 0o600);
        assert!(refused().contains("/etc/ca could be written by others"));
        put("ca", 0o644);
        check_files(&host, &network).unwrap();
        put("key", 0o640);
        assert!(refused().contains("/etc/key holds a secret that others"));
        put("key", 0o600);
        put("cert", 0o646);
        assert!(refused().contains("/etc/cert could be written"));
    }
}
