//! A device's bad days at its door: the last order before anything else, a return, and two machines under one identity.

use std::sync::atomic::{AtomicI64, Ordering};

use muster_proto::last_order::{Order, Receipt};
use muster_proto::rest::{DeviceState, ReportLost};
use muster_proto::returning::{EXPORTED, LABEL, message};
use rcgen::SigningKey;

use super::*;
use crate::app::standing::Standing;

/// A connection without a certificate, with the keying material of both ends.
async fn stranger(rig: &Rig) -> (Wire, [u8; EXPORTED]) {
    let mut roots = RootCertStore::empty();
    roots.add(rig.authority.root().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(rig.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.unwrap();
    let exported = tls.get_ref().1.export_keying_material([0; EXPORTED], LABEL, None).unwrap();
    let (send, driver) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    tokio::spawn(driver);
    (Wire(send), exported)
}

/// Asks to come back as `machine` with the key `next`, signed by `signer`.
async fn come_back(
    wire: &Wire,
    exported: &[u8; EXPORTED],
    machine: &Machine,
    next: &Machine,
    signer: &KeyPair,
) -> Result<Vec<Vec<u8>>, Status> {
    let (certificate, csr) = (machine.chain[0].clone(), next.csr());
    let signature = signer.sign(&message(exported, &certificate, &csr)).unwrap();
    let request = wire::ComeBackRequest {
        certificate: certificate.into(),
        csr: csr.into(),
        signature: signature.into(),
    };
    let answer = wire.enrollment().come_back(request).await?.into_inner();
    Ok(answer.chain.into_iter().map(Vec::from).collect())
}

/// Seconds that have passed beyond those of the system's clock.
static PASSED: AtomicI64 = AtomicI64::new(0);

fn clock() -> Timestamp {
    system_clock().plus_seconds(PASSED.load(Ordering::Relaxed))
}

fn following(boot: u128) -> wire::FollowRequest {
    wire::FollowRequest {
        boot: uuid::Uuid::from_u128(boot).to_string(),
        last_orders: true,
        ..wire::FollowRequest::default()
    }
}

#[tokio::test]
async fn a_device_comes_back_over_a_connection_that_its_newest_key_signed_and_over_no_other() {
    let rig = Rig::start_by(clock).await;
    let (machine, id) = rig.enrolled().await;
    rig.follows(&machine).await.unwrap();
    let (wire, exported) = stranger(&rig).await;
    let early = come_back(&wire, &exported, &machine, &Machine::new(), &machine.key).await;
    assert_generic(&early.unwrap_err());
    PASSED.store(40 * 86_400, Ordering::Relaxed);
    let mut next = Machine::new();
    assert_generic(&come_back(&wire, &exported, &machine, &next, &next.key).await.unwrap_err());
    let (_, of_another) = stranger(&rig).await;
    let recorded = come_back(&wire, &of_another, &machine, &next, &machine.key).await;
    assert_generic(&recorded.unwrap_err());
    let audit = rig.audit().await;
    assert!(audit.contains("is not signed with the certificate's key"), "{audit}");

    next.chain = come_back(&wire, &exported, &machine, &next, &machine.key).await.unwrap();
    // A connection would be judged by the system's clock.
    let facts = crate::ca::facts(&next.chain[0]).unwrap();
    let standing = rig.app.standing(id.parse().unwrap(), facts.serial_number, facts.key).await.unwrap();
    assert_eq!(standing, Standing::Good);
    let again = come_back(&wire, &exported, &machine, &Machine::new(), &machine.key).await;
    assert_generic(&again.unwrap_err());
    assert!(rig.audit().await.contains("a newer certificate of the device has been used since"));
}

#[tokio::test]
async fn a_certificate_of_another_authority_brings_nobody_back() {
    let (rig, other) = (Rig::start().await, Rig::start().await);
    let (foreign, _) = other.enrolled().await;
    let (wire, exported) = stranger(&rig).await;
    let answer = come_back(&wire, &exported, &foreign, &Machine::new(), &foreign.key).await;
    assert_generic(&answer.unwrap_err());
    assert!(rig.audit().await.contains("no such certificate"));
}

#[tokio::test]
async fn strangers_keep_no_device_from_coming_back_that_signs_as_what_is_on_record() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let (wire, exported) = stranger(&rig).await;
    let forger = Machine::new();
    let mut answer = Code::Ok;
    for _ in 0..100 {
        answer = come_back(&wire, &exported, &machine, &forger, &forger.key).await.unwrap_err().code();
        if answer == Code::ResourceExhausted {
            break;
        }
    }
    assert_eq!(answer, Code::ResourceExhausted);
    // It comes too early, and is told so by whoever looks at it, as its certificate is good.
    let early = come_back(&wire, &exported, &machine, &Machine::new(), &machine.key).await;
    assert_generic(&early.unwrap_err());
}

#[tokio::test]
async fn the_last_order_comes_before_anything_else_and_after_its_receipt_comes_nothing() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let wire = rig.connect(&machine).await;
    let mut notices = wire.device().follow(following(1)).await.unwrap().into_inner();
    rig.app.report_lost(&admin(), "lap-ada".into(), ReportLost::default()).await.unwrap();
    let order = loop {
        let notice = timeout(SOON, notices.message()).await.unwrap().unwrap().unwrap();
        if let Some(wire::notice::Notice::LastOrder(order)) = notice.notice {
            break serde_json::from_slice::<Order>(&order.order).unwrap().last_order;
        }
    };
    let busy = wire.device().fetch(wire::FetchRequest::default()).await.unwrap_err();
    assert_eq!(busy.code(), Code::FailedPrecondition, "{busy}");
    let receipt = Receipt { order: order.id, done: system_clock(), locked: vec![], faults: vec![] };
    let receipt = wire::ReceiptRequest { receipt: serde_json::to_vec(&receipt).unwrap().into() };
    let answer = wire.device().receipt(receipt.clone()).await.unwrap().into_inner();
    assert!(!answer.taken_back);
    let shown = rig.app.show_device(&Identity::local_root().view(), "lap-ada".into()).await.unwrap();
    assert_eq!(shown.device.state, DeviceState::Lost);
    let again = rig.connect(&machine).await;
    let answer = again.device().receipt(receipt).await.unwrap().into_inner();
    assert!(!answer.taken_back, "an answer that was lost on the way is given again");
    assert_generic(&rig.follows(&machine).await.unwrap_err());
    let (wire, exported) = stranger(&rig).await;
    let back = come_back(&wire, &exported, &machine, &Machine::new(), &machine.key).await;
    assert_generic(&back.unwrap_err());
}

