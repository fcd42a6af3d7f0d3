//! A device's message, paid for by its size before any of it is kept or read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use muster_proto::DeviceId;
use tonic::Status;

use super::pace::{self, Pace};

/// What gRPC puts before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The body of a call, which carries one message.
pub(super) struct Weighed<B = Incoming> {
    body: B,
    pace: Pace,
    device: DeviceId,
    prefix: Vec<u8>,
    /// What may still come; known once the prefix is.
    left: Option<usize>,
}

impl<B> Weighed<B> {
    pub(super) fn new(body: B, pace: Pace, device: DeviceId) -> Self {
        Self { body, pace, device, prefix: Vec::with_capacity(PREFIX), left: None }
    }

    /// Charges the message when its length is known, and lets nothing come after it.
    fn take(&mut self, data: &[u8]) -> Result<(), Status> {
        let of_prefix = data.len().min(PREFIX - self.prefix.len());
        self.prefix.extend_from_slice(&data[..of_prefix]);
        let &[_, a, b, c, d] = &self.prefix[..] else { return Ok(()) };
        let length = u32::from_be_bytes([a, b, c, d]);
        let left = match self.left {
            Some(left) => left,
            None => {
                self.pace.spend(self.device, pace::of_bytes(length as usize))?;
                length as usize
            }
        };
        let left = left.checked_sub(data.len() - of_prefix);
        self.left = Some(left.ok_or_else(|| Status::invalid_argument("a call carries one message"))?);
        Ok(())
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for Weighed<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(Status::cancelled(error.to_string())))),
            None => return Poll::Ready(None),
        };
        let taken = frame.data_ref().map_or(Ok(()), |data| this.take(data));
        Poll::Ready(Some(taken.map(|()| frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const DEVICE: DeviceId = DeviceId(uuid::Uuid::from_u128(1));

    fn message(length: u32) -> [u8; PREFIX] {
        let [a, b, c, d] = length.to_be_bytes();
        [0, a, b, c, d]
    }

    #[test]
    fn a_message_is_paid_for_once_its_length_is_known_and_before_it_comes() {
        let pace = Pace::default();
        let refused = std::iter::repeat_with(|| {
            let mut body = Weighed::new((), pace.clone(), DEVICE);
            message(1024 * 1024).chunks(2).try_for_each(|part| body.take(part))
        });
        let refused: Vec<_> = refused.take(20).filter_map(Result::err).collect();
        assert_eq!(refused.len(), 12, "eight mebibytes may be announced at once");
        assert!(refused.iter().all(|status| status.code() == Code::ResourceExhausted));
    }

    #[test]
    fn nothing_comes_after_the_message() {
        let mut body = Weighed::new((), Pace::default(), DEVICE);
        body.take(&message(3)).unwrap();
        body.take(b"abc").unwrap();
        assert_eq!(body.take(b"d").unwrap_err().code(), Code::InvalidArgument);
    }
}
