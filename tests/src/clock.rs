//! Clocks that are wrong, on a device and on the server.
//!
//! A container has its host's clock, which is nobody's to set: a wrong one is simulated by libfaketime, for the agent's
//! service or the server alone. `CLOCK_BOOTTIME` goes on as it does when a clock is set.

use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::device::Device;
use crate::server::Server;

const ON_HOST: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const ON_DEVICE: &str = "/opt/faketime/libfaketime.so.1";
const DROP_IN: &str = "/etc/systemd/system/muster-agent.service.d/time.conf";

/// What a program on the server's machine is run under, to have a clock that is so many days off.
pub fn off_on_server(days: i32) -> [String; 4] {
    off(ON_HOST, days)
}

/// The same on a device whose agent has such a clock.
pub fn off_on_device(days: i32) -> [String; 4] {
    off(ON_DEVICE, days)
}

fn off(library: &str, days: i32) -> [String; 4] {
    let [preload, time, monotonic] = variables(library, days);
    ["env".to_owned(), preload, time, monotonic]
}

fn variables(library: &str, days: i32) -> [String; 3] {
    let time = format!("FAKETIME={days:+}d");
    [format!("LD_PRELOAD={library}"), time, "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned()]
}

impl Device<'_> {
    /// Sets the agent's clock so many days off, from its next start on.
    pub fn set_clock_off(&self, days: i32) -> Result<()> {
        // Writing over a library that a running agent has mapped would crash it.
        if !self.path(ON_DEVICE).exists() {
            self.copy_in(ON_HOST.as_ref(), ON_DEVICE)?;
        }
        let environment = variables(ON_DEVICE, days).join(" ");
        self.write_file(DROP_IN, format!("[Service]\nEnvironment={environment}\n"), 0o644)?;
        self.exec(["systemctl", "daemon-reload"])?.ok()?;
        Ok(())
    }

    /// Runs the agent by hand in place of its service, as if the machine had slept for so long: `CLOCK_BOOTTIME` is ahead by it,
    /// the boot is the same, and the clock stands as if nobody had set it since.
    pub fn wake_after(&self, slept: Duration) -> Result<Awake<'_, '_>> {
        self.exec(["systemctl", "stop", "muster-agent"])?.ok()?;
        let ahead = slept.as_secs().to_string();
        // In a namespace of time, which the service itself may not make.
        let argv = ["unshare", "--fork", "--time", "--boottime", &ahead, "muster-agent", "run"];
        let mut agent = self.command(argv)?;
        agent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Awake { device: self, agent: agent.spawn().context("starting the agent by hand")? })
    }

    /// Sets the agent's clock right, from its next start on.
    pub fn set_clock_right(&self) -> Result<()> {
        self.exec(["rm", DROP_IN])?.ok()?;
        self.exec(["systemctl", "daemon-reload"])?.ok()?;
        Ok(())
    }
}

/// An agent that was woken from sleep; it ends with this, and its service may run again.
#[derive(Debug)]
pub struct Awake<'d, 'n> {
    device: &'d Device<'n>,
    agent: Child,
}

impl Awake<'_, '_> {
    /// Ends the agent in order.
    pub fn end(mut self) -> Result<()> {
        self.device.exec(["pkill", "-x", "muster-agent"])?.ok()?;
        self.agent.wait().context("waiting for the agent")?;
        Ok(())
    }
}

impl Drop for Awake<'_, '_> {
    fn drop(&mut self) {
        // What it had started ends with the device; an agent that was waited for is gone already.
        self.agent.kill().ok();
        self.agent.wait().ok();
    }
}

impl Server<'_> {
    /// Starts it again by a clock that is so many days off.
    pub fn serve_off(&mut self, days: i32) -> Result<()> {
        self.stop()?;
        self.serve_under(off_on_server(days))
    }

    /// Starts it again by the clock of its machine.
    pub fn serve_anew(&mut self) -> Result<()> {
        self.stop()?;
        self.serve()
    }
}
