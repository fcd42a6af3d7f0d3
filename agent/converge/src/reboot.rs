//! Whether a device reboots for its updates now: in a window, where it is needed, and never again and again.
//!
//! Each device draws its moment, so that those of one window do not all go down at once.

use serde::{Deserialize, Serialize};

/// How long before it those who are logged in are told, in minutes.
pub const NOTICE: u32 = 5;
/// A window that is open for less than this, in minutes, is too short to go down and come back in.
const SHORTEST: u32 = 30;
/// In seconds, after which there may be another one: no window is as long.
const DAY: i64 = 24 * 60 * 60;
/// In seconds, after which one that was ordered does not come any more.
const PATIENCE: i64 = 60 * 60;

/// A reboot that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reboot {
    /// The moment that was drawn for it, in seconds since 1970.
    pub at: i64,
    /// The kernel that it is to start; empty where it is for another reason.
    pub kernel: String,
    /// The boot that it was ordered in; `None` before.
    pub boot: Option<String>,
    /// Whether it was told that the device came back.
    pub told: bool,
}

/// What there is to do about a reboot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: none is needed, or none may be.
    Nothing,
    /// It is drawn for this moment, in seconds since 1970.
    Planned(i64),
    /// It is to be ordered.
    Due,
    /// It was ordered, and is about to come.
    Ordered,
    /// The device is back from it, which nobody was told.
    Back,
    /// The one that was made did not help.
    Vain,
    /// The one that was ordered did not come: somebody called it off.
    CalledOff,
}