#[tokio::test]
async fn a_receipt_that_says_too_much_or_nothing_that_is_one_is_not_taken() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let wire = rig.connect(&machine).await;
    let fault = "x".repeat(10_000);
    let long = Receipt { order: "o".into(), done: system_clock(), locked: vec![], faults: vec![fault] };
    for receipt in [serde_json::to_vec(&long).unwrap(), b"{}".to_vec(), b"".to_vec()] {
        let request = wire::ReceiptRequest { receipt: receipt.into() };
        let refused = wire.device().receipt(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
}

#[tokio::test]
async fn of_two_machines_the_first_ones_link_ends_and_when_it_comes_again_both_are_held() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let (first, second) = (rig.connect(&machine).await, rig.connect(&machine).await);
    let mut link = first.device().follow(following(1)).await.unwrap().into_inner();
    assert!(timeout(SOON, link.message()).await.unwrap().unwrap().is_some());
    let mut others = second.device().follow(following(2)).await.unwrap().into_inner();
    assert!(timeout(SOON, others.message()).await.unwrap().unwrap().is_some(), "it may be a reboot");
    let ended = timeout(SOON, link.message()).await.unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable, "{ended}");
    let back = rig.connect(&machine).await.device().follow(following(1)).await;
    assert_generic(&back.map(drop).unwrap_err());
    assert!(timeout(SOON, others.message()).await.unwrap().is_err(), "the other one is held as well");
    let shown = rig.app.show_device(&Identity::local_root().view(), "lap-ada".into()).await.unwrap();
    assert_eq!(shown.device.state, DeviceState::Held);
    assert!(shown.twins.is_some());
}

#[tokio::test]
async fn of_two_copies_the_one_that_did_not_renew_is_refused_and_brings_the_other_to_light() {
    let rig = Rig::start().await;
    let (copy, _) = rig.enrolled().await;
    let mut renewed = Machine::new();
    let request = wire::RenewRequest { csr: renewed.csr().into() };
    let answer = rig.connect(&copy).await.device().renew(request).await.unwrap().into_inner();
    renewed.chain = answer.chain.into_iter().map(Vec::from).collect();
    let mut link = rig.connect(&renewed).await.device().follow(following(1)).await.unwrap().into_inner();
    assert!(timeout(SOON, link.message()).await.unwrap().unwrap().is_some());
    let refused = rig.connect(&copy).await.device().follow(following(2)).await;
    assert_generic(&refused.map(drop).unwrap_err());
    let shown = async || rig.app.show_device(&Identity::local_root().view(), "lap-ada".into()).await.unwrap();
    assert!(shown().await.old_certificate.is_some());
    assert!(timeout(SOON, link.message()).await.unwrap().is_err());
    let back = rig.connect(&renewed).await.device().follow(following(1)).await;
    assert_generic(&back.map(drop).unwrap_err());
    assert_eq!(shown().await.device.state, DeviceState::Held);
}

#[tokio::test]
async fn a_copy_that_keeps_silent_about_its_boot_does_not_follow_as_the_device() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    rig.follows(&machine).await.unwrap();
    let wire = rig.connect(&machine).await;
    let _true_one = wire.device().follow(following(1)).await.unwrap();
    let refused = rig.follows(&machine).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
}

#[tokio::test]
async fn a_device_is_told_to_apply_now_while_it_is_connected_and_otherwise_the_admin_hears_that_it_is_not() {
    let rig = Rig::start().await;
    let (machine, id) = rig.enrolled().await;
    let right = Identity::local_root().administer().unwrap();
    assert!(matches!(rig.app.apply_now(&right, id.clone()).await, Err(AppError::Away(_))));
    let wire = rig.connect(&machine).await;
    let mut notices = wire.device().follow(following(1)).await.unwrap().into_inner();
    notices.message().await.unwrap().unwrap();
    rig.app.apply_now(&right, id).await.unwrap();
    let told = notices.message().await.unwrap().unwrap();
    assert!(matches!(told.notice, Some(wire::notice::Notice::ApplyNow(_))), "{told:?}");
}
