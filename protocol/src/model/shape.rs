//! What a model is given of one row, and what it answers.

/// What a model is given of one row. Rows travel flattened, one `f32` an input, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputShape {
    /// Numbers of a table, shape `[numbers + categories.len()]`.
    Table {
        /// Plain numbers: standardised ones, flags, and one-hot categories.
        numbers: usize,
        /// For each category that the model embeds, how many values it has; the input is the value's index. They stand behind the numbers.
        /// Empty for a model that embeds none.
        categories: Vec<usize>,
    },
    /// The same numbers at successive times, oldest first, shape `[steps, width]`. A sequence with fewer steps begins with steps of zeros.
    Sequence {
        /// Steps.
        steps: usize,
        /// Numbers of a step; the last of them is 1 where there is a step and 0 where it is missing, if lengths may differ.
        width: usize,
    },
    /// A picture, shape `[channels, height, width]`, each value on `[0, 1]`.
    Image {
        /// Channels.
        channels: usize,
        /// Rows of pixels.
        height: usize,
        /// Pixels of a row.
        width: usize,
    },
    /// A text as token numbers, shape `[tokens]`: exact in `f32`; 0 is padding, behind the text.
    Text {
        /// Longest text in tokens; longer ones are cut.
        tokens: usize,
        /// How many token numbers there are, padding included.
        vocabulary: usize,
    },
}

impl InputShape {
    /// A table's row of plain numbers.
    pub fn numbers(numbers: usize) -> Self {
        Self::Table {
            numbers,
            categories: Vec::new(),
        }
    }

    /// How many numbers a row is.
    pub fn width(&self) -> usize {
        match self {
            Self::Table { numbers, categories } => numbers + categories.len(),
            Self::Sequence { steps, width } => steps * width,
            Self::Image {
                channels,
                height,
                width,
            } => channels * height * width,
            Self::Text { tokens, .. } => *tokens,
        }
    }
}

/// What a model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whether the label is 1: one output, its logit.
    Binary,
    /// Which of so many classes, at least 3: one output each, the logits of a softmax.
    Classes(u16),
    /// A number: one output, the number itself on the label's agreed scale.
    Number,
}

impl Target {
    /// Outputs of a model.
    pub fn outputs(self) -> usize {
        match self {
            Self::Binary | Self::Number => 1,
            Self::Classes(classes) => usize::from(classes),
        }
    }
}
