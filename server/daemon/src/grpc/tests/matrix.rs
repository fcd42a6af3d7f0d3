//! Who may call what: every method of the protocol against everybody who could call it.

use std::collections::BTreeSet;

use muster_proto::rest::{NewApiToken, Role};

use super::*;

/// The protocol itself, so that a method without a row here fails.
const PROTOCOL: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/proto/muster/v1/device.proto"));

/// Who may call a method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    /// A machine with a token, certificate or not.
    TokenHolder,
    /// A device with a certificate that holds.
    Device,
}

const TABLE: &[(&str, May)] = &[
    ("muster.v1.Enrollment/Enroll", May::TokenHolder),
    ("muster.v1.Enrollment/ComeBack", May::TokenHolder),
    ("muster.v1.Device/Follow", May::Device),
    ("muster.v1.Device/Fetch", May::Device),
    ("muster.v1.Device/Report", May::Device),
    ("muster.v1.Device/Renew", May::Device),
    ("muster.v1.Device/Answer", May::Device),
    ("muster.v1.Device/Receipt", May::Device),
];

fn methods() -> BTreeSet<String> {
    let (mut methods, mut service) = (BTreeSet::new(), "");
    for line in PROTOCOL.lines() {
        let mut words = line.split([' ', '(', '{']).filter(|word| !word.is_empty());
        match (words.next(), words.next()) {
            (Some("service"), Some(name)) => service = name,
            (Some("rpc"), Some(name)) => drop(methods.insert(format!("muster.v1.{service}/{name}"))),
            _ => {}
        }
    }
    methods
}

/// The answer to an empty message, which is as far as a caller gets who may not call.
async fn call(mut wire: Wire, method: &str, bearer: Option<&str>) -> Code {
    let mut request = http::Request::post(format!("https://localhost/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = bearer {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let empty = axum::body::Body::from(vec![0; 5]);
    let answer = wire.0.send_request(request.body(Body::new(empty)).unwrap());
    let answer = timeout(SOON, answer).await.expect("it is answered").unwrap();
    Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code())
}

#[test]
fn every_method_has_its_row() {
    let rows: BTreeSet<_> = TABLE.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(rows, methods());
}

#[tokio::test]
async fn only_a_device_whose_certificate_holds_gets_anything_done() {
    let rig = Rig::start().await;
    let (revoked, id) = rig.enrolled().await;
    rig.app.revoke_device(&admin(), id).await.unwrap();
    let wanted = |role| NewApiToken { name: "ci".into(), role, days: None, scopes: Vec::new() };
    let mut bearers = Vec::new();
    for role in [Role::Admin, Role::Auditor] {
        bearers.push(rig.app.create_api_token(&admin(), wanted(role)).await.unwrap().secret);
    }
    let devices =
        rig.app.import_devices(&admin(), "serial\nS2".to_owned(), NewOwners::Add, Trial::Real).await.unwrap();
    assert!(devices.errors.is_empty());
    let stranger = Machine::new();
    for (method, _) in TABLE {
        assert_eq!(
            call(rig.connect(&stranger).await, method, None).await,
            Code::PermissionDenied,
            "{method}"
        );
        for bearer in &bearers {
            let told = call(rig.connect(&stranger).await, method, Some(bearer)).await;
            assert_eq!(told, Code::PermissionDenied, "{method}: an API token is nothing to devices");
        }
        let told = call(rig.connect(&revoked).await, method, None).await;
        assert_eq!(told, Code::PermissionDenied, "{method}: it is revoked");
    }
}

#[tokio::test]
async fn a_device_may_call_what_is_for_devices() {
    let rig = Rig::start().await;
    let (device, _) = rig.enrolled().await;
    for (method, may) in TABLE {
        let told = call(rig.connect(&device).await, method, None).await;
        // An empty message asks for nothing that makes sense, but by Enroll it lacks its token.
        assert_eq!(told == Code::PermissionDenied, refuses_empty(method, *may), "{method}: {told:?}");
        assert_ne!(told, Code::Unimplemented, "{method}");
    }
}

/// Without a token nobody enrolls, and an empty request for a certificate is refused as a forged one is.
fn refuses_empty(method: &str, may: May) -> bool {
    may == May::TokenHolder || method.ends_with("/Renew")
}
