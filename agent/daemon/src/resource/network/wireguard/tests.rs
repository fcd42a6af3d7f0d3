use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use muster_converge::plan::Step;
use muster_proto::ResourceId;
use muster_proto::condition::{Action, Condition};

use super::*;

/// The private key of Alice in RFC 7748, 6.1, and her public one.
const PRIVATE: &str = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
const PUBLIC: &str = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

struct Machine {
    _folder: tempfile::TempDir,
    root: PathBuf,
    host: Host,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for dir in ["var/lib/muster", "sys/class/net", "etc/systemd/network"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        let mut host = Host::at(&root, &folder.path().join("run"), folder.path()).unwrap();
        host.state = "/var/lib/muster".into();
        Self { _folder: folder, root, host }
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn key(&self) -> String {
        fs::read_to_string(self.root.join("var/lib/muster/wireguard-vpn.key")).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.join("var/lib/muster")).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn step(&self, to: &str, undoes: bool) -> Step {
        let condition = |key: &str| Condition::present([("key", key.into())]);
        Step {
            id: ResourceId::new("network", "vpn"),
            action: Action::Change,
            from: condition(read(&self.host, "vpn").unwrap().0),
            to: condition(to),
            differences: vec![],
            claim: None,
            restart: false,
            ending: false,
            follows: false,
            undoes,
        }
    }

    fn go(&self, to: &str, undoes: bool) {
        let step = self.step(to, undoes);
        let job = Job { step: &step, record: None };
        make(&self.host, &job).unwrap();
        take_away(&self.host, &job).unwrap();
    }
}

#[test]
fn a_public_key_is_what_the_private_one_makes_it_and_an_error_tells_neither() {
    assert_eq!(public(PRIVATE).unwrap(), PUBLIC);
    for wrong in ["", "walnut", &PRIVATE[..40], "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTm==", "!SDwCYkw"] {
        let refused = format!("{:#}", public(wrong).unwrap_err());
        assert!(wrong.is_empty() || !refused.contains(wrong), "{refused}");
    }
}

#[test]
fn a_key_is_made_once_and_stays_and_another_tunnel_has_another() {
    let machine = Machine::new();
    machine.go(KEY_MADE, false);
    let made = machine.key();
    let meta = fs::metadata(machine.root.join("var/lib/muster/wireguard-vpn.key")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid(), made.len()), (0o600, 0, 45));
    let bytes = BASE64.decode(made.trim_end().as_bytes()).unwrap();
    assert_eq!((bytes[0] & 7, bytes[31] & 0xc0), (0, 0x40), "as `wg genkey` has it");
    let (there, told) = read(&machine.host, "vpn").unwrap();
    assert_eq!((there, told), (KEY_MADE, Some(public(made.trim_end()).unwrap())));
    machine.go(KEY_MADE, false);
    assert_eq!(machine.key(), made);

    let other = Machine::new();
    other.go(KEY_MADE, false);
    assert_ne!(other.key(), made);
}

#[test]
fn a_key_is_kept_where_the_devices_owner_has_the_agent_keep_its_own() {
    let mut machine = Machine::new();
    machine.host.state = "/srv/muster".into();
    fs::create_dir_all(machine.root.join("srv/muster")).unwrap();
    machine.go(KEY_MADE, false);
    assert!(machine.files().is_empty());
    let path = machine.root.join("srv/muster/wireguard-vpn.key");
    let made = fs::read_to_string(&path).unwrap();
    assert!(super::super::is_key_of_tunnel(&path), "an image is wiped of it");
    assert_eq!(read(&machine.host, "vpn").unwrap().1, Some(public(made.trim_end()).unwrap()));
    machine.go(NO_FILE, false);
    assert!(!path.exists() && machine.root.join("srv/muster/wireguard-vpn.key.aside").exists());
    machine.go(KEY_MADE, true);
    assert_eq!(fs::read_to_string(&path).unwrap(), made);
}

#[test]
fn a_key_that_others_could_read_is_closed_again_and_one_that_others_wrote_is_not_used() {
    let machine = Machine::new();
    let path = machine.root.join("var/lib/muster/wireguard-vpn.key");
    let is_made = |mode: u32| {
        fs::write(&path, format!("{PRIVATE}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(read(&machine.host, "vpn").unwrap(), ("not usable", None), "{mode:o}");
        machine.go(KEY_MADE, false);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        machine.key().trim_end().to_owned()
    };
    assert_eq!(is_made(0o644), PRIVATE);
    assert_ne!(is_made(0o622), PRIVATE);
    fs::remove_file(&path).unwrap();
    machine.put("etc/key", PRIVATE);
    symlink("/etc/key", &path).unwrap();
    assert_ne!(read(&machine.host, "vpn").unwrap().0, KEY_MADE, "a link is no key");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "walnut\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    machine.go(KEY_MADE, false);
    assert!(public(machine.key().trim_end()).is_ok());
}

#[test]
fn a_key_that_went_on_trial_comes_back_with_its_tunnel_and_else_it_is_gone() {
    let machine = Machine::new();
    machine.go(KEY_MADE, false);
    let made = machine.key();
    machine.go(NO_FILE, false);
    assert_eq!(machine.files(), ["wireguard-vpn.key.aside"], "it can't be used as it is");
    assert_eq!(read(&machine.host, "vpn").unwrap(), (NO_FILE, None));
    machine.go(KEY_MADE, true);
    assert_eq!((machine.key(), machine.files().len()), (made, 1));

    machine.go(NO_FILE, false);
    forget(&machine.host, "vpn").unwrap();
    assert!(machine.files().is_empty(), "the change stands");
    machine.go(KEY_MADE, false);
    machine.go(NO_FILE, true);
    assert!(machine.files().is_empty(), "what is undone has nothing to go back to");
}

#[test]
fn a_kernel_without_wireguard_and_a_name_that_is_taken_are_said_before_anything_is_done() {
    let machine = Machine::new();
    let why = || obstacle(&machine.host, "vpn", "wg0").unwrap();
    assert!(why().unwrap().contains("the kernel of this device has no WireGuard"));
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let list = |name: &str, line: &str| machine.put(&format!("lib/modules/{release}/{name}"), line);
    list(
        "modules.dep",
        "kernel/net/ipv4/udp_tunnel.ko:\nkernel/x.ko: kernel/drivers/net/wireguard/wireguard.ko\n",
    );
    assert!(why().is_some(), "what another module needs is none");
    list("modules.dep", "updates/dkms/wireguard.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n");
    assert_eq!(why(), None);
    list("modules.dep", "");
    list("modules.builtin", "kernel/drivers/net/wireguard/wireguard.ko\n");
    assert_eq!(why(), None);
    list("modules.builtin", "");
    fs::create_dir_all(machine.root.join("sys/module/wireguard")).unwrap();
    assert_eq!(why(), None);

    machine.put("sys/class/net/wg0/uevent", "DEVTYPE=wireguard\nINTERFACE=wg0\nIFINDEX=7\n");
    assert!(why().unwrap().contains("an interface wg0 that is not of this network"));
    machine.put("etc/systemd/network/20-muster-vpn.netdev", "[NetDev]\nName=wg0\nKind=wireguard\n");
    assert_eq!(why(), None);
    assert_eq!(is_tunnel(&machine.host, "wg0").unwrap(), Some(true));
    machine.put("sys/class/net/wg0/uevent", "INTERFACE=wg0\n");
    assert_eq!(is_tunnel(&machine.host, "wg0").unwrap(), Some(false));
    assert_eq!(is_tunnel(&machine.host, "wg1").unwrap(), None);
}
