//! What a published sum says of a model, for who has the archive and a result of the log.

use std::path::Path;

use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::Judgement;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::pack;
use veilsum_protocol::task::Task;

use super::archive::{Archive, ArchiveError, blob_path};

/// How the model did by the sum with SHA-256 `sum`, from the archive in `folder`. `banks`: of the round's opening, survivors or not. The sum is hashed, not
/// replayed: that is the audit's part.
///
/// # Errors
/// If the sum is not there, or is not one of a round of `kind` of this task.
pub fn published_judgement(
    folder: &Path,
    task: &Task,
    kind: RoundKind,
    banks: u16,
    sum: &Digest,
) -> Result<Judgement, ArchiveError> {
    let plan = Plan::new(task);
    let layout = plan.layout(kind);
    let unfit = |problem: String| ArchiveError::Form {
        path: folder.join(blob_path(sum)),
        problem,
    };
    let ring = layout
        .ring(banks)
        .ok_or_else(|| unfit(format!("digits of {} bits for {banks} banks", layout.digit_bits)))?;
    let packed = Archive::open(folder)?.blob(sum, ring.packed_bytes(layout.lanes()) as u64)?;
    let mut lanes = Vec::with_capacity(layout.lanes());
    pack::unpack(ring, &packed, layout.lanes(), |lane| lanes.push(lane))
        .map_err(|error| unfit(error.to_string()))?;
    Judgement::of_sum(task.target(), layout, &lanes).map_err(|error| unfit(error.to_string()))
}
