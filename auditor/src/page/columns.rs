//! What the consortium knows of its columns, from the published sums of statistics rounds.

use maud::{Markup, html};
use veilsum_protocol::model::{ColumnFigures, ColumnSpread};

use super::words::{counted, grouped, number};
use crate::verify::prepared::Prepared;

/// Tasks whose columns are shown.
const TASKS: usize = 6;
/// Columns of a task that are shown.
const COLUMNS: usize = 200;
/// Bars of a histogram, at most.
const BARS: usize = 32;
/// Values of a category whose bars are drawn.
const VALUES: usize = 32;
/// Height of a histogram, in the units of its bars.
const HEIGHT: f64 = 30.0;

pub(super) fn section(prepared: &[Prepared]) -> Option<Markup> {
    if prepared.is_empty() {
        return None;
    }
    // The latest tasks are those that are asked about.
    let left_out = prepared.len().saturating_sub(TASKS);
    Some(html! {
        section aria-labelledby="columns" {
            h2 #columns { "What the consortium knows of its columns" }
            p.note {
                "Counts over the training rows of all banks in the sum, as the statistics rounds published them. Quartiles are off by less than a bin of "
                "the histogram. The information value is over a column's quantile bins or values, with half a row added to each count."
            }
            @if left_out > 0 { p.note { "The columns of the first " (counted(left_out, "task", "tasks")) " are left out." } }
            @for (at, task) in prepared.iter().enumerate().skip(left_out) { (one(at, task)) }
        }
    })
}

fn one(at: usize, task: &Prepared) -> Markup {
    let figures = task.counts.figures(&task.schema);
    let rows: u64 = task.counts.rows.iter().sum();
    let positives = task.counts.rows.get(1);
    let informed = figures.iter().any(|column| column.evidence.is_some());
    let left_out = figures.len().saturating_sub(COLUMNS);
    let id = format!("columns-{at}");
    html! {
        h3 id=(id) { "Task " (task.task) }
        p {
            (grouped(rows)) " training rows"
            @if let Some(positives) = positives { ", " (share(*positives, rows)) " of them with label 1" }
            "."
        }
        div.scroll tabindex="0" role="region" aria-labelledby=(id) {
            table.columns {
                @if left_out > 0 { caption { span { "The last " (counted(left_out, "column is", "columns are")) " left out." } } }
                thead {
                    tr {
                        th scope="col" { "Column" }
                        th.number scope="col" { "Missing" }
                        th.number scope="col" { "25 %" }
                        th.number scope="col" { "Median" }
                        th.number scope="col" { "75 %" }
                        @if informed { th.number scope="col" { "Information" } }
                        th scope="col" { "Spread" }
                    }
                }
                tbody { @for column in figures.iter().take(COLUMNS) { (row(column, informed)) } }
            }
        }
    }
}

fn row(column: &ColumnFigures, informed: bool) -> Markup {
    let quartiles = match &column.spread {
        ColumnSpread::Number { quartiles, .. } => *quartiles,
        ColumnSpread::Category(_) => None,
    };
    let quartiles = quartiles.map_or([None; 3], |quartiles| quartiles.map(Some));
    let evidence = column.evidence.as_ref();
    html! {
        tr {
            th.wrap scope="row" { (column.name) }
            td.number { (column.missing.map_or_else(dash, percent)) }
            @for value in quartiles { td.number { (value.map_or_else(dash, number)) } }
            @if informed {
                td.number { (evidence.map_or_else(dash, |evidence| format!("{:.3}", evidence.information_value))) }
            }
            td.spread { (spread(column)) }
        }
    }
}

fn spread(column: &ColumnFigures) -> Markup {
    match &column.spread {
        ColumnSpread::Number {
            range: [from, to],
            log,
            bins,
            ..
        } => {
            let together = bins.len().div_ceil(BARS).max(1);
            let bars: Vec<u64> = bins.chunks(together).map(|counts| counts.iter().sum()).collect();
            let scale = if *log { ", on a logarithmic scale" } else { "" };
            let label = format!(
                "Histogram of {} from {} to {}{scale}",
                column.name,
                number(*from),
                number(*to)
            );
            let titles: Vec<String> = bars.iter().map(|count| grouped(*count)).collect();
            html! {
                (drawn(&bars, &titles, &label))
                div.axis {
                    span { (number(*from)) }
                    span { @if *log { "log" } }
                    span { (number(*to)) }
                }
            }
        }
        ColumnSpread::Category(values) => {
            // A place whose value was not found says nothing.
            let mut sorted: Vec<_> = values.iter().filter(|(_, count)| *count > 0).collect();
            sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let bars: Vec<u64> = sorted.iter().take(VALUES).map(|(_, count)| *count).collect();
            let titles: Vec<String> = sorted
                .iter()
                .map(|(value, count)| format!("{value}: {}", grouped(*count)))
                .collect();
            let label = format!("Values of {}, the most frequent first", column.name);
            let most = sorted.first();
            html! {
                (drawn(&bars, &titles, &label))
                div.axis {
                    span.wrap {
                        @if let Some((value, count)) = most { (value) " " (share(*count, column.cells)) }
                    }
                    span { (counted(sorted.len(), "value", "values")) }
                }
            }
        }
    }
}

fn drawn(bars: &[u64], titles: &[String], label: &str) -> Markup {
    let most = bars.iter().copied().max().unwrap_or(0).max(1);
    html! {
        svg.bars viewBox={ "0 0 " (bars.len() * 4) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (place, (count, title)) in bars.iter().zip(titles).enumerate().filter(|(_, (count, _))| **count > 0) {
                // A bar with anything in it is seen.
                @let height = (*count as f64 / most as f64 * HEIGHT).max(0.8);
                rect x=(place * 4) y=(format!("{:.2}", HEIGHT - height)) width="3.4" height=(format!("{height:.2}")) { title { (title) } }
            }
        }
    }
}

fn dash() -> String {
    "–".to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn share(part: u64, whole: u64) -> String {
    percent(part as f64 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use veilsum_protocol::model::Preparation;
    use veilsum_protocol::task::Schema;

    use super::*;

    #[test]
    fn a_row_for_each_column_with_its_figures() {
        let schema = Schema::parse(
            "version = 1\nlabel = \"y\"\n[[column]]\nname = \"<b>\"\ntype = \"number\"\nmin = 0\nmax = 8\nwhen_missing = \"mean\"\n\
             [[column]]\nname = \"region\"\ntype = \"category\"\nvalues = [\"n\", \"s\"]\n",
        )
        .unwrap();
        let mut counts = Preparation::empty(&schema, 4);
        for (row, u) in [0.0, 0.25, 0.5, 0.75, f32::NAN].into_iter().enumerate() {
            counts.count_row(row % 2);
            counts.count_number(0, row % 2, u);
            counts.count_value(1, row % 2, row % 2);
        }
        assert!(section(&[]).is_none());
        let prepared = Prepared {
            task: "credit".to_owned(),
            schema,
            counts,
        };
        let page = section(&[prepared]).unwrap().into_string();
        for words in [
            "5 training rows, 40.0 % of them with label 1.",
            "&lt;b&gt;</th><td class=\"number\">20.0 %</td><td class=\"number\">2</td><td class=\"number\">4</td><td class=\"number\">6</td>",
            "n 60.0 %",
            "2 values",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert_eq!(page.matches("<rect").count(), 4 + 2);
    }
}
