//! Card payments, a row each: what tells fraud is in the payments of the same card before it.

use veilsum_protocol::model::Figure;
use veilsum_protocol::task::Task;

use super::contributions::judged_by;

/// A linear congruential generator (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Payments of 90 cards, in the order of time over all of them. A card's amounts lie around its own habit, from 5 to 5000;
/// fraud is one of five times the habit, or the third of three within seconds.
fn payments() -> String {
    let mut numbers = Numbers(11);
    let mut rows = Vec::new();
    for card in 0..90 {
        let habit = 5.0 * 1000_f64.powf(numbers.below(1000) as f64 / 1000.0);
        let mut at = numbers.below(200_000);
        let mut quick = 0;
        for _ in 0..14 {
            let draw = numbers.below(10);
            let (far, third) = (quick == 0 && draw == 0, quick == 1);
            at += match quick {
                0 => 20_000 + numbers.below(80_000),
                _ => 5 + numbers.below(20),
            };
            quick = match (quick, draw) {
                (0, 1) => 2,
                (left, _) => u32::saturating_sub(left, 1),
            };
            let share = 0.8 + 0.4 * numbers.below(1000) as f64 / 1000.0;
            rows.push(Row {
                card,
                at,
                amount: habit * share * if far { 5.0 } else { 1.0 },
                fraud: far || third,
            });
        }
    }
    rows.sort_by_key(|row| row.at);
    let line = |row: &Row| {
        let (day, of_day) = (1 + row.at / 86_400, row.at % 86_400);
        format!(
            "{},2024-01-{day:02}T{:02}:{:02}:{:02},{:.2},card-{}\n",
            u8::from(row.fraud),
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60,
            row.amount,
            row.card
        )
    };
    "fraud,at,amount,card\n".to_owned() + &rows.iter().map(line).collect::<String>()
}

struct Row {
    card: u32,
    at: u64,
    amount: f64,
    fraud: bool,
}

/// The area under the ROC curve of each state of the task.
fn auc(schema: &str, model: &str, table: &str) -> Vec<f64> {
    let in_task = schema
        .replace("[sequence]", "[schema.sequence]")
        .replace("[[column]]", "[[schema.column]]");
    let task = Task::parse(&format!(
        "name = \"cards\"\nrounds = 8\nseed = 3\n[schema]\n{in_task}[model]\n{model}\n\
         [training]\noptimiser = \"adam\"\nlearning_rate = 0.01\nbatch_size = 32\nlocal_epochs = 4\n"
    ))
    .unwrap();
    judged_by(&task, schema, table, Figure::Auc).0
}

#[test]
fn fraud_is_learned_from_a_card_s_payments_through_sums_and_not_without_them() {
    let table = payments();
    let amount = "[[column]]\nname = \"amount\"\ntype = \"number\"\nmin = 0\nmax = 100000\nscale = \"log\"\n";
    let at = "[[column]]\nname = \"at\"\ntype = \"date\"\nmin = \"2024-01-01\"\nmax = \"2024-02-01\"\ncycles = [\"day\"]\n";
    let with = format!(
        "version = 1\nlabel = \"fraud\"\n[sequence]\nkey = \"card\"\ntime = \"at\"\nsteps = 6\n{at}since = \"previous\"\n{amount}"
    );
    let without = format!("version = 1\nlabel = \"fraud\"\nleave_out = [\"card\"]\n{at}{amount}");
    let with = auc(&with, "family = \"gru\"\nunits = 16", &table);
    let without = auc(&without, "family = \"mlp\"\nhidden = [16]", &table);
    assert_eq!((with.len(), without.len()), (9, 9));
    assert!(with[8] > 0.95, "{with:?}");
    assert!(without[8] < 0.75, "{without:?}");
}
