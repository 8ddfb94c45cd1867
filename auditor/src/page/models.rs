//! How good each task's model became, step by step.

use maud::{Markup, html};
use veilsum_protocol::model::{Better, Figure};

use super::curve::{Curve, CurveError};
use super::facts::{Facts, TaskFact};
use super::words::{counted, figure, grouped};

/// Tasks whose curves are drawn.
const SHOWN: usize = 12;
/// Steps in the table below the curves.
const ROWS: usize = 200;

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
    // A task's figures are of one kind throughout.
    let names: Vec<Figure> = task.measured.first().map_or(Vec::new(), |(_, metrics)| {
        metrics.figures.iter().map(|(figure, _)| *figure).collect()
    });
    let mut figures = Vec::new();
    for (which, name) in names.iter().enumerate() {
        let better = match name.better() {
            Better::Higher => "higher is better",
            Better::Lower => "lower is better",
            // The data's own, and no measure of the model.
            Better::Neither => continue,
        };
        let points = task.measured.iter().filter_map(|(step, metrics)| {
            Some((*step, metrics.figure(*name).filter(|value| value.is_finite())?))
        });
        let curve = Curve {
            name: name.title(),
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
                            @for name in &names { th.number scope="col" { (name.title()) } }
                        }
                    }
                    tbody {
                        @for (step, metrics) in task.measured.iter().skip(left_out) {
                            tr {
                                th.number scope="row" { (step) }
                                td.number { (grouped(metrics.rows)) }
                                @for name in &names { td.number { (figure(metrics.figure(*name))) } }
                            }
                        }
                    }
                }
            }
        }
    })
}
