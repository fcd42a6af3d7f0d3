//! Which devices of a target have what a rollout brings, and which have what was assigned before.

use std::collections::BTreeSet;
use std::sync::Arc;

use muster_policy::assign::{Assignment, Share};
use muster_store::Tx;
use muster_store::rollout::RolloutRow;

use crate::app::{AppError, recompile};

/// Adds what these rollouts bring, each for the devices of its steps so far, and takes these from what it is to replace. In
/// the last step that is the whole target, with devices that came to it since.
pub(in crate::app) fn share_out(
    tx: &mut Tx<'_>,
    all: &mut Vec<Assignment>,
    open: &[RolloutRow],
) -> Result<(), AppError> {
    for row in open {
        let mut brought = recompile::assignment(&row.assignment)?;
        let (new, old) = if row.in_last_step() {
            (Share::Whole, Share::Nobody)
        } else {
            let given: BTreeSet<_> = muster_store::rollout::given(tx, &row.id)?.into_iter().collect();
            let given = Arc::new(given);
            (Share::Only(Arc::clone(&given)), Share::AllBut(given))
        };
        for other in all.iter_mut() {
            if (&other.profile, &other.target) == (&brought.profile, &brought.target) {
                other.share = old.clone();
            }
        }
        brought.share = new;
        all.push(brought);
    }
    Ok(())
}
