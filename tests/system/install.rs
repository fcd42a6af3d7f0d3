//! Every way of bringing the agent onto a machine, with what the server hands out, done literally.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{CreatedToken, DeviceDetail, NewToken, Unknown};
use muster_tests::{Admin, Artifacts, Device, Network, Output, Packages, SERVER_NAME, Server, wait_until};

const INSTALLING: Duration = Duration::from_secs(300);

/// Stands in for the tools by which installers work in the system that they install.
const IN_TARGET: &str = "#!/bin/sh\nexec chroot /target env DEBIAN_FRONTEND=noninteractive \"$@\"\n";
const CURTIN: &str = "#!/bin/sh\n[ \"$1 $2 $3\" = 'in-target --target=/target --' ] || exit 64\nshift 3\nexec in-target \"$@\"\n";

/// A server with an admin, and the repositories of Debian.
struct Site<'n> {
    network: &'n Network,
    server: Server<'n>,
    admin: Admin<'n>,
    _debian: Packages,
}

impl<'n> Site<'n> {
    /// With these devices registered, each with the serial `S-<name>`.
    fn open(network: &'n Network, names: &[&str]) -> Result<Self> {
        let debian = Packages::serve(network)?;
        let mut server = Server::setup(network, &Artifacts::find()?)?;
        server.serve()?;
        let admin = Admin::first(network, &server, "walnut-harbour-eleven-lamps")?;
        let rows: String = names.iter().map(|name| format!("S-{name},{name},,\n")).collect();
        admin.import(&format!("serial,name,owner,labels\n{rows}"))?;
        Ok(Self { network, server, admin, _debian: debian })
    }

    fn token(&self, uses: u32) -> Result<CreatedToken> {
        let wanted = NewToken {
            labels: vec![],
            uses: Some(uses),
            hours: Some(1),
            serial: None,
            unknown: Unknown::Refuse,
        };
        self.admin.post("/tokens", &wanted)
    }

    fn wait_until_enrolled(&self, device: &Device<'_>) -> Result<DeviceDetail> {
        let path = format!("/devices/{}", device.name());
        let enrolled = wait_until("the device to enroll", Duration::from_secs(120), || {
            let detail: DeviceDetail = self.admin.get(&path)?;
            Ok(detail.device.enrolled.is_some().then_some(detail))
        });
        enrolled.with_context(|| {
            format!("the agent said: {}\nthe server: {}", device.journal("muster-agent"), self.server.log())
        })
    }

    /// The system of an installer, with its tools.
    fn installer(&self, name: &str) -> Result<Device<'n>> {
        let installer = Device::prepare(self.network, name)?;
        installer.write_file("/usr/local/bin/in-target", IN_TARGET, 0o755)?;
        installer.write_file("/usr/local/bin/curtin", CURTIN, 0o755)?;
        Ok(installer)
    }

    /// Runs a script in the system of an installer, with the disk of `target` at /target.
    fn install(&self, installer: &Device<'_>, target: &Device<'_>, script: &str) -> Result<Output> {
        installer.write_file("/root/install", script, 0o700)?;
        let (system, disk) = (installer.root_inside(), target.root_inside());
        let enter = "set -e; mkdir -p \"$0/target\"; mount --bind \"$1\" \"$0/target\"; \
                     exec chroot \"$0\" /bin/sh -e /root/install";
        let argv = ["unshare", "--mount", "sh", "-c", enter].map(Into::into);
        let argv = argv.into_iter().chain([system.into_os_string(), disk.into_os_string()]);
        self.network.run(argv, INSTALLING)
    }
}

/// The serial that a machine's firmware would have.
fn give_serial(device: &Device<'_>) -> Result<()> {
    // Firmware is no file of the package's, about which dpkg would ask.
    device.write_file("/etc/dpkg/dpkg.cfg.d/rig", "force-confold\n", 0o644)?;
    device.write_file("/etc/muster/agent.toml", format!("serial = \"S-{}\"\n", device.name()), 0o644)
}

