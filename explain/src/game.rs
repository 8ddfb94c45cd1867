//! What a set of features is worth: the score of a row that has only those.

use crate::coalition::Coalitions;
use crate::error::{Error, Invalid};
use crate::rows::{Groups, Rows};
use crate::scorer::{self, Scorer};

/// Players, and what each set of them is worth. Who masks cells of a raw row himself implements it directly.
pub trait Game {
    /// The model's own error.
    type Error;

    /// How many players.
    fn players(&self) -> usize;

    /// What each set is worth, in the sets' order.
    ///
    /// # Errors
    /// The model's, or that its scores are no numbers.
    fn values(&self, coalitions: &Coalitions) -> Result<Vec<f64>, Error<Self::Error>>;

    /// Whether no set is worth more or less with the player: its attribution is 0 without a question to the model.
    fn is_idle(&self, _player: usize) -> bool {
        false
    }
}

/// Most synthetic rows that the model is asked about at once, if nothing else was said.
const BATCH: usize = 8_192;

/// A row's features against those of background rows: a feature that a set is without has the value of a background row, and the set's worth is the
/// mean score over all of them. This is the interventional expectation of Lundberg and Lee 2017 under independent features.
#[derive(Clone, Debug)]
pub struct Background<'a, S> {
    scorer: S,
    row: &'a [f32],
    background: &'a Rows,
    groups: &'a Groups,
    idle: Vec<bool>,
    batch: usize,
}

impl<'a, S: Scorer> Background<'a, S> {
    /// Explains `row` against `background`.
    ///
    /// # Errors
    /// When the background is empty, when widths differ, or when an input of the row is not finite.
    pub fn new(scorer: S, row: &'a [f32], background: &'a Rows, groups: &'a Groups) -> Result<Self, Invalid> {
        groups.fits("row", row.len())?;
        groups.fits("background", background.width())?;
        if background.is_empty() {
            return Err(Invalid::NoBackground);
        }
        if let Some((input, found)) = row.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(Invalid::InputNotFinite {
                row: 0,
                input,
                found: *found,
            });
        }
        let same = |inputs: &[usize]| {
            let mut others = background.iter();
            others.all(|other| inputs.iter().all(|input| other[*input] == row[*input]))
        };
        Ok(Self {
            scorer,
            row,
            background,
            groups,
            idle: groups.iter().map(same).collect(),
            batch: BATCH,
        })
    }

    /// Asks the model about at most so many rows at once (8,192 unless told; at least 1): what it needs of memory hangs on it, no result does.
    #[must_use]
    pub fn batch(mut self, rows: usize) -> Self {
        self.batch = rows.max(1);
        self
    }

    /// The features.
    pub fn groups(&self) -> &Groups {
        self.groups
    }
}

impl<S: Scorer> Game for Background<'_, S> {
    type Error = S::Error;

    fn players(&self) -> usize {
        self.groups.len()
    }

    fn values(&self, coalitions: &Coalitions) -> Result<Vec<f64>, Error<S::Error>> {
        Invalid::size(
            ("coalitions", "players"),
            coalitions.players(),
            self.players(),
            "make them for the groups that are explained",
        )?;
        let wanted = coalitions.len().saturating_mul(self.background.len());
        let mut batch = Rows::with_room(self.groups.width(), wanted.min(self.batch));
        let mut sums = vec![0.0; coalitions.len()];
        // The coalition that each row of the batch belongs to.
        let mut owners = Vec::with_capacity(wanted.min(self.batch));
        // Inputs that are the row's own in the coalition at hand: worked out once for all background rows.
        let mut own = Vec::with_capacity(self.groups.width());
        for (at, coalition) in coalitions.iter().enumerate() {
            own.clear();
            for member in coalition.members() {
                own.extend_from_slice(self.groups.inputs(member));
            }
            for other in self.background.iter() {
                let inputs = batch.push(other);
                own.iter().for_each(|input| inputs[*input] = self.row[*input]);
                owners.push(at);
                if owners.len() == self.batch {
                    self.add(&mut sums, &mut owners, &mut batch)?;
                }
            }
        }
        if !owners.is_empty() {
            self.add(&mut sums, &mut owners, &mut batch)?;
        }
        let rows = self.background.len() as f64;
        Ok(sums.into_iter().map(|sum| sum / rows).collect())
    }

    fn is_idle(&self, player: usize) -> bool {
        self.idle.get(player).copied().unwrap_or(false)
    }
}

impl<S: Scorer> Background<'_, S> {
    fn add(
        &self,
        sums: &mut [f64],
        owners: &mut Vec<usize>,
        batch: &mut Rows,
    ) -> Result<(), Error<S::Error>> {
        let scores = scorer::scores(&self.scorer, batch)?;
        for (owner, score) in owners.drain(..).zip(scores) {
            sums[owner] += score;
        }
        batch.clear();
        Ok(())
    }
}

/// The worth of the sets, as many as sets and all finite.
pub(crate) fn values<G: Game + ?Sized>(
    game: &G,
    coalitions: &Coalitions,
) -> Result<Vec<f64>, Error<G::Error>> {
    let values = game.values(coalitions)?;
    scorer::checked(&values, coalitions.len())?;
    Ok(values)
}

/// What nobody and what everybody is worth.
pub(crate) fn ends<G: Game + ?Sized>(game: &G) -> Result<(f64, f64), Error<G::Error>> {
    let mut ends = Coalitions::new(game.players());
    ends.push([]);
    ends.push_all();
    match values(game, &ends)?.as_slice() {
        [nobody, everybody] => Ok((*nobody, *everybody)),
        found => Err(Invalid::Size {
            field: "scores",
            found: found.len(),
            expected: 2,
            unit: "scores",
            remedy: "the model must give one score for each row",
        }
        .into()),
    }
}

/// Players that may change a set's worth.
pub(crate) fn active<G: Game + ?Sized>(game: &G) -> Vec<usize> {
    (0..game.players())
        .filter(|player| !game.is_idle(*player))
        .collect()
}
