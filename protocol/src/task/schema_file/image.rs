//! An image's keys.

use super::super::TaskError;
use super::super::ranges::integer;
use super::super::schema::ImageColumn;
use super::{ColumnFile, INPUTS, refuse};

const SIDE: std::ops::RangeInclusive<u32> = 1..=4096;
const CHANNELS: std::ops::RangeInclusive<u32> = 1..=4;

impl ColumnFile {
    pub(super) fn image(&self, path: &str) -> Result<ImageColumn, TaskError> {
        self.refuse_keys_of_tables(path, "an image is pixels")?;
        self.refuse_keys_of_texts(path)?;
        let side = |name: &str, found: Option<i64>| {
            let key = format!("{path}.{name}");
            let found =
                found.ok_or_else(|| TaskError::invalid(&key, "nothing", "the images' size in pixels"))?;
            integer(&key, found, SIDE)
        };
        let image = ImageColumn {
            height: side("height", self.height)?,
            width: side("width", self.width)?,
            channels: integer(&format!("{path}.channels"), self.channels.unwrap_or(1), CHANNELS)?,
        };
        if !INPUTS.contains(&image.bytes()) {
            return Err(TaskError::invalid(
                path,
                format!("images of {} numbers", image.bytes()),
                format!("at most {}: channels times height times width", INPUTS.end()),
            ));
        }
        Ok(image)
    }

    pub(super) fn refuse_keys_of_images(&self, path: &str) -> Result<(), TaskError> {
        let only = "only an image has it";
        refuse(path, "height", self.height.is_some(), only)?;
        refuse(path, "width", self.width.is_some(), only)?;
        refuse(path, "channels", self.channels.is_some(), only)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::{Schema, Task};
    use super::*;
    use crate::model::InputShape;

    const IMAGE: &str = "version = 1\nlabel = \"digit\"\nlabel_classes = [\"0\", \"1\", \"2\"]\n[[column]]\nname = \"image\"\n\
                         type = \"image\"\nheight = 28\nwidth = 20\n";

    fn task(schema: &str, evaluation: &str) -> Result<Task, TaskError> {
        let schema = schema.replace("[[column]]", "[[schema.column]]");
        Task::parse(&format!(
            "name = \"t\"\nrounds = 1\nseed = 1\n[schema]\n{schema}[model]\nfamily = \"cnn\"\n\
             [training]\noptimiser = \"adam\"\nlearning_rate = 0.01\nbatch_size = 8\nlocal_epochs = 1\n\
             [evaluation]\n{evaluation}\n"
        ))
    }

    #[test]
    fn an_image_is_the_row_and_has_a_form_of_its_own() {
        for (schema, channels) in [(IMAGE.to_owned(), 1), (format!("{IMAGE}channels = 3\n"), 3)] {
            let task = task(&schema, "").unwrap();
            let shape = InputShape::Image {
                channels,
                height: 28,
                width: 20,
            };
            assert_eq!(task.input_shape(), shape);
            let form = format!("type = \"image\"\nheight = 28\nwidth = 20\nchannels = {channels}\n");
            let normal = task.canonical_text();
            assert!(normal.contains(&form), "{normal}");
            assert_eq!(Task::parse(&normal).unwrap(), task);
            assert_eq!(Schema::parse(&task.schema.canonical_text()).unwrap(), task.schema);
        }
        let described = task(IMAGE, "").unwrap().describe();
        for part in [
            "from the 560 numbers of each image",
            "image  image of 28 rows of 20 pixels, one channel, from an IDX file",
        ] {
            assert!(described.contains(part), "{part} is not in:\n{described}");
        }
    }

    #[test]
    fn each_mistake_is_named() {
        for (from, to, message) in [
            (
                "height = 28",
                "",
                "column \"image\".height: found nothing, expected the images' size in pixels",
            ),
            (
                "height = 28",
                "height = 0",
                "column \"image\".height: 0 is out of range",
            ),
            (
                "width = 20",
                "width = 20\nchannels = 5",
                "column \"image\".channels: 5 is out of range",
            ),
            (
                "height = 28\nwidth = 20",
                "height = 4096\nwidth = 20",
                "column \"image\": found images of 81920 numbers, expected at most 65536",
            ),
            (
                "width = 20",
                "width = 20\nbuckets = 16",
                "column \"image\".buckets: found a value, expected none: only a text has it",
            ),
            (
                "width = 20",
                "width = 20\nvalues = [\"a\"]",
                "column \"image\".values: found a value, expected none: an image is pixels",
            ),
            (
                "label_classes = [\"0\", \"1\", \"2\"]",
                "label_number = { min = 0, max = 9 }",
                "label_number: found a range, expected label_classes",
            ),
            (
                "[[column]]",
                "leave_out = [\"id\"]\n[[column]]",
                "leave_out: found 1 entries, expected none: a file of images has no columns",
            ),
            (
                "[[column]]",
                "[[column]]\nname = \"x\"\ntype = \"number\"\nmin = 0\nmax = 1\n[[column]]",
                "column: found an image beside 1 other columns",
            ),
        ] {
            assert!(IMAGE.contains(from), "{from}");
            let error = Schema::parse(&IMAGE.replacen(from, to, 1))
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{to}: {error}");
        }
        for split in [
            "split = \"time\"\ntime_column = \"image\"",
            "split = \"column\"\ncolumn = \"image\"\nheld_out = [\"a\"]",
        ] {
            let error = task(IMAGE, split).unwrap_err().to_string();
            let message = "evaluation.split: found a split by a column, expected \"hash\": a file of images has no columns";
            assert!(error.contains(message), "{error}");
        }
    }
}
