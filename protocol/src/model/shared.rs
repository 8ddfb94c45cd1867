//! Which of a model's parameters are averaged: all, or all but those that each bank keeps to itself.

use std::ops::Range;

use super::Manifest;

/// The parameters that leave a bank, as runs of the model's vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Ascending, none next to another.
    runs: Vec<Range<usize>>,
    len: usize,
    total: usize,
}

/// Whether the parameter `name` belongs to `group`: it has the group's name, or begins with it and a dot.
pub fn is_in_group(name: &str, group: &str) -> bool {
    name.strip_prefix(group)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Shared {
    /// All parameters but those of the groups in `personal`.
    pub fn of(manifest: &Manifest, personal: &[String]) -> Self {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let is_personal = |name: &str| personal.iter().any(|group| is_in_group(name, group));
        for parameter in manifest.parameters() {
            if is_personal(&parameter.name) {
                continue;
            }
            match runs.last_mut().filter(|run| run.end == parameter.range.start) {
                Some(run) => run.end = parameter.range.end,
                None => runs.push(parameter.range.clone()),
            }
        }
        Self {
            len: runs.iter().map(Range::len).sum(),
            total: manifest.total(),
            runs,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no parameter is personal.
    pub fn is_all(&self) -> bool {
        self.len == self.total
    }

    /// The shared values of a model's vector, in its order.
    pub fn take(&self, vector: &[f32]) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.len);
        for run in &self.runs {
            values.extend_from_slice(vector.get(run.clone()).unwrap_or_default());
        }
        values
    }

    /// Puts shared values in their places.
    pub fn put(&self, values: &[f32], vector: &mut [f32]) {
        put(&self.runs, values, vector);
    }

    /// The personal values of a model's vector, in its order.
    pub fn take_personal(&self, vector: &[f32]) -> Vec<f32> {
        let runs = self.personal();
        runs.iter()
            .flat_map(|run| vector.get(run.clone()).unwrap_or_default())
            .copied()
            .collect()
    }

    /// Puts personal values in their places.
    pub fn put_personal(&self, values: &[f32], vector: &mut [f32]) {
        put(&self.personal(), values, vector);
    }

    /// What is between the shared runs.
    fn personal(&self) -> Vec<Range<usize>> {
        let starts = std::iter::once(0).chain(self.runs.iter().map(|run| run.end));
        let ends = self.runs.iter().map(|run| run.start).chain([self.total]);
        let runs = starts.zip(ends).map(|(start, end)| start..end);
        runs.filter(|run| !run.is_empty()).collect()
    }
}

fn put(runs: &[Range<usize>], values: &[f32], vector: &mut [f32]) {
    let mut values = values.iter();
    for run in runs {
        let places = vector.get_mut(run.clone()).unwrap_or_default();
        places
            .iter_mut()
            .zip(&mut values)
            .for_each(|(place, value)| *place = *value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, InputShape, Mlp, ModelSpec, Target};

    fn manifest() -> Manifest {
        // hidden.0: 2x3 + 2, hidden.1: 2x2 + 2, output: 1x2 + 1; 17 in all.
        let spec = ModelSpec::Mlp(Mlp::new(vec![2, 2], Activation::Relu));
        spec.manifest(&InputShape::numbers(3), Target::Binary)
    }

    fn shared(groups: &[&str]) -> Shared {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        Shared::of(&manifest(), &groups)
    }

    #[test]
    fn groups_are_named_by_whole_words_of_a_name() {
        assert!(is_in_group("output.weight", "output") && is_in_group("output.weight", "output.weight"));
        assert!(!is_in_group("outputs.weight", "output") && !is_in_group("hidden.10.bias", "hidden.1"));
        assert!(!is_in_group("output", "output.weight"));
    }

    #[test]
    fn vectors_are_taken_apart_and_put_together() {
        let vector: Vec<f32> = (0..17).map(|at| at as f32).collect();
        let range = |range: Range<usize>| vector[range].to_vec();
        for (groups, personal) in [
            (&[][..], vec![]),
            (&["output"][..], range(14..17)),
            (
                &["hidden.0", "output.bias"][..],
                [range(0..8), range(16..17)].concat(),
            ),
            (&["hidden.1.weight"][..], range(8..12)),
        ] {
            let shared = shared(groups);
            assert_eq!(shared.len(), 17 - personal.len());
            assert_eq!(shared.is_all(), personal.is_empty());
            assert_eq!(shared.take_personal(&vector), personal);
            let mut again = vec![-1.0; 17];
            shared.put(&shared.take(&vector), &mut again);
            assert_eq!(shared.take_personal(&again), vec![-1.0; personal.len()]);
            shared.put_personal(&personal, &mut again);
            assert_eq!(again, vector);
        }
        assert!(shared(&["hidden", "output"]).is_empty());
    }
}
