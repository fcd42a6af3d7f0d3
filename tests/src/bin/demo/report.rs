//! The fleet as a table for a person and as one JSON object for a program.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use muster_proto::rest::{Compliance, ComplianceReport, Device};
use serde::Serialize;
use serde_json::json;

use crate::company::MACHINES;

/// Whether every machine of the demo is there and compliant.
pub(crate) fn all_compliant(fleet: &ComplianceReport) -> bool {
    let compliant = fleet.devices.iter().filter(|device| device.compliance == Compliance::Compliant).count();
    compliant == MACHINES.len() && fleet.devices.len() == MACHINES.len()
}

/// One line that says how far each device is.
pub(crate) fn progress(fleet: &ComplianceReport) -> String {
    let devices = fleet
        .devices
        .iter()
        .map(|device| format!("{} {}, {}", device.name, word(&device.state), word(&device.compliance)));
    devices.collect::<Vec<_>>().join("; ")
}

/// The table that the demo ends with.
pub(crate) fn table(fleet: &ComplianceReport) -> String {
    let mut text = format!("\n{}\n", fleet.sentence);
    let columns = ["DEVICE", "SERIAL", "OWNER", "STATE", "GENERATION", "COMPLIANCE", "FAILING"];
    let rows = fleet.devices.iter().map(row);
    for [name, serial, owner, state, generation, compliance, failing] in
        std::iter::once(columns.map(str::to_owned)).chain(rows)
    {
        // Writing to a string can't fail.
        writeln!(
            text,
            "{name:<10} {serial:<12} {owner:<7} {state:<11} {generation:<11} {compliance:<11} {failing}"
        )
        .ok();
    }
    text
}

/// The last line of standard output.
pub(crate) fn write_json(fleet: &ComplianceReport, verified: bool) -> Result<()> {
    let compliant = fleet.devices.iter().filter(|device| device.compliance == Compliance::Compliant).count();
    let devices: Vec<_> = fleet
        .devices
        .iter()
        .map(|device| {
            json!({
                "name": device.name,
                "serial": device.serial,
                "state": device.state,
                "generation": device.generation_applied,
                "compliance": device.compliance,
            })
        })
        .collect();
    let result = json!({
        "total": fleet.devices.len(),
        "compliant": compliant,
        "verified": verified,
        "devices": devices,
    });
    writeln!(std::io::stdout(), "{result}").context("writing the result")
}

fn row(device: &Device) -> [String; 7] {
    [
        device.name.clone(),
        device.serial.clone(),
        device.owner.clone().unwrap_or_default(),
        word(&device.state),
        format!("{} of {}", device.generation_applied, device.generation_wanted),
        word(&device.compliance),
        device.failing.to_string(),
    ]
}

/// A state as the API writes it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
