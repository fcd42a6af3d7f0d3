//! `muster device show --cost`: what a device's agent spends on what.

use muster_proto::cost::{Cost, KindCost};

use crate::failure::Failure;
use crate::output;

/// One kind of resource or one check. Times are in microseconds.
struct Row {
    what: String,
    resources: Option<u64>,
    read: u64,
    written: Option<u64>,
}

/// Prints what each kind and each check takes, the most expensive first.
pub(super) fn show(cost: &Cost) -> Result<(), Failure> {
    let kind = |(kind, cost): (&String, &KindCost)| Row {
        what: kind.clone(),
        resources: Some(cost.resources),
        read: cost.read,
        written: Some(cost.written),
    };
    let check = |(id, took): (&String, &u64)| Row {
        what: format!("check {id}"),
        resources: None,
        read: *took,
        written: None,
    };
    let mut rows: Vec<Row> = cost.kinds.iter().map(kind).chain(cost.checks.iter().map(check)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.read.max(row.written.unwrap_or_default())));
    output::rows(&rows, &["WHAT", "RESOURCES", "TO LOOK", "TO WRITE"], |row| {
        vec![
            row.what.clone(),
            row.resources.map(|n| n.to_string()).unwrap_or_default(),
            milliseconds(row.read),
            row.written.map(milliseconds).unwrap_or_default(),
        ]
    })
}

fn milliseconds(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1_000.0)
}
