//! Attributions along straight paths from background rows to the row, for models that have a gradient.

use crate::attribution::{Attribution, Means, Sampled};
use crate::draws::Draws;
use crate::error::{Error, Invalid};
use crate::rows::{Groups, Rows};
use crate::scorer::{self, Gradients};

/// Most rows that the model differentiates at once.
const BATCH: usize = 4_096;

/// Integrated gradients (Sundararajan, Taly and Yan 2017), the mean over all background rows as starting points: midpoints of `steps` even parts of
/// each path. Deterministic. The attribution's residual is the integration's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integrated {
    /// Parts of a path, at least 1; 50 are usual.
    pub steps: usize,
}

/// Expected gradients (Erion, Janizek, Sturmfels, Lundberg and Lee 2021): background row and place on the path are drawn. The attribution's residual is
/// the sampling's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Places that are drawn, at least 1.
    pub samples: usize,
    /// The same seed draws the same places everywhere.
    pub seed: u64,
}

impl Integrated {
    /// Explains `row`, whose features are `groups` of inputs, against `background`.
    ///
    /// # Errors
    /// No steps or no background; widths that differ; the model's; scores or gradients that are no numbers.
    pub fn explain<M: Gradients + ?Sized>(
        &self,
        model: &M,
        row: &[f32],
        background: &Rows,
        groups: &Groups,
    ) -> Result<Attribution, Error<M::Error>> {
        if self.steps == 0 {
            return Err(Invalid::range("steps", 0.0, "at least 1").into());
        }
        let paths = Paths::new(model, row, background, groups)?;
        let steps = self.steps as f64;
        let places = background
            .iter()
            .flat_map(|start| (0..self.steps).map(move |step| (start, (step as f64 + 0.5) / steps)));
        let mut means = Means::new(groups.len());
        paths.walk(places, |sample| means.add(sample))?;
        paths.attribution(means)
    }
}

impl Expected {
    /// Explains `row`, whose features are `groups` of inputs, against `background`.
    ///
    /// # Errors
    /// No samples or no background; widths that differ; the model's; scores or gradients that are no numbers.
    pub fn explain<M: Gradients + ?Sized>(
        &self,
        model: &M,
        row: &[f32],
        background: &Rows,
        groups: &Groups,
    ) -> Result<Sampled, Error<M::Error>> {
        if self.samples == 0 {
            return Err(Invalid::range("samples", 0.0, "at least 1").into());
        }
        let paths = Paths::new(model, row, background, groups)?;
        let mut draws = Draws::new(self.seed);
        let places = (0..self.samples).filter_map(|_| {
            let start = background.get(draws.below(background.len()))?;
            Some((start, draws.unit()))
        });
        let mut means = Means::new(groups.len());
        paths.walk(places, |sample| means.add(sample))?;
        let standard_errors = means.standard_errors();
        Ok(Sampled {
            attribution: paths.attribution(means)?,
            standard_errors,
        })
    }
}

/// All straight ways to a row.
struct Paths<'a, M: ?Sized> {
    model: &'a M,
    row: &'a [f32],
    background: &'a Rows,
    groups: &'a Groups,
}

impl<'a, M: Gradients + ?Sized> Paths<'a, M> {
    fn new(model: &'a M, row: &'a [f32], background: &'a Rows, groups: &'a Groups) -> Result<Self, Invalid> {
        groups.fits("row", row.len())?;
        groups.fits("background", background.width())?;
        if background.is_empty() {
            return Err(Invalid::NoBackground);
        }
        // Refuses a row that is not finite.
        Rows::new(row.len(), row.to_vec())?;
        Ok(Self {
            model,
            row,
            background,
            groups,
        })
    }

    /// Gives for each place, a starting point and the share of the way from it, gradient times way, by feature.
    fn walk<'b>(
        &self,
        places: impl Iterator<Item = (&'b [f32], f64)>,
        mut take: impl FnMut(&[f64]),
    ) -> Result<(), Error<M::Error>> {
        let mut batch = Rows::with_room(self.row.len(), BATCH);
        let mut starts: Vec<&[f32]> = Vec::with_capacity(BATCH);
        let mut places = places.peekable();
        while let Some((start, share)) = places.next() {
            for (input, end) in batch.push(start).iter_mut().zip(self.row) {
                let from = f64::from(*input);
                *input = (from + share * (f64::from(*end) - from)) as f32;
            }
            starts.push(start);
            if starts.len() == BATCH || places.peek().is_none() {
                self.differentiate(&batch, &starts, &mut take)?;
                batch.clear();
                starts.clear();
            }
        }
        Ok(())
    }

    fn differentiate(
        &self,
        batch: &Rows,
        starts: &[&[f32]],
        take: &mut impl FnMut(&[f64]),
    ) -> Result<(), Error<M::Error>> {
        let width = self.row.len();
        let gradients = self.model.gradients(batch).map_err(Error::Model)?;
        Invalid::size(
            ("gradients", "numbers"),
            gradients.len(),
            batch.values().len(),
            "the model must give one derivative for each input of each row",
        )?;
        if let Some(found) = gradients.iter().find(|value| !value.is_finite()) {
            let field = "gradients";
            let expected = "a finite number for each input; look at the model where it has no derivative";
            return Err(Invalid::range(field, f64::from(*found), expected).into());
        }
        let mut by_input = vec![0.0; width];
        for (gradient, start) in gradients.chunks_exact(width).zip(starts) {
            let ways = self.row.iter().zip(*start);
            for ((value, slope), (end, from)) in by_input.iter_mut().zip(gradient).zip(ways) {
                *value = f64::from(*slope) * (f64::from(*end) - f64::from(*from));
            }
            take(&self.groups.sum(&by_input));
        }
        Ok(())
    }

    fn attribution(&self, means: Means) -> Result<Attribution, Error<M::Error>> {
        let starts = scorer::scores(self.model, self.background)?;
        let row = Rows::new(self.row.len(), self.row.to_vec())?;
        let score = scorer::scores(self.model, &row)?.into_iter().sum();
        Ok(Attribution {
            base: starts.iter().sum::<f64>() / starts.len() as f64,
            score,
            values: means.means(),
        })
    }
}
