//! Whether one machine is behind an identity or two, as when an image of an enrolled device was booted twice.
//!
//! A machine runs one kernel at a time, and each boot has an identity of its own. So the boots of one machine come one
//! after the other, and one that another has followed is over: if it comes back, both run, and there are two machines.
//! Nothing else is taken for a sign. A lost network, a reboot, a restart, an agent or a system installed anew, a move to
//! another address, a disk in another machine: none of them brings an old boot back. What does, besides a second machine,
//! is a virtual machine that is put back to a snapshot of its memory.

/// What a boot is that follows as a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// The one that followed last.
    Same,
    /// One that never followed before.
    New,
    /// One that another has followed, which is then another machine's.
    Another,
}

/// Decides by the boots that are remembered, the one that was seen first last.
pub fn meet<'a>(known: impl IntoIterator<Item = &'a str>, boot: &str) -> Met {
    match known.into_iter().position(|known| known == boot) {
        Some(0) => Met::Same,
        Some(_) => Met::Another,
        None => Met::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is met when these boots follow one after the other, each time a link comes up.
    fn story(boots: &[&'static str]) -> Vec<Met> {
        let mut known: Vec<&str> = Vec::new();
        boots
            .iter()
            .map(|boot| {
                let met = meet(known.iter().copied(), boot);
                if met == Met::New {
                    known.insert(0, boot);
                }
                met
            })
            .collect()
    }

    #[test]
    fn one_machine_is_one_however_often_it_reconnects_and_reboots() {
        assert_eq!(story(&["a", "a", "a"]), [Met::New, Met::Same, Met::Same]);
        assert!(!story(&["a", "b", "b", "c", "c", "d"]).contains(&Met::Another));
    }

    #[test]
    fn a_boot_that_comes_back_after_another_is_a_second_machine() {
        assert_eq!(story(&["a", "b", "a"]), [Met::New, Met::New, Met::Another]);
        assert_eq!(story(&["a", "b", "b", "c", "b"]).last(), Some(&Met::Another));
    }
}
