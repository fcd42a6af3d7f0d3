//! Passwords as they are stored: Argon2id over their normal form, on threads that may block.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use muster_policy::password::{self, Factor};

use super::AppError;

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
    tokio::task::spawn_blocking(work).await.map_err(|error| AppError::Defect(error.to_string()))
}
