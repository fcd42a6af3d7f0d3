//! The query child: a process that answers queries under limits which the agent itself could not live under.
//!
//! The parent writes one JSON line per query to the child's standard input and reads one JSON line per answer;
//! many checks share one child. Hostile SQL can at worst end the child: by its own deadline, by its limits on
//! memory and CPU, or by the parent's kill.

mod ask;
mod serve;

use serde::{Deserialize, Serialize};

use crate::query::{Answer, Limits, QueryError};

pub use ask::QueryChild;
pub use serve::serve;

/// One query, as the parent sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    sql: String,
    limits: Limits,
}

/// What the child replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Reply {
    Answer(Answer),
    Error(QueryError),
}

/// A question fits into an empty pipe, so that writing one can't block however stuck the child is.
const QUESTION_BYTES: usize = 60 * 1024;
