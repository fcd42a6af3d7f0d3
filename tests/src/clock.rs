//! Clocks that are wrong, on a device and on the server.
//!
//! A container has its host's clock, which is nobody's to set: a wrong one is simulated by libfaketime, for the agent's
//! service or the server alone. `CLOCK_BOOTTIME` goes on as it does when a clock is set.

use anyhow::Result;

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

    /// Sets the agent's clock right, from its next start on.
    pub fn set_clock_right(&self) -> Result<()> {
        self.exec(["rm", DROP_IN])?.ok()?;
        self.exec(["systemctl", "daemon-reload"])?.ok()?;
        Ok(())
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
