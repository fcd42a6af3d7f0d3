//! Artifacts as a device has them: by plain HTTP beside its calls.

use axum::body::to_bytes;
use futures_util::stream;
use http::{Method, StatusCode};
use hyper::body::Bytes;

use muster_proto::artifact;
use muster_proto::rest::{ArtifactState, NewAssignment};

use super::*;
use crate::app::follower::Followers as Follow;

/// Larger than what a client takes in by itself before anybody reads it.
const LARGE: usize = 12 * 1024 * 1024;

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Wire {
    async fn ask(&mut self, method: Method, digest: Digest, range: Option<&str>) -> http::Response<Incoming> {
        let uri = format!("https://localhost{}", artifact::path(&digest));
        let mut request = http::Request::builder().method(method).uri(uri);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let answer = self.0.send_request(request.body(Body::empty()).unwrap());
        timeout(SOON, answer).await.expect("it is answered").unwrap()
    }

    async fn get(&mut self, digest: Digest, range: Option<&str>) -> Answer {
        let (head, body) = self.ask(Method::GET, digest, range).await.into_parts();
        let bytes = timeout(SOON, to_bytes(axum::body::Body::new(body), usize::MAX)).await.unwrap().unwrap();
        Answer { status: head.status, headers: head.headers, bytes: bytes.into() }
    }
}

impl Rig {
    async fn put(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        let new = muster_proto::rest::NewArtifact {
            digest: digest.to_string(),
            size: bytes.len() as u64,
            name: "tool.tar".into(),
        };
        self.app.begin_artifact(&admin(), new).await.unwrap();
        let pieces = stream::iter([Ok(Bytes::from(bytes))]);
        let view = self.app.receive_artifact(&admin(), digest.to_string(), 0, pieces).await.unwrap();
        assert_eq!(view.state, ArtifactState::Stored);
        digest
    }

    /// Has the device's state name an artifact.
    async fn name(&self, digest: Digest) {
        let source = format!(
            "muster: 1\nprofile: tool\nresources:\n  - archive: {{ path: /opt/tool, artifact: \"{digest}\" }}\n"
        );
        let saved = self.app.save_profile(&admin(), "tool".into(), source, Follow::Bring, Trial::Real).await;
        saved.unwrap();
        let wanted = NewAssignment {
            profile: "tool".into(),
            revision: None,
            target: "device:lap-ada".into(),
            precedence: 0,
            mode: muster_proto::state::Mode::Enforce,
            params: Default::default(),
            follow: false,
        };
        self.app.assign(&admin(), wanted, Trial::Real).await.unwrap();
    }
}

#[tokio::test]
async fn a_device_gets_what_its_state_names_whole_or_from_where_it_left_off() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let bytes: Vec<u8> = (0..LARGE).map(|n| (n % 251) as u8).collect();
    let digest = rig.put(bytes.clone()).await;
    let mut wire = rig.connect(&machine).await;
    assert_eq!(wire.get(digest, None).await.status, StatusCode::NOT_FOUND, "nothing names it yet");
    rig.name(digest).await;
    let whole = wire.get(digest, None).await;
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(whole.header("content-length"), LARGE.to_string());
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    assert!(whole.bytes == bytes);
    let rest = wire.get(digest, Some("bytes=1000-")).await;
    assert_eq!(rest.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.header("content-range"), format!("bytes 1000-{}/{LARGE}", LARGE - 1));
    assert!(rest.bytes == bytes[1000..]);
    let beyond = wire.get(digest, Some(&format!("bytes={LARGE}-"))).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn what_a_state_does_not_name_is_told_as_what_is_not_there() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let (named, other) = (rig.put(b"named".to_vec()).await, rig.put(b"other".to_vec()).await);
    rig.name(named).await;
    let mut wire = rig.connect(&machine).await;
    let unnamed = wire.get(other, None).await;
    let unknown = wire.get(Digest::of(b"unknown"), None).await;
    assert_eq!((unnamed.status, unknown.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    let text = |answer: &Answer, digest: Digest| {
        String::from_utf8(answer.bytes.clone()).unwrap().replace(&digest.to_string(), "")
    };
    assert_eq!(text(&unnamed, other), text(&unknown, Digest::of(b"unknown")));
    assert_eq!(wire.get(named, None).await.bytes, b"named");
    let posted = wire.ask(Method::POST, named, None).await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_stranger_and_a_revoked_device_get_a_reference_and_nothing_else() {
    let rig = Rig::start().await;
    let (machine, id) = rig.enrolled().await;
    let digest = rig.put(b"tool".to_vec()).await;
    rig.name(digest).await;
    let mut stranger = rig.connect(&Machine::new()).await;
    let mut revoked = rig.connect(&machine).await;
    rig.app.revoke_device(&admin(), id).await.unwrap();
    for wire in [&mut stranger, &mut revoked] {
        let answer = wire.get(digest, None).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(text.starts_with("refused (reference ") && text.len() < 64, "{text}");
    }
}

#[tokio::test]
async fn who_asks_anew_gets_the_place_of_what_it_lost() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let digest = rig.put(vec![7; LARGE]).await;
    rig.name(digest).await;
    let mut wire = rig.connect(&machine).await;
    // It takes nothing of this one, which can't end by itself.
    let lost = wire.ask(Method::GET, digest, None).await;
    assert_eq!(lost.status(), StatusCode::OK);
    let again = rig.connect(&machine).await.get(digest, None).await;
    assert!(again.bytes == vec![7; LARGE]);
    let rest = timeout(SOON, to_bytes(axum::body::Body::new(lost.into_body()), usize::MAX)).await.unwrap();
    assert!(rest.is_err(), "the device is told that it was not all");
    wire.device().fetch(wire::FetchRequest::default()).await.expect("its calls are not concerned");
}

#[tokio::test]
async fn while_all_places_are_taken_a_device_is_told_when_to_come_back_and_its_calls_are_answered() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let digest = rig.put(b"tool".to_vec()).await;
    rig.name(digest).await;
    let places = Arc::clone(&rig.doors.artifacts.places);
    let all = u32::try_from(places.available_permits()).unwrap();
    let taken = places.acquire_many(all).await.unwrap();
    let mut wire = rig.connect(&machine).await;
    let device = wire.device();
    let (busy, call) = tokio::join!(wire.get(digest, None), async {
        let mut device = device;
        timeout(Duration::from_secs(2), device.fetch(wire::FetchRequest::default())).await
    });
    assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(busy.header("retry-after"), "30");
    call.expect("calls do not wait for artifacts").unwrap();
    drop(taken);
    assert_eq!(wire.get(digest, None).await.bytes, b"tool");
    // Its place is free again once all is sent.
    let freed = timeout(SOON, places.acquire_many(all)).await;
    assert!(freed.is_ok());
}

