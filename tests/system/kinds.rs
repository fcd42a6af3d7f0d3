//! The kinds that set up the system itself, one after another on a real device: made so, quiet then, repaired, and gone
//! without a trace.

use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_proto::report::OutcomeKind;
use muster_proto::state::Mode;
use muster_tests::{Device, Fleet, Network, wait_until};

const DEVICE: &str = "srv-1";

/// What a shell on the device prints.
fn look(device: &Device<'_>, script: &str) -> Result<String> {
    Ok(device.exec(["sh", "-c", script])?.ok()?.stdout)
}

/// Saves resources as the one profile of the device and waits until each of them has an outcome of that revision.
fn apply(fleet: &Fleet<'_>, resources: &str) -> Result<String> {
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{resources}"))?;
    let assignment = fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    Ok(assignment.id)
}

/// The life of some resources on a device: `script` prints what they are about, `made` must be in it once they are applied,
/// and `drift` is a script that undoes some of it.
fn lives_and_goes(fleet: &Fleet<'_>, resources: &str, script: &str, made: &str, drift: &str) -> Result<()> {
    let device = fleet.device(DEVICE)?;
    let before = look(device, script)?;
    let assignment = apply(fleet, resources)?;
    let applied = look(device, script)?;
    assert!(applied.contains(made), "{made:?} is not in {applied}");
    let plan = device.exec(["muster-agent", "plan"])?;
    assert_eq!(plan.code, Some(0), "a second turn would change something: {}{}", plan.stdout, plan.stderr);

    look(device, drift)?;
    let repaired = wait_until("the drift to be repaired", Duration::from_secs(20), || {
        Ok((look(device, script)? == applied).then_some(()))
    });
    repaired.with_context(|| format!("it is {:?}", look(device, script)))?;

    fleet.admin.unassign(&assignment)?;
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(look(device, script)?, before, "it is not as it was before");
    Ok(())
}

/// The reasons for which resources of the device are not as they should be, once each of `ids` has one.
fn failures(fleet: &Fleet<'_>, resources: &str, ids: &[&str]) -> Result<Vec<String>> {
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{resources}"))?;
    let assignment = fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Enforce)?;
    let reasons = wait_until("what can't be done to be said", Duration::from_secs(30), || {
        let all = fleet.admin.resources(DEVICE)?;
        let reason = |id: &&str| {
            let found = all.iter().find(|one| one.resource.as_str() == *id)?;
            (found.outcome == OutcomeKind::Failed).then(|| found.reason.clone().unwrap_or_default())
        };
        Ok(ids.iter().map(reason).collect::<Option<Vec<_>>>())
    })?;
    fleet.admin.unassign(&assignment.id)?;
    Ok(reasons)
}

#[test]
fn a_setting_of_the_kernel_holds_now_and_at_boot_and_is_put_back() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    // A container is not let to forward packets, whoever asks; how it speaks TCP is its own.
    let script = "cd /proc/sys/net/ipv4; cat tcp_keepalive_time tcp_rmem; ls -l --time-style=+ /etc/sysctl.d; cat /etc/sysctl.d/*muster* || true";
    lives_and_goes(
        &fleet,
        "  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: 600 }\n  - sysctl: { name: net.ipv4.tcp_rmem, value: \"4096 65536 131072\" }\n",
        script,
        "600\n4096\t65536\t131072\n",
        "echo 7200 >/proc/sys/net/ipv4/tcp_keepalive_time; chmod 0666 /etc/sysctl.d/90-muster-net.ipv4.tcp_keepalive_time.conf",
    )?;
    let before = look(device, script)?;
    let reasons = failures(
        &fleet,
        "  - sysctl: { name: net.ipv4.nope, value: 1 }\n  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: none }\n  - sysctl: { name: kernel.panic, value: 7 }\n",
        &["sysctl:net.ipv4.nope", "sysctl:net.ipv4.tcp_keepalive_time", "sysctl:kernel.panic"],
    )?;
    assert!(reasons[0].contains("this kernel has no net.ipv4.nope"), "{reasons:?}");
    assert!(reasons[1].contains("the kernel does not take \"none\""), "{reasons:?}");
    assert!(reasons[2].contains("the key belongs to its host"), "{reasons:?}");
    fleet.admin.wait_until_applied(DEVICE)?;
    assert_eq!(look(device, script)?, before);
    Ok(())
}

