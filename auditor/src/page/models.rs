//! How good each task's model became, step by step.

use maud::{Markup, html};
use veilsum_protocol::model::Metrics;

use super::curve::{Curve, CurveError};
use super::facts::{Facts, TaskFact};
use super::words::{counted, figure, grouped};

/// Tasks whose curves are drawn.
const SHOWN: usize = 12;
/// Steps in the table below the curves.
const ROWS: usize = 200;

type Value = fn(&Metrics) -> Option<f64>;

const FIGURES: [(&str, &str, Value); 4] = [
    ("AUC", "higher is better", |metrics| metrics.auc),
    ("KS", "higher is better", |metrics| metrics.ks),
    ("Log loss", "lower is better", |metrics| metrics.log_loss),
    ("Calibration error", "lower is better", |metrics| {
        metrics.calibration_error
    }),
];

pub(super) fn section(facts: &Facts<'_>) -> Result<Option<Markup>, CurveError> {
    let measured: Vec<&TaskFact<'_>> = facts
        .tasks
        .iter()
        .filter(|task| !task.measured.is_empty())
        .collect();
    if measured.is_empty() {
        return Ok(None);
    }
    // The latest tasks are those that are asked about.
    let left_out = measured.len().saturating_sub(SHOWN);
    let mut tasks = Vec::new();
    for (at, task) in measured.iter().enumerate().skip(left_out) {
        tasks.push(one(at, task)?);
    }
    Ok(Some(html! {
        section aria-labelledby="models" {
            h2 #models { "How good the models became" }
            p.note {
                "Figures over the held-out rows of all banks in the sum, as the log publishes them. A step's figures are those of the model from "
                "which the step began."
            }
            @if left_out > 0 { p.note { "The curves of the first " (counted(left_out, "task", "tasks")) " are left out." } }
            @for task in &tasks { (task) }
        }
    }))
}

fn one(at: usize, task: &TaskFact<'_>) -> Result<Markup, CurveError> {
    let mut figures = Vec::new();
    for (which, (name, better, value)) in FIGURES.into_iter().enumerate() {
        let points = task
            .measured
            .iter()
            .filter_map(|(step, metrics)| Some((*step, value(metrics).filter(|value| value.is_finite())?)));
        let curve = Curve {
            name,
            better,
            task: task.name,
            id: format!("curve-{at}-{which}"),
            points: points.collect(),
        };
        figures.extend(curve.figure()?);
    }
    let left_out = task.measured.len().saturating_sub(ROWS);
    let id = format!("figures-{at}");
    Ok(html! {
        h3 id=(id) { "Task " (task.name) }
        div.curves { @for figure in &figures { (figure) } }
        details {
            summary { "Figures of " (counted(task.measured.len(), "step", "steps")) }
            div.scroll tabindex="0" role="region" aria-labelledby=(id) {
                table {
                    caption {
                        span {
                            "Figures by step"
                            @if left_out > 0 { ", the last " (ROWS) ". The earlier " (grouped(left_out as u64)) " are left out" }
                            "."
                        }
                    }
                    thead {
                        tr {
                            th.number scope="col" { "Step" }
                            th.number scope="col" { "Rows" }
                            th.number scope="col" { "Positive" }
                            @for (name, _, _) in FIGURES { th.number scope="col" { (name) } }
                        }
                    }
                    tbody {
                        @for (step, metrics) in task.measured.iter().skip(left_out) {
                            tr {
                                th.number scope="row" { (step) }
                                td.number { (grouped(metrics.rows)) }
                                td.number { (grouped(metrics.positives)) }
                                @for (_, _, value) in FIGURES { td.number { (figure(value(metrics))) } }
                            }
                        }
                    }
                }
            }
        }
    })
}