#[tokio::test]
async fn a_device_that_asks_again_and_again_waits_for_one_place() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let digest = rig.put(b"tool".to_vec()).await;
    rig.name(digest).await;
    let places = Arc::clone(&rig.doors.artifacts.places);
    let all = u32::try_from(places.available_permits()).unwrap();
    let taken = places.acquire_many(all).await.unwrap();
    let wire = rig.connect(&machine).await;
    let asking = tokio::spawn(async move {
        let asks = (0..10).map(|_| {
            let mut wire = wire.clone();
            async move { wire.get(digest, None).await.status }
        });
        futures_util::future::join_all(asks).await
    });
    // Others have a place by now, and of this device only the last question stands.
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(taken);
    let mut statuses = asking.await.unwrap();
    statuses.sort();
    assert_eq!(statuses[0], StatusCode::OK);
    assert!(statuses[1..].iter().all(|status| *status == StatusCode::SERVICE_UNAVAILABLE), "{statuses:?}");
}

#[tokio::test]
async fn ranges_that_nobody_in_their_right_mind_asks_for_get_a_refusal_or_the_bytes() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let bytes = b"0123456789".to_vec();
    let digest = rig.put(bytes.clone()).await;
    rig.name(digest).await;
    let mut wire = rig.connect(&machine).await;
    let huge = u64::MAX;
    for range in [
        "bytes=5-3,",
        "bytes=-1-2",
        "bytes=0-1,3-4",
        "bytes=0-9,0-9,0-9",
        "bytes=10-",
        "bytes=99999999999999999999999999-",
        &format!("bytes={huge}-{huge}"),
        "bytes=-0",
        "bytes=",
        "lines=1-",
    ] {
        let answer = wire.get(digest, Some(range)).await;
        let shown = |from: usize, to: usize| answer.bytes == bytes[from..to];
        let right = match answer.status {
            StatusCode::OK => shown(0, 10),
            StatusCode::RANGE_NOT_SATISFIABLE => answer.bytes.is_empty(),
            _ => false,
        };
        assert!(right, "{range}: {} {:?}", answer.status, answer.bytes);
    }
    let one = wire.get(digest, Some("bytes=3-3")).await;
    assert_eq!((one.status, one.bytes.as_slice()), (StatusCode::PARTIAL_CONTENT, &b"3"[..]));
    let last = wire.get(digest, Some("bytes=-2")).await;
    assert_eq!((last.status, last.bytes.as_slice()), (StatusCode::PARTIAL_CONTENT, &b"89"[..]));
}

#[tokio::test]
async fn a_device_that_is_revoked_meanwhile_gets_no_more_of_it() {
    let rig = Rig::start().await;
    let (machine, id) = rig.enrolled().await;
    let digest = rig.put(vec![7; LARGE]).await;
    rig.name(digest).await;
    let mut wire = rig.connect(&machine).await;
    let (mut follower, mut notices) = (wire.device(), None);
    notices.replace(follower.follow(wire::FollowRequest::default()).await.unwrap());
    let answer = wire.ask(Method::GET, digest, None).await;
    rig.app.revoke_device(&admin(), id).await.unwrap();
    // It takes the rest so slowly that the connection is cut before.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let rest = timeout(SOON, to_bytes(axum::body::Body::new(answer.into_body()), usize::MAX)).await.unwrap();
    assert!(rest.is_err(), "the device has to see that it was cut off");
}
