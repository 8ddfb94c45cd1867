//! How one side's figures went from step to step beside another's, such as a bank's on its own rows beside those of all banks.

use std::collections::BTreeMap;

use maud::html;
use veilsum_protocol::model::{Better, Figure};

use super::Picture;
use super::frame::{Axis, Frame, HEIGHT, WIDTH, svg};

/// Most points that are marked one by one.
const MOST_DOTS: usize = 40;

/// The figures of both sides at one step; those that are not known are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// The step.
    pub step: u32,
    /// The one side's.
    pub ours: BTreeMap<Figure, f64>,
    /// The other side's.
    pub theirs: BTreeMap<Figure, f64>,
}

/// A picture of each figure that says something of the model and is known of one side at least. `ours` and `theirs` name the sides.
pub fn beside(ours: &str, theirs: &str, measured: &[Beside]) -> Vec<Picture> {
    let drawn = Figure::ALL.into_iter().filter(|figure| !figure.compares_groups());
    drawn
        .filter_map(|figure| curve(figure, (ours, theirs), measured))
        .collect()
}

fn curve(figure: Figure, names: (&str, &str), measured: &[Beside]) -> Option<Picture> {
    let better = match figure.better() {
        Better::Higher => "Higher is better",
        Better::Lower => "Lower is better",
        Better::Neither => return None,
    };
    let side = |of: fn(&Beside) -> &BTreeMap<Figure, f64>| -> Vec<(f64, f64)> {
        let values = measured.iter().filter_map(|at| {
            let value = of(at).get(&figure).copied().filter(|value| value.is_finite())?;
            Some((f64::from(at.step), value))
        });
        values.collect()
    };
    let (ours, theirs) = (side(|at| &at.ours), side(|at| &at.theirs));
    let all = || ours.iter().chain(&theirs);
    let (first, last) = span(all().map(|point| point.0))?;
    let (low, high) = span(all().map(|point| point.1))?;
    let title = figure.title();
    let air = ((high - low) * 0.1).max(0.005);
    let frame = Frame::new((first, last.max(first + 1.0)), (low - air, high + air));
    let words = |name: &str, points: &[(f64, f64)]| match points.last() {
        Some((step, value)) => format!("{name} {value:.4} at step {step}"),
        None => format!("{name} not known"),
    };
    let ends = format!("{}, {}", words(names.0, &ours), words(names.1, &theirs));
    let inside = html! {
        (frame.grid(&Axis { whole: true, ..Axis::of("step") }, &Axis::of("")))
        (frame.line(theirs.iter().copied(), "p-line p-second"))
        (frame.line(ours.iter().copied(), "p-line p-main"))
        @if theirs.len() <= MOST_DOTS { @for point in &theirs { (frame.dot(*point, "p-dot p-second")) } }
        @if ours.len() <= MOST_DOTS { @for point in &ours { (frame.dot(*point, "p-dot p-main")) } }
        (frame.legend(&[("p-line p-main", names.0), ("p-line p-second", names.1)]))
    };
    Some(Picture::half(
        title,
        format!("{better}. {ends}."),
        svg(
            WIDTH,
            HEIGHT,
            &format!("{title} by step, {} beside {}", names.0, names.1),
            &format!("{title}: {ends}."),
            &inside,
        ),
    ))
}

fn span(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |span, value| match span {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(step: u32, ours: &[(Figure, f64)], theirs: &[(Figure, f64)]) -> Beside {
        Beside {
            step,
            ours: ours.iter().copied().collect(),
            theirs: theirs.iter().copied().collect(),
        }
    }

    #[test]
    fn both_sides_are_drawn_and_told() {
        let share = (Figure::PositiveShare, 0.2);
        let measured = [
            at(1, &[(Figure::Auc, 0.61), share], &[(Figure::Auc, 0.7)]),
            at(2, &[(Figure::Auc, 0.72)], &[(Figure::Auc, f64::NAN)]),
            at(3, &[], &[(Figure::Auc, 0.81)]),
        ];
        let pictures = beside("this <bank>", "all banks", &measured);
        assert_eq!(
            pictures.len(),
            1,
            "the share of positives says nothing of the model"
        );
        let picture = &pictures[0];
        assert_eq!(picture.title, "AUC");
        assert_eq!(
            picture.caption,
            "Higher is better. this <bank> 0.7200 at step 2, all banks 0.8100 at step 3."
        );
        assert!(!picture.svg.contains("NaN") && !picture.svg.contains("<bank>"));
        assert_eq!(picture.svg.matches("<circle").count(), 4);
    }

    #[test]
    fn one_side_alone_and_one_step_alone_are_drawn_and_nothing_is_not() {
        assert_eq!(
            beside("a", "b", &[at(1, &[(Figure::LogLoss, 0.4)], &[])]).len(),
            1
        );
        assert!(beside("a", "b", &[]).is_empty());
        assert!(beside("a", "b", &[at(1, &[], &[])]).is_empty());
    }
}
