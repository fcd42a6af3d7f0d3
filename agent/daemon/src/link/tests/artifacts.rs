//! Artifacts over the link: resumed, proven, and told of.

use std::io::Read as _;

use super::*;
use crate::artifacts::{Heard, Named};

/// Some blocks of digits.
fn content() -> String {
    "0123456789".repeat(100_000)
}

/// What a server answers that has `all`, asked for it from `begin` on; of which only `sent` bytes come.
fn part(all: &str, begin: u64, sent: usize) -> http::Response<String> {
    let rest = &all[usize::try_from(begin).unwrap()..];
    let (status, range) = if begin > 0 {
        (206, format!("bytes {begin}-{}/{}", all.len() - 1, all.len()))
    } else {
        (200, String::new())
    };
    http::Response::builder()
        .status(status)
        .header("content-type", "application/octet-stream")
        .header("content-length", rest.len())
        .header("content-range", range)
        .body(rest[..sent.min(rest.len())].to_owned())
        .unwrap()
}

/// What is heard of an artifact, whether it comes by itself or not.
fn words(heard: &Heard) -> &str {
    match heard {
        Heard::Coming(words) | Heard::Missed(words) => words,
    }
}

impl Running {
    /// What is told of an artifact at last, beyond that it is being fetched.
    async fn told(&mut self) -> Option<String> {
        loop {
            match self.next().await {
                FromServer::Artifact { told: Some(told), .. }
                    if words(&told).contains("is being fetched") => {}
                FromServer::Artifact { told, .. } => return told.as_ref().map(words).map(str::to_owned),
                _ => {}
            }
        }
    }

    async fn name(&self, artifacts: &[Digest]) {
        self.orders
            .send(ToServer::Artifacts(
                artifacts.iter().map(|artifact| (*artifact, vec![])).collect::<Named>(),
            ))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_artifact_comes_whole_although_it_is_cut_off_and_its_link_ends() {
    let organization = Organization::new();
    let digest = Digest::of(content().as_bytes());
    let begins: Arc<Mutex<Vec<u64>>> = Arc::default();
    let asked = Arc::clone(&begins);
    let script = Script {
        artifact: Box::new(move |asked_for, begin| {
            assert_eq!(asked_for, digest);
            asked.lock().unwrap().push(begin);
            let tries = asked.lock().unwrap().len();
            if tries == 2 {
                return http::Response::builder()
                    .status(503)
                    .header("retry-after", "1")
                    .body(String::new())
                    .unwrap();
            }
            part(&content(), begin, if tries == 1 { 600_000 } else { usize::MAX })
        }),
        ..Script::default()
    };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, enrolled) = enrolled(&organization, &server, MONTH);
    // Named before there is a link.
    let mut running = Running::start(enrolled, temp.path());
    running.name(&[digest]).await;
    let told = running.told().await.unwrap();
    assert!(told.contains("cut off"), "{told}");
    running.orders.send(ToServer::Reach(1)).await.unwrap();
    assert!(running.told().await.unwrap().contains("other devices to serve first"));
    assert_eq!(running.told().await, None);
    let begins = begins.lock().unwrap().clone();
    assert_eq!((begins[0], begins[1], begins.len()), (0, begins[2], 3));
    assert!(begins[2] > 0, "it went on where it was cut off");
    let mut text = String::new();
    let artifacts = Artifacts::beside_ledger(temp.path());
    artifacts.open(&digest).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, content());
    running.name(&[]).await;
    until(|| !artifacts.has(&digest)).await;
}

#[tokio::test]
async fn wrong_bytes_are_thrown_away_and_what_a_server_says_is_told() {
    let organization = Organization::new();
    let forged = content().replace('9', "8");
    let [wrong, unknown, old, endless, lying] = [1, 2, 3, 4, 5].map(|n: u8| Digest::of(&[n]));
    let script = Script {
        artifact: Box::new(move |digest, begin| {
            let mut answer = part(&forged, begin, usize::MAX);
            if digest == unknown {
                *answer.status_mut() = http::StatusCode::NOT_FOUND;
            } else if digest == old {
                answer.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            } else if digest == endless {
                answer.headers_mut().insert("content-length", (1u64 << 40).into());
            } else if digest == lying {
                *answer.status_mut() = http::StatusCode::PARTIAL_CONTENT;
            }
            answer
        }),
        ..Script::default()
    };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, enrolled) = enrolled(&organization, &server, MONTH);
    let mut running = Running::start(enrolled, temp.path());
    running.up().await;
    for (digest, why) in [
        (wrong, "something else, and was thrown away"),
        (unknown, "muster artifact put"),
        (old, "keeps no artifacts"),
        (endless, "at most 4096"),
        (lying, "another part"),
    ] {
        running.name(&[digest]).await;
        let told = running.told().await.unwrap();
        assert!(told.contains(why), "{told}");
        assert!(!Artifacts::beside_ledger(temp.path()).has(&digest));
    }
    let left = std::fs::read_dir(temp.path().join("artifacts")).unwrap().count();
    assert!(left <= 1, "only a part of what is named last");
}

#[tokio::test]
async fn a_beginning_that_somebody_else_gave_costs_a_try_and_not_half_an_hour() {
    let organization = Organization::new();
    let digest = Digest::of(content().as_bytes());
    let tries: Arc<Mutex<Vec<u64>>> = Arc::default();
    let asked = Arc::clone(&tries);
    let script = Script {
        artifact: Box::new(move |_, begin| {
            asked.lock().unwrap().push(begin);
            let is_first = asked.lock().unwrap().len() == 1;
            let all = if is_first { content().replace('9', "8") } else { content() };
            part(&all, begin, if is_first { 600_000 } else { usize::MAX })
        }),
        ..Script::default()
    };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, enrolled) = enrolled(&organization, &server, MONTH);
    let mut running = Running::start(enrolled, temp.path());
    running.name(&[digest]).await;
    assert!(running.told().await.unwrap().contains("cut off"));
    assert!(running.told().await.unwrap().contains("begins anew"));
    assert_eq!(running.told().await, None);
    let tries = tries.lock().unwrap().clone();
    assert!(tries.len() == 3 && tries[1] > 0 && tries[2] == 0, "{tries:?}");
}

#[tokio::test]
async fn reports_go_on_while_an_artifact_is_fetched() {
    let organization = Organization::new();
    let script = Script {
        // It never ends: what was said to come does not.
        artifact: Box::new(|_, _| part(&content(), 0, 600_000)),
        report: Box::new(|request| {
            Ok(wire::ReportResponse { acknowledged: request.events.len() as u64, ..Default::default() })
        }),
        ..Script::default()
    };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, enrolled) = enrolled(&organization, &server, MONTH);
    let mut running = Running::start(enrolled, temp.path());
    running.name(&[Digest::of(b"x")]).await;
    running.orders.send(ToServer::Report(wire::ReportRequest::default())).await.unwrap();
    running.up().await;
    running.orders.send(ToServer::Report(wire::ReportRequest::default())).await.unwrap();
    while !matches!(running.next().await, FromServer::Acknowledged { .. }) {}
}
