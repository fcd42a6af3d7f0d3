//! Lists and counts of a large fleet stay quick. Ignored by default: it takes a minute to fill the database.

use std::collections::BTreeSet;
use std::time::Instant;

use muster_proto::rest::{Compliance, DeviceState};
use muster_proto::{DeviceId, Timestamp};
use muster_store::device::{Filter, NewDevice, Sort, Window, counts, list, stages, total};
use muster_store::{Store, StoreError, Tx, device, label};

const DEVICES: u32 = 100_000;
const LIMIT_MS: u128 = 100;

fn fill(tx: &mut Tx<'_>, from: u32, to: u32) -> Result<(), StoreError> {
    let at = Timestamp::default().plus_seconds(1_800_000_000);
    for n in from..to {
        let id = DeviceId(uuid::Uuid::from_u128(
            u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
        ));
        let (serial, name) = (format!("SER{n:06}"), format!("dev-{n:06}"));
        let new = NewDevice {
            id,
            serial: &serial,
            name: &name,
            owner: None,
            state: DeviceState::Registered,
            stale_after: 3_600,
        };
        device::insert(tx, &new, at)?;
        let kind = if n % 5 == 0 { "server" } else { "laptop" };
        label::replace(tx, id, &BTreeSet::from([kind.to_owned(), format!("site-{}", n % 40)]))?;
        device::set_enrolled(tx, id, at.plus_seconds(-i64::from(n % 7_200)))?;
        let compliance = if n % 20 == 0 { Compliance::Failing } else { Compliance::Compliant };
        device::set_compliance(tx, id, compliance, u32::from(n % 20 == 0) * (n % 9))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fills a database of 100,000 devices"]
async fn any_page_and_count_of_100_000_devices_takes_at_most_100_ms() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("muster.db")).unwrap();
    for part in 0..DEVICES / 10_000 {
        store.write(move |tx| fill(tx, part * 10_000, (part + 1) * 10_000)).await.unwrap();
    }
    let now = Timestamp::default().plus_seconds(1_800_000_000);
    let text = |text: &str| Filter { text: Some(text.into()), ..Filter::default() };
    let filters = [
        ("all", Filter::default()),
        ("label", Filter { label: Some("site-7".into()), ..Filter::default() }),
        ("stale", Filter { compliance: Some(Compliance::Stale), ..Filter::default() }),
        ("failing", Filter { compliance: Some(Compliance::Failing), ..Filter::default() }),
        ("text", text("99999")),
    ];
    let mut slow = Vec::new();
    let mut note = |what: String, started: Instant| {
        let took = started.elapsed().as_millis();
        eprintln!("{what}: {took} ms");
        if took > LIMIT_MS {
            slow.push(what);
        }
    };
    for (name, filter) in filters {
        for sort in [Sort::Name, Sort::Failing, Sort::Compliance, Sort::LastSeen, Sort::Registered] {
            let window = Window { sort, after: None, limit: 101 };
            let (filter, started) = (filter.clone(), Instant::now());
            store.read(move |tx| list(tx, &filter, &window, now)).await.unwrap();
            note(format!("list {name} by {sort:?}"), started);
        }
        let (filter, started) = (filter.clone(), Instant::now());
        store.read(move |tx| total(tx, &filter, now)).await.unwrap();
        note(format!("total {name}"), started);
    }
    let started = Instant::now();
    store.read(move |tx| counts(tx, None, now)).await.unwrap();
    note("counts".to_owned(), started);
    let started = Instant::now();
    store.read(stages).await.unwrap();
    note("stages".to_owned(), started);
    assert_eq!(slow, Vec::<String>::new());
}
