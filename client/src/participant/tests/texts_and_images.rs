//! From a bank's file of texts or images to a judged model, through sums.

use veilsum_protocol::model::Figure;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;

use super::contributions::advance;
use super::scene::source;
use crate::participant::contribution::{Source, Workbench};

/// Numbers below `bound`, one after the other (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn task(schema: &str, model: &str) -> Task {
    Task::parse(&format!(
        "name = \"whole\"\nrounds = 4\nseed = 3\n[schema]\n{}[model]\n{model}\n\
         [training]\noptimiser = \"adam\"\nlearning_rate = 0.01\nbatch_size = 16\nlocal_epochs = 4\n",
        schema.replace("[[column]]", "[[schema.column]]")
    ))
    .unwrap()
}

/// Takes three banks, each with what `put` puts into its folder, through the task: a figure of each state that was judged.
fn judged(task: &Task, schema: &str, figure: Figure, put: &mut dyn FnMut(&mut Source)) -> Vec<f64> {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let bench = |folder: &tempfile::TempDir| {
        let mut source = source(folder.path(), 0);
        std::fs::write(&source.schema, schema).unwrap();
        put(&mut source);
        Workbench::new(source)
    };
    let mut benches: Vec<_> = folders.iter().map(bench).collect();
    let mut state = TaskState::initial(task);
    let mut found = Vec::new();
    while Plan::new(task).kind(state.step).is_some() {
        let (next, outcome) = advance(&mut benches, task, &state);
        found.extend(outcome.metrics.map(|metrics| metrics.figure(figure).unwrap()));
        state = next;
    }
    found
}

/// What a message is about is told by one word of it, and by the order of no two.
#[test]
fn texts_are_learned_through_sums() {
    let accuracy = judged_on_messages("tokens = 12\nwords = 2\nbuckets = 512");
    assert_eq!(accuracy.len(), 5, "four rounds and the last evaluation");
    assert!(accuracy[4] > 0.95 && accuracy[0] < 0.6, "{accuracy:?}");
}

/// The words that tell are whole symbols, in the middle of a text and as its first, and 卡 is joined from its three bytes; the rest stays bytes.
#[test]
fn byte_pairs_are_learned_through_sums() {
    #[rustfmt::skip]
    let symbols = [
        "c a", "ca r", "car d", "Ġ card", "c h", "ch i", "chi p", "Ġ chip", "å į", "åį ¡", "t r", "tr a", "n s", "ns f", "nsf e",
        "nsfe r", "tra nsfer", "Ġ transfer", "f e", "fe e", "Ġ fee", "ch a", "cha r", "char g", "charg e", "Ġ charge", "è ´", "è´ ¹",
        "p a", "pa y", "m e", "n t", "me nt", "pay ment", "Ġ payment", "è ½", "è½ ¬",
    ];
    let merges: Vec<_> = symbols.iter().map(|merge| format!("\"{merge}\"")).collect();
    let accuracy = judged_on_messages(&format!("tokens = 64\nmerges = [{}]", merges.join(", ")));
    assert_eq!(accuracy.len(), 5);
    assert!(accuracy[4] > 0.95 && accuracy[0] < 0.6, "{accuracy:?}");
}

/// Accuracy of each state of an embedding bag on messages that become numbers as `keys` say.
fn judged_on_messages(keys: &str) -> Vec<f64> {
    let schema = format!(
        "version = 1\nlabel = \"about\"\nlabel_classes = [\"card\", \"fee\", \"transfer\"]\n[[column]]\nname = \"message\"\n\
         type = \"text\"\n{keys}\n"
    );
    let task = task(&schema, "family = \"embedding-bag\"\ndimension = 16");
    let told = [
        ["card", "卡", "chip"],
        ["fee", "charge", "费"],
        ["transfer", "payment", "转"],
    ];
    let filler = [
        "please",
        "why",
        "was",
        "it",
        "today",
        "again",
        "yesterday",
        "so",
        "the",
        "a",
        "and",
        "now",
    ];
    let mut numbers = Numbers(7);
    judged(&task, &schema, Figure::Accuracy, &mut |source| {
        let mut table = "about,message\n".to_owned();
        for _ in 0..240 {
            let about = numbers.below(3) as usize;
            let place = numbers.below(5);
            table.push_str(["card", "fee", "transfer"][about]);
            table.push_str(",\"");
            for word in 0..6 {
                let of = if word == place {
                    &told[about][..]
                } else {
                    &filler[..]
                };
                table.push_str(of[numbers.below(of.len() as u64) as usize]);
                table.push_str(if word == 3 { ",\n" } else { " " });
            }
            table.push_str("\"\n");
        }
        std::fs::write(&source.files.file, table).unwrap();
    })
}

/// A square of 3 x 3 pixels is bright, in the left half or in the right.
#[test]
fn images_are_learned_through_sums() {
    let schema = "version = 1\nlabel = \"right\"\n[[column]]\nname = \"picture\"\ntype = \"image\"\nheight = 10\nwidth = 10\n";
    let task = task(schema, "family = \"cnn\"\nfilters = [8]\ndense = [16]");
    let mut numbers = Numbers(3);
    let auc = judged(&task, schema, Figure::Auc, &mut |source| {
        let count = 160_u32;
        let mut images = [
            &[0, 0, 8, 3][..],
            &count.to_be_bytes(),
            &[0, 0, 0, 10],
            &[0, 0, 0, 10],
        ]
        .concat();
        let mut labels = [&[0, 0, 8, 1][..], &count.to_be_bytes()].concat();
        for _ in 0..count {
            let (right, top) = (numbers.below(2), numbers.below(8));
            let left = 5 * right + numbers.below(3);
            for (y, x) in (0..10).flat_map(|y| (0..10).map(move |x| (y, x))) {
                let bright = (top..top + 3).contains(&y) && (left..left + 3).contains(&x);
                images.push(numbers.below(50) as u8 + if bright { 200 } else { 0 });
            }
            labels.push(right as u8);
        }
        source.files.labels = Some(source.files.file.with_file_name("labels.idx"));
        std::fs::write(&source.files.file, images).unwrap();
        std::fs::write(source.files.labels.as_ref().unwrap(), labels).unwrap();
    });
    assert!(auc[4] > 0.97 && auc[0] < 0.9, "{auc:?}");
}
