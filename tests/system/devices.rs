//! The rig itself: devices boot, see the server's side and nothing else, and are gone afterwards.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_tests::{Device, Network, Packages, SERVER_ADDRESS, wait_until};

#[test]
fn three_devices_boot_reach_the_server_namespace_and_leave_nothing_behind() -> Result<()> {
    let network = Network::create()?;
    let folder = network.folder().to_owned();
    let run = folder.file_name().context("the run folder has a name")?.to_string_lossy().into_owned();
    {
        let names = ["lap-ada", "lap-ben", "srv-web"];
        let devices = names.map(|name| Device::boot(&network, name));
        let devices = devices.into_iter().collect::<Result<Vec<_>>>()?;

        let mut machine_ids = Vec::new();
        for (device, name) in devices.iter().zip(names) {
            assert_eq!(device.exec(["hostname"])?.ok()?.line(), name);
            assert!(reaches(device, SERVER_ADDRESS, 22).is_err(), "nothing listens beside the server yet");
            assert!(device.exec(["ip", "route", "get", "1.1.1.1"])?.stderr.contains("unreachable"));
            machine_ids.push(device.read_file("/etc/machine-id")?);
        }
        machine_ids.sort();
        machine_ids.dedup();
        assert_eq!(machine_ids.len(), 3, "each device has an identity of its own");
        reaches(&devices[0], devices[2].address(), 22)?;
    }
    assert!(mentions("/proc/mounts", &run)?.is_empty(), "no mount of a device is seen on the host");

    drop(network);
    assert!(!folder.exists(), "the run folder is gone");
    assert!(!any_process_mentions(&run)?, "no process is left");
    for hierarchy in ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"] {
        let group = format!("{hierarchy}/muster-{run}");
        assert!(!fs::exists(&group)?, "{group} is gone");
    }
    Ok(())
}

#[test]
fn a_device_cut_off_comes_back_and_keeps_its_disk_over_reboot_and_power_loss() -> Result<()> {
    let network = Network::create()?;
    let _packages = Packages::serve(&network)?;
    let mut device = Device::boot(&network, "lap-ada")?;

    reaches(&device, SERVER_ADDRESS, 8080)?;
    device.cut_off()?;
    assert!(reaches(&device, SERVER_ADDRESS, 8080).is_err());
    device.reconnect()?;
    wait_until("the device to be back", Duration::from_secs(10), || {
        Ok(reaches(&device, SERVER_ADDRESS, 8080).ok())
    })?;

    device.write_file("/etc/kept", "kept\n", 0o640)?;
    let first_boot = device.read_file("/proc/sys/kernel/random/boot_id")?;
    device.reboot()?;
    assert_eq!(device.read_file("/etc/kept")?, "kept\n");
    assert_eq!(device.exec(["stat", "-c", "%a", "/etc/kept"])?.line(), "640");
    device.kill()?;
    device.start()?;
    assert_eq!(device.read_file("/etc/kept")?, "kept\n");
    assert_ne!(device.read_file("/proc/sys/kernel/random/boot_id")?, first_boot);
    Ok(())
}

#[test]
fn a_device_installs_from_the_signed_repositories_and_runs_what_it_installed() -> Result<()> {
    let network = Network::create()?;
    let packages = Packages::serve(&network)?;
    let device = Device::boot(&network, "srv-web")?;

    device.exec(["apt-get", "-q", "update"])?.ok()?;
    let install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", "nginx-light", "jq"];
    device.exec_within(install, Duration::from_secs(180))?.ok()?;
    assert_eq!(device.exec(["systemctl", "is-active", "nginx"])?.line(), "active");
    reaches(&device, "127.0.0.1", 80)?;
    assert!(packages.requests()?.iter().any(|line| line.contains("nginx-light")));

    device.write_file("/etc/apt/keyrings/corp.asc", Packages::public_key("corp")?, 0o644)?;
    let source = format!(
        "deb [signed-by=/etc/apt/keyrings/corp.asc] {}/corp stable main\n",
        muster_tests::PACKAGES_URL
    );
    device.write_file("/etc/apt/sources.list.d/corp.list", source, 0o644)?;
    device.exec(["apt-get", "-q", "update"])?.ok()?;
    device.exec(["apt-get", "-q", "-y", "install", "muster-hello=1.0"])?.ok()?;
    device.exec(["apt-get", "-q", "-y", "upgrade"])?.ok()?;
    assert_eq!(device.read_file("/usr/share/muster-hello/version")?, "1.1\n");
    Ok(())
}

fn reaches(device: &Device<'_>, address: &str, port: u16) -> Result<()> {
    let probe = format!("exec 3<>/dev/tcp/{address}/{port}");
    device.exec(["timeout", "2", "bash", "-c", &probe])?.ok()?;
    Ok(())
}

fn mentions(file: &str, word: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    Ok(text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect())
}

fn any_process_mentions(word: &str) -> Result<bool> {
    for entry in fs::read_dir("/proc")? {
        let cmdline = fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&cmdline).contains(word) {
            return Ok(true);
        }
    }
    Ok(false)
}
