use crate::model::InputShape;

/// A column of images of one size, a byte for each channel of a pixel, which reach the model on `[0, 1]`. It is the only column of its
/// schema, and its file is no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageColumn {
    /// Rows of pixels.
    pub height: u32,
    /// Pixels of a row.
    pub width: u32,
    /// Channels.
    pub channels: u32,
}

impl ImageColumn {
    /// Bytes of an image.
    pub fn bytes(&self) -> usize {
        [self.channels, self.height, self.width]
            .into_iter()
            .map(|size| size as usize)
            .product()
    }

    pub(super) fn shape(&self) -> InputShape {
        InputShape::Image {
            channels: self.channels as usize,
            height: self.height as usize,
            width: self.width as usize,
        }
    }
}
