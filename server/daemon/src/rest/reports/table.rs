//! The report as CSV: a row for each device and check of a control, with the waiver that covers it.

use std::collections::BTreeMap;

use muster_proto::rest::{CheckReport, CheckReportRow, ControlReport, ControlsReport, WaiverView};
use muster_proto::text::csv_cell;
use serde::Serialize;

const HEADER: [&str; 17] = [
    "control",
    "check",
    "title",
    "severity",
    "device",
    "result",
    "since",
    "profile",
    "note",
    "waiver",
    "waiver_target",
    "accepted_by",
    "recorded_by",
    "reason",
    "waived_until",
    "made",
    "made_by",
];

/// Writes it.
pub(super) fn write(report: &ControlsReport) -> Result<String, csv::Error> {
    let waivers: BTreeMap<_, _> = report.waivers.iter().map(|waiver| (waiver.id.as_str(), waiver)).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for control in &report.controls {
        for check in &control.checks {
            for row in &check.rows {
                let waiver = row.waiver.as_deref().and_then(|id| waivers.get(id).copied());
                let cells = cells(report, control, check, row, waiver);
                writer.write_record(cells.iter().map(|cell| csv_cell(cell)))?;
            }
        }
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn cells(
    report: &ControlsReport,
    control: &ControlReport,
    check: &CheckReport,
    row: &CheckReportRow,
    waiver: Option<&WaiverView>,
) -> [String; HEADER.len()] {
    let of_waiver = |text: fn(&WaiverView) -> String| waiver.map(text).unwrap_or_default();
    [
        control.control.clone(),
        check.check.clone(),
        check.title.clone(),
        word(&check.severity),
        row.device.clone(),
        word(&row.standing),
        row.since.map(|since| since.to_string()).unwrap_or_default(),
        row.profile.clone(),
        row.note.clone().unwrap_or_default(),
        row.waiver.clone().unwrap_or_default(),
        of_waiver(|waiver| waiver.target.clone()),
        of_waiver(|waiver| waiver.owner.clone()),
        of_waiver(|waiver| waiver.created_by.clone()),
        of_waiver(|waiver| waiver.reason.clone()),
        of_waiver(|waiver| waiver.until.to_string()),
        report.made.to_string(),
        report.made_by.clone(),
    ]
}

fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
