//! What the consortium's counts say of its columns.

use maud::{Markup, html};
use veilsum_auditor::page::number;
use veilsum_protocol::model::{ColumnFigures, ColumnSpread};

/// Columns that are shown, those that tell most.
const SHOWN: usize = 40;

/// Nothing if none was counted.
pub(super) fn section(columns: &[ColumnFigures]) -> Option<Markup> {
    if columns.is_empty() {
        return None;
    }
    let informed = columns.iter().any(|column| column.evidence.is_some());
    let mut sorted: Vec<&ColumnFigures> = columns.iter().collect();
    if informed {
        sorted.sort_by(|a, b| information(b).total_cmp(&information(a)));
    }
    let most = sorted.first().map_or(0.0, |column| information(column));
    let left_out = sorted.len().saturating_sub(SHOWN);
    Some(html! {
        section aria-labelledby="columns" {
            h2 #columns { "What the banks counted first" }
            p.note {
                "From one sum under masks over the rows that all banks train on. "
                @if informed {
                    "The information value says how far apart a column holds rows with label 0 and 1, over its quantile bins or values; scorecards are usually "
                    "read so that below 0.02 a column tells nothing, from 0.1 something and from 0.3 much. "
                }
                "The auditor's page, " code { "audit.html" } " beside this one, works the same out again from the published sum and draws how each column spreads."
            }
            div.scroll tabindex="0" role="region" aria-labelledby="columns" {
                table {
                    @if left_out > 0 { caption { span { "The " (SHOWN) " that tell most; " (left_out) " are left out." } } }
                    thead {
                        tr {
                            th scope="col" { "Column" }
                            @if informed { th.number scope="col" { "Information value" } }
                            th.number scope="col" { "Missing" }
                            th scope="col" { "Half of its cells" }
                        }
                    }
                    tbody {
                        @for column in sorted.iter().take(SHOWN) {
                            tr {
                                th scope="row" { (column.name) }
                                @if informed { td.number { (told(column, most)) } }
                                td.number { (column.missing.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share))) }
                                td { (middle(column)) }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn information(column: &ColumnFigures) -> f64 {
    column
        .evidence
        .as_ref()
        .map_or(0.0, |evidence| evidence.information_value)
}

fn told(column: &ColumnFigures, most: f64) -> Markup {
    let Some(evidence) = &column.evidence else {
        return html! { "–" };
    };
    let bar = (100.0 * evidence.information_value / most.max(f64::MIN_POSITIVE)).clamp(0.0, 100.0);
    html! {
        (format!("{:.3}", evidence.information_value))
        span.bar aria-hidden="true" { span style={ "width:" (format!("{bar:.0}")) "%" } {} }
    }
}

/// Between which values the middle half of a number lies, or which values of a category hold half.
fn middle(column: &ColumnFigures) -> String {
    match &column.spread {
        ColumnSpread::Number { quartiles, .. } => quartiles.map_or_else(
            || "–".to_owned(),
            |[low, _, high]| format!("{} to {}", number(low), number(high)),
        ),
        ColumnSpread::Category(values) => {
            let mut sorted: Vec<_> = values.iter().filter(|(_, count)| *count > 0).collect();
            sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let mut held = 0;
            let half = sorted.into_iter().take_while(|(_, count)| {
                let short = 2 * held < column.cells;
                held += count;
                short
            });
            half.map(|(value, _)| value.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use veilsum_protocol::model::Preparation;
    use veilsum_protocol::task::Schema;

    use super::*;

    #[test]
    fn the_column_that_tells_most_stands_first() {
        let schema = Schema::parse(
            "version = 1\nlabel = \"y\"\n[[column]]\nname = \"<noise>\"\ntype = \"number\"\nmin = 0\nmax = 8\nwhen_missing = \"mean\"\n\
             [[column]]\nname = \"home\"\ntype = \"category\"\nvalues = [\"own\", \"rent\", \"tent\"]\n",
        )
        .unwrap();
        let mut counts = Preparation::empty(&schema, 4);
        for row in 0..12_usize {
            let label = usize::from(row % 3 == 0);
            counts.count_row(label);
            counts.count_number(0, label, if row < 3 { f32::NAN } else { 0.5 });
            counts.count_value(1, label, label);
        }
        assert!(section(&[]).is_none());
        let page = section(&counts.figures(&schema)).unwrap().into_string();
        let (home, noise) = (
            page.find("home</th>").unwrap(),
            page.find("&lt;noise&gt;</th>").unwrap(),
        );
        assert!(home < noise, "{page}");
        // Groups (8, 0) and (0, 4), half a row added to each: two of ln 17 and -ln 9 over their shares.
        let (negatives, positives) = ([8.5, 0.5], [0.5, 4.5]);
        let value: f64 = (0..2)
            .map(|at| {
                let (n, p): (f64, f64) = (negatives[at] / 9.0, positives[at] / 5.0);
                (n - p) * (n / p).ln()
            })
            .sum();
        assert!(
            page.contains(&format!("{value:.3}<span class=\"bar\"")),
            "{value} {page}"
        );
        for words in ["<td class=\"number\">25.0 %</td>", "<td>own</td>", "audit.html"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
}
