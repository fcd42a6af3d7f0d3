//! Debian versions: their order (Debian Policy 5.6.12) and constraints on them.

use std::cmp::Ordering;

/// `>= 4.3`, or `4.3-1` for exactly that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Constraint<'a> {
    operator: Operator,
    version: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    AtLeast,
    AtMost,
    Above,
    Below,
    Exactly,
}

impl<'a> Constraint<'a> {
    /// Reads a constraint of a profile, or a bare version.
    pub(crate) fn parse(text: &'a str) -> Self {
        let (operator, version) = match text.split_once(' ') {
            Some((">=", version)) => (Operator::AtLeast, version),
            Some(("<=", version)) => (Operator::AtMost, version),
            Some((">", version)) => (Operator::Above, version),
            Some(("<", version)) => (Operator::Below, version),
            Some((_, version)) => (Operator::Exactly, version),
            None => (Operator::Exactly, text),
        };
        Self { operator, version }
    }

    /// `version` or newer.
    pub(crate) fn at_least(version: &'a str) -> Self {
        Self { operator: Operator::AtLeast, version }
    }

    /// Whether `version` meets it.
    pub(crate) fn admits(&self, version: &str) -> bool {
        let order = compare(version, self.version);
        match self.operator {
            Operator::AtLeast => order != Ordering::Less,
            Operator::AtMost => order != Ordering::Greater,
            Operator::Above => order == Ordering::Greater,
            Operator::Below => order == Ordering::Less,
            Operator::Exactly => order == Ordering::Equal,
        }
    }

    /// Whether only an older version than `installed` would do.
    pub(crate) fn is_below(&self, installed: &str) -> bool {
        !self.admits(installed)
            && match self.operator {
                Operator::AtLeast | Operator::Above => false,
                Operator::AtMost | Operator::Below => true,
                Operator::Exactly => compare(installed, self.version) == Ordering::Greater,
            }
    }

    /// The one version that it admits, if it is such a constraint.
    pub(crate) fn exact(&self) -> Option<&'a str> {
        (self.operator == Operator::Exactly).then_some(self.version)
    }
}

/// Compares as dpkg does: epoch, upstream version, revision.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a_upstream, a_revision) = split(a);
    let (b_epoch, b_upstream, b_revision) = split(b);
    a_epoch
        .cmp(&b_epoch)
        .then_with(|| compare_part(a_upstream.as_bytes(), b_upstream.as_bytes()))
        .then_with(|| compare_part(a_revision.as_bytes(), b_revision.as_bytes()))
}

fn split(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(u64::MAX), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Alternates between stretches of other characters and stretches of digits.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let order = compare_other(&mut a, &mut b).then_with(|| compare_digits(&mut a, &mut b));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_other(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    loop {
        let order = weight(a.first()).cmp(&weight(b.first()));
        if order != Ordering::Equal {
            return order;
        }
        // Equal weights of 0: both are at a digit or at their end.
        if weight(a.first()) == 0 {
            return Ordering::Equal;
        }
        *a = &a[1..];
        *b = &b[1..];
    }
}

/// `~` before everything, even the end; letters before all other characters.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

/// Compares without turning digits into a number, which they may be too long for.
fn compare_digits(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let (a, b) = (take_digits(a), take_digits(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn take_digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|b| **b == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What dpkg says.
    fn dpkg(a: &str, b: &str) -> Ordering {
        let is = |relation: &str| {
            Command::new("dpkg").args(["--compare-versions", a, relation, b]).status().unwrap().success()
        };
        if is("lt") {
            Ordering::Less
        } else if is("gt") {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }

    #[test]
    fn the_order_of_well_known_cases_is_dpkgs() {
        for (a, b) in [
            ("1.0", "1.0-0"),
            ("1.0~rc1", "1.0"),
            ("1.0~~", "1.0~"),
            ("1:0.1", "9.9"),
            ("1.0+b1", "1.0.1"),
            ("1.0a", "1.0+"),
            ("007", "7"),
            ("2.36-9+deb12u10", "2.36-9+deb12u9"),
            ("4.3-2+deb12u1", "4.3"),
            ("1-1-1", "1-1"),
            ("99999999999999999999999", "100000000000000000000000"),
        ] {
            assert_eq!(compare(a, b), dpkg(a, b), "{a} {b}");
            assert_eq!(compare(b, a), dpkg(b, a), "{b} {a}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]
        #[test]
        fn the_order_is_dpkgs(
            a in "([0-3]:)?[0-9][0-9a-cA~+.]{0,6}(-[0-9a~+.]{1,3})?",
            b in "([0-3]:)?[0-9][0-9a-cA~+.]{0,6}(-[0-9a~+.]{1,3})?",
        ) {
            prop_assert_eq!(compare(&a, &b), dpkg(&a, &b), "{} {}", a, b);
        }
    }

    #[test]
    fn a_constraint_admits_what_it_says() {
        for (constraint, version, admits, below) in [
            (">= 4.3", "4.3-2", true, false),
            (">= 4.3", "4.2", false, false),
            ("< 2", "2~rc1", true, false),
            ("<= 2", "2-1", false, true),
            ("> 2", "2", false, false),
            ("= 1.0", "1.0-0", true, false),
            ("1.0", "1.1", false, true),
            ("1.0", "0.9", false, false),
        ] {
            let parsed = Constraint::parse(constraint);
            assert_eq!(parsed.admits(version), admits, "{constraint} {version}");
            assert_eq!(parsed.is_below(version), below, "{constraint} {version}");
        }
    }
}
