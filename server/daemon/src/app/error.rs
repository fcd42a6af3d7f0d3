//! Why an operation that an admin asked for was not done, told apart by what they can do about it.

use muster_policy::rights::{Forbidden, LastAdmin};
use muster_proto::rest::{ConflictView, SourcePlace};
use muster_store::StoreError;

/// An operation was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// Nothing has this name.
    #[error("there is no {kind} called {name:?}: {} shows those there are", listing(.kind))]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// By which name.
        name: String,
    },
    /// What was asked for is not there; the text says why.
    #[error("{0}")]
    Missing(String),
    /// What was asked for makes no sense; the text says what would.
    #[error("{0}")]
    Invalid(String),
    /// A text has these things wrong with it.
    #[error("{} wrong in the text", things(.0.len()))]
    Source(Vec<SourcePlace>),
    /// It stands against what is there.
    #[error("{0}")]
    Taken(String),
    /// The device it concerns is not there to be asked.
    #[error("{0}")]
    Away(String),
    /// The same is being done already, or was too often.
    #[error("{0}")]
    Busy(String),
    /// The device was asked, and gave no answer that is one.
    #[error("{0}")]
    NoAnswer(String),
    /// It contradicts other assignments.
    #[error("{} resources would be in conflict: give one assignment a higher --precedence", .0.len())]
    Conflicts(Vec<ConflictView>),
    /// Name and password, link or token are not right, or not any more.
    #[error("that did not let anyone in")]
    Unauthenticated,
    /// The password is right, and a code is asked for too.
    #[error("a code of the authenticator is needed too, or a recovery code")]
    CodeNeeded,
    /// The password is right and the code is not, or it was used before.
    #[error("this code is wrong or was used already: wait for the next one")]
    WrongCode,
    /// Too many were wrong.
    #[error("too many codes were wrong: try again in {seconds} seconds")]
    TooManyGuesses {
        /// When the next may be given.
        seconds: u64,
    },
    /// An API token is nobody in particular.
    #[error("this is for people: log in with a name and password (muster login)")]
    Nobody,
    /// The role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Nobody could administer any more.
    #[error(transparent)]
    LastAdmin(#[from] LastAdmin),
    /// There is no room for it; the text says how much there is.
    #[error("{0}")]
    NoRoom(String),
    /// The files of artifacts can't be read or written.
    #[error("the files of artifacts could not be read or written")]
    Artifacts(#[source] std::io::Error),
    /// The record can't be read or written.
    #[error("the server's record could not be read or written")]
    Store(#[from] StoreError),
    /// Something that can't be happened.
    #[error("the server's record contradicts itself: {0}")]
    Defect(String),
}

impl AppError {
    /// Nothing has this name.
    pub(crate) fn not_found(kind: &'static str, name: impl Into<String>) -> Self {
        Self::NotFound { kind, name: name.into() }
    }
}

/// Where a thing of this kind can be found by its right name.
fn listing(kind: &str) -> &'static str {
    match kind {
        "admin" => "muster admin list",
        "API token" => "muster api-token list",
        "artifact" => "muster artifact list",
        "assignment" => "muster assignments",
        "check" => "muster check list",
        "control" => "muster compliance --by control",
        "enrollment token" => "muster token list",
        "group" => "muster group list",
        "person" => "muster person list",
        "profile" => "muster profile list",
        "revision" => "muster profile show NAME",
        "rollout" => "muster rollout list",
        "waiver" => "muster waiver list",
        _ => "muster device list",
    }
}

fn things(count: usize) -> String {
    if count == 1 { "1 thing is".to_owned() } else { format!("{count} things are") }
}
