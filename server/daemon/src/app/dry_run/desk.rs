//! Who can be asked for a dry run, and which are open: one for each device at a time.
//!
//! A mutex over a table rather than a task: it is taken for less than a microsecond.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use muster_policy::pace::{Bucket, Rate};
use muster_proto::plan::PlanView;
use muster_proto::{DeviceId, wire};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};

use crate::app::secret;

/// A person who corrects a profile asks some times in a row. Each time costs the device a look at all that it has.
const RATE: Rate = Rate { at_once: 6.0, each_second: 0.1 };

/// Dry runs of all devices at the same time: their answers are held in memory.
const OPEN: usize = 64;

/// Devices that are asked at the same time for plans of a fleet, by all admins: some room is left for who asks one device.
const OF_FLEETS: usize = 50;

/// What a device said: its plan, or why there is none.
pub(crate) type Said = Result<PlanView, String>;

/// Who listens and what is open; cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    table: Arc<Mutex<Table>>,
    of_fleets: Arc<Semaphore>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { table: Arc::default(), of_fleets: Arc::new(Semaphore::new(OF_FLEETS)) }
    }
}

#[derive(Default)]
struct Table {
    listeners: HashMap<DeviceId, Vec<Listener>>,
    open: HashMap<DeviceId, Open>,
    buckets: HashMap<DeviceId, Bucket>,
    last_number: u64,
}

/// A link whose agent answers dry runs.
struct Listener {
    number: u64,
    questions: mpsc::Sender<wire::DryRun>,
}

/// A question that was asked. Only its device, naming its id, can answer it.
struct Open {
    id: String,
    answer: oneshot::Sender<Said>,
}

/// Why a device can't be asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAsked {
    /// No link of it listens.
    NobodyListens,
    /// It is being asked already.
    AskedAlready,
    /// It was asked too often, or too many devices are asked at once.
    TooOften,
}

/// Nobody asked this device this question, or it was answered, or the time for it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this device was not asked for such a dry run, or not within this time")]
pub(crate) struct NotOpen;

impl Desk {
    /// Takes up a link whose agent answers.
    pub(crate) fn listen(&self, device: DeviceId) -> Listening {
        // One question is open at a time, so none waits behind another.
        let (sender, questions) = mpsc::channel(1);
        let mut table = self.table();
        table.last_number += 1;
        let number = table.last_number;
        table.listeners.entry(device).or_default().push(Listener { number, questions: sender });
        drop(table);
        Listening { desk: self.clone(), device, number, questions }
    }

    /// Takes the device's turn, until the turn is dropped.
    pub(super) fn turn(&self, device: DeviceId) -> Result<Turn, NotAsked> {
        let now = Instant::now();
        let mut table = self.table();
        if !table.listeners.contains_key(&device) {
            return Err(NotAsked::NobodyListens);
        }
        if table.open.contains_key(&device) {
            return Err(NotAsked::AskedAlready);
        }
        table.buckets.retain(|_, bucket| !bucket.is_full(RATE, now));
        let bucket = table.buckets.entry(device).or_insert_with(|| RATE.full(now));
        if !bucket.spend(RATE, 1.0, now) || table.open.len() >= OPEN {
            return Err(NotAsked::TooOften);
        }
        let (sender, answer) = oneshot::channel();
        let id = secret::secret("dry-");
        table.open.insert(device, Open { id: id.clone(), answer: sender });
        drop(table);
        Ok(Turn { desk: self.clone(), device, id, answer })
    }

    /// Takes a device's answer.
    pub(crate) fn answer(&self, device: DeviceId, id: &str, said: Said) -> Result<(), NotOpen> {
        let mut table = self.table();
        if table.open.get(&device).is_none_or(|open| open.id != id) {
            return Err(NotOpen);
        }
        let open = table.open.remove(&device).ok_or(NotOpen)?;
        drop(table);
        open.answer.send(said).map_err(|_| NotOpen)
    }

