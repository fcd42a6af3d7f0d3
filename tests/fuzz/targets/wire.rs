//! Protobuf messages of both sides and the JSON documents in them: never a panic, and what was decoded encodes again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_proto::{enrollment, report, wire};
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 10 {
        0 => drop(again::<wire::EnrollResponse>(bytes)),
        1 => drop(again::<wire::FollowRequest>(bytes)),
        2 => drop(again::<wire::Notice>(bytes)),
        3 => drop(again::<wire::FetchRequest>(bytes)),
        4 => drop(again::<wire::FetchResponse>(bytes)),
        5 => drop(again::<wire::ReportResponse>(bytes)),
        6 => drop(again::<wire::RenewRequest>(bytes)),
        7 => drop(again::<wire::RenewResponse>(bytes)),
        8 => {
            let Some(request) = again::<wire::EnrollRequest>(bytes) else { return };
            drop(serde_json::from_slice::<enrollment::EnrollmentClaims>(&request.claims));
        }
        _ => {
            let Some(report) = again::<wire::ReportRequest>(bytes) else { return };
            for event in &report.events {
                read_event(&event.document);
            }
            for section in &report.sections {
                drop(serde_json::from_slice::<Vec<report::Outcome>>(&section.document));
                drop(serde_json::from_slice::<Vec<muster_proto::check::CheckResult>>(&section.document));
                drop(serde_json::from_slice::<muster_proto::when::Facts>(&section.document));
            }
        }
    }
});

fn again<M: Message + Default + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    assert_eq!(M::decode(message.encode_to_vec().as_slice()).as_ref(), Ok(&message));
    Some(message)
}

fn read_event(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<report::Event>(bytes) else { return };
    let written = serde_json::to_vec(&event).expect("an event is always JSON");
    assert_eq!(serde_json::from_slice::<report::Event>(&written).expect("what was written is read"), event);
}
