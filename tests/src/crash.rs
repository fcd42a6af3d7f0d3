//! Ending the agent at a chosen system call, as a crash at exactly that place would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::command;
use crate::device::Device;

/// Where the tracer is on a device, away from everything that is managed.
const TRACER: &str = "/opt/tracer";

/// What became of an agent that was to be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The call came and was the agent's last.
    Killed,
    /// The call did not come that often; the agent was ended in order.
    NotReached,
}

impl Device<'_> {
    /// Puts this host's `strace` on the device.
    pub fn install_tracer(&self) -> Result<()> {
        self.copy_in(Path::new("/usr/bin/strace"), format!("{TRACER}/strace"))?;
        let libraries = command::run(["ldd", "/usr/bin/strace"], Duration::from_secs(10))?.ok()?;
        let paths = libraries.stdout.split_whitespace().filter(|word| word.starts_with("/lib/"));
        for path in paths.map(PathBuf::from) {
            let name = path.file_name().context("a library without a name")?;
            self.copy_in(&path, Path::new(TRACER).join(name))?;
        }
        Ok(())
    }

    /// Runs the agent by hand, outside its service, and kills it when one of its threads enters the system call
    /// `call` for the `nth` time; ends it in order when that has not happened after `limit`.
    pub fn kill_agent_at(&self, call: &str, nth: u32, limit: Duration) -> Result<Crash> {
        let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
        let script = r#"
            mkdir -p -m 700 /run/muster; umask 077
            timeout -k 5 "$1" "$2/strace" -E LD_LIBRARY_PATH -f -qq -o /dev/null -e "$3" muster-agent run >/run/crash.log 2>&1
            echo $?
        "#;
        let library_path = format!("LD_LIBRARY_PATH={TRACER}");
        let seconds = limit.as_secs().to_string();
        let said = self.exec_within(
            ["env", &library_path, "sh", "-c", script, "crash", &seconds, TRACER, &inject],
            limit + Duration::from_secs(20),
        )?;
        match said.line() {
            "137" => Ok(Crash::Killed),
            "124" => Ok(Crash::NotReached),
            code => bail!(
                "the agent ended with {code} before {call} number {nth}: {}{}",
                said.stderr,
                self.read_file("/run/crash.log")?
            ),
        }
    }
}