#[test]
fn a_module_is_blocked_and_what_the_kernel_can_not_load_is_said() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - kernel_module: { name: usb-storage, state: blocked }\n",
        "cat /etc/modprobe.d/* 2>/dev/null || true; ls /etc/modules-load.d",
        "blacklist usb_storage\ninstall usb_storage /bin/false\n",
        "rm /etc/modprobe.d/muster-usb_storage.conf",
    )?;
    let loaded = "  - kernel_module: { name: usb-storage, state: loaded }\n";
    let reasons = failures(&fleet, loaded, &["kernel_module:usb_storage"])?;
    assert!(reasons[0].contains("usb_storage"), "{reasons:?}");
    assert!(!fleet.device(DEVICE)?.path("/etc/modules-load.d/muster-usb_storage.conf").exists());
    Ok(())
}

#[test]
fn a_device_is_renamed_and_gets_its_name_back() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - hostname: { template: \"web-{{ device.name }}\" }\n",
        "cat /etc/hostname; uname -n; stat -c '%a %U' /etc/hostname",
        "web-srv-1\nweb-srv-1\n",
        "hostname other; echo other >/etc/hostname",
    )
}

#[test]
fn entries_of_hosts_are_marked_and_go_alone() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - hosts_entry: { address: 192.0.2.5, names: [db.example.com, db] }\n  - hosts_entry: { address: \"2001:DB8::5\", names: [db.example.com] }\n",
        "cat /etc/hosts; stat -c '%a %U' /etc/hosts; getent ahosts db | sort || true",
        "192.0.2.5 db.example.com db # Managed by Muster: hosts_entry:192.0.2.5\n",
        "sed -i 's/192.0.2.5 db/192.0.2.6 evil/' /etc/hosts",
    )
}

#[test]
fn one_line_of_a_file_is_managed_and_no_other() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - line: { path: /etc/ssh/sshd_config, line: PermitRootLogin no, match: [\"PermitRootLogin \", \"#PermitRootLogin \"] }\n  - line: { path: /etc/ssh/sshd_config, line: X11Forwarding no, match: [\"X11Forwarding \"] }\n  - line: { path: /etc/ssh/sshd_config, line: AllowGroups ops, before: \"Match \" }\n  - line: { path: /etc/login.defs, line: \"PASS_MAX_DAYS\\t90\", match: [PASS_MAX_DAYS] }\n",
        "cat /etc/ssh/sshd_config; grep -n PASS_MAX /etc/login.defs; sha256sum /etc/login.defs; stat -c '%a %U' /etc/ssh/sshd_config",
        "\nPermitRootLogin no\n",
        "sed -i 's/^PermitRootLogin no/PermitRootLogin yes/' /etc/ssh/sshd_config",
    )
}

#[test]
fn a_certificate_is_trusted_by_the_whole_system_and_no_longer_when_it_goes() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let make = "umask 077; openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=Corp -days 30 -keyout /root/key -out /root/corp.pem 2>&1; cat /root/corp.pem";
    let pem: String = look(device, make)?
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .map(|line| format!("        {line}\n"))
        .collect();
    let verify = "openssl verify -no-CAfile -CApath /etc/ssl/certs /root/corp.pem 2>&1 | tail -n 1; sha256sum </etc/ssl/certs/ca-certificates.crt; ls /usr/local/share/ca-certificates; ls -l --time-style=+ /etc/ssl/certs | grep -v 'ca-certificates.crt$'";
    lives_and_goes(
        &fleet,
        &format!("  - certificate:\n      name: corp\n      pem: |\n{pem}"),
        verify,
        "/root/corp.pem: OK\n",
        "rm /usr/local/share/ca-certificates/muster-corp.crt",
    )
}

