//! Neighbours of a text or a sequence: some of its words or steps are left out.

use super::{Lime, Local, Neighbours, near};
use crate::coalition::Coalitions;
use crate::draws::Draws;
use crate::error::Error;
use crate::game::{self, Game};

/// Variants that are asked about at once.
const BATCH: usize = 1_024;
/// Of the kernel over a hundred times the cosine distance.
const WIDTH: f64 = 25.0;

/// Parts of something, and a function that scores it with some of them alone: a game for everything that explains games.
#[derive(Clone, Debug)]
pub struct Masked<F> {
    parts: usize,
    score: F,
}

impl<F> Masked<F> {
    /// `score` gives one score for each set of parts, in the sets' order; what is not in a set is masked or left out, as the model can take it.
    pub fn new<E>(parts: usize, score: F) -> Self
    where
        F: Fn(&Coalitions) -> Result<Vec<f64>, E>,
    {
        Self { parts, score }
    }
}

impl<E, F: Fn(&Coalitions) -> Result<Vec<f64>, E>> Game for Masked<F> {
    type Error = E;

    fn players(&self) -> usize {
        self.parts
    }

    fn values(&self, coalitions: &Coalitions) -> Result<Vec<f64>, Error<E>> {
        (self.score)(coalitions).map_err(Error::Model)
    }
}

impl Lime {
    /// A local model of a thing of parts, such as the words of a text ([`super::Words`]) or the steps of a sequence. Each neighbour is without a number of
    /// parts that is drawn evenly from 1 to all; its nearness is an exponential kernel of width 25 at a hundred times the cosine distance between the
    /// parts that it has and all of them, as the authors' implementation for texts has it.
    ///
    /// # Errors
    /// No parts; fewer than two samples or no features; the model's; scores that are no numbers.
    pub fn parts<G: Game + ?Sized>(&self, game: &G) -> Result<Local, Error<G::Error>> {
        let parts = game.players();
        self.check(parts)?;
        let mut draws = Draws::new(self.seed);
        let mut order: Vec<usize> = (0..parts).collect();
        let mut all = Coalitions::new(parts);
        all.push_all();
        let mut scores = Vec::new();
        let mut batch = all.clone();
        for sample in 1..self.samples {
            let without = 1 + draws.below(parts);
            draws.choose(&mut order, without);
            let kept = &order[without..];
            all.push(kept.iter().copied());
            batch.push(kept.iter().copied());
            if batch.len() == BATCH || sample + 1 == self.samples {
                scores.extend(game::values(game, &batch)?);
                batch = Coalitions::new(parts);
            }
        }
        let nearness = all.iter().map(|set| {
            // The cosine between a set and the full one is the root of the share of parts that are in it.
            let share = set.size() as f64 / parts as f64;
            near(100.0 * (1.0 - share.sqrt()), WIDTH)
        });
        let nearness = nearness.collect();
        Ok(self.fit(&Neighbours {
            sets: all,
            scores,
            nearness,
        })?)
    }
}
