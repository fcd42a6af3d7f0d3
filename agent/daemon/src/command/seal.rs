//! `muster-agent seal`: makes the machine an image, each clone of which enrolls as a device of its own.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use muster_proto::text::escape;

use super::confirmed;
use crate::config::Config;
use crate::service;

pub(super) fn seal(config: &Config, yes: bool) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    let question =
        "This stops the agent and wipes who this device is, what Muster did here, and its keys. Go on?";
    if !yes && !confirmed(&mut out, question)? {
        return Ok(ExitCode::FAILURE);
    }
    service::block_on(service::stop_for_good())?;
    service::wipe(config)?;
    writeln!(
        out,
        "Sealed. Shut this machine down and take the image: each clone enrolls as a new device when it starts."
    )?;
    for warning in warnings(config) {
        writeln!(out, "warning: {}", escape(&warning))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What would keep clones from enrolling, each as itself.
fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let join_file = config.join_file.display();
    if !config.join_file.exists() {
        warnings.push(format!(
            "there is no join file: put one at {join_file} before the image is taken, with a token for as many uses as clones (muster token create --uses N --print toml)"
        ));
    }
    if let Some(serial) = &config.serial {
        warnings.push(format!(
            "agent.toml says that the serial is {serial}: every clone would claim it; take the line out unless each gets its own"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_join_file_or_with_a_serial_of_its_own_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let join_file = folder.path().join("join.toml");
        let config = Config { join_file: join_file.clone(), ..Config::default() };
        assert_eq!(warnings(&config).len(), 1);
        std::fs::write(join_file, "").unwrap();
        assert!(warnings(&config).is_empty());
        assert_eq!(warnings(&Config { serial: Some("S-1".to_owned()), ..config }).len(), 1);
    }
}