#[test]
fn a_fresh_machine_installs_the_agent_by_its_own_apt_and_refuses_what_was_changed_on_the_way() -> Result<()> {
    let network = Network::create()?;
    let site = Site::open(&network, &["fresh"])?;
    let page = site.server.fetch("/install")?;
    ensure!(page.contains(&format!("https://{SERVER_NAME}:8443/install/apt")), "{page}");
    ensure!(!page.contains("<script") && page.contains("token = &quot;TOKEN&quot;"), "{page}");
    let script = site.server.fetch("/install/agent.sh")?;

    let fresh = Device::boot(&network, "fresh")?;
    give_serial(&fresh)?;
    let said = fresh.exec_with_input(["sh", "-e"], &script)?.ok()?;
    ensure!(
        said.stdout.contains(&format!("https://{SERVER_NAME}:8443/install/apt stable/main")),
        "{}",
        said.stdout
    );
    fresh.exec(["muster-agent", "--version"])?.ok()?;
    ensure!(fresh.path("/usr/share/man/man1/muster-agent-seal.1.gz").exists());
    ensure!(fresh.path("/usr/share/bash-completion/completions/muster-agent").exists());

    // The same files from the device's own disk: as they came, changed, and signed by a stranger.
    fresh.write_file(
        "/srv/apt/dists/stable/InRelease",
        site.server.fetch("/install/apt/dists/stable/InRelease")?,
        0o644,
    )?;
    let index = site.server.fetch("/install/apt/dists/stable/main/binary-amd64/Packages")?;
    fresh.write_file("/srv/apt/dists/stable/main/binary-amd64/Packages", &index, 0o644)?;
    let sources = fresh.read_file("/etc/apt/sources.list.d/muster.sources")?;
    let local = sources.replace(&format!("https://{SERVER_NAME}:8443/install/apt"), "file:///srv/apt");
    ensure!(local != sources);
    fresh.write_file("/etc/apt/sources.list.d/muster.sources", local, 0o644)?;
    let update = ["apt-get", "--error-on=any", "update"];
    fresh.exec(update)?.ok()?;
    let release = fresh.read_file("/srv/apt/dists/stable/InRelease")?;
    fresh.write_file(
        "/srv/apt/dists/stable/InRelease",
        release.replace("Origin: Muster", "Origin: Mallet"),
        0o644,
    )?;
    let refused = fresh.exec(update)?;
    ensure!(!refused.success() && refused.stderr.contains("BADSIG"), "{}", refused.stderr);
    fresh.write_file("/srv/apt/dists/stable/InRelease", release, 0o644)?;
    fresh.write_file(
        "/srv/apt/dists/stable/main/binary-amd64/Packages",
        index.replace("SHA256: ", "SHA256: 0"),
        0o644,
    )?;
    // An index that it has already is not read anew.
    fresh.exec(["sh", "-c", "rm /var/lib/apt/lists/_srv_apt_*"])?.ok()?;
    let refused = fresh.exec(update)?;
    ensure!(!refused.success(), "{}", refused.stdout);

    // With the script that holds a token the machine is a device at once.
    fresh.write_file("/etc/apt/sources.list.d/muster.sources", sources, 0o644)?;
    let with_token = site.token(1)?.snippets.shell;
    fresh.exec_with_input(["sh", "-e"], &with_token)?.ok()?;
    site.wait_until_enrolled(&fresh)?;
    Ok(())
}

#[test]
fn a_machine_that_cloud_init_sets_up_enrolls_at_its_first_boot() -> Result<()> {
    let network = Network::create()?;
    let site = Site::open(&network, &["cloud"])?;
    let mut cloud = Device::boot(&network, "cloud")?;
    cloud.exec_within(["apt-get", "--quiet", "update"], INSTALLING)?.ok()?;
    let install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "install", "cloud-init"];
    cloud.exec_within(install, INSTALLING)?.ok()?;
    give_serial(&cloud)?;
    cloud.power_off()?;
    let seed = "/var/lib/cloud/seed/nocloud";
    cloud.write_file(format!("{seed}/meta-data"), "instance-id: i-1\n", 0o644)?;
    cloud.write_file(format!("{seed}/user-data"), site.token(1)?.snippets.cloud_init, 0o600)?;
    // The rig has set the network up already, its sources are not Debian's, and its system has no locales.
    let settings = "datasource_list: [NoCloud]\nnetwork: {config: disabled}\napt: {preserve_sources_list: true}\nlocale: false\n";
    cloud.write_file("/etc/cloud/cloud.cfg.d/99-rig.cfg", settings, 0o644)?;
    let started = cloud.start();
    started.with_context(|| cloud.read_file("/var/log/cloud-init.log").unwrap_or_default())?;
    let said = cloud.exec_within(["cloud-init", "status", "--wait", "--long"], INSTALLING)?;
    ensure!(
        said.stdout.contains("status: done"),
        "{}{}",
        said.stdout,
        cloud.read_file("/var/log/cloud-init-output.log").unwrap_or_default()
    );
    site.wait_until_enrolled(&cloud)?;
    Ok(())
}

