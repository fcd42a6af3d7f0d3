//! What may be a password, after NIST SP 800-63B (revision 4): length, and not what an attacker tries first. There are no
//! rules on kinds of characters.

use unicode_normalization::UnicodeNormalization;
use zxcvbn::{Score, zxcvbn};

/// The longest password in characters. It is far above what the standard asks to take, and keeps hashing cheap.
pub const MAX_LENGTH: usize = 256;

/// Words of this product, which an attacker tries first.
const OURS: [&str; 4] = ["muster", "admin", "device", "provisioning"];

/// What else a login needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// The password is all that is asked for.
    Only,
    /// A code is asked for too.
    WithCode,
}

impl Factor {
    /// Characters that a password has at least.
    pub const fn min_length(self) -> usize {
        match self {
            Self::Only => 15,
            Self::WithCode => 8,
        }
    }
}

/// It can't be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// It is too short.
    #[error("password: it has {has} characters, and {least} are the least: a few words make a good one")]
    Short {
        /// Its characters.
        has: usize,
        /// The least.
        least: usize,
    },
    /// It is longer than any password.
    #[error("password: it has more than {MAX_LENGTH} characters")]
    Long,
    /// It is one that is tried early.
    #[error(
        "password: it is easy to guess, from a common password, a name or a pattern: take a few words that do not \
         belong together"
    )]
    Guessable,
}

/// The form in which a password is hashed: however a keyboard composes a letter, it is the same password.
pub fn normal(password: &str) -> String {
    password.nfkc().collect()
}

/// Checks a password in its normal form; `about` are words that belong to its owner, such as the login name.
pub fn check(password: &str, factor: Factor, about: &[&str]) -> Result<(), Weak> {
    let (has, least) = (password.chars().count(), factor.min_length());
    if has < least {
        return Err(Weak::Short { has, least });
    }
    if has > MAX_LENGTH {
        return Err(Weak::Long);
    }
    let words: Vec<&str> = OURS.iter().chain(about).copied().collect();
    if is_made_of(password, &words) {
        return Err(Weak::Guessable);
    }
    // Below this score it falls within 10^8 guesses, which a throttled login can't be given but a thief of hashes makes.
    if zxcvbn(password, &words).score() < Score::Three { Err(Weak::Guessable) } else { Ok(()) }
}

/// Whether nothing of account is left of it without these words. Strings of several of them score well, as the estimate
/// takes each for one word among many.
fn is_made_of(password: &str, words: &[&str]) -> bool {
    /// Characters that are tried out after a word in no time, such as a year.
    const LITTLE: usize = 4;
    let mut rest = password.to_lowercase();
    for word in words.iter().filter(|word| word.chars().count() > 2) {
        rest = rest.replace(&word.to_lowercase(), "");
    }
    rest.chars().count() <= LITTLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_and_kinds_of_characters_do_not() {
        assert_eq!(check("walnut harbour eleven lamps", Factor::Only, &[]), Ok(()));
        assert_eq!(check("walnut lamps", Factor::Only, &[]), Err(Weak::Short { has: 12, least: 15 }));
        assert_eq!(check("walnut lamps", Factor::WithCode, &[]), Ok(()));
        assert_eq!(check("lamps77", Factor::WithCode, &[]), Err(Weak::Short { has: 7, least: 8 }));
        let long: String = (0..128).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
        assert_eq!(check(&long, Factor::Only, &[]), Ok(()));
        assert_eq!(check(&"ab c".repeat(65), Factor::Only, &[]), Err(Weak::Long));
    }

    #[test]
    fn what_is_tried_first_is_refused_however_long_it_is() {
        for common in [
            "passwordpassword",
            "123456789012345",
            "qwertyuiopqwertyuiop",
            "aaaaaaaaaaaaaaaaaaaa",
            "iloveyouiloveyou",
            "Password12345678",
        ] {
            assert_eq!(check(common, Factor::Only, &[]), Err(Weak::Guessable), "{common}");
        }
        assert_eq!(check("adminmuster", Factor::WithCode, &[]), Err(Weak::Guessable));
        assert_eq!(check("musteradminmuster", Factor::Only, &[]), Err(Weak::Guessable));
        assert_eq!(check("MusterKimKimMuster2026", Factor::Only, &["kim"]), Err(Weak::Guessable));
        assert_eq!(check("muster walnut harbour lamps", Factor::Only, &[]), Ok(()));
        let own = "kim.longname@corp.example";
        assert_eq!(check(own, Factor::Only, &[own]), Err(Weak::Guessable));
    }

    #[test]
    fn a_letter_is_the_same_however_it_is_composed() {
        assert_eq!(normal("u\u{308}ber"), normal("\u{fc}ber"));
        assert_eq!(normal("\u{fb01}t \u{ff21}"), "fit A");
        assert_ne!(normal("Kim"), normal("kim"));
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert!(matches!(check(&"é".repeat(14), Factor::Only, &[]), Err(Weak::Short { has: 14, .. })));
    }
}
