//! Bodies: a whole text, or events as they come; and the form of a request.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

/// The body of an answer.
#[derive(Debug)]
pub enum Content {
    /// A whole text.
    Text(Bytes),
    /// Events as they come.
    Events(mpsc::Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Events(events) => events
                .poll_recv(context)
                .map(|event| Some(Ok(Frame::data(event?)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(u64::try_from(text.len()).unwrap_or(u64::MAX)),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// The fields of a form.
#[derive(Debug)]
pub struct Form(HashMap<String, String>);

impl Form {
    /// Reads a body to its end, of at most so many bytes.
    ///
    /// # Errors
    /// In words: it is too long, or broke off.
    pub(crate) async fn read<B: Body<Data = Bytes> + Unpin>(
        mut body: B,
        limit: usize,
    ) -> Result<Self, &'static str> {
        let too_long = "the form is too long";
        if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(too_long);
        }
        let mut bytes = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            let frame = frame.map_err(|_| "the form broke off")?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > limit {
                    return Err(too_long);
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// What a field holds; nothing if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}
