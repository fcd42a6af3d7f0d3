//! What a step came to, by what was found after it, and what the ledger keeps of that.

use muster_converge::outcome::Tried;
use muster_converge::plan::{self, Record, Step};
use muster_proto::condition::Condition;
use muster_proto::report::Event;
use serde_json::Value;

use crate::ledger::{Records, Settlement};
use crate::resource;

/// Whether there is nothing to take back of a step that failed and changed nothing: a path is written at once or never,
/// while a command may come to its end later.
pub(super) fn leaves_nothing(step: &Step, records: &Records) -> bool {
    // Of a file that was there, the next turn keeps what it holds by then.
    let is_whole = step.from == Condition::Absent || matches!(step.id.kind(), "file" | "link");
    is_whole && plan::is_path(&step.id) && !records.contains_key(&step.id)
}

/// What the ledger keeps of a step that failed, by whether it `left` something as it is, as someone else made or changed it after it
/// was planned; `None` where nothing of such a step was made, and where what was kept before the other one tells what is so.
pub(super) fn partly(
    step: &Step,
    intent: Option<&Record>,
    earlier: Option<&Record>,
    found: Option<&Result<Condition, String>>,
    left: bool,
) -> Option<Record> {
    if resource::is_by_one_file(&step.id) {
        return None;
    }
    match found {
        Some(Ok(found)) if left => plan::record_of_left(intent?, step, earlier, found),
        Some(Ok(found)) => {
            let is_file = |name: &str| resource::text_path(&step.id, name).is_some();
            let kept = plan::record_of_failed(intent?, step, earlier, found, is_file);
            Some(kept).filter(|kept| Some(kept) != intent)
        }
        // Whatever is there now, what was there before is in the ledger as it was when that was looked at.
        Some(Err(_)) | None => intent.filter(|_| left).cloned(),
    }
}

/// Whether what was found is what the step was to bring.
pub(super) fn agrees(step: &Step, observed: Option<&Result<Condition, String>>) -> Tried {
    match observed {
        Some(Ok(observed)) => match observed.towards(&step.to) {
            None => Tried::Done,
            Some((_, still)) => {
                let still: Vec<_> = still.iter().map(|d| format!("{} is {}", d.attribute, d.from)).collect();
                Tried::Failed(format!("it was written, but afterwards {}", still.join(", ")))
            }
        },
        Some(Err(reason)) => Tried::Failed(reason.clone()),
        None => Tried::Failed("it could not be read again".to_owned()),
    }
}

/// Notes what a step came to. What is taken back and `on_trial` keeps its record, for the way back.
pub(super) fn settle(
    settlement: &mut Settlement,
    step: &Step,
    intent: Option<Record>,
    tried: &Tried,
    on_trial: bool,
) {
    match tried {
        Tried::Done => {
            if step.restart {
                settlement.restarted.push(step.id.clone());
            }
            let reversal = step.claim.is_none();
            let as_before = |record: &Record| plan::reversal_target(record) == step.to;
            let gone = step.forgets() && (!on_trial || step.undoes && intent.as_ref().is_none_or(as_before));
            match intent {
                _ if gone => settlement.forgotten.push(step.id.clone()),
                _ if reversal && !step.undoes => {}
                Some(record) if !step.is_restart_alone() => {
                    let wrote = record.intended.clone().unwrap_or_else(|| step.to.clone());
                    settlement.written.push((step.id.clone(), Record { wrote, intended: None, ..record }));
                }
                _ => {}
            }
            if step.ending {
                settlement.events.push(Event::Ended { resource: step.id.clone() });
            }
            settlement.events.push(Event::Changed {
                resource: step.id.clone(),
                action: step.action,
                differences: step.differences.clone(),
                reversal,
                times: 1,
            });
        }
        Tried::Failed(_) | Tried::Blocked(_) | Tried::Waiting(_) => {}
    }
}

/// What the ledger keeps of a resource for its kind, with what is known since it was made.
pub(super) fn joined(kept: Value, more: Value) -> Value {
    match (kept, more) {
        (Value::Object(mut kept), Value::Object(more)) => {
            kept.extend(more);
            Value::Object(kept)
        }
        (_, more) => more,
    }
}
