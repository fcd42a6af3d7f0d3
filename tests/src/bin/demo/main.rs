//! `make demo`: one server and three real devices that enroll, converge and report without a hand on them.
//!
//! It does what an admin does on the first day, with the admin's own commands, and then looks on the devices
//! themselves for what the profiles promise. With `--once` it ends after that.

mod company;
mod report;
mod say;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::rest::{Compliance, ComplianceReport};
use muster_tests::{Artifacts, Device, Network, Packages, SERVER_ADDRESS, Server, wait_until};

use crate::company::{Company, MACHINES};
use crate::say::{say, step};

/// A first converge fetches and installs packages on all devices at once.
const CONVERGE: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let once = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--once") => true,
        Some(other) => {
            say(&format!("unknown argument `{other}`; there is only --once"));
            return ExitCode::FAILURE;
        }
    };
    match run(once) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("\nThe demo failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every device is compliant and holds what the profiles promise.
fn run(once: bool) -> Result<bool> {
    let artifacts = Artifacts::find()?;
    step("Making a network for one server and three devices");
    let mut network = Network::create()?;
    if !once {
        network.link_host()?;
    }
    let network = network;
    let _packages = Packages::serve(&network)?;

    step("Setting the server up");
    let mut server = Server::setup(&network, &artifacts)?;
    server.serve()?;
    let company = Company::found(&network, &server)?;

    step("Registering three devices and making their join files");
    company.register()?;
    let mut devices = Vec::new();
    for machine in &MACHINES {
        let join_file = company.join_file(machine)?;
        let device = Device::prepare(&network, machine.name)?;
        device.install_agent(&artifacts.agent_deb, machine.serial, &join_file)?;
        devices.push(device);
    }

    step("Booting the devices; from here on they enroll by themselves");
    for device in &mut devices {
        device.start()?;
        say(&format!("  {} is up at {}", device.name(), device.address()));
    }

    step("Saving the profiles and assigning them");
    company.assign_profiles()?;

    step("Waiting until all three are compliant");
    let fleet = wait_for_fleet(&company, &devices)?;
    step("Looking on the devices for what the profiles promise");
    let problems = verify::verify(&company, &devices)?;
    for problem in &problems {
        say(&format!("  not so: {problem}"));
    }
    say(&report::table(&fleet));
    let fine = problems.is_empty() && report::all_compliant(&fleet);
    if once {
        report::write_json(&fleet, fine)?;
        return Ok(fine);
    }
    ensure!(fine, "the devices are not as the profiles promise");
    stay(&company, &artifacts, &devices)?;
    Ok(true)
}

/// The fleet when all of it is compliant, or as it is when the time is up.
fn wait_for_fleet(company: &Company<'_>, devices: &[Device<'_>]) -> Result<ComplianceReport> {
    let mut last = String::new();
    let whole = wait_until("all devices to be compliant", CONVERGE, || {
        let fleet = company.compliance()?;
        let line = report::progress(&fleet);
        if line != last {
            say(&format!("  {line}"));
            last = line;
        }
        Ok(report::all_compliant(&fleet).then_some(fleet))
    });
    if whole.is_err() {
        for device in devices {
            say(&format!("--- {}\n{}", device.name(), device.journal("muster-agent.service")));
        }
        say(&format!("--- server\n{}", company.server_log()));
        let fleet = company.compliance()?;
        for device in fleet.devices.iter().filter(|device| device.compliance != Compliance::Compliant) {
            say(&company.why(&device.name));
        }
        return Ok(fleet);
    }
    whole
}

/// Keeps everything running until Ctrl-C.
fn stay(company: &Company<'_>, artifacts: &Artifacts, devices: &[Device<'_>]) -> Result<()> {
    let entrances =
        devices.iter().map(|device| Ok(format!("  {:<10} {}", device.name(), device.entrance()?)));
    let entrances = entrances.collect::<Result<Vec<_>>>()?.join("\n");
    say(&format!(
        "\nDashboard   https://{SERVER_ADDRESS}:8443   (the certificate is the server's own)\nLogin       {}\nPassword    {}\n{}\n\nTo enter a device, as root:\n{entrances}\n\nCtrl-C ends the demo and removes everything.",
        muster_tests::ADMIN_NAME,
        company.password(),
        company.command_line(&artifacts.cli)?
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the signal handler")?;
    runtime
        .block_on(async {
            let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => interrupted,
                _ = terminated.recv() => Ok(()),
            }
        })
        .context("waiting for Ctrl-C")?;
    say("\nEnding: devices off, network and files removed");
    Ok(())
}
