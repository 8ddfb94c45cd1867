//! What a sum says of a model's answers.

use crate::model::plan::{EXPLAINED, IMPORTANCE};
use crate::model::state::{AdvanceError, contradiction, integers, small};
use crate::model::{BinarySums, ClassSums, GroupSums, ImportanceSums, NumberSums, ScoreSums, Target};
use crate::secagg::layout::Layout;

/// How a model did on the held-out rows of all banks in a sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// How good its answers were.
    pub scores: ScoreSums,
    /// How much each column moved them: of the last model, in a task that measures it.
    pub importance: Option<ImportanceSums>,
}

impl From<ScoreSums> for Judgement {
    fn from(scores: ScoreSums) -> Self {
        Self {
            scores,
            importance: None,
        }
    }
}

impl Judgement {
    /// From the segments that a [`Plan`](crate::model::plan::Plan) lays out for the target. The figures are [`ScoreSums::metrics`], which checks the
    /// counts against each other.
    ///
    /// # Errors
    /// If the sum is not of this layout, the layout has no scores, as that of a statistics round, or columns moved answers by more than they can.
    pub fn of_sum(target: Target, layout: &Layout, sum: &[u32]) -> Result<Self, AdvanceError> {
        let judgement = Self {
            scores: scores(target, layout, sum)?,
            importance: importance(layout, sum)?,
        };
        if let Some(importance) = &judgement.importance {
            importance.means().map_err(contradiction)?;
        }
        Ok(judgement)
    }
}

fn scores(target: Target, layout: &Layout, sum: &[u32]) -> Result<ScoreSums, AdvanceError> {
    let many = |name| small(integers(layout, sum, name)?);
    let one = |name| Ok::<_, AdvanceError>(many(name)?.first().copied().unwrap_or(0));
    Ok(match target {
        Target::Binary => ScoreSums::Binary(BinarySums {
            rows: one("rows")?,
            loss: one("loss")?,
            negatives: many("negatives")?,
            positives: many("positives")?,
            groups: groups(layout, sum)?,
        }),
        Target::Classes(_) => ScoreSums::Classes(ClassSums {
            rows: one("rows")?,
            loss: one("loss")?,
            confusion: many("confusion")?,
        }),
        Target::Number => ScoreSums::Number(NumberSums {
            rows: one("rows")?,
            labels: one("labels")?,
            label_squares: one("label-squares")?,
            absolute: one("absolute-errors")?,
            squared: one("squared-errors")?,
        }),
    })
}

/// The histograms of each group, where the layout has them.
fn groups(layout: &Layout, sum: &[u32]) -> Result<Vec<GroupSums>, AdvanceError> {
    let Some(negatives) = layout.integers(sum, "group-negatives") else {
        return Ok(Vec::new());
    };
    let (negatives, positives) = (
        small(negatives)?,
        small(integers(layout, sum, "group-positives")?)?,
    );
    let bins = integers(layout, sum, "negatives")?.len().max(1);
    let of_group = |(negatives, positives): (&[u64], &[u64])| GroupSums {
        negatives: negatives.to_vec(),
        positives: positives.to_vec(),
    };
    Ok(negatives
        .chunks(bins)
        .zip(positives.chunks(bins))
        .map(of_group)
        .collect())
}

/// Where the layout has it.
fn importance(layout: &Layout, sum: &[u32]) -> Result<Option<ImportanceSums>, AdvanceError> {
    let Some(amounts) = layout.integers(sum, IMPORTANCE) else {
        return Ok(None);
    };
    Ok(Some(ImportanceSums {
        rows: small(integers(layout, sum, EXPLAINED)?)?
            .first()
            .copied()
            .unwrap_or(0),
        amounts: small(amounts)?,
    }))
}