    /// Waits for a place among the devices that are asked for plans of a fleet.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.of_fleets.acquire().await.ok()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A link's ear, until it is dropped.
pub(crate) struct Listening {
    desk: Desk,
    device: DeviceId,
    number: u64,
    questions: mpsc::Receiver<wire::DryRun>,
}

impl Listening {
    /// Waits for a question.
    pub(crate) async fn question(&mut self) -> wire::DryRun {
        match self.questions.recv().await {
            Some(question) => question,
            // The table holds the other end for as long as this one is there.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut table = self.desk.table();
        if let Some(of_device) = table.listeners.get_mut(&self.device) {
            of_device.retain(|listener| listener.number != self.number);
            if of_device.is_empty() {
                table.listeners.remove(&self.device);
            }
        }
    }
}

/// A device's turn to be asked.
pub(super) struct Turn {
    desk: Desk,
    device: DeviceId,
    id: String,
    answer: oneshot::Receiver<Said>,
}

impl Turn {
    /// Asks, and waits for the answer; `None` when none came within `patience`.
    pub(super) async fn ask(
        mut self,
        question: Vec<u8>,
        document: Vec<u8>,
        patience: Duration,
    ) -> Option<Said> {
        let seconds = u32::try_from(patience.as_secs()).unwrap_or(u32::MAX);
        let asked = wire::DryRun {
            id: self.id.clone(),
            question: question.into(),
            document: document.into(),
            patience: seconds,
        };
        // Of several links the newest: an older one may be dead and not known to be.
        let newest = self.desk.table().listeners.get(&self.device)?.last()?.questions.clone();
        newest.try_send(asked).ok()?;
        tokio::time::timeout(patience, &mut self.answer).await.ok()?.ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut table = self.desk.table();
        if table.open.get(&self.device).is_some_and(|open| open.id == self.id) {
            table.open.remove(&self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn device(number: u128) -> DeviceId {
        DeviceId(uuid::Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn only_the_device_that_was_asked_can_answer_and_only_once() {
        let desk = Desk::default();
        let (mut mine, _others) = (desk.listen(device(1)), desk.listen(device(2)));
        let turn = desk.turn(device(1)).unwrap();
        let asking = tokio::spawn(turn.ask(b"question".to_vec(), b"document".to_vec(), SOON));
        let id = mine.question().await.id;
        assert_eq!(desk.answer(device(2), &id, Ok(PlanView::default())), Err(NotOpen));
        assert_eq!(desk.answer(device(1), "dry-guess", Ok(PlanView::default())), Err(NotOpen));
        assert_eq!(desk.answer(device(1), &id, Ok(PlanView::default())), Ok(()));
        assert_eq!(desk.answer(device(1), &id, Err("again".into())), Err(NotOpen));
        assert_eq!(asking.await.unwrap(), Some(Ok(PlanView::default())));
    }

    #[tokio::test]
    async fn a_device_is_asked_one_thing_at_a_time_and_not_too_often() {
        let desk = Desk::default();
        assert!(matches!(desk.turn(device(1)), Err(NotAsked::NobodyListens)));
        let _listening = desk.listen(device(1));
        let turn = desk.turn(device(1)).unwrap();
        assert!(matches!(desk.turn(device(1)), Err(NotAsked::AskedAlready)));
        drop(turn);
        let refused = (0..20).map(|_| desk.turn(device(1)).err()).find_map(|refused| refused);
        assert_eq!(refused, Some(NotAsked::TooOften));
    }

    #[tokio::test]
    async fn an_answer_that_comes_too_late_is_nobodys() {
        let desk = Desk::default();
        let mut listening = desk.listen(device(1));
        let turn = desk.turn(device(1)).unwrap();
        assert_eq!(turn.ask(vec![], vec![], Duration::from_millis(10)).await, None);
        let id = listening.question().await.id;
        assert_eq!(desk.answer(device(1), &id, Ok(PlanView::default())), Err(NotOpen));
        assert!(desk.turn(device(1)).is_ok(), "the turn was given back");
    }

    #[tokio::test]
    async fn of_two_links_the_newer_one_is_asked_and_after_it_the_older() {
        let desk = Desk::default();
        let mut older = desk.listen(device(1));
        let mut newer = desk.listen(device(1));
        let asking = tokio::spawn(desk.turn(device(1)).unwrap().ask(vec![], vec![], SOON));
        let id = newer.question().await.id;
        desk.answer(device(1), &id, Err("no".into())).unwrap();
        assert_eq!(asking.await.unwrap(), Some(Err("no".to_owned())));
        drop(newer);
        let asking = tokio::spawn(desk.turn(device(1)).unwrap().ask(vec![], vec![], SOON));
        desk.answer(device(1), &older.question().await.id, Err("no".into())).unwrap();
        assert!(asking.await.unwrap().is_some());
    }
}
