//! A score shared out by the method that is wanted.

use veilsum_explain::{Attribution, Background, Game, Integrated, Kernel, Lime, Permutation};
use veilsum_protocol::model::InputShape;
use veilsum_serving::{ExplainWishes, Method};

use super::ExplainError;
use super::grounds::Columns;
use super::output::Output;
use crate::scoring::ScorerError;

/// The same explanation each time.
const SEED: u64 = 0;

/// What each feature did.
pub(super) struct Amounts {
    pub(super) attribution: Attribution,
    /// Whether these are the Shapley values themselves.
    pub(super) exact: bool,
}

/// Of a row of columns, given as the model is given it.
pub(super) fn of_columns(
    output: Output<'_>,
    inputs: &[f32],
    columns: &Columns,
    wishes: &ExplainWishes,
) -> Result<Amounts, ExplainError> {
    let Columns {
        groups, background, ..
    } = columns;
    match wishes.method {
        Method::Kernel | Method::Permutation => {
            let game = Background::new(output, inputs, background, groups)?;
            shapley(&game, wishes)
        }
        Method::Gradients => {
            if embeds(output) {
                return Err(ExplainError::Method {
                    method: wishes.method.name(),
                    why: "it looks categories up by their number, which has no gradient",
                    instead: "kernel, permutation or lime",
                });
            }
            let steps = (wishes.coalitions / background.len().max(1)).max(1);
            let attribution = Integrated { steps }.explain(&output, inputs, background, groups)?;
            Ok(Amounts {
                attribution,
                exact: false,
            })
        }
        Method::Lime => {
            let lime = lime(groups.len(), wishes);
            let found = lime.table(&output, inputs, background, groups)?.local;
            Ok(local(groups.len(), &found))
        }
    }
}

/// Of anything whose parts can be left out, such as the words of a text.
pub(super) fn of_parts<G: Game<Error = ScorerError>>(
    game: &G,
    wishes: &ExplainWishes,
) -> Result<Amounts, ExplainError> {
    match wishes.method {
        Method::Kernel | Method::Permutation => shapley(game, wishes),
        Method::Gradients => Err(ExplainError::Method {
            method: wishes.method.name(),
            why: "a word is there or not, which has no gradient",
            instead: "kernel, permutation or lime",
        }),
        Method::Lime => {
            let found = lime(game.players(), wishes).parts(game)?;
            Ok(local(game.players(), &found))
        }
    }
}

fn shapley<G: Game<Error = ScorerError>>(game: &G, wishes: &ExplainWishes) -> Result<Amounts, ExplainError> {
    if wishes.method == Method::Permutation {
        let pairs = (wishes.coalitions / (2 * game.players()).max(1)).max(1);
        let found = Permutation { pairs, seed: SEED }.explain(game)?;
        return Ok(Amounts {
            attribution: found.attribution,
            exact: false,
        });
    }
    let kernel = Kernel {
        coalitions: wishes.coalitions,
        seed: SEED,
    };
    let found = kernel.explain(game)?;
    Ok(Amounts {
        attribution: found.attribution,
        exact: found.exact,
    })
}

fn lime(features: usize, wishes: &ExplainWishes) -> Lime {
    Lime {
        samples: wishes.coalitions,
        features,
        seed: SEED,
    }
}

/// The local model's weights in the features' order; what they leave of the score is the residual.
fn local(features: usize, found: &veilsum_explain::Local) -> Amounts {
    let mut values = vec![0.0; features];
    for (feature, weight) in &found.weights {
        if let Some(value) = values.get_mut(*feature) {
            *value = *weight;
        }
    }
    Amounts {
        attribution: Attribution {
            base: found.intercept,
            score: found.score,
            values,
        },
        exact: false,
    }
}

fn embeds(output: Output<'_>) -> bool {
    matches!(output.scorer.shape(), InputShape::Table { categories, .. } if !categories.is_empty())
}
