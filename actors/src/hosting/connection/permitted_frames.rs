use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use crate::{
    hosting::delivery::Permits,
    mattermost::{Frame, SocketError, SocketReader},
};

/// An item of [`PermittedFrames`].
pub(super) enum FrameEvent {
    /// A frame and its permits.
    Frame(Frame, OwnedSemaphorePermit),
    /// The socket failed.
    Broken(SocketError),
    /// Reading has paused because all permits are in use.
    Paused,
    /// Reading has resumed.
    Resumed,
}

/// The frames read from one socket before it yields to other sockets and to its Delivery. Otherwise thousands of
/// sockets with a burst each would hold all frames in memory at once.
const FRAMES_PER_TURN: u32 = 8;

type Acquiring = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>>>>;

/// A stream of a socket's frames. It acquires a permit of the Delivery before it reads a frame.
pub(super) struct PermittedFrames {
    frames: SocketReader,
    permits: Permits,
    state: State,
    /// The frames read since the last yield.
    read_this_turn: u32,
}

/// A frame that waits for its remaining permits.
type Held = Option<(Frame, OwnedSemaphorePermit)>;

enum State {
    /// Nothing is held.
    Idle,
    /// A permit is held; a frame is awaited.
    Reading(OwnedSemaphorePermit),
    /// Permits are awaited, perhaps for a large frame already read.
    Waiting { acquiring: Acquiring, held: Held, reported: bool },
    /// Permits were acquired after a pause.
    Resuming { permit: OwnedSemaphorePermit, held: Held },
    /// The socket ended.
    Ended,
}

impl PermittedFrames {
    /// Creates the stream with the permit acquired before the dial.
    pub(super) fn new(frames: SocketReader, permits: Permits, first: OwnedSemaphorePermit) -> Self {
        Self { frames, permits, state: State::Reading(first), read_this_turn: 0 }
    }

    /// Acquires a permit or starts to wait for one.
    fn acquire_first(&self) -> State {
        match self.acquire(1) {
            Ok(permit) => State::Reading(permit),
            Err(acquiring) => State::Waiting { acquiring, held: None, reported: false },
        }
    }

    /// Returns a frame with all its permits, or the state that waits for them.
    fn permit_frame(&self, frame: Frame, mut permit: OwnedSemaphorePermit) -> Result<FrameEvent, State> {
        let more = self.permits.extra_for(bytes_of(&frame));
        if more == 0 {
            return Ok(FrameEvent::Frame(frame, permit));
        }
        match self.acquire(more) {
            Ok(rest) => {
                permit.merge(rest);
                Ok(FrameEvent::Frame(frame, permit))
            }
            Err(acquiring) => Err(State::Waiting { acquiring, held: Some((frame, permit)), reported: false }),
        }
    }

    fn acquire(&self, count: u32) -> Result<OwnedSemaphorePermit, Acquiring> {
        let permits = &self.permits.semaphore;
        let acquired = permits.clone().try_acquire_many_owned(count);
        acquired.map_err(|_| Box::pin(permits.clone().acquire_many_owned(count)) as Acquiring)
    }
}

fn bytes_of(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) | Frame::Ping(bytes) | Frame::Pong(bytes) => bytes.len(),
        Frame::Close(_) => 0,
    }
}

impl Stream for PermittedFrames {
    type Item = FrameEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FrameEvent>> {
        if self.read_this_turn >= FRAMES_PER_TURN {
            self.read_this_turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Idle => self.state = self.acquire_first(),
                State::Reading(permit) => match self.frames.poll_next_unpin(cx) {
                    Poll::Pending => {
                        self.state = State::Reading(permit);
                        self.read_this_turn = 0;
                        return Poll::Pending;
                    }
                    Poll::Ready(Some(Ok(frame))) => match self.permit_frame(frame, permit) {
                        Ok(event) => {
                            self.read_this_turn += 1;
                            self.state = State::Idle;
                            return Poll::Ready(Some(event));
                        }
                        Err(waiting) => self.state = waiting,
                    },
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(FrameEvent::Broken(error))),
                    Poll::Ready(None) => return Poll::Ready(None),
                },
                State::Waiting { acquiring, held, reported: false } => {
                    self.state = State::Waiting { acquiring, held, reported: true };
                    return Poll::Ready(Some(FrameEvent::Paused));
                }
                State::Waiting { mut acquiring, held, reported: true } => match acquiring.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = State::Waiting { acquiring, held, reported: true };
                        return Poll::Pending;
                    }
                    // The semaphore is never closed.
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    Poll::Ready(Ok(permit)) => {
                        self.state = State::Resuming { permit, held };
                        return Poll::Ready(Some(FrameEvent::Resumed));
                    }
                },
                State::Resuming { permit, held: None } => self.state = State::Reading(permit),
                State::Resuming { permit, held: Some((frame, mut all)) } => {
                    all.merge(permit);
                    self.state = State::Idle;
                    return Poll::Ready(Some(FrameEvent::Frame(frame, all)));
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}