#[test]
fn a_machine_that_debians_installer_sets_up_enrolls_at_its_first_boot() -> Result<()> {
    let network = Network::create()?;
    let site = Site::open(&network, &["debian"])?;
    let mut target = Device::prepare(&network, "debian")?;
    give_serial(&target)?;
    let preseed = site.token(1)?.snippets.preseed;
    // Debconf itself reads the file and gives the command back, as in the installer.
    let script = format!(
        "debconf-set-selections <<'PRESEED'\n{preseed}PRESEED\n\
         command=$(echo 'GET preseed/late_command' | debconf-communicate)\nsh -c \"${{command#0 }}\"\n"
    );
    site.install(&site.installer("installer")?, &target, &script)?.ok()?;
    target.start()?;
    site.wait_until_enrolled(&target)?;
    Ok(())
}

#[test]
fn a_machine_that_ubuntus_installer_sets_up_enrolls_at_its_first_boot() -> Result<()> {
    let network = Network::create()?;
    let site = Site::open(&network, &["ubuntu"])?;
    let mut target = Device::prepare(&network, "ubuntu")?;
    give_serial(&target)?;
    let file = site.token(1)?.snippets.autoinstall;
    let file = muster_proto::yaml::Source::read(&file).map_err(|error| anyhow::anyhow!("{error:?}"))?.value;
    let commands = file["autoinstall"]["late-commands"].as_array().context("no late-commands")?;
    // The installer runs each by a shell of its own.
    let installer = site.installer("installer")?;
    for command in commands {
        let command = command.as_str().context("a command is a text")?;
        site.install(&installer, &target, command)?.ok()?;
    }
    target.start()?;
    site.wait_until_enrolled(&target)?;
    Ok(())
}

#[test]
fn two_clones_of_a_sealed_image_are_two_devices() -> Result<()> {
    let network = Network::create()?;
    let site = Site::open(&network, &["clone-1", "clone-2"])?;
    let image = Device::prepare(&network, "image")?;
    let page = site.server.fetch("/install")?;
    let made =
        page.split("<pre><code>").find(|block| block.starts_with("sudo debootstrap")).context("no image")?;
    let made = made.split("</code>").next().unwrap_or_default();
    let script = made.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let (debootstrap, script) = script.split_once('\n').context("one line")?;
    ensure!(debootstrap.ends_with("bookworm image http://deb.debian.org/debian"), "{debootstrap}");
    // What debootstrap makes is there already; everything after it is done as it is written.
    let folder = network.folder().join("build");
    fs::create_dir(&folder)?;
    std::os::unix::fs::symlink(image.root_inside(), folder.join("image"))?;
    fs::write(folder.join("join.toml"), site.token(2)?.join_file)?;
    fs::write(folder.join("script"), script.replace("sudo ", ""))?;
    let argv = ["sh", "-c", "cd \"$0\" && exec sh -e script"].map(Into::into);
    let said = network.run(argv.into_iter().chain([folder.into_os_string()]), INSTALLING)?.ok()?;
    ensure!(said.stdout.contains("Sealed."), "{}", said.stdout);

    let mut ids = Vec::new();
    for name in ["clone-1", "clone-2"] {
        let mut clone = image.prepare_clone(name)?;
        give_serial(&clone)?;
        clone.start()?;
        ids.push((site.wait_until_enrolled(&clone)?.device.id, clone.read_file("/etc/machine-id")?));
        clone.power_off()?;
        clone.start()?;
        clone.exec(["muster-agent", "status"])?;
    }
    ensure!(ids[0].0 != ids[1].0 && ids[0].1 != ids[1].1, "{ids:?}");
    Ok(())
}
