//! `network` with WireGuard on real devices. The kernel of the test machine has none, so that no packet goes through a tunnel: that it has a
//! module, and the interface once networkd or NetworkManager were told to make it, is what stands in for it here.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_proto::report::OutcomeKind;
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";
const SOON: Duration = Duration::from_secs(60);
/// How long the server may take to be reached, in seconds.
const PATIENCE: u64 = 10;

const ONE: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
const OTHER: &str = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=";
const SHARED: &str = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";

const KEY: &str = "/var/lib/muster/wireguard-vpn.key";
const NETDEV: &str = "/etc/systemd/network/20-muster-vpn.netdev";
const KEYFILE: &str = "/etc/NetworkManager/system-connections/muster-vpn.nmconnection";
const NETWORKD: &str = "  - service: { name: systemd-networkd, running: true, enabled: true }\n";

fn look(device: &Device<'_>, script: &str) -> Result<String> {
    Ok(device.exec(["sh", "-c", script])?.ok()?.stdout)
}

fn save(fleet: &Fleet<'_>, resources: &str) -> Result<String> {
    fleet.admin.save_profile("net", &format!("muster: 1\nprofile: net\nresources:\n{resources}"))?;
    Ok(fleet.admin.assign("net", &format!("device:{DEVICE}"), Mode::Enforce)?.id)
}

fn reason(fleet: &Fleet<'_>, outcomes: &[OutcomeKind], part: &str) -> Result<String> {
    wait_until(&format!("the tunnel to be {outcomes:?}: {part}"), SOON, || {
        let all = fleet.admin.resources(DEVICE)?;
        let found = all
            .into_iter()
            .find(|one| one.resource.as_str() == "network:vpn" && outcomes.contains(&one.outcome));
        Ok(found.and_then(|one| one.reason).filter(|reason| reason.contains(part)))
    })
    .with_context(|| format!("{:?}", fleet.admin.resources(DEVICE)))
}

fn tunnel(peers: &str) -> String {
    format!(
        "  - network: {{ name: vpn, interface: wg0, addresses: [10.8.0.2/24], wireguard: {{ listen_port: 51820, peers: [{peers}] }} }}\n"
    )
}

fn peer(key: &str, network: &str, more: &str) -> String {
    format!("{{ public_key: \"{key}\", allowed_ips: [{network}], {more} }}")
}

fn apply_now(fleet: &Fleet<'_>) -> Result<()> {
    fleet.admin.request("POST", &format!("/devices/{DEVICE}/apply-now"), None).map(drop)
}

/// A device that is told that its kernel has WireGuard, and that its owner waits for the server for a shorter time.
fn enroll<'n>(network: &'n Network, install: &str) -> Result<Fleet<'n>> {
    let fleet = Fleet::enroll(network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    device.exec_within(["sh", "-c", install], Duration::from_secs(180))?.ok()?;
    look(
        device,
        "mkdir -p /lib/modules/$(uname -r) && echo kernel/drivers/net/wireguard/wireguard.ko: >/lib/modules/$(uname -r)/modules.dep",
    )?;
    let settings = format!("serial = \"S-{DEVICE}\"\nreach_within_seconds = {PATIENCE}\n");
    device.write_file("/etc/muster/agent.toml", settings, 0o644)?;
    device.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
    fleet.wait_until_connected(DEVICE)?;
    Ok(fleet)
}

/// Has the agent see the interface, as if the kernel had made it; `end` as if it was gone again.
fn pretend(device: &Device<'_>, begin: bool) -> Result<()> {
    let script = if begin {
        "mkdir -p /run/net/wg0 && echo DEVTYPE=wireguard >/run/net/wg0/uevent && mount --bind /run/net /sys/class/net"
    } else {
        "umount /sys/class/net"
    };
    look(device, script).map(drop)
}

/// No file of the agent, the journal or the server has one of these in it.
fn is_nowhere(fleet: &Fleet<'_>, secrets: &[String]) -> Result<()> {
    let device = fleet.device(DEVICE)?;
    device.exec(["journalctl", "--sync"])?.ok()?;
    device.write_file("/root/needles", secrets.join("\n") + "\n", 0o600)?;
    let kept = "/var/lib/muster /run/muster /run/log /var/log /run/systemd /tmp /var/tmp";
    let find =
        format!("find {kept} -type f -print0 2>/dev/null | xargs -0 grep -laF -f /root/needles || true");
    device.write_file("/var/tmp/planted", &secrets[0], 0o600)?;
    let mut found: Vec<String> = look(device, &find)?.lines().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, [KEY, "/var/tmp/planted"], "the key is in its file alone");
    look(device, "rm /var/tmp/planted")?;
    let server = std::process::Command::new("grep")
        .args(["-rlaF", "-e", &secrets.join("\n")])
        .arg::<&Path>(fleet.server.data().as_ref())
        .output()?;
    assert!(server.stdout.is_empty(), "{}", String::from_utf8_lossy(&server.stdout));
    let told = format!(
        "{}{}{:?}",
        device.journal("muster-agent"),
        fleet.server.log(),
        fleet.admin.resources(DEVICE)?
    );
    assert!(secrets.iter().all(|secret| !told.contains(secret.as_str())), "a secret was told");
    Ok(())
}

