//! The results as a table for a terminal.

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::report::TableRow;
use crate::score::in_words;

/// One line per model, in the order given: name, how it was trained, the figures of the label's kind and training rows. Lines end in a newline.
pub fn results(rows: &[TableRow]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let figures = rows.first().map(|row| row.score.figures);
    let figures = figures.iter().flatten().map(|(figure, _)| in_words(*figure));
    let head = ["model".to_owned(), "trained".to_owned()]
        .into_iter()
        .chain(figures);
    table.set_header(head.chain(["training rows".to_owned()]));
    for row in rows {
        let figures = row.score.figures.map(|(_, value)| format!("{value:.4}"));
        let trained_on = if row.rows > 0 {
            grouped(row.rows)
        } else {
            "–".to_owned()
        };
        let numbers = figures
            .into_iter()
            .chain([trained_on])
            .map(|value| Cell::new(value).set_alignment(CellAlignment::Right));
        table.add_row(
            [Cell::new(&row.name), Cell::new(row.role.words())]
                .into_iter()
                .chain(numbers),
        );
    }
    format!("{table}\n")
}

/// A count with a comma between thousands, for example `14,100`.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use veilsum_protocol::model::Figure;

    use super::*;
    use crate::report::Role;
    use crate::score::Score;

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 999, 1_000, 14_100, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "14,100", "1,234,567"]);
    }

    #[test]
    fn numbers_stand_under_each_other() {
        let row = |name: &str, role, auc, rows| TableRow {
            name: name.to_owned(),
            role,
            score: Score {
                figures: [(Figure::Auc, auc), (Figure::Ks, 0.25), (Figure::LogLoss, 0.5)],
                rows: 100,
            },
            rows,
        };
        let rows = [
            row("bank-a", Role::Alone, 0.75, 4_800),
            row("five banks", Role::Federated, 0.8, 11_280),
        ];
        let text = results(&rows);
        let expected = "\
┌────────────┬─────────────┬────────┬────────┬──────────┬───────────────┐
│ model      ┆ trained     ┆ AUC    ┆ KS     ┆ log loss ┆ training rows │
╞════════════╪═════════════╪════════╪════════╪══════════╪═══════════════╡
│ bank-a     ┆ alone       ┆ 0.7500 ┆ 0.2500 ┆   0.5000 ┆         4,800 │
│ five banks ┆ under masks ┆ 0.8000 ┆ 0.2500 ┆   0.5000 ┆        11,280 │
└────────────┴─────────────┴────────┴────────┴──────────┴───────────────┘
";
        assert_eq!(text, expected);
    }
}
