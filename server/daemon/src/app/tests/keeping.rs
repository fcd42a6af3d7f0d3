//! How much of what devices say is kept, and for how long.

use muster_policy::keep::{self, Kind};
use muster_proto::check::Verdict;
use muster_proto::{Generation, report::Event};
use muster_store::report::EventRow;
use muster_store::{StoreError, Tx, check, kept, report};

use super::reporting::{EPOCH, ended, event, events, found, result};
use super::*;

impl Rig {
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.app.store().read(look).await.unwrap()
    }

    async fn counted(&self, device: DeviceId) -> u64 {
        self.read(move |tx| report::count(tx, device)).await
    }
}

#[tokio::test]
async fn a_device_can_not_fill_the_disk_with_events_and_one_that_went_does_not_come_back() {
    let rig = rig();
    let device = rig.managed().await;
    let reason = "x".repeat(255 * 1024);
    let large =
        |sequence| event(sequence, &Event::Refused { generation: Generation(1), reason: reason.clone() });
    for first in (1..=280).step_by(10) {
        let upto = rig.app.report(device, events((first..first + 10).map(large).collect())).await.unwrap();
        assert_eq!(upto, first + 9, "what goes is acknowledged all the same");
    }
    let amount = rig.read(move |tx| kept::amount(tx, device, Kind::Event)).await;
    assert!(!amount.is_too_much());
    assert_eq!(amount.entries, rig.counted(device).await);
    assert!((200..270).contains(&amount.entries), "{amount:?}");
    assert_eq!(rig.app.report(device, events(vec![large(1), large(2)])).await.unwrap(), 280);
    assert_eq!(rig.counted(device).await, amount.entries);
    assert!(!rig.read(move |tx| report::is_recorded(tx, device, EPOCH, 1)).await);
}

#[tokio::test]
async fn an_event_that_went_before_it_was_acknowledged_does_not_come_back_either() {
    let rig = rig();
    let device = rig.managed().await;
    assert_eq!(rig.app.report(device, events(vec![ended(5)])).await.unwrap(), 0);
    let gone =
        rig.app.store().write(move |tx| kept::remove_oldest(tx, device, Kind::Event, Timestamp::MAX, 9));
    assert_eq!(gone.await.unwrap().entries, 1);
    assert_eq!(rig.app.report(device, events(vec![ended(5)])).await.unwrap(), 5);
    assert_eq!(rig.counted(device).await, 0);
}

#[tokio::test]
async fn of_a_devices_epochs_the_newest_stay() {
    let rig = rig();
    let device = rig.managed().await;
    rig.app.report(device, events(vec![ended(1)])).await.unwrap();
    for n in 0..20 {
        let mut request = events(vec![ended(1)]);
        request.epoch = uuid::Uuid::from_u128(n).to_string();
        rig.app.report(device, request).await.unwrap();
    }
    let epochs = rig.read(move |tx| report::epochs(tx, device)).await;
    assert_eq!(epochs, u64::from(keep::EPOCHS));
    let newest = uuid::Uuid::from_u128(19).to_string();
    assert_eq!(rig.read(move |tx| report::acknowledged(tx, device, &newest)).await, 1);
    assert_eq!(rig.read(move |tx| report::acknowledged(tx, device, EPOCH)).await, 0);
}

#[tokio::test]
async fn a_device_can_not_fill_the_disk_with_results_of_checks() {
    let rig = rig();
    let device = rig.managed().await;
    let reason = Some("x".repeat(4 * 1024 * 1024));
    for n in 0..40 {
        let verdict = if n % 2 == 0 { Verdict::Fail } else { Verdict::Pass };
        let large = muster_proto::check::CheckResult { reason: reason.clone(), ..result("a", verdict) };
        rig.app.report(device, found(&[], &[large], 1)).await.unwrap();
    }
    let history = rig.read(move |tx| check::history(tx, device, "a")).await;
    assert!((10..18).contains(&history.len()), "{}", history.len());
    let newest = history.last().unwrap();
    assert!(newest.to.is_none() && newest.verdict == Verdict::Pass, "what is so now stays");
}

#[tokio::test]
async fn what_is_older_than_a_year_and_a_month_goes_and_nothing_else() {
    let rig = rig();
    let device = rig.managed().await;
    let now = clock();
    let days = move |ago: i64| now.plus_seconds(-ago * 86_400);
    let written = rig.app.store().write(move |tx| {
        for (sequence, ago) in [(1, 401), (2, 399)] {
            let document = r#"{"event":"ended","resource":"file:/a"}"#.to_owned();
            let row =
                EventRow { epoch: EPOCH.into(), sequence, at: days(ago), recorded: days(ago), document };
            report::record(tx, device, &row)?;
        }
        for (from, to) in [(500, Some(401)), (401, Some(399)), (399, None)] {
            check::begin(tx, device, &result("a", Verdict::Pass), "{}", days(from))?;
            if let Some(to) = to {
                check::end(tx, device, "a", days(to))?;
            }
        }
        check::begin(tx, device, &result("since", Verdict::Pass), "{}", days(900))
    });
    written.await.unwrap();
    rig.app.let_go().await.unwrap();
    assert_eq!(rig.counted(device).await, 1);
    let left = rig.read(move |tx| check::history(tx, device, "a")).await;
    assert_eq!(left.iter().map(|interval| interval.to).collect::<Vec<_>>(), [Some(days(399)), None]);
    assert_eq!(rig.read(move |tx| check::history(tx, device, "since")).await.len(), 1, "it still holds");
}

#[tokio::test]
async fn after_a_leap_of_the_clock_time_is_certain_once_somebody_who_is_known_did_something() {
    let rig = rig();
    let record = async |actor: &'static str, action: &'static str| {
        let at = clock();
        let act = crate::app::audit::Act { at, actor, action };
        let write = move |tx: &mut Tx<'_>| crate::app::audit::write(tx, act, "x", serde_json::json!({}));
        rig.app.store().write(write).await.unwrap();
    };
    assert!(rig.app.time_is_certain().await.unwrap(), "nothing was ever recorded");
    for (actor, action) in
        [("admin:kim", "login"), ("token:api-1 \"ci\"", "token.create"), ("device:x", "certificate.renew")]
    {
        record(actor, action).await;
        assert!(rig.app.time_is_certain().await.unwrap(), "{actor}");
        pass(61 * 86_400);
        assert!(!rig.app.time_is_certain().await.unwrap(), "{actor}");
        record("stranger", "login.refuse").await;
        record("device:x", "device.enroll").await;
        assert!(!rig.app.time_is_certain().await.unwrap(), "anyone can have that recorded");
    }
}
