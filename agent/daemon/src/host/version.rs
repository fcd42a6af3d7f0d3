//! Versions of packages: their order, by dpkg's rules (Debian Policy 5.6.12) or rpm's (`rpm-version(7)`), and constraints on them.

use std::cmp::Ordering;

/// Whose rules say which version is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Dpkg,
    Rpm,
}

/// `>= 4.3`, or `4.3-1` for exactly that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Constraint<'a> {
    order: Order,
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

impl Order {
    /// Compares epoch, version, and revision or release.
    pub(crate) fn compare(self, a: &str, b: &str) -> Ordering {
        let part = match self {
            Self::Dpkg => compare_part,
            Self::Rpm => compare_segments,
        };
        let (a_epoch, a_version, a_release) = split(a);
        let (b_epoch, b_version, b_release) = split(b);
        a_epoch
            .cmp(&b_epoch)
            .then_with(|| part(a_version.as_bytes(), b_version.as_bytes()))
            .then_with(|| part(a_release.as_bytes(), b_release.as_bytes()))
    }
}

impl<'a> Constraint<'a> {
    /// Reads a constraint of a profile, or a bare version.
    pub(crate) fn parse(order: Order, text: &'a str) -> Self {
        let (operator, version) = match text.split_once(' ') {
            Some((">=", version)) => (Operator::AtLeast, version),
            Some(("<=", version)) => (Operator::AtMost, version),
            Some((">", version)) => (Operator::Above, version),
            Some(("<", version)) => (Operator::Below, version),
            Some((_, version)) => (Operator::Exactly, version),
            None => (Operator::Exactly, text),
        };
        Self { order, operator, version }
    }

    /// `version` or newer.
    pub(crate) fn at_least(order: Order, version: &'a str) -> Self {
        Self { order, operator: Operator::AtLeast, version }
    }

    /// How `version` stands to its own. As in what packages require of each other, one without a release means any of them to rpm.
    fn compare(&self, version: &str) -> Ordering {
        let release =
            version.rsplit_once('-').filter(|_| self.order == Order::Rpm && !self.version.contains('-'));
        self.order.compare(release.map_or(version, |(version, _)| version), self.version)
    }

    /// Whether `version` meets it.
    pub(crate) fn admits(&self, version: &str) -> bool {
        let order = self.compare(version);
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
                Operator::Exactly => self.compare(installed) == Ordering::Greater,
            }
    }

    /// The one version that it admits, if it is such a constraint.
    pub(crate) fn exact(&self) -> Option<&'a str> {
        (self.operator == Operator::Exactly).then_some(self.version)
    }
}

fn split(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(u64::MAX), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// As dpkg compares a part: alternates between stretches of other characters and stretches of digits.
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

/// As rpm compares a part: stretch by stretch of digits or of letters, whatever is between them; `~` before everything, even the end, and
/// `^` right after the end.
fn compare_segments<'a>(mut a: &'a [u8], mut b: &'a [u8]) -> Ordering {
    loop {
        for text in [&mut a, &mut b] {
            let start = text.iter().position(|byte| byte.is_ascii_alphanumeric() || b"~^".contains(byte));
            *text = &text[start.unwrap_or(text.len())..];
        }
        let order = match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (a, b) = (&a[1..], &b[1..]);
                continue;
            }
            (Some(b'~'), _) => Ordering::Less,
            (_, Some(b'~')) => Ordering::Greater,
            // Newer than what ends here, and older than what goes on otherwise.
            (Some(b'^'), None) => Ordering::Greater,
            (None, Some(b'^')) => Ordering::Less,
            (Some(b'^'), Some(_)) => Ordering::Less,
            (Some(_), Some(b'^')) => Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => compare_digits(&mut a, &mut b),
            (Some(x), Some(y)) if x.is_ascii_digit() != y.is_ascii_digit() => {
                if x.is_ascii_digit() {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (Some(_), Some(_)) => take_letters(&mut a).cmp(take_letters(&mut b)),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn take_letters<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letters, rest) = text.split_at(end);
    *text = rest;
    letters
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
            assert_eq!(Order::Dpkg.compare(a, b), dpkg(a, b), "{a} {b}");
            assert_eq!(Order::Dpkg.compare(b, a), dpkg(b, a), "{b} {a}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]
        #[test]
        fn the_order_is_dpkgs(
            a in "([0-3]:)?[0-9][0-9a-cA~+.]{0,6}(-[0-9a~+.]{1,3})?",
            b in "([0-3]:)?[0-9][0-9a-cA~+.]{0,6}(-[0-9a~+.]{1,3})?",
        ) {
            prop_assert_eq!(Order::Dpkg.compare(&a, &b), dpkg(&a, &b), "{} {}", a, b);
        }

        #[test]
        fn the_order_is_rpms(a in "[0-9aB~^._+]{1,8}", b in "[0-9aB~^._+]{1,8}") {
            prop_assert_eq!(Order::Rpm.compare(&a, &b), rpm(&a, &b), "{} {}", a, b);
        }
    }

    /// What rpm says of two versions without release.
    fn rpm(a: &str, b: &str) -> Ordering {
        let asked = format!("%{{lua: print(rpm.vercmp('{a}', '{b}'))}}");
        let output = Command::new("rpm").args(["--eval", &asked]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim().parse::<i32>().unwrap_or_else(|_| panic!("{a} {b}: {said}")).cmp(&0)
    }

    #[test]
    fn the_order_of_well_known_cases_is_rpms() {
        for (a, b) in [
            ("1.0", "1.0"),
            ("1.0", "2.0"),
            ("5.5p1", "5.5p10"),
            ("10xyz", "10.1xyz"),
            ("xyz10", "xyz.10"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0.1"),
            ("1.0~rc1", "1.0"),
            ("1.0~rc1~git123", "1.0~rc1"),
            ("1.0^", "1.0"),
            ("1.0^git1", "1.01"),
            ("1.0^git1~pre", "1.0^git1"),
            ("1.0^20160101", "1.0.1"),
            ("20101121", "20101122"),
            ("007", "7"),
            ("2_0", "2.0"),
            ("99999999999999999999999", "100000000000000000000000"),
        ] {
            assert_eq!(Order::Rpm.compare(a, b), rpm(a, b), "{a} {b}");
            assert_eq!(Order::Rpm.compare(b, a), rpm(b, a), "{b} {a}");
        }
        for (a, b) in [("1:0.1-1", "9.9-1"), ("1.0-10.fc40", "1.0-9.fc40"), ("1.0-1.fc40", "1.0-1")] {
            assert_eq!(Order::Rpm.compare(a, b), Ordering::Greater, "{a} {b}");
        }
    }

    #[test]
    fn a_constraint_without_a_release_means_any_of_them_to_rpm() {
        for (constraint, version, admits) in [
            ("4.3", "4.3-2.fc40", true),
            ("= 4.3-1.fc40", "4.3-2.fc40", false),
            (">= 4.3-3", "4.3-2", false),
            ("> 4.3", "4.3-2", false),
            ("<= 4.3", "4.3-2", true),
            (">= 4.3", "1:1.0-1", true),
            ("< 1:5", "4.3-2", true),
        ] {
            assert_eq!(
                Constraint::parse(Order::Rpm, constraint).admits(version),
                admits,
                "{constraint} {version}"
            );
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
            let parsed = Constraint::parse(Order::Dpkg, constraint);
            assert_eq!(parsed.admits(version), admits, "{constraint} {version}");
            assert_eq!(parsed.is_below(version), below, "{constraint} {version}");
        }
    }
}
