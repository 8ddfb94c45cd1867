//! How good each task's model became, step by step, and what the last sum that the auditor has shows of it.

use maud::{Markup, html};
use veilsum_pictures as pictures;
use veilsum_protocol::model::Figure;

use super::Page;
use super::facts::{Facts, TaskFact};
use super::words::{counted, figure, grouped};

/// Tasks whose curves are drawn.
const SHOWN: usize = 12;
/// Steps in the table below the curves.
const ROWS: usize = 200;

pub(super) fn section(page: &Page<'_>, facts: &Facts<'_>) -> Option<Markup> {
    let measured: Vec<&TaskFact<'_>> = facts
        .tasks
        .iter()
        .filter(|task| !task.measured.is_empty())
        .collect();
    if measured.is_empty() {
        return None;
    }
    // The latest tasks are those that are asked about.
    let left_out = measured.len().saturating_sub(SHOWN);
    Some(html! {
        section aria-labelledby="models" {
            h2 #models { "How good the models became" }
            p.note {
                "Figures over the held-out rows of all banks in the sum, as the log publishes them. A step's figures are those of the model from "
                "which the step began."
                @if page.audit.archive.is_none() {
                    " Curves such as ROC follow from the sums themselves, which the archive holds: name it, and they are drawn here."
                }
            }
            @if left_out > 0 { p.note { "The curves of the first " (counted(left_out, "task", "tasks")) " are left out." } }
            @for (at, task) in measured.iter().enumerate().skip(left_out) { (one(page, at, task)) }
        }
    })
}

fn one(page: &Page<'_>, at: usize, task: &TaskFact<'_>) -> Markup {
    let has = |name: &Figure| {
        let mut figures = task.measured.iter().flat_map(|(_, metrics)| &metrics.figures);
        figures.any(|(figure, _)| figure == name)
    };
    // The last step may have more than those before it: it compares groups.
    let names: Vec<Figure> = Figure::ALL.into_iter().filter(has).collect();
    let left_out = task.measured.len().saturating_sub(ROWS);
    let id = format!("figures-{at}");
    html! {
        h3 id=(id) { "Task " (task.name) }
        (pictures::gallery(&pictures::by_step(&task.measured)))
        @if let Some(judged) = page.audited.judged.get(&task.hash) {
            p.note { "From the sum of step " (judged.step) ", of the model from which it began:" }
            (pictures::gallery(&pictures::of(&judged.task, &judged.judgement)))
        }
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
    }
}