#[test]
fn browsers_and_desktops_are_told_for_all_users_and_forget_it() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    device
        .exec_within(
            ["sh", "-c", "apt-get -qq update && apt-get -qq install -y dconf-cli"],
            Duration::from_secs(120),
        )?
        .ok()?;
    device.write_file("/etc/dconf/profile/user", "user-db:user\nsystem-db:local\n", 0o644)?;
    let script = "cat /etc/chromium/policies/managed/* /etc/firefox/policies/* /etc/dconf/db/local.d/* 2>/dev/null; cat /etc/dconf/db/local.d/locks/* 2>/dev/null; HOME=/nonexistent dconf read /org/gnome/desktop/screensaver/lock-delay; true";
    lives_and_goes(
        &fleet,
        "  - browser_policy: { browser: chromium, policies: { PasswordManagerEnabled: false } }\n  - browser_policy: { browser: firefox, policies: { DisableTelemetry: true } }\n  - dconf: { name: base, settings: { /org/gnome/desktop/screensaver/lock-delay: \"uint32 7\" }, locked: true }\n",
        script,
        "/org/gnome/desktop/screensaver/lock-delay\nuint32 7\n",
        "echo '{}' >/etc/firefox/policies/policies.json; rm /etc/dconf/db/local.d/90-muster-base",
    )?;
    let reasons = failures(
        &fleet,
        "  - dconf: { name: bad, settings: { /org/gnome/desktop/screensaver/lock-delay: \"uint32\" } }\n",
        &["dconf:bad"],
    )?;
    assert!(reasons[0].contains("dconf refuses the settings"), "{reasons:?}");
    Ok(())
}

#[test]
fn who_reaches_a_device_and_how_its_ssh_server_lets_them_in_is_set_and_goes() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    lives_and_goes(
        &fleet,
        "  - firewall: { allow: [{ port: 22, from: [10.0.0.0/8, \"2001:db8::/32\"] }, { port: \"60000-61000\", protocol: udp, interface: host0 }] }\n  - ssh_server: { name: base, settings: { MaxAuthTries: 3, PasswordAuthentication: \"no\" } }\n",
        "nft list ruleset; ls -l --time-style=+ /etc/muster/firewall.nft 2>/dev/null; ls -l --time-style=+ /etc/ssh/sshd_config.d; sshd -T | grep -iE '^(maxauthtries|passwordauth)'",
        "maxauthtries 3\npasswordauthentication no\n",
        "echo >>/etc/muster/firewall.nft; chmod 0666 /etc/ssh/sshd_config.d/10-muster-base.conf",
    )
}

#[test]
fn audit_mode_looks_at_the_system_and_writes_nothing() -> Result<()> {
    let network = Network::create()?;
    let fleet = Fleet::enroll(&network, &[DEVICE])?;
    let device = fleet.device(DEVICE)?;
    let script = "cat /proc/sys/net/ipv4/tcp_keepalive_time /etc/hosts /etc/hostname; uname -n; find /etc /usr/local -xdev -type f -newer /etc/hosts | grep -v /etc/muster || true; ls -R /etc/modprobe.d /etc/sysctl.d 2>/dev/null || true";
    let before = look(device, script)?;
    let resources = "  - sysctl: { name: net.ipv4.tcp_keepalive_time, value: 600 }\n  - kernel_module: { name: usb-storage, state: blocked }\n  - hostname: { name: web-1 }\n  - hosts_entry: { address: 192.0.2.5, names: [db] }\n  - line: { path: /etc/issue.net, line: \"# x\" }\n  - line: { path: /etc/issue, line: \"# x\" }\n";
    fleet.admin.save_profile("system", &format!("muster: 1\nprofile: system\nresources:\n{resources}"))?;
    fleet.admin.assign("system", &format!("device:{DEVICE}"), Mode::Audit)?;
    let all = wait_until("outcomes of every resource", Duration::from_secs(30), || {
        let all = fleet.admin.resources(DEVICE)?;
        Ok((all.len() == 6).then_some(all))
    })?;
    assert!(all.iter().all(|one| one.outcome == OutcomeKind::Drifted), "{all:#?}");
    assert_eq!(look(device, script)?, before);
    Ok(())
}
