//! What a report says is what its rows say, in every format.

use std::collections::BTreeMap;

use muster_proto::check::Severity;
use muster_proto::rest::{
    CheckReport, CheckReportRow, ControlReport, ControlsReport, DeviceStanding, Standing, StandingDay,
    WaiverView,
};
use muster_proto::{Timestamp, rest::Compliance};

use super::{csv, html};

const HOSTILE: &str = "=cmd|' /C calc'!A0 <script>alert(1)</script> \u{202e}txt.exe";

fn report() -> ControlsReport {
    let made: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
    let row = |device: &str, standing, waiver: Option<&str>| CheckReportRow {
        device: device.into(),
        standing,
        since: Some(made),
        profile: "base@1".into(),
        waiver: waiver.map(str::to_owned),
        note: None,
    };
    let rows = vec![
        row("lap-1", Standing::Failing, None),
        row("lap-2", Standing::Waived, Some("wa-1")),
        row("lap-3", Standing::Passing, None),
    ];
    let counts = rows.iter().map(|row| row.standing).collect();
    let check =
        CheckReport { check: "a".into(), title: HOSTILE.into(), severity: Severity::High, counts, rows };
    let control = ControlReport {
        control: HOSTILE.into(),
        counts,
        checks: vec![check],
        days: vec![
            StandingDay { date: "2026-11-25".into(), counts: None },
            StandingDay { date: "2026-11-26".into(), counts: Some(counts) },
        ],
    };
    let device =
        |name: &str, compliance| DeviceStanding { device: name.into(), compliance, failing: 0, waived: 0 };
    ControlsReport {
        made,
        made_by: "token:api-1 \"grc\"".into(),
        control: None,
        label: None,
        days: 1,
        sentence: "2 of 3 compliant".into(),
        counts: Default::default(),
        left_out: Default::default(),
        devices: vec![device("lap-1", Compliance::Failing), device("lap-2", Compliance::Compliant)],
        controls: vec![control],
        waivers: vec![WaiverView {
            id: "wa-1".into(),
            check: "a".into(),
            target: "everyone".into(),
            owner: HOSTILE.into(),
            reason: HOSTILE.into(),
            created_by: "admin:kim".into(),
            created: made,
            until: made.plus_seconds(60),
            ended: None,
            ended_by: None,
            devices: 1,
        }],
    }
}

#[test]
fn the_table_has_a_row_for_each_result_and_gives_a_spreadsheet_no_orders() {
    let text = csv(&report()).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    let results: Vec<_> = rows.iter().map(|row| row["result"].as_str()).collect();
    assert_eq!(results, ["failing", "waived", "passing"]);
    assert_eq!((rows[1]["waiver"].as_str(), rows[0]["waiver"].as_str()), ("wa-1", ""));
    for cell in rows.iter().flat_map(BTreeMap::values) {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
        assert!(!cell.contains('\u{202e}'), "{cell}");
    }
}

#[test]
fn the_page_stands_alone_runs_nothing_and_shows_every_number_of_its_rows() {
    let text = html(&report()).unwrap();
    for foreign in ["<script", "src=", "href=\"http", "@import", "url(", "\u{202e}"] {
        assert!(!text.contains(foreign), "{foreign}");
    }
    assert!(text.contains("prefers-color-scheme: dark") && text.contains("@media print"));
    let rows = |class: &str| text.matches(&format!("<td class=\"{class}\">")).count();
    assert_eq!((rows("failing"), rows("waived"), rows("passing"), rows("unknown")), (1, 1, 1, 0));
    assert!(
        text.contains("3 devices: 1 passing, 1 failing, 0 unknown, 1 waived, 0 not applicable"),
        "{text}"
    );
    assert!(
        text.contains("<td>2026-11-25</td><td colspan=\"5\">no data</td>"),
        "a day without data is a gap"
    );
    assert!(text.contains("2026-11-26T12:00:00Z") && text.contains("api-1"), "when and by whom");
}