/// What there is to do at `now`, in the boot `boot`. `kernel` is what a reboot is needed for, as in [`Reboot`]; `left` the minutes for which a
/// window is open in which nothing else is to be done. `draw` is from 0 to 1. `stands` says whether logind has an order.
pub fn next(
    known: Option<&Reboot>,
    kernel: Option<&str>,
    boot: &str,
    now: i64,
    left: Option<u32>,
    draw: f64,
    stands: bool,
) -> Next {
    if let Some(known) = known
        && let Some(ordered_in) = &known.boot
    {
        let came = ordered_in != boot;
        let since = now.saturating_sub(known.at);
        let is_recent = since < DAY;
        match (came, kernel) {
            (true, _) if !known.told => return Next::Back,
            // Where the five minutes are over, it may be coming just now.
            (false, _) if since < PATIENCE && (stands || since > i64::from(NOTICE) * 60) => {
                return Next::Ordered;
            }
            (_, None) => return Next::Nothing,
            (true, Some(kernel)) if is_recent || (!kernel.is_empty() && known.kernel == kernel) => {
                return Next::Vain;
            }
            (false, Some(_)) if is_recent => return Next::CalledOff,
            _ => {}
        }
    }
    let (Some(_), Some(left)) = (kernel, left.filter(|left| *left >= NOTICE)) else { return Next::Nothing };
    let planned = known.filter(|known| known.boot.is_none() && now.saturating_sub(known.at) < DAY);
    match planned {
        Some(planned) if planned.at <= now => Next::Due,
        Some(planned) => Next::Planned(planned.at),
        None if left < SHORTEST => Next::Nothing,
        None => {
            let spread = f64::from((left - SHORTEST) / 2 * 60) * draw.clamp(0.0, 1.0);
            #[expect(clippy::cast_possible_truncation, reason = "it is less than the seconds of a day")]
            Next::Planned(now.saturating_add(spread as i64))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_737_600;

    fn ordered(kernel: &str) -> Reboot {
        Reboot { at: NOW, kernel: kernel.to_owned(), boot: Some("first".to_owned()), told: true }
    }

    #[test]
    fn it_is_drawn_in_the_first_half_of_a_window_and_due_at_its_moment() {
        let drawn = |left, draw| next(None, Some("2"), "first", NOW, left, draw, true);
        assert_eq!(drawn(None, 0.5), Next::Nothing);
        assert_eq!(drawn(Some(29), 0.5), Next::Nothing);
        assert_eq!(drawn(Some(150), 0.0), Next::Planned(NOW));
        assert_eq!(drawn(Some(150), 1.0), Next::Planned(NOW + 3600));
        assert_eq!(next(None, None, "first", NOW, Some(150), 0.0, true), Next::Nothing);
        let planned = Reboot { at: NOW + 60, boot: None, ..ordered("2") };
        let at = |now, left| next(Some(&planned), Some("2"), "first", now, left, 0.5, true);
        assert_eq!(at(NOW, Some(100)), Next::Planned(NOW + 60));
        assert_eq!(at(NOW + 60, Some(99)), Next::Due);
        assert_eq!(at(NOW + 60, Some(NOTICE - 1)), Next::Nothing);
        assert_eq!(at(NOW + 60, None), Next::Nothing);
        // The device was off until the next window.
        assert_eq!(at(NOW + 7 * DAY, Some(60)), Next::Planned(NOW + 7 * DAY + 450));
    }

    #[test]
    fn one_that_did_not_help_is_not_made_again() {
        let after = |seconds, kernel| {
            next(Some(&ordered("2")), kernel, "second", NOW + seconds, Some(150), 0.0, true)
        };
        assert_eq!(after(600, Some("2")), Next::Vain);
        assert_eq!(after(30 * DAY, Some("2")), Next::Vain);
        assert_eq!(after(600, Some("3")), Next::Vain, "not within a day, whatever it is for");
        assert_eq!(after(DAY, Some("3")), Next::Planned(NOW + DAY));
        assert_eq!(after(600, None), Next::Nothing);
        // A package asks for one each time that it is updated.
        let asked = Reboot { kernel: String::new(), ..ordered("") };
        assert_eq!(
            next(Some(&asked), Some(""), "second", NOW + DAY, Some(150), 0.0, true),
            Next::Planned(NOW + DAY)
        );
        // A clock that was set back brings none about.
        assert_eq!(after(-DAY, Some("3")), Next::Vain);
    }

    #[test]
    fn it_is_told_that_it_came_and_one_that_was_called_off_waits_for_another_day() {
        let untold = Reboot { told: false, ..ordered("2") };
        assert_eq!(next(Some(&untold), None, "second", NOW, None, 0.0, true), Next::Back);
        let same_boot =
            |seconds| next(Some(&untold), Some("2"), "first", NOW + seconds, Some(150), 0.0, true);
        assert_eq!(same_boot(300), Next::Ordered);
        assert_eq!(same_boot(PATIENCE), Next::CalledOff);
        let without = |seconds| next(Some(&untold), Some("2"), "first", NOW + seconds, Some(150), 0.0, false);
        assert_eq!(without(60), Next::CalledOff, "logind knows of none any more");
        assert_eq!(without(301), Next::Ordered, "it comes just now");
        assert_eq!(same_boot(DAY), Next::Planned(NOW + DAY));
    }

    proptest! {
        /// A device that is asked at any times, on any boots, for any reasons.
        #[test]
        fn there_are_never_two_within_a_day_nor_any_outside_of_a_window(
            asks in prop::collection::vec((0_i64..50_000, prop::sample::select(vec![None, Some(""), Some("2"), Some("3")]), prop::option::of(0_u32..1440), 0.0..1.0_f64), 1..200),
        ) {
            let (mut now, mut boot, mut known, mut last) = (NOW, 0, None::<Reboot>, None::<i64>);
            for (passed, kernel, left, draw) in asks {
                now += passed;
                match next(known.as_ref(), kernel, &boot.to_string(), now, left, draw, true) {
                    Next::Planned(at) => {
                        known = Some(Reboot { at, kernel: kernel.unwrap().to_owned(), boot: None, told: false });
                    }
                    Next::Due => {
                        prop_assert!(left.is_some_and(|left| left >= NOTICE));
                        prop_assert!(last.is_none_or(|last| now - last >= DAY - PATIENCE), "{last:?} {now}");
                        last = Some(now);
                        known = known.map(|known| Reboot { at: now, boot: Some(boot.to_string()), ..known });
                        boot += 1;
                    }
                    Next::Back => known = known.map(|known| Reboot { told: true, ..known }),
                    _ => {}
                }
            }
        }
    }
}
