//! Many at once, and those who never end.

use super::*;

#[tokio::test]
async fn a_stranger_is_refused_a_device_call_before_its_message_is_taken_in() {
    let rig = Rig::start().await;
    let mut wire = rig.connect(&Machine::new()).await;
    let endless = futures_util::stream::pending::<Result<hyper::body::Bytes, std::io::Error>>();
    let request = http::Request::post("https://localhost/muster.v1.Device/Report")
        .header("content-type", "application/grpc")
        .body(Body::new(axum::body::Body::from_stream(endless)))
        .unwrap();
    let answer = timeout(SOON, wire.0.send_request(request)).await.expect("it is answered").unwrap();
    assert_generic(&Status::from_header_map(answer.headers()).unwrap());
}

#[tokio::test]
async fn strangers_of_one_address_wait_for_each_other_and_keep_no_device_waiting() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let mut strangers = Vec::new();
    for _ in 0..32 {
        let wire = rig.connect(&Machine::new()).await;
        wire.enroll("no such token", vec![]).await.unwrap_err();
        strangers.push(wire);
    }
    let next = rig.connect(&Machine::new()).await;
    let call = next.enroll("no such token", vec![]);
    let mut call = std::pin::pin!(call);
    assert!(timeout(Duration::from_millis(500), call.as_mut()).await.is_err(), "it waits");
    let device = rig.connect(&machine).await;
    timeout(SOON, device.device().fetch(wire::FetchRequest::default())).await.unwrap().unwrap();
    strangers.pop();
    assert_generic(&timeout(SOON, call).await.expect("its turn comes").unwrap_err());
}

#[tokio::test]
async fn a_site_that_returns_at_once_from_one_address_is_served_whole() {
    let rig = Rig::start().await;
    let machine = Machine::new();
    let all = futures_util::future::join_all((0..150).map(|_| rig.connect(&machine)));
    assert_eq!(timeout(SOON, all).await.expect("each gets its turn").len(), 150);
}

#[tokio::test]
async fn who_fails_behind_an_address_shuts_nobody_out_who_has_a_token() {
    let rig = Rig::start().await;
    let (machine, token) = (Machine::new(), rig.token(1).await);
    let wire = rig.connect(&Machine::new()).await;
    let mut shut_out = false;
    for n in 0..100 {
        let refused = wire.enroll(&format!("guess {n}"), machine.csr()).await.unwrap_err();
        shut_out |= refused.code() == Code::ResourceExhausted;
    }
    assert!(shut_out, "who has no token is told to come back");
    wire.enroll(&token, machine.csr()).await.expect("a token lets in whoever else failed here");
}

#[tokio::test]
async fn who_shows_a_token_that_lets_nobody_in_is_counted_by_that_token() {
    let rig = Rig::start().await;
    let (used_up, other) = (rig.token(1).await, rig.token(2).await);
    let wire = rig.connect(&Machine::new()).await;
    wire.enroll(&used_up, Machine::new().csr()).await.unwrap();
    let mut last = Code::Ok;
    for _ in 0..100 {
        last = wire.enroll(&used_up, Machine::new().csr()).await.unwrap_err().code();
    }
    assert_eq!(last, Code::ResourceExhausted);
    let refused = wire.enroll(&other, Machine::new().csr()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "S1 is somebody else, and this token is heard");
}