#[test]
fn networkd_gets_a_key_that_only_it_can_read_and_that_stays_and_comes_back_with_its_tunnel() -> Result<()> {
    let network = Network::create()?;
    let fleet = enroll(&network, "true")?;
    fleet.log_in()?;
    let device = fleet.device(DEVICE)?;
    let before = look(
        device,
        "find /etc/systemd/network -printf '%p %m %u:%g\\n'; ls /var/lib/muster | grep wireguard || true",
    )?;

    // The kernel makes no interface after all: that is said, and what was written is what networkd is to read.
    save(
        &fleet,
        &(NETWORKD.to_owned()
            + &tunnel(&peer(
                ONE,
                "10.8.0.0/24",
                "preshared_key_file: /etc/vpn.psk, endpoint: \"vpn.corp.example:51820\"",
            ))),
    )?;
    reason(&fleet, &[OutcomeKind::Failed], "there is no /etc/vpn.psk")?;
    assert!(!device.path(KEY).exists() && !device.path(NETDEV).exists());
    for (content, mode, part) in
        [("walnut\n", 0o600, "`wg genpsk`"), (&*format!("{SHARED}\n"), 0o640, "others than root could read")]
    {
        device.write_file("/etc/vpn.psk", content, mode)?;
        apply_now(&fleet)?;
        reason(&fleet, &[OutcomeKind::Failed], part)?;
        assert!(!device.path(NETDEV).exists());
    }
    look(device, "chmod 0600 /etc/vpn.psk")?;
    apply_now(&fleet)?;
    reason(&fleet, &[OutcomeKind::Failed], "systemd-networkd did not make the interface wg0")?;
    let private = look(device, &format!("cat {KEY}"))?.trim().to_owned();
    assert_eq!(private.len(), 44);
    let mode = look(device, &format!("stat -c '%a %U:%G' {KEY} {NETDEV}"))?;
    assert_eq!(mode, "600 root:root\n640 root:systemd-network\n");
    let written = look(device, &format!("cat {NETDEV}"))?;
    assert!(written.contains(&format!("\nPrivateKey={private}\nListenPort=51820\n")), "{written}");
    assert!(written.contains(&format!(
        "\nPublicKey={ONE}\n#muster-secret PresharedKey=/etc/vpn.psk\nPresharedKey={SHARED}\n"
    )));
    let log = device.journal("systemd-networkd");
    assert!(
        !log.contains("Failed to parse") && !log.contains("Unknown key"),
        "networkd reads all of it: {log}"
    );

    pretend(device, true)?;
    apply_now(&fleet)?;
    let told = reason(&fleet, &[OutcomeKind::Kept, OutcomeKind::Repaired], "its public key is ")?;
    let shown = fleet.server.muster(["device", "show", DEVICE])?.ok()?.stdout;
    assert!(shown.contains(&format!("network:vpn: {told}\n")), "{shown}");
    device.plans_nothing()?;
    is_nowhere(&fleet, &[private.clone(), SHARED.to_owned()])?;
    pretend(device, false)?;

    // Another peer, and the same key; a file that others can read is closed again.
    look(device, &format!("chmod 0644 {NETDEV} {KEY}"))?;
    save(&fleet, &(NETWORKD.to_owned() + &tunnel(&peer(OTHER, "10.8.0.0/24", ""))))?;
    wait_until("the other peer to be told", SOON, || {
        Ok(look(device, &format!("cat {NETDEV}"))?.contains(OTHER).then_some(()))
    })?;
    reason(&fleet, &[OutcomeKind::Failed], "did not make the interface")?;
    assert_eq!(look(device, &format!("cat {KEY}"))?.trim(), private);
    assert_eq!(look(device, &format!("stat -c '%a %U:%G' {KEY} {NETDEV}"))?, mode);
    assert!(!look(device, &format!("cat {NETDEV}"))?.contains(SHARED));

    // It goes, and as the server is not reached it comes back with the key that it had.
    pretend(device, true)?;
    apply_now(&fleet)?;
    reason(&fleet, &[OutcomeKind::Kept, OutcomeKind::Repaired], &told)?;
    pretend(device, false)?;
    look(
        device,
        "nft 'table inet test { chain output { type filter hook output priority -10; tcp dport 8440 ct state new reject; }; }'",
    )?;
    save(&fleet, NETWORKD)?;
    // Neither is the key where it is used from.
    wait_until("the tunnel to go", SOON, || {
        Ok((!device.path(NETDEV).exists() && !device.path(KEY).exists()).then_some(()))
    })?;
    wait_until("the tunnel to come back", SOON, || Ok(device.path(NETDEV).exists().then_some(())))
        .with_context(|| device.journal("muster-agent"))?;
    look(device, "nft delete table inet test")?;
    assert_eq!(look(device, &format!("cat {KEY}"))?.trim(), private);
    fleet.wait_until_connected(DEVICE)?;

    // Where the change stands, nothing is left of it.
    let assignment = save(&fleet, &(NETWORKD.to_owned() + &tunnel(&peer(ONE, "10.8.0.0/16", ""))))?;
    wait_until("the first peer to be told again", SOON, || {
        Ok(look(device, &format!("cat {NETDEV}"))?.contains("10.8.0.0/16").then_some(()))
    })?;
    fleet.admin.unassign(&assignment)?;
    wait_until("all of it to go", SOON, || {
        let now = look(
            device,
            "find /etc/systemd/network -printf '%p %m %u:%g\\n'; ls /var/lib/muster | grep wireguard || true",
        )?;
        Ok((now == before).then_some(()))
    })
    .with_context(|| {
        format!("{:?}\n{}", look(device, "ls -la /var/lib/muster"), device.journal("muster-agent"))
    })
}

