//! What is fetched when, and what is told of what did not come.

use super::*;

#[test]
fn what_is_given_wrong_in_parts_over_and_over_is_waited_for_as_what_is_wrong_at_once() {
    assert_eq!(Missed::WrongInParts.wait(0), Duration::from_secs(1));
    assert_eq!(Missed::WrongInParts.wait(FEW), LATER);
    assert_eq!(Missed::Wrong.wait(0), LATER);
}

#[tokio::test]
async fn what_is_to_be_had_in_several_places_is_tried_in_each_of_them_before_it_is_waited_for() {
    let state = tempfile::tempdir().unwrap();
    let mut downloads = Downloads::new(Artifacts::beside_ledger(state.path()));
    let artifact = Digest::of(b"one");
    let places = ["https://one.example/a", "https://two.example/a"];
    let urls = places.map(|url| serde_json::from_value::<HttpsUrl>(url.into()).unwrap());
    downloads.name(Named::from([(artifact, urls.to_vec())]));
    let mut missed = |from: usize, missed: Missed| {
        let at = downloads.later.get(&artifact).map_or(0, |vain| vain.place);
        assert_eq!(at, from, "it is tried elsewhere");
        let done = Done { artifact, from: Some(urls[from].clone()), result: Err(missed) };
        let told = downloads.take(done).map(|told| match told {
            FromServer::Artifact { told, .. } => told.unwrap(),
            told => panic!("{told:?}"),
        });
        (told, downloads.due().unwrap().saturating_duration_since(Instant::now()))
    };
    assert_eq!(missed(0, Missed::Elsewhere(StatusCode::NOT_FOUND)), (None, Duration::ZERO));
    let (told, wait) = missed(1, cut("gone"));
    assert_eq!(
        told,
        Some(Heard::Missed(
            "its artifact could not be fetched from one.example: it answered 404 Not Found; \
             its artifact could not be fetched from two.example: it was cut off: gone"
                .to_owned()
        ))
    );
    assert!(wait <= Duration::from_secs(1), "one of them may soon be back: {wait:?}");
    assert_eq!(missed(0, cut("gone")), (None, Duration::ZERO));
    assert!(missed(1, Missed::WrongInParts).0.is_some());
    let (told, _) = missed(1, Missed::Wrong);
    let Some(Heard::Missed(told)) = told else { panic!("{told:?}") };
    assert!(!told.contains("one.example"), "the part of the one is not held against the other");
}

#[test]
fn what_is_cut_off_now_and_then_or_waits_its_turn_is_said_to_come_and_what_is_cut_off_each_time_is_not() {
    let now = Instant::now();
    let mut vain = Vain::none(now);
    let mut comes = |missed: &Missed| matches!(vain.take(missed, None, 1, now), Some(Heard::Coming(_)));
    for _ in 0..FEW {
        assert!(comes(&cut("the device slept")));
    }
    assert!(!comes(&cut("the device slept")));
    assert!(comes(&Missed::Busy(Duration::from_secs(30))));
    assert!(!comes(&Missed::Unknown), "somebody has to put it there");
}

#[tokio::test]
async fn a_fetch_that_never_ends_gives_way_to_each_of_the_others_in_turn() {
    let state = tempfile::tempdir().unwrap();
    let mut downloads = Downloads::new(Artifacts::beside_ledger(state.path()));
    let mut all = ["one", "two", "ten"].map(|text| Digest::of(text.as_bytes()));
    all.sort_unstable();
    downloads.name(all.iter().map(|artifact| (*artifact, vec![])).collect());
    let start = Instant::now();
    let mut now = start;
    let mut turn = vec![downloads.next(now, None).unwrap()];
    for _ in 0..5 {
        let under_way = *turn.last().unwrap();
        assert_eq!(downloads.next(now, Some((under_way, now + TURN))), None, "it has its turn");
        now += TURN;
        turn.push(downloads.next(now, Some((under_way, now))).unwrap());
        downloads.put_off(under_way, now);
    }
    assert_eq!(turn, [&all[..], &all[..]].concat());
    // Alone it goes on, whatever its turn.
    downloads.name(Named::from([(all[0], vec![])]));
    assert_eq!(downloads.next(now, Some((all[0], start))), None);
}
