//! Passwords as they are stored: Argon2id over their normal form, on threads that may block.

use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use muster_policy::password::{self, Factor};

use tokio::sync::Semaphore;

use super::AppError;

/// Hashes at the same time: each takes tens of milliseconds of a core and 19 MiB.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// How long a login may wait for its turn.
const TURN: Duration = Duration::from_secs(10);

/// Checks that it may be a password, and hashes it. `about` are words that belong to its owner.
pub(super) async fn check_and_hash(
    password: String,
    factor: Factor,
    about: Vec<String>,
) -> Result<String, AppError> {
    blocking(move || {
        let password = password::normal(&password);
        let about: Vec<&str> = about.iter().map(String::as_str).collect();
        password::check(&password, factor, &about).map_err(|weak| AppError::Invalid(weak.to_string()))?;
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| hash.to_string()).map_err(|error| AppError::Defect(format!("hashing: {error}")))
    })
    .await?
}

/// Whether the password has this hash. Without one it takes as long, so that names can't be told apart by time.
pub(super) async fn verify(password: String, hash: Option<String>) -> Result<bool, AppError> {
    blocking(move || {
        // What is longer than any password is not worth composing anew.
        let is_long = password.len() > 8 * password::MAX_LENGTH;
        let password = if is_long { String::new() } else { password::normal(&password) };
        let Some(hash) = hash else {
            drop(Argon2::default().hash_password(password.as_bytes()));
            return false;
        };
        let right = PasswordHash::new(&hash)
            .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
        right && !is_long
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
    let busy = || AppError::Busy("many logins are under way: try again in a minute".to_owned());
    let turn = tokio::time::timeout(TURN, AT_ONCE.acquire()).await;
    let turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
    // A hash goes on when whoever asked for it is gone, and its turn lasts as long: else a stranger who asks and hangs up
    // takes as much memory as there is.
    let work = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| AppError::Defect(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_that_nobody_waits_for_any_more_keeps_its_turn_until_it_is_done() {
        let (done, begun) = (std::sync::Barrier::new(2), tokio::sync::Notify::new());
        let (done, begun) = (std::sync::Arc::new(done), std::sync::Arc::new(begun));
        let work = {
            let (done, begun) = (done.clone(), begun.clone());
            move || {
                begun.notify_one();
                done.wait();
            }
        };
        let asked = tokio::spawn(blocking(work));
        begun.notified().await;
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        assert_eq!(AT_ONCE.available_permits(), 1);
        done.wait();
    }
}