#[test]
fn network_manager_reads_a_tunnel_with_the_devices_own_key_and_a_script_for_proxies() -> Result<()> {
    let install = "export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q -y --no-install-recommends install network-manager";
    let network = Network::create()?;
    let fleet = enroll(&network, install)?;
    let device = fleet.device(DEVICE)?;
    let own = device.address().to_owned();
    let lan = format!(
        "  - network: {{ name: lan, interface: eth0, addresses: [{own}/24], pac: \"https://proxy.corp.example/proxy.pac\" }}\n"
    );
    device.write_file("/etc/vpn.psk", format!("{SHARED}\n"), 0o600)?;
    let peers = format!(
        "{}, {}",
        peer(
            ONE,
            "0.0.0.0/0",
            "preshared_key_file: /etc/vpn.psk, endpoint: \"vpn.corp.example:51820\", persistent_keepalive: 25"
        ),
        peer(OTHER, "\"2001:db8::/32\"", "")
    );
    save(&fleet, &(lan.clone() + &tunnel(&peers)))?;
    reason(&fleet, &[OutcomeKind::Failed], "Failed to create WireGuard interface")?;
    wait_until("the tunnel to be known", SOON, || {
        Ok(look(device, "nmcli -g NAME connection show")?.contains("muster-vpn\n").then_some(()))
    })
    .with_context(|| format!("{:?}\n{}", fleet.admin.resources(DEVICE), device.journal("muster-agent")))?;
    let private = look(device, &format!("cat {KEY}"))?.trim().to_owned();
    assert_eq!(
        look(device, &format!("stat -c '%a %U:%G' {KEY} {KEYFILE}"))?,
        "600 root:root\n600 root:root\n"
    );
    // NetworkManager itself reads back what was meant.
    let shown = look(
        device,
        "nmcli -s -g wireguard.private-key,wireguard.listen-port,connection.interface-name,ipv4.addresses,ipv6.method connection show muster-vpn; nmcli -g proxy.method,proxy.pac-url connection show muster-lan",
    )?;
    let expected = format!(
        "{private}\n51820\nwg0\n10.8.0.2/24\ndisabled\nauto\nhttps\\://proxy.corp.example/proxy.pac\n"
    );
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(|line| line.replace('\\', "")).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&shown), sorted(&expected), "{shown}");
    let dbus = look(
        device,
        "busctl --json=short call org.freedesktop.NetworkManager $(nmcli -g DBUS-PATH connection show muster-vpn 2>/dev/null | head -n 1 || true) org.freedesktop.NetworkManager.Settings.Connection GetSettings 2>/dev/null || true",
    )?;
    assert!(dbus.is_empty() || (dbus.contains(ONE) && dbus.contains(OTHER)), "{dbus}");
    save(&fleet, &lan)?;
    wait_until("the tunnel to be forgotten", SOON, || {
        let names = look(device, "nmcli -g NAME connection show; ls /var/lib/muster")?;
        Ok((!names.contains("muster-vpn") && !names.contains("wireguard")).then_some(()))
    })
    .with_context(|| format!("{:?}\n{}", fleet.admin.resources(DEVICE), device.journal("muster-agent")))
}
